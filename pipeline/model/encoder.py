"""BERT, twice: keras-bert's own graph, and a leaner one over the same weights that takes several rows per sequence.

Both have the same interface, and the tests compare them. keras-bert's is used where rows are padded to the longest of a
random batch, as published; the lean one wherever rows are packed.
"""

from typing import Any, Protocol

import numpy as np
import numpy.typing as npt

from pipeline.arrays import Tensors
from pipeline.backend import keras, keras_bert, sizes, tf
from pipeline.checkpoints.bert_config import BertConfig, expected_shapes
from pipeline.model.dropout import drop, of_site

WORDS = "bert/embeddings/word_embeddings"
QKV = ("query", "key", "value")


class Encoder(Protocol):
    """Token ids to token vectors, with weights by Google's tensor names."""

    @property
    def variables(self) -> list[Any]:
        """All trainable variables."""

    @property
    def decayed(self) -> list[Any]:
        """The variables that weight decay acts on: kernels, not biases, LayerNorm or embedding tables."""

    @property
    def size(self) -> int:
        """The size of a token's vector: hidden times the number of last layers that are put end to end."""

    def __call__(self, ids: Any, segments: Any, position: Any, member: Any, seed: Any = None) -> Any:
        """int32 [bins, width] three times, bool [bins, slots, width] -> float32 [bins, width, size].

        seed: int32 [2], what dropout's random numbers follow from; None: no dropout.
        """

    def load(self, tensors: Tensors) -> None:
        """Sets every weight; a missing tensor or another shape is an error."""

    def dump(self) -> Tensors:
        """Every weight, float32."""


class KerasBert:
    """keras-bert's model: one row a sequence, and attention does not look at token id 0, padding."""

    def __init__(self, config: BertConfig, dropout: float, layers: int = 1):
        """layers: the last ones, which a token's vector is made of."""
        self.size = layers * config.hidden
        activations = {"gelu_tanh": "gelu", "gelu_erf": _exact_gelu, "relu": "relu"}
        inputs, output = keras_bert.get_model(
            token_num=config.vocab_size, pos_num=config.positions, seq_len=None, embed_dim=config.hidden,
            transformer_num=config.layers, head_num=config.heads, feed_forward_dim=config.intermediate,
            feed_forward_activation=activations[config.activation], dropout_rate=dropout, training=False,
            trainable=True, output_layer_num=layers)
        self._model = keras.Model(inputs, output, name="encoder")
        if config.epsilon != BertConfig.epsilon:  # else the published graph's own stays: 1e-14
            for layer in self._model.layers:
                if layer.name.endswith("-Norm"):
                    layer.epsilon = config.epsilon
        self._dropouts = [layer for layer in self._model.layers if isinstance(layer, keras.layers.Dropout)]
        self._named = keras_bert_variables(self._model, config)
        self.variables = list(self._model.trainable_variables)
        self.decayed = [variable for name, variable in self._named.items() if name.endswith("kernel")]

    def __call__(self, ids: Any, segments: Any, position: Any, member: Any, seed: Any = None) -> Any:
        """See Encoder. position and member follow from ids here."""
        if seed is not None:
            for number, layer in enumerate(self._dropouts):
                key, counter = tf.unstack(tf.cast(of_site(seed, number), tf.int64))
                layer._random_generator._generator.reset(tf.stack([tf.zeros([], tf.int64), counter, key]))
        return self._model([ids, segments], training=seed is not None)

    def load(self, tensors: Tensors) -> None:
        """See Encoder."""
        for name, variable in self._named.items():
            variable.assign(tensors[name])

    def dump(self) -> Tensors:
        """See Encoder."""
        return {name: variable.numpy() for name, variable in self._named.items()}


def keras_bert_variables(model: Any, config: BertConfig) -> dict[str, Any]:
    """Google's name -> variable of a model with keras-bert's layers, taken in the order of ``expected_shapes``."""
    layers = ["Embedding-Token", "Embedding-Position", "Embedding-Segment", "Embedding-Norm"]
    for number in range(1, config.layers + 1):
        layers += [f"Encoder-{number}-{part}" for part in
                   ("MultiHeadSelfAttention", "FeedForward", "MultiHeadSelfAttention-Norm", "FeedForward-Norm")]
    variables = [variable for layer in layers for variable in model.get_layer(layer).weights]
    return dict(zip(expected_shapes(config), variables, strict=True))


