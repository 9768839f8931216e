"""The configuration of an encoder, bert_config.json or config.json, read strictly."""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from pipeline.checkpoints.encoder_config import EncoderConfig
from pipeline.checkpoints.families import PLAIN, Family
from pipeline.errors import UserError
from pipeline.files import inputs

MOST_BYTES = 1_000_000  # of a checkpoint's configuration
SIZES = {"vocab_size": 10_000_000, "hidden_size": 100_000, "num_hidden_layers": 1_000, "num_attention_heads": 1_000,
         "intermediate_size": 1_000_000, "max_position_embeddings": 1_000_000, "type_vocab_size": 1_000}  # at most
ACTIVATIONS = {
    # Google's BERT computes "gelu" by its tanh approximation; its ELECTRA, and Hugging Face, by the error function.
    "google": {"gelu": "gelu_tanh", "relu": "relu"},
    "hugging face": {"gelu": "gelu_erf", "gelu_new": "gelu_tanh", "gelu_pytorch_tanh": "gelu_tanh", "relu": "relu"},
}
FURTHER_SIZES = {"embedding_size": (1, 100_000), "position_buckets": (-1, 100_000), "pad_token_id": (0, 10_000_000),
                 "max_relative_positions": (-1, 1_000_000)}  # of some families, at least and at most


def raw(path: Path, problems: list[str]) -> Mapping[str, Any] | None:
    """The file's keys; what is wrong with it goes to ``problems``."""
    try:
        return inputs.read_json(path, MOST_BYTES)
    except UserError as error:
        problems += error.problems
        return None


def read(path: Path, keys: Mapping[str, Any], family: Family, kind: str, problems: list[str],
         called: Mapping[str, str] | None = None) -> EncoderConfig | None:
    """The dimensions that the keys of a file say, of a checkpoint in the format ``kind``, "google" or "hugging face";
    what is wrong goes to ``problems``. called: what a file calls a key otherwise."""
    before = len(problems)
    numbers: dict[str, int] = {}
    for name, most in SIZES.items():
        if name in family.absent:
            numbers[name] = family.absent[name]
            continue
        value, least = keys.get(name), family.least.get(name, 1)
        if type(value) is not int or not least <= value <= most:
            key = (called or {}).get(name, name)
            problems.append(f"{path}: {key} must be a whole number from {least} to {most:,}, got {value!r}")
        else:
            numbers[name] = value
    known = dict(ACTIVATIONS[kind])
    if kind == "google":
        known["gelu"] = family.google_gelu
    if not isinstance(keys.get("hidden_act"), str) or keys["hidden_act"] not in known:
        problems.append(f"{path}: hidden_act must be one of {', '.join(known)}, got {keys.get('hidden_act')!r}")
    for name, only in {**PLAIN, **family.plain}.items():
        if keys.get(name, only) not in (only, None) and not (name == "embedding_size" and
                                                              keys[name] == keys.get("hidden_size")):
            problems.append(f"{path}: {name} must be {json.dumps(only)}, got {json.dumps(keys[name])[:100]}: another "
                            f"model")
    problems += [f"{path}: {name} must be a whole number from {least} to {most:,}, got {keys[name]!r}"
                 for name, (least, most) in FURTHER_SIZES.items()
                 if keys.get(name) is not None and (type(keys[name]) is not int or not least <= keys[name] <= most)]
    epsilon = keys.get("layer_norm_eps", family.epsilon)
    if type(epsilon) not in (int, float) or not 0 < epsilon <= 1:
        problems.append(f"{path}: layer_norm_eps must be a number above 0 and at most 1, got {epsilon!r}")
    if len(problems) == before and numbers["hidden_size"] % numbers["num_attention_heads"]:
        heads, hidden = ((called or {}).get(name, name) for name in ("num_attention_heads", "hidden_size"))
        problems.append(f"{path}: {heads} must divide {hidden}, got {numbers['num_attention_heads']} and "
                        f"{numbers['hidden_size']}")
    if len(problems) == before:
        problems += family.problems(path, keys)
    if len(problems) > before:
        return None
    config = EncoderConfig(
        vocab_size=numbers["vocab_size"], hidden=numbers["hidden_size"], layers=numbers["num_hidden_layers"],
        heads=numbers["num_attention_heads"], intermediate=numbers["intermediate_size"],
        positions=numbers["max_position_embeddings"], segments=numbers["type_vocab_size"],
        activation=known[keys["hidden_act"]], epsilon=float(epsilon), family=family.name, **family.further(keys))
    if config.most_tokens < 3:
        problems.append(f"{path}: max_position_embeddings must leave room for three tokens, got {config.positions}, of "
                        f"which a text's first is number {config.first_position}")
        return None
    return config
