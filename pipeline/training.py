"""Fitting one cell: epochs over batches, exact validation after each, the weights that predict and are handed on."""

import math
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd

from pipeline import cells, features, folds, metrics, storage
from pipeline.backend import keras, tf, use_threads
from pipeline.batches import Batch, Ints, Plan, pad_rows
from pipeline.checkpoint import Tensors
from pipeline.config import Training, caches_features
from pipeline.errors import DivergedError, MismatchError
from pipeline.log import Clock, progress, say
from pipeline.losses import LOSSES
from pipeline.network import HEAD, Network, RowSource
from pipeline.run import FitCell, Run
from pipeline.tokens import TokenTable

REPRODUCES = 1e-6  # stage 2 must find stage 1's recorded probabilities again, to this
CHECK_EVERY = 50  # steps between looks at the loss


@dataclass(frozen=True)
class Task:
    """The rows of one cell. train, valid, monitor: int64 row numbers; label: float32 of all rows."""

    source: RowSource
    label: npt.NDArray[np.float32]
    train: Ints
    valid: Ints
    monitor: Ints
    plan: Plan
    predict_size: int
    name: str


@dataclass(frozen=True)
class Epoch:
    """The state after an epoch: weights and the logits, float32, of the validation rows."""

    number: int
    weights: Tensors
    logit: npt.NDArray[np.float32]


@dataclass(frozen=True)
class Fitted:
    """A fitted cell: one history row an epoch, the last epoch, and the best by the monitor (ties: the earliest)."""

    history: pd.DataFrame
    last: Epoch
    best: Epoch

    def epoch(self, which: str) -> Epoch:
        """"last" or "best"."""
        return self.best if which == "best" else self.last


class Trainer:
    """One stage's compiled training step, reused by all of its cells."""

    def __init__(self, network: Network, recipe: Training, head_only: bool, from_vectors: bool):
        self.network, self.recipe, self.from_vectors = network, recipe, from_vectors
        self.variables = list(network.head.trainable_variables)
        if not head_only:
            self.variables = list(network.encoder.trainable_variables) + self.variables
        self.head_only = head_only
        # The step is compiled as a whole, so the optimizer must not compile itself.
        options = {"learning_rate": recipe.learning_rate, "jit_compile": False}
        if recipe.optimizer == "adamw":
            self.optimizer = keras.optimizers.AdamW(weight_decay=recipe.weight_decay, **options)
            decayed = {id(variable) for variable in network.decayed()}
            self.optimizer.exclude_from_weight_decay([v for v in self.variables if id(v) not in decayed])
        else:
            self.optimizer = keras.optimizers.Adam(**options)
        self.optimizer.build(self.variables)
        self._step = tf.function(self._train_step, jit_compile=network.compile)

    def reset(self) -> None:
        """Forgets the moments and the step count of the cell before."""
        for variable in self.optimizer.variables:
            variable.assign(tf.zeros_like(variable))

    def step(self, inputs: tuple[Any, Any], label: Any, weight: Any, rate: float) -> Any:
        """One update; returns the loss, float32 scalar."""
        self.optimizer.learning_rate.assign(rate)
        first, second = inputs
        return self._step(tf.constant(first), tf.constant(second), tf.constant(label), tf.constant(weight))

    def _train_step(self, first: Any, second: Any, label: Any, weight: Any) -> Any:
        with tf.GradientTape(watch_accessed_variables=False) as tape:
            tape.watch(self.variables)
            if self.from_vectors:
                logit = self.network.head(first, second)
            else:
                logit = self.network.logit_of_tokens(first, second, dropout=self.recipe.encoder_dropout)
            loss = LOSSES[self.recipe.loss](label, logit, weight)
        gradients = tape.gradient(loss, self.variables)
        if self.recipe.clip_norm:
            gradients, _ = tf.clip_by_global_norm(gradients, self.recipe.clip_norm)
        self.optimizer.apply_gradients(zip(gradients, self.variables, strict=True))
        return loss


class Watch:
    """The monitored score over epochs: which was best, when to halve the rate, when to stop. Ties keep the earliest."""

    def __init__(self, recipe: Training):
        self._recipe = recipe
        self._best = self._plateau = -math.inf
        self._since_best = self._since_plateau = 0
        self.halvings = 0

    def improved(self, scores: dict[str, float]) -> bool:
        """Takes in an epoch's scores; True where it is the best so far, as the first always is."""
        score = scores[self._recipe.monitor] * (-1 if self._recipe.monitor == "loss" else 1)
        self._since_best, self._since_plateau = self._since_best + 1, self._since_plateau + 1
        if score > self._plateau + 1e-4:  # Keras' min_delta for ReduceLROnPlateau
            self._plateau, self._since_plateau = score, 0
        elif self._recipe.plateau and self._since_plateau >= self._recipe.plateau:
            self.halvings, self._since_plateau = self.halvings + 1, 0
        if score > self._best or self._best == -math.inf:
            self._best, self._since_best = score, 0
            return True
        return False

    @property
    def stop(self) -> bool:
        """Whether early stopping ends the training here."""
        return self._recipe.early_stopping is not None and self._since_best >= self._recipe.early_stopping


