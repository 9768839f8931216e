"""The baseline's models: logistic regression of one label or of classes, also where rows lack some of them; ridge
regression of numbers."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from pipeline.lazy import lazily

linear_model = lazily("sklearn.linear_model")
SURE = 20.723266  # logit of a probability of 1 - 1e-9: for what no training row speaks against
Array = npt.NDArray[Any]


@dataclass(frozen=True)
class Linear:
    """A fitted classifier or regression of vectors.

    logits: vectors [rows, features] -> float32 [rows] or [rows, outputs]. weights: float64 [features, outputs], what a
    feature of 1 adds to each logit; of classes only the difference between two of them has a meaning; of numbers, with
    bounds or without, it is what it adds to the number itself.
    """

    logits: Callable[[Any], npt.NDArray[np.float32]]
    weights: npt.NDArray[np.float64]

    def __call__(self, vectors: Any) -> npt.NDArray[np.float32]:
        return self.logits(vectors)


def one_label(vectors: Any, target: Array, strength: float, weight: Array | None = None) -> Linear:
    """Fits a label that is 0 or 1, or a share of 1 (scikit-learn's C = strength); gives float32 [rows] of further
    vectors. Where all rows have it, or none, they get the logit of a probability of 1 - 1e-9, or 1e-9.

    weight: how much each row counts; None: all alike.
    """
    vectors, label, weight = _expanded(vectors, np.stack([1 - target, target], axis=1), weight)
    if label.min() == label.max():
        return Linear(lambda rows: np.full(rows.shape[0], SURE if label[0] else -SURE, np.float32),
                      np.zeros((vectors.shape[1], 1)))
    model = linear_model.LogisticRegression(C=strength, max_iter=2000).fit(vectors, label, weight)
    return Linear(lambda rows: model.decision_function(rows).astype(np.float32), model.coef_.T.astype(np.float64))


def labels(vectors: Any, target: Array, strength: float, weight: Array | None = None) -> Linear:
    """Fits each of several labels, 0, 1 or a share [rows, labels], alone; gives float32 [rows, labels]."""
    return beside([one_label(vectors, column, strength, weight) for column in target.T])


def classes(vectors: Any, target: Array, count: int, strength: float, rounds: int = 2000, weight: Array | None = None
            ) -> Linear:
    """Fits classes 0 to count - 1, int [rows], or shares of them, float [rows, count]; gives float32 [rows, count],
    log-probabilities of at least 1e-9's, which is what a class without a row gets."""
    if target.ndim == 2:
        vectors, target, weight = _expanded(vectors, target, weight)
    present = np.unique(target)
    model = (None if len(present) == 1 else
             linear_model.LogisticRegression(C=strength, max_iter=rounds).fit(vectors, target, weight))

    def logits(rows: Any) -> npt.NDArray[np.float32]:
        table = np.full((rows.shape[0], count), -SURE, np.float32)
        table[:, present] = 0 if model is None else np.maximum(model.predict_log_proba(rows), -SURE)
        return table

    weights = np.zeros((vectors.shape[1], count))
    if model is not None and len(model.coef_) == 1:  # of two classes: the logit of the second
        weights[:, present[1]] = model.coef_[0]
    elif model is not None:
        weights[:, present] = model.coef_.T
    return Linear(logits, weights)


def values(vectors: Any, target: Array, strength: float, weight: Array | None = None) -> Linear:
    """Fits numbers, float [rows] or [rows, columns], by ridge regression (penalty 1 / strength); gives float32 of the
    same width of further vectors."""
    model = linear_model.Ridge(alpha=1 / strength).fit(vectors, target.astype(np.float64), weight)
    return Linear(lambda rows: model.predict(rows).astype(np.float32), np.atleast_2d(model.coef_).T.astype(np.float64))


def beside(models: Sequence[Linear]) -> Linear:
    """Several models of the same vectors as one, whose outputs stand side by side."""
    return Linear(lambda rows: np.concatenate([model(rows).reshape(rows.shape[0], -1) for model in models], axis=1),
                  np.concatenate([model.weights for model in models], axis=1))


def _expanded(vectors: Any, shares: Array, weight: Array | None) -> tuple[Any, Array, Array | None]:
    """Rows with shares of several classes, [rows, classes], as rows of one class each that count as much as their
    share: vectors, int [rows], weights. Where every row is of one class alone and counts, they stay as they are."""
    label = shares.argmax(axis=1)
    if np.isin(shares, (0, 1)).all() and (weight is None or weight.all()):
        return vectors, label, weight
    each = shares * (1 if weight is None else weight[:, None])
    row, own = np.nonzero(each > 0)
    return vectors[row], own, each[row, own]
