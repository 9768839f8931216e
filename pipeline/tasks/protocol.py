"""What the pipeline asks of a kind of label, in four parts: labels, outputs, tables and scores."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, ClassVar, Literal, Protocol, Self

import numpy.typing as npt
import pandas as pd

from pipeline.config.run import Config
from pipeline.metrics.metric import Form, Metric
from pipeline.tasks.linear import Linear
from pipeline.tasks.row_views import RowView

Array = npt.NDArray[Any]
Report = dict[str, Any]


@dataclass(frozen=True)
class Link:
    """How the logits of a head become predictions: "softmax" over them, a "sigmoid" of each, from low to high, or
    "identity"."""

    function: Literal["softmax", "sigmoid", "identity"]
    low: float = 0.0
    high: float = 1.0


SOFTMAX, SIGMOID, IDENTITY = Link("softmax"), Link("sigmoid"), Link("identity")


class Labels(Protocol):
    """What the labels of the competition's file are. ``label`` is a column of the training table, with one value for
    each row."""

    contradiction: ClassVar[str]
    """What equal texts with different labels are called."""
    label_dtype: ClassVar[str]
    """The dtype of the label column of an OOF table."""
    cumulative: bool
    """Whether the outputs are the probabilities of reaching one grade after the other."""
    by_word: ClassVar[bool]
    """Whether each word of a row has a label, and not the row."""

    @classmethod
    def from_config(cls, config: Config, labels: Sequence[str]) -> Self:
        """The kind that a configuration describes. labels: train's raw labels, which give the names that it leaves
        out."""

    @property
    def identity(self) -> dict[str, Any]:
        """What a cell's numbers follow from: names and their order."""

    def problems(self, rows: pd.DataFrame, where: str, trained_on: bool) -> list[str]:
        """One line for each wrong label, and for what training lacks. rows: text, label and place of each, as read."""

    def encode(self, labels: Sequence[str]) -> Array:
        """The label column from the texts of the file."""

    def label_text(self, label: Any) -> str:
        """One label as the file has it."""

    def shares(self, label: pd.Series) -> str:
        """How many rows have which label, in words."""

    def strata(self, label: pd.Series) -> Array:
        """int64 [rows]: what stratified folds balance; training needs two different ones at least."""


class Outputs(Protocol):
    """What a network is trained to give. Targets and logits have one row for each row of the table."""

    @property
    def output_names(self) -> tuple[str, ...]:
        """The names of the outputs, where a row has several."""

    @property
    def outputs(self) -> tuple[int, ...]:
        """For each head, its logits per row or word."""

    @property
    def links(self) -> tuple[Link, ...]:
        """For each head, how its logits become predictions."""

    @property
    def loss_weights(self) -> tuple[float, ...]:
        """For each head, how much its loss counts."""

    def target(self, label: pd.Series) -> Array:
        """What losses and scores compare logits with: float32 0 or 1 for sigmoids, int32 for a softmax, below 0 where
        there is none; several heads: int32 or float32 [rows, heads], the number of the class of each head."""

    def linear(self, vectors: Any, target: Array, strength: float, weight: Array | None = None) -> Linear:
        """Fits the baseline's linear classifier, which gives the logits of vectors.

        target: as ``target`` gives it, or shares: float [rows], or [rows, classes] or [rows, labels]. weight: float
        [rows], how much each row counts; None: all alike.
        """


class Tables(Protocol):
    """What is written of predictions."""

    key_columns: ClassVar[list[str]]
    """The columns that tell the predictions of a table apart, the first of them id."""

    @property
    def oof_columns(self) -> list[str]:
        """The columns of a table of out-of-fold predictions."""

    @property
    def test_columns(self) -> list[str]:
        """The columns of a cell's table of test predictions."""

    def key_rows(self, rows: pd.DataFrame) -> pd.DataFrame:
        """``key_columns`` of the predictions of some rows, in order."""

    def oof_table(self, rows: pd.DataFrame, fold: Array, logit: Array) -> pd.DataFrame:
        """``oof_columns`` of validated training rows."""

    def test_table(self, rows: pd.DataFrame, logit: Array) -> pd.DataFrame:
        """``test_columns`` of test rows."""

    def tables(self, oof: pd.DataFrame) -> dict[str, pd.DataFrame]:
        """Further tables of out-of-fold predictions to write, by what their file's name ends in."""

    def probabilities(self, test: pd.DataFrame, each: bool = False) -> pd.DataFrame:
        """The predictions of test rows, by id: a column of each output, "prediction" or "prediction:<name>".

        each: of two labels both, although one would do.
        """

    def decisions(self, oof: pd.DataFrame | None, test: pd.DataFrame, metric: str | None) -> pd.DataFrame:
        """The labels of test rows as the file writes them, by id: one column, or one of each output.

        oof: what thresholds are chosen on, where the metric scores decisions; without it they are 0.5.
        """

    def row_views(self, oof: pd.DataFrame) -> dict[str, RowView]:
        """Each output, by its name (empty where there is one), as a person looks at its rows."""

    submits: ClassVar[Form]
    """What a submission holds where neither the configuration nor a sample says it."""
    has_labels: ClassVar[bool]
    """Whether a label is decided."""
    has_values: ClassVar[bool]
    """Whether ``probabilities`` gives values in the unit of the labels."""

    @property
    def limits(self) -> tuple[float, float] | None:
        """Between which numbers the predictions of a submission lie; None: anywhere."""

    def submission_columns(self, form: Form, each: bool = False) -> list[str]:
        """What the columns behind id of a submission are about: names of outputs, or one empty name. each: as for
        ``probabilities``."""


