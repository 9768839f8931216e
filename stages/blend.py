"""Blend finished runs, and other people's predictions, with a score that choosing the weights does not flatter.

NAME is the blend's own, or a TOML file with [blend]. A member is RUN, RUN:STAGE, or [NAME=]OOF.csv[,TEST.csv].
Example: python -m stages blend both --of boyu --of boyu_adapted:stage1
"""

import json
from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer

from pipeline.blending import naming
from pipeline.blending import report as reports
from pipeline.blending import stage as blending
from pipeline.config import loading
from pipeline.machine.console import console, say
from pipeline.runs import opening, scheduler
from pipeline.runs.paths import Paths
from pipeline.runs.run import Run
from pipeline.stage_table import BLEND
from stages import options
from stages.report import write_report
from stages.submit import write_submission


class Method(StrEnum):
    auto = "auto"
    mean = "mean"
    logit = "logit"
    rank = "rank"
    greedy = "greedy"
    nnls = "nnls"
    vote = "vote"


def blend(
        name: Annotated[str, typer.Argument(help="The blend's name, or a TOML file with [blend].", metavar="NAME")],
        of: Annotated[list[str] | None, typer.Option("--of", metavar="RUN[:STAGE]", help="A member; repeatable.")
                      ] = None,
        method: Annotated[Method | None, typer.Option(help="Default: the mean, unless another is better, nested, by "
                                                      "more than its error.")] = None,
        shrink: Annotated[float | None, typer.Option(min=0, max=1, help="greedy: how far weights are moved to equal "
                                                     "ones; default: 0.5.")] = None,
        no_baseline: Annotated[bool, typer.Option("--no-baseline", help="Without the first run's tf-idf.")] = False,
        other_folds: Annotated[bool, typer.Option("--other-folds", help="Take members that were validated on other "
                                                  "folds, which makes the score optimistic.")] = False,
        overrides: options.Set = None, redo: options.Redo = None) -> None:
    settings = [*(overrides or []), *([f"blend.of={json.dumps(of, ensure_ascii=False)}"] if of else []),
                *([f"blend.method={method.value}"] if method else []),
                *([f"blend.shrink={shrink}"] if shrink is not None else []),
                *(["blend.baseline=false"] if no_baseline else []),
                *(["blend.other_folds=true"] if other_folds else [])]
    path = Path(name)
    own = path.suffix == ".toml"
    config = loading.load(path, settings) if own else naming.configuration(name, settings)
    call = options.call(path if own else Paths(name).settings, settings, None)
    with opening.opened(config, redo) as run:
        make(run)
        write_submission(run, run.folds)
        write_report(run, run.folds, None, call, whole=True)


def make(run: Run) -> None:
    """Brings the run's blend to done, shows what is to be known of it, and writes it under oof/."""
    scheduler.finish(run, BLEND)
    options.say_where(run, BLEND)
    report, task = blending.read_report(run), run.competition.task
    for table in reports.console_tables(task, report):
        console.print(table)
    for line in reports.lines(task, report):
        say(line)
    say(f"blend: {', '.join(map(str, reports.write(run, report)))}")
