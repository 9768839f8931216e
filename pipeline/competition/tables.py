"""The competition's tables, read strictly: text is text, ids are exact, and every problem of a file is told at once."""

import hashlib
import itertools
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

import pandas as pd

from pipeline import tasks
from pipeline.competition import corrections, row_columns, sample_submission
from pipeline.competition.readers import by_format, headers
from pipeline.config.data import Folds
from pipeline.config.run import Config
from pipeline.errors import UserError
from pipeline.files import inputs
from pipeline.files.inputs import shortened
from pipeline.tasks import Task
from pipeline.tasks.label_names import JOINT
from pipeline.text import columns

FIRST_ROWS = 200  # that a missing header is told from
ZERO_OR_ONE = {"0.0": "0", "1.0": "1", "False": "0", "True": "1", "false": "0", "true": "1"}


@dataclass(frozen=True)
class Competition:
    """The tables after validation.

    train: id, text, label as the task has it, stratum (int64, what stratified folds balance), and text_pair, group,
        fold where the config names such columns; rows of a dev file follow those of train, told apart by the boolean
        column dev.
    test: id, text (, text_pair); no rows where the config names no test data.
    sample: the sample submission as it stands, all text, or None.
    remarks: what a person should look at, a line each.
    """

    train: pd.DataFrame
    test: pd.DataFrame
    sample: pd.DataFrame | None
    task: Task
    remarks: tuple[str, ...] = ()


def read(config: Config) -> Competition:
    """Reads and validates train, test, sample submission and dev file. Raises UserError with all their problems."""
    data = config.competition
    _check_label_columns(config)
    problems, remarks = list[str](), list[str]()
    train = _standard(data.train, config, True, problems, remarks)
    if not problems:
        train = corrections.apply(train, config, problems, remarks)
    train = train.assign(dev=False)
    task = tasks.from_config(config, train.label.tolist())
    train = row_columns.numbers(_labelled(train, data.train, config, task, True, problems), data.train, config, task,
                                problems)
    without_folds = config.model_copy(update={"folds": config.folds.model_copy(update={"column": None})})
    for number, path in enumerate(data.extra):
        extra = _standard(path, without_folds, True, problems, remarks).assign(dev=False, extra=True)
        extra = row_columns.numbers(_labelled(extra, path, config, task, False, problems), path, config, task, problems)
        extra["id"] = f"extra{f'-{number}' if len(data.extra) > 1 else ''}-" + extra.id
        train = pd.concat([train if row_columns.EXTRA in train else train.assign(extra=False), extra],
                          ignore_index=True)
        if (twice := train.id[train.id.duplicated()]).size:
            problems.append(f"{path}: {len(twice):,} ids, with 'extra-' before them, stand in another table too, for "
                            f"example {twice.iloc[0]!r}")
    if config.folds.dev:
        dev = _standard(config.folds.dev, row_columns.without(config), True, problems, remarks).assign(dev=True)
        dev = _labelled(dev, config.folds.dev, config, task, False, problems)
        own_ids = all(_has_ids(path, config) for path in (data.train, config.folds.dev))
        again = int(dev.id.isin(train.id).sum())  # as where both files are numbered from 0
        if again and own_ids:
            remarks.append(f"{config.folds.dev}: {again:,} ids stand in {data.train} too, so the predictions' ids "
                           f"begin with train- and dev-")
        if again or not own_ids:
            train["id"], dev["id"] = "train-" + train.id, "dev-" + dev.id
        train = pd.concat([train, row_columns.filled(dev, row_columns.present(train))], ignore_index=True)
    test = (_standard(data.test, config, False, problems, remarks) if data.test else
            pd.DataFrame(columns=["id", *columns.text_columns(train)], dtype=str))
    if not problems:
        problems += _sources(train, config)
        row_columns.copies(train, test, config.folds, problems, remarks)
    problems += sample_submission.form_problems(config, task)
    sample = sample_submission.read(config, test, task, problems, remarks) if data.sample_submission else None
    if problems:
        raise UserError(*problems)
    return Competition(train, test, sample, task, tuple(remarks))


def read_labelled(path: Path, config: Config, task: Task) -> tuple[pd.DataFrame, list[str]]:
    """A table like train of rows that a finished run is tried on: id, text (, text_pair), label; and what a person
    should look at, a line each. Raises UserError."""
    plain = row_columns.without(config).model_copy(update={"folds": Folds()})
    problems, remarks = list[str](), list[str]()
    rows = _standard(str(path), plain, True, problems, remarks)
    rows = _labelled(rows, str(path), config, task, False, problems)
    if problems:
        raise UserError(*problems)
    return rows, remarks


