"""Whether the order of rows, or their ids, tell the label: a leak, or a sign of how the data came about."""

import math

import numpy as np
import numpy.typing as npt
import pandas as pd

from pipeline.doctor.examined import Examined, Ints
from pipeline.doctor.finding import Finding, Severity
from pipeline.lazy import lazily
from pipeline.metrics import scores

stats = lazily("scipy.stats")

FAR = 0.05  # from an AUC of 0.5, and of a share from what chance gives, from which there is something to tell
CHANCE = 1e-5  # probability of so much by chance, all labels together, below which it is not chance
BLOCKS = 10
MOST = 20  # labels that are looked at, the most frequent


def order_tells_label(seen: Examined) -> Finding | None:
    """Whether a row's number, its numeric id, or the row before it predict its label."""
    label = _labels(seen)
    number = np.arange(len(label), dtype=np.float64)
    ids = pd.to_numeric(seen.train.id.iloc[seen.of_train_file], errors="coerce").to_numpy(np.float64)
    told = [("the row's number", _most_telling(label, number))]
    if np.isfinite(ids).all():
        told.append(("the id", _most_telling(label, ids)))
    lines = [f"{name}: AUC {area:.3f} for label {_named(seen, own)}" for name, found in told if found
             for own, area in [found]]
    if repeated := _runs(label):
        lines.append(f"the row before: {repeated[0]:.1%} have its label, {repeated[1]:.1%} by chance")
    if not lines:
        return None
    return Finding(Severity.warning, "the order of rows, or their ids, tell the label", len(label),
                   tuple(lines[:3]),
                   "no model here reads it, but rows that came together may be alike: folds of single rows flatter",
                   "ask how the rows were collected; name what they came with in folds.group_column or "
                   "data.source_column")


def shares_by_block(seen: Examined) -> Finding | None:
    """Whether the share of a label differs between tenths of the file."""
    label = _labels(seen)
    if len(label) < 50 * BLOCKS:
        return None
    block = np.arange(len(label)) * BLOCKS // len(label)
    table = pd.crosstab(block, pd.Series(label))
    kept = table.loc[:, table.sum() >= 5 * BLOCKS].iloc[:, :MOST]
    if kept.shape[1] < 2 and len(np.unique(label)) < 2:
        return None
    table = pd.concat([kept, (table.sum(axis=1) - kept.sum(axis=1)).rename("others")], axis=1)
    table = table.loc[:, table.sum() > 0]
    if table.shape[1] < 2:
        return None
    probability = float(stats.chi2_contingency(table.to_numpy()).pvalue)
    share = table.div(table.sum(axis=1), axis=0)
    away = (share - table.sum() / table.to_numpy().sum()).abs()
    if probability > CHANCE or away.to_numpy().max() < 2 * FAR:
        return None
    row, column = np.unravel_index(away.to_numpy().argmax(), away.shape)
    which = share.columns.tolist()[column]
    name = "others" if which == "others" else _named(seen, int(str(which)))
    low, high = int(row) * len(label) // BLOCKS, (int(row) + 1) * len(label) // BLOCKS
    here, all_over = float(share.to_numpy()[row, column]), float(table.to_numpy()[:, column].sum() / len(label))
    return Finding(Severity.warning, "the share of labels differs between parts of the file", high - low,
                   (f"rows {low + 1:,} to {high:,}: {here:.1%} are {name}, {all_over:.1%} of all",),
                   "parts of the file may be from sources that were labelled differently",
                   "name the sources in a column, data.source_column, and see the score of each")


def _labels(seen: Examined) -> Ints:
    """int64: of each row of data.train the stratum of its label."""
    return np.asarray(seen.task.strata(seen.train.label), np.int64)[seen.of_train_file]


def _named(seen: Examined, label: int) -> str:
    row = int(seen.of_train_file[np.flatnonzero(_labels(seen) == label)[0]])
    return seen.task.label_text(seen.train.label.iloc[row])


def _most_telling(label: Ints, value: npt.NDArray[np.float64]) -> tuple[int, float] | None:
    """The label that a number tells best, and the AUC; None where it tells none by more than chance."""
    counts = pd.Series(label).value_counts().head(MOST)
    best: tuple[int, float] | None = None
    for own in counts.index:
        inside = label == own
        inner, outer = int(inside.sum()), int((~inside).sum())
        area = scores.auc(inside.astype(np.int64), value)
        if area is None:
            continue
        away = abs(area - 0.5) / math.sqrt((inner + outer + 1) / (12 * inner * outer))
        likely = 2 * float(stats.norm.sf(away)) * len(counts)
        if likely < CHANCE and abs(area - 0.5) > FAR and (best is None or abs(area - 0.5) > abs(best[1] - 0.5)):
            best = int(str(own)), area
    return best


def _runs(label: Ints) -> tuple[float, float] | None:
    """The share of rows that have the label of the row before, and what chance gives; None where these are alike."""
    if len(label) < 20:
        return None
    observed = float((label[1:] == label[:-1]).mean())
    share = np.bincount(label - label.min()) / len(label)
    chance = float(np.square(share).sum())
    deviation = math.sqrt(max(chance * (1 - chance), 1e-12) / (len(label) - 1))
    likely = float(stats.norm.sf((observed - chance) / (2 * deviation)))  # neighbours share rows: twice is wide enough
    return (observed, chance) if likely < CHANCE and observed - chance > FAR else None
