"""Checkpoints: read in whichever format, verified before use, or drawn at random.

Tensors go by the names of Google's BERT whatever family and format they come from.
"""

import hashlib
import json
import os
import re
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple

import ml_dtypes  # noqa: F401, teaches numpy bfloat16, which checkpoints are stored in
import numpy as np

from pipeline.arrays import Shapes, Stored, Tensors
from pipeline.checkpoints import (
    encoder_config,
    google,
    hugging_face,
    keras_hub,
    tensor_names,
    tf_hub,
    tokenizer_files,
    tokenizer_settings,
)
from pipeline.checkpoints.encoder_config import MASKED_LM, POOLER, WORDS, EncoderConfig
from pipeline.checkpoints.source import Source
from pipeline.checkpoints.tensor_names import OWN_OUTPUT
from pipeline.config import hub_names
from pipeline.config.model import Bert, RandomBert, Tokens
from pipeline.errors import UserError
from pipeline.text import bert_vocabulary
from pipeline.text.vocabulary import Vocabulary

OUTPUT_BIAS = f"{MASKED_LM}output_bias"
FLOATS = ("float32", "float16", "bfloat16", "float64")  # that weights may be stored as


@dataclass(frozen=True)
class Checkpoint:
    """An encoder to start from. ``identity`` is a hash of configuration, vocabulary and weights; ``kind`` the format
    that it is stored in, "google", "hugging face", "TF Hub", "keras-hub" or "random".

    ``tensors()`` reads the weights after verifying the name and shape of every one (UserError); ``masked_lm()`` reads
    those of the masked-language-model head, ``pooler()`` those of the pooler, none where they are not all there. All
    three import TensorFlow in Google's format; TF Hub's imports it when it is opened. lowercase, strip_accents: what
    the folder says of its tokenizer; None: nothing.
    """

    config: EncoderConfig
    vocab: Vocabulary
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
    if token_config.max_tokens > start.config.most_tokens:
        raise UserError(f"tokens.max_tokens = {token_config.max_tokens} cannot be greater than the checkpoint's "
                        f"position embeddings: {start.config.most_tokens} ({start.source})")
    return start


def read(folder: Path, pickled: bool = False) -> Checkpoint:
    """Opens a checkpoint folder and verifies its configuration and vocabulary; tensors are verified when read.

    pickled: whether weights may come from a pytorch_model.bin, for which torch must be installed.
    """
    problems: list[str] = []
    source = _source(folder, pickled, problems)
    config, vocab = source.config, _vocabulary(source, problems)
    if config and len(vocab) > config.vocab_size:
        path, described_in = tokenizer_files.files(source.vocab_at)[0], source.described_in or source.where
        problems.append(f"{path}: must have at most the {config.vocab_size} tokens that {described_in.name} says, got "
                        f"{len(vocab)}")
    if problems or config is None:
        raise UserError(*problems)
    expected = encoder_config.expected_shapes(config)

    def verified_tensors() -> Tensors:
        shapes, read = source.read([*expected, *source.family.extra])
        if source.family.extra:
            _floats(read, read, source.where)  # before they are computed with
        try:
            read = source.family.adapted(read, source.raw)
        except ValueError as error:
            raise UserError(f"{source.where}: {error}") from None
        shapes = {**shapes, **{name: values.shape for name, values in read.items()}}
        if wrong := _compare(shapes, expected, config, str(source.where)):
            raise UserError(*wrong)
        return _floats(read, expected, source.where)

    def masked_lm() -> Tensors:
        expected = encoder_config.masked_lm_shapes(config)
        shapes, read = source.read([*expected, *OWN_OUTPUT, WORDS])
        bias = OWN_OUTPUT[1]
        if _own_output(read):
            return {}  # an output product of its own: the other tensors were trained with it, not with the table
        if OUTPUT_BIAS not in read and bias in read:
            read[OUTPUT_BIAS], shapes = read[bias], {**shapes, OUTPUT_BIAS: shapes[bias]}
        return whole(expected, shapes, read)

    def pooler() -> Tensors:
        expected = {f"{POOLER}kernel": (config.hidden, config.hidden), f"{POOLER}bias": (config.hidden,)}
        return whole(expected, *source.read([*expected])) if source.family.has_pooler else {}

    def whole(expected: Shapes, shapes: Shapes, read: Stored) -> Tensors:
        there = all(shapes.get(name) == shape for name, shape in expected.items())
        return _floats(read, expected, source.where) if there else {}

    return Checkpoint(config, vocab, _identity(source), f"{folder} ({source.kind} format)", source.kind,
                      verified_tensors, masked_lm, pooler, **_tokenizer(source))


