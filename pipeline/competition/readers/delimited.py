"""CSV and TSV, read strictly: text is text, and every malformed row is told at once."""

import csv
import itertools
import re
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

import pandas as pd

from pipeline.errors import UserError
from pipeline.files import inputs

LONGEST_FIELD = 1_000_000  # characters: a longer one is rows that a quote has swallowed
MOST_COLUMNS = 10_000
AT_ONCE = 10_000  # rows that are Python objects at a time
LOOKED_AT = 20  # lines that a separator is told from
LINE_END = re.compile(r"[\r\n]")
OTHERS = (",", "\t", ";", "|")  # separators that are looked for


@dataclass
class _Layout:
    """How a file's fields are told apart, and what is noticed while its rows are read."""

    path: Path
    delimiter: str
    quoting: bool
    encoding: str | None = None
    spanning: list[int] = field(default_factory=list)
    """The lines on which rows begin that have a quoted field with line ends and separators in it."""


def read_table(path: Path, separator: str = "auto", quoting: bool | None = None, header: list[str] | None = None,
               remarks: list[str] | None = None, encoding: str | None = None) -> pd.DataFrame:
    """A CSV or TSV, which may be gzipped, as a table of str, its index the line of the file on which each row begins,
    as "line 5".

    separator: "comma", "tab", any one character, or "auto": by the file's name, or what its first line holds. quoting:
    whether " encloses a field; None: yes, but rows of a tab-separated file that a quote may have swallowed are refused.
    header: the columns of a file that does not begin with their names; there, every line is a row. remarks: what may be
    wrong without being refused is added to it. encoding: what it is written in where it is not UTF-8. Nothing is
    guessed: "NA", "007" and "" stay what they are. Raises UserError with every malformed row. Read as a stream: few
    rows at a time are Python objects.
    """
    quotes = quoting is not False
    layout = _Layout(path, delimiter(path, separator, header, quotes, encoding), quotes, encoding)
    rows = _without_end(_rows(layout))
    columns, ruled_by = header or next((row for _, row in rows), None), "data.header" if header else "the header"
    if columns is None:
        raise UserError(f"{path}: is empty; it must have a header line")
    nameless = 0 if header else _nameless(columns)
    columns = columns[:len(columns) - nameless] + [f"\0{number}" for number in range(nameless)]
    problems = [] if header else _header_problems(path, columns, layout.delimiter)
    as_header = _as_header(columns)
    parts, ragged = [], []
    while part := list(itertools.islice(rows, AT_ONCE)):
        lines, fields = [line for line, _ in part], [row for _, row in part]
        if len(columns) == 1:  # an empty line of a one-column file is an empty text: ids must not shift
            fields = [row or [""] for row in fields]
        wrong = [(line, len(row)) for line, row in zip(lines, fields, strict=True) if len(row) != len(columns)]
        ragged += [f", line {line}: must have {len(columns)} fields as {ruled_by} has, got {count}"
                   for line, count in wrong]
        again = [line for line, row in zip(lines, fields, strict=True) if _as_header(row) == as_header]
        if len(columns) > 1:
            ragged += [f", line {line}: repeats the header; are these files put together?" for line in again]
        elif again and remarks is not None and not header:
            remarks.append(f"{path}, line {again[0]}: repeats the header; are these files put together?")
        if not wrong:
            parts.append(pd.DataFrame(fields, columns=columns, index=[f"line {line}" for line in lines], dtype=str))
    problems += inputs.shortened(path, ragged)
    if not parts and not ragged:
        problems.append(f"{path}: " + ("is empty; it must have a row" if header else "has a header and no rows"))
    if layout.spanning:
        holds = f" and holds {_named(layout.delimiter)}" if len(columns) > 1 else ""
        noticed = (f"{path}, line {layout.spanning[0]}: a quoted field spans lines{holds}, as rows do "
                   f"({len(layout.spanning):,} such rows)")
        if quoting is None and layout.delimiter == "\t":
            problems.append(f"{noticed}; data.quoting = false reads quotes as text, true takes the field as it is")
        elif remarks is not None and quoting is None:
            remarks.append(f"{noticed}; if quotes are text in this file: data.quoting = false")
    if problems:
        raise UserError(*problems)
    table = pd.concat(parts)
    if nameless:
        filled = int((table.iloc[:, -nameless:] != "").any(axis=1).sum())
        table = table.iloc[:, :-nameless]
        if remarks is not None:
            remarks.append(f"{path}: {nameless} columns without a name, at the end of its header, are left out; "
                           f"{filled:,} rows have something there")
    return table


