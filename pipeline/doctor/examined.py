"""What the doctor's checks look at: a run's tables, and what several checks need, worked out once."""

import dataclasses
import functools

import numpy as np
import numpy.typing as npt
import pandas as pd

from pipeline import baseline
from pipeline.competition import folds, near_copies, row_columns
from pipeline.competition.near_copies import Pairs
from pipeline.errors import UserError
from pipeline.files import formats
from pipeline.runs.run import Run
from pipeline.stage_table import BASELINE, STAGE1
from pipeline.tasks import Task, links
from pipeline.text.columns import text_columns

MOST_FITTED = 20_000  # rows that tf-idf is fitted on
MOST_OUTPUTS = 20  # of a kind of label that it is fitted for
SEED = 2020

Ints = npt.NDArray[np.int64]
Table = pd.DataFrame


class Examined:
    """A run whose data are examined. Rows are numbered with those of train first, then those of test. thorough: whether
    a check may fit models."""

    def __init__(self, run: Run, thorough: bool = True):
        self.run = dataclasses.replace(run, config=run.config.model_copy(update={"pseudo_labels": None}))
        self.task, self.thorough = run.competition.task, thorough
        self.train, self.test = run.competition.train, run.competition.test

    @functools.cached_property
    def texts(self) -> pd.Series:
        """Every row's text as the files have it, both texts of a pair."""
        names = text_columns(self.train)
        both = pd.concat([self.train[names], self.test[names]], ignore_index=True)
        return both[names[0]] if len(names) == 1 else both[names[0]] + " | " + both[names[1]]

    @functools.cached_property
    def normalised(self) -> pd.Series:
        """The same as they are compared."""
        return pd.concat([folds.normalised(self.train), folds.normalised(self.test)], ignore_index=True)

    @functools.cached_property
    def distinct(self) -> tuple[Ints, list[str]]:
        """int64 [rows]: the number of each row's text without punctuation; and these texts."""
        return near_copies.distinct(self.normalised)

    @functools.cached_property
    def repeats_train(self) -> npt.NDArray[np.bool_]:
        """bool [test rows]: which of them have the text of a training row."""
        return self.normalised[len(self.train):].isin(self.normalised[:len(self.train)]).to_numpy(bool)

    @functools.cached_property
    def pairs(self) -> Pairs:
        """Near copies among the distinct texts."""
        return near_copies.pairs(self.distinct[1])

    @functools.cached_property
    def near(self) -> Ints:
        """int64 [rows]: which rows' texts are nearly the same, directly or by way of others."""
        number, texts = self.distinct
        return near_copies.joined(len(texts), self.pairs.first, self.pairs.second)[number]

    @functools.cached_property
    def of_train_file(self) -> Ints:
        """int64: numbers of the rows of data.train, without further files, in the order of the file."""
        other = self.train.dev.to_numpy(bool, copy=True)
        if row_columns.EXTRA in self.train:
            other |= self.train[row_columns.EXTRA].to_numpy(bool)
        return np.flatnonzero(~other)

    @property
    def validated(self) -> npt.NDArray[np.bool_]:
        """bool [training rows]: which rows a fold validates."""
        return self.run.fold_of_row >= 0

    @property
    def fits(self) -> bool:
        """Whether tf-idf is fitted here; of many outputs that takes longer than a look at the data may."""
        return self.thorough and sum(self.task.outputs) <= MOST_OUTPUTS

    @functools.cached_property
    def sampled(self) -> Ints:
        """int64: numbers of the training rows that models are fitted on here: all, or whole groups of near copies, so
        many that it takes a minute at most."""
        if len(self.train) <= MOST_FITTED:
            return np.arange(len(self.train))
        group = pd.factorize(self.near[:len(self.train)])[0]
        place = np.random.default_rng(SEED).permutation(int(group.max()) + 1)[group]
        return np.sort(np.argsort(place, kind="stable")[:MOST_FITTED])

    @functools.cached_property
    def sample(self) -> Run:
        """The run with these training rows alone."""
        train = self.train.iloc[self.sampled].reset_index(drop=True)
        tables = dataclasses.replace(self.run.competition, train=train)
        return dataclasses.replace(self.run, tables=tables, dealt=self.run.fold_of_row[self.sampled])

    @functools.cached_property
    def baseline_oof(self) -> Table | None:
        """The baseline's out-of-fold table of the sample, fitted here; nothing is kept. None where it cannot be."""
        return baseline_oof(self.sample)

    @functools.cached_property
    def oof(self) -> tuple[str, Table] | None:
        """The out-of-fold table that knows labels best: stage 1's or the baseline's where it is finished, else the
        baseline's of the sample; None where that is not fitted."""
        for stage in (STAGE1, BASELINE):
            path = self.run.paths.oof / f"{stage}.csv"
            if path.exists() and set(self.task.oof_columns) <= set(formats.read_header(path)):
                table = formats.read_csv(path, self.task.label_dtype)[self.task.oof_columns]
                known = links.keys(self.task, self.train[self.validated], self.run.fold_of_row[self.validated])
                if table[list(known)].to_numpy().tolist() == known.to_numpy().tolist():
                    return str(stage), table
        if not self.fits or self.baseline_oof is None:
            return None
        return str(BASELINE), self.baseline_oof

    def id_and_text(self, row: int) -> str:
        """A row as an example shows it."""
        train = row < len(self.train)
        rows, number = (self.train, row) if train else (self.test, row - len(self.train))
        return f"{'train' if train else 'test'} {rows.id.iloc[number]}: {self.texts.iloc[row]}"

    def score(self, oof: Table) -> float | None:
        """The run's metric of an out-of-fold table."""
        return self.task.scores(oof, self.run.config.metric)[1]

    @property
    def metric_label(self) -> str:
        return self.task.named_metric(self.run.config.metric).label


def baseline_oof(run: Run) -> Table | None:
    """The baseline's out-of-fold predictions of a run, in the order of train; None where it cannot be fitted."""
    train, task = run.competition.train, run.competition.task
    parts = []
    for fold in run.folds:
        inside = run.fold_of_row == fold
        try:
            logit = baseline.fitted(run, run.cell(BASELINE, fold)).logits(train[inside])
        except UserError:
            return None
        parts.append(task.oof_table(train[inside], run.fold_of_row[inside], logit))
    return folds.joined(parts, train.id)


def with_folds(run: Run, dealt: Ints) -> Run:
    """The same run with other folds, in memory."""
    return dataclasses.replace(run, dealt=dealt)


def with_labels(run: Run, label: pd.Series) -> Run:
    """The same run with other labels, and no soft ones, in memory."""
    train = run.competition.train
    soft = [name for name in row_columns.present(train) if name.startswith(row_columns.SOFT)]
    tables = dataclasses.replace(run.competition, train=train.drop(columns=soft).assign(label=label.to_numpy()))
    return dataclasses.replace(run, tables=tables)


def of_label(task: Task, oof: Table) -> npt.NDArray[np.float64] | None:
    """float64 [rows]: the probability that each row's own label has, of several labels the least; None for a kind whose
    labels are numbers or of words, or that has several outputs."""
    if task.by_word or task.has_values or len(task.outputs) > 1:
        return None
    [view] = task.row_views(oof).values()
    return view.number
