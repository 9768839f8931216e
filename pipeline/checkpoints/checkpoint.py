"""BERT checkpoints: read in Google's or Hugging Face's format, verified before use, or drawn at random.

Tensors go by Google's names whatever format they come from.
"""

import hashlib
import json
import os
import re
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import ml_dtypes  # noqa: F401, teaches numpy bfloat16, which checkpoints are stored in
import numpy as np

from pipeline.arrays import Shapes, Stored, Tensors
from pipeline.checkpoints import bert_config, google, hugging_face, tokenizer_settings
from pipeline.checkpoints.bert_config import MASKED_LM, POOLER, BertConfig
from pipeline.checkpoints.tokenizer_settings import TOKENIZER_JSON
from pipeline.config.model import Bert, RandomBert, Tokens
from pipeline.errors import UserError
from pipeline.files import inputs
from pipeline.text import vocabulary

WORDS = "bert/embeddings/word_embeddings"
OUTPUT_BIAS = f"{MASKED_LM}output_bias"
OWN_OUTPUT = (f"{MASKED_LM}decoder/kernel", f"{MASKED_LM}decoder/bias")  # as Hugging Face's heads may have them
FLOATS = ("float32", "float16", "bfloat16", "float64")  # that weights may be stored as


@dataclass(frozen=True)
class Checkpoint:
    """An encoder to start from. ``identity`` is a hash of configuration, vocabulary and weights; ``kind`` the format
    that it is stored in, "google", "hugging face" or "random".

    ``tensors()`` reads the weights after verifying the name and shape of every one (UserError); ``masked_lm()`` reads
    those of the masked-language-model head, ``pooler()`` those of the pooler, none where they are not all there. In
    Google's format all three import TensorFlow, all else does not. lowercase, strip_accents: what the folder says of
    its tokenizer; None: nothing.
    """

    config: BertConfig
    vocab: list[str]
    identity: str
    source: str
    kind: str
    tensors: Callable[[], Tensors]
    masked_lm: Callable[[], Tensors]
    pooler: Callable[[], Tensors]
    lowercase: bool | None = None
    strip_accents: bool | None = None


def prepare(bert: Bert, token_config: Tokens, texts: Iterable[str], seed: int, positions: int = 0) -> Checkpoint:
    """The checkpoint that a run starts from. Raises UserError with all that is wrong with configuration and vocabulary.

    ``texts`` serve to make a vocabulary where [bert.random] names none. positions: position embeddings that a random
    one needs beyond tokens.max_tokens.
    """
    if bert.folder:
        start = read(bert.folder)
    else:
        assert bert.random is not None
        start = _random(bert.random, token_config, texts, seed, max(token_config.max_tokens, positions))
    if token_config.max_tokens > start.config.positions:
        raise UserError(f"tokens.max_tokens = {token_config.max_tokens} cannot be greater than the checkpoint's "
                        f"position embeddings: {start.config.positions} ({start.source})")
    return start


