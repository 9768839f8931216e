"""Out-of-fold and test predictions of a stage, gathered from its cells by id."""

import contextlib
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd

from pipeline import competition, storage
from pipeline.errors import MismatchError, UserError
from pipeline.run import Run
from pipeline.tasks import Task


@dataclass(frozen=True)
class StagePredictions:
    """What the finished cells of a stage predict.

    oof: id, fold, label, logit, prediction of the validated rows, in the order of train.csv.
    test: id, then logit_<k> and prediction_<k> of each finished fold, then their means logit and prediction.
    folds: the finished folds; missing: the others that were wanted.
    """

    stage: str
    oof: pd.DataFrame
    test: pd.DataFrame
    folds: list[int]
    missing: list[int]


def gather(run: Run, stage: str, wanted: list[int] | None = None) -> StagePredictions | None:
    """The predictions of a stage's finished cells among the wanted folds (None: all), or None without any.

    Raises MismatchError where a cell does not hold exactly the rows of its fold and of the test set.
    """
    wanted = run.folds if wanted is None else wanted
    done = [fold for fold in run.done(stage) if fold in wanted]
    if not done:
        return None
    task, train, test_ids = run.competition.task, run.competition.train, run.competition.test.id
    parts = []
    table: dict[str, pd.Series] = {"id": test_ids}
    for fold in done:
        folder = run.paths.cell(stage, fold)
        test = _read(folder / "test.csv", test_ids, task.test_columns, task)
        parts.append(_read(folder / "oof.csv", train.id[run.fold_of_row == fold], task.oof_columns, task))
        table |= {_of_fold(column, fold): test[column] for column in task.test_columns[1:]}
    position = pd.Series(np.arange(len(train)), index=train.id.to_numpy())
    joined = pd.concat(parts, ignore_index=True)
    joined = joined.iloc[np.argsort(position[joined.id].to_numpy(), kind="stable")].reset_index(drop=True)
    frame = pd.DataFrame(table)
    for column in task.test_columns[1:]:
        of_folds = frame[[_of_fold(column, fold) for fold in done]]
        frame[column] = of_folds.astype(np.float64).mean(axis=1).astype(np.float32)
    return StagePredictions(stage, joined, frame, done, [fold for fold in wanted if fold not in done])


def _of_fold(column: str, fold: int) -> str:
    """A column of a cell's test table as the stage's test table has it: logit -> logit_0, logit:a -> logit_0:a."""
    kind, colon, name = column.partition(":")
    return f"{kind}_{fold}{colon}{name}"


def _read(path: Path, ids: pd.Series, columns: list[str], task: Task) -> pd.DataFrame:
    """A cell's table of predictions. Raises MismatchError where it is not that of these rows."""
    table = pd.DataFrame()
    with contextlib.suppress(UserError, ValueError, OverflowError):
        if list(competition.read_table(path)) == columns:
            table = storage.read_csv(path, task.label_dtype)
    numbers = [column for column in columns if column.startswith(("logit", "prediction"))]
    if table.empty or table.id.tolist() != ids.tolist() or not np.isfinite(table[numbers].to_numpy()).all():
        raise MismatchError(f"{path}: must hold {','.join(columns)} of each row of the fold once, in order, with a "
                            f"finite logit; make it again: --redo {path.parent.parent.name}")
    return table


def handed_on(run: Run, stage2: StagePredictions) -> pd.DataFrame:
    """What stage 2 started from, like an OOF table: the validation predictions of the weights that were handed on."""
    cells = [storage.read_csv(run.paths.cell("stage1", fold) / "handed_on.csv") for fold in stage2.folds]
    return stage2.oof[["id", "fold", "label"]].merge(pd.concat(cells), on="id", validate="one_to_one")


def write(run: Run, found: StagePredictions) -> list[str]:
    """Writes oof/<run>/<stage>.csv and <stage>_test.csv where every fold is done; returns the paths written."""
    if found.missing:
        return []
    paths = [run.paths.oof / f"{found.stage}.csv", run.paths.oof / f"{found.stage}_test.csv"]
    storage.write(paths[0], found.oof)
    storage.write(paths[1], found.test)
    return [str(path) for path in paths]
