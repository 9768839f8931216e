"""A finished run scored on labelled texts that it has not seen, fold by fold and by their mean."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

import numpy as np
import numpy.typing as npt
import pandas as pd

from pipeline import tasks
from pipeline.competition import folds, tables
from pipeline.config.data import Folds
from pipeline.config.run import Config
from pipeline.stage_table import Cell
from pipeline.tasks import Report, Task


class Model(Protocol):
    """A finished stage that predicts other rows: ``Predictor``, or the baseline ``Refitted``."""

    task: Task
    config: Config

    def logits(self, rows: pd.DataFrame) -> dict[Cell, npt.NDArray[np.float32]]:
        """By each cell's model."""

    def thresholds(self) -> pd.DataFrame | None:
        """The out-of-fold predictions that decisions are made by; None: at 0.5."""


@dataclass(frozen=True)
class Evaluation:
    """What ``evaluate`` gives."""

    models: dict[str, Report]
    """The scores of each cell's model, and of their mean where there are several, as a stage's part of a report."""
    decisions: dict[str, float]
    """The scores of the last one's decisions."""
    how: str
    """How these decisions were made, in words."""
    rows: int
    groups: int
    """By identical text: copies of one case, which intervals take together."""
    remarks: list[str]
    """What may be wrong with the file without being refused."""

    def to_json(self, run: str, stage: str) -> dict[str, Any]:
        return {"run": run, "stage": stage, "models": self.models, "decisions": {"how": self.how, **self.decisions}}


def evaluate(model: Model, labelled: Path) -> Evaluation:
    """Scores the model on texts and labels in the format of the run's train.

    The mean is that of probabilities, and decisions are made as ``predict`` and ``submit`` make them. Raises UserError
    with all that is wrong with the file.
    """
    task, metric = model.task, model.config.metric
    rows, remarks = tables.read_labelled(labelled, model.config, task)
    one_fold = np.zeros(len(rows), np.int64)
    logits = model.logits(rows)
    by_model = {cell.part: task.oof_table(rows, one_fold, logit) for cell, logit in logits.items()}
    if len(by_model) > 1:
        of_seeds = " and seeds" if len({cell.seed for cell in logits}) > 1 else ""
        by_model[f"mean of folds{of_seeds}"] = tasks.mean_of(task, list(by_model.values()))
    groups = folds.groups(rows, Folds())
    oof = model.thresholds()
    parts = {name: _scored(task, folds.grouped(table, rows.id, groups), oof, metric)
             for name, table in by_model.items()}
    last = list(by_model.values())[-1]
    how = task.describe_decision(last if oof is None else oof, metric)
    decisions = task.decision_scores(last, task.decisions(oof, last, metric))
    return Evaluation(parts, decisions, how, len(rows), len(np.unique(groups)), remarks)


def _scored(task: Task, table: pd.DataFrame, oof: pd.DataFrame | None, metric: str | None) -> Report:
    """A model's part, as a stage's: what the metric says, of decisions that the run's own out-of-fold rows choose."""
    cut = task.cut_of(oof, metric)
    part = task.evaluate(table, [], metric, cut)
    if not task.leads(metric):
        part["lead"] = task.lead(table, [], metric, cut)
    return part
