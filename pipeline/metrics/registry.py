"""Every metric that a configuration may name, by kind of label: ``named("multiclass", "macro_f1")``.

Scores are scikit-learn's and SciPy's where they have them. Further ones are functions of two arrays here, listed below
with what ``Metric`` asks.
"""

import functools
import re
from collections.abc import Callable
from typing import Any

import numpy as np
import numpy.typing as npt

from pipeline.lazy import lazily
from pipeline.metrics import confusion, entities, intervals, names, scores
from pipeline.metrics.confusion import OfConfusion
from pipeline.metrics.intervals import Interval
from pipeline.metrics.metric import Array, Form, Metric
from pipeline.metrics.of_numbers import CONSTANT, REGRESSION, pearson, spearman
from pipeline.metrics.scores import Groups

sk, special = lazily("sklearn.metrics"), lazily("scipy.special")

ONE_CLASS = "one class only"


def named(kind: str, name: str) -> Metric:
    """The metric of that name for a kind of label. Raises KeyError where there is none."""
    by_name = _BY_KIND[kind]
    if name in by_name:
        return by_name[name]
    for pattern in names.FAMILIES.get(kind, {}):
        if match := re.fullmatch(pattern, name):
            return _MADE[pattern](match[1])
    raise KeyError(name)


# two labels, classes and grades

def _decisions(name: str, label: str, score: Callable[[Any, Any], float], of_confusion: OfConfusion,
               **others: Any) -> Metric:
    return Metric(name, label, Form.DECISIONS, score, of_confusion=of_confusion, **others)


def _kappa(weights: str | None) -> Callable[[Array, Array], float]:
    def score(target: Array, decided: Array) -> float:
        both = np.concatenate([target, decided]).astype(np.int64)
        every = np.arange(max(both.max(initial=0), 1) + 1)  # a grade that is not there keeps its distance to the others
        if len(np.unique(both)) < 2:
            return float("nan")
        return float(sk.cohen_kappa_score(target, decided, labels=every, weights=weights))

    return score


def _f_beta(beta: str) -> Metric:
    number = float(beta)
    return _decisions(f"f{beta}", f"F{beta}",
                      lambda target, decided: sk.fbeta_score(target, decided, beta=number, zero_division=0),
                      confusion.f_beta(number))


def _accuracy_interval(target: Array, decided: Array, group: Groups) -> Interval | None:
    return intervals.share_interval(target == decided, group)


ACCURACY = _decisions("accuracy", "accuracy", lambda target, decided: sk.accuracy_score(target, decided),
                      confusion.accuracy, of_rows=lambda target, decided: (target == decided).astype(np.float64),
                      analytic=_accuracy_interval)
OF_CLASSES = (
    ACCURACY,
    _decisions("balanced_accuracy", "balanced accuracy",
               lambda target, decided: sk.recall_score(target, decided, labels=np.unique(target), average="macro",
                                                       zero_division=0), confusion.balanced_accuracy),
    _decisions("macro_f1", "macro F1",
               lambda target, decided: sk.f1_score(target, decided, average="macro", zero_division=0),
               confusion.macro_f1),
    _decisions("weighted_f1", "weighted F1",
               lambda target, decided: sk.f1_score(target, decided, average="weighted", zero_division=0),
               confusion.weighted_f1),
    _decisions("mcc", "MCC", lambda target, decided: sk.matthews_corrcoef(target, decided), confusion.mcc),
    _decisions("kappa", "Cohen's kappa", _kappa(None), confusion.kappa(0), undefined=ONE_CLASS),
)


def _or_nan(score: float | None) -> float:
    return float("nan") if score is None else score


def _log_loss_of_rows(target: Array, logit: Array) -> Array:
    losses = scores.log_losses(target, logit)
    return losses if losses.ndim == 1 else losses.mean(axis=1)


def _brier_of_rows(target: Array, logit: Array) -> Array:
    return (special.expit(logit.astype(np.float64)) - target) ** 2


