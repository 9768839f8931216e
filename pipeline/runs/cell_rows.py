"""The rows that a cell trains on, and how: which they are, how much each counts, and what it is trained towards.

One mechanism for the baseline, stage 1 and stage 2, for weights, soft labels, further files and sources.
"""

from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from pipeline.arrays import Ints
from pipeline.competition import row_columns
from pipeline.runs.run import Run
from pipeline.stage_table import Cell
from pipeline.tasks import Task, links


@dataclass(frozen=True)
class CellRows:
    """train: int64, numbers of training rows, in order. target: what the loss compares with, of all training rows: as
    ``Task.target``, or with soft labels shares, float32 [rows] or [rows, labels]. weight: float32 [rows], how much each
    row counts, 1 on average over ``train``. shares: whether the target of classes is a share of each class."""

    train: Ints
    target: npt.NDArray[Any]
    weight: npt.NDArray[np.float32]
    shares: bool = False


def of(run: Run, cell: Cell) -> CellRows:
    """The rows of a cell: all that its fold does not validate, of the sources that its stage is trained on."""
    table, task = run.competition.train, run.competition.task
    inside = run.fold_of_row != cell.fold
    if sources := getattr(cell.stage.settings(run.config), "train_on", None):
        inside &= table[row_columns.SOURCE].isin(sources).to_numpy()
    train = np.flatnonzero(inside)
    target, shares = _target(task, run)
    weight = np.ones(len(table), np.float32)
    if row_columns.WEIGHT in table:
        weight = table[row_columns.WEIGHT].to_numpy(np.float32)
        mean = float(weight[train].mean(dtype=np.float64))
        weight = (weight / mean if mean else weight).astype(np.float32)
    return CellRows(train, target, weight, shares)


def _target(task: Task, run: Run) -> tuple[npt.NDArray[Any], bool]:
    table = run.competition.train
    target, soft = task.target(table.label), row_columns.soft(table)
    if soft is None:
        return target, False
    known = np.asarray(~np.isnan(soft).any(axis=1))
    if task.links[0].function == "softmax":
        return np.where(known[:, None], soft, links.targets(task, table.label)).astype(np.float32), True
    soft = soft.reshape(target.shape)
    return np.where(known if target.ndim == 1 else known[:, None], soft, target).astype(np.float32), False
