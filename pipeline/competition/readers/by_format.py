"""Texts in the formats that they come in: each reader gives a table of str, its index the place of each row."""

from pathlib import Path
from typing import Literal

import pandas as pd

from pipeline.competition.readers import conll, delimited, folders, spans
from pipeline.config.data import Data
from pipeline.config.run import Config
from pipeline.errors import UserError
from pipeline.files import inputs

Format = Literal["table", "folders", "conll", "spans"]
BY_ENDING: dict[str, Format] = {".csv": "table", ".tsv": "table", ".txt": "table", ".conll": "conll",
                                ".bio": "conll", ".bmes": "conll", ".conllu": "conll", ".jsonl": "spans"}


def read(path: Path, config: Config, labelled: bool, remarks: list[str] | None = None) -> pd.DataFrame:
    """A file, or a folder of files, in its format: a table's own columns, else id, text and, where labelled, label.

    remarks: what may be wrong without being refused is added to it. Raises UserError with the problems of the whole,
    also where such a file cannot hold labels of the task.
    """
    data = config.competition
    kind = format_of(path, data)
    if kind == "folders":
        if config.kind.of_words:
            raise UserError(f"{path}: must be a file, got a folder; a folder of texts has no tags of words")
        return folders.read(path, labelled)
    if kind == "table":
        return delimited.read_table(path, data.separator, data.quoting, data.header, remarks)
    if not config.kind.of_words:
        raise UserError(f"{path}: is read as {kind}, which is for task = 'tags', got {config.task!r}; "
                        f"set data.format = 'table' if it is a table")
    return conll.read(path, labelled) if kind == "conll" else spans.read(path, config.tokens, labelled)


def columns(path: Path, config: Config) -> list[str]:
    """The names of a table's columns. Raises UserError where its first line cannot be read as a header."""
    data = config.competition
    return data.header or delimited.read_header(path, data.separator, data.quoting)


def format_of(path: Path, data: Data) -> Format:
    """The format of one file: the configured one, or what the file's kind and ending say."""
    if data.format != "auto":
        return data.format
    ending = BY_ENDING.get(Path(path.stem).suffix if path.suffix == ".gz" else path.suffix)
    return ending or ("folders" if inputs.is_folder(path) else "table")


def is_table(path: str, data: Data) -> bool:
    """Whether a file is a table, which may have further columns."""
    return format_of(Path(path), data) == "table"
