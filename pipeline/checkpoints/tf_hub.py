"""Encoders of TensorFlow Hub and Kaggle Models: a SavedModel of TF2's model garden, read as variables. Nothing in it is
executed; saved_model.pb is not even opened. Importing TensorFlow is what reading its tables of contents takes."""

import functools
import re
from collections.abc import Collection, Mapping
from pathlib import Path

from pipeline.arrays import Shapes, Stored
from pipeline.checkpoints import families, tensor_names
from pipeline.checkpoints.encoder_config import (
    MASKED_LM,
    NORM,
    POOLER,
    POSITIONS,
    PROJECTION,
    SEGMENTS,
    WORDS,
    EncoderConfig,
)
from pipeline.checkpoints.families import Family
from pipeline.checkpoints.source import Source, unread
from pipeline.errors import UserError
from pipeline.files import inputs

METADATA = "keras_metadata.pb"
VARIABLES = Path("variables/variables")
LOWERCASE = "do_lower_case/.ATTRIBUTES/VARIABLE_VALUE"
Contents = dict[str, tuple[str, tuple[int, ...]]]  # our name -> the key in the file, and the shape there
TABLES = {"word_embeddings/embeddings": WORDS, "position_embedding/embeddings": POSITIONS,
          "type_embeddings/embeddings": SEGMENTS, "embeddings/layer_norm/gamma": f"{NORM}/gamma",
          "embeddings/layer_norm/beta": f"{NORM}/beta", "embedding_projection/kernel": f"{PROJECTION}/kernel",
          "embedding_projection/bias": f"{PROJECTION}/bias", "output_bias/bias": f"{MASKED_LM}output_bias"}
HEADS = {"pooler_transform/": POOLER, "cls_transform/": POOLER, "transform/": f"{MASKED_LM}transform/"}
PARTS = (  # of a layer, by the end of the name; the first that fits
    (r"(?:self_attention|talking_heads_attention)/(query|key|value)/(kernel|bias)", r"attention/self/\1/\2"),
    (r"attention_output/(kernel|bias)", r"attention/output/dense/\1"),
    (r"self_attention_layer_norm/(gamma|beta)", r"attention/output/LayerNorm/\1"),
    (r"output_layer_norm(?:_0)?/(gamma|beta)", r"output/LayerNorm/\1"),
    (r"intermediate(?:_0)?/(kernel|bias)", r"intermediate/dense/\1"),
    (r"gate_0/(kernel|bias)", r"intermediate/gate/\1"),
    (r"output(?:_0)?/(kernel|bias)", r"output/dense/\1"),
    (r"pre_softmax_weight", "attention/self/before_softmax"),
    (r"post_softmax_weight", "attention/self/after_softmax"),
)


def find(folder: Path, problems: list[str]) -> Source | None:
    """A checkpoint in this format; None where there is none."""
    prefix = folder / VARIABLES
    if not prefix.with_suffix(".index").exists():
        return None
    files = sorted(prefix.parent.glob("variables.*"))
    problems += [line for file in files for line in inputs.problems(file)]
    if problems:
        return Source("TF Hub", None, families.BERT, {}, None, files, unread, folder, prefix)
    from pipeline.checkpoints import tf_variables  # imports TensorFlow

    stored, key_of = tf_variables.shapes(prefix), tf_variables.object_names(prefix)
    contents = _contents(stored, key_of)
    config, family = _dimensions(prefix, {ours: shape for ours, (_, shape) in contents.items()}, key_of)
    described_in = prefix.parent.parent / METADATA if family is families.ALBERT else None
    return Source("TF Hub", config, family, {}, described_in, files, functools.partial(_read, prefix, contents),
                  folder, prefix, _tokenizer(prefix) if LOWERCASE in stored else {})


def _contents(stored: Shapes, key_of: Mapping[str, str]) -> Contents:
    """stored: key in the file -> shape; key_of: the model garden's name -> key in the file."""
    layers: dict[str, int] = {}
    contents: Contents = {}
    for name, key in sorted(key_of.items(), key=lambda pair: _number(pair[1])):
        if key in stored and (ours := _ours(name, layers)) and ours not in contents:
            contents[ours] = key, stored[key]
    return contents


