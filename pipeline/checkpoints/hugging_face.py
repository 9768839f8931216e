"""Hugging Face's format: config.json, a tokenizer's files and model.safetensors, whole or in shards; and its elder,
pytorch_model.bin, a pickle."""

import functools
from collections.abc import Collection, Mapping
from pathlib import Path
from typing import Any

import numpy as np
from safetensors import SafetensorError, safe_open

from pipeline.arrays import Shapes, Stored, Tensors
from pipeline.checkpoints import config_files, families, tensor_names, tokenizer_settings
from pipeline.checkpoints.config_files import ACTIVATIONS
from pipeline.checkpoints.encoder_config import EncoderConfig
from pipeline.checkpoints.families import Family
from pipeline.checkpoints.source import Source, unread
from pipeline.checkpoints.tensor_names import Names
from pipeline.errors import UserError
from pipeline.files import formats, inputs
from pipeline.text.vocabulary import Vocabulary

WEIGHTS, PICKLE = "model.safetensors", "pytorch_model.bin"
INDEX = "model.safetensors.index.json"
MOST_INDEX = 10_000_000  # bytes
LONGEST_NAME = 200  # of a file
PREFIXES = ("bert", "ernie", "electra", "albert", "roberta", "deberta", "mpnet", "camembert", "xlm-roberta", "model")


def find(folder: Path, pickled: bool, problems: list[str]) -> Source | None:
    """A checkpoint in this format; None where there is none. pickled: whether a pickle will do. Raises UserError."""
    config_path = next((folder / name for name in ("config.json", "bert_config.json") if (folder / name).exists()),
                       None)  # the second as the PyTorch zips of ymcui have it
    whole, pickle = folder / WEIGHTS, folder / PICKLE
    files = [whole] if whole.exists() else _shards(folder) if (folder / INDEX).exists() else []
    if not files and not pickle.exists():
        return None
    if config_path is None:
        raise UserError(f"{folder}: has {(files or [pickle])[0].name} and no config.json beside it, which says what is "
                        f"in it")
    if not files and not pickled:
        raise UserError(f"{folder}: has only pytorch_model.bin, a pickle that may run code when read; make a folder "
                        f"without one: python -m stages convert {folder} NEW --to huggingface")
    keys = config_files.raw(config_path, problems)
    family = families.BERT
    config = None
    if keys is not None:
        kind = keys.get("model_type", "bert")
        classes = keys.get("architectures")
        others = [name for name in classes if not str(name).startswith("Bert")] if isinstance(classes, list) else []
        if "model_type" not in keys and others:
            problems.append(f"{config_path}: model_type must be said for {str(others[0])[:100]}; without it a BERT is "
                            f"meant")
        elif isinstance(kind, str) and kind in families.OF_MODEL_TYPE:
            family = families.OF_MODEL_TYPE[kind]
            config = config_files.read(config_path, keys, family, "hugging face", problems)
        else:
            known = ", ".join(sorted(families.OF_MODEL_TYPE))
            problems.append(f"{config_path}: model_type must be one of {known}, got {str(kind)[:100]!r}")
    problems += [line for file in files or [pickle] for line in inputs.problems(file)]
    reader = unread if config is None else functools.partial(read, files, config, family) if files else (
        functools.partial(read_pickle, pickle, config, family))
    return Source("hugging face", config, family, keys or {}, config_path, files or [pickle], reader, folder,
                  (files or [pickle])[0])


def read(files: Collection[Path], config: EncoderConfig, family: Family, wanted: Collection[str] = ()
         ) -> tuple[Shapes, Stored]:
    """The shape of every tensor, by our names, and the wanted tensors that there are. Raises UserError."""
    names = tensor_names.of_hugging_face(config, family)
    shapes: dict[str, tuple[int, ...]] = {}
    read: Stored = {}
    for path in files:
        try:
            with safe_open(path, framework="numpy") as file:
                for name in file.keys():  # noqa: SIM118, it is no dict
                    stored = tuple(file.get_slice(name).get_shape())
                    ours, transpose = _placed(path, name, stored, names, shapes)
                    if ours in wanted:
                        values = _tensor(file, path, name)
                        read[ours] = np.ascontiguousarray(values.T) if transpose else values
        except (SafetensorError, OSError, TypeError) as error:
            raise UserError(f"{path}: not a readable safetensors file: {error}") from None
    return shapes, read


