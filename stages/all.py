"""Every stage of a run, in order, in one process; what is done and still valid is skipped.

CONFIG may also be a competition's folder, files or zip: a configuration is then written first, as `new` does.
Example: python -m stages all configs/example.toml
"""

from pathlib import Path
from typing import Annotated

import typer

from pipeline.config import loading
from pipeline.config.run import Config
from pipeline.doctor import inspection
from pipeline.errors import UserError
from pipeline.machine.console import be_quiet, console, say
from pipeline.proposal import configuration
from pipeline.runs import opening, scheduler
from pipeline.runs.run import Run
from pipeline.stage_table import BASELINE, PRETRAIN, STAGE1, STAGE2
from stages import options
from stages.blend import make as make_blend
from stages.full_fit import make as make_full_fit
from stages.report import write_report
from stages.submit import write_submission


def all(config: Annotated[list[Path], typer.Argument(help="The run's TOML file, or a competition's folder, files or "
                                                     "zip.", metavar="CONFIG|DATA")],
        fold: options.Folds = None, seed: options.Seeds = None, overrides: options.Set = None,
        name: options.NewName = None,
        metric: Annotated[str | None, typer.Option(help="For a folder: what the competition scores by.")] = None,
        from_run: options.From = None, redo: options.Redo = None, strict: options.Strict = False,
        quiet: options.Quiet = False) -> None:
    be_quiet(quiet)
    path = _configuration(config, metric, overrides or [])
    settings = loading.load(path, overrides, name)
    say("== check")
    seen = None if redo == opening.FOLDS else _checked(settings, path, from_run)  # of folds that are to be dealt again
    with opening.opened(settings, redo, from_run, seen) as run:
        wanted, seeds = opening.chosen_folds(run, fold), opening.chosen_seeds(run, seed)
        say("== folds")
        for line in (*inspection.fold_lines(run, wanted), f"folds: {run.paths.folds}"):
            say(line)
        for stage in (BASELINE, PRETRAIN, STAGE1, STAGE2):
            if stage is PRETRAIN and run.config.pretrain is None:
                continue
            say(f"== {stage}")
            scheduler.finish(run, stage, wanted, strict, whole_run=True, seeds=seeds)
            if stage.predicts:
                options.say_where(run, stage)
        if run.config.submit.full_fit is not None and not fold and not seed:
            say("== full fit")
            make_full_fit(run, strict, whole_run=True)
        if run.config.blend and not fold and not seed:
            say("== blend")
            make_blend(run)
        if not fold and not seed:
            say("== submit")
            write_submission(run, wanted)
        say("== report")
        write_report(run, wanted, seeds, options.call(path, overrides, name), whole=not fold and not seed)


def _configuration(given: list[Path], metric: str | None, overrides: list[str]) -> Path:
    """The run's file: the given one, or one that is written for the given data, or was before."""
    if len(given) == 1 and given[0].suffix == ".toml":
        if metric:
            raise UserError(f"--metric is for a folder of data; of {given[0]}: --set metric={metric}")
        return given[0]
    path = configuration.path_of(given)
    if path.exists():
        if metric:
            raise UserError(f"--metric is for a configuration that is still to be written; of {path}: --set "
                            f"metric={metric}")
        say(f"{path} was written for these files before and is used as it stands; to look at them again, delete it")
        return path
    say("== new")
    written = configuration.write(given, None, metric, overrides)
    console.print(written.table)
    say(f"new: {written.path}", always=True)
    return written.path


def _checked(config: Config, path: Path, from_run: str | None) -> Run:
    run = opening.read(config, from_run)
    for line in inspection.lines(run):
        say(line)
    for line in inspection.warnings(run):
        say(f"warning: {line}")
    say(f"{path}: everything can be read")
    return run