def fit(trainer: Trainer, task: Task, seed: int) -> Fitted:
    """Trains the network from its present weights and validates after every epoch.

    Raises DivergedError where the loss or a validation logit is not finite.
    """
    recipe, network = trainer.recipe, trainer.network
    trainer.reset()
    rng = np.random.default_rng(seed)
    size = len(task.train) if recipe.batch_size == "fold" else recipe.batch_size
    per_epoch = math.ceil(len(task.train) / size)
    dump = network.dump_head if trainer.head_only else network.dump
    watch = Watch(recipe)
    best: Epoch | None = None
    history: list[dict[str, float]] = []
    with progress(task.name, recipe.epochs * per_epoch) as advance:
        for number in range(1, recipe.epochs + 1):
            where = f"{task.name}, epoch {number}"
            losses: list[Any] = []
            rate = 0.0
            for batch in _epoch_batches(recipe, task, size, rng):
                step = (number - 1) * per_epoch + len(losses)
                rate = recipe.learning_rate * 0.5**watch.halvings * schedule(step, recipe.epochs * per_epoch, recipe)
                rows, weight = pad_rows(batch, size)
                losses.append(trainer.step(task.source.batch(rows, batch.width), task.label[rows], weight, rate))
                advance()
                if len(losses) % CHECK_EVERY == 0 or len(losses) == per_epoch:
                    _finite(float(losses[-1]), f"{where}, step {len(losses)}: the loss", rate)
            logit, valid = _validate(network, task, task.valid)
            _finite(float(np.abs(logit).max()), f"{where}: a validation logit", rate)
            row = {"epoch": number, "learning_rate": rate, "loss": float(np.mean([float(x) for x in losses]))}
            row |= {f"valid_{name}": value for name, value in valid.items()}
            monitored = valid
            if task.monitor is not task.valid:
                _, monitored = _validate(network, task, task.monitor)
                row |= {f"inner_{name}": value for name, value in monitored.items()}
            history.append(row)
            say(f"{task.name}  epoch {number}/{recipe.epochs}  loss {row['loss']:.4f}  "
                f"valid AUC {valid['auc']:.4f}  accuracy {valid['accuracy']:.4f}  F1 {valid['f1']:.4f}")
            if watch.improved(monitored):
                best = Epoch(number, dump(), logit)
            if watch.stop:
                break
    assert best is not None
    last = best if best.number == number else Epoch(number, dump(), logit)
    table = pd.DataFrame(history)
    table["best"] = np.where(table.epoch == best.number, 1, 0)
    return Fitted(table, last, best)


def _epoch_batches(recipe: Training, task: Task, size: int, rng: np.random.Generator) -> list[Batch]:
    lengths = task.source.lengths
    if recipe.batch_size == "fold":
        return [Batch(task.train, int(lengths[task.train].max()))]
    return task.plan.shuffled(lengths, task.train, size, rng)


def _validate(network: Network, task: Task, rows: Ints) -> tuple[npt.NDArray[np.float32], dict[str, float]]:
    logit = network.predict(task.source, rows, task.plan, task.predict_size)
    return logit, metrics.monitored(task.label[rows].astype(np.int8), logit)


def schedule(step: int, total: int, recipe: Training) -> float:
    """Share of the peak rate at a step counted from 0: linear warm-up, then constant or linear decay to 0."""
    warmup = round(recipe.warmup * total)
    if step < warmup:
        return (step + 1) / warmup
    return (total - step) / (total - warmup) if recipe.decay == "linear" else 1.0


def start_stage1(run: Run) -> FitCell:
    """Sets up stage 1 and returns the function that fits one of its cells."""
    use_threads(run.threads)
    recipe = run.config.stage1
    tensors = run.checkpoint.tensors()
    network = Network(run.checkpoint.config, run.config)
    trainer = Trainer(network, recipe, head_only=False, from_vectors=False)
    source, test_row = _joined(run)
    plan = Plan.of(run.config.tokens, source.lengths)
    size = _predict_size(run, recipe)

    def fit_cell(fold: int) -> cells.Files:
        clock = Clock()
        seed = _cell_seed(run, 1, fold)
        network.start(tensors, seed)
        task = _task(run, "stage1", fold, source, plan, size, recipe)
        fitted = fit(trainer, task, seed)
        _all_moved(tensors, fitted.last.weights, task.name)
        chosen = fitted.epoch(recipe.predict_with)
        network.load(chosen.weights)
        files: cells.Files = {f"weights_{recipe.hand_on}.safetensors": fitted.epoch(recipe.hand_on).weights,
                              f"weights_{recipe.predict_with}.safetensors": chosen.weights}
        files |= _tables(run, task, chosen, network.predict(source, test_row, plan, size), fitted)
        handed = fitted.epoch(recipe.hand_on).logit
        files["handed_on.csv"] = run.competition.task.test_table(run.competition.train.id.iloc[task.valid], handed)
        say(f"{task.name}  done in {clock}")
        return files

    return fit_cell


