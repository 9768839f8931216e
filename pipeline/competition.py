"""The competition's tables, read strictly: text is text, ids are exact, and every problem of a file is told at once."""

import codecs
import csv
import hashlib
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass
from io import StringIO
from pathlib import Path

import pandas as pd

from pipeline import sources, tasks
from pipeline.config import Config, Data
from pipeline.errors import UserError
from pipeline.tasks import Task

SHOWN = 5  # problems of one kind that are told one by one; the rest are counted
LONGEST_FIELD = 1_000_000  # characters: a longer one is rows that a quote has swallowed
MOST_COLUMNS = 10_000


@dataclass(frozen=True)
class Competition:
    """The tables after validation.

    train: id, text, label as the task has it, stratum (int64, what stratified folds balance), and text_pair, group,
        fold where the config names such columns; rows of a dev file follow those of train, told apart by the boolean
        column dev.
    test: id, text (, text_pair).
    sample: the sample submission as it stands, all text, or None.
    """

    train: pd.DataFrame
    test: pd.DataFrame
    sample: pd.DataFrame | None
    task: Task


def read(config: Config) -> Competition:
    """Reads and validates train, test, sample submission and dev file. Raises UserError with all their problems."""
    data = config.data
    assert data is not None
    problems: list[str] = []
    extra = {"label": data.label_column, "group": config.folds.group_column, "fold": config.folds.column}
    named = {key: column for key, column in extra.items() if column}

    train = _standard(data.train, data, named, problems).assign(dev=False)
    task = tasks.of(config, train.label)
    train = _labelled(train, data.train, data, task, True, problems)
    if config.folds.dev:
        dev = _standard(config.folds.dev, data, named, problems).assign(dev=True)
        dev = _labelled(dev, config.folds.dev, data, task, False, problems)
        if data.id_column is None:
            train["id"], dev["id"] = "train-" + train.id, "dev-" + dev.id
        again = dev[dev.id.isin(train.id)]
        problems += _shortened(config.folds.dev, [f", line {row.line}: id {row.id!r} stands in {data.train} too; "
                                                  f"ids must be unique" for row in again.itertuples()])
        train = pd.concat([train, dev], ignore_index=True)
    test = _standard(data.test, data, {}, problems)
    sample = _sample(data, test, task, problems) if data.sample_submission else None
    if problems:
        raise UserError(*problems)
    return Competition(train, test, sample, task)


def row_hash(table: pd.DataFrame, columns: Iterable[str]) -> str:
    """SHA-256 of the named columns, row by row; each field goes in with its length, so none runs into the next."""
    digest = hashlib.sha256()
    for row in table[list(columns)].itertuples(index=False):
        for value in row:
            field = str(value).encode()
            digest.update(b"%d:" % len(field) + field)
    return digest.hexdigest()


def text_columns(table: pd.DataFrame) -> list[str]:
    """The standard names of the table's text columns: text, or text and text_pair."""
    return [column for column in ("text", "text_pair") if column in table]


def read_table(path: Path, separator: str = "auto", quoting: bool = True) -> pd.DataFrame:
    """A CSV or TSV as a table of str, its index the line of the file on which each row begins.

    Nothing is guessed: "NA", "007" and "" stay what they are. Raises UserError with every malformed row.
    """
    delimiter = "\t" if separator == "tab" or (separator == "auto" and path.suffix in (".tsv", ".txt")) else ","
    rows, lines = _parse(path, _decode(path), delimiter, quoting)
    while rows and not rows[-1]:
        rows.pop()
        lines.pop()
    if not rows:
        raise UserError(f"{path}: is empty; it must have a header line")
    header, body = rows[0], rows[1:]
    if len(header) > MOST_COLUMNS:
        raise UserError(f"{path}: must have at most {MOST_COLUMNS:,} columns, got {len(header):,}; is it the right "
                        f"file, and data.separator what stands between its fields?")
    problems = []
    if len(header) == 1:
        body = [row or [""] for row in body]  # an empty line of a one-column file is an empty text: ids must not shift
        if (other := "\t" if delimiter == "," else ",") in header[0]:
            raise UserError(f"{path}: one column named {header[0]!r}: the separator is not {_named(delimiter)} "
                            f"but {_named(other)}; set data.separator")
    problems += _shortened(path, [f": column {name!r} stands twice in the header"
                                  for name, count in Counter(header).items() if count > 1], "columns")
    ragged = [(line, len(row)) for line, row in zip(lines[1:], body, strict=True) if len(row) != len(header)]
    problems += _shortened(path, [f", line {line}: must have {len(header)} fields as the header has, got {count}"
                            for line, count in ragged])
    if not body:
        problems.append(f"{path}: has a header and no rows")
    if problems:
        raise UserError(*problems)
    return pd.DataFrame(body, columns=header, index=lines[1:], dtype=str)


def _decode(path: Path) -> str:
    try:
        raw = sources.read(path).removeprefix(codecs.BOM_UTF8)
        text = raw.decode("utf-8")
    except UnicodeDecodeError as error:
        line = raw.count(b"\n", 0, error.start) + 1
        raise UserError(f"{path}, line {line}: must be UTF-8, got byte 0x{raw[error.start]:02x}; "
                        f"if it is GBK, convert it: iconv -f GB18030 -t UTF-8") from None
    if "\0" in text:
        line = text.count("\n", 0, text.index("\0")) + 1
        raise UserError(f"{path}, line {line}: holds a NUL character; the file is damaged or not text (UTF-16?)")
    return text


