"""BERT checkpoints: read in Google's or Hugging Face's format, verified before use, or drawn at random.

Tensors go by the names of Google's TF1 checkpoints, kernels as [in, out], whatever format they come from.
"""

import hashlib
import json
import math
import os
import re
from collections.abc import Callable, Collection, Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import ml_dtypes  # noqa: F401, teaches numpy bfloat16, which checkpoints are stored in
import numpy as np
import numpy.typing as npt
from safetensors import SafetensorError, safe_open

from pipeline import sources, storage, tokens
from pipeline.config import Bert, RandomBert, Tokens
from pipeline.errors import UserError

Tensors = dict[str, npt.NDArray[np.float32]]
Stored = dict[str, npt.NDArray[Any]]
Shapes = Mapping[str, tuple[int, ...]]

FLOATS = ("float32", "float16", "bfloat16", "float64")  # that weights may be stored as
SIZES = {"vocab_size": 10_000_000, "hidden_size": 100_000, "num_hidden_layers": 1_000, "num_attention_heads": 1_000,
         "intermediate_size": 1_000_000, "max_position_embeddings": 1_000_000, "type_vocab_size": 1_000}  # at most

MOST_BYTES = 1_000_000  # of a checkpoint's configuration
POOLER = "bert/pooler/dense/"  # prefix of the pooler's tensors
MASKED_LM = "cls/predictions/"  # prefix of the masked-language-model head's tensors

ACTIVATIONS = {
    # Google's code computes "gelu" by its tanh approximation, Hugging Face's by the error function.
    "google": {"gelu": "gelu_tanh", "relu": "relu"},
    "hugging face": {"gelu": "gelu_erf", "gelu_new": "gelu_tanh", "gelu_pytorch_tanh": "gelu_tanh", "relu": "relu"},
}


@dataclass(frozen=True)
class BertConfig:
    """An encoder's dimensions; activation is gelu_tanh, gelu_erf or relu."""

    vocab_size: int
    hidden: int
    layers: int
    heads: int
    intermediate: int
    positions: int
    segments: int
    activation: str

    @property
    def layer_weights(self) -> int:
        """Weights of a layer's matrix products, each of which a token is multiplied by once."""
        return 4 * self.hidden**2 + 2 * self.hidden * self.intermediate


@dataclass(frozen=True)
class Checkpoint:
    """An encoder to start from. ``identity`` is a hash of configuration, vocabulary and weights; ``kind`` the format
    that it is stored in, "google", "hugging face" or "random".

    ``tensors()`` reads the weights after verifying the name and shape of every one (UserError); ``masked_lm()`` reads
    those of the masked-language-model head, ``pooler()`` those of the pooler, none where they are not all there. In
    Google's format all three import TensorFlow, all else does not.
    """

    config: BertConfig
    vocab: list[str]
    identity: str
    source: str
    kind: str
    tensors: Callable[[], Tensors]
    masked_lm: Callable[[], Tensors]
    pooler: Callable[[], Tensors]


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
    config = _config(config_path, kind, problems)
    vocab = read_vocabulary(folder / "vocab.txt", problems)
    if config and vocab and len(vocab) != config.vocab_size:
        problems.append(f"{folder / 'vocab.txt'}: must have one line a token, {config.vocab_size} as "
                        f"{config_path.name} says, got {len(vocab)}")
    names = sorted(weights.parent.glob(weights.name + ".*")) if kind == "google" else [weights]
    problems += [line for name in names for line in sources.problems(name)]
    if problems or config is None:
        raise UserError(*problems)
    reader = (_read_google if kind == "google" else
              _read_pickle if weights.suffix == ".bin" else _read_hugging_face)

    def verified_tensors() -> Tensors:
        expected = expected_shapes(config)
        if wrong := _compare(reader(weights)[0], expected, str(weights)):
            raise UserError(*wrong)
        return _floats(reader(weights, expected)[1], expected, weights)

    def whole(expected: Shapes) -> Tensors:
        shapes, read = reader(weights, expected)
        there = all(shapes.get(name) == shape for name, shape in expected.items())
        return _floats(read, expected, weights) if there else {}

    def pooler() -> Tensors:
        return whole({f"{POOLER}kernel": (config.hidden, config.hidden), f"{POOLER}bias": (config.hidden,)})

    digest = hashlib.sha256()
    for path in [config_path, folder / "vocab.txt", *(name for name in names if not name.name.endswith(".meta"))]:
        with path.open("rb") as file:
            digest.update(hashlib.file_digest(file, "sha256").digest())
    return Checkpoint(config, vocab, digest.hexdigest(), f"{folder} ({kind} format)", kind, verified_tensors,
                      lambda: whole(masked_lm_shapes(config)), pooler)


