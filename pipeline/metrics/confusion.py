"""Scores of decisions as functions of their confusion matrix: fast enough to be searched over and drawn again.

A matrix is float64 or int64 [..., classes, classes], rows the truth, columns what was decided; the result is float64
[...]. Where a score is undefined it is NaN, or 0 where scikit-learn has 0. They equal scikit-learn's, which
reports use.
"""

from collections.abc import Callable
from typing import Any

import numpy as np
import numpy.typing as npt

Matrix = npt.NDArray[Any]
OfConfusion = Callable[[Matrix], npt.NDArray[np.float64]]


def matrix(target: npt.NDArray[Any], decided: npt.NDArray[Any]) -> npt.NDArray[np.int64]:
    """int64 [classes, classes] of the numbers of classes, from 0."""
    target, decided = target.astype(np.int64), decided.astype(np.int64)
    classes = int(max(target.max(initial=0), decided.max(initial=0), 1)) + 1
    return np.bincount(target * classes + decided, minlength=classes**2).reshape(classes, classes)


def accuracy(matrix: Matrix) -> npt.NDArray[np.float64]:
    """The share of right decisions."""
    return _divided(_right(matrix), matrix.sum(axis=(-2, -1)), np.nan)


def balanced_accuracy(matrix: Matrix) -> npt.NDArray[np.float64]:
    """The mean recall of the classes that there are."""
    rows = matrix.sum(axis=-1)
    recall = _divided(np.diagonal(matrix, axis1=-2, axis2=-1), rows, 0)
    return _divided(recall.sum(axis=-1), (rows > 0).sum(axis=-1), np.nan)


def f_beta(beta: float) -> OfConfusion:
    """F-beta of class 1 of two; 0 where it neither is nor is decided (van Rijsbergen 1979)."""

    def of(matrix: Matrix) -> npt.NDArray[np.float64]:
        hit, missed, false = matrix[..., 1, 1], matrix[..., 1, 0], matrix[..., 0, 1]
        return _divided((1 + beta**2) * hit, (1 + beta**2) * hit + beta**2 * missed + false, 0)

    return of


def macro_f1(matrix: Matrix) -> npt.NDArray[np.float64]:
    """The mean F1 of the classes that are there or decided."""
    f1, used = _f1_of_classes(matrix)
    return _divided(f1.sum(axis=-1), used.sum(axis=-1), np.nan)


def weighted_f1(matrix: Matrix) -> npt.NDArray[np.float64]:
    """The mean F1 of the classes, each counting as often as it is there."""
    rows = matrix.sum(axis=-1)
    return _divided((_f1_of_classes(matrix)[0] * rows).sum(axis=-1), rows.sum(axis=-1), np.nan)


def mcc(matrix: Matrix) -> npt.NDArray[np.float64]:
    """Matthews' correlation coefficient, of several classes Gorodkin's; 0 where one class holds all truths or all
    decisions (2004, https://doi.org/10.1016/j.compbiolchem.2004.09.006)."""
    matrix = matrix.astype(np.float64)
    rows, columns, total = matrix.sum(axis=-1), matrix.sum(axis=-2), matrix.sum(axis=(-2, -1))
    both = _right(matrix) * total - (rows * columns).sum(axis=-1)
    own = [total**2 - (one**2).sum(axis=-1) for one in (rows, columns)]
    return _divided(both, np.sqrt(own[0] * own[1]), 0)


def kappa(power: int) -> OfConfusion:
    """Cohen's kappa with weights |i - j| ** power, 0 for plain agreement; NaN where one class holds all truths and all
    decisions (Cohen 1968, https://doi.org/10.1037/h0026256)."""

    def of(matrix: Matrix) -> npt.NDArray[np.float64]:
        number = np.arange(matrix.shape[-1])
        apart = np.abs(number[:, None] - number).astype(np.float64)
        weight = (apart > 0).astype(np.float64) if power == 0 else apart**power
        rows, columns, total = matrix.sum(axis=-1), matrix.sum(axis=-2), matrix.sum(axis=(-2, -1))
        by_chance = (weight * rows[..., :, None] * columns[..., None, :]).sum(axis=(-2, -1))
        return 1 - _divided((weight * matrix).sum(axis=(-2, -1)) * total, by_chance, np.nan)

    return of


def mean_distance(matrix: Matrix) -> npt.NDArray[np.float64]:
    """The mean absolute difference of the classes' numbers."""
    number = np.arange(matrix.shape[-1])
    distance = (np.abs(number[:, None] - number) * matrix).sum(axis=(-2, -1))
    return _divided(distance, matrix.sum(axis=(-2, -1)), np.nan)


def _right(matrix: Matrix) -> Matrix:
    return np.trace(matrix, axis1=-2, axis2=-1)


def _f1_of_classes(matrix: Matrix) -> tuple[Matrix, Matrix]:
    """F1 of each class, 0 where it is not there, and whether it is there or decided."""
    both = matrix.sum(axis=-1) + matrix.sum(axis=-2)
    return _divided(2 * np.diagonal(matrix, axis1=-2, axis2=-1), both, 0), both > 0


def _divided(above: Any, below: Any, otherwise: float) -> npt.NDArray[np.float64]:
    """above / below, and ``otherwise`` where below is 0."""
    above, below = np.asarray(above, np.float64), np.asarray(below, np.float64)
    return np.divide(above, below, out=np.full(np.broadcast(above, below).shape, float(otherwise)), where=below != 0)
