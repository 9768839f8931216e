"""What the pipeline asks of a kind of label."""

import re
import unicodedata
from collections.abc import Callable, Collection, Iterable, Sequence
from typing import Any, ClassVar, Protocol

import numpy as np
import numpy.typing as npt
import pandas as pd

from pipeline.tasks.metrics import Interval

Array = npt.NDArray[Any]
Report = dict[str, Any]
ONE_FOLD = "there are no other folds to choose a threshold on"
OF_ROWS = "of the rows, both models as they are"  # what a paired interval is of


class Task(Protocol):
    """One kind of label. ``label`` is a column of the training table, a target what losses compare logits with; both,
    and logits, have a row for each row of the table."""

    key: ClassVar[str]
    """The score that folds are told apart by, as the report's keys name it; also names its files."""
    score: ClassVar[str]
    """The same for reading."""
    contradiction: ClassVar[str]
    """What equal texts with different labels are called."""
    footnote: ClassVar[str]
    label_dtype: ClassVar[str]
    """Of the label in an OOF table."""

    pictures: ClassVar[tuple[str, ...]]
    """By their names in pipeline/plots."""
    by_word: ClassVar[bool]
    """Whether each word of a row has a label, and not the row."""
    keys: ClassVar[list[str]]
    """The columns that tell the predictions of a table apart, the first of them id."""

    @property
    def header(self) -> list[str]:
        """The report's columns behind those of the folds."""

    @property
    def names(self) -> tuple[str, ...]:
        """Of the outputs, where a row has several."""

    @property
    def outputs(self) -> tuple[int, ...]:
        """Logits a row or word, of each head."""

    @property
    def exclusive(self) -> tuple[bool, ...]:
        """Whether the outputs of each head share one probability, by a softmax, or have one each, by sigmoids."""

    @property
    def loss_weights(self) -> tuple[float, ...]:
        """How much the loss of each head counts."""

    @property
    def identity(self) -> dict[str, Any]:
        """What of the task is part of what a cell's numbers mean."""

    @property
    def oof_columns(self) -> list[str]:
        """Of the table of out-of-fold predictions."""

    @property
    def test_columns(self) -> list[str]:
        """Of a cell's table of test predictions."""

    def problems(self, rows: pd.DataFrame, where: str, trained_on: bool) -> list[str]:
        """One line for each wrong label, and for what training lacks. rows: text, label and place of each, as read."""

    def encode(self, labels: Sequence[str]) -> Array:
        """The label column from the texts of the file."""

    def name(self, label: Any) -> str:
        """A row's label as its file has it."""

    def shares(self, label: pd.Series) -> str:
        """How many rows have which label, in words."""

    def strata(self, label: pd.Series) -> Array:
        """int64: what stratified folds balance; training needs two of them at least."""

    def target(self, label: pd.Series) -> Array:
        """What losses and scores compare logits with: float32 0 or 1 for sigmoids, int32 for a softmax, below 0 where
        there is none; several heads: float32 [rows, heads], the number of each one's class."""

    def scores(self, target: Array, logit: Array) -> dict[str, float]:
        """What an epoch is judged by, exact; NaN where undefined."""

    def told(self, scores: dict[str, float]) -> str:
        """An epoch's scores on one line."""

    def linear(self, vectors: Any, target: Array, strength: float) -> Callable[[Any], Array]:
        """Fits the baseline's linear classifier; the function gives logits of vectors."""

    def keyed(self, rows: pd.DataFrame) -> pd.DataFrame:
        """``keys`` of the predictions of some rows, in order."""

    def oof_table(self, rows: pd.DataFrame, fold: Array, logit: Array) -> pd.DataFrame:
        """``oof_columns`` of validated training rows."""

    def test_table(self, rows: pd.DataFrame, logit: Array) -> pd.DataFrame:
        """``test_columns`` of test rows."""

    def tables(self, oof: pd.DataFrame) -> dict[str, pd.DataFrame]:
        """Further tables of out-of-fold predictions to write, by what their file's name ends in."""

    def submitted(self, oof: pd.DataFrame | None, test: pd.DataFrame, metric: str) -> pd.DataFrame:
        """What a submission holds for each test row, by id, where the competition scores by that metric.

        oof: what thresholds are chosen on; without it they are 0.5.
        """

    def submitted_columns(self, metric: str) -> list[str]:
        """What the columns behind id of such a submission are about: names of outputs, or one empty name."""

    def decided(self, oof: pd.DataFrame, metric: str) -> str:
        """How a submission of decisions comes to them, in words."""

    def decision_scores(self, table: pd.DataFrame, decided: pd.DataFrame) -> dict[str, float]:
        """The scores of decisions, as ``submitted`` gives them, of the rows of an OOF table."""

    def evaluate(self, oof: pd.DataFrame, missing: list[int], metric: str) -> Report:
        """A stage's part of the report: folds, missing_folds, mean, sd, pooled, and whatever else the task scores.

        oof: an OOF table with a further column group, int64, the same for rows that are copies of one case; missing:
        the folds that are not in it; metric: submit.metric, by which decisions are made. An undefined number is None,
        with its reason beside it. remarks, where there are any: lines to read beside the numbers.
        """

    def compare(self, old: str, old_oof: pd.DataFrame, new: str, new_oof: pd.DataFrame, metric: str) -> Report:
        """What the newer predictions changed on the rows that both have: old, new, rows, and the changes. Tables and
        metric as for ``evaluate``."""

    def changed(self, comparison: Report) -> str | None:
        """A comparison on one line; None where it is undefined."""

    def row(self, part: Report) -> list[str]:
        """A stage's numbers under ``header``."""


