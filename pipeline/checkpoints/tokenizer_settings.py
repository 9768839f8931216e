"""What a checkpoint's folder says of its tokenizer, and what a run makes of that."""

import json
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from pipeline.checkpoints.encoder_config import EncoderConfig
from pipeline.checkpoints.tokenizer_files import SETTINGS, TOKENIZER_JSON
from pipeline.config.run import Config
from pipeline.files import formats, inputs
from pipeline.text.vocabulary import LARGEST_TOKENIZER, Vocabulary


def read(folder: Path) -> dict[str, bool | None]:
    """lowercase and strip_accents, as tokenizer_config.json says, or tokenizer.json's normalizer; None: nothing."""
    if not os.path.isdir(folder):  # noqa: PTH112, Path.is_dir raises where a name is too long
        return {"lowercase": None, "strip_accents": None}
    settings, tokenizer = (inputs.read_json(path, LARGEST_TOKENIZER) if path.is_file() else {}
                           for path in (folder / SETTINGS, folder / TOKENIZER_JSON))
    normalizer = tokenizer.get("normalizer")
    normalizer = normalizer if isinstance(normalizer, dict) else {}
    said = {"lowercase": settings.get("do_lower_case", normalizer.get("lowercase")),
            "strip_accents": settings.get("strip_accents", normalizer.get("strip_accents"))}
    return {name: value if isinstance(value, bool) else None for name, value in said.items()}


def settled(config: Config, said: Mapping[str, bool | None]) -> tuple[Config, list[str]]:
    """The configuration with tokens.lowercase and strip_accents as the checkpoint says where they are not given; and
    what there is to say of that, a line each. said: what it says of both; nothing, where there is none."""
    folder = config.bert.folder
    lines, chosen = [], {}
    for name in ("lowercase", "strip_accents"):
        value = said.get(name)
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


def write(folder: Path, config: EncoderConfig, lowercase: bool, strip_accents: bool | None, vocab: Vocabulary) -> None:
    """Writes tokenizer_config.json as transformers' BertTokenizer reads it, or as it reads a tokenizer.json."""
    name_of = dict(zip(("cls_token", "sep_token", "pad_token", "unk_token", "mask_token"), (
        vocab.tokens[number] for number in (vocab.frame.before[0], vocab.frame.after[-1], vocab.pad, vocab.unknown,
                                            vocab.mask)), strict=True))
    kind: dict[str, Any] = {"tokenizer_class": "PreTrainedTokenizerFast"} if vocab.own else {
        "tokenizer_class": "BertTokenizer", "do_lower_case": lowercase, "strip_accents": strip_accents,
        "tokenize_chinese_chars": True}
    formats.write(folder / SETTINGS,
                  kind | {"model_max_length": config.most_tokens} | dict(sorted(name_of.items())))