def _nameless(columns: list[str]) -> int:
    """How many columns at the end of a header have no name, where they are several; one may be what is meant."""
    named = next((number for number in range(len(columns), 0, -1) if columns[number - 1].strip()), 0)
    return len(columns) - named if named and len(columns) - named > 1 else 0


def read_header(path: Path, separator: str = "auto", quoting: bool | None = None, encoding: str | None = None
                ) -> list[str]:
    """The names of a file's columns; none of an empty file. Raises UserError."""
    quotes = quoting is not False
    layout = _Layout(path, delimiter(path, separator, None, quotes, encoding), quotes, encoding)
    return next((row for _, row in _rows(layout)), [])


def delimiter(path: Path, separator: str, header: list[str] | None = None, quoting: bool = True,
              encoding: str | None = None) -> str:
    """What stands between fields: as configured, or the first of what the file's name says and the other usual ones
    that makes equally many fields of each of the first rows; where none does, the first that the first line holds."""
    if separator != "auto":
        return {"comma": ",", "tab": "\t"}.get(separator, separator)
    name = Path(path.stem) if path.suffix == ".gz" else path
    usual = "\t" if name.suffix in (".tsv", ".txt") else ","
    if header and len(header) == 1:
        return usual
    with inputs.lines(path, encoding) as lines:
        first = list(itertools.islice(lines, LOOKED_AT))
    if first and first[0].lower().startswith("sep=") and len(first[0].strip()) == 5:
        raise UserError(f"{path}, line 1: is Excel's {first[0].strip()!r}, and no header; delete it, and set "
                        f"data.separator = {first[0][4]!r}")
    order = [usual, *(separator for separator in OTHERS if separator != usual)]
    even = [separator for separator in order if _evenly(first, separator, quoting, len(header) if header else None)]
    if even:
        return even[0]
    return next((separator for separator in order if any(separator in line for line in first[:1])), usual)


def _evenly(lines: list[str], delimiter: str, quoting: bool, columns: int | None) -> bool:
    """Whether the rows of these lines have one number of fields, two at least; the last row may go on behind them."""
    reader = csv.reader(lines, delimiter=delimiter, quoting=csv.QUOTE_MINIMAL if quoting else csv.QUOTE_NONE)
    try:
        counts = {len(row) for row in [row for row in reader if row][:-1 if len(lines) == LOOKED_AT else None]}
    except csv.Error:
        return False
    return len(counts) == 1 and counts != {1} and (columns is None or counts == {columns})


def _header_problems(path: Path, header: list[str], delimiter: str) -> list[str]:
    """Columns of the same name. Raises UserError where the file's first line is no header with this separator."""
    if len(header) > MOST_COLUMNS:
        raise UserError(f"{path}: must have at most {MOST_COLUMNS:,} columns, got {len(header):,}; is it the right "
                        f"file, and data.separator what stands between its fields?")
    other = max(OTHERS, key="".join(header).count)
    if len(header) == 1 and other in header[0] and other != delimiter:
        raise UserError(f"{path}: one column named {header[0]!r}: the separator is not {_named(delimiter)} "
                        f"but {_named(other)}; set data.separator")
    return inputs.shortened(path, [f": column {name!r} stands twice in the header"
                                   for name, count in Counter(header).items() if count > 1], "columns")


def _rows(layout: _Layout) -> Iterator[tuple[int, list[str]]]:
    """The line on which every row begins, and its fields."""
    csv.field_size_limit(LONGEST_FIELD)
    begins = 1
    with inputs.lines(layout.path, layout.encoding) as lines:
        reader = csv.reader(lines, delimiter=layout.delimiter, strict=True,
                            quoting=csv.QUOTE_MINIMAL if layout.quoting else csv.QUOTE_NONE)
        try:
            for row in reader:
                if reader.line_num > begins:
                    inside = [text for text in row if len(row) == 1 or layout.delimiter in text]
                    if any(map(LINE_END.search, inside)):
                        layout.spanning.append(begins)
                yield begins, row
                begins = reader.line_num + 1
        except csv.Error as error:
            raise UserError(f"{layout.path}, line {begins}: not valid CSV: {error}; a quote inside a quoted field is "
                            f"written twice (data.quoting = false reads quotes as text)") from None


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


def _as_header(row: list[str]) -> list[str]:
    """Names without what a second header may differ in: case, white space, order."""
    return sorted(field.strip().casefold() for field in row)


def _named(delimiter: str) -> str:
    return {"\t": "a tab", ",": "a comma"}.get(delimiter, repr(delimiter))