def wrong_labels(labels: Iterable[str], places: Iterable[str], where: str, allowed: Collection[str], rule: str
                 ) -> list[str]:
    """One line for each label that is not allowed, with the place where it first stands."""
    wrong: dict[str, list[str]] = {}
    for label, place in zip(labels, places, strict=True):
        if label not in allowed:
            wrong.setdefault(label, []).append(place)
    found = [f"{where}, {at[0]}: label must be {rule}, got {label!r}"
             + (f" (and on {len(at) - 1} more rows)" if len(at) > 1 else "") for label, at in wrong.items()]
    if len(found) > 10:
        found[10:] = [f"{where}: {len(found) - 10} other values are wrong too; is this where the labels are?"]
    return found


def alike_names(names: Collection[str], where: str, advice: str) -> list[str]:
    """A line for names that a reader cannot tell apart: they differ in white space, in characters that nobody sees, or
    in how one character is written."""
    by_look: dict[str, list[str]] = {}
    for name in sorted(names):
        seen = "".join(c for c in unicodedata.normalize("NFKC", name)
                       if c.isspace() or unicodedata.category(c) not in ("Cf", "Cc"))
        by_look.setdefault(" ".join(seen.split()), []).append(name)
    return [f"{where}: {' and '.join(map(ascii_where_needed, same))} look alike; {advice}"
            for same in by_look.values() if len(same) > 1][:10]


def ascii_where_needed(name: str) -> str:
    """A name in quotes, with what nobody sees by its number."""
    plain = all(c.isprintable() and not unicodedata.combining(c) and (c == " " or not c.isspace()) for c in name)
    return repr(name) if plain else ascii(name)


def doubtful_names(names: Collection[str]) -> list[str]:
    """What may be wrong with the names of classes or labels, a line each."""
    known, lines = set(names), []
    by_case: dict[str, list[str]] = {}
    for name in sorted(names):
        number = re.fullmatch(r"0*(\d+)(\.0*)?", name)
        by_case.setdefault(number[1] if number else name.casefold(), []).append(name)
    for same in by_case.values():
        if len(same) > 1:
            lines.append(f"labels {', '.join(map(repr, same[:5]))} differ in case or in how a number is written: are "
                         f"they one?")
    for name in sorted(names):
        for separator in (";", ",", "|", "/", "，", "、", " "):
            parts = {part.strip() for part in name.split(separator)}
            if len(parts) > 1 and parts & known:
                lines.append(f"label {name!r} holds {separator!r} and another label's name: is data.label_separator "
                             f"right?")
                break
    lines += [f"label {name!r} is what programs write where there is none" for name in sorted(names)
              if name.casefold() in ("nan", "none", "null", "n/a", "[]")]
    return lines[:5] + [f"{len(lines) - 5} more labels like that"] * (len(lines) > 5)


def over_folds(rows: list[Report], key: str, pooled: float, missing: list[int]) -> Report:
    """The part of a stage's report that is about its folds: mean and sd of their scores, and the pooled score where no
    fold is missing; a reason beside what is None."""
    scores = [row[key] for row in rows]
    part: Report = {"folds": rows, "missing_folds": missing, "mean": float(np.mean(scores)),
                    "sd": float(np.std(scores, ddof=1)) if len(scores) > 1 else None}
    if len(scores) < 2:
        part["sd_reason"] = "needs two folds"
    part["pooled"] = None if missing else pooled
    if missing:
        part["pooled_reason"] = not_finished(missing)
    return part


def not_finished(missing: list[int]) -> str:
    """Why a score over all rows is undefined."""
    return f"folds {', '.join(map(str, missing))} are not finished"


def bounds(interval: Interval | None) -> list[float] | None:
    """An interval as the report has it, [low, high]."""
    return None if interval is None else [interval.low, interval.high]


def between(interval: list[float] | None) -> str:
    """An interval in a table."""
    return f"{interval[0]:.4f}-{interval[1]:.4f}" if interval else shown(None)


def probability_columns(task: Task) -> list[str]:
    """Of the task's tables of predictions, in the order of its outputs."""
    return [column for column in task.test_columns if column.startswith("prediction")]


def logit_columns(task: Task) -> list[str]:
    """Of the task's tables of predictions, in the order of its outputs; none where words are labelled."""
    return [column for column in task.test_columns if column.startswith("logit")]


def spread(part: Report) -> str:
    """The mean over folds and its standard deviation, in a table."""
    return shown(part["mean"]) + (f" ± {part['sd']:.4f}" if part["sd"] is not None else "")


def shown(value: float | None) -> str:
    """A score in a table."""
    return "–" if value is None else f"{value:.4f}"
