"""BERT checkpoints: read in Google's or Hugging Face's format, verified before use, or drawn at random.

Tensors go by Google's names whatever format they come from.
"""

import hashlib
import json
import os
import re
from collections.abc import Callable, Collection, Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import ml_dtypes  # noqa: F401, teaches numpy bfloat16, which checkpoints are stored in
import numpy as np
import numpy.typing as npt
from safetensors import SafetensorError, safe_open

from pipeline.arrays import Shapes, Tensors
from pipeline.checkpoints import bert_config, tensor_names
from pipeline.checkpoints.bert_config import ACTIVATIONS, MASKED_LM, POOLER, BertConfig
from pipeline.config.model import Bert, RandomBert, Tokens
from pipeline.config.run import Config
from pipeline.errors import UserError
from pipeline.files import formats, inputs
from pipeline.text import vocabulary
from pipeline.text.vocabulary import LARGEST_TOKENIZER

Stored = dict[str, npt.NDArray[Any]]
TOKENIZER_JSON = "tokenizer.json"
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
    if bert.checkpoint:
        found = read(Path(bert.checkpoint))
    else:
        assert bert.random is not None
        found = _random(bert.random, token_config, texts, seed, max(token_config.max_tokens, positions))
    if token_config.max_tokens > found.config.positions:
        raise UserError(f"tokens.max_tokens = {token_config.max_tokens} cannot be greater than the checkpoint's "
                        f"position embeddings: {found.config.positions} ({found.source})")
    return found


def read(folder: Path, pickled: bool = False) -> Checkpoint:
    """Opens a checkpoint folder and verifies its configuration and vocabulary; tensors are verified when read.

    pickled: whether weights may come from a pytorch_model.bin, for which torch must be installed.
    """
    kind, config_path, weights = _files(folder, pickled)
    problems: list[str] = []
    config = bert_config.read(config_path, kind, problems)
    vocab_path = next((path for path in (folder / "vocab.txt", folder / TOKENIZER_JSON) if path.exists()),
                      folder / "vocab.txt")
    vocab = vocabulary.read(vocab_path, problems)
    settings = tokenizer_settings(folder)
    if config and vocab and len(vocab) > config.vocab_size:
        problems.append(f"{vocab_path}: must have at most the {config.vocab_size} tokens that {config_path.name} says, "
                        f"got {len(vocab)}")
    names = sorted(weights.parent.glob(weights.name + ".*")) if kind == "google" else [weights]
    problems += [line for name in names for line in inputs.problems(name)]
    if problems or config is None:
        raise UserError(*problems)
    reader = (_read_google if kind == "google" else
              _read_pickle if weights.suffix == ".bin" else _read_hugging_face)

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


def has_own_output(folder: Path) -> bool:
    """Whether a checkpoint's masked-language-model head multiplies by a table of its own, which neither Google's format
    nor stage 0 can hold. Raises UserError."""
    kind, _, weights = _files(folder, pickled=True)
    if kind == "google":
        return False
    reader = _read_pickle if weights.suffix == ".bin" else _read_hugging_face
    return _own_output(reader(weights, [*OWN_OUTPUT, WORDS])[1])


def _own_output(read: Stored) -> bool:
    kernel = OWN_OUTPUT[0]
    return kernel in read and WORDS in read and not np.array_equal(read[kernel].T, read[WORDS])


def tokenizer_settings(folder: Path) -> dict[str, bool | None]:
    """lowercase and strip_accents, as tokenizer_config.json says, or tokenizer.json's normalizer; None: nothing."""
    if not os.path.isdir(folder):  # noqa: PTH112, Path.is_dir raises where a name is too long
        return {"lowercase": None, "strip_accents": None}
    settings, tokenizer = (inputs.read_json(path, LARGEST_TOKENIZER) if path.is_file() else {}
                           for path in (folder / "tokenizer_config.json", folder / TOKENIZER_JSON))
    normalizer = tokenizer.get("normalizer")
    normalizer = normalizer if isinstance(normalizer, dict) else {}
    found = {"lowercase": settings.get("do_lower_case", normalizer.get("lowercase")),
             "strip_accents": settings.get("strip_accents", normalizer.get("strip_accents"))}
    return {name: value if isinstance(value, bool) else None for name, value in found.items()}


