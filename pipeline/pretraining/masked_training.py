"""Masked-language-model training of one cell of stage 0, and what it taught, measured on texts held out."""

import math
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from pipeline.arrays import Ints, Tensors
from pipeline.backend import graph, tf
from pipeline.config.training import Pretrain
from pipeline.pretraining import masking
from pipeline.pretraining.masked_lm import MaskedLanguageModel
from pipeline.pretraining.masking import MaskedBatch
from pipeline.text.corpus import Corpus
from pipeline.text.packing import SLOTS, Batch, Plan
from pipeline.training.epochs import Row
from pipeline.training.optimizer import Optimizer
from pipeline.training.step import Step

MASKINGS = ("words", "tokens")  # a model trained on the one is also measured on the other


@dataclass(frozen=True)
class MaskedData:
    """What a cell trains on: everything random follows from the seed."""

    corpus: Corpus
    rows: Ints
    """int64: the corpus's rows to train on."""
    held: Ints
    """int64: the rows held out."""
    seed: int
    name: str

    def plan(self, batch_tokens: int, layer_weights: int, hidden: int) -> tuple[Plan, int]:
        """How rows share sequences, and how many rows a batch of about that many tokens has."""
        plan = Plan.packed(self.corpus.table.lengths, [self.rows, self.held], SLOTS[-1], layer_weights, hidden)
        assert plan.width is not None
        return plan, max(1, batch_tokens // plan.width) * plan.slots


class MaskedTrainer:
    """Stage 0's model, step and evaluation, compiled once and reused by all cells of a process."""

    def __init__(self, model: MaskedLanguageModel, recipe: Pretrain, compiled: bool):
        self.model, self.recipe = model, recipe
        self.optimizer = Optimizer(recipe, model.variables, model.decayed)
        self.step = Step(self.objective, self.optimizer, compiled)
        self._score = graph(self._evaluate, compiled)

    @property
    def rows_of_table(self) -> int:
        """Rows of the table of word embeddings: each can be guessed."""
        return self.model.config.vocab_size

    def take(self, masked: MaskedBatch, rate: float, seed: tuple[int, int]) -> Any:
        """One update; returns the loss, a float32 scalar. seed: of dropout."""
        return self.step.take([(*_constants(masked), tf.constant(seed, tf.int32))], rate)

    def guesses(self, masked: MaskedBatch) -> npt.NDArray[np.int64]:
        """The likeliest token at each place, int64 [guesses]."""
        seen, place, _, _ = _constants(masked)
        return np.asarray(tf.argmax(self.model.guess(seen, place), axis=-1))

    def score(self, masked: MaskedBatch) -> npt.NDArray[np.float64]:
        """float64 [3]: loss summed over the guesses, right guesses, guesses."""
        return np.array([float(value) for value in self._score(*_constants(masked))])

    def objective(self, seen: Any, place: Any, target: Any, weight: Any, seed: Any) -> Any:
        """The mean loss of the guesses, a float32 scalar."""
        logit = self.model.guess(seen, place, seed)
        each = tf.nn.sparse_softmax_cross_entropy_with_logits(target, logit)
        return tf.reduce_sum(weight * each) / tf.maximum(tf.reduce_sum(weight), 1)

    def _evaluate(self, seen: Any, place: Any, target: Any, weight: Any) -> Any:
        logit = self.model.guess(seen, place)
        each = tf.nn.sparse_softmax_cross_entropy_with_logits(target, logit)
        hits = tf.cast(tf.argmax(logit, axis=-1, output_type=tf.int32) == target, tf.float32)
        return tf.reduce_sum(weight * each), tf.reduce_sum(weight * hits), tf.reduce_sum(weight)


class MaskedTraining:
    """The course of one cell, from the given weights."""

    rate_factor, finished = 1.0, False

    def __init__(self, trainer: MaskedTrainer, data: MaskedData, weights: Tensors):
        self._trainer, self._data, self._weights = trainer, data, weights
        config = trainer.model.config
        self._plan, self._size = data.plan(trainer.recipe.batch_tokens, config.layer_weights, config.hidden)
        self._lengths = data.corpus.table.lengths

    @property
    def name(self) -> str:
        return self._data.name

    @property
    def recipe(self) -> Pretrain:
        return self._trainer.recipe

    @property
    def steps_per_epoch(self) -> int:
        return math.ceil(len(self._data.rows) / self._size)

    @property
    def size(self) -> str:
        """How much there is to train on, in words."""
        rows = self._data.rows
        return (f"{len(rows):,} rows, {self._lengths[rows].sum():,} tokens, {self.steps_per_epoch:,} steps per epoch; "
                f"{len(self._data.held):,} rows held out")

    def begin(self) -> list[Row]:
        self._trainer.optimizer.reset()
        self._trainer.model.load(self._weights)
        return [{"epoch": 0, "learning_rate": 0.0, "loss": math.nan} | self.end_epoch(0)]

    def batches(self, epoch: int) -> list[Batch]:
        rng = np.random.default_rng([self._data.seed, epoch])
        return self._plan.shuffled(self._lengths, self._data.rows, self._size, rng)

    def take(self, batches: Batch, step: int, rate: float) -> Any:
        rng = np.random.default_rng([self._data.seed, step, 1])
        masked = masking.mask(self._data.corpus, batches, self.recipe.masking, self.recipe.mask_share, rng)
        return self._trainer.take(masked, rate, (self._data.seed, step))

    def end_epoch(self, number: int) -> Row:
        """Masked loss and accuracy of the rows held out, by both kinds of masking, with the same masks every time."""
        row: Row = {}
        for by in MASKINGS:
            rng = np.random.default_rng([self._data.seed, MASKINGS.index(by), 2])
            sums = np.zeros(3)
            for batch in self._plan.ordered(self._lengths, self._data.held, self._size):
                sums += self._trainer.score(masking.mask(self._data.corpus, batch, by, self.recipe.mask_share, rng))
            loss, hits, count = sums
            row |= {f"held_out_{by}_loss": loss / max(count, 1), f"held_out_{by}_accuracy": hits / max(count, 1)}
        return row

    def told(self, row: Row) -> str:
        return "held out: " + ", ".join(
            f"{by} loss {row[f'held_out_{by}_loss']:.4f} accuracy {row[f'held_out_{by}_accuracy']:.4f}"
            for by in MASKINGS)

    def dump(self, inside_epoch: bool) -> tuple[dict[str, Any], Tensors]:
        return {}, self._trainer.model.dump() | self._trainer.optimizer.dump()

    def load(self, state: dict[str, Any], tensors: Tensors) -> None:
        self._trainer.model.load(tensors)
        self._trainer.optimizer.load(tensors)


def _constants(masked: MaskedBatch) -> tuple[Any, ...]:
    return [tf.constant(part) for part in masked.seen], *map(tf.constant, (masked.place, masked.target, masked.weight))
