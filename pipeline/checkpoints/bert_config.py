"""An encoder's dimensions, read strictly, and what follows from them: its tensors' names and shapes, and random ones.

Tensors go by the names of Google's TF1 checkpoints, kernels as [in, out].
"""

import json
import math
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from pipeline.arrays import Shapes, Tensors
from pipeline.config.model import RandomBert
from pipeline.errors import UserError
from pipeline.files import inputs

POOLER = "bert/pooler/dense/"  # prefix of the pooler's tensors
MASKED_LM = "cls/predictions/"  # prefix of the masked-language-model head's tensors
MOST_BYTES = 1_000_000  # of a checkpoint's configuration
SIZES = {"vocab_size": 10_000_000, "hidden_size": 100_000, "num_hidden_layers": 1_000, "num_attention_heads": 1_000,
         "intermediate_size": 1_000_000, "max_position_embeddings": 1_000_000, "type_vocab_size": 1_000}  # at most
PLAIN = {"position_embedding_type": "absolute", "is_decoder": False, "add_cross_attention": False, "pruned_heads": {},
         "embedding_size": None, "quantization_config": None}  # what else changes outputs, and its one value here
ACTIVATIONS = {
    # Google's code computes "gelu" by its tanh approximation, Hugging Face's by the error function.
    "google": {"gelu": "gelu_tanh", "relu": "relu"},
    "hugging face": {"gelu": "gelu_erf", "gelu_new": "gelu_tanh", "gelu_pytorch_tanh": "gelu_tanh", "relu": "relu"},
}


@dataclass(frozen=True)
class BertConfig:
    """An encoder's dimensions; activation is gelu_tanh, gelu_erf or relu; epsilon stands in every LayerNorm."""

    vocab_size: int
    hidden: int
    layers: int
    heads: int
    intermediate: int
    positions: int
    segments: int
    activation: str
    epsilon: float = 1e-12  # Google's code has no other

    @property
    def layer_weights(self) -> int:
        """Weights of a layer's matrix products, each of which a token is multiplied by once."""
        return 4 * self.hidden**2 + 2 * self.hidden * self.intermediate


def of_random(spec: RandomBert, vocab_size: int, positions: int) -> BertConfig:
    """The dimensions of an encoder with random weights."""
    return BertConfig(vocab_size, spec.hidden, spec.layers, spec.heads, spec.intermediate, positions, segments=2,
                      activation="gelu_tanh")


def read(path: Path, kind: str, problems: list[str]) -> BertConfig | None:
    """The dimensions in a bert_config.json ("google") or config.json ("hugging face"); what is wrong goes to
    ``problems``."""
    try:
        raw = inputs.read_json(path, MOST_BYTES)
    except UserError as error:
        problems += error.problems
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
    problems += [f"{path}: {name} must be {json.dumps(only)}, got {json.dumps(raw[name])[:100]}: another model"
                 for name, only in PLAIN.items() if raw.get(name, only) not in (only, None)]
    epsilon = raw.get("layer_norm_eps", 1e-12)
    if type(epsilon) not in (int, float) or not 0 < epsilon <= 1:
        problems.append(f"{path}: layer_norm_eps must be a number above 0 and at most 1, got {epsilon!r}")
    if len(problems) == before and numbers["hidden_size"] % numbers["num_attention_heads"]:
        problems.append(f"{path}: num_attention_heads must divide hidden_size, got {numbers['num_attention_heads']} "
                        f"and {numbers['hidden_size']}")
    if len(problems) > before:
        return None
    return BertConfig(
        vocab_size=numbers["vocab_size"], hidden=numbers["hidden_size"], layers=numbers["num_hidden_layers"],
        heads=numbers["num_attention_heads"], intermediate=numbers["intermediate_size"],
        positions=numbers["max_position_embeddings"], segments=numbers["type_vocab_size"],
        activation=known[raw["hidden_act"]], epsilon=float(epsilon))


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
