"""How much each target counts in the loss."""

from typing import Any

import numpy as np
import numpy.typing as npt

from pipeline.arrays import Ints

Floats = npt.NDArray[np.float32]


def of_targets(target: npt.NDArray[Any], train: Ints, balanced: bool, by_word: bool) -> Floats:
    """Weight of each target in the loss, float32 of the target's shape.

    Of words, targets below 0, which are no label: 0. Others: 1, or with ``balanced`` n_train / (n_classes * n_class),
    as scikit-learn's class_weight="balanced". Each label and each output is balanced alone, words all together.
    train: int64, the rows to train on.
    """
    if not balanced:
        return (target >= 0).astype(np.float32) if by_word else np.ones(target.shape, np.float32)
    if target.ndim == 1 or by_word:
        return _balanced(target, target[train])
    return np.stack([_balanced(column, column[train]) for column in target.T], axis=1)


def _balanced(target: npt.NDArray[Any], seen: npt.NDArray[Any]) -> Floats:
    """A class that is not seen counts 1."""
    classes, number = np.unique(target, return_inverse=True)
    count = np.array([(seen == label).sum() for label in classes])
    known = (count > 0) & (classes >= 0)
    each = np.where(known, count[known].sum() / (known.sum() * np.maximum(count, 1)), classes >= 0)
    return each.astype(np.float32)[number].reshape(target.shape)
