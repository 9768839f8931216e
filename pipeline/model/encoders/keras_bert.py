"""keras-bert's own graph, as published: one row a sequence, padded to the longest of a random batch."""

from typing import Any

from pipeline.arrays import Tensors
from pipeline.backend import keras, keras_bert, tf
from pipeline.checkpoints.encoder_config import EncoderConfig, expected_shapes
from pipeline.model.dropout import of_site
from pipeline.model.encoders.named_layers import ACTIVATIONS


class KerasBert:
    """See Encoder. Attention does not look at token id 0, padding. The reference that PackedBert is compared with."""

    def __init__(self, config: EncoderConfig, dropout: float, layers: int = 1):
        """layers: the last ones, which a token's vector is made of."""
        self.size = layers * config.hidden
        activations = {"gelu_tanh": "gelu", "gelu_erf": ACTIVATIONS["gelu_erf"], "relu": "relu"}
        inputs, output = keras_bert.get_model(
            token_num=config.vocab_size, pos_num=config.positions, seq_len=None, embed_dim=config.hidden,
            transformer_num=config.layers, head_num=config.heads, feed_forward_dim=config.intermediate,
            feed_forward_activation=activations[config.activation], dropout_rate=dropout, training=False,
            trainable=True, output_layer_num=layers)
        self._model = keras.Model(inputs, output, name="encoder")
        if config.epsilon != EncoderConfig.epsilon:  # else the published graph's own stays: 1e-14
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


def keras_bert_variables(model: Any, config: EncoderConfig) -> dict[str, Any]:
    """Google's name -> variable of a model with keras-bert's layers, taken in the order of ``expected_shapes``."""
    layers = ["Embedding-Token", "Embedding-Position", "Embedding-Segment", "Embedding-Norm"]
    for number in range(1, config.layers + 1):
        layers += [f"Encoder-{number}-{part}" for part in
                   ("MultiHeadSelfAttention", "FeedForward", "MultiHeadSelfAttention-Norm", "FeedForward-Norm")]
    variables = [variable for layer in layers for variable in model.get_layer(layer).weights]
    return dict(zip(expected_shapes(config), variables, strict=True))
