"""How a kind of label is scored by any metric that it has: an epoch, folds out of fold, what a stage changed, rows that
a finished run has not seen. A kind says what a metric is taken from and how decisions are made."""

import math
from collections.abc import Sequence
from typing import Any, ClassVar

import numpy as np
import numpy.typing as npt
import pandas as pd

from pipeline.metrics import names, registry, thresholds
from pipeline.metrics.metric import Form, Metric
from pipeline.tasks.protocol import Array, Report
from pipeline.tasks.report_parts import OF_ROWS, bounds, over_folds

IN_SAMPLE = "decided by what is best on the very rows: there is no other fold to choose on"


class Scored:
    """For a kind with metrics in ``metrics.registry``. Where a method takes a metric's name, None stands for the one
    that the kind's own report leads with, which decides nothing by thresholds."""

    kind: ClassVar[str]
    metric: ClassVar[str]
    submits: ClassVar[Form] = Form.PROBABILITIES
    has_labels: ClassVar[bool] = True
    has_values: ClassVar[bool] = False
    cumulative = False

    # what a kind gives

    @property
    def limits(self) -> tuple[float, float] | None:
        """Between which numbers predictions lie; None: anywhere."""
        return 0.0, 1.0

    def truth(self, table: pd.DataFrame) -> Any:
        """The target that metrics compare with, of each row of an OOF table."""
        raise NotImplementedError

    def ranking(self, table: pd.DataFrame) -> Array:
        """What a metric that scores no decisions is taken from, of each row of a table of predictions."""
        raise NotImplementedError

    def deciding(self, table: pd.DataFrame) -> Any:
        """What decisions are made from, of each row of a table of predictions."""
        raise NotImplementedError

    def cut(self, target: Any, deciding: Any, metric: Metric) -> Any:
        """What decides best for a metric on given rows: thresholds, cut points."""
        raise NotImplementedError

    @property
    def plain_cut(self) -> Any:
        """What decides without any row to choose on."""
        raise NotImplementedError

    def decide(self, deciding: Any, cut: Any) -> Any:
        """Decisions as metrics take them."""
        raise NotImplementedError

    def rows_of(self, table: pd.DataFrame) -> pd.DataFrame:
        """Of a table of predictions a row for each that is scored: id, fold, group."""
        return table

    def leads(self, metric: str | None) -> bool:
        """Whether ``evaluate`` itself gives what the report leads with."""
        return metric in (None, self.metric)

    # what follows

    def named_metric(self, name: str | None) -> Metric:
        """The metric of that name."""
        return registry.named(self.kind, name or self.metric)

    def monitor_sign(self, monitor: str) -> int:
        """1 where more of what epochs are compared by is better, -1 where less is."""
        if monitor == "loss":
            return -1
        return self.named_metric(monitor).sign if names.is_one(self.kind, monitor) else 1

    def format_scores(self, scores: dict[str, float]) -> str:
        """An epoch's scores on one line."""
        raise NotImplementedError

    def epoch_line(self, scores: dict[str, float], metric: str | None) -> str:
        """The same, with the metric in front where it is another."""
        line = self.format_scores(scores)
        if metric not in scores or metric is None or not names.is_one(self.kind, metric):
            return line
        label = self.named_metric(metric).label
        return line if label in line else f"{label} {scores[metric]:.4f}  {line}"

    def decides(self, metric: str | None) -> bool:
        """Whether decisions are made by what is best for the metric out of fold."""
        return metric is not None and self.named_metric(metric).form == Form.DECISIONS

    def cut_of(self, oof: pd.DataFrame | None, metric: str | None) -> Any:
        """What the submission's decisions are made by. oof: None: without rows to choose on."""
        if oof is None or metric is None or not self.decides(metric):
            return self.plain_cut
        return self.cut(self.truth(oof), self.deciding(oof), self.named_metric(metric))

    def lead(self, oof: pd.DataFrame, missing: list[int], metric: str | None, cut: Any = None) -> Report:
        """The part of a stage's report that a metric leads: by fold, mean, sd, and pooled with its interval; what is
        undefined is None with a reason beside it. Each fold is decided by what is best on the others.

        cut: what other rows than these have chosen; None: these rows choose, fold by fold.
        """
        by = self.named_metric(metric)
        rows, target = self.rows_of(oof), self.truth(oof)
        prediction, remark = self._predicted(oof, rows, target, by, cut)
        fold, group = rows.fold.to_numpy(), rows.group.to_numpy()
        folds = [_fold(int(number), by, *(_take(part, fold == number) for part in (target, prediction)))
                 for number in np.unique(fold)]
        pooled = None if missing else by.value(target, prediction)
        interval = None if missing else bounds(by.interval(target, prediction, group))
        return {"metric": by.name, "greater_is_better": by.greater_is_better} | over_folds(
            folds, by.name, pooled, missing, by.undefined, "needs two folds with a score") | {
            "pooled_interval": interval} | ({"remark": remark} if remark else {})

    def scores(self, oof: pd.DataFrame, metric: str | None) -> tuple[dict[int, float | None], float | None]:
        """The metric of each fold, and of all rows, as ``lead`` has them, without any interval. oof: needs no group."""
        by = self.named_metric(metric)
        rows, target = self.rows_of(oof), self.truth(oof)
        prediction, _ = self._predicted(oof, rows, target, by, None)
        fold = rows.fold.to_numpy()
        of_folds = {int(number): by.value(*(_take(part, fold == number) for part in (target, prediction)))
                    for number in np.unique(fold)}
        return of_folds, by.value(target, prediction)

    def value_of_parts(self, parts: Sequence[tuple[pd.DataFrame, Any]], metric: str | None) -> float | None:
        """The metric of all rows of tables of predictions, each with what its own rows are decided by; None where it is
        undefined."""
        by = self.named_metric(metric)
        predicted = [self.decide(self.deciding(table), cut) if by.form == Form.DECISIONS else self.ranking(table)
                     for table, cut in parts]
        return by.value(_joined([self.truth(table) for table, _ in parts]), _joined(predicted))

    def lead_change(self, old: pd.DataFrame, new: pd.DataFrame, metric: str | None) -> Report:
        """What newer predictions changed by a metric on the rows that both have: delta and its paired interval. Tables
        as for ``lead``."""
        by = self.named_metric(metric)
        both = new[["id"]].drop_duplicates().merge(old[["id"]].drop_duplicates(), on="id").id
        tables = [table[table.id.isin(both)].reset_index(drop=True) for table in (old, new)]
        rows = self.rows_of(tables[1])
        order = pd.Index(self.rows_of(tables[0]).id).get_indexer(pd.Index(rows.id))
        target = self.truth(tables[1])
        (before, _), (after, remark) = (self._predicted(table, self.rows_of(table), self.truth(table), by, None)
                                        for table in tables)
        difference = by.difference(target, after, _take(before, order), rows.group.to_numpy())
        change: Report = {"metric": by.name, "rows": len(rows), "delta": None, "delta_interval": None} | (
            {"remark": remark} if remark else {})
        if difference is None:
            return change | {"delta_reason": by.undefined}
        return change | {"delta": difference[0], "delta_interval": bounds(difference[1])}

    def describe_lead_change(self, change: Report) -> str | None:
        """A change on one line; None where it is undefined."""
        by = self.named_metric(change["metric"])
        if change["delta"] is None:
            return None
        low, high = change["delta_interval"] or (math.nan, math.nan)
        sure = f" ({low:+.4f} to {high:+.4f} {OF_ROWS})" if change["delta_interval"] else ""
        return f"{by.label} {change['delta']:+.4f}{sure}" + (", in sample" if "remark" in change else "")

    def _predicted(self, table: pd.DataFrame, rows: pd.DataFrame, target: Any, by: Metric, cut: Any
                   ) -> tuple[Any, str]:
        """What the metric is taken from; and a remark, where there is one."""
        if by.form != Form.DECISIONS:
            return self.ranking(table), ""
        deciding = self.deciding(table)
        if cut is not None or self.plain_cut is None:  # None: nothing is chosen on other rows
            return self.decide(deciding, cut), ""

        def decide(others: npt.NDArray[np.bool_], inside: npt.NDArray[np.bool_]) -> Any:
            best = self.cut(_take(target, others), _take(deciding, others), by)
            return self.decide(_take(deciding, inside), best)

        decided = thresholds.cross_fitted(decide, rows.fold.to_numpy())
        if decided is not None:
            return decided, ""
        return self.decide(deciding, self.cut(target, deciding, by)), IN_SAMPLE


def _take(rows: Any, inside: npt.NDArray[Any]) -> Any:
    """Some rows of an array, or of a list, by a mask or by numbers."""
    if isinstance(rows, np.ndarray):
        return rows[inside]
    numbers = np.flatnonzero(inside) if inside.dtype == bool else inside
    return [rows[number] for number in numbers]


def _joined(parts: list[Any]) -> Any:
    """Arrays, or lists, one behind the other."""
    if isinstance(parts[0], np.ndarray):
        return np.concatenate(parts)
    return [row for part in parts for row in part]


def _fold(number: int, by: Metric, target: Any, prediction: Any) -> Report:
    row: Report = {"fold": number, "rows": len(target), by.name: by.value(target, prediction)}
    if row[by.name] is None:
        row[f"{by.name}_reason"] = by.undefined
    return row
