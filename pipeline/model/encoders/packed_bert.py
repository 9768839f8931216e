"""BERT, and the encoders that have its attention (ELECTRA, ALBERT, RoBERTa), on rows that share sequences."""

import functools
from typing import Any

import numpy as np

from pipeline.arrays import Ints, Tensors
from pipeline.backend import sizes, tf
from pipeline.checkpoints import encoder_config
from pipeline.checkpoints.encoder_config import NORM, POSITIONS, PROJECTION, SEGMENTS, WORDS, EncoderConfig
from pipeline.model.dropout import drop
from pipeline.model.encoders.named_layers import ACTIVATIONS, NamedLayers

QKV = ("query", "key", "value")


class PackedBert:
    """See Encoder. keras-bert's function with one product for query, key and value, and few operations.

    Its table of word embeddings holds the ``used`` token ids alone. For Adam without decay on it that is exact: a
    token that does not occur gets no gradient and never moves. ``dump`` gives the whole table back.
    """

    def __init__(self, config: EncoderConfig, dropout: float, used: Ints, precision: str = "float32", layers: int = 1):
        """layers: the last ones, which a token's vector is made of."""
        self.size, self._layers = layers * config.hidden, layers
        self.config, self._dropout, self._used = config, dropout, used
        self._kept = tf.constant(np.searchsorted(used, np.arange(config.vocab_size)).clip(max=len(used) - 1), tf.int32)
        self._whole_words = np.zeros([0], np.float32)
        shapes: dict[str, tuple[int, ...]] = {}
        for name, shape in encoder_config.expected_shapes(config).items():
            joined = _joined_name(name)
            shapes[joined] = (len(used), *shape[1:]) if name == WORDS else (
                shape if joined == name else (*shape[:-1], 3 * shape[-1]))
        self.layers = NamedLayers(shapes, precision, config.epsilon)

    @property
    def variables(self) -> list[Any]:
        """See Encoder."""
        return list(self.layers.variables.values())

    @property
    def decayed(self) -> list[Any]:
        """See Encoder."""
        return self.layers.kernels

    def load(self, tensors: Tensors) -> None:
        """See Encoder."""
        self._whole_words = tensors[WORDS]
        for name, variable in self.layers.variables.items():
            if name == WORDS:
                variable.assign(self._whole_words[self._used])
            elif "/qkv/" in name:
                variable.assign(np.concatenate([tensors[name.replace("qkv", part)] for part in QKV], axis=-1))
            else:
                variable.assign(tensors[name])

    def dump(self) -> Tensors:
        """See Encoder."""
        tensors: Tensors = {}
        for name, variable in self.layers.variables.items():
            values = variable.numpy()
            if name == WORDS:
                tensors[name] = self._whole_words.copy()
                tensors[name][self._used] = values
            elif "/qkv/" in name:
                tensors |= {name.replace("qkv", letter): part
                            for letter, part in zip(QKV, np.split(values, 3, axis=-1), strict=True)}
            else:
                tensors[name] = values
        return tensors

    def __call__(self, ids: Any, segments: Any, position: Any, member: Any, seed: Any = None) -> Any:
        """See Encoder. A token attends to the tokens of its own row."""
        config, layers = self.config, self.layers
        bins, width = sizes(ids)
        x = tf.reshape(self._embedded(ids, segments, position), [bins * width, config.embedding_size])
        x = layers.norm(self._drop(x, seed, 0), NORM)
        if config.embedding:
            x = layers.dense(x, PROJECTION)
        together = tf.cast(member, x.dtype)
        together = tf.matmul(together, together, transpose_a=True)[:, None] > 0  # [bins, 1, width, width]
        outputs = []
        for layer in range(config.layers):
            prefix = config.layer_name(layer)
            attended = self._attention(x, f"{prefix}/attention", together)
            x = layers.norm(x + self._drop(attended, seed, 2 * layer + 1), f"{prefix}/attention/output/LayerNorm")
            outer = layers.dense(self._inner(x, f"{prefix}/intermediate"), f"{prefix}/output/dense")
            x = layers.norm(x + self._drop(outer, seed, 2 * layer + 2), f"{prefix}/output/LayerNorm")
            outputs.append(x)
        last = outputs[-self._layers:]
        return tf.reshape(tf.concat(last, axis=-1) if len(last) > 1 else x, [bins, width, self.size])

    def words(self, ids: Any) -> Any:
        """The word embeddings of int32 [bins, width] ids."""
        return tf.gather(self.layers[WORDS], tf.gather(self._kept, ids))

    def _embedded(self, ids: Any, segments: Any, position: Any) -> Any:
        """float32 [bins, width, embedding_size]: the tables' sum."""
        if self.config.segments == 1:
            segments = tf.zeros_like(segments)
        return (self.words(ids) + tf.gather(self.layers[POSITIONS], position + self.config.first_position)
                + tf.gather(self.layers[SEGMENTS], segments))

    def _attention(self, x: Any, prefix: str, together: Any) -> Any:
        bins, _, width, _ = sizes(together)
        heads = self.config.heads
        size = self.config.hidden // heads
        joined = tf.reshape(self.layers.dense(x, f"{prefix}/self/qkv"), [bins, width, 3, heads, size])
        query, key, value = (tf.transpose(joined[:, :, place], [0, 2, 1, 3]) for place in range(3))
        weights = self._weights(query, key, together, f"{prefix}/self")
        mixed = tf.transpose(self.layers.product(weights, value), [0, 2, 1, 3])
        return self.layers.dense(tf.reshape(mixed, [bins * width, heads * size]), f"{prefix}/output/dense")

    def _weights(self, query: Any, key: Any, together: Any, prefix: str) -> Any:
        """Queries and keys, float32 [bins, heads, width, size] -> how much of each value is taken, [bins, heads, width,
        width]."""
        scores = self.layers.product(query, key, transpose_b=True) / query.shape[-1]**0.5
        return self.softmax(scores, together)

    @staticmethod
    def softmax(scores: Any, together: Any) -> Any:
        """Over the tokens of the own row."""
        return tf.nn.softmax(tf.where(together, scores, scores.dtype.min))

    def _inner(self, x: Any, prefix: str) -> Any:
        """What the feed-forward part computes between its two products."""
        return self.activation(self.layers.dense(x, f"{prefix}/dense"))

    @functools.cached_property
    def activation(self) -> Any:
        """The function between the products."""
        return ACTIVATIONS[self.config.activation]

    def _drop(self, x: Any, seed: Any, site: int) -> Any:
        return drop(x, self._dropout, seed, site)


def _joined_name(name: str) -> str:
    for letter in QKV:
        name = name.replace(f"/self/{letter}/", "/self/qkv/")
    return name
