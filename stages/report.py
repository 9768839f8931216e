"""Score what is finished: AUC by fold and pooled, what stage 2 changed, plots, a page to work in. Trains nothing.

With --fold or --seed only those are shown, and no file is written.
Example: python -m stages report configs/example.toml
"""

from dataclasses import dataclass
from typing import Annotated

import typer

from pipeline.machine.console import console, say
from pipeline.results import predictions, verdict
from pipeline.results import report as reports
from pipeline.results.predictions import StagePredictions
from pipeline.runs import opening
from pipeline.runs.invocation import Invocation
from pipeline.runs.run import Run
from pipeline.tasks.protocol import Report
from stages import options


@dataclass(frozen=True)
class Page:
    """What the page holds beside what this run's stages say."""

    texts: bool = True
    attention: bool = False
    beside: tuple[str, ...] = ()


def report(config: options.ConfigPath, fold: options.Folds = None, seed: options.Seeds = None,
           html: Annotated[bool, typer.Option("--html/--no-html", help="Write oof/RUN/report.html.")] = True,
           texts: Annotated[bool, typer.Option("--texts/--no-texts", help="Whether that page holds texts; without, it "
                                               "can be shown to others.")] = True,
           attention: Annotated[bool, typer.Option("--attention", help="Show in it where the head's [CLS] attention "
                                                   "looked; loads the networks.")] = False,
           beside: Annotated[list[str] | None, typer.Option(
               metavar="RUN[:STAGE]", help="Show in it what another run says of the same rows; repeatable.")] = None,
           overrides: options.Set = None, name: options.NewName = None) -> None:
    with options.opened(config, overrides, name) as run:
        write_report(run, opening.chosen_folds(run, fold), opening.chosen_seeds(run, seed),
                     options.call(config, overrides, name), whole=not fold and not seed,
                     page=Page(texts, attention, tuple(beside or ())) if html else None)


def write_report(run: Run, folds: list[int], seeds: list[int] | None, call: Invocation, whole: bool,
                 page: Page | None = Page()) -> None:
    """Shows what the finished cells of these folds and seeds score; of the whole run it writes the report's files too.
    page: None: without the page."""
    parts = predictions.of_all_stages(run, folds, seeds)
    task, result = run.competition.task, reports.build(run, parts)
    console.print(reports.console_table(task, result))
    for line in reports.summary(task, result):
        say(line)
    if whole:
        from pipeline.results import plots  # imports Matplotlib

        tables = [path for part in parts.values() for path in predictions.write(run, part)]
        say("report: " + ", ".join(map(str, [*reports.write(run, result), *tables])))
        say("plots: " + ", ".join(map(str, plots.write(run, parts, result["stages"]))))
        if page:
            _write_page(run, result, parts, page)
    for line in verdict.lines(run, result, parts, call) if whole else ():
        say(line, always=True)


def _write_page(run: Run, result: Report, parts: dict[str, StagePredictions], page: Page) -> None:
    from pipeline.page import writing

    attended = None
    if page.attention:
        from pipeline.inference import attention  # imports TensorFlow

        attended = attention.out_of_fold(run)
    say(f"page: {writing.write(run, result, parts, page.beside, page.texts, attended)}")
