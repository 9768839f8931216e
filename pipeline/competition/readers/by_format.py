"""Texts in the formats that they come in: each reader gives a table of str, its index the place of each row."""

import csv
from pathlib import Path
from typing import Literal

import pandas as pd

from pipeline.competition.readers import conll, delimited, folders, records, spans
from pipeline.config.data import Data
from pipeline.config.run import Config
from pipeline.errors import UserError
from pipeline.files import inputs

Format = Literal["table", "json", "folders", "conll", "spans"]
BY_ENDING: dict[str, Format] = {".csv": "table", ".tsv": "table", ".txt": "table", ".json": "json", ".jsonl": "json",
                                ".parquet": "json", ".conll": "conll", ".bio": "conll", ".bmes": "conll",
                                ".conllu": "conll"}
TABLES = ("table", "json")


def read(path: Path, config: Config, labelled: bool, remarks: list[str] | None = None) -> pd.DataFrame:
    """A file, or a folder of files, in its format: a table's own columns, else id, text and, where labelled, label.

    remarks: what may be wrong without being refused is added to it. Raises UserError with the problems of the whole,
    also where such a file cannot hold labels of the task.
    """
    data = config.competition
    kind = format_of(path, config)
    if kind == "folders":
        if config.kind.of_words:
            raise UserError(f"{path}: must be a file, got a folder; a folder of texts has no tags of words")
        return folders.read(path, labelled, data.encoding)
    if kind == "table":
        header = _header_of(path, data, labelled)
        return delimited.read_table(path, data.separator, data.quoting, header, remarks, data.encoding)
    if kind == "json":
        several = {data.label_column} if not config.kind.of_words else set()
        return records.read_table(path, lambda name: data.label_separator if name in several else " ", data.encoding)
    if not config.kind.of_words:
        raise UserError(f"{path}: is read as {kind}, which is for task = 'tags', got {config.task!r}; "
                        f"set data.format = 'table' if it is a table")
    if kind == "conll":
        return conll.read(path, labelled, data.encoding, remarks)
    return spans.read(path, config.tokens, labelled, data.encoding)


def _header_of(path: Path, data: Data, labelled: bool) -> list[str] | None:
    """data.header; of texts to predict, which may have no labels, without the label's column."""
    if not data.header or labelled or len(data.header) < 2 or inputs.problems(path):
        return data.header
    without = [name for name in data.header if name != data.label_column]
    with inputs.lines(path, data.encoding) as lines:
        first = next(lines, "")
    mark = delimited.delimiter(path, data.separator, without, data.quoting is not False, data.encoding)
    fields = next(csv.reader([first], delimiter=mark, quoting=csv.QUOTE_MINIMAL if data.quoting is not False else
                             csv.QUOTE_NONE), [])
    return without if len(fields) == len(without) < len(data.header) else data.header


def columns(path: Path, config: Config) -> list[str]:
    """The names of a table's columns; of JSON those of its first row. Raises UserError where a table's first line
    cannot be read as a header."""
    data = config.competition
    if format_of(path, config) == "json":
        return records.columns(path, data.encoding)
    return data.header or delimited.read_header(path, data.separator, data.quoting, data.encoding)


def format_of(path: Path, config: Config) -> Format:
    """The format of one file: the configured one, or what the file's kind and ending say, and of a JSON file with words
    to tag its first object: lists of words and tags are a table."""
    data = config.competition
    if data.format != "auto":
        return data.format
    ending = BY_ENDING.get(Path(path.stem).suffix if path.suffix == ".gz" else path.suffix)
    if ending == "json" and config.kind.of_words and path.suffix != ".parquet":
        row = records.first(path, data.encoding)
        return "json" if isinstance(row.get(data.text_columns[0]), list) else "spans"
    return ending or ("folders" if inputs.is_folder(path) else "table")


def is_table(path: str, config: Config) -> bool:
    """Whether a file is a table, which may have further columns."""
    return format_of(Path(path), config) in TABLES