def expected_shapes(config: BertConfig) -> Shapes:
    """Name -> shape of every tensor of the encoder; pooler and pre-training heads are not part of it."""
    hidden, wide = config.hidden, config.intermediate
    shapes: dict[str, tuple[int, ...]] = {
        "bert/embeddings/word_embeddings": (config.vocab_size, hidden),
        "bert/embeddings/position_embeddings": (config.positions, hidden),
        "bert/embeddings/token_type_embeddings": (config.segments, hidden),
        "bert/embeddings/LayerNorm/gamma": (hidden,),
        "bert/embeddings/LayerNorm/beta": (hidden,),
    }
    for layer in range(config.layers):
        prefix = f"bert/encoder/layer_{layer}"
        for name, rows, columns in [
            ("attention/self/query", hidden, hidden), ("attention/self/key", hidden, hidden),
            ("attention/self/value", hidden, hidden), ("attention/output/dense", hidden, hidden),
            ("intermediate/dense", hidden, wide), ("output/dense", wide, hidden),
        ]:
            shapes[f"{prefix}/{name}/kernel"] = (rows, columns)
            shapes[f"{prefix}/{name}/bias"] = (columns,)
        for name in ("attention/output", "output"):
            shapes[f"{prefix}/{name}/LayerNorm/gamma"] = (hidden,)
            shapes[f"{prefix}/{name}/LayerNorm/beta"] = (hidden,)
    return shapes


def size(config: BertConfig) -> int:
    """The number of the encoder's weights."""
    return sum(math.prod(shape) for shape in expected_shapes(config).values())


def masked_lm_shapes(config: BertConfig) -> Shapes:
    """Name -> shape of the masked-language-model head's own tensors; its output product is the table of words."""
    dense = MASKED_LM + "transform/"
    return {f"{dense}dense/kernel": (config.hidden, config.hidden), f"{dense}dense/bias": (config.hidden,),
            f"{dense}LayerNorm/gamma": (config.hidden,), f"{dense}LayerNorm/beta": (config.hidden,),
            f"{MASKED_LM}output_bias": (config.vocab_size,)}


def random_tensors(config: BertConfig, seed: int, with_masked_lm: bool = False) -> Tensors:
    """Tensors as BERT initialises them: normal with sd 0.02 cut off at two sd, biases 0, LayerNorm 1 and 0."""
    drawn: Tensors = {}
    shapes = {**expected_shapes(config), **(masked_lm_shapes(config) if with_masked_lm else {})}
    for number, (name, shape) in enumerate(shapes.items()):
        if name.endswith("gamma"):
            drawn[name] = np.ones(shape, np.float32)
        elif name.endswith(("beta", "bias")):
            drawn[name] = np.zeros(shape, np.float32)
        else:
            rng = np.random.default_rng([seed, number])
            values = rng.standard_normal(shape)
            while (far := np.abs(values) > 2).any():
                values[far] = rng.standard_normal(int(far.sum()))
            drawn[name] = (0.02 * values).astype(np.float32)
    return drawn


def write_google(folder: Path, config: BertConfig, vocab: list[str], weights: Tensors) -> None:
    """Writes bert_config.json, vocab.txt and bert_model.ckpt.* that Google's, keras-bert's and our loader read."""
    from pipeline import tf_checkpoint  # imports TensorFlow

    if config.activation != "gelu_tanh":
        raise UserError(f"{folder}: Google's format means the tanh GELU, this encoder has {config.activation}")
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "bert_config.json").write_text(json.dumps({
        "attention_probs_dropout_prob": 0.1, "hidden_act": "gelu", "hidden_dropout_prob": 0.1,
        "hidden_size": config.hidden, "initializer_range": 0.02, "intermediate_size": config.intermediate,
        "max_position_embeddings": config.positions, "num_attention_heads": config.heads,
        "num_hidden_layers": config.layers, "type_vocab_size": config.segments, "vocab_size": config.vocab_size,
    }, indent=2) + "\n")
    (folder / "vocab.txt").write_bytes(lines(vocab))
    tf_checkpoint.write(folder / "bert_model.ckpt", weights)