def read(folder: Path, pickled: bool = False) -> Checkpoint:
    """Opens a checkpoint folder and verifies its configuration and vocabulary; tensors are verified when read.

    pickled: whether weights may come from a pytorch_model.bin, for which torch must be installed.
    """
    kind, config_path, weights = _files(folder, pickled)
    problems: list[str] = []
    config, vocab_path, vocab = _described(folder, config_path, kind, problems)
    settings = tokenizer_settings.read(folder)
    if config and vocab and len(vocab) > config.vocab_size:
        problems.append(f"{vocab_path}: must have at most the {config.vocab_size} tokens that {config_path.name} says, "
                        f"got {len(vocab)}")
    names = sorted(weights.parent.glob(weights.name + ".*")) if kind == "google" else [weights]
    problems += [line for name in names for line in inputs.problems(name)]
    if problems or config is None:
        raise UserError(*problems)
    reader = (google.read if kind == "google" else
              hugging_face.read_pickle if weights.suffix == ".bin" else hugging_face.read)

    def verified_tensors() -> Tensors:
        expected = bert_config.expected_shapes(config)
        if wrong := _compare(reader(weights)[0], expected, str(weights)):
            raise UserError(*wrong)
        return _floats(reader(weights, expected)[1], expected, weights)

    def masked_lm() -> Tensors:
        expected = bert_config.masked_lm_shapes(config)
        shapes, read = reader(weights, [*expected, *OWN_OUTPUT, WORDS])
        bias = OWN_OUTPUT[1]
        if _own_output(read):
            return {}  # an output product of its own: the other tensors were trained with it, not with the table
        if OUTPUT_BIAS not in read and bias in read:
            read[OUTPUT_BIAS], shapes = read[bias], {**shapes, OUTPUT_BIAS: shapes[bias]}
        return whole(expected, shapes, read)

    def pooler() -> Tensors:
        expected = {f"{POOLER}kernel": (config.hidden, config.hidden), f"{POOLER}bias": (config.hidden,)}
        return whole(expected, *reader(weights, expected))

    def whole(expected: Shapes, shapes: Shapes, read: Stored) -> Tensors:
        there = all(shapes.get(name) == shape for name, shape in expected.items())
        return _floats(read, expected, weights) if there else {}

    digest = hashlib.sha256()
    added = folder / "added_tokens.json"
    stored = [name for name in names if not name.name.endswith(".meta")]
    for path in [config_path, vocab_path, *[added] * added.is_file(), *stored]:
        with path.open("rb") as file:
            digest.update(hashlib.file_digest(file, "sha256").digest())
    return Checkpoint(config, vocab, digest.hexdigest(), f"{folder} ({kind} format)", kind, verified_tensors,
                      masked_lm, pooler, **settings)


def described(folder: Path) -> tuple[BertConfig, list[str]]:
    """The dimensions and the vocabulary of a checkpoint folder; its weights are not looked at. Raises UserError."""
    kind, config_path, _ = _files(folder, False)
    problems: list[str] = []
    config, _, vocab = _described(folder, config_path, kind, problems)
    if problems or config is None:
        raise UserError(*problems)
    return config, vocab


def _described(folder: Path, config_path: Path, kind: str, problems: list[str]
               ) -> tuple[BertConfig | None, Path, list[str]]:
    config = bert_config.read(config_path, kind, problems)
    vocab_path = next((path for path in (folder / "vocab.txt", folder / TOKENIZER_JSON) if path.exists()),
                      folder / "vocab.txt")
    return config, vocab_path, vocabulary.read(vocab_path, problems)


def has_own_output(folder: Path) -> bool:
    """Whether a checkpoint's masked-language-model head multiplies by a table of its own, which neither Google's format
    nor stage 0 can hold. Raises UserError."""
    kind, _, weights = _files(folder, pickled=True)
    if kind == "google":
        return False
    reader = hugging_face.read_pickle if weights.suffix == ".bin" else hugging_face.read
    return _own_output(reader(weights, [*OWN_OUTPUT, WORDS])[1])


def _own_output(read: Stored) -> bool:
    kernel = OWN_OUTPUT[0]
    return kernel in read and WORDS in read and not np.array_equal(read[kernel].T, read[WORDS])


