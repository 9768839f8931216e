"""Logits to predictions and back, by each head's link, and tables of both."""

import numpy as np
import numpy.typing as npt
import pandas as pd

from pipeline.lazy import lazily
from pipeline.tasks.protocol import Task, logit_columns, probability_columns

special = lazily("scipy.special")
SMALLEST = 1e-300  # of a probability whose logarithm is taken
Doubles = npt.NDArray[np.float64]


def logits_of(task: Task, table: pd.DataFrame) -> Doubles:
    """float64 [predictions, outputs]: the logits of a table of predictions; of words the logarithms of their
    probabilities, which are as good."""
    if columns := logit_columns(task):
        return table[columns].to_numpy(np.float64)
    return np.log(np.maximum(table[probability_columns(task)].to_numpy(np.float64), SMALLEST))


def predicted_by(task: Task, logits: Doubles) -> Doubles:
    """float64 [predictions, outputs]: what logits of that shape predict."""
    parts, at = [], 0
    for outputs, link in zip(task.outputs, task.links, strict=True):
        own = logits[:, at:at + outputs]
        if link.function != "identity":
            share = special.softmax(own, axis=1) if link.function == "softmax" else special.expit(own)
            own = link.low + (link.high - link.low) * share
        parts.append(own)
        at += outputs
    return np.concatenate(parts, axis=1)


def logits_by(task: Task, predicted: Doubles) -> Doubles:
    """float64 of the same shape: logits that predict this."""
    parts, at = [], 0
    for outputs, link in zip(task.outputs, task.links, strict=True):
        own = predicted[:, at:at + outputs]
        if link.function != "identity":
            share = np.clip((own - link.low) / (link.high - link.low), SMALLEST, 1 - np.finfo(np.float64).epsneg)
            own = np.log(share) if link.function == "softmax" else special.logit(share)
        parts.append(own)
        at += outputs
    return np.concatenate(parts, axis=1)


def with_logits(task: Task, keys: pd.DataFrame, logits: Doubles) -> pd.DataFrame:
    """A table of predictions: the columns of ``keys``, then those of ``task.test_columns`` that predict, of these
    logits, float64 [predictions, outputs]."""
    columns = [column for column in task.test_columns if column not in task.key_columns]
    both = [logits, predicted_by(task, logits)] if logit_columns(task) else [predicted_by(task, logits)]
    values = np.stack(both, axis=2).reshape(len(logits), len(columns)).astype(np.float32)
    return pd.concat([keys.reset_index(drop=True), pd.DataFrame(values, columns=columns)], axis=1)


def keys(task: Task, rows: pd.DataFrame, fold: npt.NDArray[np.int64]) -> pd.DataFrame:
    """The columns of an OOF table of these training rows that are no predictions: id, fold, label."""
    shape = [len(rows), sum(task.outputs)]
    if task.by_word:
        shape.insert(1, max((text.count(" ") + 1 for text in rows.text), default=0))
    table = task.oof_table(rows, fold, np.zeros(shape, np.float32))
    return table[[column for column in task.oof_columns
                  if column in task.key_columns or column not in task.test_columns]]


def targets(task: Task, label: pd.Series) -> Doubles:
    """float64 [predictions, outputs]: what a perfect model would predict of training labels, in the order in which a
    table has their predictions: 0 and 1, or values."""
    target = task.target(label)
    if len(task.outputs) > 1:
        columns = [target[:, number] for number in range(len(task.outputs))]
        return np.concatenate([column[:, None].astype(np.float64) if outputs == 1 else _one_hot(column, outputs)
                               for column, outputs in zip(columns, task.outputs, strict=True)], axis=1)
    if task.links[0].function == "softmax":
        return _one_hot(target[target >= 0], task.outputs[0])
    return target.reshape(len(label), -1).astype(np.float64)


def _one_hot(number: npt.NDArray[np.generic], classes: int) -> Doubles:
    return (np.asarray(number, np.int64)[:, None] == np.arange(classes)).astype(np.float64)
