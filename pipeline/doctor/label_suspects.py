"""Rows whose label a model out of fold hardly believes: ranked, never dropped, and how often such are errors."""

import numpy as np
import pandas as pd

from pipeline.doctor import examined as examining
from pipeline.doctor.examined import Examined
from pipeline.doctor.finding import EXAMPLES, Finding, Severity, shown

DOUBTED = 0.1  # probability of its own label below which a row is a suspect
PLANTED = 0.05  # share of labels that are turned to see how well errors are found
FIRST = 100  # suspects of which the precision is told
SEED = 2020


def suspects(seen: Examined) -> Finding | None:
    """The rows whose label has the least probability out of fold (self-confidence; Northcutt, Jiang and Chuang 2021,
    https://arxiv.org/abs/1911.00068). Equal texts with unlike labels are another finding and not among them."""
    if seen.oof is None:
        return None
    stage, oof = seen.oof
    ranked = rank(seen, oof)
    if ranked is None or not len(ranked):
        return None
    doubted = ranked[ranked.probability < DOUBTED]
    if not len(doubted):
        return None
    text_of = pd.Series(seen.texts[:len(seen.train)].to_numpy(), index=seen.train.id.to_numpy())
    first = doubted.head(EXAMPLES)
    examples = tuple(f"{key}: {shown(text_of[key])} [{seen.task.label_text(label)}], {probability:.3f}"
                     for key, label, probability in zip(first.id, first.label, first.probability, strict=True))
    precision = planted_precision(seen)
    beside = ("" if precision is None else
              f"; where {PLANTED:.0%} of the labels were turned on purpose, {precision:.0%} of the first {FIRST} that "
              f"tf-idf doubted were among those")
    what = f"{len(doubted):,} rows have a label that {stage} gives less than {DOUBTED:g} out of fold"
    return Finding(Severity.note, what, len(doubted), examples,
                   f"some are labelling errors, others are hard, or the model is wrong{beside}",
                   "look at the first of them; data.relabel and data.drop take a list of ids, and the report says so",
                   {"precision of the first 100, planted": precision})


def rank(seen: Examined, oof: pd.DataFrame) -> pd.DataFrame | None:
    """id, label, probability of the label, the least first; without rows whose text has another label elsewhere. None
    for a kind whose labels have no probability."""
    own = examining.of_label(seen.task, oof)
    if own is None:
        return None
    text = pd.Series(seen.normalised[:len(seen.train)].to_numpy(), index=seen.train.id.to_numpy())
    kinds = seen.train.label.astype(str).reset_index(drop=True).groupby(text.to_numpy()).nunique()
    clear = (oof.id.map(text).map(kinds) == 1).to_numpy()
    table = pd.DataFrame({"id": oof.id, "label": oof.label, "probability": own})[clear]
    return table.sort_values("probability", kind="stable").reset_index(drop=True)


def planted_precision(seen: Examined, share: float = PLANTED, first: int = FIRST) -> float | None:
    """The share of turned labels among the first suspects of the baseline, where so many labels were turned at random;
    None where labels cannot be turned, or too few rows have one."""
    train = seen.sample.competition.train
    target = seen.task.target(train.label)
    kinds = np.unique(target) if target.ndim == 1 and target.dtype != np.float64 else np.zeros(0)
    validated = np.flatnonzero(seen.sample.fold_of_row >= 0)
    count = int(share * len(validated))
    if len(kinds) < 2 or count < first or not seen.fits or seen.task.has_values or seen.task.by_word:
        return None
    rng = np.random.default_rng(SEED)
    turned = rng.choice(validated, count, replace=False)
    label = train.label.copy()
    known = label.drop_duplicates()
    for row in turned:
        others = known[known != label.iloc[row]]
        label.iloc[row] = others.iloc[rng.integers(len(others))]
    run = examining.with_labels(seen.sample, label)
    oof = examining.baseline_oof(run)
    own = None if oof is None else examining.of_label(seen.task, oof)
    if own is None:
        return None
    doubted = train.id.iloc[validated].to_numpy()[np.argsort(own, kind="stable")[:first]]
    return float(np.isin(doubted, train.id.iloc[turned]).mean())
