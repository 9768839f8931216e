"""Encoder and head as one function from token ids to logits, with compiled prediction and weights by name."""

from typing import Any, Protocol

import numpy as np
import numpy.typing as npt

from pipeline.arrays import Ints, Tensors
from pipeline.backend import graph, keras, tf
from pipeline.checkpoints.encoder_config import EncoderConfig
from pipeline.config.run import Config
from pipeline.model.encoders import encoder
from pipeline.model.encoders.encoder import Encoder
from pipeline.model.heads import build
from pipeline.tasks import Task
from pipeline.text.packing import Batch, Plan

HEAD = "head/"  # prefix of the head's tensors in a cell's weights


class RowSource(Protocol):
    """What batches are drawn from: token ids, or the frozen encoder's outputs."""

    @property
    def lengths(self) -> Ints:
        """int64 [rows]: tokens per row."""

    @property
    def first_equal_row(self) -> Ints:
        """int64 [rows]: the first row with the same tokens."""

    @property
    def words(self) -> npt.NDArray[np.int32] | None:
        """int32 [rows, words]: as in TokenTable."""

    def batch(self, batch: Batch) -> tuple[npt.NDArray[Any], ...]:
        """A TokenBatch, or token vectors, their rows and their words."""


class Network:
    """One encoder and one head, built once and given new weights for every cell."""

    def __init__(self, bert: EncoderConfig, config: Config, used: Ints, task: Task, compiled: bool = False):
        """used: the token ids that occur, [PAD] among them; compiled: whether with XLA."""
        self.task, layers = task, config.head.layers
        self.encoder: Encoder = (
            encoder.packed(bert, config.bert.dropout, used, config.bert.precision, layers)
            if config.tokens.batches == "packed" else encoder.published(bert, config.bert.dropout, layers))
        self.head_config = config.head
        self.head = self._new_head()
        self.compile = compiled
        self._logit_of_tokens = graph(self.logit_of_tokens, self.compile)
        self._logit_of_vectors = graph(self.head, self.compile)
        self._encode = graph(self.encoder, self.compile)

    def logit_of_tokens(self, ids: Any, segments: Any, position: Any, member: Any, words: Any, seed: Any = None) -> Any:
        """A TokenBatch -> logits as the head gives them. seed: int32 [2] of dropout; None: no dropout."""
        return self.head(self.encoder(ids, segments, position, member, seed), member, words, seed)

    def vectors(self, *inputs: npt.NDArray[Any]) -> npt.NDArray[np.float32]:
        """A TokenBatch but for its words -> the encoder's outputs without dropout, float32 [bins, width, size]."""
        return self._encode(*map(tf.constant, inputs)).numpy()

    def predict(self, source: RowSource, rows: Ints, plan: Plan, size: int) -> npt.NDArray[np.float32]:
        """Logits of some rows, float32 [rows], [rows, outputs] or [rows, words, outputs], in the order of ``rows``;
        equal texts are predicted once."""
        logit_of = self._logit_of_vectors if hasattr(source, "vectors") else self._logit_of_tokens
        outputs = sum(self.task.outputs)
        each = [0 if source.words is None else source.words.shape[1]] * self.task.by_word + [outputs] * (outputs > 1)
        logit = np.full([len(source.lengths), *each], np.nan, np.float32)
        for batch in plan.ordered(source.lengths, np.unique(source.first_equal_row[rows]), size):
            logits = logit_of(*map(tf.constant, source.batch(batch))).numpy()
            logit[batch.rows.ravel()[batch.filled]] = logits[batch.filled]
        return logit[source.first_equal_row[rows]]

    def cls_attention(self, ids: Any, segments: Any, position: Any, member: Any) -> Any:
        """A TokenBatch without its words -> float32 [bins, slots, width]: the head's [CLS] attention. Only for a head
        that has one."""
        return self.head.attention.cls_attention(self.encoder(ids, segments, position, member), member)

    def start(self, tensors: Tensors, seed: int) -> None:
        """Loads the encoder from ``tensors`` and draws a new head from ``seed``; where ``tensors`` hold weights of the
        head, these are taken instead. Depends on nothing else."""
        self.encoder.load(tensors)
        keras.utils.set_random_seed(seed)
        self.head.set_weights(self._new_head().get_weights())
        for name, variable in self._head_variables().items():
            if name in tensors:
                variable.assign(tensors[name])

    def fit_scale(self, target: npt.NDArray[Any]) -> None:
        """Sets the unit of a head that gives numbers from the targets of the rows that it is trained on; of others,
        nothing. What does not vary keeps its unit."""
        if hasattr(self.head, "scale"):
            target = target.astype(np.float64)
            spread = target.std(axis=0)
            self.head.scale.assign(np.where(spread > 0, spread, 1).astype(np.float32))
            self.head.shift.assign(target.mean(axis=0))

    def load(self, tensors: Tensors) -> None:
        """Sets encoder and head from a cell's weights, or the head alone where they hold nothing else."""
        for name, variable in self._head_variables().items():
            variable.assign(tensors[name])
        if len(tensors) > len(self.head.weights):
            self.encoder.load(tensors)

    def dump(self) -> Tensors:
        """All weights by name."""
        return self.encoder.dump() | self.dump_head()

    def dump_head(self) -> Tensors:
        """The head's weights by name."""
        return {name: variable.numpy() for name, variable in self._head_variables().items()}

    def decayed(self) -> list[Any]:
        """The variables that weight decay acts on."""
        kernels = [variable for variable in self.head.trainable_variables
                   if len(variable.shape) > 1 and "bias" not in variable.name.rpartition("/")[2]]  # a GRU's is a table
        return self.encoder.decayed + kernels

    def _new_head(self) -> Any:
        return build(self.head_config, self.task, self.encoder.size)

    def _head_variables(self) -> dict[str, Any]:
        return {HEAD + variable.name.partition("head/")[2].removesuffix(":0"): variable
                for variable in self.head.weights}
