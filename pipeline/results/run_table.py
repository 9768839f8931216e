"""Every run in one table, from the reports that they wrote: scores, what is done, and only the settings that differ.

Reads reports, configurations and the names of cells; no table of predictions unless runs are compared with one.
"""

import functools
import json
import tomllib
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pandas as pd

from pipeline.competition import folds
from pipeline.config import loading, problems
from pipeline.config.run import RUN_NAME
from pipeline.errors import UserError
from pipeline.files import formats, sealed
from pipeline.results import predictions, seed_spread, stage_scores
from pipeline.results.best_of_many import flattered
from pipeline.runs import opening, spent
from pipeline.runs.paths import MODELS, Paths
from pipeline.stage_table import BLEND, PREDICTING, STAGES, Stage
from pipeline.tasks import Report

NOT_A_SETTING = ("name", "hardware", "data", "submit", str(BLEND))  # tables and keys that say nothing of the training


@dataclass(frozen=True)
class Line:
    """A run: what its report says of the stage that it submits, or of its best where that has no score."""

    name: str
    alike: tuple[str, ...] = ()
    """What runs that may be compared have in common: kind of label, metric, rows, folds."""
    metric: str = ""
    sign: int = 1
    stage: str = ""
    score: float | None = None
    interval: list[float] | None = None
    of_folds: tuple[float, ...] = ()
    done: str = ""
    """Folds of the stage that are done."""
    seeds: int = 1
    seconds: float = 0.0
    settings: dict[str, Any] = field(default_factory=dict)
    note: str = ""
    """Why there is no score."""


@dataclass(frozen=True)
class Gain:
    """What a run gains over the reference on the same rows, and its paired interval. of: what beside the rows the
    interval is of, in words. Where there is none, a note says why."""

    delta: float | None = None
    interval: list[float] | None = None
    of: str = ""
    note: str = ""


@dataclass(frozen=True)
class Block:
    """Runs that may be compared, the best first. differing: the settings in which they differ; gained: of each run,
    what it gains over the reference; flattered: by about how much the best is flattered for being the best.
    """

    lines: list[Line]
    differing: list[str]
    gained: dict[str, Gain]
    flattered: float | None

    @property
    def title(self) -> str:
        """What they are runs of."""
        first = self.lines[0]
        return f"{first.settings.get('data.train', 'no data')}, {first.metric}" if first.alike else "Without a score"


def read(against: str | None = None) -> list[Block]:
    """Every run under models/, in blocks of runs that may be compared; those without a score come last.

    against: "RUN" or "RUN:STAGE", which the others of its block are compared with on the same rows. Raises UserError
    where there is no such run, or it has no out-of-fold table.
    """
    lines = [_line(path.name) for path in sorted(MODELS.glob("*")) if path.is_dir() and RUN_NAME.fullmatch(path.name)]
    if not lines:
        raise UserError("models/: there is no run yet; begin one: ./run_all.sh")
    alike: dict[tuple[str, ...], list[Line]] = {}
    for line in lines:
        alike.setdefault(line.alike, []).append(line)
    reference = _Reference(against) if against else None
    if reference and not any(line.name == reference.paths.run and line.alike for line in lines):
        raise UserError(f"--against {against}: has no report; make it: python -m stages report "
                        f"{reference.paths.settings}")
    return [_block(own, reference) for _, own in sorted(alike.items(), key=lambda part: (not part[0], part[0]))]


def _line(name: str) -> Line:
    paths = Paths(name)
    try:
        settings = _flat(tomllib.loads(paths.settings.read_text(encoding="utf-8")))
    except (OSError, ValueError, RecursionError):
        return Line(name, note=f"{paths.settings} is not there, or damaged")
    stage, done = _newest_stage(paths)
    nothing = Line(name, settings=settings, seconds=sum(spent.seconds(paths).values()), stage=stage,
                   done=f"{done} cells" if done else "")
    try:
        report = _report(paths)
        return _of_report(nothing, report) if report else _without(nothing, "no report yet")
    except (OSError, ValueError, KeyError, TypeError, AttributeError, IndexError):
        return _without(nothing, f"the report under {paths.oof} is damaged")


def _without(line: Line, what: str) -> Line:
    way = f"python -m stages report {Paths(line.name).settings}"
    return Line(line.name, settings=line.settings, seconds=line.seconds, stage=line.stage, done=line.done,
                note=f"{what}; {way}" if line.done else f"{what}; no cell is done")


def _of_report(nothing: Line, report: Report) -> Line:
    parts = report["stages"]
    leading = {name: stage_scores.leading(part) for name, part in parts.items()}
    scored = [name for name in leading if leading[name]["pooled"] is not None]
    if not scored:
        return _without(nothing, "no stage has every fold yet")
    stage = report["submitted"] if report["submitted"] in scored else report["best_oof"] or scored[-1]
    lead, hashes = leading[stage], report.get("hashes")
    if not hashes or "scored rows" not in hashes:
        return _without(nothing, "its report is an earlier version's, which does not say what rows it is of")
    metric = report["metric"]
    known = [row[metric] for row in lead["folds"]]
    return Line(nothing.name, (nothing.settings.get("task", ""), metric, hashes["scored rows"]), metric,
                1 if report["greater_is_better"] else -1, stage, float(lead["pooled"]), lead["pooled_interval"],
                tuple(map(float, known)) if None not in known else (),
                f"{len(known)} of {report['folds']['count']}", len(parts[stage].get("seeds", {}).get("seeds", [0])),
                nothing.seconds, nothing.settings)


