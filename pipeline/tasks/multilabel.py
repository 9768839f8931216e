"""Any number of named labels at once: each has a probability of its own, and a threshold chosen out of fold."""

import json
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np
import numpy.typing as npt
import pandas as pd

from pipeline.config.run import Config
from pipeline.lazy import lazily
from pipeline.metrics import registry, scores, thresholds
from pipeline.metrics.metric import Form, Metric
from pipeline.tasks import linear, row_views
from pipeline.tasks.label_names import alike_names, wrong_labels
from pipeline.tasks.named import Floats, NamedOutputs
from pipeline.tasks.protocol import SIGMOID, Link, Report
from pipeline.tasks.report_parts import ONE_FOLD, format_score, over_folds, spread
from pipeline.tasks.row_views import RowView

sk = lazily("sklearn.metrics")

Labels = npt.NDArray[np.int8]
Decided = npt.NDArray[np.bool_]
BY_DECISION = {"exact_match", "hamming_loss"}  # metrics that want each decision right
ONE_THRESHOLD = {"micro_f1", "samples_f1"}  # metrics over all labels together


@dataclass(frozen=True)
class Multilabel(NamedOutputs):
    """Each label, in this order everywhere, is there or not. A row's label is the names of those that are there, in
    their order, joined by the separator."""

    labels: tuple[str, ...]
    separator: str

    kind: ClassVar[str] = "multilabel"
    metric: ClassVar[str] = "macro_f1"
    metric_label: ClassVar[str] = "macro F1"
    contradiction: ClassVar[str] = "texts with several sets of labels"
    report_header: ClassVar[list[str]] = ["mean ± sd", "pooled", "micro F1", "macro F1*", "micro F1*", "mean AUC",
                                          "exact"]
    footnote: ClassVar[str] = (
        "*With each label's threshold chosen on the other folds, as the submission chooses it on all of them; the "
        "others at 0.5. Exact: the share of rows whose labels are all right, with thresholds from the other folds.")
    links: ClassVar[tuple[Link, ...]] = (SIGMOID,)
    pictures: ClassVar[tuple[str, ...]] = ("by_class",)

    @classmethod
    def from_config(cls, config: Config, labels: Sequence[str]) -> "Multilabel":
        data = config.competition
        names = {name for label in labels for name in label.split(data.label_separator) if name}
        return cls(tuple(data.labels or data.label_columns or sorted(names)), data.label_separator)

    @property
    def output_names(self) -> tuple[str, ...]:
        """The labels."""
        return self.labels

    @property
    def identity(self) -> dict[str, Any]:
        """The labels and their order."""
        return {"task": "multilabel", "labels": list(self.labels)}

    def problems(self, rows: pd.DataFrame, where: str, trained_on: bool) -> list[str]:
        """One line for each name that is no label, or for a label that no row has where the rows are trained on."""
        parts = [(name, place) for label, place in zip(rows.label, rows.place, strict=True)
                 for name in self._split(label)]
        wrong = wrong_labels([name for name, _ in parts], [place for _, place in parts], where, set(self.labels),
                             f"some of {len(self.labels)} names joined by {self.separator!r}")
        if trained_on:
            wrong += alike_names(self.labels, where, f"if there is white space behind each separator: "
                                                     f"data.label_separator = {json.dumps(f'{self.separator} ')}")
        if trained_on and not wrong:
            known = {name for name, _ in parts}
            wrong += [f"{where}: no row has label {name!r}; training needs every label"
                      for name in self.labels if name not in known][:10]
        return wrong

    def encode(self, labels: Sequence[str]) -> npt.NDArray[np.object_]:
        """The names in the order of the labels, each once."""
        order = {name: number for number, name in enumerate(self.labels)}
        return np.array([self.separator.join(sorted(set(self._split(label)), key=order.__getitem__))
                         for label in labels], dtype=object)

    def label_text(self, label: str) -> str:
        """The labels that are there."""
        return label or "none"

    def shares(self, label: pd.Series) -> str:
        """How many labels a row has, and the rarest of them."""
        counts = self.target(label).sum(axis=0)
        rarest = int(counts.argmin())
        return (f"{counts.sum() / len(label):.2f} labels a row, {int((counts > 0).sum())} of {len(self.labels)} occur, "
                f"fewest {self.labels[rarest]} ({int(counts[rarest])}), {int((label == '').sum()):,} rows have none")

    def strata(self, label: pd.Series) -> npt.NDArray[np.int64]:
        """The rarest of a row's labels: folds then hold like shares of every label, the rare ones first of all."""
        target = self.target(label)
        rank = np.argsort(np.argsort(target.sum(axis=0), kind="stable"))  # 0: the rarest
        none = len(self.labels)
        return np.where(target > 0, rank, none).min(axis=1).astype(np.int64)

    def target(self, label: pd.Series) -> Floats:
        """float32 [rows, labels]: 1 where the label is there."""
        number = {name: place for place, name in enumerate(self.labels)}
        target = np.zeros((len(label), len(self.labels)), np.float32)
        for row, names in enumerate(label):
            for name in self._split(names):
                target[row, number[name]] = 1
        return target

    def epoch_scores(self, target: Floats, logit: Floats) -> dict[str, float]:
        """auc and f1 (means over labels), accuracy (of single decisions), loss. NaN where undefined."""
        there, decided = target.astype(np.int8), logit >= 0
        areas = _areas(there, logit)
        return {"auc": float(np.mean(areas)) if areas else float("nan"), "accuracy": float(np.mean(there == decided)),
                "f1": _f1(there, decided, "macro"), "micro_f1": _f1(there, decided, "micro"),
                "macro_f1": _f1(there, decided, "macro"), "loss": scores.log_loss(target, logit)}

    def format_scores(self, scores: dict[str, float]) -> str:
        """An epoch's scores on one line."""
        return f"macro F1 {scores['macro_f1']:.4f}  micro F1 {scores['micro_f1']:.4f}  mean AUC {scores['auc']:.4f}"

    def linear(self, vectors: Any, target: Floats, strength: float, weight: Floats | None = None) -> linear.Linear:
        """Logistic regression of each label; one that no row has, or every row, has the logit of a probability of 1e-9,
        or of 1 - 1e-9."""
        return linear.labels(vectors, target, strength, weight)

    def prediction(self, logit: Floats) -> Floats:
        """Each label's own."""
        return scores.sigmoid(logit)

    def probabilities(self, test: pd.DataFrame, each: bool = False) -> pd.DataFrame:
        """The labels'."""
        return test.set_index("id")[[f"prediction:{name}" for name in self.labels]]

    def decisions(self, oof: pd.DataFrame | None, test: pd.DataFrame, metric: str | None) -> pd.DataFrame:
        """The names of the labels over their thresholds, joined."""
        probability = self.probabilities(test)
        decided = self.decide(probability.to_numpy(), self.cut_of(oof, metric))
        return pd.DataFrame({"prediction": [self.separator.join(np.array(self.labels)[row]) for row in decided]},
                            index=probability.index)

    def row_views(self, oof: pd.DataFrame) -> dict[str, RowView]:
        """The least probability of what a row's labels say of each; claims are of every label."""
        return {"": row_views.of_labels(oof.label.tolist(), self.deciding(oof), self.truth(oof).astype(np.float64),
                                        exclusive=False)}

    def submission_columns(self, form: Form, each: bool = False) -> list[str]:
        """The labels of probabilities, else one."""
        return list(self.labels) if form in (Form.RANKS, Form.PROBABILITIES) else [""]

    def describe_decision(self, oof: pd.DataFrame, metric: str | None) -> str:
        """At thresholds that are best out of fold."""
        if not self.decides(metric):
            return "labels over 0.5"
        if metric in ONE_THRESHOLD:
            return f"labels over {self.cut_of(oof, metric)[0]:.4f}, the best for {metric} out of fold"
        return f"labels over their own thresholds, each the best for its {_rule(metric)} out of fold"

    def leads(self, metric: str | None) -> bool:
        """The report's own macro F1 is at 0.5."""
        return metric is None

    def truth(self, table: pd.DataFrame) -> Labels:
        return self.target(table.label).astype(np.int8)

    def ranking(self, table: pd.DataFrame) -> Floats:
        return self.numbers(table, "logit")

    def deciding(self, table: pd.DataFrame) -> Floats:
        return self.numbers(table, "prediction")

    def predicted_from(self, logit: Floats) -> Floats:
        return self.prediction(logit)

    def cut(self, target: Labels, deciding: Floats, metric: Metric) -> Floats:
        """Each label's threshold; the same of all for a metric over all of them together."""
        return _thresholds(target, deciding, metric.name)

    @property
    def plain_cut(self) -> Floats:
        return np.full(len(self.labels), 0.5, np.float32)

    def decide(self, deciding: Floats, cut: Floats) -> Decided:
        return deciding >= cut

    def decision_scores(self, table: pd.DataFrame, decided: pd.DataFrame) -> dict[str, float]:
        """macro_f1, micro_f1, exact_match (the share of rows whose labels are all right) and hamming_loss."""
        return _decision_scores(self.target(table.label), self.target(decided.prediction.loc[table.id]))

    def evaluate(self, oof: pd.DataFrame, missing: list[int], metric: str | None, cut: Any = None) -> Report:
        """F1 by fold and pooled, macro and micro, at 0.5 and cross-fitted; AUC, Hamming loss; and each label."""
        there, logit = self.target(oof.label).astype(np.int8), self.numbers(oof, "logit")
        probability, fold = self.numbers(oof, "prediction"), oof.fold.to_numpy()
        decided = probability >= 0.5
        rows: list[Report] = []
        for number in np.unique(fold):
            inside = fold == number
            absent = [name for name, count in zip(self.labels, there[inside].sum(axis=0), strict=True) if not count]
            rows.append({"fold": int(number), "rows": int(inside.sum()),
                         "macro_f1": _f1(there[inside], decided[inside], "macro"),
                         "micro_f1": _f1(there[inside], decided[inside], "micro"), "labels_without_rows": absent})
        part = over_folds(rows, self.metric, _f1(there, decided, "macro"), missing)
        part |= {"rows": len(oof), "thresholds_for": _rule(metric),
                 "classes": self._by_label(there, logit, probability, metric)}
        if missing:
            return part | dict.fromkeys(["micro_f1", "mean_auc", "log_loss", "hamming_loss", "cross_fitted"])
        areas = _areas(there, logit)
        part |= {"micro_f1": _f1(there, decided, "micro"), "mean_auc": float(np.mean(areas)) if areas else None,
                 "log_loss": scores.log_loss(there, logit), "hamming_loss": float(np.mean(there != decided))}
        if not areas:
            part["mean_auc_reason"] = "no label has rows with and without it"
        part["cross_fitted"] = self._cross_fitted(there, probability, fold, metric)
        if part["cross_fitted"] is None:
            part["cross_fitted_reason"] = ONE_FOLD
        return part

    def compare(self, old: str, old_oof: pd.DataFrame, new: str, new_oof: pd.DataFrame, metric: str | None) -> Report:
        """The change of macro and micro F1 at 0.5 and cross-fitted, of the mean AUC, and the decisions that flipped."""
        both = old_oof[["id"]].merge(new_oof[["id"]], on="id", validate="one_to_one").id
        before, after = (table.set_index("id").loc[both] for table in (old_oof, new_oof))
        there = self.target(after.label)
        plain = [self.epoch_scores(there, self.numbers(table, "logit")) for table in (before, after)]
        fitted = [self._cross_fitted(there.astype(np.int8), self.numbers(table, "prediction"), after.fold.to_numpy(),
                                     metric) for table in (before, after)]
        flipped = (self.numbers(before, "logit") >= 0) != (self.numbers(after, "logit") >= 0)
        deltas: Report = {f"delta_{name}": plain[1][name] - plain[0][name]
                  for name in ("macro_f1", "micro_f1", "auc", "loss")}
        if np.isnan(deltas["delta_auc"]):
            deltas |= {"delta_auc": None, "delta_auc_reason": "no label has rows with and without it"}
        return {"old": old, "new": new, "rows": len(both), "decisions_flipped": int(flipped.sum()), **deltas,
                "delta_cross_fitted": {name: fitted[1][name] - fitted[0][name] for name in fitted[1]}
                if fitted[0] and fitted[1] else None}

    def describe_change(self, comparison: Report) -> str | None:
        """A comparison on one line."""
        fitted, area = comparison["delta_cross_fitted"], comparison["delta_auc"]
        starred = f"macro F1* {fitted['macro_f1']:+.4f}, micro F1* {fitted['micro_f1']:+.4f}, " if fitted else ""
        of_area = "" if area is None else f"mean AUC {area:+.5f}, "
        return (f"{starred}at 0.5 macro F1 {comparison['delta_macro_f1']:+.4f}, micro F1 "
                f"{comparison['delta_micro_f1']:+.4f}, {of_area}{comparison['decisions_flipped']:,} decisions flipped")

    def report_row(self, part: Report) -> list[str]:
        """A stage's numbers under ``report_header``."""
        fitted = part["cross_fitted"] or {}
        return [spread(part), format_score(part["pooled"]),
                format_score(part["micro_f1"]), *(format_score(fitted.get(name)) for name in ("macro_f1", "micro_f1")),
                format_score(part["mean_auc"]), format_score(fitted.get("exact_match"))]

    def _split(self, label: str) -> list[str]:
        return label.split(self.separator) if label else []

    def _cross_fitted(self, there: Labels, probability: Floats, fold: npt.NDArray[np.int64],
                      metric: str | None) -> Report | None:
        """Scores where each fold is decided at the thresholds that the submission would take from the others; None with
        one fold."""
        decided = thresholds.cross_fitted(lambda others, inside: probability[inside] >= _thresholds(
            there[others], probability[others], metric), fold)
        return None if decided is None else _decision_scores(there, decided)

    def _by_label(self, there: Labels, logit: Floats, probability: Floats, metric: str | None) -> list[Report]:
        best = _thresholds(there, probability, metric)
        return [{"class": name, "rows": int(there[:, number].sum()),
                 "f1": scores.f1(there[:, number], probability[:, number]),
                 "auc": scores.auc(there[:, number], logit[:, number]),
                 "threshold": float(best[number]),
                 "f1_in_sample": scores.f1(there[:, number], probability[:, number], float(best[number]))}
                for number, name in enumerate(self.labels)]


