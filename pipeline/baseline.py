"""The number to beat, on the very folds of the other stages: tf-idf of n-grams, or of the words around a word where
words are labelled, with logistic regression."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd

from pipeline import contributions
from pipeline.config.results import Baseline
from pipeline.errors import UserError
from pipeline.files import formats
from pipeline.lazy import lazily
from pipeline.machine.console import say
from pipeline.runs import artefacts, cell_rows
from pipeline.runs.cells import Files, FitCell
from pipeline.runs.run import Run
from pipeline.stage_table import BASELINE, Cell
from pipeline.tasks import Task
from pipeline.tasks.linear import Linear
from pipeline.text.columns import documents

features = lazily("sklearn.feature_extraction.text")

AROUND = 2  # words on each side of a word that its tag is told from
AFFIX = 3  # characters of a word's beginning and end


def start(run: Run) -> FitCell:
    """Returns the function that fits the baseline of one fold; the vocabulary is learnt from its training rows only."""
    metric = run.config.metric
    train, test, task = run.competition.train, run.competition.test, run.competition.task
    target = task.target(train.label)

    def fit_cell(cell: Cell) -> Files:
        valid, model = run.fold_of_row == cell.fold, fitted(run, cell)
        test_logit = model.logits(test) if len(test) else model.logits(train[:1])[:0]
        files: Files = {artefacts.TEST: task.test_table(test, test_logit)}
        if run.only_trained_on.any():
            others = train[run.only_trained_on]
            files[artefacts.OTHERS] = task.test_table(others, model.logits(others))
        if not valid.any():
            return files
        vectors = model.vectors(train[valid])
        logit = model.logits(train[valid], vectors)
        scores = task.epoch_scores(target[valid], logit)
        if metric and metric not in scores:
            scores[metric] = task.epoch_score(metric, target[valid], logit)
        say(f"{cell}  valid {task.epoch_line(scores, metric)}")
        return {artefacts.OOF: task.oof_table(train[valid], run.fold_of_row[valid], logit),
                artefacts.CONTRIBUTIONS: model.contributions(train[valid], vectors, target[valid], logit)} | files

    return fit_cell


@dataclass(frozen=True)
class Fitted:
    """tf-idf of the training rows of a fold, and the linear model on it."""

    task: Task
    vectorizer: Any
    model: Linear
    words: int
    """Of the longest training row, where words are labelled."""

    def vectors(self, rows: pd.DataFrame) -> Any:
        """Sparse [rows, n-grams]; of words [words, features], those of one row after the other."""
        return self.vectorizer.transform((_of_words if self.task.by_word else documents)(rows))

    def logits(self, rows: pd.DataFrame, vectors: Any = None) -> npt.NDArray[np.float32]:
        """float32 [rows, ...], as a network gives them. vectors: of these rows, where they are made already."""
        logits = self.model(self.vectors(rows) if vectors is None else vectors)
        return _by_row(logits, rows, self.words) if self.task.by_word else logits

    def contributions(self, rows: pd.DataFrame, vectors: Any, target: npt.NDArray[Any], logit: npt.NDArray[np.float32]
                      ) -> pd.DataFrame:
        """The n-grams that moved each row most; of words those alone whose tag is wrong. vectors: as ``vectors`` gives
        them; target, logit: [rows, ...]."""
        keys = self.task.key_rows(rows)[self.task.key_columns]
        if self.task.by_word:
            logit, target = logit[:, :target.shape[1]][target >= 0], target[target >= 0]
            wrong = np.flatnonzero(logit.argmax(axis=1) != target)
            keys, vectors, logit, target = keys.iloc[wrong], vectors[wrong], logit[wrong], target[wrong]
        return contributions.table(self.task, keys, target, logit, vectors, self.model.weights,
                                   self.vectorizer.get_feature_names_out())


def fitted(run: Run, cell: Cell) -> Fitted:
    """Fits the baseline on the training rows of a fold. Raises UserError where no n-gram is in enough rows."""
    config, train, task = run.config.baseline, run.competition.train, run.competition.task
    rows = cell_rows.of(run, cell, None)
    seen = (train if len(rows.target) == len(train) else pd.concat([train, run.competition.test])).iloc[rows.train]
    vectorizer = _vectorizer(config, task.by_word)
    try:
        vectors = vectorizer.fit_transform((_of_words if task.by_word else documents)(seen))
    except ValueError as error:
        raise UserError(f"{cell}: no n-gram is in baseline.min_rows = {config.min_rows} of its "
                        f"training rows ({error}); lower it, or choose another baseline.analyzer") from None
    target, weight = rows.target[rows.train], None if (rows.weight == 1).all() else rows.weight[rows.train]
    words = (target >= 0).sum(axis=1) if task.by_word else None
    if weight is not None and words is not None:
        weight = np.repeat(weight, words)
    model = task.linear(vectors, target if words is None else target[target >= 0], config.strength, weight)
    return Fitted(task, vectorizer, model, target.shape[1] if task.by_word else 0)


class Refitted:
    """The baseline of a run's finished folds, for other rows: fitted again on the run's own tables, since nothing of it
    is random and no model of it is kept. Raises UserError where no fold is finished, or not this one."""

    stage = BASELINE

    def __init__(self, run: Run, folds: Iterable[int] | None = None):
        self.run, self.task, self.config = run, run.competition.task, run.config
        done = [cell for cell in run.finished(BASELINE) if folds is None or cell.fold in set(folds)]
        if not done or (folds is not None and len(done) < len(set(folds))):
            raise UserError(f"run {run.config.name!r} has no finished baseline of these folds: python -m stages "
                            f"baseline {run.paths.settings}")
        self._done = done

    def logits(self, rows: pd.DataFrame) -> dict[Cell, npt.NDArray[np.float32]]:
        """By each fold's model."""
        return {cell: fitted(self.run, cell).logits(rows) for cell in self._done}

    def thresholds(self) -> pd.DataFrame | None:
        """The out-of-fold predictions of these folds, which decisions are made by; None: at 0.5."""
        if not self.task.decides(self.config.metric):
            return None
        return pd.concat([formats.read_csv(self.run.paths.cell(cell) / artefacts.OOF, self.task.label_dtype)
                          for cell in self._done], ignore_index=True)


