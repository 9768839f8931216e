"""Fitting a network: epochs over batches, exact validation after each, the last and the best epoch kept."""

import math
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd

from pipeline.arrays import Ints, Tensors
from pipeline.backend import graph, tf
from pipeline.config.training import Training
from pipeline.errors import DivergedError
from pipeline.machine.console import progress, say
from pipeline.model import losses
from pipeline.model.network import Network, RowSource
from pipeline.runs.resume_file import ResumeFile
from pipeline.tasks import Task
from pipeline.text.packing import Batch, Plan, pad
from pipeline.training.optimizer import Optimizer, gradients, schedule

CHECK_EVERY = 50  # steps between looks at the loss


@dataclass(frozen=True)
class CellData:
    """What one cell trains and validates on. train, valid, monitor: int64 row numbers; target: of all rows, weight:
    float32, how much each counts in the loss; scored: what epochs are scored by, words that were cut off included."""

    source: RowSource
    task: Task
    target: npt.NDArray[Any]
    scored: npt.NDArray[Any]
    weight: npt.NDArray[np.float32]
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
            self.variables = network.encoder.variables + self.variables
        self.head_only, self.loss = head_only, losses.of(recipe.loss, network.task)
        self.optimizer = Optimizer(recipe, self.variables, network.decayed())
        self._step = graph(self._train_step, network.compile)
        self._add_batch = graph(self._weighted, network.compile)
        self._add_part = graph(self._part, network.compile)

    def step(self, batches: list[Batch], data: CellData, rate: float, seed: tuple[int, int]) -> Any:
        """One update from one batch, or from several whose gradients are summed; returns the loss, float32 scalar.

        seed: of the first batch's dropout; the second number grows by one a batch.
        """
        self.optimizer.set_rate(rate)
        if len(batches) == 1:
            return self._step(*self._inputs(batches[0], data, seed))
        counts = [np.count_nonzero(pad(data.weight, batch)) for batch in batches]
        total, loss = [tf.zeros_like(variable) for variable in self.variables], 0.0
        for number, batch in enumerate(batches):
            share = tf.constant(counts[number] / sum(counts), tf.float32)
            part, total = self._add_batch(total, share, *self._inputs(batch, data, (seed[0], seed[1] + number)))
            loss += part
        self.optimizer.apply(total)
        return loss

    def _inputs(self, batch: Batch, data: CellData, seed: tuple[int, int]) -> tuple[Any, ...]:
        return ([tf.constant(part) for part in data.source.batch(batch)], tf.constant(pad(data.target, batch)),
                tf.constant(pad(data.weight, batch)), tf.constant(seed, tf.int32))

    def step_of_all(self, data: CellData, rate: float) -> Any:
        """One update from all training rows at once, in parts that need not fit in memory together.

        The loss's gradient in each logit follows from all logits; the weights' is then summed over the parts. Exact,
        since nothing is random here (gradient caching, https://arxiv.org/abs/2101.06983).
        """
        self.optimizer.set_rate(rate)
        logit = tf.constant(self.network.predict(data.source, data.train, data.plan, data.predict_size))
        with tf.GradientTape() as tape:
            tape.watch(logit)
            loss = self.loss(data.target[data.train], logit, data.weight[data.train])
        slope = np.zeros([len(data.source.lengths), *logit.shape[1:]], np.float32)
        slope[data.train] = tape.gradient(loss, logit).numpy()
        total = [tf.zeros_like(variable) for variable in self.variables]
        for batch in data.plan.ordered(data.source.lengths, data.train, data.predict_size):
            inputs = [tf.constant(part) for part in data.source.batch(batch)]
            total = self._add_part(total, inputs, tf.constant(pad(slope, batch)))
        self.optimizer.apply(total)
        return loss

    def _logit(self, inputs: Any, seed: Any) -> Any:
        seed = seed if self.recipe.dropout else None
        if self.from_vectors:
            return self.network.head(*inputs, seed)
        ids, segments, position, member, words = inputs
        return self.network.logit_of_tokens(ids, segments, position, member, words, seed)

    def _train_step(self, inputs: list[Any], label: Any, weight: Any, seed: Any) -> Any:
        loss, found = self._gradients(inputs, label, weight, seed)
        self.optimizer.apply(found)
        return loss

    def _gradients(self, inputs: list[Any], label: Any, weight: Any, seed: Any) -> tuple[Any, list[Any]]:
        with tf.GradientTape(watch_accessed_variables=False) as tape:
            tape.watch(self.variables)
            loss = self.loss(label, self._logit(inputs, seed), weight)
        return loss, gradients(tape, loss, self.variables)

    def _weighted(self, total: list[Any], share: Any, *batch: Any) -> tuple[Any, list[Any]]:
        loss, found = self._gradients(*batch)
        return share * loss, [one + share * part for one, part in zip(total, found, strict=True)]

    def _part(self, total: list[Any], inputs: list[Any], slope: Any) -> list[Any]:
        with tf.GradientTape(watch_accessed_variables=False) as tape:
            tape.watch(self.variables)
            logit = self._logit(inputs, None)
        return [one + part for one, part in zip(total, gradients(tape, logit, self.variables, slope), strict=True)]


