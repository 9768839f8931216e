"""The head: pooled token vectors and the [CLS] row of keras-self-attention, concatenated, to a row's logits."""

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

    def call(self, inputs: Any, member: Any) -> Any:
        """inputs float32 [bins, width, hidden], member bool [bins, slots, width] -> float32 [bins, slots, hidden].

        A row's query is its first token, [CLS]; its keys are its own tokens.
        """
        first = tf.one_hot(tf.argmax(tf.cast(member, tf.int32), axis=-1), inputs.shape[1], dtype=inputs.dtype)
        query = tf.matmul(tf.matmul(first, inputs), self.Wt)[:, :, None]
        keys = tf.matmul(inputs, self.Wx)[:, None]
        emission = tf.tensordot(tf.tanh(query + keys + self.bh), self.Wa[:, 0], 1) + self.ba
        emission = tf.where(member, emission, emission.dtype.min)
        if self.attention_activation is not None:
            emission = tf.where(member, self.attention_activation(emission), emission.dtype.min)
        return tf.matmul(tf.nn.softmax(emission, axis=-1), inputs)


class Head(keras.layers.Layer):
    """Average pool, max pool and [CLS] attention as configured -> Dense. Unmasked, it reads padding like a token."""

    def __init__(self, config: HeadConfig, outputs: int, **kwargs: Any):
        """outputs: logits a row."""
        super().__init__(**kwargs)
        self.parts, self.masked = list(config.parts), config.masked
        activation = None if config.attention_activation == "none" else config.attention_activation
        if "attention" in config.parts:
            self.attention = ClsAttention(config.attention_units, attention_activation=activation, name="attention")
        self.shape = [-1] if outputs == 1 else [-1, outputs]
        self.dense = keras.layers.Dense(outputs, name="dense")

    def call(self, sequence: Any, member: Any) -> Any:
        """sequence float32 [bins, width, hidden], member bool [bins, slots, width] -> logit float32 [bins * slots],
        or [bins * slots, outputs] where a row has several.

        An empty slot gives a finite logit that means nothing.
        """
        if not self.masked:
            member = tf.ones_like(member)
        count = tf.reduce_sum(tf.cast(member, sequence.dtype), axis=-1, keepdims=True)
        pooled = []
        for part in self.parts:
            if part == "average":
                pooled.append(tf.matmul(tf.cast(member, sequence.dtype) / tf.maximum(count, 1), sequence))
            elif part == "max":
                largest = tf.reduce_max(tf.where(member[..., None], sequence[:, None], sequence.dtype.min), axis=2)
                pooled.append(tf.where(count > 0, largest, 0))
            else:
                pooled.append(self.attention(sequence, member))
        return tf.reshape(self.dense(tf.concat(pooled, axis=-1)), self.shape)
