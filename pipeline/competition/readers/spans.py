"""JSON lines of texts and the entities in them, {"text": ..., "entities": [{"start", "end", "label"}]}, as BIO tags."""

import itertools
import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pandas as pd
from tokenizers import Regex, pre_tokenizers

from pipeline.config.model import Tokens
from pipeline.errors import UserError
from pipeline.files import inputs

LONGEST_TEXT = 1_000_000  # characters
HAN = Regex("[\u4e00-\u9fff\u3400-\u4dbf\uf900-\ufaff\U00020000-\U0002ceaf\U0002f800-\U0002fa1f]")  # as BERT has it
BERT_WORDS = pre_tokenizers.Sequence([pre_tokenizers.BertPreTokenizer(), pre_tokenizers.Split(HAN, "isolated")])
Borders = list[tuple[int, int]]


@dataclass(frozen=True)
class Entity:
    """The characters from start up to, not including, end."""

    start: int
    end: int
    label: str

    def __str__(self) -> str:
        return f"entity {self.start}-{self.end}"


def read(path: Path, config: Tokens, labelled: bool) -> pd.DataFrame:
    """id (the row's number from 0 where it has none), text (words joined by spaces) and, where labelled, label (a tag
    a word: B-, I- and the entity's label, or O).

    Words are characters or BERT's words, as the tokenizer has it. The index is the line of each text. Raises UserError
    with the problems of all lines.
    """
    rows: list[dict[str, str]] = []
    places, problems = [], []
    for number, line in enumerate(inputs.read_text(path).split("\n"), 1):
        if not line.strip():
            continue
        try:
            rows.append(_row(line, str(len(rows)), config.tokenizer, labelled))
        except UserError as error:
            rows.append({"id": "", "text": ""})
            problems += [f", line {number}: {problem}" for problem in error.problems]
        places.append(f"line {number}")
    if not rows:
        raise UserError(f"{path}: holds no text")
    if problems:
        raise UserError(*inputs.shortened(path, problems, "problems"))
    return pd.DataFrame(rows, index=places, dtype=str)


def _row(line: str, number: str, tokenizer: str, labelled: bool) -> dict[str, str]:
    """A row of the table. Raises UserError with all that is wrong with the line."""
    try:
        value = json.loads(line)
    except json.JSONDecodeError as error:
        raise UserError(f"not valid JSON: {error.msg} at character {error.colno}") from None
    except (ValueError, RecursionError):  # more digits, or brackets in brackets, than Python takes
        raise UserError("not JSON that can be read: a number or a nesting is too long") from None
    if not isinstance(value, dict):
        raise UserError(f"must be a JSON object, {{...}}, got {_kind(value)}")
    text, key = value.get("text"), value.get("id")
    if key is None or type(key) is int:
        key = number if key is None else str(key)
    problems = _text_problems(text, "text") + _text_problems(key, "id")
    if problems or not isinstance(text, str):
        raise UserError(*problems)
    words = _words(text, tokenizer)
    row = {"id": key, "text": " ".join(text[start:end] for start, end in words)}
    return row | {"label": _tags(text, words, _entities(value))} if labelled else row


def _text_problems(value: object, name: str) -> list[str]:
    if not isinstance(value, str):
        return [f"no {name}" if value is None else f"{name} must be a string, got {_kind(value)}"]
    if len(value) > LONGEST_TEXT:
        return [f"{name} must have at most {LONGEST_TEXT:,} characters, got {len(value):,}"]
    odd = [c for c in value if c == "\0" or "\ud800" <= c <= "\udfff"]  # which an escape can write
    return [f"{name} cannot hold the character \\u{ord(odd[0]):04x}"] if odd else []


def _entities(value: dict[str, Any]) -> list[Entity]:
    """The entities in the order of the text. Raises UserError."""
    name = next((name for name in ("entities", "spans") if name in value), None)
    if name is None:
        raise UserError('no entities; a text without any has "entities": []')
    if not isinstance(value[name], list):
        raise UserError(f"{name} must be a list, got {_kind(value[name])}")
    entities, problems = [], []
    for number, entity in enumerate(value[name], 1):
        wrong = _entity_problems(entity)
        problems += [f"entity number {number}: {problem}" for problem in wrong]
        if not wrong:
            entities.append(Entity(entity["start"], entity["end"], entity["label"]))
    if problems:
        raise UserError(*problems)
    return sorted(entities, key=lambda entity: (entity.start, entity.end))


def _entity_problems(entity: object) -> list[str]:
    if not isinstance(entity, dict):
        return [f"must be a JSON object, {{...}}, got {_kind(entity)}"]
    problems = [f"{key} must be a whole number, got {_kind(entity[key])}" if key in entity else f"no {key}"
                for key in ("start", "end") if type(entity.get(key)) is not int]
    label = entity.get("label")
    problems += _text_problems(label, "label")
    if isinstance(label, str) and (not label or any(c.isspace() for c in label)):
        problems.append(f"label must be a name without white space, got {label!r}")
    return problems


def _words(text: str, tokenizer: str) -> Borders:
    if tokenizer == "characters":
        return [(place, place + 1) for place, character in enumerate(text) if not character.isspace()]
    return [borders for _, borders in BERT_WORDS.pre_tokenize_str(text)]


def _tags(text: str, words: Borders, entities: list[Entity]) -> str:
    """The words' tags, joined by spaces. Raises UserError with what is wrong with the entities."""
    starts, ends = ({borders[side]: number for number, borders in enumerate(words)} for side in (0, 1))
    tags = ["O"] * len(words)
    problems = []
    for entity in entities:
        inside = text[max(entity.start, 0):max(entity.end, 0)]
        start = entity.start + len(inside) - len(inside.lstrip())
        end = entity.end - (len(inside) - len(inside.rstrip()))
        if entity.start >= entity.end:
            problems.append(f"{entity} must end behind its start")
        elif entity.start < 0 or entity.end > len(text):
            problems.append(f"{entity} lies outside of the text, which has {len(text):,} characters")
        elif not inside.strip():
            problems.append(f"{entity} holds nothing but white space")
        elif start not in starts or end not in ends:
            border = start if start not in starts else end
            cut = next((text[begin:stop] for begin, stop in words if begin < border < stop), inside)
            problems.append(f"{entity} cuts the word {cut!r}")
        else:
            first, last = starts[start], ends[end]
            tags[first:last + 1] = [f"B-{entity.label}"] + [f"I-{entity.label}"] * (last - first)
    problems += [f"{second} overlaps {first}" for first, second in itertools.pairwise(entities)
                 if second.start < first.end]
    if problems:
        raise UserError(*problems)
    return " ".join(tags)


def _kind(value: object) -> str:
    names = {dict: "an object", list: "a list", str: "a string", bool: "true or false", int: "a number",
             float: "a decimal number", type(None): "null"}
    return names[type(value)]
