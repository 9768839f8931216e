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
# of the model's own tensors, if there is one
PREFIXES = ("bert", "ernie", "electra", "albert", "roberta", "deberta", "mpnet", "camembert", "xlm-roberta", "model")
BERT_PARTS = {"layer": "encoder.layer.{}", "query": "attention.self.query", "key": "attention.self.key",
              "value": "attention.self.value", "mixed": "attention.output.dense",
              "first norm": "attention.output.LayerNorm", "inner": "intermediate.dense", "outer": "output.dense",
              "second norm": "output.LayerNorm"}
PARTS = {
    "bert": BERT_PARTS,
    "deberta-v2": BERT_PARTS | {name: f"attention.self.{name}_proj" for name in ("query", "key", "value")},
    "mpnet": BERT_PARTS | {"query": "attention.attn.q", "key": "attention.attn.k", "value": "attention.attn.v",
                           "mixed": "attention.attn.o", "first norm": "attention.LayerNorm"},
    "albert": {"layer": "encoder.albert_layer_groups.0.albert_layers.0", "query": "attention.query",
               "key": "attention.key", "value": "attention.value", "mixed": "attention.dense",
               "first norm": "attention.LayerNorm", "inner": "ffn", "outer": "ffn_output",
               "second norm": "full_layer_layer_norm"}}
Floats = npt.NDArray[np.float32]
Ints = npt.NDArray[np.int32]


def outputs(folder: Path, ids: Ints, segments: Ints) -> Floats | None:
    """float32 [rows, tokens, hidden]: the last layer's outputs for int32 [rows, tokens] ids and segments, no padding;
    None for what neither reading knows (a pickle, shards, TF Hub, keras-hub, Google's TF2 files, its ELECTRA and
    ALBERT, a checkpoint of its without two segments)."""
    if (folder / "model.safetensors").exists():
        config = folder / "config.json"
        return of_hugging_face(folder / "model.safetensors", config if config.exists() else folder / "bert_config.json",
                               ids, segments)
    indices = sorted(folder.glob("*.index"))
    if len(indices) != 1:
        return None
    prefix = indices[0].with_suffix("")
    shapes = tf_checkpoint_shapes(prefix)
    is_bert = "bert/encoder/layer_0/output/dense/kernel" in shapes and (folder / "bert_config.json").exists()
    two = shapes.get("bert/embeddings/token_type_embeddings", (0,))[0] == 2
    return of_google(prefix, ids, segments) if is_bert and two else None


def tf_checkpoint_shapes(prefix: Path) -> dict[str, tuple[int, ...]]:
    """Name -> shape of the variables in TensorFlow's files."""
    from pipeline.backend import tf

    return {name: tuple(shape) for name, shape in tf.train.list_variables(str(prefix))}


