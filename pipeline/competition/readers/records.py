"""Rows as objects: JSON lines, a JSON array, and Parquet, as the Hugging Face hub, CLUE and pandas write them."""

import itertools
import json
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import Any

import pandas as pd

from pipeline.errors import UserError
from pipeline.files import inputs
from pipeline.lazy import lazily

parquet = lazily("pyarrow.parquet")

LONGEST_TEXT = 1_000_000  # characters
MOST_COLUMNS = 10_000
Objects = list[tuple[str, dict[str, Any]]]  # the place of each, as "line 5", and the object itself


def read_table(path: Path, joined_by: Callable[[str], str] = lambda column: " ", encoding: str | None = None
               ) -> pd.DataFrame:
    """A table of str whose columns are the objects' keys, "" where a row lacks one; its index the place of each row.

    A number is written as Python writes it, true and false as JSON has them, null as "". A list becomes one text, its
    items joined by what ``joined_by`` says of the column. Raises UserError with the problems of all rows.
    """
    if path.suffix == ".parquet":
        rows: Iterable[tuple[str, dict[str, Any]]] = _parquet_rows(path)
    else:
        rows = objects(path, encoding)
    cells, places, problems = list[dict[str, str]](), list[str](), list[str]()
    for place, row in rows:
        cells.append({})
        places.append(place)
        for key, value in row.items():
            try:
                cells[-1][key] = _cell(value, joined_by(key))
            except ValueError as error:
                problems.append(f", {place}, {key}: {error}")
    if not cells:
        raise UserError(f"{path}: holds no row")
    columns = list(dict.fromkeys(itertools.chain.from_iterable(cells)))
    if len(columns) > MOST_COLUMNS:
        raise UserError(f"{path}: must have at most {MOST_COLUMNS:,} keys, got {len(columns):,}; is it written by "
                        f"column? It must be one object a row")
    if problems:
        raise UserError(*inputs.shortened(path, problems, "problems"))
    return pd.DataFrame({name: [row.get(name, "") for row in cells] for name in columns}, index=places, dtype=str)


def first(path: Path, encoding: str | None = None) -> dict[str, Any]:
    """The first object of a file, or an empty one where it cannot be read."""
    try:
        return next(iter(objects(path, encoding, most=1)), ("", {}))[1]
    except UserError:
        return {}


def columns(path: Path, encoding: str | None = None) -> list[str]:
    """The keys of a file's first object; none where it cannot be read."""
    if path.suffix != ".parquet":
        return list(first(path, encoding))
    inputs.check(path)
    try:
        return list(parquet.read_schema(path).names)
    except (OSError, ValueError):
        return []


def objects(path: Path, encoding: str | None = None, most: int | None = None) -> Objects:
    """The objects of a file of JSON lines, of an array, or of an object that holds one array, as {"data": [...]}.

    most: how many are read, of JSON lines. Raises UserError with the problems of all.
    """
    rows: Objects = []
    problems = []
    for place, value in objects_and_errors(path, encoding, most):
        if isinstance(value, UserError):
            problems += [f", {place}: {problem}" for problem in value.problems]
        else:
            rows.append((place, value))
    if problems:
        raise UserError(*inputs.shortened(path, problems, "problems"))
    return rows


def objects_and_errors(path: Path, encoding: str | None = None, most: int | None = None
                       ) -> list[tuple[str, dict[str, Any] | UserError]]:
    """The same with what is wrong with a place in the place of its object. Raises UserError where the file as a whole
    cannot be read."""
    text = inputs.read_text(path, encoding=encoding)
    begin = text.lstrip()
    if begin.startswith("[") or (begin.startswith("{") and begin[1:].lstrip(" \t").startswith(("\n", "\r"))):
        return list(_of_whole(path, text))
    rows: list[tuple[str, dict[str, Any] | UserError]] = []
    for number, line in enumerate(text.split("\n"), 1):
        if not line.strip():
            continue
        try:
            rows.append((f"line {number}", _object(parsed(line))))
        except UserError as error:
            rows.append((f"line {number}", error))
        if most and len(rows) == most:
            break
    if len(rows) == 1 and isinstance(rows[0][1], dict) and (inner := _only_array(rows[0][1])) is not None:
        return list(_numbered(path, inner))
    return rows


