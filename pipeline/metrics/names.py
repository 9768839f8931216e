"""The names of the metrics that each kind of label has; ``registry`` computes them."""

import re

MEAN = "mean_score"  # of several outputs: the mean of their own scores
F_BETA = r"f(0\.[1-9]|1\.5|[2-9])"
MAP = r"map@([1-9]\d?|100)"
FAMILIES = {"binary": {F_BETA: "f2"}, "multiclass": {MAP: "map@3"}, "multilabel": {MAP: "map@3"}}
_OF_CLASSES = ("accuracy", "balanced_accuracy", "macro_f1", "weighted_f1", "mcc", "kappa")
BY_KIND = {
    "binary": ("auc", "average_precision", "log_loss", "brier", "f1", *_OF_CLASSES),
    "multiclass": (*_OF_CLASSES, "log_loss", "auc"),
    "multilabel": ("macro_f1", "micro_f1", "samples_f1", "exact_match", "hamming_loss", "auc", "log_loss"),
    "multioutput": (MEAN, "auc", "log_loss", *_OF_CLASSES),
    "tags": ("entity_f1", "entity_macro_f1", "accuracy"),
    "regression": ("rmse", "mcrmse", "mse", "mae", "rmsle", "r2", "pearson", "spearman"),
    "ordinal": ("qwk", "linear_kappa", *_OF_CLASSES, "mae", "pearson", "spearman"),
}


def of_kind(kind: str) -> list[str]:
    """The names that a kind's metrics may have, as a person is told them: map@3 stands for any number up to 100."""
    return [*BY_KIND[kind], *FAMILIES.get(kind, {}).values()]


def is_one(kind: str, name: str) -> bool:
    """Whether a kind has a metric of that name."""
    return name in BY_KIND[kind] or any(re.fullmatch(pattern, name) for pattern in FAMILIES.get(kind, {}))
