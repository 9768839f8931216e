"""JSON lines of texts and the entities in them, {"text": ..., "entities": [{"start", "end", "label"}]}, or nested as
CLUENER has them, as BIO tags."""

import itertools
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pandas as pd
from tokenizers import Regex, pre_tokenizers

from pipeline.competition.readers import records
from pipeline.competition.readers.records import LONGEST_TEXT
from pipeline.config.model import Tokens
from pipeline.errors import UserError
from pipeline.files import inputs

HAN = Regex("[\u4e00-\u9fff\u3400-\u4dbf\uf900-\ufaff\U00020000-\U0002ceaf\U0002f800-\U0002fa1f]")  # as BERT has it
BERT_WORDS = pre_tokenizers.Sequence([pre_tokenizers.BertPreTokenizer(), pre_tokenizers.Split(HAN, "isolated")])
KEYS = ("entities", "spans", "label", "labels")  # where the list of entities may be
Borders = list[tuple[int, int]]


@dataclass(frozen=True)
class Entity:
    """The characters from start up to, not including, end."""

    start: int
    end: int
    label: str

    def __str__(self) -> str:
        return f"entity {self.start}-{self.end}"


def read(path: Path, config: Tokens, labelled: bool, encoding: str | None = None) -> pd.DataFrame:
    """id (the row's number from 0 where it has none), text (words joined by spaces) and, where labelled, label (a tag
    a word: B-, I- and the entity's label, or O).

    Words are characters or BERT's words, as the tokenizer has it. The index is the place of each text. Raises UserError
    with the problems of all texts.
    """
    rows: list[dict[str, str]] = []
    places, problems = [], []
    for place, value in records.objects_and_errors(path, encoding):
        try:
            if isinstance(value, UserError):
                raise value
            rows.append(_row(value, str(len(rows)), config.tokenizer, labelled))
        except UserError as error:
            rows.append({"id": "", "text": ""})
            problems += [f", {place}: {problem}" for problem in error.problems]
        places.append(place)
    if not rows:
        raise UserError(f"{path}: holds no text")
    if problems:
        raise UserError(*inputs.shortened(path, problems, "problems"))
    return pd.DataFrame(rows, index=places, dtype=str)


def _row(value: dict[str, Any], number: str, tokenizer: str, labelled: bool) -> dict[str, str]:
    """A row of the table. Raises UserError with all that is wrong with the object."""
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
        return [f"no {name}" if value is None else f"{name} must be a string, got {records.kind(value)}"]
    if len(value) > LONGEST_TEXT:
        return [f"{name} must have at most {LONGEST_TEXT:,} characters, got {len(value):,}"]
    odd = records.odd_character(value)
    return [f"{name} cannot hold the character {odd}"] if odd else []


def _entities(value: dict[str, Any]) -> list[Entity]:
    """The entities in the order of the text. Raises UserError."""
    name = next((name for name in KEYS if isinstance(value.get(name), list)), None)
    name = name or next((name for name in KEYS[:2] if name in value), None)
    if name is None and isinstance(value.get("label"), dict):
        return _nested(value["label"])
    if name is None:
        raise UserError('no entities; a text without any has "entities": []')
    if not isinstance(value[name], list):
        raise UserError(f"{name} must be a list, got {records.kind(value[name])}")
    entities, problems = [], []
    for number, entity in enumerate(map(_plain, value[name]), 1):
        wrong = _entity_problems(entity)
        problems += [f"entity number {number}: {problem}" for problem in wrong]
        if not wrong:
            entities.append(Entity(entity["start"], entity["end"], entity["label"]))
    if problems:
        raise UserError(*problems)
    return sorted(entities, key=lambda entity: (entity.start, entity.end))


def _plain(entity: Any) -> Any:
    """An entity as {"start", "end", "label"}: so it is, or it is [start, end, label] as doccano and spaCy write it, or
    {"start_idx", "end_idx", "type"} as CMeEE has it, whose end is the last character."""
    if isinstance(entity, list) and len(entity) == 3:
        return dict(zip(("start", "end", "label"), entity, strict=True))
    if isinstance(entity, dict) and "start_idx" in entity and type(entity.get("end_idx")) is int:
        return {"start": entity["start_idx"], "end": entity["end_idx"] + 1,
                "label": entity.get("type", entity.get("label"))}
    return entity


def _nested(label: dict[str, Any]) -> list[Entity]:
    """The entities as CLUENER writes them, {"name": {"the words": [[0, 8]]}}: first and last character, both inside.
    Raises UserError."""
    entities, problems = [], []
    for name, by_words in label.items():
        for words, places in by_words.items() if isinstance(by_words, dict) else [("", None)]:
            for place in places if isinstance(places, list) else [None]:
                if isinstance(place, list) and len(place) == 2 and all(type(number) is int for number in place):
                    entities.append(Entity(place[0], place[1] + 1, name))
                else:
                    problems.append(f"label {name!r}, {words!r}: must be a list of [first, last] characters, got "
                                    f"{records.kind(by_words if places is None else place)}")
    problems += _text_problems_of_names(label)
    if problems:
        raise UserError(*problems)
    return sorted(entities, key=lambda entity: (entity.start, entity.end))


def _text_problems_of_names(label: dict[str, Any]) -> list[str]:
    return [f"label must be a name without white space, got {name!r}"
            for name in label if not name or any(c.isspace() for c in name)]


def _entity_problems(entity: object) -> list[str]:
    if not isinstance(entity, dict):
        return [f"must be a JSON object, {{...}}, got {records.kind(entity)}"]
    problems = [f"{key} must be a whole number, got {records.kind(entity[key])}" if key in entity else f"no {key}"
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