def write_hugging_face(folder: Path, config: BertConfig, vocab: list[str], weights: Tensors,
                       stored: str = "float32") -> None:
    """Writes config.json, vocab.txt and model.safetensors that transformers' BertForMaskedLM and our loader read."""
    by_name = {ours: theirs for theirs, ours in ACTIVATIONS["hugging face"].items() if theirs != "gelu_pytorch_tanh"}
    folder.mkdir(parents=True, exist_ok=True)
    storage.write(folder / "config.json", {
        "architectures": ["BertForMaskedLM"], "attention_probs_dropout_prob": 0.1,
        "hidden_act": by_name[config.activation], "hidden_dropout_prob": 0.1, "hidden_size": config.hidden,
        "initializer_range": 0.02, "intermediate_size": config.intermediate, "layer_norm_eps": 1e-12,
        "max_position_embeddings": config.positions, "model_type": "bert", "num_attention_heads": config.heads,
        "num_hidden_layers": config.layers, "pad_token_id": 0, "type_vocab_size": config.segments,
        "vocab_size": config.vocab_size,
    })
    storage.write(folder / "vocab.txt", lines(vocab))
    tensors = {}
    for name, values in weights.items():
        theirs, transpose = _to_hugging_face(name)
        tensors[theirs] = (values.T if transpose else values).astype(stored)
    storage.write(folder / "model.safetensors", tensors, notes={"format": "pt"})


def read_vocabulary(path: Path, problems: list[str]) -> list[str]:
    """The tokens of a vocab.txt in order of their ids; what would shift or hide an id goes to ``problems``.

    Lines end at \\n only: Google's Chinese vocabulary holds tokens that other line splitters break.
    """
    try:
        raw = sources.read(path)
        text = raw.decode("utf-8")
    except UserError as error:
        problems += error.problems
        return []
    except UnicodeDecodeError as error:
        problems.append(f"{path}: must be UTF-8, got byte 0x{raw[error.start]:02x} at {error.start}")
        return []
    if text.startswith("\ufeff"):
        problems.append(f"{path}: begins with a byte order mark, which would hide its first token; save it without")
        return []
    vocab = [line.removesuffix("\r") for line in text.removesuffix("\n").split("\n")]
    first_at: dict[str, int] = {}
    for number, token in enumerate(vocab, 1):
        if token == "":
            problems.append(f"{path}, line {number}: a token cannot be empty")
        elif token in first_at:
            problems.append(f"{path}, line {number}: token {token!r} stands on line {first_at[token]} already")
        first_at.setdefault(token, number)
    problems += [f"{path}: the token {token} is missing"
                 for token in ("[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]") if token not in first_at]
    if vocab[0] != "[PAD]" and "[PAD]" in first_at:
        problems.append(f"{path}, line 1: must be [PAD], because padding has token id 0; got {vocab[0]!r}")
    if len(problems) > 10:
        problems[10:] = [f"{path}: {len(problems) - 10} more problems"]
    return vocab


def lines(vocab: list[str]) -> bytes:
    """A vocab.txt."""
    return "".join(f"{token}\n" for token in vocab).encode()


def _files(folder: Path, pickled: bool) -> tuple[str, Path, Path]:
    """The format, the configuration file and the weights of a folder: for Google's format the common prefix."""
    if not os.path.isdir(folder):  # noqa: PTH112, Path.is_dir raises where a name is too long
        raise UserError(f"{folder}: no such checkpoint folder; put one there, or use [bert.random] instead of "
                        f"bert.checkpoint")
    indices = sorted(folder.glob("bert_model.ckpt*.index"))
    google = bool(indices) and (folder / "bert_config.json").exists()
    hugging_face = (folder / "model.safetensors").exists() and (folder / "config.json").exists()
    if google and hugging_face:
        raise UserError(f"{folder}: holds a checkpoint in Google's and one in Hugging Face's format; keep one")
    if google and len(indices) > 1:
        raise UserError(f"{folder}: holds {len(indices)} checkpoints ({', '.join(p.name for p in indices)}); keep one")
    if google:
        return "google", folder / "bert_config.json", indices[0].with_suffix("")
    if hugging_face:
        return "hugging face", folder / "config.json", folder / "model.safetensors"
    if (folder / "pytorch_model.bin").exists():
        if pickled and (folder / "config.json").exists():
            return "hugging face", folder / "config.json", folder / "pytorch_model.bin"
        raise UserError(f"{folder}: has only pytorch_model.bin, a pickle that may run code when read; make a folder "
                        f"without one: python -m stages convert {folder} NEW --to huggingface")
    raise UserError(f"{folder}: must hold bert_config.json and bert_model.ckpt.* (Google) or config.json and "
                    f"model.safetensors (Hugging Face), with vocab.txt")


