"""Other people's predictions as a member: a table of out-of-fold predictions and one of test rows, or one of both."""

from pathlib import Path

import numpy as np
import pandas as pd

from pipeline.blending.member import Member, Model, Rows, rows_index
from pipeline.competition.readers import delimited
from pipeline.config.run import RUN_NAME
from pipeline.errors import UserError
from pipeline.files import hashing, inputs, sealed
from pipeline.tasks import Task, links, probability_columns
from pipeline.tasks.links import Doubles

TOLERANCE = 1e-2  # how far the probabilities of a row of classes may be from a sum of 1


def is_table(text: str) -> bool:
    """Whether a member is named by files, "[NAME=]OOF.csv[,TEST.csv]", and not as a run."""
    return "=" in text or "," in text or text.endswith((".csv", ".tsv", ".csv.gz"))


def name_of(text: str) -> str:
    """What the member is called: its given name, or its first file's. Raises UserError."""
    return files(text)[0]


def fingerprint(text: str) -> str:
    """What names the numbers: hashes of the files. Raises UserError."""
    return sealed.digest([hashing.sha256(path) for path in files(text)[1]])


def files(text: str) -> tuple[str, list[Path]]:
    name, equals, rest = text.partition("=")
    paths = [Path(part) for part in (rest if equals else name).split(",")]
    if len(paths) > 2 or (equals and not RUN_NAME.fullmatch(name)):
        raise UserError(f"{text}: must be [NAME=]OOF.csv[,TEST.csv]")
    inputs.check(*paths)
    return name if equals else paths[0].name.partition(".")[0], paths


def read(rows: Rows, text: str) -> Member:
    """Another model's predictions: of the validated rows and of the test rows, in two files, or in one that has the ids
    of both."""
    name, paths = files(text)
    tables = [delimited.read_table(path) for path in paths]
    task, problems, remarks = rows.task, list[str](), list[str]()
    both = len(paths) == 1 and len(rows.test_keys) > 0
    if both and not set(rows.keys.id).isdisjoint(rows.test_keys.id):
        raise UserError(f"{paths[0]}: training and test rows share ids; give two files: {name}=OOF.csv,TEST.csv")
    taken = []
    for keys, table, path in zip((rows.keys, rows.test_keys), tables * (1 + both), paths * (1 + both), strict=False):
        taken.append(_values(task, keys, table, path, both, problems))
    if problems:
        raise UserError(*problems)
    if both:
        unknown = ~tables[0].iloc[:, 0].isin([*rows.keys.id, *rows.test_keys.id])
        if unknown.any():
            raise UserError(f"{paths[0]}: {int(unknown.sum())} ids are neither training nor test rows, for example "
                            f"{tables[0].iloc[:, 0][unknown].iloc[0]!r}")
    if "fold" in tables[0]:
        own = tables[0].set_index(tables[0].columns[0]).fold.reindex(rows.keys.id)
        if (own.to_numpy() != rows.keys.fold.astype(str).to_numpy()).any():
            remarks.append(f"{name}: its column fold has other folds than this run's")
    else:
        remarks.append(f"{name}: names no folds: that it was not trained on the rows that it predicts is taken on "
                       f"trust")
    oof = taken[0]
    test = taken[1] if len(taken) > 1 else np.zeros([0, oof.shape[1]])
    if len(rows.test_keys) and len(taken) < 2:
        raise UserError(f"{paths[0]}: predicts no test rows; give a second file: {name}={paths[0]},TEST.csv")
    model = Model(np.arange(len(oof)), links.logits_by(task, oof), links.logits_by(task, test))
    return Member(name, (model,), fingerprint(text), tuple(remarks))


def _values(task: Task, keys: pd.DataFrame, table: pd.DataFrame, path: Path, some: bool, problems: list[str]
            ) -> Doubles:
    """float64 [keys, outputs]: a foreign table's predictions of the rows with these keys. some: whether the table may
    have further rows. Adds to the problems."""
    wanted = probability_columns(task)
    named = [next((name for name in (column, column.partition(":")[2]) if name and name in table), None)
             for column in wanted]
    others = [column for column in table.columns[1:] if column not in ("fold", "label", "word", "text")]
    if len(wanted) == 1 and named[0] is None and len(others) == 1:
        named = [others[0]]
    empty = np.zeros([len(keys), len(wanted)])
    if lacking := [column for column, name in zip(wanted, named, strict=True) if name is None]:
        problems.append(f"{path}: has no column {lacking[0]!r} or {lacking[0].partition(':')[2]!r}; it must have an id "
                        f"first and a column of probabilities for each of {', '.join(wanted)}")
        return empty
    table = table.rename(columns={table.columns[0]: "id"})
    if "word" in task.key_columns:
        if "word" not in table:
            problems.append(f"{path}: has no column 'word', the word's number in its text from 0")
            return empty
        table["word"] = pd.to_numeric(table.word, errors="coerce").fillna(-1).astype(np.int64)
    index, asked = rows_index(task, table), rows_index(task, keys)
    if index.has_duplicates:
        problems.append(f"{path}: id {table.id[index.duplicated()].iloc[0]!r} stands twice")
        return empty
    place = index.get_indexer(asked)
    missing = place < 0
    if missing.any():
        problems.append(f"{path}: {int(missing.sum())} rows are missing, for example id {keys.id[missing].iloc[0]!r}")
    further = np.ones(len(table), bool)
    further[place[~missing]] = False
    if not some and further.any():
        problems.append(f"{path}: {int(further.sum())} ids are none of the rows that it should predict, for example "
                        f"{table.id[further].iloc[0]!r}")
    if missing.any():
        return empty
    values = table[named].apply(pd.to_numeric, errors="coerce").to_numpy(np.float64)[place]
    if not np.isfinite(values).all():
        row = int(np.flatnonzero(~np.isfinite(values).all(axis=1))[0])
        problems.append(f"{path}: the prediction of id {keys.id.iloc[row]!r} is not a number")
        return empty
    return _within(task, keys, values, path, problems)


def _within(task: Task, keys: pd.DataFrame, values: Doubles, path: Path, problems: list[str]) -> Doubles:
    """The values, each class's row scaled to a sum of 1. Adds a problem where one is no probability."""
    at = 0
    for outputs, link in zip(task.outputs, task.links, strict=True):
        own = values[:, at:at + outputs]
        if link.function != "identity" and ((own < link.low) | (own > link.high)).any():
            row = int(np.flatnonzero(((own < link.low) | (own > link.high)).any(axis=1))[0])
            problems.append(f"{path}: predictions must lie between {link.low:g} and {link.high:g}, got "
                            f"{own[row].tolist()} for id {keys.id.iloc[row]!r}; ranks or logits are none")
        elif link.function == "softmax":
            total = own.sum(axis=1, keepdims=True)
            if (np.abs(total - 1) > TOLERANCE).any():
                row = int(np.argmax(np.abs(total - 1)))
                problems.append(f"{path}: the classes' probabilities must add up to 1, got {float(total[row, 0]):.4g} "
                                f"for id {keys.id.iloc[row]!r}")
            else:
                values[:, at:at + outputs] = own / total
        at += outputs
    return values