@dataclass
class Watch:
    """The monitored score over epochs: which was best, when to halve the rate, when to stop. Ties keep the earliest."""

    recipe: Training
    best: float = -math.inf
    plateau: float = -math.inf
    since_best: int = 0
    since_plateau: int = 0
    halvings: int = 0

    def improved(self, scores: dict[str, float]) -> bool:
        """Takes in an epoch's scores; True where it is the best so far, as the first always is."""
        score = scores[self.recipe.monitor] * (-1 if self.recipe.monitor == "loss" else 1)
        self.since_best, self.since_plateau = self.since_best + 1, self.since_plateau + 1
        if score > self.plateau + 1e-4:  # Keras' min_delta for ReduceLROnPlateau
            self.plateau, self.since_plateau = score, 0
        elif self.recipe.plateau and self.since_plateau >= self.recipe.plateau:
            self.halvings, self.since_plateau = self.halvings + 1, 0
        if score > self.best or self.best == -math.inf:
            self.best, self.since_best = score, 0
            return True
        return False

    @property
    def stop(self) -> bool:
        """Whether early stopping ends the training here."""
        return self.recipe.early_stopping is not None and self.since_best >= self.recipe.early_stopping


@dataclass
class Course:
    """How far a training is: what its next epochs follow from, beside the optimizer's moments."""

    rng: np.random.Generator
    watch: Watch
    history: list[dict[str, float]] = field(default_factory=list)
    last: Epoch | None = None
    best: Epoch | None = None

    @classmethod
    def begun(cls, trainer: "Trainer", seed: int, resume: ResumeFile) -> "Course":
        """From the network's present weights, or, where a state was kept, on from there."""
        trainer.optimizer.reset()
        course = cls(np.random.default_rng(seed), Watch(trainer.recipe))
        if found := resume.take_over():
            progress, tensors = found
            course.rng.bit_generator.state = progress["rng"]
            course.watch = Watch(trainer.recipe, **progress["watch"])
            course.history = progress["history"]
            course.last = _epoch("last", progress["last"], tensors)
            course.best = course.last if progress["best"] == progress["last"] else _epoch(
                "best", progress["best"], tensors)
            trainer.network.load(course.last.weights)
            trainer.optimizer.load(tensors)
        return course

    def keep(self, trainer: "Trainer", resume: ResumeFile) -> None:
        """Writes all of it, the optimizer's moments too."""
        assert self.last is not None
        assert self.best is not None
        tensors = trainer.optimizer.dump()
        for name, epoch in (("last", self.last), ("best", self.best)):
            if name == "last" or epoch is not self.last:
                tensors |= {f"{name}/{key}": values for key, values in epoch.weights.items()}
                tensors[f"{name} logit"] = epoch.logit
        watch = {key: value for key, value in vars(self.watch).items() if key != "recipe"}
        resume.write({"rng": self.rng.bit_generator.state, "watch": watch, "history": self.history,
                    "last": self.last.number, "best": self.best.number}, tensors)


