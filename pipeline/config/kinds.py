"""What follows from the kind of label, in one table: the kinds, and the defaults and rules of their configuration."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal

BINARY = ("0", "1")  # labels unless others are given
FORMER_NAMES = {"tokens": "tags"}


@dataclass(frozen=True)
class Kind:
    """A kind of label."""

    likelihood: Literal["bce", "cross_entropy"]
    """The loss of stage 1 unless one is given."""
    metric: Literal["auc", "f1"] = "auc"
    """What epochs are compared by, and the competition's metric, unless one is given."""
    label_columns: Literal["none", "names", "outputs"] = "none"
    """What data.label_columns are. none: there are none. names: a column of 0 and 1 for each name, instead of one
    column of names. outputs: a column of labels for each output, and they must be given."""
    of_words: bool = False
    """Whether each word of a text has a label, and not the text."""


KINDS = {
    "binary": Kind("bce"),
    "multiclass": Kind("cross_entropy"),
    "multilabel": Kind("bce", label_columns="names"),
    "multioutput": Kind("cross_entropy", label_columns="outputs"),
    "tags": Kind("cross_entropy", metric="f1", of_words=True),
}
DEFAULTS = {"stage1.loss": "likelihood", "stage1.monitor": "metric", "stage2.monitor": "metric",
            "submit.metric": "metric"}  # keys whose default is a field of the kind


def defaults(kind: str) -> dict[str, Any]:
    """Dotted key -> default, of the keys whose default depends on the kind."""
    return {key: getattr(KINDS[kind], field) for key, field in DEFAULTS.items()}


def with_defaults(tree: Mapping[str, Any]) -> dict[str, Any]:
    """A configuration as nested tables, with the defaults that follow from its kind where it gives no value."""
    filled = dict(tree)
    kind = filled.get("task", "binary")
    if not isinstance(kind, str) or kind not in KINDS:
        return filled
    for key, value in defaults(kind).items():
        section, _, name = key.partition(".")
        table = filled.get(section, {})
        if isinstance(table, Mapping):
            filled[section] = {name: value} | dict(table)
    return filled
