"""Numbers: one label a row, or several columns of them."""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, ClassVar, Self

import numpy as np
import numpy.typing as npt
import pandas as pd

from pipeline.config.run import Config
from pipeline.lazy import lazily
from pipeline.metrics import scores
from pipeline.metrics.metric import Form, Metric
from pipeline.tasks import linear, row_views
from pipeline.tasks.label_names import JOINT, wrong_labels
from pipeline.tasks.protocol import IDENTITY, Array, Link, Report
from pipeline.tasks.report_parts import format_score
from pipeline.tasks.row_views import RowView
from pipeline.tasks.rows import RowTask

special = lazily("scipy.special")
NUMBER = re.compile(r"[+-]?(\d+\.?\d*|\.\d+)([eE][+-]?\d{1,2})?")
STRATA = 10  # equally many rows each, by their labels
SHOWN = ("rmse", "mae", "r2", "pearson", "spearman")  # scores that the report has beside the one that leads
EDGE = 1e-3  # how near a bound the baseline may predict, as a share of the whole range
Floats = npt.NDArray[np.float32]


@dataclass(frozen=True)
class Regression(RowTask):
    """A row's label is a number, or one of each column; with bounds a prediction lies between them."""

    names: tuple[str, ...]
    """Of several columns."""
    bounds: tuple[float, float] | None

    kind: ClassVar[str] = "regression"
    metric: ClassVar[str] = "rmse"
    metric_label: ClassVar[str] = "RMSE"
    contradiction: ClassVar[str] = "texts with several values"
    footnote: ClassVar[str] = "Of several columns, the mean of theirs."
    label_dtype: ClassVar[str] = "str"
    has_labels: ClassVar[bool] = False
    has_values: ClassVar[bool] = True
    pictures: ClassVar[tuple[str, ...]] = ("truth_and_prediction",)

    @classmethod
    def from_config(cls, config: Config, labels: Sequence[str]) -> Self:
        data = config.competition
        return cls(tuple(data.label_columns or ()), (data.bounds[0], data.bounds[1]) if data.bounds else None)

    @property
    def output_names(self) -> tuple[str, ...]:
        """The columns, where there are several."""
        return self.names

    @property
    def outputs(self) -> tuple[int, ...]:
        return (max(len(self.names), 1),)

    @property
    def links(self) -> tuple[Link, ...]:
        return (Link("sigmoid", *self.bounds) if self.bounds else IDENTITY,)

    @property
    def limits(self) -> tuple[float, float] | None:
        return self.bounds

    @property
    def identity(self) -> dict[str, Any]:
        return {"task": self.kind, "columns": list(self.names), "bounds": list(self.bounds) if self.bounds else None}

    @property
    def oof_columns(self) -> list[str]:
        """A label a column, then what the network gives and the prediction that follows from it."""
        return ["id", "fold", *self._columns("label"), *self.test_columns[1:]]

    @property
    def test_columns(self) -> list[str]:
        pairs = zip(self._columns("logit"), self._columns("prediction"), strict=True)
        return ["id", *(column for pair in pairs for column in pair)]

    def problems(self, rows: pd.DataFrame, where: str, trained_on: bool) -> list[str]:
        """One line for each label that is no number, or beyond the bounds, and where all rows have the same."""
        allowed, wrong = _Numbers(self.bounds), []
        rule = "a number" + (f" from {self.bounds[0]:g} to {self.bounds[1]:g} (data.bounds)" if self.bounds else "")
        for name, column in zip(self._columns(""), self._split(rows.label), strict=True):
            at = f"{where}, column {name[1:]}" if name else where
            lines = wrong_labels(column, rows.place, at, allowed, rule)
            wrong += lines
            if trained_on and not lines and len(set(map(float, column))) < 2:
                wrong.append(f"{at}: every row has the label {column[0]}; there is nothing to learn")
        return wrong

    def label_text(self, label: str) -> str:
        return label.replace(JOINT, ", ")

    def shares(self, label: pd.Series) -> str:
        """Mean, standard deviation and range of each column."""
        values = self.target(label).reshape(len(label), -1)
        return "; ".join(f"{name[1:]}{': ' if name else ''}mean {own.mean():.4g}, sd {own.std():.3g}, "
                         f"{own.min():g} to {own.max():g}"
                         for name, own in zip(self._columns(""), values.T, strict=True))

    def strata(self, label: pd.Series) -> npt.NDArray[np.int64]:
        """The tenth that a row's label is in; of several columns, that of the mean of their standard scores."""
        values = self.target(label).reshape(len(label), -1).astype(np.float64)
        spread = values.std(axis=0)
        mean = ((values - values.mean(axis=0)) / np.where(spread > 0, spread, 1)).mean(axis=1)
        below = np.searchsorted(np.sort(mean), mean, side="left")  # equal labels are in one stratum
        return below * STRATA // max(len(mean), 1)

    def target(self, label: pd.Series) -> Floats:
        """float32 [rows] or [rows, columns]."""
        table = np.array(self._split(label), np.float64).astype(np.float32).T
        return table if self.names else table[:, 0]

    def prediction(self, logit: Floats) -> Floats:
        """Values in their own unit."""
        if not self.bounds:
            return logit
        low, high = self.bounds
        return np.clip(low + (high - low) * scores.sigmoid(logit), low, high).astype(np.float32)

    def predicted_from(self, logit: Floats) -> Floats:
        return self.prediction(logit)

    def ranking_from(self, logit: Floats) -> Floats:
        return self.prediction(logit)

    def epoch_scores(self, target: Floats, logit: Floats) -> dict[str, float]:
        """rmse, pearson, and loss, the mean squared error. NaN where undefined."""
        return {name: self.epoch_score(by, target, logit)
                for name, by in (("rmse", "rmse"), ("pearson", "pearson"), ("loss", "mse"))}

    def format_scores(self, scores: dict[str, float]) -> str:
        """An epoch's scores on one line."""
        return f"RMSE {scores['rmse']:.4f}  Pearson's r {scores['pearson']:.4f}"

    def linear(self, vectors: Any, target: Floats, strength: float, weight: Floats | None = None) -> linear.Linear:
        """Ridge regression of the values; with bounds, of their logits."""
        if not self.bounds:
            return linear.values(vectors, target, strength, weight)
        low, high = self.bounds
        value_of = linear.values(vectors, target, strength, weight)

        def logit(rows: Any) -> Floats:
            share = np.clip((value_of(rows).astype(np.float64) - low) / (high - low), EDGE, 1 - EDGE)
            result: Floats = special.logit(share).astype(np.float32)
            return result

        return linear.Linear(logit, value_of.weights)

    def label_table(self, rows: pd.DataFrame) -> dict[str, Any]:
        """A label a column."""
        return dict(zip(self._columns("label"), self._split(rows.label), strict=True))

    def row_views(self, oof: pd.DataFrame) -> dict[str, RowView]:
        """Each column's value and label."""
        columns = zip(self.names or ("",), self._columns("label"), self._columns("prediction"), strict=True)
        return {name: row_views.of_values(oof[label].tolist(), oof[value].to_numpy(), oof[label].to_numpy(np.float64))
                for name, label, value in columns}

    def probabilities(self, test: pd.DataFrame, each: bool = False) -> pd.DataFrame:
        """The values."""
        return test.set_index("id")[self._columns("prediction")]

    def decisions(self, oof: pd.DataFrame | None, test: pd.DataFrame, metric: str | None) -> pd.DataFrame:
        """The values: nothing is decided."""
        return self.probabilities(test)

    def submission_columns(self, form: Form, each: bool = False) -> list[str]:
        return list(self.names) or [""]

    def describe_decision(self, oof: pd.DataFrame, metric: str | None) -> str:
        return "values as they are predicted"

    def decision_scores(self, table: pd.DataFrame, decided: pd.DataFrame) -> dict[str, float]:
        """Scores of the values."""
        return {name: value for name, value in self._scores(table).items() if value is not None}

    def leads(self, metric: str | None) -> bool:
        return False

    def truth(self, table: pd.DataFrame) -> npt.NDArray[np.float64]:
        values = table[self._columns("label")].to_numpy(str).astype(np.float64)
        return values if self.names else values[:, 0]

    def ranking(self, table: pd.DataFrame) -> Floats:
        return self.deciding(table)

    def deciding(self, table: pd.DataFrame) -> Floats:
        values = table[self._columns("prediction")].to_numpy(np.float32)
        return values if self.names else values[:, 0]

    def cut(self, target: Array, deciding: Array, metric: Metric) -> None:
        """Nothing is decided."""

    @property
    def plain_cut(self) -> None:
        return None

    def decide(self, deciding: Array, cut: None) -> Array:
        return deciding

    @property
    def report_header(self) -> list[str]:
        return [self.named_metric(name).label for name in SHOWN]

    def evaluate(self, oof: pd.DataFrame, missing: list[int], metric: str | None, cut: Any = None) -> Report:
        """Scores over all rows, and of each column where there are several."""
        part: Report = {"rows": len(oof), "missing_folds": missing}
        if missing:
            return part | dict.fromkeys(SHOWN)
        part |= self._scores(oof)
        if self.names:
            truth, value = self.truth(oof), self.deciding(oof)
            part["columns"] = [{"column": name} | {score: self.named_metric(score).value(truth[:, at], value[:, at])
                                                   for score in SHOWN} for at, name in enumerate(self.names)]
        return part

    def compare(self, old: str, old_oof: pd.DataFrame, new: str, new_oof: pd.DataFrame, metric: str | None) -> Report:
        """The changes of the scores, and the largest change of a prediction."""
        both = old_oof[["id"]].merge(new_oof[["id"]], on="id", validate="one_to_one").id
        before, after = (table.set_index("id").loc[both] for table in (old_oof, new_oof))
        values = self._scores(before), self._scores(after)
        deltas = {f"delta_{name}": None if values[0][name] is None or values[1][name] is None
                  else float(values[1][name] or 0) - float(values[0][name] or 0) for name in SHOWN}
        return {"old": old, "new": new, "rows": len(both), **deltas,
                "largest_change": float(np.abs(self.deciding(after) - self.deciding(before)).max(initial=0))}

    def describe_change(self, comparison: Report) -> str | None:
        """A comparison on one line."""
        leading = comparison.get("lead", {}).get("metric")
        known = [f"{self.named_metric(name).label} {delta:+.4f}" for name in SHOWN
                 if name != leading and (delta := comparison[f"delta_{name}"]) is not None]
        return f"{', '.join(known)}, largest change of a prediction {comparison['largest_change']:.2g}"

    def report_row(self, part: Report) -> list[str]:
        """A stage's numbers under ``report_header``."""
        return [format_score(part[name]) for name in SHOWN]

    def _scores(self, table: pd.DataFrame) -> dict[str, float | None]:
        truth, value = self.truth(table), self.deciding(table)
        return {name: self.named_metric(name).value(truth, value) for name in SHOWN}

    def _columns(self, what: str) -> list[str]:
        return [f"{what}:{name}" for name in self.names] or [what]

    def _split(self, labels: Sequence[str] | pd.Series) -> list[list[str]]:
        """The labels of each column."""
        split = [label.split(JOINT) for label in labels]
        return [[row[column] for row in split] for column in range(self.outputs[0])]


@dataclass(frozen=True)
class _Numbers:
    """The texts of numbers, between bounds where there are some."""

    bounds: tuple[float, float] | None

    def __contains__(self, text: object) -> bool:
        if not isinstance(text, str) or not NUMBER.fullmatch(text):
            return False
        return not self.bounds or self.bounds[0] <= float(text) <= self.bounds[1]
