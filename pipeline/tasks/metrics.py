"""Scores, all exact: scikit-learn's, and their intervals. Nothing here is estimated from batches."""

import math
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from pipeline.lazy import lazily

sk, stats = lazily("sklearn.metrics"), lazily("scipy.stats")
NORMAL = 1.959964  # standard deviations around the mean that hold 95 % of a normal distribution
Labels = npt.NDArray[np.integer]
Scores = npt.NDArray[np.floating]
Groups = npt.NDArray[np.int64]  # of each row the number of its group, from 0


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


def auc_interval(label: Labels, score: Scores, group: Groups) -> Interval | None:
    """DeLong's interval of an AUC, of rows that come in groups, on the logit scale so that it stays inside 0..1.

    group: int64 [rows]; rows of one group, such as copies of a text, are one case and not several (clustered as by
    Obuchowski 1997, doi:10.2307/2533958). With each row a group of its own it is DeLong's as published. None where the
    AUC is undefined or 0 or 1, and where one group holds all rows of a class.
    """
    area = auc(label, score)
    if area is None or area in (0.0, 1.0) or not _estimable(label, group):
        return None
    half = NORMAL * _clustered_sd(label, _placements(label, score), group) / (area * (1 - area))
    middle = math.log(area / (1 - area))
    return Interval(1 / (1 + math.exp(half - middle)), 1 / (1 + math.exp(-half - middle)))


def auc_difference(label: Labels, score: Scores, other: Scores, group: Groups) -> tuple[float, Interval] | None:
    """AUC(score) - AUC(other) on the same rows, with DeLong's paired interval, clustered as in ``auc_interval``; None
    where undefined. The interval is of the rows: both models are taken as they are."""
    mine, others = auc(label, score), auc(label, other)
    if mine is None or others is None or not _estimable(label, group):
        return None
    placements = _placements(label, score) - _placements(label, other)
    half = NORMAL * _clustered_sd(label, placements, group)
    difference = mine - others
    return difference, Interval(difference - half, difference + half)


def share_interval(hit: npt.NDArray[np.bool_], group: Groups) -> Interval | None:
    """Wilson's interval of the share of rows that are hits, with as many rows as the groups are worth: rows divided by
    the design effect (Korn and Graubard 1998). With each row a group of its own it is Wilson's as published; None
    with a single group of several rows."""
    share, rows, groups = float(np.mean(hit)), float(len(hit)), len(np.unique(group))
    if groups == 1 < rows:
        return None
    of_rows = share * (1 - share) / rows
    of_groups = float(np.square(np.bincount(group, hit - share)).sum()) / rows**2
    if groups < rows:  # copies there are: few groups vary less around their own mean than around the true one
        of_groups *= groups / (groups - 1)
    if of_groups > of_rows:
        rows *= of_rows / of_groups
    elif of_rows == 0:
        rows = float(groups)
    z = NORMAL**2 / rows
    half = NORMAL * math.sqrt(share * (1 - share) / rows + z / (4 * rows))
    return Interval((share + z / 2 - half) / (1 + z), (share + z / 2 + half) / (1 + z))


def mean_interval(values: Scores, group: Groups) -> Interval | None:
    """A normal interval of the mean of values that come in groups; None with a single group."""
    groups = len(np.unique(group))
    if groups < 2:
        return None
    mean = float(np.mean(values))
    of_groups = float(np.square(np.bincount(group, values - mean)).sum()) * groups / (groups - 1)
    half = NORMAL * math.sqrt(of_groups) / len(values)
    return Interval(mean - half, mean + half)


def _placements(label: Labels, score: Scores) -> Scores:
    """float64 [rows]: of each positive the share of negatives below it, of each negative the share of positives above.

    DeLong et al. 1988, computed from midranks as in Sun and Xu 2014 (doi:10.1109/LSP.2014.2337313).
    """
    score = score.astype(np.float64)  # ranks have the type of what is ranked from SciPy 1.18 on
    positive, negative = score[label == 1], score[label == 0]
    ranks = stats.rankdata(np.concatenate([positive, negative]))
    placements = np.zeros(len(label))
    placements[label == 1] = (ranks[: len(positive)] - stats.rankdata(positive)) / len(negative)
    placements[label == 0] = 1 - (ranks[len(positive):] - stats.rankdata(negative)) / len(positive)
    return placements


def _clustered_sd(label: Labels, placements: Scores, group: Groups) -> float:
    """The standard deviation of an AUC or of a difference of two, from placements that add up within groups."""
    deviation = np.zeros(len(label))
    for value in (0, 1):
        inside = label == value
        rows = int(inside.sum())
        deviation[inside] = (placements[inside] - placements[inside].mean()) / math.sqrt(rows * (rows - 1))
    return math.sqrt(np.square(np.bincount(group, deviation)).sum())


def _estimable(label: Labels, group: Groups) -> bool:
    """Whether each class stands in two groups at least: within one group nothing tells how much a class varies."""
    return all(len(np.unique(group[label == value])) > 1 for value in (0, 1))


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
    """The threshold that maximises "f1" or "accuracy"; midway between two predictions, the lowest of equals.

    It is a float32, so that float32 probabilities are decided alike whatever compares them with it. For accuracy one
    above every prediction, at which nothing is positive, is among the candidates; its F1 would be 0.
    """
    order = np.argsort(-probability, kind="stable")
    ranked, hit = probability[order].astype(np.float32), label[order]
    decided = np.arange(1, len(label) + 1)
    true_positives = np.cumsum(hit)
    negatives = len(label) - label.sum()
    if metric == "f1":
        score = 2 * true_positives / (decided + label.sum())
    else:
        score = (true_positives + negatives - (decided - true_positives)) / len(label)
    ends_a_tie = np.append(ranked[:-1] != ranked[1:], True)
    score = np.where(ends_a_tie, score, -1)
    last = len(score) - 1 - int(np.argmax(score[::-1]))
    if metric == "accuracy" and negatives / len(label) > score[last]:
        return float(np.nextafter(ranked[0], np.float32(2)))
    below = ranked[last + 1] if last + 1 < len(ranked) else np.float32(0)
    middle = np.float32((float(ranked[last]) + float(below)) / 2)
    return float(middle if middle > below else ranked[last])


def cross_fitted(label: Labels, probability: Scores, fold: npt.NDArray[np.integer], metric: str) -> float | None:
    """The metric when each fold is decided at the threshold chosen on the other folds; None with one fold."""
    folds = np.unique(fold)
    if len(folds) < 2:
        return None
    decided = np.zeros(len(label))
    for number in folds:
        inside = fold == number
        decided[inside] = probability[inside] >= best_threshold(label[~inside], probability[~inside], metric)
    scorers: dict[str, Callable[..., float]] = {"f1": f1, "accuracy": accuracy}
    return scorers[metric](label, decided)


def rank_within_folds(score: Scores, fold: npt.NDArray[np.integer]) -> Scores:
    """Scores replaced by their rank within their fold, scaled to 0..1: takes out a shift between folds."""
    ranks = np.zeros(len(score))
    for number in np.unique(fold):
        inside = fold == number
        ranks[inside] = stats.rankdata(score[inside].astype(np.float64)) / inside.sum()
    return ranks
