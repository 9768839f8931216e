"""Intervals of scores, 95 %, of rows that come in groups: by a formula where there is one, else by a bootstrap."""

import math
import warnings
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from pipeline.lazy import lazily
from pipeline.metrics.scores import Groups, Labels, Scores, auc

stats = lazily("scipy.stats")
NORMAL = 1.959964  # standard deviations around the mean that hold 95 % of a normal distribution
RESAMPLES = 500  # draws of a bootstrap
SEED = 2020  # of a bootstrap: the same rows have the same interval every time


@dataclass(frozen=True)
class Interval:
    """A 95 % confidence interval."""

    low: float
    high: float


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
    return math.sqrt(np.square(np.bincount(group, _deviation(label, placements))).sum())


def _deviation(label: Labels, placements: Scores) -> Scores:
    """What each row's placement adds to the deviation of an AUC."""
    deviation = np.zeros(len(label))
    for value in (0, 1):
        inside = label == value
        rows = int(inside.sum())
        deviation[inside] = (placements[inside] - placements[inside].mean()) / math.sqrt(rows * (rows - 1))
    return deviation


def _estimable(label: Labels, group: Groups) -> bool:
    """Whether each class stands in two groups at least: within one group nothing tells how much a class varies."""
    return all(len(np.unique(group[label == value])) > 1 for value in (0, 1))


def mean_auc_interval(label: Labels, score: Scores, group: Groups) -> Interval | None:
    """A normal interval of the mean of several labels' AUCs, clustered as in ``auc_interval``; labels that have no AUC
    are left out of both. label: 0 or 1, [rows, labels]; score of the same shape. None where undefined."""
    return _mean_auc_interval(label, group, lambda column: _placements(label[:, column], score[:, column]),
                              float(np.mean([auc(label[:, column], score[:, column])
                                             for column in with_both(label)] or [math.nan])))


def mean_auc_difference(label: Labels, score: Scores, other: Scores, group: Groups) -> tuple[float, Interval] | None:
    """The difference of two means of AUCs on the same rows, with its paired interval; None where undefined."""
    columns = with_both(label)
    areas = np.array([[auc(label[:, column], given[:, column]) for column in columns] for given in (score, other)],
                     np.float64)
    difference = float(np.mean(areas[0] - areas[1])) if columns else math.nan
    interval = _mean_auc_interval(label, group, lambda column: _placements(label[:, column], score[:, column])
                                  - _placements(label[:, column], other[:, column]), difference)
    return None if interval is None else (difference, interval)


def with_both(label: Labels) -> list[int]:
    """The columns of [rows, labels] that hold a 0 and a 1."""
    return [column for column in range(label.shape[1]) if len(np.unique(label[:, column])) == 2]


def bootstrap(score: Callable[[npt.NDArray[np.int64]], float], group: Groups) -> Interval | None:
    """The percentile interval of a score over draws of groups with replacement (SciPy's, seeded). None where there is
    one group, or where the score is undefined in more than a twentieth of the draws.

    score: of the rows of these numbers; NaN where undefined.
    """
    number = np.unique(group, return_inverse=True)[1]
    order, counts = np.argsort(number, kind="stable"), np.bincount(number)
    if len(counts) < 2:
        return None
    begins = np.cumsum(counts) - counts

    def of_groups(drawn: Any) -> float:
        drawn = np.asarray(drawn, np.int64)
        size = counts[drawn]
        within = np.arange(size.sum()) - np.repeat(np.cumsum(size) - size, size)
        return score(order[np.repeat(begins[drawn], size) + within])

    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        drawn = stats.bootstrap((np.arange(len(counts)),), of_groups, n_resamples=RESAMPLES, vectorized=False,
                                method="percentile", rng=np.random.default_rng(SEED)).bootstrap_distribution
    if np.isnan(drawn).mean() > 0.05:
        return None
    low, high = np.nanquantile(drawn, [0.025, 0.975])
    return Interval(float(low), float(high))


def _mean_auc_interval(label: Labels, group: Groups, placements: Callable[[int], Scores], mean: float
                       ) -> Interval | None:
    columns = with_both(label)
    if not columns or not all(_estimable(label[:, column], group) for column in columns):
        return None
    deviation = np.mean([_deviation(label[:, column], placements(column)) for column in columns], axis=0)
    half = NORMAL * math.sqrt(np.square(np.bincount(group, deviation)).sum())
    return Interval(mean - half, mean + half)
