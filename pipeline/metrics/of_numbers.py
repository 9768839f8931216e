"""Metrics of labels that are numbers, float64 [rows] or [rows, columns]; of several columns, the mean of theirs."""

from collections.abc import Callable
from typing import Any

import numpy as np

from pipeline.lazy import lazily
from pipeline.metrics.metric import Array, Form, Metric

sk, stats = lazily("sklearn.metrics"), lazily("scipy.stats")
CONSTANT = "truth or predictions are all alike"


def _by_column(score: Callable[[Array, Array], float]) -> Callable[[Array, Array], float]:
    """The mean over columns of a score of one."""

    def of(target: Array, value: Array) -> float:
        wide, given = (np.asarray(part, np.float64).reshape(len(part), -1) for part in (target, value))
        return float(np.mean([score(wide[:, column], given[:, column]) for column in range(wide.shape[1])]))

    return of


def pearson(target: Array, value: Array) -> float:
    if np.ptp(target) == 0 or np.ptp(value) == 0:
        return float("nan")
    return float(stats.pearsonr(target, value).statistic)


def spearman(target: Array, value: Array) -> float:
    """Pearson's r of the ranks, as SciPy's spearmanr, which is three times as slow, defines it."""
    return pearson(stats.rankdata(target), stats.rankdata(value))


def _r2(target: Array, value: Array) -> float:
    return float("nan") if np.ptp(target) == 0 else float(sk.r2_score(target, value))


def _error(name: str, label: str, score: Callable[[Array, Array], float], **others: Any) -> Metric:
    return Metric(name, label, Form.VALUES, score, greater_is_better=False, **others)


def _mean_of_columns(of_element: Callable[[Array, Array], Array]) -> Callable[[Array, Array], Array]:
    def of_rows(target: Array, value: Array) -> Array:
        errors = of_element(np.asarray(target, np.float64), np.asarray(value, np.float64))
        return errors if errors.ndim == 1 else errors.mean(axis=1)

    return of_rows


def _rmsle(target: Array, value: Array) -> float:
    if min(target.min(initial=0), 0) < 0:
        return float("nan")
    return float(sk.root_mean_squared_log_error(target, np.maximum(value, 0)))


def _squares(target: Array, value: Array) -> Array:
    """[rows, columns + 1]: squared errors, and 1."""
    errors = (np.asarray(target, np.float64) - value).reshape(len(target), -1) ** 2
    return np.concatenate([errors, np.ones((len(errors), 1))], axis=1)


def _root(name: str, label: str) -> Metric:
    return _error(name, label, lambda target, value: sk.root_mean_squared_error(target, value), parts=_squares,
                  of_parts=lambda sums: float(np.mean(np.sqrt(sums[:-1] / sums[-1]))))


REGRESSION = (
    _root("rmse", "RMSE"),
    _root("mcrmse", "MCRMSE"),
    _error("mse", "MSE", lambda target, value: sk.mean_squared_error(target, value),
           of_rows=_mean_of_columns(lambda target, value: (target - value) ** 2)),
    _error("mae", "MAE", lambda target, value: sk.mean_absolute_error(target, value),
           of_rows=_mean_of_columns(lambda target, value: np.abs(target - value))),
    _error("rmsle", "RMSLE", _rmsle, undefined="a label is below 0"),
    Metric("r2", "R²", Form.VALUES, _by_column(_r2), CONSTANT),
    Metric("pearson", "Pearson's r", Form.VALUES, _by_column(pearson), CONSTANT),
    Metric("spearman", "Spearman's rho", Form.RANKS, _by_column(spearman), CONSTANT),
)