class Scores(Protocol):
    """How predictions are scored, and how a report shows it."""

    kind: ClassVar[str]
    """Its name in the configuration, under which metrics.registry has its metrics."""
    metric: ClassVar[str]
    """The score that the report leads with unless the configuration names another, as JSON keys and file names have it:
    "auc"."""
    metric_label: ClassVar[str]
    """The same score for people: "AUC"."""
    footnote: ClassVar[str]
    pictures: ClassVar[tuple[str, ...]]
    """Names in results/plots.py."""

    @property
    def report_header(self) -> list[str]:
        """The report's columns behind those of the folds."""

    def epoch_scores(self, target: Array, logit: Array) -> dict[str, float]:
        """What an epoch is judged by, exact; NaN where undefined."""

    def epoch_score(self, metric: str, target: Array, logit: Array) -> float:
        """A metric of an epoch, decided at 0.5 where it scores decisions; NaN where undefined."""

    def format_scores(self, scores: dict[str, float]) -> str:
        """An epoch's scores on one line."""

    def epoch_line(self, scores: dict[str, float], metric: str | None) -> str:
        """The same, with the metric in front where it is another."""

    def describe_decision(self, oof: pd.DataFrame, metric: str | None) -> str:
        """How a submission of decisions comes to them, in words."""

    def decision_scores(self, table: pd.DataFrame, decided: pd.DataFrame) -> dict[str, float]:
        """The scores of decisions, as ``decisions`` gives them, of the rows of an OOF table."""

    def evaluate(self, oof: pd.DataFrame, missing: list[int], metric: str | None, cut: Any = None) -> Report:
        """A stage's part of the report: folds, missing_folds, mean, sd, pooled, and whatever else the kind scores.

        An undefined number is None, with its reason beside it; remarks, where there are any, are lines to read beside
        the numbers.

        Args:
            oof: an OOF table with a further column group, int64, the same for rows that are copies of one case.
            missing: the folds that are not in it.
            metric: the configuration's, by which decisions are made; None: it names none.
            cut: what other rows have chosen for decisions, as ``cut_of`` gives it; None: these rows choose, fold by
                fold.
        """

    def compare(self, old: str, old_oof: pd.DataFrame, new: str, new_oof: pd.DataFrame, metric: str | None) -> Report:
        """What the newer predictions changed on the rows that both have: old, new, rows, and the changes. Tables and
        metric as for ``evaluate``."""

    def truth(self, table: pd.DataFrame) -> Any:
        """What metrics compare with, of each row of an OOF table."""

    def deciding(self, table: pd.DataFrame) -> Any:
        """What decisions are made from, of each row of a table of predictions: probabilities, values."""

    def leads(self, metric: str | None) -> bool:
        """Whether ``evaluate`` itself gives what the report leads with."""

    def lead(self, oof: pd.DataFrame, missing: list[int], metric: str | None, cut: Any = None) -> Report:
        """What the report leads with where ``evaluate`` does not: tasks/scoring.py."""

    def scores(self, oof: pd.DataFrame, metric: str | None) -> tuple[dict[int, float | None], float | None]:
        """The metric of each fold, and of all rows, as ``lead`` has them, without any interval. oof: needs no group."""

    def value_of_parts(self, parts: Sequence[tuple[pd.DataFrame, Any]], metric: str | None) -> float | None:
        """The metric of all rows of tables of predictions, each with what its own rows are decided by (``cut_of``);
        None where it is undefined."""

    def lead_change(self, old: pd.DataFrame, new: pd.DataFrame, metric: str | None) -> Report:
        """What newer predictions changed of it."""

    def describe_lead_change(self, change: Report) -> str | None:
        """This on one line; None where it is undefined."""

    def named_metric(self, name: str | None) -> Metric:
        """The metric of that name; None: the kind's own."""

    def monitor_sign(self, monitor: str) -> int:
        """1 where more of what epochs are compared by is better, -1 where less is."""

    def decides(self, metric: str | None) -> bool:
        """Whether decisions are made by what is best for the metric out of fold."""

    def cut_of(self, oof: pd.DataFrame | None, metric: str | None) -> Any:
        """What decisions are made by."""

    def describe_change(self, comparison: Report) -> str | None:
        """A comparison on one line; None where it is undefined."""

    def report_row(self, part: Report) -> list[str]:
        """A stage's numbers under ``report_header``."""


class Task(Labels, Outputs, Tables, Scores, Protocol):
    """One kind of label."""


def probability_columns(task: Tables) -> list[str]:
    """The columns of probabilities in tables of predictions, in the order of the outputs."""
    return [column for column in task.test_columns if column.startswith("prediction")]


def logit_columns(task: Tables) -> list[str]:
    """The columns of logits in tables of predictions, in the order of the outputs; none where words are labelled."""
    return [column for column in task.test_columns if column.startswith("logit")]
