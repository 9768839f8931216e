"""Encoders of keras-hub, as Kaggle Models has them (keras/bert, keras/bge, keras/multilingual-e5, ...): a preset's
config.json, its tokenizer in assets/ and model.weights.h5. Importing h5py is what reading them takes."""

import re
from collections.abc import Collection
from functools import partial
from pathlib import Path
from typing import Any

from pipeline.arrays import Shapes, Stored
from pipeline.checkpoints import config_files, families, tensor_names
from pipeline.checkpoints.encoder_config import NORM, POOLER, POSITIONS, SEGMENTS, WORDS, EncoderConfig
from pipeline.checkpoints.source import Source, unread
from pipeline.errors import UserError
from pipeline.files import inputs
from pipeline.lazy import lazily

h5py = lazily("h5py")

WEIGHTS = "model.weights.h5"
MOST_TIMES = 100  # a file's size, in bytes, that a dataset may have: one that is declared larger is never read
SIZES = {"vocabulary_size": "vocab_size", "hidden_dim": "hidden_size", "num_layers": "num_hidden_layers",
         "num_heads": "num_attention_heads", "intermediate_dim": "intermediate_size",
         "max_sequence_length": "max_position_embeddings", "num_segments": "type_vocab_size"}
TABLES = {"reversible_embedding/vars/0": WORDS, "token_embedding/vars/0": WORDS, "token_embedding/embeddings": WORDS,
          "position_embedding/vars/0": POSITIONS, "embedding/vars/0": SEGMENTS, "segment_embedding/vars/0": SEGMENTS,
          "layer_normalization/vars/0": f"{NORM}/gamma", "layer_normalization/vars/1": f"{NORM}/beta",
          "embeddings_layer_norm/vars/0": f"{NORM}/gamma", "embeddings_layer_norm/vars/1": f"{NORM}/beta",
          "dense/vars/0": f"{POOLER}kernel", "dense/vars/1": f"{POOLER}bias",
          "pooled_dense/vars/0": f"{POOLER}kernel", "pooled_dense/vars/1": f"{POOLER}bias"}
PARTS = {"_self_attention_layer/query_dense": "attention/self/query", "_self_attention_layer/key_dense":
         "attention/self/key", "_self_attention_layer/value_dense": "attention/self/value",
         "_self_attention_layer/output_dense": "attention/output/dense",
         "_self_attention_layer_norm": "attention/output/LayerNorm",
         "_feedforward_intermediate_dense": "intermediate/dense", "_feedforward_output_dense": "output/dense",
         "_feedforward_layer_norm": "output/LayerNorm"}
NAME = re.compile(r"(?:_layer_checkpoint_dependencies|layers)/(.+)")
LAYER = re.compile(r"transformer_(?:encoder|layer)(?:_(\d{1,4}))?/(.+)/vars/([01])")


def find(folder: Path, problems: list[str]) -> Source | None:
    """A preset; None where there is none. Raises UserError for a preset of another architecture."""
    path, weights = folder / "config.json", folder / WEIGHTS
    keys = inputs.read_json(path, config_files.MOST_BYTES) if weights.exists() and path.exists() else {}
    if "class_name" not in keys:
        return None
    if keys["class_name"] != "BertBackbone":
        raise UserError(f"{path}: must be a BertBackbone of keras-hub, got {str(keys['class_name'])[:100]}; the same "
                        f"model in Hugging Face's format may be read: docs/encoders.md")
    if not isinstance(keys.get("config"), dict):
        raise UserError(f"{path}: config must be an object with the sizes of the BertBackbone")
    inside = keys["config"]
    named = {ours: inside.get(theirs) for theirs, ours in SIZES.items()} | {"hidden_act": "gelu"}
    config = config_files.read(path, named, families.BERT, "google", problems,  # the tanh's GELU, an epsilon of 1e-12
                               {ours: theirs for theirs, ours in SIZES.items()})
    problems += inputs.problems(weights)
    tokenizer = folder / "tokenizer.json"
    said = inputs.read_json(tokenizer, config_files.MOST_BYTES).get("config") if tokenizer.exists() else None
    said = {name: said[name] for name in ("lowercase", "strip_accents") if isinstance(said.get(name), bool)} if (
        isinstance(said, dict)) else {}
    reader = partial(_read, weights, config) if config else unread
    return Source("keras-hub", config, families.BERT, {}, path, [weights], reader, folder, weights, said)


def _read(path: Path, config: EncoderConfig, wanted: Collection[str]) -> tuple[Shapes, Stored]:
    shapes: dict[str, tuple[int, ...]] = {}
    read: Stored = {}

    def visit(name: str, item: Any) -> None:
        ours = _ours(str(name))
        if not ours or not isinstance(item, h5py.Dataset) or item.shape is None:
            return
        if (heads := tensor_names.heads_of(ours, item.shape)) not in (None, config.heads):
            raise UserError(f"{path}: num_heads must be {heads}, which {name} has, got {config.heads}")
        if ours in shapes:
            raise UserError(f"{path}: holds {ours} more than once, one of them as {name}")
        shapes[ours] = tensor_names.flat(ours, item.shape)
        if ours in wanted and item.nbytes <= MOST_TIMES * size:
            read[ours] = item[()].reshape(shapes[ours])

    size = path.stat().st_size
    try:
        with h5py.File(path) as file:
            file.visititems(visit)
    except (OSError, RuntimeError, ValueError, KeyError, TypeError) as error:
        raise UserError(f"{path}: not a readable HDF5 file: {str(error)[:300]}") from None
    return shapes, read


def _ours(name: str) -> str | None:
    """Our name of a dataset; None: none of the encoder. keras-hub numbers layers from transformer_encoder on, older
    files from transformer_layer_0 on."""
    match = NAME.fullmatch(name)
    if not match:
        return None
    if match[1] in TABLES:
        return TABLES[match[1]]
    layer = LAYER.fullmatch(match[1])
    if not layer or layer[2] not in PARTS:
        return None
    ours = PARTS[layer[2]]
    leaf = ("gamma", "beta") if ours.endswith("LayerNorm") else ("kernel", "bias")
    return f"bert/encoder/layer_{int(layer[1] or 0)}/{ours}/{leaf[int(layer[3])]}"


