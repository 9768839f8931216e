"""What a competition's score is: its formula, its direction, what it is taken from, and how sure it is."""

import math
import warnings
from collections.abc import Callable
from dataclasses import dataclass
from enum import StrEnum
from typing import Any

import numpy as np
import numpy.typing as npt

from pipeline.metrics import confusion, intervals
from pipeline.metrics.confusion import OfConfusion
from pipeline.metrics.intervals import Interval
from pipeline.metrics.scores import Groups

Array = npt.NDArray[Any]


class Form(StrEnum):
    """What predictions a score is taken from, and so what is submitted for it."""

    RANKS = "ranks"
    """Any increasing function of the probability, or of the value."""
    PROBABILITIES = "probabilities"
    DECISIONS = "decisions"
    """Labels, grades or tags."""
    LISTS = "lists"
    """The likeliest labels of a row, the best first."""
    VALUES = "values"
    """Numbers in the label's own unit."""


@dataclass(frozen=True)
class Metric:
    """One score of one kind of label.

    Where ``form`` is DECISIONS, a prediction is the number of a class or a grade, int [rows], or bool [rows, labels];
    where it is VALUES, float [rows] or [rows, columns] in the label's unit; else logits, float [rows] or [rows,
    outputs]. A target has the numbers of classes or grades, int [rows], 0 or 1, int [rows, labels], or values.
    """

    name: str
    """As the configuration has it: "macro_f1"."""
    label: str
    """For people: "macro F1"."""
    form: Form
    score: Callable[[Any, Any], float]
    """(target, prediction) -> the score of all rows, NaN where undefined."""
    undefined: str = "undefined"
    """Why it has no value, where it has none."""
    greater_is_better: bool = True
    of_confusion: OfConfusion | None = None
    """The same score from confusion matrices: what thresholds and cut points are searched with."""
    of_rows: Callable[[Array, Array], Array] | None = None
    """(target, prediction) -> float [rows], whose mean the score is."""
    parts: Callable[[Any, Any], Array] | None = None
    """(target, prediction) -> [rows, parts], numbers of whose sums over rows the score is a function."""
    of_parts: Callable[[Array], float] | None = None
    """These sums, [parts] -> the score."""
    analytic: Callable[[Array, Array, Groups], Interval | None] | None = None
    """An interval by a formula."""
    analytic_difference: Callable[[Array, Array, Array, Groups], tuple[float, Interval] | None] | None = None
    """(target, new, old, group) -> the difference and its paired interval by a formula."""

    @property
    def sign(self) -> int:
        """1 where more is better, -1 where less is."""
        return 1 if self.greater_is_better else -1

    def value(self, target: Any, prediction: Any) -> float | None:
        """The score, exact; None where it is undefined. Raises ValueError for a prediction that is no finite number."""
        if isinstance(prediction, np.ndarray) and not np.isfinite(prediction).all():
            raise ValueError(f"{self.name}: a prediction is not a finite number")
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # of one class alone: the result says so
            score = float(self.score(target, prediction))
        return score if math.isfinite(score) else None

    def interval(self, target: Any, prediction: Any, group: Groups) -> Interval | None:
        """95 %, of the rows, which come in groups: by a formula where there is one, else by a bootstrap. group: int64
        [rows]. None where it is undefined."""
        if self.value(target, prediction) is None:
            return None
        if self.analytic:
            return self.analytic(target, prediction, group)
        if self.of_rows:
            return intervals.mean_interval(self.of_rows(target, prediction), group)
        return intervals.bootstrap(self._of_draw(target, prediction), group)

    def difference(self, target: Any, new: Any, old: Any, group: Groups) -> tuple[float, Interval | None] | None:
        """new - old on the same rows, and its paired 95 % interval; None where it is undefined."""
        values = self.value(target, new), self.value(target, old)
        if values[0] is None or values[1] is None:
            return None
        if self.analytic_difference:
            return self.analytic_difference(target, new, old, group) or (values[0] - values[1], None)
        if self.of_rows:
            gain = self.of_rows(target, new) - self.of_rows(target, old)
            return values[0] - values[1], intervals.mean_interval(gain, group)

        of_new, of_old = self._of_draw(target, new), self._of_draw(target, old)
        return values[0] - values[1], intervals.bootstrap(lambda rows: of_new(rows) - of_old(rows), group)

    def _of_draw(self, target: Any, prediction: Any) -> Callable[[npt.NDArray[np.int64]], float]:
        """The score of the rows of some numbers, by the quickest way there is."""
        if self.parts and self.of_parts:
            parts, of_parts = self.parts(target, prediction), self.of_parts
            return lambda rows: float(of_parts(parts[rows].sum(axis=0)))
        if of_confusion := self.of_confusion:
            return lambda rows: float(of_confusion(confusion.matrix(target[rows], prediction[rows])))
        return lambda rows: float(self.score(target[rows], prediction[rows]))
