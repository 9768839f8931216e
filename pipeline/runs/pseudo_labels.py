"""Labels that a finished run predicts for rows that have none of their own, or a doubtful one.

A fold's cells get them from that run's models of the same fold alone: those have not seen the rows that the fold
validates, so that nothing about these rows' labels comes back by way of the test rows (Lee, 2013, "Pseudo-Label",
with soft labels and the surest rows of each class, as Cascante-Bonilla et al., https://arxiv.org/abs/2001.06001).
"""

import dataclasses
import functools
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd

from pipeline import tasks
from pipeline.arrays import Ints
from pipeline.competition import folds
from pipeline.competition.folds import FoldOfRow
from pipeline.competition.tables import Competition
from pipeline.config.data import PseudoLabels as Settings
from pipeline.errors import UserError
from pipeline.files import formats, sealed
from pipeline.runs import artefacts
from pipeline.runs.finished_stage import FinishedStage
from pipeline.stage_table import ALL_ROWS, Cell
from pipeline.tasks import Task, links

RIGHT = 0.8  # the least share of validated rows that a run must predict rightly
Floats = npt.NDArray[np.float32]


@dataclass(frozen=True)
class Labels:
    """What one fold's cells are given.

    test: int64, numbers of test rows; of_test: float32 [test, outputs], the probabilities predicted for them.
    others: int64, numbers of training rows that no fold validates; of_others: float32 [others, outputs].
    """

    test: Ints
    of_test: Floats
    others: Ints
    of_others: Floats

    @property
    def digest(self) -> str:
        """What names the values."""
        parts = [getattr(self, field.name) for field in dataclasses.fields(self)]
        return sealed.digest([part.tolist() for part in parts])


class PseudoLabels:
    """The pseudo-labels of a run, read from the run that predicts them.

    Raises UserError where that run is not finished or damaged, is of other rows, folds or labels, or predicts fewer
    than 0.8 of its validated rows rightly and is not forced.
    """

    def __init__(self, settings: Settings, competition: Competition, fold_of_row: FoldOfRow,
                 data_identity: dict[str, Any], outside: npt.NDArray[np.bool_]):
        """outside: bool [rows], which training rows are only trained on."""
        self.settings, self._task = settings, competition.task
        self._train, self._test, self._outside = competition.train, competition.test, outside
        self._known = np.isin(np.asarray(folds.normalised(self._test)), np.asarray(folds.normalised(self._train)))
        self.source = FinishedStage.named(settings.of)
        for cell in self.source.cells:
            identity = self.source.done(cell, (artefacts.OTHERS,) if settings.relabel else ())["identity"]
            if unlike := [key for key, value in data_identity.items() if identity.get(key) != value]:
                raise UserError(f"pseudo_labels.of = {settings.of!r}: is of other {', '.join(unlike)} than this run; "
                                f"its models may have seen what this run's folds validate")
        self._fold_of_row = fold_of_row
        if self.right < RIGHT and not settings.forced:
            raise UserError(f"pseudo_labels.of = {settings.of!r}: predicts {self.right:.1%} of its validated rows "
                            f"rightly, fewer than {RIGHT:.0%}: so many pseudo-labels would be wrong that they seldom "
                            f"help; pseudo_labels.forced = true takes them all the same")

    @functools.cached_property
    def by_seed(self) -> dict[int, pd.DataFrame]:
        """The out-of-fold predictions of each seed of that run, in the order of train."""
        seeds: dict[int, list[pd.DataFrame]] = {}
        for cell in self.source.cells:
            path = self.source.paths.cell(cell) / artefacts.OOF
            seeds.setdefault(cell.seed, []).append(formats.read_csv(path, self._task.label_dtype))
        validated = self._train.id[self._fold_of_row >= 0]
        return {seed: folds.joined(tables, validated) for seed, tables in seeds.items()}

    @functools.cached_property
    def out_of_fold(self) -> pd.DataFrame:
        """Their mean."""
        tables = list(self.by_seed.values())
        return tasks.mean_of(self._task, tables) if len(tables) > 1 else tables[0]

    @functools.cached_property
    def right(self) -> float:
        """The share of that run's validated rows whose label, or all of whose labels, it predicts."""
        probability = self.out_of_fold[tasks.probability_columns(self._task)].to_numpy(np.float32)
        target = links.targets(self._task, self._train.label[self._fold_of_row >= 0])
        return float((one_hot(self._task, probability) == target).all(axis=1).mean())

    def of_fold(self, fold: int) -> Labels:
        """What the cells of a fold, or of ALL_ROWS, are given."""
        if fold not in self._read:
            self._read[fold] = self._of_fold(fold)
        return self._read[fold]

    @functools.cached_property
    def _read(self) -> dict[int, Labels]:
        return {}

    def _of_fold(self, fold: int) -> Labels:
        cells = [cell for cell in self.source.cells if fold in (cell.fold, ALL_ROWS)]
        test = others = np.zeros(0, np.int64)
        of_test = of_others = np.zeros((0, sum(self._task.outputs)), np.float32)
        if self.settings.test:
            predicted = self._predicted(cells, artefacts.TEST, self._test)
            test = self._surest(predicted)
            of_test = predicted[test]
        if self.settings.relabel:
            others = np.flatnonzero(self._outside)
            of_others = self._predicted(cells, artefacts.OTHERS, self._train[self._outside])
        return Labels(test, of_test, others, of_others)

    def _predicted(self, cells: Iterable[Cell], name: str, rows: pd.DataFrame) -> Floats:
        """float32 [rows, outputs]: the mean of the cells' probabilities. Raises UserError for other rows."""
        columns, total = tasks.probability_columns(self._task), []
        for cell in cells:
            table = formats.read_csv(self.source.paths.cell(cell) / name)
            if table.id.tolist() != rows.id.tolist():
                raise UserError(f"{self.source.paths.cell(cell) / name}: has other rows than this run")
            total.append(table[columns].to_numpy(np.float64))
        return np.mean(total, axis=0).astype(np.float32)

    def _surest(self, probability: Floats) -> Ints:
        """Of each predicted label the surest rows, whose text no training row has; in order."""
        label, sure = decided(self._task, probability)
        taken = np.zeros(len(sure), bool)
        for number in np.unique(label):
            own = (label == number) & ~self._known
            if own.any():
                least = max(self.settings.floor, float(np.quantile(sure[own], 1 - self.settings.share)))
                taken |= own & (sure >= least)
        return np.flatnonzero(taken)


def decided(task: Task, probability: Floats) -> tuple[Ints, npt.NDArray[np.float64]]:
    """int64 [rows]: the number of the likeliest label; and how sure it is, float64 [rows]: its probability. Several
    labels of a row are one decision: number 0, and the product of the probabilities of each."""
    values = probability.astype(np.float64)
    if task.links[0].function == "softmax":
        return values.argmax(axis=1), values.max(axis=1)
    each = np.maximum(values, 1 - values)
    if values.shape[1] > 1:
        return np.zeros(len(values), np.int64), each.prod(axis=1)
    return (values[:, 0] >= 0.5).astype(np.int64), each[:, 0]


def one_hot(task: Task, probability: Floats) -> Floats:
    """float32 [rows, outputs]: 1 where a label is decided for, else 0."""
    if task.links[0].function == "softmax":
        return (probability.argmax(axis=1)[:, None] == np.arange(probability.shape[1])).astype(np.float32)
    return (probability >= 0.5).astype(np.float32)
