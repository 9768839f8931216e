"""Stage 1 and stage 2: what a cell starts from, what it must prove about itself, and the files it leaves."""

import dataclasses
import hashlib
import json
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import numpy.typing as npt

from pipeline import tasks
from pipeline.arrays import Ints, Tensors
from pipeline.backend import memory_told, use_threads
from pipeline.competition import folds
from pipeline.config.run import caches_features
from pipeline.config.training import Training
from pipeline.errors import DivergedError, MismatchError
from pipeline.files import formats
from pipeline.machine.console import Clock, say
from pipeline.model.network import HEAD, Network, RowSource
from pipeline.runs import artefacts, cells, identity
from pipeline.runs.cells import Files, FitCell
from pipeline.runs.resume_file import ResumeFile
from pipeline.runs.run import Run
from pipeline.stage_table import STAGE1, STAGE2, Cell, Stage
from pipeline.text import vocabulary
from pipeline.text.packing import Plan
from pipeline.training import class_weights, encoder_outputs
from pipeline.training.encoder_outputs import FeatureTable
from pipeline.training.loop import CellData, Epoch, Fitted, Trainer, fit

# How closely stage 2 must find stage 1's probabilities again: rounding in another order has moved them by 1.4e-6, other
# weights move them by far more, and a false alarm would cost hours.
REPRODUCES = {"float32": 1e-4, "bfloat16": 1e-2}


def start_stage1(run: Run) -> FitCell:
    """Sets up stage 1 and returns the function that fits one of its cells."""
    setup = Setup(run, STAGE1)
    recipe, network = run.config.stage1, setup.network
    trainer = Trainer(network, recipe, head_only=recipe.frozen, from_vectors=recipe.frozen)

    def fit_cell(cell: Cell) -> Files:
        clock, seed = Clock(), cell.random_seed
        tensors = run.encoder_weights(cell.fold)
        network.start(tensors, seed)
        rows = setup.features(identity.start_of_stage1(run, cell.fold)) if recipe.frozen else setup.tokens
        data = setup.data(cell, rows)
        with memory_told(data.name, f"{recipe.batch_size} rows, {setup.shape}",
                         "halve stage1.batch_size, or take a batch in parts: stage1.accumulate"):
            fitted = fit(trainer, data, seed, setup.resume_file(cell))
        if recipe.frozen:
            _none_moved(tensors, network.dump(), data.name)
        else:
            _all_moved(tensors, fitted.last.weights, data.name)
        chosen, handed = fitted.epoch(recipe.predict_with), fitted.epoch(recipe.hand_on)
        network.load(chosen.weights)
        files: Files = {artefacts.weights(recipe.hand_on): tensors | handed.weights,
                        artefacts.weights(recipe.predict_with): tensors | chosen.weights}
        files |= _tables(run, data, chosen, setup.predict(rows, setup.test), fitted)
        files |= {artefacts.MODEL: {"bert": dataclasses.asdict(run.checkpoint.config), "task": tasks.saved(data.task)},
                  artefacts.VOCABULARY: vocabulary.lines(run.checkpoint.vocab)}
        files[artefacts.HANDED_ON] = data.task.test_table(run.competition.train.iloc[data.valid], handed.logit)
        say(f"{data.name}  done in {clock}")
        return files

    return fit_cell


def start_stage2(run: Run) -> FitCell:
    """Sets up stage 2 and returns the function that fits one of its cells; stage 1 of that fold must be done."""
    setup = Setup(run, STAGE2)
    recipe, network, cached = run.config.stage2, setup.network, caches_features(run.config)
    trainer = Trainer(network, recipe, head_only=True, from_vectors=cached)

    def fit_cell(cell: Cell) -> Files:
        clock, seed = Clock(), cell.random_seed
        parent = run.paths.cell(run.cell(STAGE1, cell.fold))
        weights = formats.read_tensors(parent / artefacts.weights(run.config.stage1.hand_on))
        network.start(weights, seed)
        rows = setup.features(cells.fingerprint(parent)) if cached else setup.tokens
        data = setup.data(cell, rows)
        _reproduces(setup, data, parent)
        with memory_told(data.name, f"{setup.predict_size} rows, {setup.shape}", "halve hardware.predict_batch"):
            fitted = fit(trainer, data, seed, setup.resume_file(cell))
        _none_moved(weights, network.dump(), data.name)
        chosen = fitted.epoch(recipe.predict_with)
        network.load(chosen.weights)
        files: Files = {artefacts.HEAD: chosen.weights}
        files |= _tables(run, data, chosen, setup.predict(rows, setup.test), fitted)
        say(f"{data.name}  done in {clock}")
        return files

    return fit_cell


