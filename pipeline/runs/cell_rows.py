"""The rows that a cell trains on, and how: which they are, how much each counts, and what it is trained towards.

One mechanism for the baseline, stage 1 and stage 2, for weights, soft labels, further files, sources and pseudo-labels.
"""

from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from pipeline.arrays import Ints
from pipeline.competition import row_columns
from pipeline.errors import UserError
from pipeline.runs.pseudo_labels import Labels, one_hot
from pipeline.runs.run import Run
from pipeline.stage_table import Cell
from pipeline.tasks import links


@dataclass(frozen=True)
class CellRows:
    """All arrays are of the training rows, or, with pseudo-labels, of the training and then the test rows.

    train: int64, numbers of the rows that are trained on, in order. target: what the loss compares with: as
    ``Task.target``, or with soft labels shares, float32 [rows] or [rows, labels]. hard: ``Task.target`` of the label,
    or of the likeliest. weight: float32 [rows], how much each row counts, 1 on average over ``train``. shares: whether
    the target of classes is a share of each class.
    """

    train: Ints
    target: npt.NDArray[Any]
    hard: npt.NDArray[Any]
    weight: npt.NDArray[np.float32]
    shares: bool = False


def of(run: Run, cell: Cell, sources: list[str] | None) -> CellRows:
    """The rows of a cell: all that its fold does not validate, of these sources (None: all), whose weight is above 0,
    and its pseudo-labels. Raises UserError where there is none."""
    table = run.competition.train
    inside = run.fold_of_row != cell.fold
    if sources:
        inside &= table[row_columns.SOURCE].isin(sources).to_numpy()
    train = np.flatnonzero(inside)
    weight = (table[row_columns.WEIGHT].to_numpy(np.float32) if row_columns.WEIGHT in table
              else np.ones(len(table), np.float32))
    labels = run.pseudo_labels.of_fold(cell.fold) if run.pseudo_labels else None
    if labels is not None and len(labels.test):
        train = np.concatenate([train, len(table) + labels.test])
        assert run.config.pseudo_labels is not None
        further = np.full(len(run.competition.test), run.config.pseudo_labels.weight, np.float32)
        weight = np.concatenate([weight, further])
    train = train[weight[train] > 0]  # a batch of rows that count nothing would have no loss
    if not len(train):
        raise UserError(f"{cell}: no row is left to train on: what its fold validates, other sources than those of "
                        f"train_on, and rows of weight 0 are all there is")
    mean = float(weight[train].mean(dtype=np.float64))
    if mean != 1:
        weight = (weight / mean).astype(np.float32)
    return CellRows(train, *_targets(run, labels), weight, _are_shares(run))


def _are_shares(run: Run) -> bool:
    classes = run.competition.task.links[0].function == "softmax"
    return classes and (row_columns.soft(run.competition.train) is not None or run.pseudo_labels is not None)


def _targets(run: Run, labels: Labels | None) -> tuple[npt.NDArray[Any], npt.NDArray[Any]]:
    """What the loss compares with, and the same without soft labels."""
    table, task = run.competition.train, run.competition.task
    hard, soft = task.target(table.label), row_columns.soft(table)
    if soft is None and labels is None:
        return hard, hard
    shares = _are_shares(run)
    target = (links.targets(task, table.label) if shares else hard).astype(np.float32)
    if soft is not None:
        known = ~np.isnan(soft).any(axis=1)
        target[known] = soft.reshape(target.shape)[known]
    if labels is None:
        return target, hard
    further = len(run.competition.test) if len(labels.test) else 0
    target, hard = (np.concatenate([part, np.zeros([further, *part.shape[1:]], part.dtype)])
                    for part in (target, hard.copy()))
    for rows, share in ((labels.others, labels.of_others), (len(table) + labels.test, labels.of_test)):
        target[rows] = share.reshape(-1, *target.shape[1:])
        decision = one_hot(task, share)
        hard[rows] = decision.argmax(axis=1) if shares else decision.reshape(-1, *hard.shape[1:])
    return target, hard
