"""What a label is, one module a kind: all else asks the task, and never which kind it is. Imports no TensorFlow."""

import dataclasses
from collections.abc import Sequence
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd

from pipeline.config.kinds import FORMER_NAMES
from pipeline.config.run import Config
from pipeline.lazy import lazily
from pipeline.tasks.binary import Binary
from pipeline.tasks.multiclass import Multiclass
from pipeline.tasks.multilabel import Multilabel
from pipeline.tasks.multioutput import Multioutput
from pipeline.tasks.ordinal import Ordinal
from pipeline.tasks.protocol import Report, Task, logit_columns, probability_columns
from pipeline.tasks.regression import Regression
from pipeline.tasks.report_parts import format_score
from pipeline.tasks.tags import Tags

__all__ = ["KINDS", "Report", "Task", "format_score", "from_config", "logit_columns", "mean_logit", "mean_of",
           "probability_columns", "restored", "saved"]

special = lazily("scipy.special")

KINDS: dict[str, Any] = {kind.__name__.lower(): kind for kind in (
    Binary, Multiclass, Multilabel, Multioutput, Tags, Regression, Ordinal)}
"""The class of each kind of label, by the value of ``task`` in the configuration."""


def from_config(config: Config, labels: Sequence[str]) -> Task:
    """The task of a configuration. labels: train's raw labels, which give the names that it leaves out."""
    task: Task = KINDS[config.task].from_config(config, labels)
    return task


def saved(task: Task) -> dict[str, Any]:
    """The task as a JSON value."""
    assert dataclasses.is_dataclass(task)
    fields = {field.name: getattr(task, field.name) for field in dataclasses.fields(task)}
    return {"task": type(task).__name__.lower()} | {
        name: {key: saved(part) for key, part in value.items()} if isinstance(value, dict) else value
        for name, value in fields.items()}


def restored(value: dict[str, Any]) -> Task:
    """The task that was saved. Raises KeyError or TypeError where it is none."""
    fields = {name: {key: restored(saved_part) for key, saved_part in part.items()} if isinstance(part, dict) else
              tuple(part) if isinstance(part, list) else part for name, part in value.items() if name != "task"}
    name = value["task"]
    task: Task = KINDS[FORMER_NAMES.get(name, name)](**fields)
    return task


def mean_of(task: Task, predictions: Sequence[pd.DataFrame], shares: Sequence[float] | None = None) -> pd.DataFrame:
    """The mean probabilities of tables of predictions of the same rows, and the logits of these means. shares: how much
    each table counts, 1 in all; None: all alike."""
    means = predictions[0].copy()
    probabilities = probability_columns(task)
    means[probabilities] = np.average([table[probabilities].to_numpy(np.float64) for table in predictions],
                                      axis=0, weights=shares).astype(np.float32)
    if logits := logit_columns(task):
        means[logits] = mean_logit(task, [table[logits].to_numpy(np.float64) for table in predictions], shares)
    return means


def mean_logit(task: Task, logits: Sequence[npt.NDArray[np.floating]], shares: Sequence[float] | None = None
               ) -> npt.NDArray[np.float32]:
    """The logits of the mean of several models' probabilities, float32 [rows, outputs]: those that a score which is
    taken from logits must see, to be the score of that mean. logits: [rows, outputs] of each model. shares: as
    ``mean_of`` has them.

    Worked out from logits all through: a probability that float32 rounds to 1 has no logit any more.
    """
    models = np.stack([np.asarray(logit, np.float64) for logit in logits])
    each = None if shares is None else np.asarray(shares, np.float64)[:, None, None]
    parts, at = [], 0
    for outputs, link in zip(task.outputs, task.links, strict=True):
        own = models[:, :, at:at + outputs]
        if link.function == "softmax":
            parts.append(special.logsumexp(special.log_softmax(own, axis=2), axis=0, b=each)
                         - np.log(len(models) if each is None else each.sum()))
        elif link.function == "sigmoid":
            parts.append(special.logsumexp(special.log_expit(own), axis=0, b=each)
                         - special.logsumexp(special.log_expit(-own), axis=0, b=each))
        else:
            parts.append(np.average(own, axis=0, weights=shares))
        at += outputs
    return np.concatenate(parts, axis=1).astype(np.float32)
