"""Fine-tuning one cell of stage 1 or 2: batches, exact validation after each epoch, the last and the best epoch."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd

from pipeline.arrays import Ints, Tensors
from pipeline.backend import tf
from pipeline.config.training import Training
from pipeline.model import losses
from pipeline.model.network import Network, RowSource
from pipeline.runs.resume_file import ResumeFile
from pipeline.tasks import Task
from pipeline.text.packing import Batch, Plan, pad
from pipeline.training import epochs
from pipeline.training.epochs import Row
from pipeline.training.monitor import Monitor
from pipeline.training.optimizer import Optimizer
from pipeline.training.step import Step


@dataclass(frozen=True)
class CellData:
    """What one cell trains and validates on."""

    source: RowSource
    """Token ids, or the frozen encoder's outputs, of all rows."""
    task: Task
    target: npt.NDArray[Any]
    """What the loss compares with, of all rows."""
    scored: npt.NDArray[Any]
    """What epochs are scored by, of all rows: words that were cut off are among them."""
    weight: npt.NDArray[np.float32]
    """How much each target counts in the loss."""
    train: Ints
    """int64, as the next two: row numbers to train on."""
    valid: Ints
    monitor: Ints
    """The rows that epochs are compared by."""
    plan: Plan
    predict_size: int
    """Rows of one prediction step."""
    name: str


@dataclass(frozen=True)
class Epoch:
    """The state after an epoch: weights and the logits, float32, of the validation rows; none where there are none."""

    number: int
    weights: Tensors
    logit: npt.NDArray[np.float32]


@dataclass(frozen=True)
class Fitted:
    """A fitted cell: one history row for each epoch, the last epoch, and the best by the monitor."""

    history: pd.DataFrame
    last: Epoch
    best: Epoch

    def epoch(self, which: str) -> Epoch:
        """"last" or "best"."""
        return self.best if which == "best" else self.last


class Trainer:
    """A stage's network, objective and step, compiled once and reused by all cells of a process."""

    def __init__(self, network: Network, recipe: Training, head_only: bool, from_vectors: bool, shares: bool = False):
        """from_vectors: whether batches hold the frozen encoder's outputs instead of token ids. shares: whether the
        target of classes is a share of each."""
        self.network, self.recipe, self.from_vectors = network, recipe, from_vectors
        variables = list(network.head.trainable_variables)
        if not head_only:
            variables = network.encoder.variables + variables
        self.head_only, self.loss = head_only, losses.by_name(recipe.loss, network.task, network.head, shares)
        self.optimizer = Optimizer(recipe, variables, network.decayed())
        self.step = Step(self.objective, self.optimizer, network.compile, output=self.logit)

    def take(self, batches: Sequence[Batch], data: CellData, rate: float, seed: tuple[int, int]) -> Any:
        """One update from one batch, or from several whose gradients are summed; returns the loss, float32 scalar.

        seed: of the first batch's dropout; its second number grows by one with each batch.
        """
        parts = [self.inputs(batch, data, (seed[0], seed[1] + number)) for number, batch in enumerate(batches)]
        counts = [np.count_nonzero(weight) for _, _, weight, _ in parts] if len(parts) > 1 else [1]
        return self.step.take(parts, rate, [count / sum(counts) for count in counts])

    def take_all(self, data: CellData, rate: float) -> Any:
        """One update from all training rows at once, in parts that need not fit in memory together.

        The loss's gradient in each logit follows from all logits; the weights' is then summed over the parts. Exact,
        since nothing is random here (gradient caching, https://arxiv.org/abs/2101.06983).
        """
        logit = tf.constant(self.network.predict(data.source, data.train, data.plan, data.predict_size))
        with tf.GradientTape() as tape:
            tape.watch(logit)
            loss = self.loss(data.target[data.train], logit, data.weight[data.train])
        slope = np.zeros([len(data.source.lengths), *logit.shape[1:]], np.float32)
        slope[data.train] = tape.gradient(loss, logit).numpy()
        total = self.step.zeros()
        for batch in data.plan.ordered(data.source.lengths, data.train, data.predict_size):
            inputs = [tf.constant(part) for part in data.source.batch(batch)]
            total = self.step.add_slope(total, tf.constant(pad(slope, batch)), inputs)
        self.step.finish(total, rate)
        return loss

    def weights(self) -> Tensors:
        """The present weights of what is trained: the head, or the whole network."""
        return self.network.dump_head() if self.head_only else self.network.dump()

    def inputs(self, batch: Batch, data: CellData, seed: tuple[int, int]) -> tuple[Any, ...]:
        """What ``objective`` is given of a batch."""
        return ([tf.constant(part) for part in data.source.batch(batch)], tf.constant(pad(data.target, batch)),
                tf.constant(pad(data.weight, batch)), tf.constant(seed, tf.int32))

    def objective(self, inputs: list[Any], target: Any, weight: Any, seed: Any) -> Any:
        """The loss of one batch, a float32 scalar. seed: int32 [2], of dropout."""
        return self.loss(target, self.logit(inputs, seed), weight)

    def logit(self, inputs: list[Any], seed: Any = None) -> Any:
        """Logits of one batch, without dropout where there is no seed."""
        seed = seed if self.recipe.dropout else None
        if self.from_vectors:
            return self.network.head(*inputs, seed)
        ids, segments, position, member, words = inputs
        return self.network.logit_of_tokens(ids, segments, position, member, words, seed)