def _parse(path: Path, text: str, delimiter: str, quoting: bool) -> tuple[list[list[str]], list[int]]:
    """The fields of every row, and the line on which it begins."""
    csv.field_size_limit(LONGEST_FIELD)
    reader = csv.reader(StringIO(text, newline=""), delimiter=delimiter, strict=True,
                        quoting=csv.QUOTE_MINIMAL if quoting else csv.QUOTE_NONE)
    rows, lines, begins = [], [], 1
    try:
        for row in reader:
            rows.append(row)
            lines.append(begins)
            begins = reader.line_num + 1
    except csv.Error as error:
        raise UserError(f"{path}, line {begins}: not valid CSV: {error}; a quote inside a quoted field is written "
                        f"twice (data.quoting = false reads quotes as text)") from None
    return rows, lines


def _standard(path: str, data: Data, extra: dict[str, str], problems: list[str]) -> pd.DataFrame:
    """The table under standard column names (id, text, ... and line); problems are added to the list."""
    names = {f"text{'_pair' * place}": column for place, column in enumerate(data.text_columns)} | extra
    if data.id_column:
        names = {"id": data.id_column} | names
    empty = pd.DataFrame({name: pd.Series(dtype=str) for name in ["id", *names, "line"]})
    try:
        raw = read_table(Path(path), data.separator, data.quoting)
    except UserError as error:
        problems += error.problems
        return empty
    present = list(raw.columns)
    missing = [column for column in names.values() if column not in present]
    if missing:
        problems += [f"{path}: no column {column!r}; it has {', '.join(map(repr, present))}" for column in missing]
        return empty
    table = pd.DataFrame({name: raw[column] for name, column in names.items()})
    table["line"] = raw.index
    table = table.reset_index(drop=True)
    if not data.id_column:
        table.insert(0, "id", [str(row) for row in range(len(table))])
    else:
        _check_ids(table, path, problems)
    if data.empty_text == "refuse":
        texts = table[text_columns(table)]
        blank = texts.apply(lambda column: column.str.strip() == "").all(axis=1)
        problems += _shortened(path, [f", line {line}: the text is empty (data.empty_text = 'keep' allows it)"
                                for line in table.line[blank]])
    return table


def _labelled(table: pd.DataFrame, path: str, data: Data, task: Task, trained_on: bool, problems: list[str]
              ) -> pd.DataFrame:
    """The table with its labels as the task has them, and their strata."""
    wrong = task.problems(table.label.tolist(), table.line.tolist(), f"{path}, column {data.label_column}", trained_on)
    if wrong and len(table):
        problems += wrong
        return table
    label = pd.Series(task.encode(table.label.tolist()), index=table.index)
    return table.assign(label=label, stratum=task.strata(label))


def _check_ids(table: pd.DataFrame, where: str, problems: list[str]) -> None:
    again = table[table.id.duplicated()]
    problems += _shortened(where, [f", line {row.line}: id {row.id!r} stands twice; ids must be unique"
                            for row in again.itertuples()])
    problems += _shortened(where, [f", line {line}: the id is empty" for line in table.line[table.id == ""]])
    problems += _shortened(where, [f", line {row.line}: an id cannot hold a carriage return, got {row.id!r}"
                            for row in table[table.id.str.contains("\r", regex=False)].itertuples()])


def _sample(data: Data, test: pd.DataFrame, task: Task, problems: list[str]) -> pd.DataFrame | None:
    path = Path(str(data.sample_submission))
    try:
        sample = read_table(path, data.separator, data.quoting)
    except UserError as error:
        problems += error.problems
        return None
    if sample.shape[1] != 2 and (not task.names or set(sample.columns[1:]) != set(task.names)):
        several = f", or id and a column for each of {', '.join(map(repr, task.names))}" if task.names else ""
        problems.append(f"{path}: must have two columns, id and prediction{several}; got "
                        f"{', '.join(map(repr, sample.columns))}")
        return None
    ids = sample.iloc[:, 0]
    problems += _shortened(path, [f": id {one!r} stands twice" for one in ids[ids.duplicated()]])
    if len(test):
        unknown, absent = set(ids) - set(test.id), set(test.id) - set(ids)
        if unknown:
            problems.append(f"{path}: {len(unknown)} ids are not in {data.test}, for example {min(unknown)!r}")
        if absent:
            problems.append(f"{path}: {len(absent)} ids of {data.test} are missing, for example {min(absent)!r}")
        if (unknown or absent) and not data.id_column:
            problems.append(f"{path}: without data.id_column a test id is its row number from 0")
    return sample


def _shortened(path: object, problems: list[str], kind: str = "rows") -> list[str]:
    """The first few problems of one kind, each behind the file it is about, and how many more there are."""
    told = [f"{path}{problem}" for problem in problems[:SHOWN]]
    return told + [f"{path}: {len(problems) - SHOWN} more {kind} like that"] * (len(problems) > SHOWN)


def _named(delimiter: str) -> str:
    return "a tab" if delimiter == "\t" else "a comma"
