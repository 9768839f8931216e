"""Out-of-fold and test predictions of a stage, gathered from its cells by id."""

import contextlib
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import pandas as pd

from pipeline import tasks
from pipeline.competition import folds as dealt
from pipeline.errors import MismatchError, UserError
from pipeline.files import formats
from pipeline.runs import artefacts
from pipeline.runs.run import Run
from pipeline.stage_table import ALL_FOLDS, PREDICTING, STAGE1, Cell, Stage
from pipeline.tasks import Task

PREDICTED = ("logit", "prediction")  # what the names of columns of predictions begin with


@dataclass(frozen=True)
class StagePredictions:
    """What the finished cells of a stage predict.

    oof: id, fold, label, logit, prediction of the validated rows, in the order of train.csv. Of several seeds the mean
        of their probabilities, and its logits, since the mean of probabilities is what is submitted.
    test: id, then logit_<k> and prediction_<k> of each finished fold (logit_<k>_seed_<n> of a further seed), then their
        means logit and prediction.
    folds, missing: the finished folds, and the others that were wanted.
    seeds, missing_seeds: the seeds that have all these folds, and the others that were wanted. While none has every
        fold, it is the one that has most.
    by_seed: of several seeds, each one's own oof.
    """

    stage: Stage
    oof: pd.DataFrame
    test: pd.DataFrame
    folds: list[int]
    missing: list[int]
    seeds: list[int] = field(default_factory=list)
    missing_seeds: list[int] = field(default_factory=list)
    by_seed: dict[int, pd.DataFrame] = field(default_factory=dict)

    @property
    def whole(self) -> bool:
        """Whether nothing that was wanted is missing."""
        return not self.missing and not self.missing_seeds


def gather(run: Run, stage: Stage, wanted: list[int] | None = None, seeds: list[int] | None = None
           ) -> StagePredictions | None:
    """The predictions of a stage's finished cells among the wanted folds and seeds (None: all), or None without any.

    Raises MismatchError where a cell does not hold exactly the rows of its fold and of the test set.
    """
    if stage.folds(stage.settings(run.config), run.folds) == [ALL_FOLDS]:
        return _of_one_cell(run, stage) if wanted in (None, run.folds) else None
    wanted = run.folds if wanted is None else wanted
    of_seed: dict[int, list[Cell]] = {seed: [] for seed in run.seeds(stage)
                                      if seeds is None or not stage.with_each_seed or seed in seeds}
    for cell in run.finished(stage):
        if cell.fold in wanted and cell.seed in of_seed:
            of_seed[cell.seed].append(cell)
    most = max(map(len, of_seed.values()), default=0)
    if not most:
        return None
    taken = [seed for seed, cells in of_seed.items() if len(cells) == len(wanted)] or [
        seed for seed, cells in of_seed.items() if len(cells) == most][:1]
    done = [cell.fold for cell in of_seed[taken[0]]]
    task, test = run.competition.task, run.competition.test
    predicted = [column for column in task.test_columns if column not in task.key_columns]
    by_seed = {seed: _out_of_fold(run, of_seed[seed]) for seed in taken}
    table: dict[str, pd.Series] = {str(name): column for name, column in task.key_rows(test).items()}
    cells = [cell for seed in taken for cell in of_seed[seed]]
    for cell in cells:
        cell_test = read(run.paths.cell(cell) / artefacts.TEST, test, task.test_columns, task)
        table |= {of_cell(column, cell): cell_test[column] for column in predicted}
    of_cells = pd.DataFrame(table)
    means = {column: of_cells[[of_cell(column, cell) for cell in cells]].astype(np.float64).mean(axis=1)
             for column in predicted}
    several = len(taken) > 1
    return StagePredictions(
        stage, tasks.mean_of(task, list(by_seed.values())) if several else by_seed[taken[0]],
        pd.concat([of_cells, pd.DataFrame(means, dtype=np.float32)], axis=1), done,
        [fold for fold in wanted if fold not in done], taken, [seed for seed in of_seed if seed not in taken],
        by_seed if several else {})


def _of_one_cell(run: Run, stage: Stage) -> StagePredictions | None:
    """The same of a stage whose one cell predicts the rows of all folds."""
    task, train, test = run.competition.task, run.competition.train, run.competition.test
    for cell in run.finished(stage):
        folder = run.paths.cell(cell)
        oof = read(folder / artefacts.OOF, train[run.fold_of_row >= 0], task.oof_columns, task)
        return StagePredictions(stage, oof, read(folder / artefacts.TEST, test, task.test_columns, task), run.folds,
                                [], [cell.seed])
    return None


