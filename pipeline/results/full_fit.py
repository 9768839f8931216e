"""The full fit: one more model a seed, trained on all rows, whose share of the submission submit.full_fit says.

No row is left that it could be scored on: what it changes is not measured, and the submission's out-of-fold score is
that of the folds' models alone.
"""

import dataclasses

import numpy as np
import pandas as pd

from pipeline import tasks
from pipeline.files import formats
from pipeline.results.predictions import StagePredictions, read
from pipeline.runs import artefacts, cells
from pipeline.runs.run import Run
from pipeline.stage_table import ALL_ROWS, STAGES

FULL_FIT = "full_fit"  # what its files are called


def predicted(run: Run) -> pd.DataFrame | None:
    """What the full fit of the submitted stage predicts of the test rows, as the task's test table, the mean of its
    seeds; None where it is not finished.

    Raises MismatchError where it was made from other data or settings, or does not hold exactly the test rows.
    """
    stage, task = STAGES[run.config.submit.stage], run.competition.task
    wanted = run.cells(stage, [ALL_ROWS])
    done, _ = cells.finished(run.paths, wanted, run.identity)
    if not done or len(done) < len(wanted):
        return None
    tables = [read(run.paths.cell(cell) / artefacts.TEST, run.competition.test, task.test_columns, task)
              for cell in done]
    return tasks.mean_of(task, tables) if len(tables) > 1 else tables[0]


def joined(run: Run, part: StagePredictions, full: pd.DataFrame, share: float) -> StagePredictions:
    """The stage's predictions with test rows of which the full fit predicts this share, the folds' mean the rest."""
    task = run.competition.task
    columns = [column for column in task.test_columns if column not in task.key_columns]
    mean = tasks.mean_of(task, [part.test[task.test_columns], full], [1 - share, share])
    test = part.test.assign(**{column: mean[column].astype(np.float32) for column in columns})
    return dataclasses.replace(part, test=test)


def write(run: Run, full: pd.DataFrame) -> str:
    """Writes oof/<run>/full_fit_test.csv; returns the path."""
    path = run.paths.oof / f"{FULL_FIT}_test.csv"
    formats.write(path, full)
    return str(path)