def parsed(text: str) -> Any:
    """A JSON value. Raises UserError where the text is none."""
    try:
        return json.loads(text)
    except json.JSONDecodeError as error:
        raise UserError(f"not valid JSON: {error.msg} at character {error.colno}") from None
    except (ValueError, RecursionError):  # more digits, or brackets in brackets, than Python takes
        raise UserError("not JSON that can be read: a number or a nesting is too long") from None


def kind(value: object) -> str:
    """What a JSON value is, in words."""
    names = {dict: "an object", list: "a list", str: "a string", bool: "true or false", int: "a number",
             float: "a decimal number", type(None): "null"}
    return names.get(type(value), type(value).__name__)


def odd_character(text: str) -> str | None:
    """A character that no text can hold, which an escape can write, by its number; None: there is none."""
    return next((f"\\u{ord(c):04x}" for c in text if c == "\0" or "\ud800" <= c <= "\udfff"), None)


def _of_whole(path: Path, text: str) -> Objects:
    try:
        value = parsed(text)
    except UserError as error:
        raise UserError(f"{path}: {error.problems[0]}") from None
    if isinstance(value, list):
        return _numbered(path, value)
    if (inner := _only_array(value)) is not None:
        return _numbered(path, inner)
    if value and all(isinstance(column, dict) for column in value.values()):
        raise UserError(f"{path}: is written by column; write it by row: "
                        f"pandas.read_json({str(path)!r}).to_json(NEW, orient='records', lines=True)")
    raise UserError(f"{path}: is one object over several lines; it must be one object a line, or an array of them")


def _only_array(value: dict[str, Any]) -> list[Any] | None:
    """The array of objects that an object holds, where it holds one."""
    arrays = [inner for inner in value.values() if isinstance(inner, list) and inner
              and all(isinstance(item, dict) for item in inner)]
    return arrays[0] if len(arrays) == 1 and not any(isinstance(inner, str) for inner in value.values()) else None


def _numbered(path: Path, values: list[Any]) -> Objects:
    wrong = [f", object {number}: must be a JSON object, {{...}}, got {kind(value)}"
             for number, value in enumerate(values, 1) if not isinstance(value, dict)]
    if wrong:
        raise UserError(*inputs.shortened(path, wrong, "objects"))
    return [(f"object {number}", value) for number, value in enumerate(values, 1)]


def _object(value: Any) -> dict[str, Any]:
    if not isinstance(value, dict):
        raise UserError(f"must be a JSON object, {{...}}, got {kind(value)}")
    return value


def _parquet_rows(path: Path) -> Iterator[tuple[str, dict[str, Any]]]:
    inputs.check(path)
    try:
        file = parquet.ParquetFile(path)
        rows = itertools.chain.from_iterable(batch.to_pylist() for batch in file.iter_batches())
        yield from ((f"row {number}", row) for number, row in enumerate(rows, 1))
    except (OSError, ValueError) as error:  # pyarrow's errors are of both kinds
        raise UserError(f"{path}: not a readable Parquet file: {str(error).splitlines()[0]}") from None


def _cell(value: Any, joined_by: str) -> str:
    """A value as the text of a table's cell. Raises ValueError with the rule."""
    if isinstance(value, list):
        items = [_cell(item, joined_by) for item in value]
        if inside := next((item for item in items if joined_by in item), None):
            raise ValueError(f"{inside[:40]!r}, an item of a list, holds {joined_by!r}, by which the items are joined")
        return joined_by.join(items)
    text = value if isinstance(value, str) else "" if value is None else (
        json.dumps(value, ensure_ascii=False, default=str) if isinstance(value, (bool, dict)) else str(value))
    if len(text) > LONGEST_TEXT:
        raise ValueError(f"must have at most {LONGEST_TEXT:,} characters, got {len(text):,}")
    if odd := odd_character(text):
        raise ValueError(f"cannot hold the character {odd}")
    return text
