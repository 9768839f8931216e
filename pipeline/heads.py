"""The head: pooled token vectors and the [CLS] row of keras-self-attention, concatenated, to one logit a row."""

from typing import Any

from pipeline.backend import SeqSelfAttention, keras, tf
from pipeline.config import Head as HeadConfig


class ClsAttention(SeqSelfAttention):
    """Row 0 ([CLS]) of keras-self-attention's additive attention, with padding masked out.

    The package computes all rows, O(tokens^2), and masks only padding-to-padding pairs, so real tokens attend to
    padding. Weights, names and arithmetic of the row are the package's own.
    """

    def add_weight(self, *args: Any, initializer: Any, **kwargs: Any) -> Any:
        """Draws each weight from an initializer of its own: one that is used twice gives the same values twice."""
        fresh = type(initializer).from_config(initializer.get_config())
        return super().add_weight(*args, initializer=fresh, **kwargs)

    def call(self, inputs: Any, mask: Any) -> Any:
        """inputs float32 [rows, tokens, hidden], mask bool [rows, tokens] -> float32 [rows, hidden]."""
        query = tf.matmul(inputs[:, 0], self.Wt)[:, None, :]
        keys = tf.tensordot(inputs, self.Wx, 1)
        emission = tf.tensordot(tf.tanh(query + keys + self.bh), self.Wa[:, 0], 1) + self.ba
        emission = tf.where(mask, emission, emission.dtype.min)
        if self.attention_activation is not None:
            emission = tf.where(mask, self.attention_activation(emission), emission.dtype.min)
        weights = tf.nn.softmax(emission, axis=-1)
        return tf.reduce_sum(weights[:, :, None] * inputs, axis=1)


class Head(keras.layers.Layer):
    """Average pool, max pool and [CLS] attention as configured -> Dense(1). Unmasked, it reads padding like a token."""

    def __init__(self, config: HeadConfig, **kwargs: Any):
        super().__init__(**kwargs)
        self.parts, self.masked = list(config.parts), config.masked
        activation = None if config.attention_activation == "none" else config.attention_activation
        if "attention" in config.parts:
            self.attention = ClsAttention(config.attention_units, attention_activation=activation, name="attention")
        self.dense = keras.layers.Dense(1, name="dense")

    def call(self, sequence: Any, mask: Any) -> Any:
        """sequence float32 [rows, tokens, hidden], mask bool [rows, tokens] -> logit float32 [rows]."""
        if not self.masked:
            mask = tf.ones_like(mask)
        real = tf.cast(mask, sequence.dtype)[:, :, None]
        pooled = []
        for part in self.parts:
            if part == "average":
                pooled.append(tf.reduce_sum(sequence * real, axis=1) / tf.reduce_sum(real, axis=1))
            elif part == "max":
                pooled.append(tf.reduce_max(tf.where(real > 0, sequence, sequence.dtype.min), axis=1))
            else:
                pooled.append(self.attention(sequence, mask))
        return self.dense(tf.concat(pooled, axis=-1))[:, 0]
