"""What each epoch of a stage's cells was: loss, scores on the fold, learning rate."""

import pandas as pd

from pipeline.results.predictions import StagePredictions
from pipeline.runs import artefacts
from pipeline.runs.run import Run
from pipeline.stage_table import Cell


def of(run: Run, part: StagePredictions) -> dict[Cell, pd.DataFrame]:
    """By the cells of a stage's finished folds and seeds, a row for each epoch."""
    return {cell: pd.read_csv(run.paths.cell(cell) / artefacts.HISTORY)
            for cell in run.cells(part.stage, part.folds, part.seeds)}


def scored_by(run: Run, histories: list[pd.DataFrame]) -> tuple[str, str]:
    """The score that every history has, and what it is called: the metric, unless the cells are older than its name."""
    task, metric = run.competition.task, run.config.metric
    if metric and metric != task.metric and all(f"valid_{metric}" in history for history in histories):
        return metric, task.named_metric(metric).label
    return task.metric, task.metric_label