BINARY = (
    Metric("auc", "AUC", Form.RANKS, lambda target, logit: _or_nan(scores.auc(target, logit)), ONE_CLASS,
           analytic=intervals.auc_interval, analytic_difference=intervals.auc_difference),
    Metric("average_precision", "average precision", Form.RANKS,
           lambda target, logit: _or_nan(scores.average_precision(target, logit)), "no row is positive"),
    Metric("log_loss", "log loss", Form.PROBABILITIES, lambda target, logit: float(
        np.mean(_log_loss_of_rows(target, logit))), greater_is_better=False, of_rows=_log_loss_of_rows),
    Metric("brier", "Brier score", Form.PROBABILITIES, lambda target, logit: float(
        np.mean(_brier_of_rows(target, logit))), greater_is_better=False, of_rows=_brier_of_rows),
    _decisions("f1", "F1", lambda target, decided: sk.f1_score(target, decided, zero_division=0), confusion.f_beta(1)),
    *OF_CLASSES,
)


# several classes

def _one_hot(target: Array, logit: Array) -> tuple[Array, Array]:
    """Classes as labels of 0 and 1, and their probabilities, both [rows, classes]."""
    return (target[:, None] == np.arange(logit.shape[1])).astype(np.int8), special.softmax(
        logit.astype(np.float64), axis=1)


def _mean_auc(label: Array, score: Array) -> float:
    areas = [scores.auc(label[:, column], score[:, column]) for column in intervals.with_both(label)]
    return float(np.mean(np.array(areas, np.float64))) if areas else float("nan")


def _class_log_loss_of_rows(target: Array, logit: Array) -> Array:
    wide = logit.astype(np.float64)
    return special.logsumexp(wide, axis=1) - wide[np.arange(len(target)), target]


def likeliest(logit: Array, count: int) -> npt.NDArray[np.int64]:
    """int64 [rows, count]: the outputs of the greatest logits, the greatest first, of equals the first."""
    return np.argsort(-logit, axis=1, kind="stable")[:, :count]


def _average_precision_of_rows(depth: int, target: Array, logit: Array) -> Array:
    """Of each row the mean, over its labels, of the precision at their places in the list of ``depth``; of a row with
    one label, 1 / its place. A row without a label has 0."""
    there = target if target.ndim == 2 else _one_hot(target, logit)[0]
    hit = np.take_along_axis(there, likeliest(logit, depth), axis=1) > 0
    precision = np.cumsum(hit, axis=1) / np.arange(1, hit.shape[1] + 1)
    labels = np.minimum(there.sum(axis=1), depth)
    return (precision * hit).sum(axis=1) / np.maximum(labels, 1)


def _map(depth: str) -> Metric:
    of_rows = functools.partial(_average_precision_of_rows, int(depth))
    return Metric(f"map@{depth}", f"MAP@{depth}", Form.LISTS,
                  lambda target, logit: float(np.mean(of_rows(target, logit))), of_rows=of_rows)


MULTICLASS = (
    *OF_CLASSES,
    Metric("log_loss", "log loss", Form.PROBABILITIES, lambda target, logit: float(
        np.mean(_class_log_loss_of_rows(target, logit))), greater_is_better=False, of_rows=_class_log_loss_of_rows),
    Metric("auc", "macro AUC", Form.PROBABILITIES, lambda target, logit: _mean_auc(*_one_hot(target, logit)),
           "no class has rows inside and outside of it",
           analytic=lambda target, logit, group: intervals.mean_auc_interval(*_one_hot(target, logit), group),
           analytic_difference=lambda target, new, old, group: intervals.mean_auc_difference(
               *_one_hot(target, new), _one_hot(target, old)[1], group)),
)


# any number of labels

def _counts(there: Array, decided: Array) -> Array:
    """[rows, 2 labels]: for each label, 2 where a row has it and is decided to; then 1 where it has it, and 1 where it
    is decided to."""
    there, decided = there > 0, decided > 0
    return np.concatenate([2 * (there & decided), there.astype(int) + decided], axis=1)


def _macro_f1_of_counts(sums: Array) -> float:
    right, both = np.split(sums, 2)
    return float(np.mean(right[both > 0] / both[both > 0])) if both.any() else 0.0


def _micro_f1_of_counts(sums: Array) -> float:
    right, both = np.split(sums, 2)
    return float(right.sum() / both.sum()) if both.any() else 0.0