class FineTuning:
    """The course of one cell, from the network's present weights."""

    def __init__(self, trainer: Trainer, data: CellData, seed: int):
        self._trainer, self._data, self._seed = trainer, data, seed
        self._rng = np.random.default_rng(seed)
        self._drawn_from: Mapping[str, Any] = {}  # the random state that the present epoch's batches were drawn from
        self._monitor = Monitor(trainer.recipe, self._sign)
        self._rate = 0.0
        self.last: Epoch | None = None
        self.best: Epoch | None = None

    @property
    def name(self) -> str:
        return self._data.name

    @property
    def _sign(self) -> int:
        return self._data.task.monitor_sign(self.recipe.monitor)

    @property
    def recipe(self) -> Training:
        return self._trainer.recipe

    @property
    def steps_per_epoch(self) -> int:
        size = self.recipe.batch_size
        return 1 if size == "fold" else math.ceil(len(self._data.train) / size)

    @property
    def rate_factor(self) -> float:
        return float(0.5**self._monitor.halvings)

    @property
    def finished(self) -> bool:
        return self._monitor.stop

    def begin(self) -> list[Row]:
        self._trainer.optimizer.reset()
        return []

    def batches(self, epoch: int) -> list[list[Batch]]:
        """The batches of each step; none for the one step that takes all rows."""
        self._drawn_from = self._rng.bit_generator.state
        recipe, data = self.recipe, self._data
        if recipe.batch_size == "fold":
            return [[]]
        batches = data.plan.shuffled(data.source.lengths, data.train, recipe.batch_size // recipe.accumulate, self._rng)
        return [batches[at:at + recipe.accumulate] for at in range(0, len(batches), recipe.accumulate)]

    def take(self, batches: list[Batch], step: int, rate: float) -> Any:
        self._rate = rate
        if not batches:
            return self._trainer.take_all(self._data, rate)
        return self._trainer.take(batches, self._data, rate, (self._seed, step * self.recipe.accumulate))

    def end_epoch(self, number: int) -> Row:
        data = self._data
        logit, monitored = np.zeros(0, np.float32), dict[str, float]()
        row = dict[str, float]()
        if len(data.valid):
            logit, monitored = self.validate(data.valid, number)
            row = {f"valid_{name}": value for name, value in monitored.items()}
        if data.monitor is not data.valid:
            _, monitored = self.validate(data.monitor, number)
            row |= {f"inner_{name}": value for name, value in monitored.items()}
        self.last = Epoch(number, self._trainer.weights(), logit)
        if not monitored or self._monitor.improved(monitored):
            self.best = self.last
        return row

    def validate(self, rows: Ints, epoch: int) -> tuple[npt.NDArray[np.float32], dict[str, float]]:
        """Logits and scores of some rows by the network's present weights. Raises DivergedError where a logit is no
        finite number."""
        data = self._data
        logit = self._trainer.network.predict(data.source, rows, data.plan, data.predict_size)
        epochs.finite(float(np.abs(logit).max()), f"{self.name}, epoch {epoch}: a validation logit", self._rate)
        scores = data.task.epoch_scores(data.scored[rows], logit)
        if self.recipe.monitor not in scores:
            scores[self.recipe.monitor] = data.task.epoch_score(self.recipe.monitor, data.scored[rows], logit)
        return logit, scores

    def told(self, row: Row) -> str:
        scores = {name.removeprefix("valid_"): value for name, value in row.items() if name.startswith("valid_")}
        if not scores:
            return "on all rows: nothing validates it"
        return f"valid {self._data.task.epoch_line(scores, self.recipe.monitor)}"

    def dump(self, inside_epoch: bool) -> tuple[dict[str, Any], Tensors]:
        tensors = self._trainer.optimizer.dump()
        if inside_epoch:
            tensors |= {f"now/{key}": values for key, values in self._trainer.weights().items()}
        for name, epoch in (("last", self.last), ("best", self.best)):
            if epoch is not None and (name == "last" or epoch is not self.last):
                tensors |= {f"{name}/{key}": values for key, values in epoch.weights.items()}
                tensors[f"{name} logit"] = epoch.logit
        rng = self._drawn_from if inside_epoch else self._rng.bit_generator.state
        return {"rng": rng, "monitor": self._monitor.dump(), "last": self.last and self.last.number,
                "best": self.best and self.best.number}, tensors

    def load(self, state: dict[str, Any], tensors: Tensors) -> None:
        self._rng.bit_generator.state = state["rng"]
        self._monitor = Monitor(self.recipe, self._sign, **state["monitor"])
        self.last = _epoch("last", state["last"], tensors)
        self.best = self.last if state["best"] == state["last"] else _epoch("best", state["best"], tensors)
        now = _named("now", tensors)
        if not now:
            assert self.last is not None
            now = self.last.weights
        self._trainer.network.load(now)
        self._trainer.optimizer.load(tensors)


def fit(trainer: Trainer, data: CellData, seed: int, resume: ResumeFile) -> Fitted:
    """Trains the network from its present weights, or on from where an earlier attempt stood, and validates after
    every epoch. Raises DivergedError where the loss or a validation logit is not finite."""
    course = FineTuning(trainer, data, seed)
    history = pd.DataFrame(epochs.train(course, resume))
    assert course.last is not None
    assert course.best is not None
    history["best"] = np.where(history.epoch == course.best.number, 1, 0)
    return Fitted(history, course.last, course.best)


def _named(name: str, tensors: Tensors) -> Tensors:
    return {key.removeprefix(f"{name}/"): values for key, values in tensors.items() if key.startswith(f"{name}/")}


def _epoch(name: str, number: int | None, tensors: Tensors) -> Epoch | None:
    return None if number is None else Epoch(number, _named(name, tensors), tensors[f"{name} logit"])