def settled(config: Config) -> tuple[Config, list[str]]:
    """The configuration with tokens.lowercase and strip_accents as the checkpoint's folder says where they are not
    given; and what there is to say of that, a line each."""
    folder = Path(config.bert.checkpoint or "")
    said = tokenizer_settings(folder) if config.bert.checkpoint else {"lowercase": None, "strip_accents": None}
    lines, chosen = [], {}
    for name, value in said.items():
        given = getattr(config.tokens, name)
        chosen[name] = value if given is None else given
        if value is None or (config.tokens.tokenizer == "characters" and name == "strip_accents"):
            chosen[name] = given
        elif given is None and value != (True if name == "lowercase" else chosen["lowercase"] is not False):
            lines.append(f"tokens.{name} = {json.dumps(value)}, as {folder} says of its tokenizer")
        elif given not in (None, value):
            lines.append(f"warning: {folder} says {name} = {json.dumps(value)} of its tokenizer, this run has "
                         f"tokens.{name} = {json.dumps(given)}")
    if chosen["lowercase"] is None:
        chosen["lowercase"] = True
    return config.model_copy(update={"tokens": config.tokens.model_copy(update=chosen)}), lines


def write_google(folder: Path, config: BertConfig, vocab: list[str], weights: Tensors, lowercase: bool = True,
                 strip_accents: bool | None = None) -> None:
    """Writes bert_config.json, vocab.txt and bert_model.ckpt.* that Google's, keras-bert's and our loader read; and
    tokenizer_config.json, which Google's format has not, and ours follows."""
    from pipeline.checkpoints import tf_variables  # imports TensorFlow

    if config.activation != "gelu_tanh":
        raise UserError(f"{folder}: Google's format means the tanh GELU, this encoder has {config.activation}")
    if config.epsilon != BertConfig.epsilon:
        raise UserError(f"{folder}: Google's format means a layer_norm_eps of 1e-12, this encoder has "
                        f"{config.epsilon:g}")
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "bert_config.json").write_text(json.dumps({
        "attention_probs_dropout_prob": 0.1, "hidden_act": "gelu", "hidden_dropout_prob": 0.1,
        "hidden_size": config.hidden, "initializer_range": 0.02, "intermediate_size": config.intermediate,
        "max_position_embeddings": config.positions, "num_attention_heads": config.heads,
        "num_hidden_layers": config.layers, "type_vocab_size": config.segments, "vocab_size": config.vocab_size,
    }, indent=2) + "\n")
    (folder / "vocab.txt").write_bytes(vocabulary.lines(vocab))
    _write_tokenizer(folder, config, lowercase, strip_accents)
    tf_variables.write(folder / "bert_model.ckpt", weights)


def write_hugging_face(folder: Path, config: BertConfig, vocab: list[str], weights: Tensors,
                       stored: str = "float32", lowercase: bool = True, strip_accents: bool | None = None) -> None:
    """Writes config.json, vocab.txt, tokenizer_config.json and model.safetensors that transformers' BertForMaskedLM and
    BertTokenizer, and our loader, read."""
    by_name = {ours: theirs for theirs, ours in ACTIVATIONS["hugging face"].items()
               if theirs != "gelu_pytorch_tanh"}
    folder.mkdir(parents=True, exist_ok=True)
    formats.write(folder / "config.json", {
        "architectures": ["BertForMaskedLM"], "attention_probs_dropout_prob": 0.1,
        "hidden_act": by_name[config.activation], "hidden_dropout_prob": 0.1, "hidden_size": config.hidden,
        "initializer_range": 0.02, "intermediate_size": config.intermediate, "layer_norm_eps": config.epsilon,
        "max_position_embeddings": config.positions, "model_type": "bert", "num_attention_heads": config.heads,
        "num_hidden_layers": config.layers, "pad_token_id": vocab.index("[PAD]"), "type_vocab_size": config.segments,
        "vocab_size": config.vocab_size,
    })
    formats.write(folder / "vocab.txt", vocabulary.lines(vocab))
    _write_tokenizer(folder, config, lowercase, strip_accents)
    tensors = {}
    for name, values in weights.items():
        theirs, transpose = tensor_names.to_hugging_face(name)
        tensors[theirs] = (values.T if transpose else values).astype(stored)
    formats.write(folder / "model.safetensors", tensors, notes={"format": "pt"})


def _write_tokenizer(folder: Path, config: BertConfig, lowercase: bool, strip_accents: bool | None) -> None:
    formats.write(folder / "tokenizer_config.json", {
        "tokenizer_class": "BertTokenizer", "do_lower_case": lowercase, "strip_accents": strip_accents,
        "tokenize_chinese_chars": True, "model_max_length": config.positions, "cls_token": "[CLS]",
        "mask_token": "[MASK]", "pad_token": "[PAD]", "sep_token": "[SEP]", "unk_token": "[UNK]"})


