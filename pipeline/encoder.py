"""keras-bert's encoder: built from a configuration, its weights in and out under Google's tensor names."""

from typing import Any

from pipeline.backend import keras, keras_bert, tf
from pipeline.checkpoint import BertConfig, Tensors, expected_shapes


def build(config: BertConfig, dropout: float) -> Any:
    """A trainable model (token ids, segment ids: int32 [rows, tokens]) -> float32 [rows, tokens, hidden].

    Token id 0 is padding: attention does not look at it.
    """
    activations = {"gelu_tanh": "gelu", "gelu_erf": _exact_gelu, "relu": "relu"}
    inputs, output = keras_bert.get_model(
        token_num=config.vocab_size, pos_num=config.positions, seq_len=None, embed_dim=config.hidden,
        transformer_num=config.layers, head_num=config.heads, feed_forward_dim=config.intermediate,
        feed_forward_activation=activations[config.activation], dropout_rate=dropout, training=False, trainable=True)
    return keras.Model(inputs, output, name="encoder")


def load(model: Any, config: BertConfig, tensors: Tensors) -> None:
    """Sets every weight of the encoder; a missing tensor or another shape is an error."""
    for name, variable in _variables(model, config).items():
        variable.assign(tensors[name])


def dump(model: Any, config: BertConfig) -> Tensors:
    """Every weight of the encoder under its Google name, float32."""
    return {name: variable.numpy() for name, variable in _variables(model, config).items()}


def decayed(model: Any, config: BertConfig) -> list[Any]:
    """The variables that weight decay acts on: kernels, not biases, LayerNorm or embedding tables."""
    return [variable for name, variable in _variables(model, config).items() if name.endswith("kernel")]


def _exact_gelu(x: Any) -> Any:
    return tf.nn.gelu(x, approximate=False)


def _variables(model: Any, config: BertConfig) -> dict[str, Any]:
    """Google's name -> variable, in the order that keras-bert's layers list their weights."""
    def weights(layer: str) -> list[Any]:
        return model.get_layer(layer).weights

    ordered = [*weights("Embedding-Token"), *weights("Embedding-Position"), *weights("Embedding-Segment"),
               *weights("Embedding-Norm")]
    names = [name for name in expected_shapes(config) if name.startswith("bert/embeddings/")]
    for layer in range(config.layers):
        prefix, ours = f"bert/encoder/layer_{layer}", f"Encoder-{layer + 1}"
        ordered += [*weights(f"{ours}-MultiHeadSelfAttention"), *weights(f"{ours}-MultiHeadSelfAttention-Norm"),
                    *weights(f"{ours}-FeedForward"), *weights(f"{ours}-FeedForward-Norm")]
        for part in ("attention/self/query", "attention/self/key", "attention/self/value", "attention/output/dense"):
            names += [f"{prefix}/{part}/kernel", f"{prefix}/{part}/bias"]
        names += [f"{prefix}/attention/output/LayerNorm/gamma", f"{prefix}/attention/output/LayerNorm/beta"]
        for part in ("intermediate/dense", "output/dense"):
            names += [f"{prefix}/{part}/kernel", f"{prefix}/{part}/bias"]
        names += [f"{prefix}/output/LayerNorm/gamma", f"{prefix}/output/LayerNorm/beta"]
    return dict(zip(names, ordered, strict=True))
