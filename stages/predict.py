"""Predict texts with a finished run: from a file as the run's own are, or from lines of standard input.

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

from pipeline.competition import tables
from pipeline.errors import UserError, visible
from pipeline.files import atomic, inputs
from pipeline.inference.answers import answers
from pipeline.machine import console
from stages import options

if TYPE_CHECKING:
    from pipeline.inference.predictor import Predictor  # imports TensorFlow

AT_ONCE = 1_000  # rows
PIPED = 1 << 16  # bytes that are taken from a pipe at once


class Form(StrEnum):
    jsonl = "jsonl"
    csv = "csv"


def predict(
        run: options.RunName,
        texts: Annotated[Path | None, typer.Argument(
            help="A file in the format of the run's train (labels are not read); a .txt is one text per line, a pair "
                 "with a tab between, unless train is a .txt too. Default: lines of standard input.")] = None,
        stage: options.OfStage = None, fold: options.FoldsOfMean = None, seed: options.SeedsOfMean = None,
        output: Annotated[Path | None, typer.Option(help="A file to write; default: standard output.")] = None,
        form: Annotated[Form, typer.Option("--format", help="jsonl: label and probabilities, one line per text. csv: "
                                           "the columns of a test table.")] = Form.jsonl) -> None:
    if texts and not inputs.is_folder(texts):
        inputs.check(texts)
    from pipeline.inference.predictor import Predictor

    model = Predictor(run, stage, fold, seed)
    chunks = _of_lines(texts, model) if texts is None or _is_lines(texts, model) else _of_file(texts, model)
    if output is None:
        _write(model, chunks, form, sys.stdout)
    else:
        with atomic.replacing(output) as building, building.open("w", encoding="utf-8", newline="\n") as file:
            _write(model, chunks, form, file)
        console.say(f"predict: {output}")


def _write(model: "Predictor", chunks: Iterator[pd.DataFrame], form: Form, file: TextIO) -> None:
    oof, metric = model.thresholds(), model.config.metric
    for number, rows in enumerate(chunks):
        predicted = model.predict(rows)
        if form == Form.csv:
            predicted.to_csv(file, index=False, header=number == 0, lineterminator="\n")
        else:
            for answer in answers(model.task, rows, predicted, oof, metric):
                print(json.dumps(answer, ensure_ascii=False), file=file)
        file.flush()


def _is_lines(path: Path, model: "Predictor") -> bool:
    """Whether a file has one text per line: a .txt has, unless the run's own training file is one."""
    data = model.config.competition
    return path.suffix == ".txt" and data.format == "auto" and Path(data.train).suffix != ".txt"


def _of_file(path: Path, model: "Predictor") -> Iterator[pd.DataFrame]:
    """The rows of a file in the format of the run's own."""
    table, remarks = tables.read_texts(path, model.config)
    for remark in remarks:
        print(visible(remark), file=sys.stderr)
    for at in range(0, len(table), AT_ONCE):
        part = table.iloc[at:at + AT_ONCE]
        yield part.reset_index(drop=True)


def _of_lines(path: Path | None, model: "Predictor") -> Iterator[pd.DataFrame]:
    """A row a line, its id the line's number from 0."""
    begin = 0
    for lines in inputs.texts(path, AT_ONCE) if path else _from_standard_input(model):
        texts = [line.partition("\t") for line in lines]
        second = [other for _, _, other in texts] if model.pairs else None
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