def _rule(metric: str | None) -> str:
    """What thresholds are the best for: F1 too where the competition scores no decisions."""
    return "accuracy" if metric in BY_DECISION else "f1"


def _decision_scores(there: npt.NDArray[Any], decided: npt.NDArray[Any]) -> dict[str, float]:
    there, decided = there > 0, decided > 0
    return {"macro_f1": _f1(there, decided, "macro"), "micro_f1": _f1(there, decided, "micro"),
            "exact_match": float((there == decided).all(axis=1).mean()),
            "hamming_loss": float(np.mean(there != decided))}


def _f1(there: npt.NDArray[Any], decided: npt.NDArray[Any], average: str) -> float:
    """macro: the mean over the labels that are there in some row, or decided to be."""
    if average == "macro":
        used = ((there > 0) | decided).any(axis=0)
        there, decided = there[:, used], decided[:, used]
    return float(sk.f1_score(there, decided, average=average, zero_division=0)) if there.size else 0.0


def _areas(there: Labels, logit: Floats) -> list[float]:
    """The AUC of each label that has rows with and without it."""
    return [area for number in range(there.shape[1])
            if (area := scores.auc(there[:, number], logit[:, number])) is not None]


def _thresholds(there: Labels, probability: Floats, metric: str | None) -> Floats:
    """Each label's best threshold; for F1, 0.5 for a label that no row has. For a metric over all labels together, one
    threshold of them all."""
    rule = _rule(metric)
    of_confusion = registry.named("binary", rule).of_confusion
    assert of_confusion is not None
    if metric in ONE_THRESHOLD:
        best = thresholds.best_threshold(there.ravel(), probability.ravel(), of_confusion) if there.any() else 0.5
        return np.full(there.shape[1], best, np.float32)
    return np.array([thresholds.best_threshold(there[:, number], probability[:, number], of_confusion)
                     if rule == "accuracy" or there[:, number].any() else 0.5
                     for number in range(there.shape[1])], np.float32)
