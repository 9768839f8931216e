"""What choosing does to a score: by about how much the best of several runs is flattered for being the best."""

import math
from collections.abc import Sequence

import numpy as np

NEAR = 4.0  # standard errors of a difference below the best, within which a run might be the best
LEAST = 4  # runs, below which nothing can be told


def flattered(of_folds: Sequence[Sequence[float]], sign: int) -> float | None:
    """By about how much the best of several runs is better than it is, for being the best of them; None: it cannot be
    told. of_folds: the runs' scores by fold, the folds alike.

    A run's mean over folds is its worth plus noise, whose variance is that of what is left of a table of runs by folds
    without both means, over the folds. Of the runs that might be the best, the part of the best one's distance from
    their mean that is noise is James and Stein's (Efron and Morris 1973, doi:10.1080/01621459.1973.10481350).
    """
    rows = [scores for scores in of_folds if scores and len(scores) == len(of_folds[0])]
    if len(rows) < LEAST or len(rows[0]) < 2:
        return None
    table = sign * np.array(rows, np.float64)
    for _ in range(len(rows)):
        means = table.mean(axis=1)
        rest = table - means[:, None] - table.mean(axis=0, keepdims=True) + table.mean()
        noise = float(np.square(rest).sum()) / ((len(table) - 1) * (table.shape[1] - 1)) / table.shape[1]
        near = means >= means.max() - NEAR * math.sqrt(2 * noise)
        if near.all() or near.sum() < LEAST:
            break
        table = table[near]
    spread = float(np.square(means - means.mean()).sum())
    return min(1.0, (len(means) - 3) * noise / spread) * float(means.max() - means.mean()) if spread else 0.0