def of_hugging_face(weights: Path, config: Path, ids: Ints, segments: Ints) -> Floats:
    """By the formulas of the papers, in float64: BERT (https://arxiv.org/abs/1810.04805), with what ELECTRA, ALBERT,
    RoBERTa, ERNIE, MPNet and DeBERTa-v3 (https://arxiv.org/abs/2111.09543) change in it."""
    said = json.loads(config.read_text(encoding="utf-8"))
    kind, heads = said.get("model_type", "bert"), said["num_attention_heads"]
    epsilon = said.get("layer_norm_eps", 1e-7 if kind == "deberta-v2" else 1e-12)
    stored = {_without_prefix(name): values for name, values in load_file(weights).items()}
    part = PARTS.get(kind, PARTS["bert"])

    def tensor(*names: str) -> Any:
        return next(stored[name] for name in names if name in stored).astype(np.float64)

    def dense(x: Any, name: str) -> Any:
        return x @ tensor(f"{name}.weight").T + tensor(f"{name}.bias")

    def norm(x: Any, name: str) -> Any:
        scaled = (x - x.mean(-1, keepdims=True)) / np.sqrt(x.var(-1, keepdims=True) + epsilon)
        return scaled * tensor(f"{name}.weight", f"{name}.gamma") + tensor(f"{name}.bias", f"{name}.beta")

    def split(x: Any) -> Any:
        return x.reshape(*x.shape[:-1], heads, -1).swapaxes(-2, -3)

    x, tokens = stored["embeddings.word_embeddings.weight"][ids].astype(np.float64), ids.shape[1]
    if "embeddings.position_embeddings.weight" in stored and kind != "deberta-v2":
        pad = 1 if said.get("pad_token_id") is None else said["pad_token_id"]
        first = pad + 1 if kind in ("roberta", "xlm-roberta", "camembert", "mpnet") else 0
        x = x + tensor("embeddings.position_embeddings.weight")[first:first + tokens]
    if "embeddings.token_type_embeddings.weight" in stored:
        kinds = tensor("embeddings.token_type_embeddings.weight")
        x = x + kinds[np.minimum(segments, len(kinds) - 1)]
    if kind == "ernie" and said.get("use_task_id"):
        x = x + tensor("embeddings.task_type_embeddings.weight")[0]
    x = norm(x, "embeddings.LayerNorm")
    for projection in ("embeddings_project", "encoder.embedding_hidden_mapping_in"):
        x = dense(x, projection) if f"{projection}.weight" in stored else x
    distance = np.subtract.outer(np.arange(tokens), np.arange(tokens))
    for layer in range(said["num_hidden_layers"]):
        at = part["layer"].format(layer)
        query, key, value = (split(dense(x, f"{at}.{part[name]}")) for name in ("query", "key", "value"))
        scores, scale = query @ key.swapaxes(-1, -2), query.shape[-1]
        if kind == "deberta-v2":
            rows = norm(tensor("encoder.rel_embeddings.weight"), "encoder.LayerNorm")
            far_query, far_key = (split(dense(rows, f"{at}.{part[name]}"))[:, _buckets(said, distance)]
                                  for name in ("query", "key"))  # [heads, tokens, tokens, size]
            scores = scores + np.einsum("bhis,hijs->bhij", query, far_key) + np.einsum(
                "bhjs,hijs->bhij", key, far_query)
            scale *= 3
        scores = scores / math.sqrt(scale)
        if kind == "mpnet":
            scores = scores + tensor("encoder.relative_attention_bias.weight")[_t5_buckets(distance)].transpose(
                2, 0, 1)
        mixed = (special.softmax(scores, axis=-1) @ value).swapaxes(1, 2).reshape(x.shape)
        x = norm(x + dense(mixed, f"{at}.{part['mixed']}"), f"{at}.{part['first norm']}")
        inner = _activation(said["hidden_act"], dense(x, f"{at}.{part['inner']}"))
        x = norm(x + dense(inner, f"{at}.{part['outer']}"), f"{at}.{part['second norm']}")
    return np.asarray(x, np.float32)


def _without_prefix(name: str) -> str:
    first, _, rest = name.partition(".")
    return rest if first in PREFIXES else name


def _t5_buckets(distance: npt.NDArray[np.int64]) -> npt.NDArray[np.int64]:
    """The bucket of each distance, query minus key, among T5's."""
    half = 16  # of 32 buckets, which transformers counts with whatever the configuration says
    near, far = half // 2, np.abs(distance)
    shared = near + (np.log(np.maximum(far, near) / near) / math.log(128 / near) * (half - near)).astype(np.int64)
    return np.where(far < near, far, np.minimum(shared, half - 1)) + np.where(distance < 0, half, 0)


def _buckets(said: dict[str, Any], distance: npt.NDArray[np.int64]) -> npt.NDArray[np.int64]:
    """The row of DeBERTa's table for each distance."""
    buckets, most = said.get("position_buckets", -1), said.get("max_relative_positions", -1)
    most = most if most > 0 else said["max_position_embeddings"]
    span = buckets if buckets > 0 else most
    place = distance.astype(np.float64)
    if buckets > 0:
        middle = buckets // 2
        far = np.abs(distance) > middle
        steps = np.log(np.abs(distance[far]) / middle) / math.log((most - 1) / middle) * (middle - 1)
        place[far] = np.sign(distance[far]) * (np.ceil(steps) + middle)
    return np.clip(place.astype(np.int64) + span, 0, 2 * span - 1)


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
