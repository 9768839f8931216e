"""What the pipeline asks of a kind of label."""

from collections.abc import Collection, Sequence
from typing import Any, ClassVar, Protocol

import numpy.typing as npt
import pandas as pd

Array = npt.NDArray[Any]
Report = dict[str, Any]


class Task(Protocol):
    """One kind of label. ``label`` is a column of the training table, a target what losses compare logits with; both,
    and logits, have a row for each row of the table."""

    key: ClassVar[str]
    """The score that folds are told apart by, as the report's keys name it; also names its files."""
    score: ClassVar[str]
    """The same for reading."""
    contradiction: ClassVar[str]
    """What equal texts with different labels are called."""
    header: ClassVar[list[str]]
    """The report's columns behind those of the folds."""
    footnote: ClassVar[str]
    label_dtype: ClassVar[str]
    """Of the label in an OOF table."""

    pictures: ClassVar[tuple[str, ...]]
    """By their names in pipeline/plots."""

    @property
    def names(self) -> tuple[str, ...]:
        """Of the outputs, where a row has several."""

    @property
    def outputs(self) -> int:
        """Logits a row."""

    @property
    def identity(self) -> dict[str, Any]:
        """What of the task is part of what a cell's numbers mean."""

    @property
    def oof_columns(self) -> list[str]:
        """Of the table of out-of-fold predictions."""

    @property
    def test_columns(self) -> list[str]:
        """Of a cell's table of test predictions."""

    def problems(self, labels: Sequence[str], lines: Sequence[int], where: str, trained_on: bool) -> list[str]:
        """One line for each wrong label in the column, and for what training lacks."""

    def encode(self, labels: Sequence[str]) -> Array:
        """The label column from the texts of the file."""

    def name(self, label: Any) -> str:
        """A row's label as its file has it."""

    def shares(self, label: pd.Series) -> str:
        """How many rows have which label, in words."""

    def strata(self, label: pd.Series) -> Array:
        """int64: what stratified folds balance; training needs two of them at least."""

    def target(self, label: pd.Series) -> Array:
        """What losses and scores compare logits with."""

    def scores(self, target: Array, logit: Array) -> dict[str, float]:
        """What an epoch is judged by, exact; NaN where undefined."""

    def told(self, scores: dict[str, float]) -> str:
        """An epoch's scores on one line."""

    def linear(self, strength: float) -> Any:
        """The baseline's scikit-learn classifier, whose decision function gives the logits."""

    def oof_table(self, ids: pd.Series, fold: Array, label: pd.Series, logit: Array) -> pd.DataFrame:
        """``oof_columns``: a row for each validated training row."""

    def test_table(self, ids: pd.Series, logit: Array) -> pd.DataFrame:
        """``test_columns``: a row for each test row."""

    def submitted(self, oof: pd.DataFrame, test: pd.DataFrame, metric: str) -> pd.DataFrame:
        """What a submission holds beside the id for each test row, where the competition scores by that metric."""

    def decided(self, oof: pd.DataFrame, metric: str) -> str:
        """How a submission of decisions comes to them, in words."""

    def evaluate(self, oof: pd.DataFrame, missing: list[int]) -> Report:
        """A stage's part of the report: folds, missing_folds, mean, sd, pooled, and whatever else the task scores.

        missing: the folds that are not in the OOF table. An undefined number is None, with its reason beside it.
        """

    def compare(self, old: str, old_oof: pd.DataFrame, new: str, new_oof: pd.DataFrame) -> Report:
        """What the newer predictions changed on the rows that both have: old, new, rows, and the changes."""

    def changed(self, comparison: Report) -> str | None:
        """A comparison on one line; None where it is undefined."""

    def row(self, part: Report) -> list[str]:
        """A stage's numbers under ``header``."""


def wrong_labels(labels: Sequence[str], lines: Sequence[int], where: str, allowed: Collection[str], rule: str
                 ) -> list[str]:
    """One line for each label that is not allowed, with the first line it stands on."""
    wrong: dict[str, list[int]] = {}
    for label, line in zip(labels, lines, strict=True):
        if label not in allowed:
            wrong.setdefault(label, []).append(line)
    found = [f"{where}, line {at[0]}: label must be {rule}, got {label!r}"
             + (f" (and on {len(at) - 1} more lines)" if len(at) > 1 else "") for label, at in wrong.items()]
    if len(found) > 10:
        found[10:] = [f"{where}: {len(found) - 10} other values are wrong too; is data.label_column right?"]
    return found


def spread(part: Report) -> str:
    """The mean over folds and its standard deviation, in a table."""
    return shown(part["mean"]) + (f" ± {part['sd']:.4f}" if part["sd"] is not None else "")


def shown(value: float | None) -> str:
    """A score in a table."""
    return "–" if value is None else f"{value:.4f}"
