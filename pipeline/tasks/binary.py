"""One of two labels: AUC, and F1 and accuracy at thresholds chosen out of fold."""

import json
import math
import warnings
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np
import numpy.typing as npt
import pandas as pd

from pipeline.config.kinds import BINARY
from pipeline.config.run import Config
from pipeline.metrics import intervals, registry, scores, thresholds
from pipeline.metrics.metric import Form, Metric
from pipeline.tasks import linear, row_views
from pipeline.tasks.label_names import wrong_labels
from pipeline.tasks.protocol import SIGMOID, Link, Report
from pipeline.tasks.report_parts import OF_ROWS, ONE_FOLD, between, bounds, format_score, not_finished, spread
from pipeline.tasks.row_views import RowView
from pipeline.tasks.rows import RowTask

MISTAKES = 5  # rows that may have a wrong label by a slip; more are a label of their own
POSITIVE = {"1", "1.0", "true", "t", "yes", "y", "positive", "pos", "spam", "是", "对", "正"}
Floats = npt.NDArray[np.float32]


@dataclass(frozen=True)
class Binary(RowTask):
    """One of two labels; a label is int8 0 or 1, the prediction the probability of the positive one."""

    negative: str
    positive: str

    kind: ClassVar[str] = "binary"
    metric: ClassVar[str] = "auc"
    metric_label: ClassVar[str] = "AUC"
    contradiction: ClassVar[str] = "texts with both labels"
    report_header: ClassVar[list[str]] = ["mean ± sd", "pooled", "95 %", "rank-pooled", "F1*"]
    footnote: ClassVar[str] = "*F1 at the threshold chosen on the other folds."
    label_dtype: ClassVar[str] = "int64"
    target_dtype: ClassVar[str] = "float32"
    pictures: ClassVar[tuple[str, ...]] = ("roc_pr", "scores", "stage2_vs_stage1")
    output_names: ClassVar[tuple[str, ...]] = ()
    outputs: ClassVar[tuple[int, ...]] = (1,)
    links: ClassVar[tuple[Link, ...]] = (SIGMOID,)
    identity: ClassVar[dict[str, Any]] = {}

    @classmethod
    def from_config(cls, config: Config, labels: Sequence[str]) -> "Binary":
        negative, positive = config.competition.labels or BINARY
        return cls(negative, positive)

    @property
    def oof_columns(self) -> list[str]:
        return ["id", "fold", "label", "logit", "prediction"]

    @property
    def test_columns(self) -> list[str]:
        return ["id", "logit", "prediction"]

    @property
    def labels(self) -> tuple[str, str]:
        """The label's text by its number."""
        return self.negative, self.positive

    def problems(self, rows: pd.DataFrame, where: str, trained_on: bool) -> list[str]:
        """One line for each wrong label in the column with the place where it first stands, or for a class that is
        missing where the rows are trained on."""
        wrong = wrong_labels(rows.label, rows.place, where, self.labels, f"{self.negative!r} or {self.positive!r}")
        values = sorted(set(rows.label) - {""})
        if trained_on and wrong and len(values) == 2 and (
                not set(values) & set(self.labels) or rows.label.value_counts().loc[values].min() > MISTAKES):
            if values[0].casefold() in POSITIVE:
                values.reverse()
            written = json.dumps(values, ensure_ascii=False)
            wrong.append(f"{where}: if {values[1]!r} is the positive label: data.labels = {written}")
        if trained_on and not wrong:
            wrong += [f"{where}: no row has label {label!r}; training needs both classes"
                      for label in self.labels if not (rows.label == label).any()]
        return wrong

    def encode(self, labels: Sequence[str]) -> npt.NDArray[np.int8]:
        """int8 [rows]: 1 where the label is the positive one."""
        return np.fromiter((label == self.positive for label in labels), dtype=np.int8, count=len(labels))

    def label_text(self, label: int) -> str:
        """A row's label as its table has it."""
        return self.labels[label]

    def shares(self, label: pd.Series) -> str:
        """How many rows of a fold have which label, in words."""
        return f"{int(label.sum()):,} positive ({label.mean():.1%})"

    def strata(self, label: pd.Series) -> npt.NDArray[np.int64]:
        """The label."""
        return label.to_numpy(np.int64)

    def target(self, label: pd.Series) -> Floats:
        """float32 [rows]."""
        return label.to_numpy(np.float32)

    def epoch_scores(self, target: Floats, logit: Floats) -> dict[str, float]:
        """What an epoch is judged by: auc, accuracy, f1, loss. NaN where undefined."""
        label, probability = target.astype(np.int8), scores.sigmoid(logit)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            area = scores.auc(label, logit)
        return {
            "auc": math.nan if area is None else area,
            "accuracy": scores.accuracy(label, probability),
            "f1": scores.f1(label, probability),
            "loss": scores.log_loss(label, logit),
        }

    def format_scores(self, scores: dict[str, float]) -> str:
        """An epoch's scores on one line."""
        area = "undefined" if math.isnan(scores["auc"]) else f"{scores['auc']:.4f}"
        return f"AUC {area}  accuracy {scores['accuracy']:.4f}  F1 {scores['f1']:.4f}"

    def linear(self, vectors: Any, target: Floats, strength: float, weight: Floats | None = None) -> linear.Linear:
        """Logistic regression."""
        return linear.one_label(vectors, target, strength, weight)

    def prediction(self, logit: Floats) -> Floats:
        """The probability of the positive label."""
        return scores.sigmoid(logit)

    def probabilities(self, test: pd.DataFrame, each: bool = False) -> pd.DataFrame:
        """The positive label's; or each label's."""
        positive = test.set_index("id")[["prediction"]]
        if not each:
            return positive
        return pd.DataFrame({f"prediction:{self.negative}": 1 - positive.prediction,
                             f"prediction:{self.positive}": positive.prediction})

    def decisions(self, oof: pd.DataFrame | None, test: pd.DataFrame, metric: str | None) -> pd.DataFrame:
        """The label at the threshold that is best for the metric."""
        threshold = self.cut_of(oof, metric)
        return self.probabilities(test).map(lambda p: self.positive if p >= threshold else self.negative)

    def row_views(self, oof: pd.DataFrame) -> dict[str, RowView]:
        """The probability of a row's own label; claims are of the positive one."""
        truth = self.truth(oof)[:, None].astype(np.float64)
        label = [self.labels[number] for number in oof.label]
        return {"": row_views.of_labels(label, oof[["prediction"]].to_numpy(), truth, False, self.positive,
                                        self.labels)}

    def submission_columns(self, form: Form, each: bool = False) -> list[str]:
        """One; or both labels, where each has its probability."""
        return list(self.labels) if each and form != Form.DECISIONS else [""]

    def describe_decision(self, oof: pd.DataFrame, metric: str | None) -> str:
        """At the threshold that is best out of fold."""
        if not self.decides(metric):
            return "labels at threshold 0.5"
        return f"labels at threshold {self.cut_of(oof, metric):.4f}, the best for {metric} out of fold"

    def truth(self, table: pd.DataFrame) -> npt.NDArray[np.int64]:
        return table.label.to_numpy(np.int64)

    def ranking(self, table: pd.DataFrame) -> Floats:
        return table.logit.to_numpy()

    def deciding(self, table: pd.DataFrame) -> Floats:
        return table.prediction.to_numpy()

    def predicted_from(self, logit: Floats) -> Floats:
        return self.prediction(logit)

    def cut(self, target: npt.NDArray[np.int64], deciding: Floats, metric: Metric) -> float:
        """The threshold of the positive label."""
        assert metric.of_confusion is not None
        return thresholds.best_threshold(target, deciding, metric.of_confusion, metric.sign)

    @property
    def plain_cut(self) -> float:
        return 0.5

    def decide(self, deciding: Floats, cut: float) -> npt.NDArray[np.int64]:
        return (deciding >= cut).astype(np.int64)

    def decision_scores(self, table: pd.DataFrame, decided: pd.DataFrame) -> dict[str, float]:
        """f1 of the positive label, and accuracy."""
        positive = decided.prediction.loc[table.id].to_numpy() == self.positive
        label = table.label.to_numpy()
        return {"f1": scores.f1(label, positive), "accuracy": scores.accuracy(label, positive)}

    def evaluate(self, oof: pd.DataFrame, missing: list[int], metric: str | None, cut: Any = None) -> Report:
        """AUC by fold, pooled, and by ranks within folds; F1 and accuracy at thresholds chosen on the other folds."""
        label, logit, fold = oof.label.to_numpy(), oof.logit.to_numpy(), oof.fold.to_numpy()
        rows = [_fold(int(number), oof[fold == number]) for number in np.unique(fold)]
        areas = [row["auc"] for row in rows if row["auc"] is not None]
        part: Report = {"folds": rows, "missing_folds": missing}
        part["mean"] = float(np.mean(areas)) if areas else None
        part["sd"] = float(np.std(areas, ddof=1)) if len(areas) > 1 else None
        if not areas:
            part["mean_reason"] = "no fold has both classes"
        if len(areas) < 2:
            part["sd_reason"] = "needs two folds with both classes"
        part["rows"], part["positives"] = len(oof), int(label.sum())
        if missing:
            names = ("pooled", "rank_pooled", "pooled_interval", "average_precision", "log_loss", "f1", "accuracy")
            return part | dict.fromkeys(names) | {"pooled_reason": not_finished(missing)}
        part["pooled"] = scores.auc(label, logit)
        part["rank_pooled"] = scores.auc(label, scores.rank_within_folds(logit, fold))
        part["pooled_interval"] = bounds(intervals.auc_interval(label, logit, oof.group.to_numpy()))
        if part["pooled"] is None:
            part["pooled_reason"] = "one class only"
        probability = oof.prediction.to_numpy()
        part["average_precision"] = scores.average_precision(label, logit)
        part["log_loss"] = scores.log_loss(label, logit)
        for name, score in (("f1", scores.f1), ("accuracy", scores.accuracy)):
            by = registry.named(self.kind, name)
            threshold = self.cut(label, probability, by)
            part[name] = {"at_half": score(label, probability), "threshold": threshold,
                          "in_sample": score(label, probability, threshold),
                          "cross_fitted": self._cross_fitted(label, probability, fold, by)}
            if part[name]["cross_fitted"] is None:
                part[name]["cross_fitted_reason"] = ONE_FOLD
        return part

    def compare(self, old: str, old_oof: pd.DataFrame, new: str, new_oof: pd.DataFrame, metric: str | None) -> Report:
        """What the newer predictions changed on the rows that both have."""
        both = old_oof.merge(new_oof, on="id", suffixes=("_old", "_new"), validate="one_to_one")
        label = both.label_new.to_numpy()
        p_old, p_new = both.prediction_old.to_numpy(), both.prediction_new.to_numpy()
        part: Report = {"old": old, "new": new, "rows": len(both)}
        by_fold = []
        for _, rows in both.groupby("fold_new"):
            areas = [scores.auc(rows.label_new.to_numpy(), rows[f"logit_{which}"].to_numpy())
                     for which in ("old", "new")]
            if areas[0] is not None and areas[1] is not None:
                by_fold.append(areas[1] - areas[0])
        part["delta_mean_auc"] = float(np.mean(by_fold)) if by_fold else None
        difference = intervals.auc_difference(label, both.logit_new.to_numpy(), both.logit_old.to_numpy(),
                                            both.group_new.to_numpy())
        part["delta_pooled_auc"] = difference[0] if difference else None
        part["delta_pooled_auc_interval"] = bounds(difference[1]) if difference else None
        if difference is None:
            part["delta_reason"] = "too few rows, or groups of rows, of one class on the rows that both predict"
        part["delta_f1"] = scores.f1(label, p_new) - scores.f1(label, p_old)
        part["decisions_flipped"] = int(((p_old >= 0.5) != (p_new >= 0.5)).sum())
        part["largest_change"] = float(np.abs(p_new - p_old).max())
        return part

    def describe_change(self, comparison: Report) -> str | None:
        """A comparison on one line; None where it is undefined."""
        if comparison["delta_pooled_auc"] is None:
            return None
        interval = comparison["delta_pooled_auc_interval"]
        return (f"AUC {comparison['delta_pooled_auc']:+.5f} ({interval[0]:+.5f} to {interval[1]:+.5f} {OF_ROWS}), "
                f"F1 at 0.5 {comparison['delta_f1']:+.4f}, {comparison['decisions_flipped']:,} decisions flipped, "
                f"largest change of a probability {comparison['largest_change']:.2g}")

    def _cross_fitted(self, label: npt.NDArray[np.int64], probability: Floats, fold: npt.NDArray[np.int64], by: Metric
                      ) -> float | None:
        """The score where each fold is decided at the threshold chosen on the others; None with one fold."""
        decided = thresholds.cross_fitted(lambda others, inside: self.decide(
            probability[inside], self.cut(label[others], probability[others], by)), fold)
        return None if decided is None else by.value(label, decided)

    def report_row(self, part: Report) -> list[str]:
        """A stage's numbers under ``report_header``."""
        return [spread(part), format_score(part["pooled"]), between(part["pooled_interval"]),
                format_score(part["rank_pooled"]), format_score(part["f1"] and part["f1"]["cross_fitted"])]


def _fold(fold: int, part: pd.DataFrame) -> Report:
    label, logit = part.label.to_numpy(), part.logit.to_numpy()
    row: Report = {"fold": fold, "rows": len(part), "positives": int(label.sum()), "auc": scores.auc(label, logit)}
    row["interval"] = bounds(intervals.auc_interval(label, logit, part.group.to_numpy()))
    if row["auc"] is None:
        row["auc_reason"] = f"all {len(part)} rows have label {label[0]}"
    return row
