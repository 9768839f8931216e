"""Encoder and head as one function from token ids to logits, with compiled prediction and weights by name."""

from typing import Any, Protocol

import numpy as np
import numpy.typing as npt

from pipeline import encoder
from pipeline.backend import keras, tf
from pipeline.batches import Ints, Plan, pad_rows
from pipeline.checkpoint import BertConfig, Tensors
from pipeline.config import Config
from pipeline.heads import Head

HEAD = "head/"  # prefix of the head's tensors in a cell's weights


class RowSource(Protocol):
    """What batches are drawn from: token ids, or the frozen encoder's outputs."""

    @property
    def lengths(self) -> Ints:
        """int64 [rows]: tokens a row."""

    def batch(self, rows: Ints, width: int) -> tuple[Any, Any]:
        """(token ids, segment ids), or (token vectors, mask), of some rows."""


class Network:
    """One encoder and one head, built once and given new weights for every cell."""

    def __init__(self, bert: BertConfig, config: Config):
        self.bert = bert
        self.encoder = encoder.build(bert, config.bert.dropout)
        self.head_config = config.head
        self.head = self._new_head()
        self.compile = config.hardware.xla
        self._logit_of_tokens = tf.function(self.logit_of_tokens, jit_compile=self.compile)
        self._logit_of_vectors = tf.function(self.head, jit_compile=self.compile)
        self._encode = tf.function(lambda ids, segments: self.encoder([ids, segments], training=False),
                                   jit_compile=self.compile)

    def logit_of_tokens(self, ids: Any, segments: Any, dropout: bool = False) -> Any:
        """int32 [rows, tokens] twice -> float32 [rows]."""
        return self.head(self.encoder([ids, segments], training=dropout), ids > 0)

    def vectors(self, ids: npt.NDArray[np.int32], segments: npt.NDArray[np.int32]) -> npt.NDArray[np.float32]:
        """The encoder's outputs without dropout, float32 [rows, tokens, hidden]."""
        return self._encode(tf.constant(ids), tf.constant(segments)).numpy()

    def predict(self, source: RowSource, rows: Ints, plan: Plan, size: int) -> npt.NDArray[np.float32]:
        """Logits of some rows, float32 [rows], in the order of ``rows``."""
        from_tokens = not hasattr(source, "vectors")
        logit_of = self._logit_of_tokens if from_tokens else self._logit_of_vectors
        logit = np.full(int(rows.max(initial=-1)) + 1, np.nan, np.float32)
        for batch in plan.ordered(source.lengths, rows, size):
            padded, _ = pad_rows(batch, size)
            inputs = [tf.constant(values) for values in source.batch(padded, batch.width)]
            logit[batch.rows] = logit_of(*inputs).numpy()[: len(batch.rows)]
        return logit[rows]

    def start(self, tensors: Tensors, seed: int) -> None:
        """Sets encoder weights, a freshly drawn head, and dropout's random numbers, all from the arguments alone."""
        encoder.load(self.encoder, self.bert, tensors)
        keras.utils.set_random_seed(seed)
        self.head.set_weights(self._new_head().get_weights())
        for number, layer in enumerate(self.encoder.layers):
            if isinstance(layer, keras.layers.Dropout):
                layer._random_generator._generator.reset_from_seed(seed + number)

    def load(self, tensors: Tensors) -> None:
        """Sets encoder and head from a cell's weights, or the head alone where they hold nothing else."""
        for name, variable in self._head_variables().items():
            variable.assign(tensors[name])
        if len(tensors) > len(self.head.weights):
            encoder.load(self.encoder, self.bert, tensors)

    def dump(self) -> Tensors:
        """All weights by name."""
        return encoder.dump(self.encoder, self.bert) | self.dump_head()

    def dump_head(self) -> Tensors:
        """The head's weights by name."""
        return {name: variable.numpy() for name, variable in self._head_variables().items()}

    def decayed(self) -> list[Any]:
        """The variables that weight decay acts on."""
        kernels = [variable for variable in self.head.trainable_variables if len(variable.shape) > 1]
        return encoder.decayed(self.encoder, self.bert) + kernels

    def _new_head(self) -> Head:
        head = Head(self.head_config, name="head")
        head(tf.zeros([1, 1, self.bert.hidden]), tf.ones([1, 1], tf.bool))
        return head

    def _head_variables(self) -> dict[str, Any]:
        return {HEAD + variable.name.partition("head/")[2].removesuffix(":0"): variable
                for variable in self.head.weights}
