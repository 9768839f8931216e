"""By which n-grams a linear model was moved: of each row what its logit is the sum of, the largest parts alone."""

from collections.abc import Sequence
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd

from pipeline.lazy import lazily
from pipeline.tasks import Task, probability_columns

special = lazily("scipy.special")

MOST = 6  # n-grams of a row
AT_ONCE = 4_000  # rows whose parts are sorted together
DIGITS = 4  # behind the point

Ints = npt.NDArray[np.int64]
Array = npt.NDArray[Any]


def table(task: Task, keys: pd.DataFrame, target: Array, logits: Array, vectors: Any, weights: Array,
          names: Sequence[str]) -> pd.DataFrame:
    """Of each prediction the n-grams with the largest part in the logit of one output less that of another, exact, the
    largest first: the keys, then ``towards`` and ``instead_of``, then ngram_1, push_1, ...

    Which outputs these are follows from the row: of classes the decided one, instead of the row's own, or of the second
    where it is right; of several labels, and of several heads, the one that is furthest off; of a number itself. Their
    names are those of the columns of predictions; ``instead_of`` is empty where nothing is subtracted.

    Args:
        keys: what tells the predictions apart, [predictions].
        target: as ``task.target`` gives it, [predictions, ...].
        logits: float32 [predictions] or [predictions, outputs].
        vectors: sparse [predictions, n-grams].
        weights: float64 [n-grams, outputs], as ``Linear`` has them.
        names: [n-grams].
    """
    towards, instead = compared(task, target, logits.reshape(len(keys), weights.shape[1]))
    outputs = np.array([column.partition(":")[2] for column in probability_columns(task)] + [""], dtype=object)
    columns: dict[str, Any] = {"towards": outputs[towards], "instead_of": outputs[instead]}
    parts = [_largest(vectors[at:at + AT_ONCE].tocsr(), weights, towards[at:at + AT_ONCE], instead[at:at + AT_ONCE])
             for at in range(0, max(len(keys), 1), AT_ONCE)]
    number, push = (np.concatenate(part) for part in zip(*parts, strict=True))
    shown = np.array([*names, ""], dtype=object)
    for place in range(MOST):
        columns[f"ngram_{place + 1}"] = shown[number[:, place]]
        columns[f"push_{place + 1}"] = push[:, place].round(DIGITS)
    return pd.concat([keys.reset_index(drop=True), pd.DataFrame(columns)], axis=1)


def compared(task: Task, target: Array, logits: Array) -> tuple[Ints, Ints]:
    """int64 [predictions], twice: the output that a row's parts speak for, and the one that is subtracted, -1 for none.
    logits: [predictions, outputs]."""
    rows = np.arange(len(logits))
    worst, towards, instead = np.full(len(rows), -np.inf), np.zeros(len(rows), np.int64), np.full(len(rows), -1)
    at, of_heads = 0, len(task.outputs) > 1
    for head, (outputs, link) in enumerate(zip(task.outputs, task.links, strict=True)):
        own, wanted = logits[:, at:at + outputs].astype(np.float64), target[:, head] if of_heads else target
        if link.function == "softmax":
            label, ranked = wanted.astype(np.int64), np.argsort(-own, axis=1, kind="stable")
            first = ranked[:, 0]
            second = np.where(first == label, ranked[:, min(1, outputs - 1)], label)
            off = -special.log_softmax(own, axis=1)[rows, label]
        else:
            values = own if link.function == "identity" else link.low + (link.high - link.low) * special.expit(own)
            distance = np.abs(values - wanted.reshape(len(rows), -1))
            first, second, off = distance.argmax(axis=1), np.full(len(rows), -1 - at), distance.max(axis=1)
        further = off > worst
        towards[further], instead[further], worst[further] = first[further] + at, second[further] + at, off[further]
        at += outputs
    return towards, instead


def _largest(vectors: Any, weights: Array, towards: Ints, instead: Ints) -> tuple[Ints, Array]:
    """int64 and float64 [rows, MOST]: the n-grams with the largest parts, and these parts; -1 and NaN where a row has
    fewer."""
    size = np.diff(vectors.indptr)
    row = np.repeat(np.arange(vectors.shape[0]), size)
    weight = weights[vectors.indices, towards[row]]
    subtracted = np.where(instead[row] >= 0, weights[vectors.indices, instead[row]], 0)
    part = vectors.data * (weight - subtracted)
    order = np.lexsort((-np.abs(part), row))
    place = np.arange(len(order)) - np.repeat(vectors.indptr[:-1], size)
    kept = place < MOST
    order, row, place = order[kept], row[kept], place[kept]
    number, push = np.full((len(size), MOST), -1), np.full((len(size), MOST), np.nan)
    number[row, place], push[row, place] = vectors.indices[order], part[order]
    return number, push