def read_texts(path: Path, config: Config) -> tuple[pd.DataFrame, list[str]]:
    """A file of texts to predict, read as the run's own files are: id, text (, text_pair); and what a person should
    look at, a line each. A table without the run's id column has row numbers from 0 for ids. Raises UserError."""
    data, problems, remarks = config.competition, list[str](), list[str]()
    if data.id_column and by_format.is_table(str(path), config):
        inputs.check(path)
        if data.id_column not in by_format.columns(path, config):
            config = config.model_copy(update={"data": data.model_copy(update={"id_column": None})})
    table = _standard(str(path), config.model_copy(update={"folds": Folds()}), False, problems, remarks)
    if problems:
        raise UserError(*problems)
    return table.drop(columns="place"), remarks


def row_hash(table: pd.DataFrame, columns: Iterable[str]) -> str:
    """SHA-256 of the named columns, row by row; each field goes in with its length, so none runs into the next."""
    digest = hashlib.sha256()
    for row in table[list(columns)].itertuples(index=False):
        for value in row:
            field = str(value).encode()
            digest.update(b"%d:" % len(field) + field)
    return digest.hexdigest()


def _standard(path: str, config: Config, labelled: bool, problems: list[str], remarks: list[str] | None = None
              ) -> pd.DataFrame:
    """The table under standard column names (id, text, ... and place); problems and remarks are added to the lists."""
    data = config.competition
    names = {f"text{'_pair' * place}": column for place, column in enumerate(data.text_columns)}
    if data.id_column:
        names = {"id": data.id_column} | names
    if labelled:
        others = {"label": data.label_column, "group": config.folds.group_column, "fold": config.folds.column}
        names |= {key: column for key, column in others.items() if column} | row_columns.names(data)
    empty = pd.DataFrame({name: pd.Series(dtype=str) for name in ["id", *names, "place"]})
    several = data.label_columns or [] if labelled else []
    if several:
        del names["label"]
    if not by_format.is_table(path, config):
        if told := _beyond(names, several):
            problems += [f"{path}: {problem}; such a file has id, text and label alone" for problem in told]
            return empty
        names = {name: name for name in ("id", *names)}
    try:
        raw = by_format.read(Path(path), config, labelled, remarks)
    except UserError as error:
        problems += error.problems
        return empty
    present = list(raw.columns)
    if (labelled and "id" in names and names["id"] not in present and data.test and _has_ids(data.test, config)
            and set(present) >= {*names.values(), *several} - {names["id"]}):
        del names["id"]  # as CLUE has it: only what is to be predicted has ids
        if remarks is not None:
            remarks.append(f"{path}: has no column {data.id_column!r}, as {data.test} has; its rows are counted from 0")
    missing = [column for column in [*names.values(), *several] if column not in present]
    if missing:
        doubt = "; is data.separator what stands between its fields?" if len(present) == 1 else ""
        if not data.header and headers.is_missing([present, *raw.iloc[:FIRST_ROWS].to_numpy().tolist()]):
            doubt = "; the first line seems to be a row: data.header gives the columns names"
        there = ", ".join(map(repr, present))
        problems += [f"{path}: no column {column!r}; it has {there}{doubt}" for column in missing]
        return empty
    table = pd.DataFrame({name: raw[column] for name, column in names.items()})
    if several:
        table["label"] = _joined(raw[several], path, config, problems)
    if labelled and data.label_names and "label" in table:
        unnamed = raw.index[~table.label.isin(list(data.label_names)).to_numpy()]
        problems += shortened(path, [f", {place}: label {raw.loc[place, data.label_column]!r} has no name in "
                                     f"data.label_names" for place in unnamed])
        table["label"] = table.label.replace(data.label_names)
    table["place"] = raw.index
    table = table.reset_index(drop=True)
    if "id" in names:
        _check_ids(table, path, problems)
    else:
        table.insert(0, "id", [str(row) for row in range(len(table))])
    if data.empty_text == "refuse":
        texts = table[columns.text_columns(table)]
        blank = texts.apply(lambda column: column.str.strip() == "").all(axis=1)
        problems += shortened(path, [f", {place}: the text is empty (data.empty_text = 'keep' allows it)"
                                     for place in table.place[blank]])
    return table


