"""What a blend is worth: its score where weights and thresholds were chosen on other folds than the rows they score."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd

from pipeline.blending import methods
from pipeline.blending.member import Member, Rows
from pipeline.blending.methods import Blended, Fitted, Mask, Stack
from pipeline.competition import folds
from pipeline.metrics.metric import Form
from pipeline.tasks import Report, Task, links
from pipeline.tasks.links import Doubles

CANDIDATES = ("mean", "logit", "greedy", "nnls")  # that are tried where no method is asked for
OWN_FOLDS, SEED = 5, 2020  # of the second level where the run has one fold


@dataclass(frozen=True)
class Estimate:
    """One method: fitted on all rows; fitted on the others of each fold; and what that makes out of fold.

    oof: a table of predictions, each fold's by what the others have chosen; nested: its score, thresholds chosen with
    the weights; in_sample: that of the rows which all was chosen on.
    """

    method: str
    fitted: Fitted
    by_fold: list[Fitted]
    oof: pd.DataFrame
    nested: float | None
    in_sample: float | None

    @property
    def optimism(self) -> float | None:
        """By how much the in-sample score is above the nested one."""
        return None if self.nested is None or self.in_sample is None else self.in_sample - self.nested


class Blend:
    """Members, and the scores of what is made of them.

    Args:
        rows: what they predict.
        members: in the order of their names.
        metric: the configuration's.
        shrink: how far greedy weights are moved to equal ones.
        group: int64 [texts], which validated training rows are one case; stratum: the same, what folds balance; both
            needed where the run has one fold.
        label: the label column of the validated training rows.
    """

    def __init__(self, rows: Rows, members: Sequence[Member], metric: str | None, shrink: float, label: pd.Series,
                 group: npt.NDArray[np.int64], stratum: npt.NDArray[np.int64]):
        self.rows, self.members, self.metric, self.shrink = rows, members, metric, shrink
        self.task: Task = rows.task
        self.out_of_fold, self.test = Stack(members, self.task, False), Stack(members, self.task, True)
        text = pd.factorize(rows.keys.id)[0].astype(np.int64)
        self.level = rows.fold
        if len(np.unique(self.level)) < 2:
            self.level = folds.split(stratum, group, "stratified_grouped", OWN_FOLDS, SEED)[text]
        by_rank = self.task.named_metric(metric).form == Form.RANKS
        self._blended = Blended(rows, self.out_of_fold, links.targets(self.task, label), self._value, text, by_rank)
        self.target = self._blended.target

    def estimate(self, method: str) -> Estimate:
        """The nested estimate of a method."""
        all_rows: Mask = np.ones(len(self.level), bool)
        fitted = methods.fit(method, self._blended, all_rows, self.shrink)
        whole = self.table(methods.apply(method, fitted, self.out_of_fold))
        in_sample = self.score([(whole, self.task.cut_of(whole, self.metric))])
        by_fold, logits, parts = [], np.zeros_like(self.target), []
        for number in np.unique(self.level):
            inside = self.level == number
            own = methods.fit(method, self._blended, ~inside, self.shrink)
            made = methods.apply(method, own, self.out_of_fold)
            logits[inside] = made[inside]
            cut = self.task.cut_of(self.table(made[~inside], ~inside), self.metric)
            parts.append((self.table(made[inside], inside), cut))
            by_fold.append(own)
        return Estimate(method, fitted, by_fold, self.table(logits), self.score(parts), in_sample)

    def member_score(self, number: int) -> float | None:
        """A member's own score, its thresholds chosen on the other folds."""
        return self.task.scores(self.member_table(number), self.metric)[1]

    def member_table(self, number: int) -> pd.DataFrame:
        """A member's own out-of-fold predictions."""
        return self.table(links.logits_by(self.task, self.out_of_fold.of("predicted")[number]))

    def without(self, estimate: Estimate, number: int) -> float | None:
        """The score without a member, the others' weights, as fitted on all rows, scaled to a sum of 1."""
        weights = estimate.fitted.weights.copy()
        weights[number] = 0
        if not weights.sum():
            return None
        left = Fitted(weights / weights.sum(), estimate.fitted.temperatures)
        table = self.table(methods.apply(estimate.method, left, self.out_of_fold))
        return self.score([(table, self.task.cut_of(table, self.metric))])

    def change(self, old: pd.DataFrame, new: pd.DataFrame, group: pd.Series) -> Report:
        """What one table of out-of-fold predictions gains over another, with its paired interval. group: by id."""
        before, after = (table.assign(group=table.id.map(group).to_numpy()) for table in (old, new))
        return self.task.lead_change(before, after, self.metric)

    def error_correlation(self) -> Doubles:
        """float64 [members, members]: how alike the errors are, target minus prediction."""
        errors = (self.target - self.out_of_fold.of("predicted")).reshape(len(self.members), -1)
        return np.atleast_2d(np.corrcoef(errors))

    def table(self, logits: Doubles, which: Mask | None = None) -> pd.DataFrame:
        """A table of out-of-fold predictions of these logits, float64 [predictions, outputs]."""
        keys = self.rows.keys if which is None else self.rows.keys[which]
        return links.with_logits(self.task, keys, logits)[[*self.task.oof_columns]]

    def score(self, parts: Sequence[tuple[pd.DataFrame, Any]]) -> float | None:
        """The metric of tables of predictions, each with its own thresholds."""
        return self.task.value_of_parts(parts, self.metric)

    def test_table(self, estimate: Estimate) -> pd.DataFrame:
        """The test rows' predictions, by what was fitted on all rows."""
        logits = methods.apply(estimate.method, estimate.fitted, self.test)
        return links.with_logits(self.task, self.rows.test_keys, logits)

    def _value(self, table: pd.DataFrame) -> float | None:
        value = self.score([(table, self.task.cut_of(table, self.metric))])
        return None if value is None else value * self.task.named_metric(self.metric).sign


def chosen(blend: Blend, method: str, group: pd.Series) -> tuple[Estimate, dict[str, Estimate], str]:
    """The estimate of a method, those of all that were tried, and why it is this one.

    method "auto": the plain mean of probabilities, unless another's nested score is better by more than its paired 95 %
    interval is wide to that side.
    """
    if method != "auto":
        estimates = {name: blend.estimate(name) for name in dict.fromkeys(("mean", method))}
        return estimates[method], estimates, "asked for"
    estimates = {name: blend.estimate(name) for name in CANDIDATES}
    mean = estimates["mean"]
    sign = blend.task.named_metric(blend.metric).sign
    better = []
    for name, estimate in estimates.items():
        change = blend.change(mean.oof, estimate.oof, group)
        interval = change["delta_interval"]
        if name != "mean" and interval and min(sign * bound for bound in interval) > 0 and estimate.nested is not None:
            better.append((sign * estimate.nested, name))
    tried = ", ".join(name for name in estimates if name != "mean")
    if not better:
        return mean, estimates, f"no other is better than the plain mean by more than its error, nested, of {tried}"
    name = max(better)[1]
    return estimates[name], estimates, (f"its nested score is better than the plain mean's by more than its error; it "
                                        f"was chosen among {tried}")
