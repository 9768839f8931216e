"""The arguments that stages share, and opening a run from them."""

import contextlib
from collections.abc import Iterator
from pathlib import Path
from typing import Annotated

import typer

from pipeline.checkpoints import checkpoint
from pipeline.competition import tables
from pipeline.competition.tables import Competition
from pipeline.config import loading
from pipeline.config.run import CELLS, NAME_RULE, RUN_NAME, STAGES, Config
from pipeline.errors import UserError
from pipeline.files import atomic
from pipeline.files.snapshot import Inputs
from pipeline.machine import console
from pipeline.results import predictions
from pipeline.results.predictions import StagePredictions
from pipeline.runs import cells, lock, run
from pipeline.runs.paths import ALL_FOLDS, Paths
from pipeline.runs.run import Run

ConfigPath = Annotated[Path, typer.Argument(help="The run's TOML file.", metavar="CONFIG")]
Set = Annotated[list[str] | None, typer.Option("--set", metavar="KEY=VALUE", help="Override a key; repeatable.")]
RunName = Annotated[str | None, typer.Option("--run", help="Another run name than the config's.")]
From = Annotated[str | None, typer.Option("--from", help="Copy every cell of this run that still fits.")]
Redo = Annotated[str | None, typer.Option("--redo", help="Discard this stage's cells (and what is built on them).")]
Strict = Annotated[bool, typer.Option("--strict", help="Refuse cells made with other code or packages.")]
Folds = Annotated[list[int] | None, typer.Option("--fold", help="Only this fold; repeatable.")]


def load(path: Path, overrides: list[str] | None, name: str | None) -> Run:
    """Reads the config and the tables; writes nothing."""
    settings, _ = checkpoint.settled(loading.load(path, overrides, name))
    inputs = Inputs.of(run.input_paths(settings))
    return run.prepare(settings, _tables(settings), inputs)


@contextlib.contextmanager
def opened(path: Path, overrides: list[str] | None = None, name: str | None = None, other: str | None = None,
           redo: str | None = None) -> Iterator[Run]:
    """Locks the run, deals or reads its folds, and keeps both with its configuration."""
    settings, _ = checkpoint.settled(loading.load(path, overrides, name))
    paths = Paths(settings.name)
    if other is not None and not RUN_NAME.fullmatch(other):
        raise UserError(f"--from {NAME_RULE}; got {other!r}")
    if redo not in (None, "folds", *CELLS):
        raise UserError(f"--redo {redo}: must be folds, {', '.join(CELLS)}")
    inputs = Inputs.of(run.input_paths(settings))
    tables = _tables(settings)  # wrong input is told before anything is written
    with lock.lock(paths):
        console.keep_log(paths.models / "run.log")
        for folder in (paths.models, paths.oof):
            atomic.sweep(folder)
        if redo == "folds":
            for stage in CELLS:
                atomic.remove(paths.models / stage)
            for kept in (paths.folds, paths.folds.with_suffix(".json")):
                kept.unlink(missing_ok=True)
        work = run.prepare(settings, tables, inputs)
        if redo in CELLS:
            work.discard(redo)
        run.keep(work)
        if other:
            work.take_from(other)
        yield work


def _tables(settings: Config) -> Competition | None:
    return tables.read(settings) if settings.data else None


def require(work: Run, stage: str, wanted: list[int], path: Path) -> None:
    """Raises UserError where a stage that is built on is not done for one of the wanted folds."""
    done = work.done(stage)
    if lacking := [one for one in work.cells_of(stage, wanted) if one not in done]:
        which = "" if lacking[0] == ALL_FOLDS else f" --fold {lacking[0]}"
        raise UserError(f"{cells.cell_name(stage, lacking[0])} is not done, which this stage starts from: "
                        f"python -m stages {stage} {path}{which}")


def chosen_folds(work: Run, folds: list[int] | None) -> list[int]:
    """The folds named on the command line, or all. Raises UserError for one that the run has not."""
    wrong = [fold for fold in folds or [] if fold not in work.folds]
    if wrong:
        raise UserError(f"--fold {wrong[0]}: this run has folds 0 to {len(work.folds) - 1}")
    return sorted(set(folds)) if folds else work.folds


def finished(work: Run, folds: list[int]) -> dict[str, StagePredictions]:
    """The predictions of every stage that has a finished cell among the folds. Raises UserError without any."""
    found = {stage: part for stage in STAGES if (part := predictions.gather(work, stage, folds)) is not None}
    if not found:
        raise UserError(f"run {work.config.name!r} has no finished cell; run a stage first: baseline, stage1")
    return found


def tell(work: Run, stage: str) -> None:
    """After a stage: writes its OOF and test tables where complete, and says where everything is."""
    found = predictions.gather(work, stage)
    if found is None:
        return
    paths = predictions.write(work, found)
    if found.missing:
        console.say(f"{stage}: folds {', '.join(map(str, found.missing))} are not done yet; the OOF table waits for "
                    f"them")
    console.say(f"{stage}: {', '.join([str(work.paths.models / stage), *paths])}")