def _macro_f1_of_labels(there: Array, decided: Array) -> float:
    """The mean over the labels that some row has, or is decided to have."""
    used = ((there > 0) | (decided > 0)).any(axis=0)
    if not used.any():
        return 0.0
    return float(sk.f1_score(there[:, used], decided[:, used], average="macro", zero_division=0))


def _f1_of_rows(there: Array, decided: Array) -> Array:
    """Of each row; 0 where it has no label and none is decided, as scikit-learn has it."""
    there, decided = there > 0, decided > 0
    return 2 * (there & decided).sum(axis=1) / np.maximum(there.sum(axis=1) + decided.sum(axis=1), 1)


def _of_rows(name: str, label: str, of_rows: Callable[[Array, Array], Array], **others: Any) -> Metric:
    return Metric(name, label, Form.DECISIONS, lambda target, decided: float(np.mean(of_rows(target, decided))),
                  of_rows=of_rows, **others)


MULTILABEL = (
    Metric("macro_f1", "macro F1", Form.DECISIONS, _macro_f1_of_labels, parts=_counts,
           of_parts=_macro_f1_of_counts),
    Metric("micro_f1", "micro F1", Form.DECISIONS,
           lambda there, decided: sk.f1_score(there, decided, average="micro", zero_division=0),
           parts=_counts,
           of_parts=_micro_f1_of_counts),
    _of_rows("samples_f1", "F1 of rows", _f1_of_rows),
    _of_rows("exact_match", "exact match",
             lambda there, decided: ((there > 0) == decided).all(axis=1).astype(np.float64)),
    _of_rows("hamming_loss", "Hamming loss", lambda there, decided: ((there > 0) != decided).mean(axis=1),
             greater_is_better=False),
    Metric("auc", "mean AUC", Form.RANKS, _mean_auc, "no label has rows with and without it",
           analytic=intervals.mean_auc_interval, analytic_difference=intervals.mean_auc_difference),
    Metric("log_loss", "mean log loss", Form.PROBABILITIES, lambda target, logit: float(
        np.mean(_log_loss_of_rows(target, logit))), greater_is_better=False, of_rows=_log_loss_of_rows),
)


# grades

ORDINAL = (
    _decisions("qwk", "QWK", _kappa("quadratic"), confusion.kappa(2), undefined=ONE_CLASS),
    _decisions("linear_kappa", "linear kappa", _kappa("linear"), confusion.kappa(1), undefined=ONE_CLASS),
    *OF_CLASSES,
    _decisions("mae", "MAE of grades", lambda target, decided: sk.mean_absolute_error(target, decided),
               confusion.mean_distance, greater_is_better=False,
               of_rows=lambda target, decided: np.abs(target - decided).astype(np.float64)),
    Metric("pearson", "Pearson's r", Form.VALUES, pearson, CONSTANT),
    Metric("spearman", "Spearman's rho", Form.RANKS, spearman, CONSTANT),
)


# tags

TAGS = (
    Metric("entity_f1", "entity F1", Form.DECISIONS, entities.f1, parts=entities.counts, of_parts=_micro_f1_of_counts),
    Metric("entity_macro_f1", "mean entity F1 of types", Form.DECISIONS, entities.macro_f1, parts=entities.counts,
           of_parts=_macro_f1_of_counts),
    Metric("accuracy", "right tags", Form.DECISIONS, entities.right_tags, parts=entities.rights,
           of_parts=lambda sums: float(sums[0] / sums[1])),
)

_MULTICLASS = {metric.name for metric in MULTICLASS}
_BY_KIND = {kind: {metric.name: metric for metric in metrics} for kind, metrics in {
    "binary": BINARY, "multiclass": MULTICLASS, "multilabel": MULTILABEL, "tags": TAGS, "regression": REGRESSION,
    "ordinal": ORDINAL,
    # each output's own; which Metric it is, the output's kind says
    "multioutput": [Metric(names.MEAN, "mean score", Form.PROBABILITIES, lambda target, prediction: float("nan")),
                    *(metric for metric in BINARY if metric.name in _MULTICLASS)],
}.items()}
_MADE: dict[str, Callable[[str], Metric]] = {names.F_BETA: _f_beta, names.MAP: _map}
