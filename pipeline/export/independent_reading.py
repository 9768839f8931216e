"""A checkpoint's outputs by code that shares nothing with the encoder or the loaders: what conversions are proved with.

Hugging Face's format by NumPy, from the tensors' own names and config.json as it stands; Google's by keras-bert.
"""

import json
import math
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
from safetensors.numpy import load_file

from pipeline.lazy import lazily

special = lazily("scipy.special")
Floats = npt.NDArray[np.float32]
Ints = npt.NDArray[np.int32]


def outputs(folder: Path, ids: Ints, segments: Ints) -> Floats | None:
    """float32 [rows, tokens, hidden]: the last layer's outputs for int32 [rows, tokens] ids and segments, no padding;
    None for what neither reading knows (Google's TF2 files, a pickle, a Google checkpoint without two segments)."""
    if (folder / "model.safetensors").exists():
        config = folder / "config.json"
        return of_hugging_face(folder / "model.safetensors", config if config.exists() else folder / "bert_config.json",
                               ids, segments)
    indices = sorted(folder.glob("*.index"))
    if len(indices) != 1:
        return None
    prefix = indices[0].with_suffix("")
    shape = tf_checkpoint_shapes(prefix).get("bert/embeddings/token_type_embeddings")
    return of_google(prefix, ids, segments) if shape and shape[0] == 2 else None


def tf_checkpoint_shapes(prefix: Path) -> dict[str, tuple[int, ...]]:
    """Name -> shape of the variables in TensorFlow's files."""
    from pipeline.backend import tf

    return {name: tuple(shape) for name, shape in tf.train.list_variables(str(prefix))}


def of_hugging_face(weights: Path, config: Path, ids: Ints, segments: Ints) -> Floats:
    """By the formulas of Devlin et al. 2018 (https://arxiv.org/abs/1810.04805) in float64."""
    dimensions = json.loads(config.read_text(encoding="utf-8"))
    stored = {name.removeprefix("bert."): values.astype(np.float64) for name, values in load_file(weights).items()}
    epsilon, heads = dimensions.get("layer_norm_eps", 1e-12), dimensions["num_attention_heads"]

    def tensor(*names: str) -> Any:
        return next(stored[name] for name in names if name in stored)

    def dense(x: Any, name: str) -> Any:
        return x @ tensor(f"{name}.weight").T + tensor(f"{name}.bias")

    def norm(x: Any, name: str) -> Any:
        scaled = (x - x.mean(-1, keepdims=True)) / np.sqrt(x.var(-1, keepdims=True) + epsilon)
        return (scaled * tensor(f"{name}.LayerNorm.weight", f"{name}.LayerNorm.gamma")
                + tensor(f"{name}.LayerNorm.bias", f"{name}.LayerNorm.beta"))

    def split(x: Any) -> Any:
        return x.reshape(*x.shape[:2], heads, -1).transpose(0, 2, 1, 3)

    x = norm(tensor("embeddings.word_embeddings.weight")[ids]
             + tensor("embeddings.position_embeddings.weight")[: ids.shape[1]]
             + tensor("embeddings.token_type_embeddings.weight")[segments], "embeddings")
    for layer in range(dimensions["num_hidden_layers"]):
        at = f"encoder.layer.{layer}"
        query, key, value = (split(dense(x, f"{at}.attention.self.{part}")) for part in ("query", "key", "value"))
        attention = special.softmax(query @ key.transpose(0, 1, 3, 2) / math.sqrt(query.shape[-1]), axis=-1)
        mixed = (attention @ value).transpose(0, 2, 1, 3).reshape(x.shape)
        x = norm(x + dense(mixed, f"{at}.attention.output.dense"), f"{at}.attention.output")
        inner = _activation(dimensions["hidden_act"], dense(x, f"{at}.intermediate.dense"))
        x = norm(x + dense(inner, f"{at}.output.dense"), f"{at}.output")
    return np.asarray(x, np.float32)


def of_google(prefix: Path, ids: Ints, segments: Ints) -> Floats:
    """By keras-bert's own graph and loader; its LayerNorm has an epsilon of 1e-14."""
    from pipeline.backend import keras_bert

    model = keras_bert.load_trained_model_from_checkpoint(
        str(prefix.with_name("bert_config.json")), str(prefix), seq_len=None)
    return np.asarray(model.predict([ids, segments], verbose=0), np.float32)


def _activation(name: str, x: Any) -> Any:
    if name == "relu":
        return np.maximum(x, 0)
    if name == "gelu":
        return x * special.ndtr(x)
    return 0.5 * x * (1 + np.tanh(math.sqrt(2 / math.pi) * (x + 0.044715 * x**3)))