def of_all_stages(run: Run, folds: list[int] | None = None, seeds: list[int] | None = None
                  ) -> dict[str, StagePredictions]:
    """The predictions of every stage, by its name, that has a finished cell among the folds and seeds (None: all).

    Raises UserError where no stage has one.
    """
    parts = {name: part for name, stage in PREDICTING.items()
             if (part := gather(run, stage, folds, seeds)) is not None}
    if not parts:
        raise UserError(f"run {run.config.name!r} has no finished cell; run a stage first: baseline, stage1")
    return parts


def of_cell(column: str, cell: Cell) -> str:
    """A column of a cell's test table as the stage's test table has it: logit -> logit_0, logit:a -> logit_0:a."""
    return _marked(column, f"{cell.fold}_seed_{cell.seed}" if cell.further else str(cell.fold))


def _marked(column: str, mark: str) -> str:
    kind, colon, name = column.partition(":")
    return f"{kind}_{mark}{colon}{name}"


def _out_of_fold(run: Run, cells: list[Cell]) -> pd.DataFrame:
    """The validated rows of one seed's cells, in the order of the training table."""
    task, train = run.competition.task, run.competition.train
    parts = [read(run.paths.cell(cell) / artefacts.OOF, train[run.fold_of_row == cell.fold], task.oof_columns, task)
             for cell in cells]
    return dealt.joined(parts, train.id)


def read(path: Path, rows: pd.DataFrame, columns: list[str], task: Task) -> pd.DataFrame:
    """A cell's table of predictions of these rows. Raises MismatchError where it is not that of these rows."""
    table = pd.DataFrame()
    with contextlib.suppress(ValueError, OverflowError):
        if formats.read_header(path) == columns:
            table = formats.read_csv(path, task.label_dtype)
    numbers = [column for column in columns if column.startswith(PREDICTED)]
    same = list(table) == columns and table[task.key_columns].values.tolist() == task.key_rows(rows).values.tolist()
    if not same or not np.isfinite(table[numbers].to_numpy()).all():
        raise MismatchError(f"{path}: must hold {','.join(columns)} of each row of the fold once, in order, with a "
                            f"finite logit; make it again: --redo {path.parent.parent.name}")
    return table


def of_seeds(task: Task, table: pd.DataFrame) -> dict[int, pd.DataFrame]:
    """Of a table as ``write`` writes it, each seed's own predictions, as an OOF table; none where there is one seed."""
    predicted = [column for column in task.test_columns if column.startswith(PREDICTED)]
    known = table[[column for column in task.oof_columns if column not in predicted]]
    mark = f"{predicted[0].partition(':')[0]}_seed_"
    seeds = dict.fromkeys(int(column.removeprefix(mark).partition(":")[0]) for column in map(str, table)
                          if column.startswith(mark))
    return {seed: pd.concat([known, table[[_marked(column, f"seed_{seed}") for column in predicted]].set_axis(
        predicted, axis=1)], axis=1)[task.oof_columns] for seed in seeds}


def handed_on(run: Run, stage2: StagePredictions) -> pd.DataFrame:
    """What stage 2 started from, like an OOF table: the validation predictions of the weights that were handed on."""
    task = run.competition.task
    predicted = set(task.test_columns) - set(task.key_columns)
    known = stage2.oof[[column for column in task.oof_columns if column not in predicted]]
    by_seed = [known.merge(pd.concat(formats.read_csv(run.paths.cell(cell) / artefacts.HANDED_ON)
                                     for cell in run.cells(STAGE1, stage2.folds, [seed])),
                           on=task.key_columns, validate="one_to_one") for seed in stage2.seeds]
    return tasks.mean_of(task, by_seed) if len(by_seed) > 1 else by_seed[0]


def write(run: Run, part: StagePredictions) -> list[str]:
    """Writes oof/<run>/<stage>.csv and <stage>_test.csv where every fold is done, with each seed; returns the paths
    written. Behind the mean of several seeds stand each one's own columns, logit_seed_<n> and prediction_seed_<n>."""
    if not part.whole:
        return []
    predicted = [column for column in run.competition.task.test_columns if column.startswith(PREDICTED)]
    own = [table[predicted].set_axis([_marked(column, f"seed_{seed}") for column in predicted], axis=1)
           for seed, table in part.by_seed.items()]
    tables = {str(part.stage): pd.concat([part.oof, *own], axis=1), f"{part.stage}_test": part.test}
    tables |= {f"{part.stage}_{name}": table for name, table in run.competition.task.tables(part.oof).items()}
    paths = {run.paths.oof / f"{name}.csv": table for name, table in tables.items()}
    for path, table in paths.items():
        formats.write(path, table)
    return list(map(str, paths))