def _epoch(name: str, number: int, tensors: Tensors) -> Epoch:
    weights = {key.removeprefix(f"{name}/"): values for key, values in tensors.items() if key.startswith(f"{name}/")}
    return Epoch(number, weights, tensors[f"{name} logit"])


def fit(trainer: Trainer, data: CellData, seed: int, resume: ResumeFile) -> Fitted:
    """Trains the network from its present weights, or on from what was kept, and validates after every epoch.

    Raises DivergedError where the loss or a validation logit is not finite.
    """
    recipe, network = trainer.recipe, trainer.network
    course = Course.begun(trainer, seed, resume)
    per_epoch = 1 if recipe.batch_size == "fold" else math.ceil(len(data.train) / recipe.batch_size)
    total = recipe.epochs * per_epoch
    dump = network.dump_head if trainer.head_only else network.dump
    done = len(course.history)
    if done:
        say(f"{data.name}: goes on after epoch {done}")

    def rate_at(step: int) -> float:
        return recipe.learning_rate * 0.5**course.watch.halvings * schedule(step, total, recipe)

    with progress(data.name, total, done * per_epoch) as advance:
        for number in range(done + 1, recipe.epochs + 1):
            if course.watch.stop:
                break
            where = f"{data.name}, epoch {number}"
            step_losses: list[Any] = []
            for step, batches in enumerate(_steps(recipe, data, course.rng), start=(number - 1) * per_epoch):
                rate = rate_at(step)
                step_losses.append(trainer.step(batches, data, rate, (seed, step * recipe.accumulate)) if batches else
                              trainer.step_of_all(data, rate))
                advance()
                if len(step_losses) % CHECK_EVERY == 0 or len(step_losses) == per_epoch:
                    _finite(float(step_losses[-1]), f"{where}, step {len(step_losses)}: the loss", rate)
            logit, valid = _validate(network, data, data.valid)
            _finite(float(np.abs(logit).max()), f"{where}: a validation logit", rate)
            mean_loss = float(np.mean([float(loss) for loss in step_losses]))
            row = {"epoch": number, "learning_rate": rate, "loss": mean_loss}
            row |= {f"valid_{name}": value for name, value in valid.items()}
            monitored = valid
            if data.monitor is not data.valid:
                _, monitored = _validate(network, data, data.monitor)
                row |= {f"inner_{name}": value for name, value in monitored.items()}
            course.history.append(row)
            course.last = Epoch(number, dump(), logit)
            if course.watch.improved(monitored):
                course.best = course.last
            course.keep(trainer, resume)
            say(f"{data.name}  epoch {number}/{recipe.epochs}  loss {row['loss']:.4f}  "
                f"valid {data.task.told(valid)}")
    assert course.last is not None
    assert course.best is not None
    table = pd.DataFrame(course.history)
    table["best"] = np.where(table.epoch == course.best.number, 1, 0)
    return Fitted(table, course.last, course.best)


def _steps(recipe: Training, data: CellData, rng: np.random.Generator) -> list[list[Batch]]:
    """The batches of each step of an epoch; none for the one step that takes all rows."""
    if recipe.batch_size == "fold":
        return [[]]
    batches = data.plan.shuffled(data.source.lengths, data.train, recipe.batch_size // recipe.accumulate, rng)
    return [batches[at:at + recipe.accumulate] for at in range(0, len(batches), recipe.accumulate)]


def _validate(network: Network, data: CellData, rows: Ints) -> tuple[npt.NDArray[np.float32], dict[str, float]]:
    logit = network.predict(data.source, rows, data.plan, data.predict_size)
    return logit, data.task.scores(data.scored[rows], logit)


def _finite(value: float, what: str, rate: float) -> None:
    if not math.isfinite(value):
        raise DivergedError(f"{what} is {value} at learning rate {rate:.2g}; lower learning_rate, or set clip_norm")
