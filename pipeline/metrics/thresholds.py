"""Where decisions are cut: the threshold of a label, the cut points between grades, that are best on given rows."""

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from pipeline.metrics.confusion import Matrix, OfConfusion
from pipeline.metrics.scores import Labels, Scores

CANDIDATES = 400  # places that a cut point may take in one round, at even shares of the rows


def best_threshold(label: Labels, probability: Scores, score: OfConfusion, sign: int = 1) -> float:
    """The threshold from which on rows are decided positive that is best for a score of decisions; midway between two
    predictions, the lowest of equals. sign: -1 where the least is best.

    It is a float32, so that float32 probabilities are decided alike whatever compares them with it. One above every
    prediction, at which nothing is positive, is taken where it is better than all others.
    """
    order = np.argsort(-probability, kind="stable")
    ranked, hit = probability[order].astype(np.float32), label[order].astype(np.int64)
    decided = np.arange(1, len(label) + 1)
    true_positives, positives = np.cumsum(hit), int(label.sum())
    worth = sign * score(_matrices(true_positives, decided, positives, len(label)))
    ends_a_tie = np.append(ranked[:-1] != ranked[1:], True)
    worth = np.where(ends_a_tie & ~np.isnan(worth), worth, -np.inf)
    last = len(worth) - 1 - int(np.argmax(worth[::-1]))
    nothing = sign * float(score(_matrices(np.array(0), np.array(0), positives, len(label))))
    if nothing > worth[last]:
        return float(np.nextafter(ranked[0], np.float32(2)))
    below = ranked[last + 1] if last + 1 < len(ranked) else np.float32(0)
    middle = np.float32((float(ranked[last]) + float(below)) / 2)
    return float(middle if middle > below else ranked[last])


def best_cuts(grade: Labels, value: Scores, grades: int, score: OfConfusion, sign: int = 1) -> list[float]:
    """The grades - 1 ascending cut points of a value that are best for a score of decisions: a row's grade is the
    number of cut points that are not above its value. sign: -1 where the least is best.

    One cut point after the other moves to its best place between its neighbours until none moves, from where values
    are rounded and from where as many rows have each grade as have it in truth; the better end is taken.

    grade: int [rows], 0 to grades - 1; value: float [rows], in grades.
    """
    order = np.argsort(value, kind="stable")
    ranked = np.asarray(value, np.float64)[order]
    below = np.zeros((len(ranked) + 1, grades))  # [position, grade]: rows of a grade before a position
    np.cumsum(np.eye(grades)[grade[order]], axis=0, out=below[1:])
    places = np.concatenate([[0], np.flatnonzero(np.diff(ranked)) + 1, [len(ranked)]])  # not between equal values
    rounded = np.searchsorted(ranked, np.arange(grades - 1) + 0.5, side="left")
    shares = np.cumsum(np.bincount(grade, minlength=grades))[:-1]
    ends = [_climbed(places[np.searchsorted(places, start)], below, places, score, sign) for start in (rounded, shares)]
    cuts, _ = max(ends, key=lambda end: end[1])
    return [_between(ranked, int(cut), number + 0.5) for number, cut in enumerate(cuts)]


def _climbed(cuts: npt.NDArray[np.int64], below: Scores, places: npt.NDArray[np.int64], score: OfConfusion, sign: int
             ) -> tuple[npt.NDArray[np.int64], float]:
    """Cut points, as positions, from which no single one can move to a better place; and what they are worth."""

    def worth(several: npt.NDArray[np.int64]) -> Scores:
        ends = np.concatenate([np.zeros((len(several), 1), np.int64), several,
                               np.full((len(several), 1), len(below) - 1)], axis=1)
        values = sign * score(np.swapaxes(np.diff(below[ends], axis=1), 1, 2))
        return np.where(np.isnan(values), -np.inf, values)

    best, moved = float(worth(cuts[None])[0]), True
    while moved:
        moved = False
        for number in range(len(cuts)):
            low = cuts[number - 1] if number else 0
            high = cuts[number + 1] if number + 1 < len(cuts) else len(below) - 1
            free = places[(places >= low) & (places <= high)]
            some = free[np.unique(np.linspace(0, len(free) - 1, min(CANDIDATES, len(free))).astype(np.int64))]
            tried = np.repeat(cuts[None], len(some), axis=0)
            tried[:, number] = some
            values = worth(tried)
            at = int(np.argmax(values))
            if values[at] > best + 1e-12:
                cuts, best, moved = tried[at], float(values[at]), True
    return cuts, best


def graded(value: Scores, cuts: Sequence[float]) -> npt.NDArray[np.int64]:
    """int64 [rows]: how many of the ascending cut points are not above each value."""
    return np.searchsorted(np.asarray(cuts, np.float64), np.asarray(value, np.float64), side="right")


def _between(ranked: Scores, position: int, rounded: float) -> float:
    """The middle between the values before and behind a position of their order; at either end, where no value says
    how far out it is, ``rounded``, where values would be rounded, if that is beyond them."""
    if position == 0:
        return min(float(ranked[0]), rounded)
    if position == len(ranked):
        return max(float(np.nextafter(ranked[-1], np.inf)), rounded)
    middle = (ranked[position - 1] + ranked[position]) / 2
    return float(middle if middle > ranked[position - 1] else ranked[position])


def _matrices(hits: npt.NDArray[np.int64], decided: npt.NDArray[np.int64], positives: int, rows: int) -> Matrix:
    """int64 [..., 2, 2]: the confusion matrices where so many rows are decided positive, so many of them rightly."""
    missed, false = positives - hits, decided - hits
    return np.stack([np.stack([rows - positives - false, false], axis=-1), np.stack([missed, hits], axis=-1)], axis=-2)


def cross_fitted(decide: Callable[[npt.NDArray[np.bool_], npt.NDArray[np.bool_]], npt.NDArray[Any]],
                 fold: npt.NDArray[np.integer]) -> npt.NDArray[Any] | None:
    """Decisions of all rows, each fold's by what is best on the others; None with one fold.

    decide: (the rows to choose on, the rows to decide), both bool [rows] -> the decisions of the latter.
    """
    folds = np.unique(fold)
    if len(folds) < 2:
        return None
    parts = [(inside, decide(~inside, inside)) for inside in (fold == number for number in folds)]
    decided = np.zeros((len(fold), *parts[0][1].shape[1:]), parts[0][1].dtype)
    for inside, own in parts:
        decided[inside] = own
    return decided
