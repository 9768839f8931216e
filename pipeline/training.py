"""Fitting a network: epochs over batches, exact validation after each, the last and the best epoch kept."""

import math
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd

from pipeline import metrics
from pipeline.backend import keras, tf
from pipeline.batches import Batch, Ints, Plan, pad_rows
from pipeline.checkpoint import Tensors
from pipeline.config import Training
from pipeline.errors import DivergedError
from pipeline.log import progress, say
from pipeline.losses import LOSSES
from pipeline.network import Network, RowSource

CHECK_EVERY = 50  # steps between looks at the loss


@dataclass(frozen=True)
class Task:
    """What one cell trains and validates on. train, valid, monitor: int64 row numbers; label: float32 of all rows."""

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


def _finite(value: float, what: str, rate: float) -> None:
    if not math.isfinite(value):
        raise DivergedError(f"{what} is {value} at learning rate {rate:.2g}; lower learning_rate, or set clip_norm")
