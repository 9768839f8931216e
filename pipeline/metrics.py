"""Scores, all exact: scikit-learn's, and DeLong's interval of an AUC. Nothing here is estimated from batches."""

import math
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from scipy import stats
from sklearn import metrics as sk

Labels = npt.NDArray[np.integer]
Scores = npt.NDArray[np.floating]


def sigmoid(logit: npt.NDArray[np.float32]) -> npt.NDArray[np.float32]:
    """float32 probability of a float32 logit, without overflow."""
    return (0.5 * (1 + np.tanh(0.5 * logit.astype(np.float64)))).astype(np.float32)


@dataclass(frozen=True)
class Interval:
    """A 95 % confidence interval."""

    low: float
    high: float


def auc(label: Labels, score: Scores) -> float | None:
    """Area under the ROC curve; None where a class is missing, for then it is not defined."""
    if len(np.unique(label)) < 2:
        return None
    return float(sk.roc_auc_score(label, score))


def auc_interval(label: Labels, score: Scores) -> Interval | None:
    """DeLong's interval, on the logit scale so that it stays inside 0..1; None where AUC is undefined or 0 or 1."""
    area = auc(label, score)
    if area is None or area in (0.0, 1.0) or np.bincount(label).min() < 2:
        return None
    positive, negative = _placements(label, score)
    variance = positive.var(ddof=1) / len(positive) + negative.var(ddof=1) / len(negative)
    half = 1.959964 * math.sqrt(variance) / (area * (1 - area))
    middle = math.log(area / (1 - area))
    return Interval(1 / (1 + math.exp(half - middle)), 1 / (1 + math.exp(-half - middle)))


def auc_difference(label: Labels, score: Scores, other: Scores) -> tuple[float, Interval] | None:
    """AUC(score) - AUC(other) on the same rows with DeLong's paired interval; None where undefined."""
    mine, others = auc(label, score), auc(label, other)
    if mine is None or others is None or np.bincount(label).min() < 2:
        return None
    pairs = zip(_placements(label, score), _placements(label, other), strict=True)
    variance = sum((a - b).var(ddof=1) / len(a) for a, b in pairs)
    half = 1.959964 * math.sqrt(variance)
    difference = mine - others
    return difference, Interval(difference - half, difference + half)


def share_interval(hits: int, rows: int) -> list[float]:
    """Wilson's interval of a share: [low, high]."""
    found = stats.binomtest(hits, rows).proportion_ci(method="wilson")
    return [float(found.low), float(found.high)]


def _placements(label: Labels, score: Scores) -> tuple[Scores, Scores]:
    """For each positive the share of negatives below it, for each negative the share of positives above it.

    DeLong et al. 1988, computed from midranks as in Sun and Xu 2014 (doi:10.1109/LSP.2014.2337313).
    """
    positive, negative = score[label == 1], score[label == 0]
    ranks = stats.rankdata(np.concatenate([positive, negative]))
    of_positive = (ranks[: len(positive)] - stats.rankdata(positive)) / len(negative)
    of_negative = 1 - (ranks[len(positive):] - stats.rankdata(negative)) / len(positive)
    return of_positive, of_negative


def f1(label: Labels, probability: Scores, threshold: float = 0.5) -> float:
    """F1 of the positive class at a threshold; 0 where nothing is predicted positive."""
    return float(sk.f1_score(label, probability >= threshold, zero_division=0))


def accuracy(label: Labels, probability: Scores, threshold: float = 0.5) -> float:
    """Share of right decisions at a threshold."""
    return float(sk.accuracy_score(label, probability >= threshold))


def average_precision(label: Labels, score: Scores) -> float | None:
    """Area under the precision-recall curve; None without a positive."""
    return float(sk.average_precision_score(label, score)) if label.any() else None


def log_loss(label: Labels, logit: Scores) -> float:
    """Mean negative log-likelihood in nats, from logits so that no probability is rounded to 0 or 1."""
    wide = logit.astype(np.float64)
    return float(np.mean(np.logaddexp(0, wide) - label * wide))


def best_threshold(label: Labels, probability: Scores, metric: str) -> float:
    """The threshold that maximises "f1" or "accuracy"; midway between two predictions, the lowest of equals."""
    order = np.argsort(-probability, kind="stable")
    ranked, hit = probability[order].astype(np.float64), label[order]
    kept = np.arange(1, len(label) + 1)
    true_positives = np.cumsum(hit)
    if metric == "f1":
        score = 2 * true_positives / (kept + label.sum())
    else:
        score = (true_positives + (len(label) - label.sum()) - (kept - true_positives)) / len(label)
    ends_a_tie = np.append(ranked[:-1] != ranked[1:], True)
    score = np.where(ends_a_tie, score, -1)
    last = len(score) - 1 - int(np.argmax(score[::-1]))
    below = ranked[last + 1] if last + 1 < len(ranked) else 0.0
    return float((ranked[last] + below) / 2)


def cross_fitted(label: Labels, probability: Scores, fold: npt.NDArray[np.integer], metric: str) -> float | None:
    """The metric when each fold is decided at the threshold chosen on the other folds; None with one fold."""
    folds = np.unique(fold)
    if len(folds) < 2:
        return None
    decided = np.zeros(len(label))
    for one in folds:
        inside = fold == one
        decided[inside] = probability[inside] >= best_threshold(label[~inside], probability[~inside], metric)
    scorers: dict[str, Callable[..., float]] = {"f1": f1, "accuracy": accuracy}
    return scorers[metric](label, decided)


def rank_within_folds(score: Scores, fold: npt.NDArray[np.integer]) -> Scores:
    """Scores replaced by their rank within their fold, scaled to 0..1: takes out a shift between folds."""
    ranks = np.zeros(len(score))
    for one in np.unique(fold):
        inside = fold == one
        ranks[inside] = stats.rankdata(score[inside]) / inside.sum()
    return ranks
