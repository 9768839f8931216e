"""Heads, from token vectors to logits: of a row, its pooled tokens and the [CLS] row of keras-self-attention,
concatenated; of words, the vectors of their first tokens."""

from collections.abc import Sequence
from typing import Any

from pipeline.backend import SeqSelfAttention, keras, sizes, tf
from pipeline.config.model import Head as HeadConfig
from pipeline.model.dropout import HEAD_SITE, drop
from pipeline.tasks import Task

CUT_OFF = -20.0  # the logit of a tag for a word that is not there: a probability of 2e-9


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
        return tf.matmul(self.cls_attention(inputs, member), inputs)

    def cls_attention(self, inputs: Any, member: Any) -> Any:
        """float32 [bins, slots, width]: how much [CLS] attends to each of its row's tokens, 1 in all."""
        first = tf.one_hot(tf.argmax(tf.cast(member, tf.int32), axis=-1), sizes(inputs)[1], dtype=inputs.dtype)
        query = tf.matmul(tf.matmul(first, inputs), self.Wt)[:, :, None]
        keys = tf.matmul(inputs, self.Wx)[:, None]
        emission = tf.tensordot(tf.tanh(query + keys + self.bh), self.Wa[:, 0], 1) + self.ba
        emission = tf.where(member, emission, emission.dtype.min)
        if self.attention_activation is not None:
            emission = tf.where(member, self.attention_activation(emission), emission.dtype.min)
        return tf.nn.softmax(emission, axis=-1)


class CumulativeDense(keras.layers.Layer):
    """One weighted sum and a bias for each grade but the lowest: logits of reaching it, in one order for all rows
    (CORAL: Cao et al. 2020, https://arxiv.org/abs/1901.07884)."""

    def __init__(self, outputs: int, **kwargs: Any):
        super().__init__(**kwargs)
        self.sum, self.outputs = keras.layers.Dense(1, use_bias=False, name="sum"), outputs

    def build(self, input_shape: Any) -> None:
        first = keras.initializers.Constant([1 - 2 * (number + 0.5) / self.outputs for number in range(self.outputs)])
        self.bias = self.add_weight("bias", [self.outputs], initializer=first)
        super().build(input_shape)

    def call(self, inputs: Any) -> Any:
        return self.sum(inputs) + self.bias


