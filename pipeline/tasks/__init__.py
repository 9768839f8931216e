"""What a label is, one module a kind: all else asks the task, and never which kind it is. Imports no TensorFlow."""

from collections.abc import Iterable

from pipeline.config import BINARY, Config
from pipeline.tasks.binary import Binary
from pipeline.tasks.multiclass import Multiclass
from pipeline.tasks.multilabel import Multilabel
from pipeline.tasks.task import Report, Task, shown

__all__ = ["Report", "Task", "of", "shown"]


def of(config: Config, labels: Iterable[str]) -> Task:
    """The task that the configuration describes. labels: those of train, for what it leaves open."""
    assert config.data is not None
    if config.task == "multiclass":
        return Multiclass(tuple(config.data.labels or sorted(set(labels))))
    if config.task == "multilabel":
        separator = config.data.label_separator
        found = {name for label in labels for name in label.split(separator) if name}
        return Multilabel(tuple(config.data.labels or sorted(found)), separator)
    negative, positive = config.data.labels or BINARY
    return Binary(negative, positive)
