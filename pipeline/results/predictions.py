"""Out-of-fold and test predictions of a stage, gathered from its cells by id."""

import contextlib
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd

from pipeline.errors import MismatchError, UserError
from pipeline.files import formats
from pipeline.runs import artefacts
from pipeline.runs.run import Run
from pipeline.stage_table import PREDICTING, STAGE1, Stage
from pipeline.tasks import Task


@dataclass(frozen=True)
class StagePredictions:
    """What the finished cells of a stage predict.

    oof: id, fold, label, logit, prediction of the validated rows, in the order of train.csv.
    test: id, then logit_<k> and prediction_<k> of each finished fold, then their means logit and prediction.
    folds: the finished folds; missing: the others that were wanted.
    """

    stage: Stage
    oof: pd.DataFrame
    test: pd.DataFrame
    folds: list[int]
    missing: list[int]


def gather(run: Run, stage: Stage, wanted: list[int] | None = None) -> StagePredictions | None:
    """The predictions of a stage's finished cells among the wanted folds (None: all), or None without any.

    Raises MismatchError where a cell does not hold exactly the rows of its fold and of the test set.
    """
    wanted = run.folds if wanted is None else wanted
    cells = [cell for cell in run.finished(stage) if cell.fold in wanted]
    if not cells:
        return None
    done = [cell.fold for cell in cells]
    task, train, test = run.competition.task, run.competition.train, run.competition.test
    predicted = [column for column in task.test_columns if column not in task.key_columns]
    parts = []
    table: dict[str, pd.Series] = {str(name): column for name, column in task.key_rows(test).items()}
    for cell in cells:
        folder = run.paths.cell(cell)
        cell_test = _read(folder / artefacts.TEST, test, task.test_columns, task)
        parts.append(_read(folder / artefacts.OOF, train[run.fold_of_row == cell.fold], task.oof_columns, task))
        table |= {_of_fold(column, cell.fold): cell_test[column] for column in predicted}
    position = pd.Series(np.arange(len(train)), index=train.id.to_numpy())
    joined = pd.concat(parts, ignore_index=True)
    joined = joined.iloc[np.argsort(position[joined.id].to_numpy(), kind="stable")].reset_index(drop=True)
    of_folds = pd.DataFrame(table)
    means = {column: of_folds[[_of_fold(column, fold) for fold in done]].astype(np.float64).mean(axis=1)
             for column in predicted}
    mean = pd.DataFrame(means, dtype=np.float32)
    return StagePredictions(stage, joined, pd.concat([of_folds, mean], axis=1), done,
                            [fold for fold in wanted if fold not in done])


def of_all_stages(run: Run, folds: list[int] | None = None) -> dict[str, StagePredictions]:
    """The predictions of every stage, by its name, that has a finished cell among the folds (None: all).

    Raises UserError where no stage has one.
    """
    parts = {name: part for name, stage in PREDICTING.items() if (part := gather(run, stage, folds)) is not None}
    if not parts:
        raise UserError(f"run {run.config.name!r} has no finished cell; run a stage first: baseline, stage1")
    return parts


def _of_fold(column: str, fold: int) -> str:
    """A column of a cell's test table as the stage's test table has it: logit -> logit_0, logit:a -> logit_0:a."""
    kind, colon, name = column.partition(":")
    return f"{kind}_{fold}{colon}{name}"


def _read(path: Path, rows: pd.DataFrame, columns: list[str], task: Task) -> pd.DataFrame:
    """A cell's table of predictions. Raises MismatchError where it is not that of these rows."""
    table = pd.DataFrame()
    with contextlib.suppress(ValueError, OverflowError):
        if formats.read_header(path) == columns:
            table = formats.read_csv(path, task.label_dtype)
    numbers = [column for column in columns if column.startswith(("logit", "prediction"))]
    same = list(table) == columns and table[task.key_columns].values.tolist() == task.key_rows(rows).values.tolist()
    if not same or not np.isfinite(table[numbers].to_numpy()).all():
        raise MismatchError(f"{path}: must hold {','.join(columns)} of each row of the fold once, in order, with a "
                            f"finite logit; make it again: --redo {path.parent.parent.name}")
    return table


def handed_on(run: Run, stage2: StagePredictions) -> pd.DataFrame:
    """What stage 2 started from, like an OOF table: the validation predictions of the weights that were handed on."""
    tables = [formats.read_csv(run.paths.cell(cell) / artefacts.HANDED_ON)
              for cell in run.cells(STAGE1, stage2.folds)]
    task = run.competition.task
    predicted = set(task.test_columns) - set(task.key_columns)
    known = stage2.oof[[column for column in task.oof_columns if column not in predicted]]
    return known.merge(pd.concat(tables), on=task.key_columns, validate="one_to_one")


def write(run: Run, part: StagePredictions) -> list[str]:
    """Writes oof/<run>/<stage>.csv and <stage>_test.csv where every fold is done; returns the paths written."""
    if part.missing:
        return []
    tables = {str(part.stage): part.oof, f"{part.stage}_test": part.test}
    tables |= {f"{part.stage}_{name}": table for name, table in run.competition.task.tables(part.oof).items()}
    paths = {run.paths.oof / f"{name}.csv": table for name, table in tables.items()}
    for path, table in paths.items():
        formats.write(path, table)
    return list(map(str, paths))