def _files(folder: Path, pickled: bool) -> tuple[str, Path, Path]:
    """The format, the configuration file and the weights of a folder: for Google's format the common prefix."""
    if not os.path.isdir(folder):  # noqa: PTH112, Path.is_dir raises where a name is too long
        raise UserError(f"{folder}: no such checkpoint folder; put one there, or use [bert.random] instead of "
                        f"bert.checkpoint")
    indices = sorted(folder.glob("*.index"))
    google_config, own_config = folder / "bert_config.json", folder / "config.json"
    is_google = bool(indices) and google_config.exists()
    hugging_face_config = own_config if own_config.exists() else google_config  # as the PyTorch zips of ymcui have it
    safe, pickle = folder / "model.safetensors", folder / "pytorch_model.bin"
    is_hugging_face = safe.exists() and hugging_face_config.exists() and not (is_google and not own_config.exists())
    if is_google and is_hugging_face:
        raise UserError(f"{folder}: holds a checkpoint in Google's and one in Hugging Face's format; keep one")
    if is_google and len(indices) > 1:
        raise UserError(f"{folder}: holds {len(indices)} checkpoints ({', '.join(p.name for p in indices)}); keep one")
    if is_google:
        return "google", google_config, indices[0].with_suffix("")
    if is_hugging_face:
        return "hugging face", hugging_face_config, safe
    if pickle.exists():
        if not hugging_face_config.exists():
            raise UserError(f"{folder}: has pytorch_model.bin and no config.json beside it, which says what is in it")
        if pickled:
            return "hugging face", hugging_face_config, pickle
        raise UserError(f"{folder}: has only pytorch_model.bin, a pickle that may run code when read; make a folder "
                        f"without one: python -m stages convert {folder} NEW --to huggingface")
    inside = [path.parent for name in ("config.json", "bert_config.json") for path in sorted(folder.glob(f"*/{name}"))]
    there = f"; the folder {inside[0]} looks like one" if inside else ""
    raise UserError(f"{folder}: must hold bert_config.json and *.index with its *.data-* (Google) or config.json and "
                    f"model.safetensors (Hugging Face), with vocab.txt{there}")


def _compare(shapes: Shapes, expected: Shapes, where: str) -> list[str]:
    """What the checkpoint lacks, has in another shape, or has beyond the configured layers."""
    missing = [name for name in expected if name not in shapes]
    problems = [f"{where}: tensor {name} is missing" for name in missing[:5]]
    if len(missing) > 5:
        problems.append(f"{where}: {len(missing) - 5} more tensors are missing")
    other = [f"{where}: {name} must have shape {list(expected[name])} as the configuration says, "
             f"on disk {list(shapes[name])}" for name in expected
             if name in shapes and tuple(shapes[name]) != tuple(expected[name])]
    problems += other[:5]
    if len(other) > 5:
        problems.append(f"{where}: {len(other) - 5} more tensors have other shapes")
    layers = {match[1] for name in shapes if (match := re.match(r"bert/encoder/layer_(\d+)/", name))}
    expected_layers = {match[1] for name in expected if (match := re.match(r"bert/encoder/layer_(\d+)/", name))}
    if beyond := layers - expected_layers:
        problems.append(f"{where}: has {len(layers)} layers, num_hidden_layers leaves out {len(beyond)} of them")
    return problems


def _floats(read: Stored, names: Iterable[str], where: Path) -> Tensors:
    """The named tensors as float32. Raises UserError where one is of another kind, or holds what is no number."""
    wrong = [f"{where}: {name} must be of {', '.join(FLOATS)}; got {read[name].dtype.name}"
             for name in names if read[name].dtype.name not in FLOATS]
    if not wrong:
        with np.errstate(over="ignore"):
            tensors = {name: read[name].astype(np.float32, copy=False) for name in names}
        wrong = [f"{where}: {name} holds weights that are not finite in float32; the file is damaged, or its training "
                 f"diverged" for name, values in tensors.items() if not np.isfinite(values).all()]
    if wrong:
        raise UserError(*wrong[:5])
    return tensors


def _random(spec: RandomBert, token_config: Tokens, texts: Iterable[str], seed: int, positions: int) -> Checkpoint:
    problems: list[str] = []
    if spec.vocab:
        vocab = vocabulary.read(Path(spec.vocab), problems)
    elif token_config.tokenizer == "characters":
        vocab = vocabulary.of_characters(texts, token_config.lowers, spec.min_count)
    else:
        vocab = vocabulary.of_word_pieces(texts, spec.vocab_size, token_config)
    if problems:
        raise UserError(*problems)
    config = bert_config.of_random(spec, len(vocab), positions)
    meaning: Any = [{name: value for name, value in vars(config).items() if name != "epsilon"}, vocab, seed]
    identity = hashlib.sha256(json.dumps(meaning, sort_keys=True).encode()).hexdigest()
    source = f"random {spec.layers}x{spec.hidden}, {len(vocab):,} tokens"
    return Checkpoint(config, vocab, identity, source, "random", lambda: bert_config.random_tensors(config, seed), dict,
                      dict)