def _vectorizer(config: Baseline, by_word: bool) -> Any:
    if by_word:
        return features.TfidfVectorizer(analyzer=str.splitlines, min_df=config.min_rows)
    return features.TfidfVectorizer(analyzer=config.analyzer, ngram_range=tuple(config.ngrams), min_df=config.min_rows,
                                    sublinear_tf=True)


def _of_words(rows: pd.DataFrame) -> Iterator[str]:
    """What a word's tag is told from, a line each: the words around it, itself with its neighbours, how it begins and
    ends."""
    return ("\n".join(_features(words, place)) for text in rows.text
            for words in [text.split(" ")] for place in range(len(words)))


def _features(words: list[str], place: int) -> Iterator[str]:
    def at(offset: int) -> str:
        return words[place + offset] if 0 <= place + offset < len(words) else ""

    yield from (f"{offset}={at(offset)}" for offset in range(-AROUND, AROUND + 1))
    yield from (f"{left},{left + 1}={at(left)} {at(left + 1)}" for left in (-1, 0))
    yield from (f"^{at(0)[:size]}" for size in range(1, AFFIX + 1))
    yield from (f"{at(0)[-size:]}$" for size in range(1, AFFIX + 1))


def _by_row(logit: npt.NDArray[Any], rows: pd.DataFrame, width: int) -> npt.NDArray[np.float32]:
    """Logits of words one after the other, float32 [words, tags] -> float32 [rows, words, tags], 0 behind the last."""
    counts = [text.count(" ") + 1 for text in rows.text]
    by_row = np.zeros([len(rows), max(width, *counts), logit.shape[1]], np.float32)
    ends = np.cumsum(counts)
    for row, (end, count) in enumerate(zip(ends, counts, strict=True)):
        by_row[row, :count] = logit[end - count:end]
    return by_row