def _block(lines: list[Line], reference: "_Reference | None") -> Block:
    if not lines[0].alike:
        return Block(lines, [], {}, None)
    lines = sorted(lines, key=lambda line: (-line.sign * (line.score or 0.0), line.name))
    keys = dict.fromkeys(key for line in lines for key in line.settings if key.partition(".")[0] not in NOT_A_SETTING)
    usual = {key: default for key, default, _ in problems.describe()}  # of a key that a run was begun without
    differing = [key for key in keys
                 if len({json.dumps(line.settings.get(key, usual.get(key))) for line in lines}) > 1]
    gained = {}
    if reference and any(line.name == reference.paths.run for line in lines):
        gained = {line.name: reference.gain_of(line) for line in lines}
    return Block(lines, differing, gained, flattered([line.of_folds for line in lines], lines[0].sign))


class _Reference:
    """The run that others are compared with."""

    def __init__(self, text: str):
        name, _, stage = text.partition(":")
        self.paths = Paths.of_existing(name)
        if stage and stage not in PREDICTING:
            raise UserError(f"--against {text}: the stage is one of {', '.join(PREDICTING)}, got {stage!r}")
        self.run = opening.read(loading.load(self.paths.settings))
        self.task, self.metric = self.run.competition.task, self.run.config.metric
        self.stage = stage or next((name for name in (self.run.config.submit.stage, *reversed(PREDICTING))
                                    if self._table(self.paths, name).exists()), "")
        if not self.stage or not self._table(self.paths, self.stage).exists():
            raise UserError(f"--against {text}: has no out-of-fold table; make it: python -m stages report "
                            f"{self.paths.settings}")

    def gain_of(self, line: Line) -> Gain:
        """What a run gains over this one."""
        if (line.name, line.stage) == (self.paths.run, self.stage):
            return Gain(note="the reference")
        try:
            new, of_new = self._oof(Paths(line.name), line.stage)
        except (OSError, ValueError, KeyError):
            return Gain(note="no out-of-fold table")
        old, of_old = self._own
        change = self.task.lead_change(old, new, self.metric)
        if change["delta"] is None:
            return Gain(note="undefined")
        sides = [(self.stage, of_old), (line.stage, of_new)]
        trained = [scored for stage, scored in sides if PREDICTING[stage].with_each_seed]
        # a blend is made of runs that may be the reference itself: how its training varies is not known
        known = [] if str(BLEND) in (self.stage, line.stage) else [scored for scored in trained if scored]
        widened = seed_spread.widened(change, of_old, of_new) if known else None
        if not widened:
            return Gain(change["delta"], change["delta_interval"])
        return Gain(change["delta"], widened["interval"], "seeds" if len(known) == len(trained) else
                    "seeds of one side")

    @functools.cached_property
    def _own(self) -> tuple[pd.DataFrame, seed_spread.Scored | None]:
        return self._oof(self.paths, self.stage)

    def _oof(self, paths: Paths, stage: str) -> tuple[pd.DataFrame, seed_spread.Scored | None]:
        table = formats.read_csv(self._table(paths, stage), self.task.label_dtype)
        oof = table[self.task.oof_columns]
        by_seed = predictions.of_seeds(self.task, table)
        scored = seed_spread.of_tables(self.task, by_seed, self.metric)
        return folds.grouped(oof, self.run.competition.train.id, self.run.groups), scored

    @staticmethod
    def _table(paths: Paths, stage: str) -> Path:
        return paths.oof / f"{stage}.csv"


def _report(paths: Paths) -> Report | None:
    """The run's report; None where there is none. Raises ValueError where it is damaged."""
    for path in sorted(paths.oof.glob("*.json")):
        report = formats.read_json(path)
        if isinstance(report, dict) and "stages" in report:
            return report
    return None


def _newest_stage(paths: Paths) -> tuple[str, int]:
    """The last stage that has finished cells, and how many."""
    for stage in reversed(STAGES.values()):
        if done := _done(paths, stage):
            return str(stage), done
    return "", 0


def _done(paths: Paths, stage: Stage) -> int:
    return sum(1 for _ in paths.stage(stage).glob(f"*/{sealed.DONE}"))


def _flat(tree: dict[str, Any], prefix: str = "") -> dict[str, Any]:
    flat: dict[str, Any] = {}
    for key, value in tree.items():
        flat |= _flat(value, f"{prefix}{key}.") if isinstance(value, dict) else {prefix + key: value}
    return flat
