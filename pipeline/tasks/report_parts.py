"""What kinds of label share of a stage's report: its folds' part, intervals, and how numbers are written."""

import numpy as np

from pipeline.metrics.intervals import Interval
from pipeline.tasks.protocol import Report

ONE_FOLD = "there are no other folds to choose a threshold on"
OF_ROWS = "of the rows, both models as they are"  # what a paired interval is of


def over_folds(rows: list[Report], key: str, pooled: float, missing: list[int]) -> Report:
    """The part of a stage's report that is about its folds: mean and sd of their scores, and the pooled score where no
    fold is missing; a reason beside what is None."""
    scores = [row[key] for row in rows]
    part: Report = {"folds": rows, "missing_folds": missing, "mean": float(np.mean(scores)),
                    "sd": float(np.std(scores, ddof=1)) if len(scores) > 1 else None}
    if len(scores) < 2:
        part["sd_reason"] = "needs two folds"
    part["pooled"] = None if missing else pooled
    if missing:
        part["pooled_reason"] = not_finished(missing)
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
