"""The baseline's models: logistic regression of one label or of classes, also where rows lack some of them; ridge
regression of numbers."""

from collections.abc import Callable
from typing import Any

import numpy as np
import numpy.typing as npt

from pipeline.lazy import lazily

linear_model = lazily("sklearn.linear_model")
SURE = 20.723266  # logit of a probability of 1 - 1e-9: for what no training row speaks against
Logits = Callable[[Any], npt.NDArray[np.float32]]


def one_label(vectors: Any, target: npt.NDArray[Any], strength: float) -> Logits:
    """Fits a label that is 0 or 1 (scikit-learn's C = strength); gives float32 [rows] of further vectors. Where all
    rows have it, or none, they get the logit of a probability of 1 - 1e-9, or 1e-9."""
    if target.min() == target.max():
        return lambda rows: np.full(rows.shape[0], SURE if target[0] else -SURE, np.float32)
    model = linear_model.LogisticRegression(C=strength, max_iter=2000).fit(vectors, target)
    return lambda rows: model.decision_function(rows).astype(np.float32)


def labels(vectors: Any, target: npt.NDArray[Any], strength: float) -> Logits:
    """Fits each of several labels, 0 or 1 [rows, labels], alone; gives float32 [rows, labels]."""
    fitted = [one_label(vectors, column, strength) for column in target.T]
    return lambda rows: np.stack([logit_of(rows) for logit_of in fitted], axis=1)


def classes(vectors: Any, target: npt.NDArray[Any], count: int, strength: float, rounds: int = 2000) -> Logits:
    """Fits classes 0 to count - 1; gives float32 [rows, count], log-probabilities of at least 1e-9's, which is what a
    class without a row gets."""
    present = np.unique(target)
    model = (None if len(present) == 1 else
             linear_model.LogisticRegression(C=strength, max_iter=rounds).fit(vectors, target))

    def logits(rows: Any) -> npt.NDArray[np.float32]:
        table = np.full((rows.shape[0], count), -SURE, np.float32)
        table[:, present] = 0 if model is None else np.maximum(model.predict_log_proba(rows), -SURE)
        return table

    return logits


def values(vectors: Any, target: npt.NDArray[Any], strength: float) -> Logits:
    """Fits numbers, float [rows] or [rows, columns], by ridge regression (penalty 1 / strength); gives float32 of the
    same width of further vectors."""
    model = linear_model.Ridge(alpha=1 / strength).fit(vectors, target.astype(np.float64))
    return lambda rows: model.predict(rows).astype(np.float32)
