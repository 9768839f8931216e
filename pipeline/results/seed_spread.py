"""What a seed changes: scores by seed and fold, how their variance splits, and how sure a difference is with it."""

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd

from pipeline.lazy import lazily
from pipeline.metrics.intervals import NORMAL
from pipeline.results.predictions import StagePredictions
from pipeline.tasks import Report, Task, format_score

stats = lazily("scipy.stats")
MOST = 1_000  # seeds that a person may be told to add


@dataclass(frozen=True)
class Scored:
    """One stage's scores by seed. of_folds: float64 [seeds, folds]; pooled: float64 [seeds]; NaN where undefined."""

    seeds: tuple[int, ...]
    of_folds: npt.NDArray[np.float64]
    pooled: npt.NDArray[np.float64]

    @property
    def sd(self) -> float | None:
        """How much a run with one seed, scored on all rows, varies with the seed; None: it cannot be told."""
        return float(np.std(self.pooled, ddof=1)) if len(self.seeds) > 1 and np.isfinite(self.pooled).all() else None


def of(task: Task, part: StagePredictions, metric: str | None) -> Scored | None:
    """The scores of each seed of a stage; None where it has one seed."""
    return of_tables(task, part.by_seed, metric)


def of_tables(task: Task, by_seed: Mapping[int, pd.DataFrame], metric: str | None) -> Scored | None:
    """The same of each seed's OOF table."""
    if not by_seed:
        return None
    scores = [task.scores(oof, metric) for oof in by_seed.values()]
    return Scored(tuple(by_seed), np.array([list(by_fold.values()) for by_fold, _ in scores], np.float64),
                  np.array([pooled for _, pooled in scores], np.float64))


def split(scores: npt.NDArray[np.float64]) -> dict[str, float]:
    """The variances of folds, of seeds and of the rest, by the method of moments of a two-way table without repetition
    (Searle, Casella and McCulloch 1992, Variance Components, section 4.4); what comes out below 0 is 0.

    scores: float64 [seeds, folds], two of each at least.
    """
    seeds, folds = scores.shape
    by_seed, by_fold = scores.mean(axis=1, keepdims=True), scores.mean(axis=0, keepdims=True)
    rest = float(np.square(scores - by_seed - by_fold + scores.mean()).sum()) / ((seeds - 1) * (folds - 1))
    of_seeds, of_folds = folds * float(np.var(by_seed, ddof=1)), seeds * float(np.var(by_fold, ddof=1))
    return {"folds": max(0.0, (of_folds - rest) / seeds), "seeds": max(0.0, (of_seeds - rest) / folds), "rest": rest}


def smallest_difference(sd: float, seeds: int) -> float:
    """The difference of two means of that many seeds each that Student's t tells from 0, at 95 %, where one seed has
    this standard deviation and nothing else varies."""
    return float(stats.t.ppf(0.975, 2 * (seeds - 1))) * sd * math.sqrt(2 / seeds)


def part(scored: Scored, metric: str) -> Report:
    """The seeds' part of a stage's report."""
    result: Report = {
        "seeds": list(scored.seeds),
        "folds": [[_number(score) for score in row] for row in scored.of_folds],
        "pooled": [_number(score) for score in scored.pooled], "metric": metric, "sd_of_one_seed": scored.sd,
        "sd": None, "smallest_difference": None}
    if scored.sd is None or not np.isfinite(scored.of_folds).all():
        return result | {"sd_reason": "a fold has no score"}
    result["smallest_difference"] = smallest_difference(scored.sd, len(scored.seeds))
    if scored.of_folds.shape[1] < 2:
        return result | {"sd_reason": "needs two folds"}
    return result | {"sd": {name: math.sqrt(value) for name, value in split(scored.of_folds).items()}}


def lines(stage: str, seeds: Report, label: str) -> list[str]:
    """The same in words."""
    names = ", ".join(map(str, seeds["seeds"]))
    pooled = ", ".join(map(format_score, seeds["pooled"]))
    told = f"{stage}: the mean of seeds {names}, which score {pooled} each"
    if seeds["sd"] is not None:
        told += (f"; standard deviations of a fold's {label}: {seeds['sd']['folds']:.5f} between folds, "
                 f"{seeds['sd']['seeds']:.5f} between seeds, {seeds['sd']['rest']:.5f} of both together")
    if seeds["smallest_difference"] is None:
        return [told]
    return [told, f"{stage}: a difference below {seeds['smallest_difference']:.5f} between two runs of "
                  f"{len(seeds['seeds'])} seeds each cannot be told from other seeds (one seed's {label} varies by "
                  f"{seeds['sd_of_one_seed']:.5f})"]


def widened(change: Report, old: Scored | None, new: Scored | None, one_sided: bool = False) -> Report | None:
    """A change with what the seeds add to its uncertainty: the interval of rows and training, the standard deviation of
    the training alone, and how many seeds more would tell it from 0 (None: no number of them). None where neither side
    has several seeds, and where the change has no interval.

    change: delta and delta_interval, of the rows. Where both sides have the same seeds, each is compared with itself.
    Degrees of freedom are Satterthwaite's (1946, doi:10.2307/3002019). one_sided: whether one side's training varies
    too and has one seed, so that its part is not in the interval.
    """
    if change["delta"] is None or not change["delta_interval"]:
        return None
    variances = _training_variances(old, new)
    if not variances:
        return None
    low, high = change["delta_interval"]
    of_rows = ((high - low) / (2 * NORMAL)) ** 2
    half = _half(of_rows, variances)
    more: int | None = 0
    if half >= abs(change["delta"]):
        more = next((more for more in range(1, MOST) if _half(of_rows, variances, more) < abs(change["delta"])), None)
    middle = (low + high) / 2
    return {"interval": [middle - half, middle + half],
            "sd_of_training": math.sqrt(sum(variance / seeds for variance, seeds in variances)),
            "one_sided": one_sided, "more_seeds": more}


def words(widened: Report) -> str:
    """The same on one line, behind a change."""
    low, high = widened["interval"]
    which = "rows and seeds" + (", of one side" if widened["one_sided"] else "")
    told = f"{low:+.5f} to {high:+.5f} of {which}"
    if widened["more_seeds"] == 0:
        return told
    if widened["more_seeds"] is None:
        return f"{told}: no number of seeds would tell it from 0, the rows are too few"
    return f"{told}: about {widened['more_seeds']} seeds more would tell it from 0"


def _training_variances(old: Scored | None, new: Scored | None) -> list[tuple[float, int]]:
    """The variance of one seed, and how many there are: of differences seed by seed where both have the same seeds,
    else of each side."""
    if old and new and old.seeds == new.seeds:
        if old.sd is None or new.sd is None:
            return []
        return [(float(np.var(new.pooled - old.pooled, ddof=1)), len(new.seeds))]
    return [(side.sd**2, len(side.seeds)) for side in (old, new) if side and side.sd is not None]


def _half(of_rows: float, variances: list[tuple[float, int]], more: int = 0) -> float:
    """Half of a 95 % interval, with that many seeds more on each side."""
    parts = [(variance / (seeds + more), seeds + more - 1) for variance, seeds in variances]
    total = of_rows + sum(part for part, _ in parts)
    spread = sum(part**2 / free for part, free in parts)
    if not spread:
        return NORMAL * math.sqrt(total)
    return float(stats.t.ppf(0.975, total**2 / spread)) * math.sqrt(total)


def _number(value: Any) -> float | None:
    return float(value) if math.isfinite(value) else None