def _sources(train: pd.DataFrame, config: Config) -> list[str]:
    """One problem for each source that a key names and no row has."""
    if not config.competition.source_column:
        return []
    own = train[row_columns.SOURCE][~train.extra.to_numpy(bool)] if row_columns.EXTRA in train else (
        train[row_columns.SOURCE])  # no row of a further file is validated
    named = {"folds.validate_on": (config.folds.validate_on, own),
             "stage1.train_on": (config.stage1.train_on, train[row_columns.SOURCE]),
             "stage2.train_on": (config.stage2.train_on, train[row_columns.SOURCE])}
    problems = []
    for key, (sources, of_rows) in named.items():
        known = sorted(set(of_rows))
        problems += [f"{key}: no row has source {source!r} in column {config.competition.source_column}; there is "
                     f"{', '.join(map(repr, known[:10]))}{', …' * (len(known) > 10)}"
                     for source in sources or [] if source not in known]
    return problems


def _has_ids(path: str, config: Config) -> bool:
    """Whether a file is a table with the column of ids."""
    column = config.competition.id_column
    if not column or not by_format.is_table(path, config) or inputs.problems(Path(path)):
        return False
    try:
        return column in by_format.columns(Path(path), config)
    except UserError:
        return False


def _beyond(names: dict[str, str], label_columns: list[str]) -> list[str]:
    """One problem for each column that the configuration names and that this format, which is no table, cannot have."""
    keys = {"group": "folds.group_column", "fold": "folds.column", "text_pair": "data.text_columns",
            row_columns.WEIGHT: "data.weight_column", row_columns.SOURCE: "data.source_column",
            f"{row_columns.SOFT}0": "data.soft_label_columns"}
    told = [f"no column {names[name]!r}, which {key} names" for name, key in keys.items() if name in names]
    return told + [f"no column {column!r}, which data.label_columns names" for column in label_columns]


def _joined(columns: pd.DataFrame, path: str, config: Config, problems: list[str]) -> list[str]:
    """The labels of several columns joined to one for each row, as the kind reads it; adds to the list of problems."""
    data, wrong, taken = config.competition, list[str](), columns.copy()
    for name, column in columns.items():
        if config.kind.label_columns == "names":
            column = column.replace(ZERO_OR_ONE)
            taken[name], bad, rule = column, ~column.isin(["0", "1"]), "must be 0 or 1"
        else:
            bad, rule = column.str.contains(JOINT, regex=False), r"cannot hold the character \x1f"
        wrong += [f", column {name}, {place}: {rule}, got {value!r}" for place, value in column[bad].items()]
        taken[name] = column.mask(bad, "1")  # its line is enough: nothing else is missed for it
    problems += shortened(path, wrong)
    rows = taken.itertuples(index=False, name=None)
    if config.kind.label_columns == "names":
        return [data.label_separator.join(itertools.compress(columns.columns, [value == "1" for value in row]))
                for row in rows]
    return [JOINT.join(row) for row in rows]


def _labelled(table: pd.DataFrame, path: str, config: Config, task: Task, trained_on: bool, problems: list[str]
              ) -> pd.DataFrame:
    """The table with its labels as the task has them, and their strata."""
    if table.empty:
        return table
    data = config.competition
    one_column = by_format.is_table(path, config) and not data.label_columns
    where = f"{path}, column {data.label_column}" if one_column else path
    wrong = task.problems(table, where, trained_on)
    if wrong:
        problems += wrong
        return table
    label = pd.Series(task.encode(table.label.tolist()), index=table.index)
    return table.assign(label=label, stratum=task.strata(label))


def _check_label_columns(config: Config) -> None:
    """Raises UserError for a label whose name could not be told from the names of two, or of none."""
    data = config.competition
    wrong = [name for name in data.label_columns or [] if not name or data.label_separator in name]
    if wrong and config.kind.label_columns == "names":
        raise UserError(f"data.label_columns: a label's name must not be empty nor hold data.label_separator, "
                        f"{data.label_separator!r}; got {wrong[0]!r}")


def _check_ids(table: pd.DataFrame, where: str, problems: list[str]) -> None:
    again = table[table.id.duplicated()]
    problems += shortened(where, [f", {row.place}: id {row.id!r} stands twice; ids must be unique"
                                  for row in again.itertuples()])
    problems += shortened(where, [f", {place}: the id is empty" for place in table.place[table.id == ""]])
    problems += shortened(where, [f", {row.place}: an id cannot hold a carriage return, got {row.id!r}"
                                  for row in table[table.id.str.contains("\r", regex=False)].itertuples()])
    marked = table[table.id.str.contains("\ufeff", regex=False)]
    problems += shortened(where, [f", {row.place}: an id holds a byte order mark, got {row.id!r}; are these "
                                  f"files put together?" for row in marked.itertuples()])
