"""How often a 95 % interval holds the true AUC where texts are repeated as often as in a real table.

    .venv/bin/python -m benchmarks.coverage data/boyu/train.csv --column content

Keeps the table's group sizes; label and score are drawn once for each distinct text (normal, 1 apart by class, so that
the true AUC is Phi(1 / sqrt 2) = 0.76025, and that of the second model, noisier, Phi(1 / 2) = 0.69146). Prints a
Markdown table: intervals that take rows for independent, and intervals by group.
"""

import argparse
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from pipeline.competition import folds
from pipeline.competition.readers import delimited
from pipeline.config.data import Folds
from pipeline.metrics import intervals
from pipeline.metrics.intervals import Interval
from pipeline.metrics.scores import Groups

AUC, NOISIER = 0.760250, 0.691462  # Phi(1 / sqrt 2); Phi(1 / 2), the accuracy at the middle too
POSITIVE = 1 / 3  # share of positive texts, as in boyu


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("table", type=Path)
    parser.add_argument("--column", default="text")
    parser.add_argument("--draws", type=int, default=400)
    options = parser.parse_args()
    table = delimited.read_table(options.table)
    group = folds.groups(pd.DataFrame({"text": table[options.column]}), Folds())
    alone = np.arange(len(group))
    held: dict[str, list[list[bool]]] = {}
    width: dict[str, list[list[float]]] = {}
    for seed in range(options.draws):
        for name, (interval_of, true) in _draw(group, seed).items():
            intervals = [interval_of(alone), interval_of(group)]
            held.setdefault(name, []).append([one.low <= true <= one.high for one in intervals])
            width.setdefault(name, []).append([one.high - one.low for one in intervals])
    print(f"{len(group):,} rows, {group.max() + 1:,} texts, the most frequent {np.bincount(group).max()} times; "
          f"{options.draws} draws\n")
    print("| interval of | by rows: covers | width | by groups: covers | width |\n|---|---|---|---|---|")
    for name, hits in held.items():
        share, size = np.mean(hits, axis=0), np.mean(width[name], axis=0)
        print(f"| {name} | {share[0]:.1%} | {size[0]:.4f} | {share[1]:.1%} | {size[1]:.4f} |")


def _draw(group: Groups, seed: int) -> dict[str, tuple[Callable[[Groups], Any], float]]:
    """Of each kind of interval a function of the groups, and the truth."""
    rng = np.random.default_rng(seed)
    texts = int(group.max()) + 1
    label = (rng.random(texts) < POSITIVE).astype(np.int8)
    score = rng.normal(size=texts) + label
    label, score, noise = label[group], score[group], rng.normal(size=texts)[group]
    hit = (score >= 0.5) == (label == 1)

    def paired(by: Groups) -> Interval:
        found = intervals.auc_difference(label, score, score + noise, by)
        assert found is not None
        return found[1]

    return {"AUC (DeLong)": (lambda by: intervals.auc_interval(label, score, by), AUC),
            "difference of two AUCs (paired DeLong)": (paired, AUC - NOISIER),
            "accuracy (Wilson)": (lambda by: intervals.share_interval(hit, by), NOISIER)}


if __name__ == "__main__":
    main()
