"""Score a finished run on labelled texts that it has not seen, fold by fold and their mean. Needs the columns of train.

Example: python -m stages evaluate boyu data/boyu/labelled_later.csv
"""

from pathlib import Path
from typing import Annotated

import numpy as np
import typer
from rich.table import Table

from pipeline import competition, log, storage
from pipeline.log import say
from stages.predict import Folds, RunName, StageName


def evaluate(
        run: RunName,
        labelled: Annotated[Path, typer.Argument(help="Texts and labels, in the format of the run's train.")],
        stage: StageName = None, fold: Folds = None,
        output: Annotated[Path | None, typer.Option(help="A .json for every score; default: the table alone.")] = None
        ) -> None:
    from pipeline.predictor import Predictor  # imports TensorFlow

    model = Predictor(run, stage and stage.value, fold)
    task = model.task
    rows = competition.read_labelled(labelled, model.config, task)
    one_fold = np.zeros(len(rows), np.int64)
    tables = {f"fold {number}": task.oof_table(rows, one_fold, logit)
              for number, logit in model.logits(rows).items()}
    if len(tables) > 1:
        tables["mean of folds"] = model.mean(list(tables.values()))
    found = {name: task.evaluate(table, []) for name, table in tables.items()}
    shown = Table("model", *task.header, title=f"{task.score} of run {run}, {model.stage}, on {len(rows):,} rows")
    for name, part in found.items():
        shown.add_row(name, *task.row(part))
    log.console.print(shown)
    if output:
        storage.write(output.with_suffix(".json"), {"run": run, "stage": model.stage, "models": found})
        say(f"evaluate: {output.with_suffix('.json')}")
