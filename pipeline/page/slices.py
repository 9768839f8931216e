"""The score on parts of the rows: by length, by copies, by source, by label."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import pandas as pd

from pipeline.competition import row_columns
from pipeline.doctor.examined import Examined
from pipeline.metrics.metric import Form
from pipeline.results import rows_report
from pipeline.tasks import Task
from pipeline.text.columns import characters

PARTS = 10  # of rows by their length
FEWEST = 30  # rows of a part

Names = npt.NDArray[np.object_]


@dataclass(frozen=True)
class Slice:
    """A stage's score on some rows; score and interval are None where they are undefined."""

    stage: str
    name: str
    rows: int
    score: float | None
    interval: list[float] | None


def all_of(task: Task, stage: str, oof: pd.DataFrame, metric: str | None, seen: Examined) -> dict[str, list[Slice]]:
    """By title, the parts in their order. oof: with a group of each row, as ``folds.grouped`` gives it."""
    train = seen.train
    parts: dict[str, tuple[Names, Sequence[str]]] = {"By length": _by_length(train)}
    copies = seen.normalised[:len(train)]
    repeated = copies.duplicated(keep=False).to_numpy()
    if repeated.any():
        parts["By repeated texts"] = _named(repeated, ["text stands once", "text is repeated"])
    if seen.repeats_train.any():
        in_test = copies.isin(seen.normalised[len(train):]).to_numpy(bool)
        parts["By texts of test"] = _named(in_test, ["text is not in test", "text is in test"])
    if row_columns.SOURCE in train:
        source = train[row_columns.SOURCE].to_numpy(object)
        parts["By source"] = source, sorted(set(source))
    return {title: slices for title, (names, order) in parts.items()
            if len(slices := _scored(task, stage, oof, metric, pd.Series(names, index=train.id.to_numpy()), order)) > 1}


def _named(yes: npt.NDArray[np.bool_], names: Sequence[str]) -> tuple[Names, Sequence[str]]:
    return np.array(names, dtype=object)[yes.astype(np.int64)], names


def _by_length(train: pd.DataFrame) -> tuple[Names, Sequence[str]]:
    """Tenths of the rows by their texts' characters; rows of one length stay together."""
    length = characters(train)
    part = np.searchsorted(np.sort(length), length, side="left") * PARTS // max(len(length), 1)
    names, order = np.empty(len(length), dtype=object), []
    for number in np.unique(part):
        own = length[part == number]
        name = f"{own.min()} to {own.max()}" if own.min() < own.max() else f"{own.min()}"
        names[part == number] = f"{name} characters"
        order.append(f"{name} characters")
    return names, order


def _scored(task: Task, stage: str, oof: pd.DataFrame, metric: str | None, name_of: pd.Series, order: Sequence[str]
            ) -> list[Slice]:
    """Where the metric scores decisions, a fold's are made by what is best on the other folds' rows, of all parts."""
    name = oof.id.map(name_of)
    scored = {row["source"]: row for row in rows_report.by_source(task, oof, name, metric)}
    slices = []
    for part in order:
        if part not in scored or scored[part]["rows"] < FEWEST:
            continue
        interval = None
        if task.named_metric(metric).form != Form.DECISIONS:
            own = oof[(name == part).to_numpy()].reset_index(drop=True)
            interval = task.lead(own, [], metric).get("pooled_interval")
        slices.append(Slice(stage, part, scored[part]["rows"], scored[part]["score"], interval))
    return slices