def read_pickle(path: Path, config: EncoderConfig, family: Family, wanted: Collection[str] = ()
                ) -> tuple[Shapes, Stored]:
    """As ``read``, for a pytorch_model.bin, by torch's unpickler for tensors alone. Raises UserError."""
    try:
        import torch
    except ImportError:
        raise UserError(f"{path}: is a pickle, which only torch reads without running what is in it: "
                        f".venv/bin/pip install 'torch>=2.6'") from None
    if tuple(map(int, torch.__version__.split(".")[:2])) < (2, 6):  # CVE-2025-32434
        raise UserError(f"{path}: torch must be at least 2.6, where weights_only runs no code; got {torch.__version__}")
    try:
        stored = torch.load(path, map_location="cpu", weights_only=True)
        tensors = {name: values.float() if values.dtype == torch.bfloat16 else values
                   for name, values in stored.items()}
    except Exception as error:  # noqa: BLE001, whatever a damaged or hostile pickle ends in
        raise UserError(f"{path}: not a readable file of tensors: {str(error).splitlines()[0]}") from None
    names = tensor_names.of_hugging_face(config, family)
    shapes: dict[str, tuple[int, ...]] = {}
    read: Stored = {}
    for name, values in tensors.items():
        ours, transpose = _placed(path, name, tuple(values.shape), names, shapes)
        if ours in wanted:
            read[ours] = np.ascontiguousarray(values.numpy().T) if transpose else values.numpy()
    return shapes, read


def write(folder: Path, config: EncoderConfig, vocab: Vocabulary, weights: Tensors, stored: str = "float32",
          lowercase: bool = True, strip_accents: bool | None = None) -> None:
    """Writes config.json, vocab.txt or tokenizer.json, tokenizer_config.json and model.safetensors that the family's
    class of transformers for masked language models, and our loader, read. Raises UserError for what the format
    cannot hold."""
    family = families.OF_NAME[config.family]
    if problem := unwritable(config):
        raise UserError(f"{folder}: {problem}")
    by_name = {ours: theirs for theirs, ours in ACTIVATIONS["hugging face"].items()
               if theirs != "gelu_pytorch_tanh"}
    folder.mkdir(parents=True, exist_ok=True)
    formats.write(folder / "config.json", dict(sorted({
        "architectures": [family.architecture], "attention_probs_dropout_prob": 0.1,
        "hidden_act": by_name[config.activation], "hidden_dropout_prob": 0.1, "hidden_size": config.hidden,
        "initializer_range": 0.02, "intermediate_size": config.intermediate, "layer_norm_eps": config.epsilon,
        "max_position_embeddings": config.positions, "model_type": family.model_types[0],
        "num_attention_heads": config.heads, "num_hidden_layers": config.layers, "pad_token_id": vocab.pad,
        "type_vocab_size": config.segments, "vocab_size": config.vocab_size, **family.written(config)}.items())))
    name, content = vocab.file
    formats.write(folder / name, content)
    tokenizer_settings.write(folder, config, lowercase, strip_accents, vocab)
    tensors = {}
    for ours, values in weights.items():
        theirs, transpose = tensor_names.hugging_face(ours, family)
        tensors[tensor_names.with_prefix(theirs, family)] = (values.T if transpose else values).astype(stored)
    formats.write(folder / WEIGHTS, tensors, notes={"format": "pt"})


def unwritable(config: EncoderConfig) -> str:
    """Why the format cannot hold an encoder; empty where it can."""
    if not families.OF_NAME[config.family].model_types:
        return f"Hugging Face's format has no {config.family}"
    if config.family == "albert" and config.embedding is None:
        return "Hugging Face's ALBERT always has a projection behind its embeddings, this one has none"
    return ""


def _tensor(file: Any, path: Path, name: str) -> Any:
    try:
        return file.get_tensor(name)
    except AttributeError as error:  # a type that NumPy has not
        raise UserError(f"{path}: {name} must be of float32, float16, bfloat16 or float64: {error}") from None


def _placed(path: Path, name: str, stored: tuple[int, ...], names: Names, shapes: dict[str, tuple[int, ...]]
            ) -> tuple[str, bool]:
    """Our name of a tensor with or without the model's prefix, and whether it must be transposed; a name that is none
    of the encoder's stays. Its shape goes into ``shapes``. Raises UserError for a tensor that is there already."""
    first, _, rest = name.partition(".")
    ours, transpose = names.get(name) or (names.get(rest) if first in PREFIXES else None) or (name, False)
    if ours in shapes and ours != name:
        raise UserError(f"{path}: holds {ours} more than once, one of them as {name}")
    shapes[ours] = stored[::-1] if transpose else stored
    return ours, transpose


def _shards(folder: Path) -> list[Path]:
    """The files that an index names. Raises UserError where one is not there."""
    index: Mapping[str, Any] = inputs.read_json(folder / INDEX, MOST_INDEX)
    places = index.get("weight_map")
    values = list(places.values()) if isinstance(places, dict) else []
    if not values or not all(isinstance(name, str) and Path(name).name == name and len(name) < LONGEST_NAME
                             for name in values):
        raise UserError(f"{folder / INDEX}: weight_map must name a file for each tensor")
    names = set(values)
    files = [folder / name for name in sorted(names)]
    if missing := [path.name for path in files if not path.exists()]:
        raise UserError(f"{folder}: lacks {', '.join(missing[:5])}, which {INDEX} names")
    return files