class Setup:
    """What all cells of a stage share: the rows as tokens, the network, and how rows are batched."""

    def __init__(self, run: Run, stage: Stage):
        use_threads(run.made_with.threads(stage))
        self.run, self.stage = run, stage
        self.recipe: Training = stage.settings(run.config)
        self.tokens = run.train_tokens.joined(run.test_tokens)
        self.test = np.arange(len(run.train_tokens.lengths), len(self.tokens.lengths))
        bert = run.checkpoint.config
        used = np.union1d(self.tokens.ids, [0])
        self.network = Network(bert, run.config, used, run.competition.task, run.made_with.xla)
        self.plan, self.predict_size = Plan(), run.made_with.predict_batch
        if run.config.tokens.batches == "packed":
            recipe = self.recipe
            size = (recipe.batch_size // recipe.accumulate if isinstance(recipe.batch_size, int)
                    else self.predict_size)
            self.plan = Plan.packed(self.tokens.lengths, self._row_groups(), size, bert.layer_weights,
                                    bert.hidden)
        else:
            self.predict_size = run.config.stage1.batch_size  # as published: there a score depends on its batch

    @property
    def shape(self) -> str:
        """How long a sequence is, in words."""
        return f"{self.plan.slots} in {self.plan.width} tokens" if self.plan.width else "padded to the longest"

    def data(self, cell: Cell, source: RowSource) -> CellData:
        """What a cell trains and validates on."""
        train, valid, monitor = self._split(cell.fold)
        task = self.run.competition.task
        target = scored = task.target(self.run.competition.train.label)
        if self.tokens.words is not None:
            target = _seen(scored, self.tokens.words[:len(scored)])
        weight = class_weights.of_targets(target, train, self.recipe.class_weights == "balanced", task.by_word)
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

    def _split(self, fold: int) -> tuple[Ints, Ints, Ints]:
        """The rows that a cell trains on, validates on, and compares its epochs by."""
        train = np.flatnonzero(self.run.fold_of_row != fold)
        valid = monitor = np.flatnonzero(self.run.fold_of_row == fold)
        if self.recipe.monitor_on == "inner":
            inner = folds.inner(self.run.competition.train.iloc[train], self.run.config.folds)
            train, monitor = train[~inner], train[inner]
        return train, valid, monitor

    def _row_groups(self) -> Iterator[Ints]:
        """Every set of rows that any cell batches: one width then holds them all, whichever folds are asked for."""
        first = self.tokens.first
        for fold in self.run.folds:
            train, valid, monitor = self._split(fold)
            yield from (train, *(np.unique(first[rows]) for rows in (train, valid, monitor)))
        yield from (np.unique(first[self.test]), np.unique(first))


def _seen(target: npt.NDArray[np.int32], words: npt.NDArray[np.int32]) -> npt.NDArray[np.int32]:
    """The targets of words that have a place in the token table, of its width, -1 for the others."""
    most = words.shape[1]
    missing = max(0, most - target.shape[1])
    return np.where(words >= 0, np.pad(target[:, :most], ((0, 0), (0, missing)), constant_values=-1), -1)


def _tables(run: Run, data: CellData, chosen: Epoch, test_logit: npt.NDArray[np.float32], fitted: Fitted
            ) -> Files:
    train, fold = run.competition.train.iloc[data.valid], run.fold_of_row[data.valid]
    return {artefacts.OOF: data.task.oof_table(train, fold, chosen.logit),
            artefacts.TEST: data.task.test_table(run.competition.test, test_logit),
            artefacts.HISTORY: fitted.history}


def _all_moved(before: Tensors, after: Tensors, name: str) -> None:
    """Stage 1 trains the encoder: a kernel or LayerNorm that stands still was not trained at all."""
    still = [tensor for tensor in before if tensor.endswith(("kernel", "gamma", "beta"))
             and np.array_equal(before[tensor], after[tensor])]
    if still:
        raise DivergedError(f"{name}: {len(still)} encoder tensors did not move, for example {still[0]}; "
                            f"learning_rate may be too small for float32")


def _none_moved(before: Tensors, after: Tensors, name: str) -> None:
    """Stage 2 trains the head alone."""
    moved = [tensor for tensor in before if not tensor.startswith(HEAD)
             and not np.array_equal(before[tensor], after[tensor])]
    if moved:
        raise AssertionError(f"{name}: the frozen encoder moved: {moved[:3]}")


def _reproduces(setup: Setup, data: CellData, parent: Path) -> None:
    """Before the first step the network must give the probabilities recorded for the very weights it loaded."""
    recorded = formats.read_csv(parent / artefacts.HANDED_ON)
    train = setup.run.competition.train
    now = data.task.test_table(train.iloc[data.valid], setup.predict(data.source, data.valid))
    probabilities = tasks.probability_columns(data.task)
    difference = float((now[probabilities] - recorded[probabilities]).abs().to_numpy().max())
    most = REPRODUCES[setup.run.config.bert.precision]
    if not difference <= most:
        raise MismatchError(f"{parent}: its weights give validation predictions that differ by {difference:.2g} from "
                            f"those recorded with them (at most {most:g}); make it again: --redo stage1")
