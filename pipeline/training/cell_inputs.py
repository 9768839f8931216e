"""What the cells of a stage are made from: rows as tokens or encoder outputs, the network, how rows are batched."""

import hashlib
import json
from collections.abc import Iterator, Sequence

import numpy as np
import numpy.typing as npt

from pipeline.arrays import Ints
from pipeline.backend import use_threads
from pipeline.competition import folds
from pipeline.config.training import FromSources
from pipeline.model.network import Network, RowSource
from pipeline.runs import cell_rows, cells
from pipeline.runs.cell_rows import CellRows
from pipeline.runs.resume_file import ResumeFile
from pipeline.runs.run import Run
from pipeline.stage_table import ALL_ROWS, STAGE1, Cell, Stage
from pipeline.text.packing import Plan
from pipeline.training import class_weights, encoder_outputs
from pipeline.training.encoder_outputs import FeatureTable
from pipeline.training.fine_tuning import CellData


class CellInputs:
    """What all cells of a stage share: the rows as tokens, the network, and how rows are batched."""

    def __init__(self, run: Run, stage: Stage):
        use_threads(run.made_with.threads(stage))
        self.run, self._stage = run, stage
        self.recipe: FromSources = stage.settings(run.config)
        self.tokens = run.train_tokens.joined(run.test_tokens)
        self.test = np.arange(len(run.train_tokens.lengths), len(self.tokens.lengths))
        bert = run.checkpoint.config
        used = np.union1d(self.tokens.ids, [0])
        self.network = Network(bert, run.config, used, run.competition.task, run.made_with.xla)
        self.predict_size = run.made_with.predict_batch
        if run.config.tokens.batches != "packed":
            self.predict_size = run.config.stage1.batch_size  # as published: there a score depends on its batch
        self.plan = self._planned(run.cells(stage, run.folds, [run.config.seed]))

    def lay_out_for(self, cell: Cell) -> None:
        """Lays out batches for a cell: for those of all folds alike, and anew for one of all rows, whose batches may be
        wider."""
        if cell.fold == ALL_ROWS:
            self.plan = self._planned([cell])

    def _planned(self, of_cells: Sequence[Cell]) -> Plan:
        run, recipe = self.run, self.recipe
        if run.config.tokens.batches != "packed":
            return Plan()
        size = recipe.batch_size // recipe.accumulate if isinstance(recipe.batch_size, int) else self.predict_size
        bert = run.checkpoint.config
        return Plan.packed(self.tokens.lengths, self._row_groups(of_cells), size, bert.layer_weights, bert.hidden)

    @property
    def shape(self) -> str:
        """How long a sequence is, in words."""
        return f"{self.plan.slots} in {self.plan.width} tokens" if self.plan.width else "padded to the longest"

    def data(self, cell: Cell, source: RowSource) -> CellData:
        """What a cell trains and validates on."""
        rows, train, valid, monitor = self._split(cell)
        task = self.run.competition.task
        scored, target, hard = task.target(self.run.competition.train.label), rows.target, rows.hard
        if self.tokens.words is not None:
            hard = target = _seen(scored, self.tokens.words[:len(scored)])
        weight = class_weights.of_targets(hard, train, self.recipe.class_weights == "balanced", task.by_word)
        weight *= rows.weight.reshape(-1, *[1] * (weight.ndim - 1))
        return CellData(source, task, target, scored, weight, train, valid, monitor, self.plan, self.predict_size,
                        str(cell))

    def features(self, encoder: str) -> FeatureTable:
        """The outputs of the network's present encoder for this run's rows, kept under a name that all they follow
        from is in. encoder: what names its weights."""
        hardware = self.run.config.hardware
        made_by = [encoder, self.tokens.digest, self.run.config.bert.precision, self.run.config.head.layers,
                   cells.provenance(self.run.made_with.of(STAGE1)), self.plan.slots, self.plan.width, self.predict_size]
        key = hashlib.sha256(json.dumps(made_by).encode()).hexdigest()[:32]
        return encoder_outputs.compute(self.network, self.tokens, self.plan, self.predict_size,
                                       self.run.paths.features / key, hardware.feature_cache)

    def resume_file(self, cell: Cell) -> ResumeFile:
        """The state of a cell in training, which is gone on from under the same threads and batch size only."""
        return ResumeFile(self.run.paths.cell(cell), self.run.identity(cell) | self.run.made_with.of(cell.stage))

    def predict(self, source: RowSource, rows: Ints) -> npt.NDArray[np.float32]:
        """Logits, float32 [rows], [rows, outputs] or [rows, words, outputs], by the network's present weights."""
        return self.network.predict(source, rows, self.plan, self.predict_size)

    @property
    def shares(self) -> bool:
        """Whether the target of classes is a share of each."""
        return self._split(self.run.cells(self._stage)[0])[0].shares

    def _split(self, cell: Cell) -> tuple[CellRows, Ints, Ints, Ints]:
        """The rows that a cell is given, and those of them that it trains on, validates on, and compares its epochs
        by."""
        rows = cell_rows.of(self.run, cell, self.recipe.train_on)
        train, table = rows.train, self.run.competition.train
        valid = monitor = np.flatnonzero(self.run.fold_of_row == cell.fold)
        if self.recipe.monitor_on == "inner":
            own = train[train < len(table)]  # and no row of test
            inner = own[folds.inner(table.iloc[own], self.run.config.folds)]
            train, monitor = np.setdiff1d(train, inner), inner
        return rows, train, valid, monitor

    def _row_groups(self, of_cells: Sequence[Cell]) -> Iterator[Ints]:
        """Every set of rows that the cells batch: one width then holds them all, whichever folds are asked for."""
        first = self.tokens.first_equal_row
        for cell in of_cells:
            _, train, valid, monitor = self._split(cell)
            yield from (train, *(np.unique(first[rows]) for rows in (train, valid, monitor)))
        if self.run.only_trained_on.any():
            yield np.unique(first[np.flatnonzero(self.run.only_trained_on)])
        yield from (np.unique(first[self.test]), np.unique(first))


def _seen(target: npt.NDArray[np.int32], words: npt.NDArray[np.int32]) -> npt.NDArray[np.int32]:
    """The targets of words that have a place in the token table, of its width, -1 for the others."""
    width = words.shape[1]
    missing = max(0, width - target.shape[1])
    return np.where(words >= 0, np.pad(target[:, :width], ((0, 0), (0, missing)), constant_values=-1), -1)
