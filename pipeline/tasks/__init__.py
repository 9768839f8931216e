"""What a label is, one module a kind: all else asks the task, and never which kind it is. Imports no TensorFlow."""

import dataclasses
from collections.abc import Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from pipeline.config.kinds import BINARY, FORMER_NAMES
from pipeline.config.run import Config
from pipeline.lazy import lazily
from pipeline.tasks.binary import Binary
from pipeline.tasks.multiclass import Multiclass
from pipeline.tasks.multilabel import Multilabel
from pipeline.tasks.multioutput import Multioutput
from pipeline.tasks.protocol import Report, Task, logit_columns, probability_columns, shown
from pipeline.tasks.tags import Tags

__all__ = ["Report", "Task", "logit_columns", "mean_logit", "of", "probability_columns", "restored", "saved",
           "shown"]

special = lazily("scipy.special")

KINDS: dict[str, Any] = {kind.__name__.lower(): kind for kind in (Binary, Multiclass, Multilabel, Multioutput, Tags)}


def of(config: Config, labels: Sequence[str]) -> Task:
    """The task that the configuration describes. labels: those of train as they were read, for what it leaves open."""
    data = config.competition
    if config.task == "multiclass":
        return Multiclass(tuple(data.labels or sorted(set(labels) - {""})))
    if config.task == "multilabel":
        found = {name for label in labels for name in label.split(data.label_separator) if name}
        return Multilabel(tuple(data.labels or data.label_columns or sorted(found)), data.label_separator)
    if config.task == "multioutput":
        assert data.label_columns is not None
        return Multioutput.of(data.label_columns, labels, data.label_weights)
    if config.task == "tags":
        return Tags.of(labels)
    negative, positive = data.labels or BINARY
    return Binary(negative, positive)


def saved(task: Task) -> dict[str, Any]:
    """The task as a JSON value."""
    assert dataclasses.is_dataclass(task)
    fields = {field.name: getattr(task, field.name) for field in dataclasses.fields(task)}
    return {"task": type(task).__name__.lower()} | {
        name: {key: saved(part) for key, part in value.items()} if isinstance(value, dict) else value
        for name, value in fields.items()}


def restored(value: dict[str, Any]) -> Task:
    """The task that was saved. Raises KeyError or TypeError where it is none."""
    fields = {name: {key: restored(one) for key, one in part.items()} if isinstance(part, dict) else
              tuple(part) if isinstance(part, list) else part for name, part in value.items() if name != "task"}
    name = value["task"]
    task: Task = KINDS[FORMER_NAMES.get(name, name)](**fields)
    return task


def mean_logit(task: Task, logits: Sequence[npt.NDArray[np.floating]]) -> npt.NDArray[np.float32]:
    """The logits of the mean of several models' probabilities, float32 [rows, outputs]: those that a score which is
    taken from logits must see, to be the score of that mean. logits: [rows, outputs] of each model.

    Worked out from logits all through: a probability that float32 rounds to 1 has no logit any more.
    """
    models = np.stack([np.asarray(logit, np.float64) for logit in logits])
    parts, at = [], 0
    for outputs, exclusive in zip(task.outputs, task.exclusive, strict=True):
        own = models[:, :, at:at + outputs]
        if exclusive:
            parts.append(special.logsumexp(special.log_softmax(own, axis=2), axis=0) - np.log(len(models)))
        else:
            parts.append(special.logsumexp(special.log_expit(own), axis=0)
                         - special.logsumexp(special.log_expit(-own), axis=0))
        at += outputs
    return np.concatenate(parts, axis=1).astype(np.float32)