def start_stage2(run: Run) -> FitCell:
    """Sets up stage 2 and returns the function that fits one of its cells; stage 1 of that fold must be done."""
    use_threads(run.threads)
    recipe = run.config.stage2
    network = Network(run.checkpoint.config, run.config)
    cached = caches_features(run.config)
    trainer = Trainer(network, recipe, head_only=True, from_vectors=cached)
    source, test_row = _joined(run)
    plan = Plan.of(run.config.tokens, source.lengths)
    size = _predict_size(run, recipe)

    def fit_cell(fold: int) -> cells.Files:
        clock = Clock()
        seed = _cell_seed(run, 2, fold)
        parent = run.paths.cell("stage1", fold)
        weights = storage.read_tensors(parent / f"weights_{run.config.stage1.hand_on}.safetensors")
        network.start(weights, seed)
        network.load(weights)
        rows: RowSource = features.compute(network, source, plan, size) if cached else source
        task = _task(run, "stage2", fold, rows, plan, size, recipe)
        _reproduces(network, task, storage.read_csv(parent / "handed_on.csv").prediction.to_numpy(),
                    parent, _predict_size(run, run.config.stage1))
        fitted = fit(trainer, task, seed)
        _none_moved(weights, network.dump(), task.name)
        chosen = fitted.epoch(recipe.predict_with)
        network.load(chosen.weights)
        files: cells.Files = {"head.safetensors": chosen.weights}
        files |= _tables(run, task, chosen, network.predict(rows, test_row, plan, size), fitted)
        say(f"{task.name}  done in {clock}")
        return files

    return fit_cell


def _joined(run: Run) -> tuple[TokenTable, Ints]:
    """Training rows, then test rows, as one table; and the row numbers of the test rows."""
    train, test = run.train_tokens, run.test_tokens
    offsets = np.concatenate([train.offsets, train.offsets[-1] + test.offsets[1:]])
    table = TokenTable(np.concatenate([train.ids, test.ids]), offsets, np.concatenate([train.second, test.second]))
    return table, np.arange(len(train.lengths), len(offsets) - 1)


def _task(run: Run, stage: str, fold: int, source: RowSource, plan: Plan, size: int, recipe: Training) -> Task:
    train = np.flatnonzero(run.fold_of_row != fold)
    valid = monitor = np.flatnonzero(run.fold_of_row == fold)
    table = run.competition.train
    if recipe.monitor_on == "inner":
        rows = table.iloc[train]
        groups = (rows.group if run.config.folds.group_column else folds.normalised(rows)).to_numpy()
        method = "stratified_grouped" if run.config.folds.method == "given" else run.config.folds.method
        inner = folds.split(rows.label.to_numpy(), groups, method, 10, run.config.folds.seed) == 0
        train, monitor = train[~inner], train[inner]
    return Task(source, table.label.to_numpy(np.float32), train, valid, monitor, plan, size, f"{stage} fold {fold}")


def _tables(run: Run, task: Task, chosen: Epoch, test_logit: npt.NDArray[np.float32], fitted: Fitted) -> cells.Files:
    train, kind = run.competition.train.iloc[task.valid], run.competition.task
    fold = run.fold_of_row[task.valid]
    return {"oof.csv": kind.oof_table(train.id, fold, train.label.to_numpy(), chosen.logit),
            "test.csv": kind.test_table(run.competition.test.id, test_logit),
            "history.csv": fitted.history}


def _cell_seed(run: Run, stage: int, fold: int) -> int:
    """A seed of the cell's own, so that a cell is the same whatever was trained before it."""
    return int(np.random.SeedSequence([run.config.seed, stage, fold]).generate_state(1)[0] >> 1)


def _predict_size(run: Run, recipe: Training) -> int:
    """Random batches predict at the training size, as published: there a score depends on its batch."""
    if run.config.tokens.batches == "random" and isinstance(recipe.batch_size, int):
        return recipe.batch_size
    return run.config.hardware.predict_batch


def _finite(value: float, what: str, rate: float) -> None:
    if not math.isfinite(value):
        raise DivergedError(f"{what} is {value} at learning rate {rate:.2g}; lower learning_rate, or set clip_norm")


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


def _reproduces(network: Network, task: Task, recorded: npt.NDArray[np.float32], parent: Any, size: int) -> None:
    """Before the first step the network must give the probabilities recorded for the very weights it loaded."""
    now = metrics.sigmoid(network.predict(task.source, task.valid, task.plan, size))
    difference = float(np.abs(now - recorded).max())
    if not difference <= REPRODUCES:
        raise MismatchError(f"{parent}: its weights give validation predictions that differ by {difference:.2g} from "
                            f"those recorded with them (at most {REPRODUCES:g}); make it again: --redo stage1")
