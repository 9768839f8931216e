"""Google's format: a TF1 or TF2 checkpoint, its configuration and vocab.txt. Its weights import TensorFlow."""

import dataclasses
import functools
import json
from collections.abc import Collection, Mapping
from pathlib import Path
from typing import Any

from pipeline.arrays import Shapes, Stored, Tensors
from pipeline.checkpoints import config_files, families, tensor_names, tokenizer_settings
from pipeline.checkpoints.encoder_config import EncoderConfig
from pipeline.checkpoints.families import Family
from pipeline.checkpoints.source import Source, unread
from pipeline.errors import UserError
from pipeline.files import inputs
from pipeline.text.vocabulary import Vocabulary

HEAD_SIZE = 64  # of every ELECTRA, whose zips have no configuration
MARKS = ((b"layer_shared", families.ALBERT_ZH), (b"inner_group_0", families.ALBERT), (b"electra/", families.ELECTRA))


def find(folder: Path, problems: list[str]) -> Source | None:
    """A checkpoint in this format; None where there is none. Raises UserError where there are several."""
    indices = [path for path in sorted(folder.glob("*.index"))  # and not those of other programs
               if ".ckpt" in path.name or any(folder.glob(path.stem + ".data-*"))]
    configs = [path for path in sorted(folder.glob("*config*.json"))
               if path.name not in ("config.json", "tokenizer_config.json", "generation_config.json")]
    if not indices:
        return None
    if len(indices) > 1:
        raise UserError(f"{folder}: holds {len(indices)} checkpoints ({', '.join(p.name for p in indices)}); keep one")
    named = [path for path in configs if path.name == "bert_config.json"]
    if len(configs) > 1 and not named:
        raise UserError(f"{folder}: holds {len(configs)} configurations ({', '.join(p.name for p in configs)}); keep "
                        f"that of {indices[0].name}")
    prefix = indices[0].with_suffix("")
    files = sorted(folder.glob(prefix.name + ".*"))
    unreadable = [line for file in files for line in inputs.problems(file)]
    problems += unreadable
    family = families.BERT if unreadable else _family(indices[0])
    path = next(iter(named or configs), None)
    if path is None and family is not families.ELECTRA:
        return None
    keys = config_files.raw(path, problems) if path else _dimensions(prefix)
    config = None
    if keys is not None:
        config = config_files.read(path or indices[0], keys, family, "google", problems)
        if config and config.family == "albert" and config.embedding == config.hidden:
            config = dataclasses.replace(config, embedding=None)  # Google's code then projects nothing
    reader = functools.partial(read, prefix, config, family) if config else unread
    return Source("google", config, family, keys or {}, path, [file for file in files if file.suffix != ".meta"],
                  reader, folder, prefix)


def read(prefix: Path, config: EncoderConfig, family: Family, wanted: Collection[str] = ()) -> tuple[Shapes, Stored]:
    """The shape of every tensor, by our names, and the wanted tensors that there are. prefix: the path up to .index."""
    from pipeline.checkpoints import tf_variables  # imports TensorFlow

    names = tensor_names.of_google(config, family)
    stored = tf_variables.shapes(prefix)
    if any(name.startswith("generator/") for name in stored):  # whose encoder the head there belongs to
        names = {theirs: ours for theirs, ours in names.items() if not theirs.startswith("generator_predictions/")}
    ours = {name: names.get(name.removeprefix("module/"), (tensor_names.from_tf2(name), False))[0] for name in stored}
    for name, shape in stored.items():
        if (heads := tensor_names.heads_of(ours[name], shape)) not in (None, config.heads):
            raise UserError(f"{prefix}: num_attention_heads must be {heads}, which {name} has, got {config.heads}")
    shapes = {ours[name]: tensor_names.flat(ours[name], shape) for name, shape in stored.items()}
    read = tf_variables.read(prefix, {name: new for name, new in ours.items() if new in wanted})
    return shapes, {name: values.reshape(shapes[name]) for name, values in read.items()}


