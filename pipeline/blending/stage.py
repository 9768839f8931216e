"""The blend as a stage: one cell, whose out-of-fold table is the nested one."""

import dataclasses
import math
from typing import Any

import numpy as np

from pipeline.blending import estimate, members, methods
from pipeline.blending.estimate import Blend, Estimate
from pipeline.competition import folds
from pipeline.config import schema
from pipeline.config.results import Blend as Settings
from pipeline.errors import UserError
from pipeline.files import formats
from pipeline.machine.console import say
from pipeline.runs import artefacts
from pipeline.runs.cells import Files, FitCell, Identity
from pipeline.runs.finished_stage import FinishedStage
from pipeline.runs.run import Run
from pipeline.stage_table import BASELINE, BLEND, Cell
from pipeline.tasks import Report


def start(run: Run) -> FitCell:
    """Returns the function that makes the blend. Raises UserError where a member does not fit."""

    def fit_cell(cell: Cell) -> Files:
        config = settings(run)
        methods.require(config.method, run.competition.task)
        rows, found, remarks = members.read(run, given(run), config.other_folds)
        for remark in remarks:
            say(f"blend: {remark}")
        validated = run.fold_of_row >= 0
        train = run.competition.train[validated]
        blend = Blend(rows, found, run.config.metric, config.shrink, train.label, run.groups[validated],
                      train.stratum.to_numpy(np.int64))
        group = folds.grouped(train[["id"]], run.competition.train.id, run.groups).set_index("id").group
        best, tried, why = estimate.chosen(blend, config.method, group)
        report = _report(blend, best, tried, why, remarks, group)
        return {artefacts.OOF: best.oof, artefacts.TEST: blend.test_table(best), artefacts.BLEND: report}

    return fit_cell


def identity(run: Run, cell: Cell) -> Identity:
    """Rows, folds, [blend], and what the members' numbers follow from."""
    own = {"stage": str(cell.stage), **run.data_identity, "metric": run.config.metric}
    parts = {f"member {members.name_of(text)}": members.fingerprint_of(text) for text in given(run)}
    return own | dict(sorted(parts.items())) | {
        key: value for key, value in schema.flatten(settings(run), str(BLEND)).items()
        if key not in ("blend.of", "blend.baseline")}


def settings(run: Run) -> Settings:
    """[blend]. Raises UserError where the configuration has none."""
    if run.config.blend is None:
        raise UserError(f"run {run.config.name!r} has no [blend]; python -m stages blend NAME --of RUN --of RUN makes "
                        f"one")
    return run.config.blend


def given(run: Run) -> list[str]:
    """The members that are named, and the baseline of the first run among them, where it has one and is not named."""
    config = settings(run)
    named = list(config.of)
    if config.baseline and (first := first_run(named)) is not None:
        baseline = dataclasses.replace(FinishedStage.named(first), stage=BASELINE)
        if str(baseline) not in [members.name_of(text) for text in named] and baseline.has_every_cell:
            named.append(str(baseline))
    return named


def first_run(named: list[str]) -> str | None:
    """The first member that is a run; None: all are tables."""
    return next((text for text in named if not members.foreign.is_table(text)), None)


def read_report(run: Run) -> Report:
    """What the finished blend says of its members and methods. Raises UserError where there is none."""
    cells = run.finished(BLEND)
    if not cells:
        raise UserError(f"run {run.config.name!r} has no finished blend")
    report: Report = formats.read_json(run.paths.cell(cells[0]) / artefacts.BLEND)
    return report


def _report(blend: Blend, best: Estimate, tried: dict[str, Estimate], why: str, remarks: list[str], group: Any
            ) -> Report:
    names = [member.name for member in blend.members]
    sign = blend.task.named_metric(blend.metric).sign
    scores = [blend.member_score(number) for number in range(len(names))]
    ranked = [number for number, score in enumerate(scores) if score is not None]
    strongest = max(ranked, key=lambda number: (sign * (scores[number] or 0.0), -number)) if ranked else None
    spread = np.std([fitted.weights for fitted in best.by_fold], axis=0, ddof=1)
    tables = {"mean of all": tried["mean"].oof} | (
        {"best member": blend.member_table(strongest)} if strongest is not None else {})
    return {
        "method": best.method, "why": why, "metric": blend.metric or blend.task.metric,
        "rows": len(blend.rows.keys), "folds": len(best.by_fold), "remarks": remarks,
        "members": [{"name": name, "score": scores[number], "weight": float(best.fitted.weights[number]),
                     "weight_sd": float(spread[number]), "temperature": float(best.fitted.temperatures[number]),
                     "without": blend.without(best, number), "fingerprint": blend.members[number].fingerprint}
                    for number, name in enumerate(names)],
        "best_member": None if strongest is None else names[strongest],
        "error_correlation": [[_number(value) for value in row] for row in blend.error_correlation()],
        "methods": {name: {"nested": made.nested, "in_sample": made.in_sample, "optimism": made.optimism}
                    for name, made in tried.items()},
        "against": {name: blend.change(table, best.oof, group) for name, table in tables.items()},
    }


def _number(value: float) -> float | None:
    return float(value) if math.isfinite(value) else None