class RowHead(keras.layers.Layer):
    """Pools of a row's tokens and vectors of its [CLS], as configured -> Dense. Unmasked, it reads padding too.

    Of numbers it gives them in their own unit: the output layer's times ``scale`` plus ``shift``, which are no trained
    weights but the standard deviation and the mean of the rows that it is trained on.
    """

    def __init__(self, config: HeadConfig, outputs: int, size: int, numbers: bool = False, cumulative: bool = False,
                 **kwargs: Any):
        """outputs: logits per row; size: of a token's vector."""
        super().__init__(**kwargs)
        self.parts, self.masked, self.dropout = list(config.parts), config.masked, config.dropout
        activation = None if config.attention_activation == "none" else config.attention_activation
        if "attention" in config.parts:
            self.attention = ClsAttention(config.attention_units, attention_activation=activation, name="attention")
        if "pooler" in config.parts:
            self.pooler = keras.layers.Dense(size, "tanh", name="pooler")
        self.shape = [-1] if outputs == 1 else [-1, outputs]
        self.dense = (CumulativeDense if cumulative else keras.layers.Dense)(outputs, name="dense")
        self.numbers = numbers

    def build(self, input_shape: Any) -> None:
        if self.numbers:
            self.scale = self.add_weight("scale", self.shape[1:], initializer="ones", trainable=False)
            self.shift = self.add_weight("shift", self.shape[1:], initializer="zeros", trainable=False)
        super().build(input_shape)

    def standardised(self, values: Any) -> Any:
        """Values in their own unit as a training row's distance from the mean, in standard deviations."""
        return (values - self.shift) / self.scale

    def call(self, sequence: Any, member: Any, words: Any, seed: Any = None) -> Any:
        """sequence float32 [bins, width, size], member bool [bins, slots, width] -> logit float32 [bins * slots],
        or [bins * slots, outputs] where a row has several. seed: int32 [2] of dropout; None: no dropout.

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
            elif part == "attention":
                pooled.append(self.attention(sequence, member))
            else:
                first = tf.gather(sequence, tf.argmax(tf.cast(member, tf.int32), axis=-1), batch_dims=1)
                pooled.append(self.pooler(first) if part == "pooler" else first)
        together = drop(tf.concat(pooled, axis=-1), self.dropout, seed, HEAD_SITE)
        output = tf.reshape(self.dense(together), self.shape)
        return self.shift + self.scale * output if self.numbers else output


class WordHead(keras.layers.Layer):
    """The vector of each word's first token, through a recurrent layer where configured -> Dense."""

    def __init__(self, config: HeadConfig, outputs: int, **kwargs: Any):
        """outputs: logits per word, of which the first is that of no entity."""
        super().__init__(**kwargs)
        self.dropout, self.recurrent = config.dropout, None
        if config.recurrent != "none":
            layer = {"lstm": keras.layers.LSTM, "gru": keras.layers.GRU}[config.recurrent]
            self.recurrent = keras.layers.Bidirectional(
                layer(config.recurrent_units, return_sequences=True, name=config.recurrent), name="recurrent")
        self.dense = keras.layers.Dense(outputs, name="dense")
        self.cut_off = [0.0] + [CUT_OFF] * (outputs - 1)

    def call(self, sequence: Any, member: Any, words: Any, seed: Any = None) -> Any:
        """sequence float32 [bins, width, size], words int32 [bins, slots, words], where their first tokens are, -1
        where there is none -> logit float32 [bins * slots, words, outputs]. seed: as for a RowHead.

        Where there is no token, as for a word that was cut off, the first output is sure.
        """
        there = tf.reshape(words >= 0, [-1, sizes(words)[-1]])
        vectors = tf.gather(sequence, tf.maximum(words, 0), batch_dims=1)
        vectors = drop(tf.reshape(vectors, [*sizes(there), sequence.shape[-1]]), self.dropout, seed, HEAD_SITE)
        if self.recurrent is not None:
            vectors = self.recurrent(vectors, mask=there)
        return tf.where(there[..., None], self.dense(vectors), self.cut_off)


class SeveralHeads(keras.layers.Layer):
    """A head for each of several outputs, and their logits side by side."""

    def __init__(self, config: HeadConfig, outputs: Sequence[int], size: int, **kwargs: Any):
        """outputs: logits per row of each head; size: of a token's vector."""
        super().__init__(**kwargs)
        self.heads = [RowHead(config, count, size, name=f"output_{number}") for number, count in enumerate(outputs)]

    def call(self, sequence: Any, member: Any, words: Any, seed: Any = None) -> Any:
        """As a RowHead: -> logit float32 [bins * slots, sum of outputs]."""
        logits = [head(sequence, member, words, seed) for head in self.heads]
        return tf.concat([logit if len(logit.shape) > 1 else logit[:, None] for logit in logits], axis=-1)


def build(config: HeadConfig, task: Task, size: int) -> Any:
    """The head that gives the task's logits. size: of a token's vector."""
    if task.by_word:
        head: Any = WordHead(config, task.outputs[0], name="head")
    elif len(task.outputs) > 1:
        head = SeveralHeads(config, task.outputs, size, name="head")
    else:
        numbers = task.links[0].function == "identity"
        head = RowHead(config, task.outputs[0], size, numbers, task.cumulative, name="head")
    head(tf.zeros([1, 1, size]), tf.ones([1, 1, 1], tf.bool), tf.zeros([1, 1, 1], tf.int32))
    return head
