"""One of several named classes: accuracy, and F1, AUC and log loss over the classes."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, ClassVar, Self

import numpy as np
import numpy.typing as npt
import pandas as pd

from pipeline.config.run import Config
from pipeline.lazy import lazily
from pipeline.metrics import intervals, registry, scores
from pipeline.metrics.metric import Form, Metric
from pipeline.tasks import linear, row_views
from pipeline.tasks.label_names import alike_names, wrong_labels
from pipeline.tasks.named import Floats, NamedOutputs
from pipeline.tasks.protocol import SOFTMAX, Link, Report
from pipeline.tasks.report_parts import OF_ROWS, between, bounds, format_score, over_folds, spread
from pipeline.tasks.row_views import RowView

sk, special = lazily("sklearn.metrics"), lazily("scipy.special")

Ints = npt.NDArray[np.int32]
MACRO_AUC, MACRO_F1, LOG_LOSS = (registry.named("multiclass", name) for name in ("auc", "macro_f1", "log_loss"))


@dataclass(frozen=True)
class Multiclass(NamedOutputs):
    """One of the classes, in this order everywhere; a label is its class's name, a prediction the classes'
    probabilities."""

    classes: tuple[str, ...]

    kind: ClassVar[str] = "multiclass"
    metric: ClassVar[str] = "accuracy"
    metric_label: ClassVar[str] = "accuracy"
    contradiction: ClassVar[str] = "texts with several labels"
    report_header: ClassVar[list[str]] = ["mean ± sd", "pooled", "95 %", "macro F1", "macro AUC", "log loss"]
    footnote: ClassVar[str] = "Macro: the mean over classes; AUC of each class against the rest."
    links: ClassVar[tuple[Link, ...]] = (SOFTMAX,)
    target_dtype: ClassVar[str] = "int32"
    pictures: ClassVar[tuple[str, ...]] = ("confusion", "by_class")

    @classmethod
    def from_config(cls, config: Config, labels: Sequence[str]) -> Self:
        data = config.competition
        if data.label_names:
            return cls(tuple(data.label_names[label] for label in data.labels or data.label_names))
        return cls(tuple(data.labels or sorted(set(labels) - {""})))

    @property
    def output_names(self) -> tuple[str, ...]:
        return self.classes

    @property
    def identity(self) -> dict[str, Any]:
        """The classes and their order."""
        return {"task": "multiclass", "classes": list(self.classes)}

    def problems(self, rows: pd.DataFrame, where: str, trained_on: bool) -> list[str]:
        """One line for each label that is no class, or for a class that is missing where the rows are trained on."""
        wrong = wrong_labels(rows.label, rows.place, where, self.classes, f"one of {len(self.classes)} classes")
        if trained_on:
            wrong += alike_names(self.classes, where, "write them alike, or name the classes: data.labels")
        if trained_on and not wrong:
            known = set(rows.label)
            wrong += [f"{where}: no row has label {name!r}; training needs every class"
                      for name in self.classes if name not in known][:10]
        return wrong

    def shares(self, label: pd.Series) -> str:
        """The classes by how many rows they have."""
        counts = label.value_counts()
        told = ", ".join(f"{name} {count:,}" for name, count in counts.head(5).items())
        return told + (f" and {len(counts) - 5} more classes" if len(counts) > 5 else "")

    def strata(self, label: pd.Series) -> npt.NDArray[np.int64]:
        """The class."""
        return self.target(label).astype(np.int64)

    def target(self, label: pd.Series) -> Ints:
        """int32 [rows]: the class's number."""
        return pd.Index(self.classes).get_indexer(pd.Index(label)).astype(np.int32)

    def epoch_scores(self, target: Ints, logit: Floats) -> dict[str, float]:
        """auc and f1 (macro), accuracy, loss. NaN where undefined."""
        decided = logit.argmax(axis=1)
        return {"auc": MACRO_AUC.score(target, logit), "accuracy": float(np.mean(decided == target)),
                "f1": MACRO_F1.score(target, decided), "loss": LOG_LOSS.score(target, logit)}

    def format_scores(self, scores: dict[str, float]) -> str:
        """An epoch's scores on one line."""
        return f"accuracy {scores['accuracy']:.4f}  macro F1 {scores['f1']:.4f}  macro AUC {scores['auc']:.4f}"

    def linear(self, vectors: Any, target: Ints, strength: float, weight: Floats | None = None) -> linear.Linear:
        """Multinomial logistic regression; a class that the rows lack gets a probability of 1e-9."""
        return linear.classes(vectors, target, len(self.classes), strength, weight=weight)

    def prediction(self, logit: Floats) -> Floats:
        """The softmax."""
        return special.softmax(logit.astype(np.float64), axis=1).astype(np.float32)

    def probabilities(self, test: pd.DataFrame, each: bool = False) -> pd.DataFrame:
        """The classes'."""
        return test.set_index("id")[[f"prediction:{name}" for name in self.classes]]

    def decisions(self, oof: pd.DataFrame | None, test: pd.DataFrame, metric: str | None) -> pd.DataFrame:
        """The likeliest class."""
        probability = self.probabilities(test)
        return pd.DataFrame({"prediction": np.array(self.classes)[probability.to_numpy().argmax(axis=1)]},
                            index=probability.index)

    def row_views(self, oof: pd.DataFrame) -> dict[str, RowView]:
        """The probability of a row's own class; claims are of the decided one."""
        probability = oof[[f"prediction:{name}" for name in self.classes]].to_numpy()
        target = np.eye(len(self.classes))[self.truth(oof)]
        return {"": row_views.of_labels(oof.label.tolist(), probability, target, exclusive=True,
                                        names=self.classes)}

    def submission_columns(self, form: Form, each: bool = False) -> list[str]:
        """The classes of probabilities, else one."""
        return list(self.classes) if form in (Form.RANKS, Form.PROBABILITIES) else [""]

    def describe_decision(self, oof: pd.DataFrame, metric: str | None) -> str:
        """By the largest probability."""
        return "labels: the likeliest class of each row"

    def truth(self, table: pd.DataFrame) -> Ints:
        return self.target(table.label)

    def ranking(self, table: pd.DataFrame) -> Floats:
        return self.numbers(table, "logit")

    def deciding(self, table: pd.DataFrame) -> Floats:
        return self.numbers(table, "prediction")

    def predicted_from(self, logit: Floats) -> Floats:
        return logit

    def cut(self, target: Ints, deciding: Floats, metric: Metric) -> None:
        """The likeliest class is decided, whatever the metric."""

    @property
    def plain_cut(self) -> None:
        return None

    def decide(self, deciding: Floats, cut: None) -> npt.NDArray[np.int64]:
        return deciding.argmax(axis=1)

    def decision_scores(self, table: pd.DataFrame, decided: pd.DataFrame) -> dict[str, float]:
        """accuracy and macro_f1."""
        target, guess = self.target(table.label), self.target(decided.prediction.loc[table.id])
        return {"accuracy": float(np.mean(guess == target)), "macro_f1": MACRO_F1.score(target, guess)}

    def evaluate(self, oof: pd.DataFrame, missing: list[int], metric: str | None, cut: Any = None) -> Report:
        """Accuracy by fold and pooled with its interval, macro scores, each class, and the confusion matrix."""
        target, logit = self.target(oof.label), self.numbers(oof, "logit")
        fold = oof.fold.to_numpy()
        rows: list[Report] = [{"fold": int(number), "rows": int((fold == number).sum())}
                              | self.reported(target[fold == number], logit[fold == number])
                              for number in np.unique(fold)]
        whole = self.reported(target, logit)
        part = over_folds(rows, self.metric, whole[self.metric], missing)
        decided = logit.argmax(axis=1)
        part |= {"rows": len(oof), "classes": self._by_class(target, logit, decided),
                 "confusion": sk.confusion_matrix(target, decided, labels=range(len(self.classes))).tolist()}
        if missing:
            return part | dict.fromkeys(["accuracy_interval", *whole, "micro_f1", "macro_auc"])
        area = MACRO_AUC.score(target, logit)
        interval = intervals.share_interval(decided == target, oof.group.to_numpy())
        part |= {"accuracy_interval": bounds(interval), **whole, "micro_f1": whole["accuracy"],
                 "macro_auc": None if np.isnan(area) else area}
        if part["macro_auc"] is None:
            part["macro_auc_reason"] = "no class has rows inside and outside of it"
        return part

    def reported(self, target: Ints, logit: Floats) -> dict[str, float]:
        """What the report says of each fold and of all rows; ``metric`` is one of them."""
        decided = logit.argmax(axis=1)
        return {"accuracy": float(np.mean(decided == target)), "macro_f1": MACRO_F1.score(target, decided),
                "log_loss": LOG_LOSS.score(target, logit)}

    def compare(self, old: str, old_oof: pd.DataFrame, new: str, new_oof: pd.DataFrame, metric: str | None) -> Report:
        """The change of accuracy with its paired interval, of macro F1 and log loss, and the decisions that flipped."""
        both = old_oof[["id"]].merge(new_oof[["id"]], on="id", validate="one_to_one").id
        before, after = (table.set_index("id").loc[both] for table in (old_oof, new_oof))
        target = self.target(after.label)
        logit_before, logit_after = self.numbers(before, "logit"), self.numbers(after, "logit")
        decided_before, decided_after = logit_before.argmax(axis=1), logit_after.argmax(axis=1)
        gain = (decided_after == target).astype(float) - (decided_before == target)
        return {"old": old, "new": new, "rows": len(both), "delta_accuracy": float(gain.mean()),
                "delta_accuracy_interval": bounds(intervals.mean_interval(gain, after.group.to_numpy())),
                "delta_macro_f1": MACRO_F1.score(target, decided_after) - MACRO_F1.score(target, decided_before),
                "delta_log_loss": LOG_LOSS.score(target, logit_after) - LOG_LOSS.score(target, logit_before),
                "decisions_flipped": int((decided_before != decided_after).sum())}

    def describe_change(self, comparison: Report) -> str | None:
        """A comparison on one line; None where it is undefined."""
        interval = comparison["delta_accuracy_interval"]
        if interval is None:
            return None
        return (f"accuracy {comparison['delta_accuracy']:+.4f} ({interval[0]:+.4f} to {interval[1]:+.4f} {OF_ROWS}), "
                f"macro F1 {comparison['delta_macro_f1']:+.4f}, log loss {comparison['delta_log_loss']:+.4f}, "
                f"{comparison['decisions_flipped']:,} decisions flipped")

    def report_row(self, part: Report) -> list[str]:
        """A stage's numbers under ``report_header``."""
        return [spread(part), format_score(part["pooled"]), between(part["accuracy_interval"]),
                format_score(part["macro_f1"]), format_score(part["macro_auc"]), format_score(part["log_loss"])]

    def _by_class(self, target: Ints, logit: Floats, decided: npt.NDArray[np.int64]) -> list[Report]:
        precision, recall, f1, rows = sk.precision_recall_fscore_support(
            target, decided, labels=range(len(self.classes)), zero_division=0)
        probability = special.softmax(logit.astype(np.float64), axis=1)
        return [{"class": name, "rows": int(rows[number]), "precision": float(precision[number]),
                 "recall": float(recall[number]), "f1": float(f1[number]),
                 "auc": scores.auc((target == number).astype(np.int8), probability[:, number])}
                for number, name in enumerate(self.classes)]