class Described(NamedTuple):
    """What a checkpoint's folder says without its weights; tokenizer: lowercase and strip_accents, None: nothing;
    notes: what had to be guessed, a line each."""

    config: EncoderConfig
    vocab: Vocabulary
    tokenizer: Mapping[str, bool | None]
    notes: tuple[str, ...] = ()


def described(folder: Path) -> Described:
    """What a checkpoint folder says; its weights are not looked at. Raises UserError."""
    problems: list[str] = []
    source = _source(folder, False, problems)
    vocab = _vocabulary(source, problems)
    if problems or source.config is None:
        raise UserError(*problems)
    guessed = source.kind == "google" and source.described_in is None
    note = f"{folder} has no configuration: its sizes are those of its tensors, its {source.config.heads} heads guessed"
    return Described(source.config, vocab, _tokenizer(source), (note,) if guessed else ())


def has_own_output(folder: Path) -> bool:
    """Whether a checkpoint's masked-language-model head multiplies by a table of its own, which neither Google's format
    nor stage 0 can hold. Raises UserError."""
    problems: list[str] = []
    source = _source(folder, True, problems)
    if problems:
        raise UserError(*problems)
    return source.kind == "hugging face" and _own_output(source.read([*OWN_OUTPUT, WORDS])[1])


def _own_output(read: Stored) -> bool:
    kernel = OWN_OUTPUT[0]
    return kernel in read and WORDS in read and not np.array_equal(read[kernel].T, read[WORDS])


def _source(folder: Path, pickled: bool, problems: list[str]) -> Source:
    """The one checkpoint in a folder, or in the one folder inside that holds one. Raises UserError."""
    if not os.path.isdir(folder):  # noqa: PTH112, Path.is_dir raises where a name is too long
        name = hub_names.parse(f"{hub_names.PREFIX}{folder}") if (
            len(folder.parts) == 2 and not Path(folder.parts[0]).exists()) else None
        raise UserError(f"{folder}: no such checkpoint folder; put one there"
                        + f", or name it as the hub does, bert.checkpoint = '{name}'" * (name is not None)
                        + ", or use [bert.random] instead of bert.checkpoint")
    if source := _in_format(folder, pickled, problems):
        return source
    inside = [path for path in sorted(folder.iterdir()) if path.is_dir() and not path.name.startswith((".", "__"))]
    found: list[tuple[Source, list[str]]] = []
    refused: list[UserError] = []
    for path in inside:
        own: list[str] = []
        try:
            if source := _in_format(path, pickled, own):
                found.append((source, own))
        except UserError as error:
            refused.append(error)
    if len(found) == 1:
        problems += found[0][1]
        return found[0][0]
    if len(refused) == 1 and not found:
        raise refused[0]
    there = f"; it has {', '.join(str(source.vocab_at) for source, _ in found)}: name one of them" if found else ""
    raise UserError(f"{folder}: must hold bert_config.json and *.index with its *.data-* (Google), config.json and "
                    f"model.safetensors (Hugging Face), variables/ and assets/ (TF Hub) or config.json and "
                    f"model.weights.h5 (keras-hub), with the tokenizer's files{there}")