def _config(path: Path, kind: str, problems: list[str]) -> BertConfig | None:
    try:
        raw = json.loads(sources.read(path, most=MOST_BYTES).decode("utf-8"))
    except UserError as error:
        problems += error.problems
        return None
    except (ValueError, RecursionError) as error:
        problems.append(f"{path}: not readable JSON: {error}")
        return None
    if not isinstance(raw, dict):
        problems.append(f"{path}: must be a JSON object")
        return None
    before = len(problems)
    numbers: dict[str, int] = {}
    for name, most in SIZES.items():
        value = raw.get(name)
        if type(value) is not int or not 1 <= value <= most:
            problems.append(f"{path}: {name} must be a whole number from 1 to {most:,}, got {value!r}")
        else:
            numbers[name] = value
    known = ACTIVATIONS[kind]
    if not isinstance(raw.get("hidden_act"), str) or raw["hidden_act"] not in known:
        problems.append(f"{path}: hidden_act must be one of {', '.join(known)}, got {raw.get('hidden_act')!r}")
    if kind == "hugging face" and raw.get("model_type", "bert") != "bert":
        problems.append(f"{path}: model_type must be bert, got {raw['model_type']!r}")
    if kind == "hugging face" and raw.get("position_embedding_type", "absolute") != "absolute":
        problems.append(f"{path}: position_embedding_type must be absolute, got {raw['position_embedding_type']!r}")
    if len(problems) == before and numbers["hidden_size"] % numbers["num_attention_heads"]:
        problems.append(f"{path}: num_attention_heads must divide hidden_size, got {numbers['num_attention_heads']} "
                        f"and {numbers['hidden_size']}")
    if len(problems) > before:
        return None
    return BertConfig(
        vocab_size=numbers["vocab_size"], hidden=numbers["hidden_size"], layers=numbers["num_hidden_layers"],
        heads=numbers["num_attention_heads"], intermediate=numbers["intermediate_size"],
        positions=numbers["max_position_embeddings"], segments=numbers["type_vocab_size"],
        activation=known[raw["hidden_act"]])


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
                ours, transpose = _from_hugging_face(name)
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
        ours, transpose = _from_hugging_face(name)
        shapes[ours] = tuple(values.shape)[::-1] if transpose else tuple(values.shape)
        if ours in wanted:
            read[ours] = np.ascontiguousarray(values.numpy().T) if transpose else values.numpy()
    return shapes, read


def _from_hugging_face(name: str) -> tuple[str, bool]:
    """Google's name of a Hugging Face tensor, and whether it must be transposed."""
    name = name.removeprefix("bert.")
    kernel = name.endswith(".weight") and "LayerNorm" not in name and "embeddings" not in name
    name = re.sub(r"^encoder\.layer\.(\d+)\.", r"encoder.layer_\1.", name)
    name = re.sub(r"LayerNorm\.(weight|gamma)$", "LayerNorm.gamma", name)
    name = re.sub(r"LayerNorm\.(bias|beta)$", "LayerNorm.beta", name)
    name = re.sub(r"_embeddings\.weight$", "_embeddings", name)
    name = re.sub(r"\.weight$", ".kernel", name)
    name = re.sub(r"^cls\.predictions\.bias$", "cls.predictions.output_bias", name)
    own = name.startswith(("embeddings.", "encoder.", "pooler."))
    return ("bert/" if own else "") + name.replace(".", "/"), kernel


