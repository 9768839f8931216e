"""Grades: one of a few labels in an order, as of an essay or a review. A network gives a number, or the probability of
reaching each grade; a grade is decided by cut points that are chosen out of fold."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, ClassVar, Self

import numpy as np
import numpy.typing as npt
import pandas as pd

from pipeline.config.run import Config
from pipeline.lazy import lazily
from pipeline.metrics import scores, thresholds
from pipeline.metrics.metric import Form, Metric
from pipeline.tasks import linear, row_views
from pipeline.tasks.label_names import alike_names, wrong_labels
from pipeline.tasks.protocol import IDENTITY, SIGMOID, Array, Link, Report
from pipeline.tasks.regression import NUMBER
from pipeline.tasks.report_parts import format_score
from pipeline.tasks.row_views import RowView
from pipeline.tasks.rows import RowTask

sk = lazily("sklearn.metrics")
SHOWN = ("accuracy", "macro_f1", "mae")  # scores of decisions that the report has beside the one that leads
MOST_FILLED = 100  # grades, whole numbers, up to which missing ones between them are grades too
FEWEST = 3  # grades; two are task = "binary"
Floats = npt.NDArray[np.float32]
Ints = npt.NDArray[np.int64]


@dataclass(frozen=True)
class Ordinal(RowTask):
    """One of the grades, from the least to the greatest; a row's grade is its number among them."""

    grades: tuple[str, ...]
    cumulative: bool = False
    """Whether the network gives the probability of reaching each grade but the least, or one number."""

    kind: ClassVar[str] = "ordinal"
    metric: ClassVar[str] = "qwk"
    metric_label: ClassVar[str] = "QWK"
    contradiction: ClassVar[str] = "texts with several grades"
    report_header: ClassVar[list[str]] = ["accuracy", "macro F1", "MAE", "QWK rounded"]
    footnote: ClassVar[str] = (
        "Grades are decided by cut points that are chosen for the metric on the other folds, as the submission chooses "
        "them on all; rounded: to the nearest grade instead. MAE in grades.")
    label_dtype: ClassVar[str] = "str"
    submits: ClassVar[Form] = Form.DECISIONS
    has_values: ClassVar[bool] = True
    pictures: ClassVar[tuple[str, ...]] = ("truth_and_prediction", "confusion")

    @classmethod
    def from_config(cls, config: Config, labels: Sequence[str]) -> Self:
        return cls(tuple(config.competition.labels or _in_order(set(labels))), config.head.ordinal == "cumulative")

    @property
    def output_names(self) -> tuple[str, ...]:
        """What each probability is that of: "3+", of grade 3 or a greater one."""
        return tuple(f"{grade}+" for grade in self.grades[1:]) if self.cumulative else ()

    @property
    def outputs(self) -> tuple[int, ...]:
        return (len(self.grades) - 1 if self.cumulative else 1,)

    @property
    def links(self) -> tuple[Link, ...]:
        return (SIGMOID if self.cumulative else IDENTITY,)

    @property
    def limits(self) -> None:
        return None

    @property
    def identity(self) -> dict[str, Any]:
        return {"task": self.kind, "grades": list(self.grades)} | ({"cumulative": True} if self.cumulative else {})

    @property
    def oof_columns(self) -> list[str]:
        return ["id", "fold", "label", *self.test_columns[1:]]

    @property
    def test_columns(self) -> list[str]:
        pairs = zip(self._columns("logit"), self._columns("prediction"), strict=True)
        return ["id", *(column for pair in pairs for column in pair)]

    def problems(self, rows: pd.DataFrame, where: str, trained_on: bool) -> list[str]:
        """One line for each label that is no grade, and for what training lacks."""
        if not self.grades:
            some = ", ".join(map(repr, sorted(set(rows.label))[:10]))
            return [f"{where}: the order of grades that are no numbers must be given, from the least to the greatest: "
                    f"data.labels; got {some}"]
        wrong = wrong_labels(rows.label, rows.place, where, self.grades, f"one of {len(self.grades)} grades")
        if trained_on:
            wrong += alike_names(self.grades, where, "write them alike, or name the grades: data.labels")
        if trained_on and not wrong and len(set(rows.label)) < FEWEST:
            some = ", ".join(map(repr, sorted(set(rows.label))))
            wrong.append(f"{where}: needs {FEWEST} different grades, got {some}; two are task = 'binary'")
        return wrong

    def shares(self, label: pd.Series) -> str:
        """How many rows have each grade."""
        counts = label.value_counts()
        return ", ".join(f"{grade}: {counts.get(grade, 0):,}" for grade in self.grades)

    def strata(self, label: pd.Series) -> Ints:
        """The grade."""
        return self._numbers(label)

    def target(self, label: pd.Series) -> Floats:
        """float32 [rows], the grade's number; or [rows, grades - 1], 1 for each grade that is reached."""
        number = self._numbers(label)
        if not self.cumulative:
            return number.astype(np.float32)
        return (number[:, None] >= np.arange(1, len(self.grades))).astype(np.float32)

    def predicted_from(self, logit: Floats) -> Floats:
        """float32 [rows]: the number of the grade, with what is between them."""
        return self.prediction(logit).sum(axis=1) if self.cumulative else logit

    def ranking_from(self, logit: Floats) -> Floats:
        return self.predicted_from(logit)

    def truth_from(self, target: Floats) -> Ints:
        return np.rint(target.sum(axis=1) if self.cumulative else target).astype(np.int64)

    def epoch_scores(self, target: Floats, logit: Floats) -> dict[str, float]:
        """qwk and accuracy of rounded grades, pearson, and loss, the mean squared error. NaN where undefined."""
        named = {name: self.epoch_score(name, target, logit) for name in ("qwk", "accuracy", "pearson")}
        return named | {"loss": float(np.mean((self.predicted_from(logit) - self.truth_from(target)) ** 2))}

    def format_scores(self, scores: dict[str, float]) -> str:
        """An epoch's scores on one line."""
        return f"QWK rounded {scores['qwk']:.4f}  accuracy {scores['accuracy']:.4f}"

    def linear(self, vectors: Any, target: Floats, strength: float, weight: Floats | None = None) -> linear.Linear:
        """Ridge regression of the grade's number; or logistic regression of reaching each grade."""
        if not self.cumulative:
            return linear.values(vectors, target, strength, weight)
        return linear.labels(vectors, target, strength, weight)

    def prediction(self, logit: Floats) -> Floats:
        """The number; or the probability of reaching each grade."""
        return scores.sigmoid(logit) if self.cumulative else logit

    def row_views(self, oof: pd.DataFrame) -> dict[str, RowView]:
        """The grade, and the value in the unit of ``probabilities``."""
        truth = self.truth(oof)
        return {"": row_views.of_values([self.grades[number] for number in truth], self._in_unit(self.deciding(oof)),
                                        self._in_unit(truth), self.grades)}

    def probabilities(self, test: pd.DataFrame, each: bool = False) -> pd.DataFrame:
        """The grade as a number, with what is between grades: in the labels' unit where they are numbers at equal
        steps, else counted from 0."""
        value = self._in_unit(self.deciding(test))
        return pd.DataFrame({"prediction": value.astype(np.float32)}, index=pd.Index(test.id, name="id"))

    def _in_unit(self, number: npt.NDArray[Any]) -> npt.NDArray[np.float64]:
        """Numbers of grades as ``probabilities`` counts them."""
        value = number.astype(np.float64)
        if all(NUMBER.fullmatch(grade) for grade in self.grades):
            numbers = np.array(self.grades, np.float64)
            if np.allclose(np.diff(numbers), numbers[1] - numbers[0]):
                value = numbers[0] + (numbers[1] - numbers[0]) * value
        return value

    def decisions(self, oof: pd.DataFrame | None, test: pd.DataFrame, metric: str | None) -> pd.DataFrame:
        """The grade that the cut points give."""
        number = self.decide(self.deciding(test), self.cut_of(oof, metric))
        return pd.DataFrame({"prediction": np.array(self.grades, dtype=object)[number]},
                            index=pd.Index(test.id, name="id"))

    def submission_columns(self, form: Form, each: bool = False) -> list[str]:
        return [""]

    def decides(self, metric: str | None) -> bool:
        """Whatever the metric, grades are cut out of fold."""
        return True

    def cut_of(self, oof: pd.DataFrame | None, metric: str | None) -> Any:
        return super().cut_of(oof, self._rule(metric).name)

    def describe_decision(self, oof: pd.DataFrame, metric: str | None) -> str:
        """By the cut points that are best out of fold."""
        cuts = ", ".join(f"{cut:.3f}" for cut in self.cut_of(oof, metric))
        return f"grades at cut points {cuts}, the best for {self._rule(metric).name} out of fold"

    def _rule(self, metric: str | None) -> Metric:
        """What cut points are the best for: the kind's own metric where the competition scores no decisions."""
        by = self.named_metric(metric)
        return by if by.form == Form.DECISIONS else self.named_metric(None)

    def decision_scores(self, table: pd.DataFrame, decided: pd.DataFrame) -> dict[str, float]:
        """qwk, accuracy, macro_f1 and mae."""
        return self._scores(self.truth(table), self._numbers(decided.prediction.loc[table.id]), ("qwk", *SHOWN))

    def leads(self, metric: str | None) -> bool:
        return False

    def truth(self, table: pd.DataFrame) -> Ints:
        return self._numbers(table.label)

    def ranking(self, table: pd.DataFrame) -> Floats:
        return self.deciding(table)

    def deciding(self, table: pd.DataFrame) -> Floats:
        """float32 [rows]: the number of the grade, with what is between them."""
        return table[self._columns("prediction")].to_numpy(np.float32).sum(axis=1)

    def cut(self, target: Ints, deciding: Floats, metric: Metric) -> list[float]:
        """The cut points between grades."""
        assert metric.of_confusion is not None
        return thresholds.best_cuts(target, deciding, len(self.grades), metric.of_confusion, metric.sign)

    @property
    def plain_cut(self) -> list[float]:
        """Halfway between grades."""
        return [number + 0.5 for number in range(len(self.grades) - 1)]

    def decide(self, deciding: Floats, cut: list[float]) -> Ints:
        return thresholds.graded(deciding, cut)

    def evaluate(self, oof: pd.DataFrame, missing: list[int], metric: str | None, cut: Any = None) -> Report:
        """Scores of the decided grades, each grade, and the confusion matrix; QWK of rounded ones."""
        truth, deciding = self.truth(oof), self.deciding(oof)
        rule = self._rule(metric)
        decided, _ = self._predicted(oof, oof, truth, rule, cut)
        count = range(len(self.grades))
        precision, recall, f1, rows = sk.precision_recall_fscore_support(truth, decided, labels=count, zero_division=0)
        part: Report = {"rows": len(oof), "missing_folds": missing,
                        "classes": [{"class": grade, "rows": int(rows[at]), "precision": float(precision[at]),
                                     "recall": float(recall[at]), "f1": float(f1[at])}
                                    for at, grade in enumerate(self.grades)],
                        "confusion": sk.confusion_matrix(truth, decided, labels=count).tolist()}
        if missing:
            return part | dict.fromkeys((*SHOWN, "qwk_rounded", "cut_points"))
        rounded = self.named_metric("qwk").value(truth, self.decide(deciding, self.plain_cut))
        return part | self._scores(truth, decided, SHOWN) | {
            "qwk_rounded": rounded, "cut_points": list(cut) if cut is not None else self.cut(truth, deciding, rule)}

    def compare(self, old: str, old_oof: pd.DataFrame, new: str, new_oof: pd.DataFrame, metric: str | None) -> Report:
        """The changes of the decided grades' scores, each table decided by what is best for it, fold by fold."""
        both = old_oof[["id"]].merge(new_oof[["id"]], on="id", validate="one_to_one").id
        tables = [table.set_index("id", drop=False).loc[both] for table in (old_oof, new_oof)]
        rule, truth = self._rule(metric), self.truth(tables[1])
        decided = [self._predicted(table, table, truth, rule, None)[0] for table in tables]
        values = [self._scores(truth, own, SHOWN) for own in decided]
        return {"old": old, "new": new, "rows": len(both),
                **{f"delta_{name}": values[1][name] - values[0][name] for name in SHOWN},
                "decisions_changed": int((decided[0] != decided[1]).sum())}

    def describe_change(self, comparison: Report) -> str | None:
        """A comparison on one line."""
        told = [f"{self.named_metric(name).label} {comparison[f'delta_{name}']:+.4f}" for name in SHOWN
                if name != comparison.get("lead", {}).get("metric")]
        return f"{', '.join(told)}, {comparison['decisions_changed']:,} grades changed"

    def report_row(self, part: Report) -> list[str]:
        """A stage's numbers under ``report_header``."""
        return [format_score(part[name]) for name in (*SHOWN, "qwk_rounded")]

    def _scores(self, truth: Array, decided: Array, names: Sequence[str]) -> dict[str, float]:
        values = {name: self.named_metric(name).value(truth, decided) for name in names}
        return {name: value for name, value in values.items() if value is not None}

    def _numbers(self, label: pd.Series) -> Ints:
        return pd.Index(self.grades).get_indexer(pd.Index(label)).astype(np.int64)

    def _columns(self, what: str) -> list[str]:
        return [f"{what}:{name}" for name in self.output_names] or [what]


def _in_order(labels: set[str]) -> list[str]:
    """Labels that are numbers from the least to the greatest, with the whole numbers between them that no row has; none
    where some are no numbers."""
    names = labels - {""}
    if not all(NUMBER.fullmatch(name) for name in names):
        return []
    numbers = sorted(names, key=float)
    whole = all(str(int(float(name))) == name for name in names)
    if numbers and whole and int(numbers[-1]) - int(numbers[0]) < MOST_FILLED:
        return list(map(str, range(int(numbers[0]), int(numbers[-1]) + 1)))
    return numbers
