"""What follows from the kind of label, in one table: the kinds, and the defaults and rules of their configuration."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal

BINARY = ("0", "1")  # labels unless others are given
FORMER_NAMES = {"tokens": "tags"}
FORMER_METRICS = {  # what submit.metric was called by, and what ``metric`` is called by; None: nothing need be given
    "binary": {"auc": None, "f1": "f1", "accuracy": "accuracy"},
    "multiclass": {"auc": None, "f1": "macro_f1", "accuracy": "accuracy"},
    "multilabel": {"auc": None, "f1": "macro_f1", "accuracy": "hamming_loss"},
    "multioutput": {"auc": None, "f1": "macro_f1", "accuracy": "accuracy"},
    "tags": {"f1": None, "accuracy": "accuracy"}}
CLASSES = ("focal", "smooth_f1")  # losses of labels, beside their likelihood
NUMBERS = ("mse", "mae", "huber", "rmse", "correlation")  # losses of values


@dataclass(frozen=True)
class Kind:
    """A kind of label."""

    likelihood: Literal["bce", "cross_entropy", "mse"]
    """The loss of stage 1 unless one is given."""
    losses: tuple[str, ...] = CLASSES
    """Other losses that a stage may have."""
    refinement: str = "smooth_f1"
    """The loss of stage 2 unless one is given, or ``metric`` has a smooth form of its own."""
    monitor: str = "auc"
    """What epochs are compared by unless a metric or a monitor is given."""
    monitors: tuple[str, ...] = ("auc", "accuracy", "f1", "loss")
    """What epochs may be compared by, beside the kind's metrics."""
    label_columns: Literal["none", "names", "outputs", "values"] = "none"
    """What data.label_columns are. none: there are none. names: a column of 0 and 1 for each name, instead of one
    column of names. outputs: a column of labels for each output, and they must be given. values: a column of numbers
    for each output, instead of one."""
    of_words: bool = False
    """Whether each word of a text has a label, and not the text."""
    soft_labels: bool = False
    """Whether rows may be trained on with probabilities in the place of a label."""
    numbers: bool = False
    """Whether a label is a number, which no class weight can count."""


KINDS = {
    "binary": Kind("bce", soft_labels=True),
    "multiclass": Kind("cross_entropy", soft_labels=True),
    "multilabel": Kind("bce", label_columns="names", soft_labels=True),
    "multioutput": Kind("cross_entropy", label_columns="outputs"),
    "tags": Kind("cross_entropy", monitor="f1", monitors=("accuracy", "f1", "loss"), of_words=True),
    "regression": Kind("mse", (*NUMBERS, "bce"), "rmse", "rmse", ("loss",), "values", numbers=True),
    "ordinal": Kind("mse", (*NUMBERS, "bce", "smooth_qwk"), "smooth_qwk", "qwk", ("loss",)),
}
SMOOTH = {"mse": "mse", "mae": "mae", "r2": "mse", "pearson": "correlation",
          "spearman": "correlation"}  # metric -> its smooth form, a loss
DEFAULTS = ("stage1.loss", "stage2.loss", "stage1.monitor", "stage2.monitor")  # keys whose default the kind gives


def defaults(kind: str, metric: str | None = None, cumulative: bool = False) -> dict[str, Any]:
    """Dotted key -> default, of the keys whose default depends on the kind.

    metric: as the configuration names it; cumulative: whether grades have a probability each (head.ordinal).
    """
    own = KINDS[kind]
    smooth = SMOOTH.get(metric or "", own.refinement)
    monitor = metric or own.monitor
    return dict(zip(DEFAULTS, ("bce" if cumulative else own.likelihood,
                               smooth if smooth in own.losses else own.refinement, monitor, monitor), strict=True))


def with_defaults(tree: Mapping[str, Any]) -> dict[str, Any]:
    """A configuration as nested tables, with the defaults that follow from its kind where it gives no value."""
    filled = dict(tree)
    kind = filled.get("task", "binary")
    if not isinstance(kind, str) or kind not in KINDS:
        return filled
    metric, head, data = filled.get("metric"), filled.get("head"), filled.get("data")
    cumulative = kind == "ordinal" and isinstance(head, Mapping) and head.get("ordinal") == "cumulative"
    bounded = kind == "regression" and isinstance(data, Mapping) and bool(data.get("bounds"))
    for key, value in defaults(kind, metric if isinstance(metric, str) else None, cumulative or bounded).items():
        section, _, name = key.partition(".")
        table = filled.get(section, {})
        if isinstance(table, Mapping):
            filled[section] = {name: value} | dict(table)
    return without_former_metric(filled)


def without_former_metric(tree: Mapping[str, Any]) -> dict[str, Any]:
    """The configuration with ``metric`` in place of the key submit.metric, as it was called before."""
    filled = dict(tree)
    kind, submit = filled.get("task", "binary"), filled.get("submit")
    former = submit.get("metric") if isinstance(submit, Mapping) else None
    if isinstance(kind, str) and isinstance(former, str) and former in FORMER_METRICS.get(kind, {}):
        filled["submit"] = {key: value for key, value in filled["submit"].items() if key != "metric"}
        if (name := FORMER_METRICS[kind][former]) is not None:
            filled.setdefault("metric", name)
    return filled
