"""Score a finished run on labelled texts that it has not seen, fold by fold and their mean. Needs the columns of train.

The mean is that of probabilities, and decisions are made by the threshold, as predict, submit and export have them.
Example: python -m stages evaluate boyu data/boyu/labelled_later.csv
"""

from pathlib import Path
from typing import Annotated

import numpy as np
import typer
from rich.table import Table

from pipeline.competition import folds, tables
from pipeline.config.data import Folds as Grouping
from pipeline.files import formats
from pipeline.machine import console
from pipeline.machine.console import say
from stages import options


def evaluate(
        run: options.RunName,
        labelled: Annotated[Path, typer.Argument(help="Texts and labels, in the format of the run's train.")],
        stage: options.OfStage = None, fold: options.FoldsOfMean = None,
        output: Annotated[Path | None, typer.Option(help="A .json for every score; default: the table alone.")] = None
        ) -> None:
    from pipeline.inference.predictor import Predictor  # imports TensorFlow

    model = Predictor(run, stage, fold)
    task, metric = model.task, model.config.submit.metric
    rows, remarks = tables.read_labelled(labelled, model.config, task)
    for remark in remarks:
        say(remark)
    one_fold = np.zeros(len(rows), np.int64)
    by_model = {f"fold {number}": task.oof_table(rows, one_fold, logit)
                for number, logit in model.logits(rows).items()}
    if len(by_model) > 1:
        by_model["mean of folds"] = model.mean(list(by_model.values()))
    groups = folds.groups(rows, Grouping())
    parts = {name: task.evaluate(folds.grouped(table, rows.id, groups), [], metric) for name, table in by_model.items()}
    title = f"{task.metric_label} of run {run}, {model.stage}, on {len(rows):,} rows"
    table = Table("model", *task.report_header, title=title)
    for name, part in parts.items():
        table.add_row(name, *task.report_row(part))
    console.console.print(table)
    ensemble = list(by_model.values())[-1]
    oof, rule = model.thresholds(), "accuracy" if metric == "auc" else metric
    decided = task.decision_scores(ensemble, task.submission_values(oof, ensemble, rule))
    how = "probabilities decided at 0.5, as predict does" if oof is None else task.describe_decision(oof, metric)
    say(f"{list(by_model)[-1]}, {how}: {', '.join(f'{name} {value:.4f}' for name, value in decided.items())}")
    say(f"intervals are 95 %, of the rows, {len(rows):,} in {len(np.unique(groups)):,} groups by identical text")
    if output:
        formats.write(output.with_suffix(".json"), {"run": run, "stage": str(model.stage), "models": parts,
                                                    "decisions": {"how": how, **decided}})
        say(f"evaluate: {output.with_suffix('.json')}")