def _to_hugging_face(name: str) -> tuple[str, bool]:
    """Hugging Face's name of one of Google's tensors, and whether it must be transposed."""
    theirs = name.replace("/layer_", "/layer/").replace("/", ".")
    for pattern, new in ((r"\.(kernel|gamma)$", ".weight"), (r"\.beta$", ".bias"),
                         (r"_embeddings$", "_embeddings.weight"), (r"\.output_bias$", ".bias")):
        theirs = re.sub(pattern, new, theirs)
    return theirs, name.endswith("/kernel")


def _read_google(prefix: Path, wanted: Collection[str] = ()) -> tuple[Shapes, Stored]:
    from pipeline import tf_checkpoint  # imports TensorFlow

    stored = tf_checkpoint.shapes(prefix)
    ours = {name: _from_tf2(name) for name in stored}
    shapes = {ours[name]: _flat(ours[name], shape) for name, shape in stored.items()}
    read = tf_checkpoint.read(prefix, {name: new for name, new in ours.items() if new in wanted})
    return shapes, {name: values.reshape(shapes[name]) for name, values in read.items()}


def _from_tf2(name: str) -> str:
    """Google's TF1 name of a tensor of a TF2 (object-based) checkpoint; other names come back as they are.

    The TF2 model garden numbers layers in order of creation: word, position and type embeddings, LayerNorm, then
    the encoder's layers. Names as in keras-hub's tools/checkpoint_conversion/convert_bert.py.
    """
    match = re.fullmatch(r"(?:model|encoder)/layer_with_weights-(\d{1,4})/(.+)/\.ATTRIBUTES/VARIABLE_VALUE", name)
    if not match:
        return name
    number, rest = int(match[1]), match[2]
    embeddings = {(0, "embeddings"): "word_embeddings", (1, "embeddings"): "position_embeddings",
                  (2, "embeddings"): "token_type_embeddings",
                  (3, "gamma"): "LayerNorm/gamma", (3, "beta"): "LayerNorm/beta"}
    if (number, rest) in embeddings:
        return f"bert/embeddings/{embeddings[number, rest]}"
    parts = {
        "_attention_layer/_query_dense": "attention/self/query", "_attention_layer/_key_dense": "attention/self/key",
        "_attention_layer/_value_dense": "attention/self/value",
        "_attention_layer/_output_dense": "attention/output/dense", "_attention_output_dense": "attention/output/dense",
        "_attention_layer_norm": "attention/output/LayerNorm", "_intermediate_dense": "intermediate/dense",
        "_output_dense": "output/dense", "_output_layer_norm": "output/LayerNorm",
    }
    part, _, leaf = rest.rpartition("/")
    return f"bert/encoder/layer_{number - 4}/{parts[part]}/{leaf}" if number >= 4 and part in parts else name


def _flat(name: str, shape: tuple[int, ...]) -> tuple[int, ...]:
    """TF2 checkpoints keep heads apart, [hidden, heads, size] and [heads, size, hidden]; here they are one axis."""
    if "/attention/" not in name:
        return shape
    if name.endswith("kernel") and len(shape) == 3:
        if "/output/" in name:
            return (shape[0] * shape[1], shape[2])
        return (shape[0], shape[1] * shape[2])
    if name.endswith("bias") and len(shape) == 2:
        return (shape[0] * shape[1],)
    return shape


def _random(spec: RandomBert, token_config: Tokens, texts: Iterable[str], seed: int, positions: int) -> Checkpoint:
    problems: list[str] = []
    if spec.vocab:
        vocab = read_vocabulary(Path(spec.vocab), problems)
    elif token_config.tokenizer == "characters":
        vocab = tokens.character_vocabulary(texts, token_config.lowercase, spec.min_count)
    else:
        vocab = tokens.wordpiece_vocabulary(texts, spec.vocab_size, token_config.lowercase)
    if problems:
        raise UserError(*problems)
    config = BertConfig(len(vocab), spec.hidden, spec.layers, spec.heads, spec.intermediate, positions,
                        segments=2, activation="gelu_tanh")
    meaning: Any = [config.__dict__, vocab, seed]
    identity = hashlib.sha256(json.dumps(meaning, sort_keys=True).encode()).hexdigest()
    source = f"random {spec.layers}x{spec.hidden}, {len(vocab):,} tokens"
    return Checkpoint(config, vocab, identity, source, "random", lambda: random_tensors(config, seed), dict, dict)