class PackedBert:
    """The same function on packed rows: one product for query, key and value, and few operations.

    Its table of word embeddings holds the ``used`` token ids alone. For Adam without decay on it that is exact: a
    token that does not occur gets no gradient and never moves. ``dump`` gives the whole table back.
    """

    def __init__(self, config: BertConfig, dropout: float, used: npt.NDArray[np.int64], precision: str = "float32",
                 layers: int = 1):
        """layers: the last ones, which a token's vector is made of."""
        self.size, self._layers = layers * config.hidden, layers
        self.config, self._dropout, self._used, self._precision = config, dropout, used, tf.as_dtype(precision)
        self._kept = tf.constant(np.searchsorted(used, np.arange(config.vocab_size)).clip(max=len(used) - 1), tf.int32)
        self._whole_words = np.zeros([0], np.float32)
        self._named: dict[str, Any] = {}
        for name, shape in expected_shapes(config).items():
            if name == WORDS:
                self._named[name] = new_variable((len(used), config.hidden), name)
            elif name.startswith(("bert/embeddings/", "bert/encoder/")):
                joined = _joined_name(name)
                if joined != name:
                    shape = (*shape[:-1], 3 * shape[-1])
                if joined not in self._named:
                    self._named[joined] = new_variable(shape, joined)

    @property
    def variables(self) -> list[Any]:
        """See Encoder."""
        return list(self._named.values())

    @property
    def decayed(self) -> list[Any]:
        """See Encoder."""
        return [variable for name, variable in self._named.items() if name.endswith("kernel")]

    def load(self, tensors: Tensors) -> None:
        """See Encoder."""
        self._whole_words = tensors[WORDS]
        for name, variable in self._named.items():
            if name == WORDS:
                variable.assign(self._whole_words[self._used])
            elif "/qkv/" in name:
                variable.assign(np.concatenate([tensors[name.replace("qkv", part)] for part in QKV], axis=-1))
            else:
                variable.assign(tensors[name])

    def dump(self) -> Tensors:
        """See Encoder."""
        tensors: Tensors = {}
        for name, variable in self._named.items():
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
        config, get = self.config, self._named
        bins, width = sizes(ids)
        x = (tf.gather(get[WORDS], tf.gather(self._kept, ids))
             + tf.gather(get["bert/embeddings/position_embeddings"], position)
             + tf.gather(get["bert/embeddings/token_type_embeddings"], segments))
        x = tf.reshape(x, [bins * width, config.hidden])
        x = self._norm(self._drop(x, seed, 0), "bert/embeddings/LayerNorm")
        together = tf.cast(member, x.dtype)
        together = tf.matmul(together, together, transpose_a=True)[:, None] > 0  # [bins, 1, width, width]
        outputs = []
        for layer in range(config.layers):
            prefix = f"bert/encoder/layer_{layer}"
            attended = self._attention(x, f"{prefix}/attention", together)
            x = self._norm(x + self._drop(attended, seed, 2 * layer + 1), f"{prefix}/attention/output/LayerNorm")
            inner = ACTIVATIONS[config.activation](self._dense(x, f"{prefix}/intermediate/dense"))
            outer = self._dense(inner, f"{prefix}/output/dense")
            x = self._norm(x + self._drop(outer, seed, 2 * layer + 2), f"{prefix}/output/LayerNorm")
            outputs.append(x)
        last = outputs[-self._layers:]
        return tf.reshape(tf.concat(last, axis=-1) if len(last) > 1 else x, [bins, width, self.size])

    def _attention(self, x: Any, prefix: str, together: Any) -> Any:
        bins, _, width, _ = sizes(together)
        heads = self.config.heads
        size = self.config.hidden // heads
        joined = tf.reshape(self._dense(x, f"{prefix}/self/qkv"), [bins, width, 3, heads, size])
        query, key, value = (tf.transpose(joined[:, :, place], [0, 2, 1, 3]) for place in range(3))
        scores = self._product(query, key, transpose_b=True) / size**0.5
        weights = tf.nn.softmax(tf.where(together, scores, scores.dtype.min))
        mixed = tf.transpose(self._product(weights, value), [0, 2, 1, 3])
        return self._dense(tf.reshape(mixed, [bins * width, heads * size]), f"{prefix}/output/dense")

    def _dense(self, x: Any, name: str) -> Any:
        return self._product(x, self._named[f"{name}/kernel"]) + self._named[f"{name}/bias"]

    def _product(self, a: Any, b: Any, **options: Any) -> Any:
        """In bert.precision; everything else, sums included, stays float32."""
        return tf.cast(tf.matmul(tf.cast(a, self._precision), tf.cast(b, self._precision), **options), tf.float32)

    def _norm(self, x: Any, name: str) -> Any:
        centred = x - tf.reduce_mean(x, axis=-1, keepdims=True)
        scale = tf.math.rsqrt(tf.reduce_mean(tf.square(centred), axis=-1, keepdims=True) + self.config.epsilon)
        return centred * scale * self._named[f"{name}/gamma"] + self._named[f"{name}/beta"]

    def _drop(self, x: Any, seed: Any, site: int) -> Any:
        return drop(x, self._dropout, seed, site)


def _exact_gelu(x: Any) -> Any:
    return tf.nn.gelu(x, approximate=False)


def _tanh_gelu(x: Any) -> Any:
    return tf.nn.gelu(x, approximate=True)


ACTIVATIONS = {"gelu_tanh": _tanh_gelu, "gelu_erf": _exact_gelu, "relu": tf.nn.relu}


def _joined_name(name: str) -> str:
    for letter in QKV:
        name = name.replace(f"/self/{letter}/", "/self/qkv/")
    return name


def new_variable(shape: tuple[int, ...], name: str) -> Any:
    return tf.Variable(tf.zeros(shape), name=name.replace("/", "_"))