def _number(key: str) -> int:
    """The place of a variable in the order in which they were made."""
    match = re.search(r"variables/(\d{1,9})/", key)
    return int(match[1]) if match else 0


def _ours(name: str, layers: dict[str, int]) -> str | None:
    """Our name of a variable of the model garden; None: none of the encoder. Layers are numbered in order."""
    for theirs, ours in TABLES.items():
        if name.endswith(theirs):
            return ours
    for theirs, prefix in HEADS.items():
        if re.search(rf"(?:^|/){theirs}", name):
            return prefix + name.split(theirs)[-1]
    match = re.match(r"(?:.*/)?((?:transformer|transformer_scaffold)(?:_\d+)?(?:/layer_\d+)?)/(.+)", name)
    if not match:
        return None
    for pattern, ours in PARTS:
        if part := re.fullmatch(rf"(?:.*/)?{pattern}", match[2]):
            number = layers.setdefault(match[1], len(layers))
            return f"bert/encoder/layer_{number}/{part.expand(ours)}"
    return None


def _dimensions(prefix: Path, shapes: Shapes, names: Collection[str]) -> tuple[EncoderConfig, Family]:
    """What the shapes say. Raises UserError where they are not those of an encoder."""
    first = "bert/encoder/layer_0/"
    try:
        (vocab_size, embedding), (positions, _), (segments, _) = (shapes[name] for name in (WORDS, POSITIONS, SEGMENTS))
        hidden, heads, _ = shapes[f"{first}attention/self/query/kernel"]
        _, intermediate = shapes[f"{first}intermediate/dense/kernel"]
    except (KeyError, ValueError):
        raise UserError(f"{prefix}: must hold an encoder of TF2's model garden, as TF Hub's and Kaggle's BERTs are; a "
                        f"preprocessing model, or one of another kind, holds none") from None
    layers = len({name.split("/")[2] for name in shapes if name.startswith("bert/encoder/layer_")})
    projected, family = f"{PROJECTION}/kernel" in shapes, families.BERT
    if f"{first}attention/self/before_softmax" in shapes:
        family = families.TALKING_HEADS
    elif projected and (shared := _layers_of_shared(prefix, names)):
        layers, family = shared, families.ALBERT
    elif projected:
        family = families.ELECTRA
    return EncoderConfig(
        vocab_size, hidden, layers, heads, intermediate, positions, segments, "gelu_tanh", family=family.name,
        embedding=embedding if projected else None), family


def _layers_of_shared(prefix: Path, names: Collection[str]) -> int:
    """How often an ALBERT's one layer is applied, which its variables do not say and keras_metadata.pb does; 0: it is
    no ALBERT. Raises UserError where that file is not there."""
    if any(re.search(r"(?:^|/)transformer/layer_\d", name) for name in names):
        return 0
    path = prefix.parent.parent / METADATA
    said = re.search(rb'"num_layers": ([1-9]\d{0,2})\b', inputs.read(path)) if path.exists() else None
    if not said:
        raise UserError(f"{path}: must say num_layers, how often the one layer of an ALBERT is applied; that file "
                        f"comes with the model")
    return int(said[1])


def _tokenizer(prefix: Path) -> dict[str, bool]:
    """What the model says of its tokenizer."""
    from pipeline.checkpoints import tf_variables

    return {name: bool(value) for name, value in tf_variables.read(prefix, {LOWERCASE: "lowercase"}).items()}


def _read(prefix: Path, contents: Contents, wanted: Collection[str]) -> tuple[Shapes, Stored]:
    from pipeline.checkpoints import tf_variables

    read = tf_variables.read(prefix, {key: ours for ours, (key, _) in contents.items() if ours in wanted})
    shapes = {ours: tensor_names.flat(ours, shape) for ours, (_, shape) in contents.items()}
    return shapes, {ours: values.reshape(shapes[ours]) for ours, values in read.items()}