def write(folder: Path, config: EncoderConfig, vocab: Vocabulary, weights: Tensors, lowercase: bool = True,
          strip_accents: bool | None = None) -> None:
    """Writes a configuration, vocab.txt and bert_model.ckpt.* that Google's, for BERT keras-bert's, and our loader
    read; and tokenizer_config.json, which Google's format has not, and ours follows. Raises UserError for what the
    format cannot hold."""
    from pipeline.checkpoints import tf_variables  # imports TensorFlow

    family = families.OF_NAME[config.family]
    if problem := unwritable(config, vocab):
        raise UserError(f"{folder}: {problem}")
    folder.mkdir(parents=True, exist_ok=True)
    sizes = {
        "attention_probs_dropout_prob": 0.1, "hidden_act": "gelu" if config.activation != "relu" else "relu",
        "hidden_dropout_prob": 0.1, "hidden_size": config.hidden, "initializer_range": 0.02,
        "intermediate_size": config.intermediate, "max_position_embeddings": config.positions,
        "num_attention_heads": config.heads, "num_hidden_layers": config.layers, "type_vocab_size": config.segments,
        "vocab_size": config.vocab_size}
    (folder / family.google_config).write_text(json.dumps(sizes | family.written(config), indent=2) + "\n")
    name, content = vocab.file
    (folder / name).write_bytes(content)
    tokenizer_settings.write(folder, config, lowercase, strip_accents, vocab)
    tf_variables.write(folder / "bert_model.ckpt",
                       {tensor_names.google(ours, family): values for ours, values in weights.items()})


def unwritable(config: EncoderConfig, vocab: Vocabulary) -> str:
    """Why the format cannot hold an encoder; empty where it can."""
    family = families.OF_NAME[config.family]
    if family.google is None:
        return f"Google's format has no {config.family}"
    if config.activation not in (family.google_gelu, "relu"):
        means = {"gelu_tanh": "the tanh GELU", "gelu_erf": "the exact GELU"}[family.google_gelu]
        return f"Google's format means {means}, this encoder has {config.activation}"
    if config.epsilon != EncoderConfig.epsilon:
        return f"Google's format means a layer_norm_eps of 1e-12, this encoder has {config.epsilon:g}"
    if vocab.own:
        return "Google's format has a vocab.txt of WordPiece, this encoder has a tokenizer of its own"
    return ""


def _family(index: Path) -> Family:
    """By the names in the table of contents, which is not compressed, without TensorFlow."""
    content = index.read_bytes()
    return next((family for mark, family in MARKS if mark in content), families.BERT)


def _dimensions(prefix: Path) -> Mapping[str, Any]:
    """Of an ELECTRA without a configuration, by its tensors' shapes. Raises UserError where they are not there."""
    from pipeline.checkpoints import tf_variables  # imports TensorFlow

    shapes = tf_variables.shapes(prefix)
    try:
        vocab_size, embedding = shapes["electra/embeddings/word_embeddings"]
        hidden, intermediate = shapes["electra/encoder/layer_0/intermediate/dense/kernel"]
        positions, segments = (shapes[f"electra/embeddings/{name}_embeddings"][0]
                               for name in ("position", "token_type"))
    except (KeyError, ValueError, IndexError):
        raise UserError(f"{prefix}: has no configuration, and its tensors are not those of an ELECTRA") from None
    layers = sum(name.endswith("/intermediate/dense/kernel") and name.startswith("electra/") for name in shapes)
    return {"vocab_size": vocab_size, "embedding_size": embedding, "hidden_size": hidden, "num_hidden_layers": layers,
            "intermediate_size": intermediate, "num_attention_heads": max(1, hidden // HEAD_SIZE),
            "max_position_embeddings": positions, "type_vocab_size": segments, "hidden_act": "gelu"}
