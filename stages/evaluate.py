"""Score a finished run on labelled texts that it has not seen, fold by fold and their mean. Needs the columns of train.

The mean is that of probabilities, and decisions are made by the threshold, as predict, submit and export have them.
The baseline is fitted again on the run's own tables. Example: python -m stages evaluate boyu data/boyu/later.csv
"""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from rich.table import Table

from pipeline.config import loading
from pipeline.errors import UserError
from pipeline.files import formats
from pipeline.machine.console import console, say
from pipeline.runs import opening
from pipeline.runs.paths import Paths
from pipeline.stage_table import BASELINE, Stage
from stages import options

if TYPE_CHECKING:
    from pipeline.baseline import Refitted
    from pipeline.inference.predictor import Predictor


def _opened(run: str, stage: Stage | None, fold: list[int] | None, seed: list[int] | None) -> "Predictor | Refitted":
    if stage is BASELINE:
        if seed:
            raise UserError("--seed: the baseline has none, nothing of it is random")
        from pipeline.baseline import Refitted

        return Refitted(opening.read(loading.load(Paths.of_existing(run).settings)), fold)
    from pipeline.inference.predictor import Predictor  # imports TensorFlow

    return Predictor(run, stage, fold, seed)


def evaluate(
        run: options.RunName,
        labelled: Annotated[Path, typer.Argument(help="Texts and labels, in the format of the run's train.")],
        stage: options.OfAnyStage = None, fold: options.FoldsOfMean = None, seed: options.SeedsOfMean = None,
        output: Annotated[Path | None, typer.Option(help="A .json for every score; default: the table alone.")] = None
        ) -> None:
    from pipeline.results import evaluation, stage_scores

    model = _opened(run, stage, fold, seed)
    result, task = evaluation.evaluate(model, labelled), model.task
    for remark in result.remarks:
        say(remark)
    metric = model.config.metric
    title = f"{task.named_metric(metric).label} of run {run}, {model.stage}, on {result.rows:,} rows"
    table = Table("model", *stage_scores.header(task, metric), title=title)
    for name, part in result.models.items():
        table.add_row(name, *stage_scores.row(task, part))
    console.print(table)
    scores = ", ".join(f"{name} {value:.4f}" for name, value in result.decisions.items())
    say(f"{list(result.models)[-1]}, {result.how}: {scores}")
    say(f"intervals are 95 %, of the rows, {result.rows:,} in {result.groups:,} groups by identical text")
    if output:
        formats.write(output.with_suffix(".json"), result.to_json(run, str(model.stage)))
        say(f"evaluate: {output.with_suffix('.json')}")
