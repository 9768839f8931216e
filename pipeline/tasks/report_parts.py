"""What kinds of label share of a stage's report: its folds' part, intervals, and how numbers are written."""

import numpy as np

from pipeline.metrics.intervals import Interval
from pipeline.tasks.protocol import Report

ONE_FOLD = "there are no other folds to choose a threshold on"
OF_ROWS = "of the rows, both models as they are"  # what a paired interval is of


def over_folds(rows: list[Report], key: str, pooled: float | None, missing: list[int], undefined: str = "undefined",
               needs: str = "needs two folds") -> Report:
    """The part of a stage's report that is about its folds: mean and sd of the scores that are defined, and the pooled
    score where no fold is missing; a reason beside what is None.

    undefined: why a score may have no value; needs: what an sd needs.
    """
    scores = [row[key] for row in rows if row[key] is not None]
    part: Report = {"folds": rows, "missing_folds": missing, "mean": float(np.mean(scores)) if scores else None,
                    "sd": float(np.std(scores, ddof=1)) if len(scores) > 1 else None}
    if not scores:
        part["mean_reason"] = undefined
    if len(scores) < 2:
        part["sd_reason"] = needs
    part["pooled"] = None if missing else pooled
    if part["pooled"] is None:
        part["pooled_reason"] = not_finished(missing) if missing else undefined
    return part


def not_finished(missing: list[int]) -> str:
    """Why a score over all rows is undefined."""
    return f"folds {', '.join(map(str, missing))} are not finished"


def bounds(interval: Interval | None) -> list[float] | None:
    """An interval as the report has it, [low, high]."""
    return None if interval is None else [interval.low, interval.high]


def between(interval: list[float] | None) -> str:
    """An interval in a table."""
    return f"{interval[0]:.4f}-{interval[1]:.4f}" if interval else format_score(None)


def spread(part: Report) -> str:
    """The mean over folds and its standard deviation, in a table."""
    return format_score(part["mean"]) + (f" ± {part['sd']:.4f}" if part["sd"] is not None else "")


def format_score(value: float | None) -> str:
    """A score in a table."""
    return "–" if value is None else f"{value:.4f}"
