"""The arguments that stages share, and opening a run from them."""

from contextlib import AbstractContextManager
from pathlib import Path
from typing import Annotated

import typer

from pipeline.config import loading
from pipeline.machine.console import say
from pipeline.results import predictions
from pipeline.runs import opening
from pipeline.runs.invocation import Invocation
from pipeline.runs.run import Run
from pipeline.stage_table import PREDICTING, Stage

TRAINED = {name: stage for name, stage in PREDICTING.items() if stage.trains_bert}


def _trained(name: str) -> Stage:
    if name not in TRAINED:
        raise typer.BadParameter(f"{name!r} is not one of {', '.join(map(repr, TRAINED))}.")
    return TRAINED[name]


def _predicting(name: str) -> Stage:
    if name not in PREDICTING:
        raise typer.BadParameter(f"{name!r} is not one of {', '.join(map(repr, PREDICTING))}.")
    return PREDICTING[name]


ConfigPath = Annotated[Path, typer.Argument(help="The run's TOML file.", metavar="CONFIG")]
Set = Annotated[list[str] | None, typer.Option("--set", metavar="KEY=VALUE", help="Override a key; repeatable.")]
NewName = Annotated[str | None, typer.Option("--run", help="Another run name than the config's.")]
From = Annotated[str | None, typer.Option("--from", help="Copy every cell of this run that still fits.")]
Redo = Annotated[str | None, typer.Option("--redo", help="Discard this stage's cells (and what is built on them).")]
Strict = Annotated[bool, typer.Option("--strict", help="Refuse cells made with other code or packages.")]
Quiet = Annotated[bool, typer.Option("--quiet", "-q", help="Show warnings and the result alone; the log has all.")]
Folds = Annotated[list[int] | None, typer.Option("--fold", help="Only this fold; repeatable.")]
Seeds = Annotated[list[int] | None, typer.Option("--seed", help="Only this one of the run's seeds; repeatable.")]

# Of a finished run
RunName = Annotated[str, typer.Argument(help="The run's name: models/RUN.", metavar="RUN")]
OfStage = Annotated[Stage | None, typer.Option("--stage", help="Default: stage 2 where it is finished.",
                                               parser=_trained, metavar=f"[{'|'.join(TRAINED)}]")]
OfAnyStage = Annotated[Stage | None, typer.Option("--stage", help="Default: stage 2 where it is finished.",
                                                  parser=_predicting, metavar=f"[{'|'.join(PREDICTING)}]")]
FoldsOfMean = Annotated[list[int] | None, typer.Option("--fold", help="Only this fold; repeatable. Default: their "
                                                       "mean.")]
SeedsOfMean = Annotated[list[int] | None, typer.Option("--seed", help="Only this one of the run's seeds; repeatable. "
                                                       "Default: their mean.")]

# Of options that had another name before; --most-texts is --max-texts
FormerName = Annotated[int | None, typer.Option(min=1, hidden=True)]


def renamed(what: str, former: int | None, value: int) -> int:
    """The value of --max-WHAT, or the one that was given under its former name, --most-WHAT, which a line says."""
    if former is None:
        return value
    say(f"--most-{what} is now called --max-{what}; the former name is read for one more version")
    return former


def opened(path: Path, overrides: list[str] | None = None, name: str | None = None, from_run: str | None = None,
           redo: str | None = None) -> AbstractContextManager[Run]:
    """The run of a TOML file, with the overrides and under the name that the command line gives, open for work."""
    return opening.opened(loading.load(path, overrides, name), redo, from_run)


def say_where(run: Run, stage: Stage) -> None:
    """After a stage: writes its OOF and test tables where every cell is done, and says where everything is."""
    part = predictions.gather(run, stage)
    if part is None:
        return
    paths = predictions.write(run, part)
    if part.missing:
        say(f"{stage}: folds {', '.join(map(str, part.missing))} are not done yet; the OOF table waits for them")
    if part.missing_seeds:
        say(f"{stage}: seeds {', '.join(map(str, part.missing_seeds))} are not done yet; the OOF table waits for them")
    say(f"{stage}: {', '.join([str(run.paths.stage(stage)), *paths])}")


def call(config: Path, overrides: list[str] | None, name: str | None) -> Invocation:
    """How a command was called."""
    return Invocation(config, name, tuple(overrides or ()))
