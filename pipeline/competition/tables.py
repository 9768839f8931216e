"""The competition's tables, read strictly: text is text, ids are exact, and every problem of a file is told at once."""

import hashlib
import itertools
import json
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

import pandas as pd

from pipeline import tasks
from pipeline.competition.readers import by_format
from pipeline.competition.readers.delimited import read_table
from pipeline.config.data import Data, Folds
from pipeline.config.results import Submit
from pipeline.config.run import Config
from pipeline.errors import UserError
from pipeline.files import inputs
from pipeline.files.inputs import shortened
from pipeline.tasks import Task
from pipeline.tasks.multioutput import JOINT
from pipeline.text import columns

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
    train = _standard(data.train, config, True, problems, remarks).assign(dev=False)
    task = tasks.from_config(config, train.label.tolist())
    train = _labelled(train, data.train, data, task, True, problems)
    if config.folds.dev:
        dev = _standard(config.folds.dev, config, True, problems, remarks).assign(dev=True)
        dev = _labelled(dev, config.folds.dev, data, task, False, problems)
        own_ids = data.id_column and _is_table(data.train, data) and _is_table(config.folds.dev, data)
        again = int(dev.id.isin(train.id).sum())  # as where both files are numbered from 0
        if again and own_ids:
            remarks.append(f"{config.folds.dev}: {again:,} ids stand in {data.train} too, so the predictions' ids "
                           f"begin with train- and dev-")
        if again or not own_ids:
            train["id"], dev["id"] = "train-" + train.id, "dev-" + dev.id
        train = pd.concat([train, dev], ignore_index=True)
    test = (_standard(data.test, config, False, problems, remarks) if data.test else
            pd.DataFrame(columns=["id", *columns.text_columns(train)], dtype=str))
    sample = _sample(config, test, task, problems) if data.sample_submission else None
    if problems:
        raise UserError(*problems)
    return Competition(train, test, sample, task, tuple(remarks))


def read_labelled(path: Path, config: Config, task: Task) -> tuple[pd.DataFrame, list[str]]:
    """A table like train of rows that a finished run is tried on: id, text (, text_pair), label; and what a person
    should look at, a line each. Raises UserError."""
    plain, problems, remarks = config.model_copy(update={"folds": Folds()}), list[str](), list[str]()
    rows = _standard(str(path), plain, True, problems, remarks)
    rows = _labelled(rows, str(path), config.competition, task, False, problems)
    if problems:
        raise UserError(*problems)
    return rows, remarks


def read_texts(path: Path, config: Config) -> tuple[pd.DataFrame, list[str]]:
    """A file of texts to predict, read as the run's own files are: id, text (, text_pair); and what a person should
    look at, a line each. A table without the run's id column has row numbers from 0 for ids. Raises UserError."""
    data, problems, remarks = config.competition, list[str](), list[str]()
    if data.id_column and _is_table(str(path), data):
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
        extra = {"label": data.label_column, "group": config.folds.group_column, "fold": config.folds.column}
        names |= {key: column for key, column in extra.items() if column}
    empty = pd.DataFrame({name: pd.Series(dtype=str) for name in ["id", *names, "place"]})
    several = data.label_columns or [] if labelled else []
    if several:
        del names["label"]
    if not _is_table(path, data):
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
    missing = [column for column in [*names.values(), *several] if column not in present]
    if missing:
        doubt = "; is data.separator what stands between its fields?" if len(present) == 1 else ""
        there = ", ".join(map(repr, present))
        problems += [f"{path}: no column {column!r}; it has {there}{doubt}" for column in missing]
        return empty
    table = pd.DataFrame({name: raw[column] for name, column in names.items()})
    if several:
        table["label"] = _joined(raw[several], path, config, problems)
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


def _is_table(path: str, data: Data) -> bool:
    return by_format.format_of(Path(path), data) == "table"


def _beyond(names: dict[str, str], label_columns: list[str]) -> list[str]:
    """One problem for each column that the configuration names and that this format, which is no table, cannot have."""
    keys = {"group": "folds.group_column", "fold": "folds.column", "text_pair": "data.text_columns"}
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