def _in_format(folder: Path, pickled: bool, problems: list[str]) -> Source | None:
    there = [name for name, mark in (("keras-hub's", keras_hub.WEIGHTS), ("TF Hub's", f"{tf_hub.VARIABLES}.index"),
                                     ("Hugging Face's", hugging_face.WEIGHTS), ("Hugging Face's", hugging_face.INDEX))
             if (folder / mark).exists()]
    if len(set(there)) > 1:
        raise UserError(f"{folder}: holds checkpoints in {' and '.join(dict.fromkeys(there))} format; keep one")
    if source := keras_hub.find(folder, problems) or tf_hub.find(folder, problems):
        return source
    in_google = google.find(folder, problems)
    if not in_google:
        return hugging_face.find(folder, pickled, problems)
    if (folder / "config.json").exists() and any((folder / name).exists()
                                                 for name in (hugging_face.WEIGHTS, hugging_face.INDEX)):
        raise UserError(f"{folder}: holds a checkpoint in Google's and one in Hugging Face's format; keep one")
    return in_google


def _vocabulary(source: Source, problems: list[str]) -> Vocabulary:
    model_type = source.raw.get("model_type")
    return tokenizer_files.read(source.vocab_at, source.family.name, str(model_type), problems)


def _tokenizer(source: Source) -> dict[str, bool | None]:
    return {**tokenizer_settings.read(source.vocab_at), **source.tokenizer}


def _identity(source: Source) -> str:
    """A hash of configuration, tokenizer and weights, wherever they lie."""
    folder = source.vocab_at
    added, settings = folder / tokenizer_files.ADDED, folder / tokenizer_files.SETTINGS
    files = tokenizer_files.files(folder)
    made = [settings] * (settings.is_file() and files[0].name not in (
        tokenizer_files.VOCAB_TXT, tokenizer_files.TOKENIZER_JSON))  # such a tokenizer follows from both
    digest = hashlib.sha256()
    for path in [*[source.described_in] * (source.described_in is not None), *files, *made,
                 *[added] * added.is_file(), *source.weights]:
        assert path
        with path.open("rb") as file:
            digest.update(hashlib.file_digest(file, "sha256").digest())
    return digest.hexdigest()


def _compare(shapes: Shapes, expected: Shapes, config: EncoderConfig, where: str) -> list[str]:
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
    if further := [name for name in shapes if re.search(r"albert_layer_groups\.[1-9]|albert_layers\.[1-9]|"
                                                        r"(?<!inner_)group_[1-9]|inner_group_[1-9]", name)]:
        problems.append(f"{where}: has several groups of layers ({further[0]}), of which ALBERT has one here")
    if config.family != "albert" and (beyond := tensor_names.layers_beyond(shapes, config.layers)):
        problems.append(f"{where}: has {config.layers + beyond} layers, num_hidden_layers leaves out "
                        f"{beyond} of them")
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
        vocab = bert_vocabulary.read(Path(spec.vocab), problems)
    elif token_config.tokenizer == "characters":
        vocab = bert_vocabulary.of_characters(texts, token_config.lowers, spec.min_count)
    else:
        vocab = bert_vocabulary.of_word_pieces(texts, spec.vocab_size, token_config)
    if problems:
        raise UserError(*problems)
    config = encoder_config.of_random(spec, len(vocab), positions)
    sizes = list(vars(config).items())[:8]  # those that cells were identified by before there were others than BERT
    meaning: Any = [dict(sizes), vocab, seed]
    identity = hashlib.sha256(json.dumps(meaning, sort_keys=True).encode()).hexdigest()
    source = f"random {spec.layers}x{spec.hidden}, {len(vocab):,} tokens"
    return Checkpoint(config, Vocabulary(vocab), identity, source, "random",
                      lambda: encoder_config.random_tensors(config, seed), dict, dict)
