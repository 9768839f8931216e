"""Predict texts with a finished run: from a CSV, from a file with one text a line, or from standard input.

Example: echo "味道很好，下次还来" | python -m stages predict example
"""

import contextlib
import json
import os
import sys
from collections.abc import Iterator
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, TextIO

import pandas as pd
import typer

from pipeline import log, sources, storage
from pipeline.answers import answers
from pipeline.errors import UserError
from pipeline.readers import delimited

if TYPE_CHECKING:
    from pipeline.predictor import Predictor  # imports TensorFlow

AT_ONCE = 1_000  # rows
PIPED = 1 << 16  # bytes that are taken from a pipe at once


class Form(StrEnum):
    jsonl = "jsonl"
    csv = "csv"


class Stage(StrEnum):
    stage1 = "stage1"
    stage2 = "stage2"


RunName = Annotated[str, typer.Argument(help="The run's name: models/RUN.", metavar="RUN")]
StageName = Annotated[Stage | None, typer.Option(help="Default: stage 2 where it is finished.")]
Folds = Annotated[list[int] | None, typer.Option("--fold", help="Only this fold; repeatable. Default: their mean.")]


def predict(
        run: RunName,
        texts: Annotated[Path | None, typer.Argument(help="A CSV or TSV with the run's text columns, or a text a line, "
                                                     "of a pair with a tab between. Default: standard input.")] = None,
        stage: StageName = None, fold: Folds = None,
        output: Annotated[Path | None, typer.Option(help="A file to write; default: standard output.")] = None,
        form: Annotated[Form, typer.Option("--format", help="jsonl: label and probabilities, a line a text. csv: the "
                                           "columns of a test table.")] = Form.jsonl) -> None:
    if texts:
        sources.check(texts)
    from pipeline.predictor import Predictor

    model = Predictor(run, stage and stage.value, fold)
    chunks = _of_table(texts, model) if texts and texts.suffix in (".csv", ".tsv") else _of_lines(texts, model)
    if output is None:
        _write(model, chunks, form, sys.stdout)
    else:
        with storage.replacing(output) as building, building.open("w", encoding="utf-8", newline="\n") as file:
            _write(model, chunks, form, file)
        log.say(f"predict: {output}")


def _write(model: "Predictor", chunks: Iterator[pd.DataFrame], form: Form, file: TextIO) -> None:
    oof, metric = model.thresholds(), model.config.submit.metric
    for number, rows in enumerate(chunks):
        found = model.predict(rows)
        if form == Form.csv:
            found.to_csv(file, index=False, header=number == 0, lineterminator="\n")
        else:
            for answer in answers(model.task, rows, found, oof, metric):
                print(json.dumps(answer, ensure_ascii=False), file=file)
        file.flush()


def _of_table(path: Path, model: "Predictor") -> Iterator[pd.DataFrame]:
    """The rows of a table that has the text columns of the run's."""
    data = model.config.data
    assert data is not None
    table = delimited.read_table(path, data.separator, data.quoting)
    if missing := [column for column in data.text_columns if column not in table]:
        raise UserError(*(f"{path}: no column {column!r}; it has {', '.join(map(repr, table))}" for column in missing))
    ids = table[data.id_column] if data.id_column in table else pd.Series(map(str, range(len(table))), dtype=str)
    if ids.duplicated().any():
        raise UserError(f"{path}, column {data.id_column}: {ids[ids.duplicated()].iloc[0]!r} stands twice; ids must be "
                        f"unique")
    for at in range(0, len(table), AT_ONCE):
        part = table.iloc[at:at + AT_ONCE]
        columns = [part[column] for column in data.text_columns]
        yield model.table(columns[0], columns[1] if model.pairs else None, ids.iloc[at:at + AT_ONCE])


def _of_lines(path: Path | None, model: "Predictor") -> Iterator[pd.DataFrame]:
    """A row a line, its id the line's number from 0."""
    begin = 0
    for lines in sources.texts(path, AT_ONCE) if path else _from_standard_input(model):
        texts = [line.partition("\t") for line in lines]
        second = [one for _, _, one in texts] if model.pairs else None
        yield model.table([text for text, _, _ in texts] if model.pairs else lines, second,
                          ids=map(str, range(begin, begin + len(lines))))
        begin += len(lines)


def _from_standard_input(model: "Predictor") -> Iterator[list[str]]:
    """What has come so far, so that a program that writes a line gets its answer at once; a person is prompted."""
    if sys.stdin.isatty():
        model.warm()
        with contextlib.suppress(EOFError):
            while True:
                yield [input("> ")]
    left = b""
    while new := os.read(sys.stdin.fileno(), PIPED):
        *lines, left = (left + new).split(b"\n")
        if lines:
            yield [_text(line) for line in lines]
    if left:
        yield [_text(left)]


def _text(line: bytes) -> str:
    try:
        return line.decode("utf-8").rstrip("\r")
    except UnicodeDecodeError as error:
        raise UserError(f"standard input: must be UTF-8, got byte 0x{line[error.start]:02x} in {line[:40]!r}") from None