def _labelled(table: pd.DataFrame, path: str, data: Data, task: Task, trained_on: bool, problems: list[str]
              ) -> pd.DataFrame:
    """The table with its labels as the task has them, and their strata."""
    if table.empty:
        return table
    one_column = _is_table(path, data) and not data.label_columns
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


def _sample(config: Config, test: pd.DataFrame, task: Task, problems: list[str]) -> pd.DataFrame | None:
    """The sample submission; what the run's own submission could not answer is added to the problems, before hours are
    spent on it."""
    data, path = config.competition, Path(str(config.competition.sample_submission))
    try:
        sample = read_table(path, data.separator, data.quoting)
    except UserError as error:
        problems += error.problems
        return None
    if sample.shape[1] < 2:
        problems.append(f"{path}: must have a column of ids and one of predictions or more; got "
                        f"{', '.join(map(repr, sample.columns))}")
        return None
    if unlike := sample_problems(list(map(str, sample.columns)), config.submit, task, str(path)):
        problems += unlike
        return None
    ids = sample.iloc[:, 0]
    problems += shortened(path, [f": id {name!r} stands twice" for name in ids[ids.duplicated()]])
    if len(test):
        unknown, absent = set(ids) - set(test.id), set(test.id) - set(ids)
        if unknown:
            problems.append(f"{path}: {len(unknown)} ids are not in {data.test}, for example {min(unknown)!r}")
        if absent:
            problems.append(f"{path}: {len(absent)} ids of {data.test} are missing, for example {min(absent)!r}")
        if (unknown or absent) and not data.id_column and _is_table(str(data.test), data):
            problems.append(f"{path}: without data.id_column a test id is its row number from 0")
    return sample


def sample_problems(columns: list[str], submit: Submit, task: Task, path: str) -> list[str]:
    """What a sample submission of these columns, the first of them ids, asks that the run will not give."""
    given, wanted = task.submission_columns(submit.metric), columns[1:]
    if len(given) == 1 and len(wanted) == 1:
        return []
    if len(given) == 1:
        return [f"{path}: has {len(wanted)} columns of predictions, submit.metric = {submit.metric!r} gives one; "
                f"probabilities of each: submit.metric = 'auc'"] if task.output_names else [
                f"{path}: must have two columns, id and prediction; got {', '.join(map(repr, columns))}"]
    if len(wanted) == 1:
        return [f"{path}: has one column of predictions, {wanted[0]!r}, submit.metric = {submit.metric!r} gives "
                f"{len(given)}" + ("; labels: submit.metric = 'accuracy'" if submit.metric == "auc" else
                                   f", one for each of {', '.join(map(repr, given[:20]))}")]
    known = submit.columns or {}
    wrong = [f"submit.columns: {path} has no column {column!r}" for column in known if column not in wanted]
    wrong += [f"submit.columns: there is no label {name!r}, which {column!r} is said to be of; the labels are "
              f"{', '.join(map(repr, given[:20]))}" for column, name in known.items() if name not in given]
    wrong += [f"submit.columns: label {name!r} stands under {count} columns of {path}" for name, count in
              Counter(known.get(column, column) for column in wanted).items() if count > 1]
    if wrong:
        return wrong
    unknown = [column for column in wanted if known.get(column, column) not in given]
    if not unknown:
        return []
    free = [name for name in given if name not in wanted]
    likely = {column: [name for name in free if column.casefold().endswith(name.casefold())] for column in unknown}
    whose = {column: max(names, key=len) for column, names in likely.items() if names}
    if len(set(whose.values())) < len(unknown):
        whose = dict(zip(unknown, free, strict=False)) if len(unknown) == len(free) else {}
    table = ", ".join(f"{json.dumps(column)} = {json.dumps(name)}" for column, name in whose.items())
    return [f"{path}: there is no label for column {unknown[0]!r}; the labels are {', '.join(map(repr, given[:20]))}"
            + (f"; say which column is whose, for example submit.columns = {{ {table} }}" if whose else
               "; submit.columns says which column is whose")]
