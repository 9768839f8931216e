"""CSV and TSV, read strictly: text is text, and every malformed row is told at once."""

import csv
import itertools
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import pandas as pd

from pipeline import sources
from pipeline.errors import UserError

LONGEST_FIELD = 1_000_000  # characters: a longer one is rows that a quote has swallowed
MOST_COLUMNS = 10_000
AT_ONCE = 10_000  # rows that are Python objects at a time


def read_table(path: Path, separator: str = "auto", quoting: bool = True, header: list[str] | None = None
               ) -> pd.DataFrame:
    """A CSV or TSV as a table of str, its index the line of the file on which each row begins, as "line 5".

    header: the columns of a file that does not begin with their names; there, every line is a row.
    Nothing is guessed: "NA", "007" and "" stay what they are. Raises UserError with every malformed row. Read as a
    stream: few rows at a time are Python objects.
    """
    delimiter = "\t" if separator == "tab" or (separator == "auto" and path.suffix in (".tsv", ".txt")) else ","
    rows = _without_end(_rows(path, delimiter, quoting))
    columns, ruled_by = header or next((row for _, row in rows), None), "data.header" if header else "the header"
    if columns is None:
        raise UserError(f"{path}: is empty; it must have a header line")
    problems = [] if header else _header_problems(path, columns, delimiter)
    parts, ragged = [], []
    while part := list(itertools.islice(rows, AT_ONCE)):
        lines, fields = [line for line, _ in part], [row for _, row in part]
        if len(columns) == 1:  # an empty line of a one-column file is an empty text: ids must not shift
            fields = [row or [""] for row in fields]
        wrong = [(line, len(row)) for line, row in zip(lines, fields, strict=True) if len(row) != len(columns)]
        ragged += [f", line {line}: must have {len(columns)} fields as {ruled_by} has, got {count}"
                   for line, count in wrong]
        if not wrong:
            parts.append(pd.DataFrame(fields, columns=columns, index=[f"line {line}" for line in lines], dtype=str))
    problems += sources.shortened(path, ragged)
    if not parts and not ragged:
        problems.append(f"{path}: " + ("is empty; it must have a row" if header else "has a header and no rows"))
    if problems:
        raise UserError(*problems)
    return pd.concat(parts)


def _header_problems(path: Path, header: list[str], delimiter: str) -> list[str]:
    """Columns of the same name. Raises UserError where the file's first line is no header with this separator."""
    if len(header) > MOST_COLUMNS:
        raise UserError(f"{path}: must have at most {MOST_COLUMNS:,} columns, got {len(header):,}; is it the right "
                        f"file, and data.separator what stands between its fields?")
    if len(header) == 1 and (other := "\t" if delimiter == "," else ",") in header[0]:
        raise UserError(f"{path}: one column named {header[0]!r}: the separator is not {_named(delimiter)} "
                        f"but {_named(other)}; set data.separator")
    return sources.shortened(path, [f": column {name!r} stands twice in the header"
                                    for name, count in Counter(header).items() if count > 1], "columns")


def _rows(path: Path, delimiter: str, quoting: bool) -> Iterator[tuple[int, list[str]]]:
    """The line on which every row begins, and its fields."""
    csv.field_size_limit(LONGEST_FIELD)
    begins = 1
    with sources.lines(path) as lines:
        reader = csv.reader(lines, delimiter=delimiter, strict=True,
                            quoting=csv.QUOTE_MINIMAL if quoting else csv.QUOTE_NONE)
        try:
            for row in reader:
                yield begins, row
                begins = reader.line_num + 1
        except csv.Error as error:
            raise UserError(f"{path}, line {begins}: not valid CSV: {error}; a quote inside a quoted field is written "
                            f"twice (data.quoting = false reads quotes as text)") from None


def _without_end(rows: Iterator[tuple[int, list[str]]]) -> Iterator[tuple[int, list[str]]]:
    """The rows but for the empty lines behind the last."""
    empty: list[tuple[int, list[str]]] = []
    for line, row in rows:
        if row:
            yield from empty
            empty = []
            yield line, row
        else:
            empty.append((line, row))


def _named(delimiter: str) -> str:
    return "a tab" if delimiter == "\t" else "a comma"