def _files(folder: Path, pickled: bool) -> tuple[str, Path, Path]:
    """The format, the configuration file and the weights of a folder: for Google's format the common prefix."""
    if not os.path.isdir(folder):  # noqa: PTH112, Path.is_dir raises where a name is too long
        raise UserError(f"{folder}: no such checkpoint folder; put one there, or use [bert.random] instead of "
                        f"bert.checkpoint")
    indices = sorted(folder.glob("*.index"))
    google_config, own_config = folder / "bert_config.json", folder / "config.json"
    google = bool(indices) and google_config.exists()
    hugging_face_config = own_config if own_config.exists() else google_config  # as the PyTorch zips of ymcui have it
    safe, pickle = folder / "model.safetensors", folder / "pytorch_model.bin"
    hugging_face = safe.exists() and hugging_face_config.exists() and not (google and not own_config.exists())
    if google and hugging_face:
        raise UserError(f"{folder}: holds a checkpoint in Google's and one in Hugging Face's format; keep one")
    if google and len(indices) > 1:
        raise UserError(f"{folder}: holds {len(indices)} checkpoints ({', '.join(p.name for p in indices)}); keep one")
    if google:
        return "google", google_config, indices[0].with_suffix("")
    if hugging_face:
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


def _compare(found: Shapes, expected: Shapes, where: str) -> list[str]:
    """What the checkpoint lacks, has in another shape, or has beyond the configured layers."""
    missing = [name for name in expected if name not in found]
    problems = [f"{where}: tensor {name} is missing" for name in missing[:5]]
    if len(missing) > 5:
        problems.append(f"{where}: {len(missing) - 5} more tensors are missing")
    other = [f"{where}: {name} must have shape {list(expected[name])} as the configuration says, "
             f"on disk {list(found[name])}" for name in expected
             if name in found and tuple(found[name]) != tuple(expected[name])]
    problems += other[:5]
    if len(other) > 5:
        problems.append(f"{where}: {len(other) - 5} more tensors have other shapes")
    layers = {match[1] for name in found if (match := re.match(r"bert/encoder/layer_(\d+)/", name))}
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


def _read_hugging_face(path: Path, wanted: Collection[str] = ()) -> tuple[Shapes, Stored]:
    """The shape of every tensor, and the wanted tensors that there are."""
    shapes: dict[str, tuple[int, ...]] = {}
    read: Stored = {}
    try:
        with safe_open(path, framework="numpy") as file:
            for name in file.keys():  # noqa: SIM118, it is no dict
                ours, transpose = tensor_names.from_hugging_face(name)
                stored = tuple(file.get_slice(name).get_shape())
                shapes[ours] = stored[::-1] if transpose else stored
                if ours in wanted:
                    values = file.get_tensor(name)
                    read[ours] = np.ascontiguousarray(values.T) if transpose else values
    except (SafetensorError, OSError, TypeError) as error:
        raise UserError(f"{path}: not a readable safetensors file: {error}") from None
    return shapes, read


def _read_pickle(path: Path, wanted: Collection[str] = ()) -> tuple[Shapes, Stored]:
    """The same of a pytorch_model.bin, by torch's unpickler for tensors alone."""
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
    shapes: dict[str, tuple[int, ...]] = {}
    read: Stored = {}
    for name, values in tensors.items():
        ours, transpose = tensor_names.from_hugging_face(name)
        shapes[ours] = tuple(values.shape)[::-1] if transpose else tuple(values.shape)
        if ours in wanted:
            read[ours] = np.ascontiguousarray(values.numpy().T) if transpose else values.numpy()
    return shapes, read


def _read_google(prefix: Path, wanted: Collection[str] = ()) -> tuple[Shapes, Stored]:
    from pipeline.checkpoints import tf_variables  # imports TensorFlow

    stored = tf_variables.shapes(prefix)
    ours = {name: tensor_names.from_tf2(name) for name in stored}
    shapes = {ours[name]: tensor_names.flat(ours[name], shape) for name, shape in stored.items()}
    read = tf_variables.read(prefix, {name: new for name, new in ours.items() if new in wanted})
    return shapes, {name: values.reshape(shapes[name]) for name, values in read.items()}


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
    config = BertConfig(len(vocab), spec.hidden, spec.layers, spec.heads, spec.intermediate, positions,
                        segments=2, activation="gelu_tanh")
    meaning: Any = [{name: value for name, value in vars(config).items() if name != "epsilon"}, vocab, seed]
    identity = hashlib.sha256(json.dumps(meaning, sort_keys=True).encode()).hexdigest()
    source = f"random {spec.layers}x{spec.hidden}, {len(vocab):,} tokens"
    return Checkpoint(config, vocab, identity, source, "random", lambda: bert_config.random_tensors(config, seed), dict,
                      dict)
