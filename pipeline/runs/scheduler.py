"""Bringing a run's cells to done: which are left, how many at a time, by whom they are fitted, and publishing them."""

import functools
from collections.abc import Callable
from typing import Any

from pipeline.checkpoints import encoder_config
from pipeline.errors import MismatchError, UserError
from pipeline.files import atomic, formats, room, sealed
from pipeline.machine import console, resources
from pipeline.machine.console import say
from pipeline.runs import cells, pace, processes, spent
from pipeline.runs.paths import Paths
from pipeline.runs.run import Run
from pipeline.stage_table import ALL_FOLDS, PRETRAIN, STAGES, Cell, Stage, built_on, imported


def finish(run: Run, stage: Stage, folds: list[int] | None = None, strict: bool = False, whole_run: bool = False,
           seeds: list[int] | None = None) -> list[Cell]:
    """Brings a stage's cells of these folds and seeds (None: all) to done, and returns them.

    Valid cells are skipped, the others are fitted, several at a time. The run must be open for work.
    strict: refuse cells that were made with other code or packages, where else a line says so. whole_run: whether
    this process goes on to other stages.

    Raises UserError where the stage that it starts from is not done, MismatchError for a cell of other data or
    settings, DiskError where the disk has no room for what will be written, OutOfMemoryError, DivergedError.
    """
    wanted = run.cells(stage, folds, seeds)
    _require_start(run, stage, wanted)
    done, damaged = cells.finished(run.paths, wanted, run.identity)
    for cell in damaged:
        say(f"{cell}: damaged or incomplete, made again")
    for cell in done:
        say(f"{cell}: done already")
        for state in cells.unfinished(run.paths.cell(cell)):  # killed just before it was deleted
            state.unlink(missing_ok=True)
    _compare_provenance(run, stage, done, strict)
    run.made_with.of(stage)  # settled and kept before the first cell
    todo = [cell for cell in wanted if cell not in done]
    if todo:
        _fit(run, stage, todo, whole_run)
    if stage is PRETRAIN:
        atomic.remove(run.paths.corpus)
    return wanted


def jobs(run: Run, stage: Stage, cells_to_fit: int) -> int:
    """Cells of a stage at a time, as configured or as many as this machine holds."""
    if not stage.trains_bert:
        return 1
    configured = run.config.hardware.jobs
    if configured != "auto":
        return min(configured, cells_to_fit)
    return resources.best_jobs(cells_to_fit, run.made_with.threads(stage), encoder_config.size(run.checkpoint.config))


def require_room(run: Run, stage: Stage, todo: list[Cell], at_once: int = 1) -> None:
    """Raises DiskError where the weights that a stage will write cannot fit; what else it writes is small."""
    copies = stage.copies_of_weights(stage.settings(run.config))
    if not copies or not todo:
        return
    weights = 4 * encoder_config.size(run.checkpoint.config)
    states = 2 * 5 * weights * at_once  # present, last and best weights, two moments; and the next state beside it
    there = sum(path.stat().st_size for cell in todo for path in cells.unfinished(run.paths.cell(cell)))
    room.require_room(run.paths.models, copies * weights * len(todo) + states - there,
                      f"{stage}'s weights and the states of its training")


def discard(run: Run, stage: Stage) -> None:
    """Deletes the cells of a stage and of the stages that are built on it."""
    for other in (stage, *built_on(stage)):
        atomic.remove(run.paths.stage(other))


def take_from(run: Run, other: str) -> None:
    """Copies every cell of another run that fits this one; their number of threads becomes this run's.

    Raises UserError where there is no such run.
    """
    old = Paths(other)
    if not old.models.is_dir():
        raise UserError(f"--from {other}: there is no such run under models/")
    atomic.refuse_links(old.models.rglob("*"))
    for stage in STAGES.values():
        taken = [cell for cell in run.every_cell(stage) if cells.reuse(old, run.paths, cell, run.identity(cell))]
        if taken:
            say(f"{', '.join(map(str, taken))} taken from run {other}")


def _require_start(run: Run, stage: Stage, wanted: list[Cell]) -> None:
    """Raises UserError where a cell is not done that one of the wanted starts from."""
    needed = list(dict.fromkeys(start for cell in wanted if (start := run.start_of(cell))))
    done = cells.finished(run.paths, needed, run.identity)[0]
    if lacking := [cell for cell in needed if cell not in done]:
        first = lacking[0]
        which = ("" if first.fold == ALL_FOLDS else f" --fold {first.fold}") + (
            f" --seed {first.seed}" if first.further else "")
        raise UserError(f"{first} is not done, which this stage starts from: "
                        f"python -m stages {first.stage} {run.paths.settings}{which}")


def _fit(run: Run, stage: Stage, todo: list[Cell], whole_run: bool) -> None:
    if stage is PRETRAIN:
        run.corpus  # noqa: B018, made before several processes read it
    at_once = jobs(run, stage, len(todo))
    require_room(run, stage, todo, at_once)
    if at_once > 1:
        say(f"{stage}: {at_once} {'cells' if len(run.seeds(stage)) > 1 else 'folds'} at a time, "
            f"{run.made_with.threads(stage)} threads each")
    with console.together(str(stage), len(todo)), spent.recorded(run.paths, stage), pace.measured(run, stage, todo):
        # stage 0 may have other threads than the stages behind it, and TensorFlow takes their number once a process
        processes.run_each(functools.partial(_fitter, run, stage), todo, at_once, apart=stage is PRETRAIN and whole_run)


def _fitter(run: Run, stage: Stage) -> Callable[[Cell], None]:
    fit = imported(stage.fit)(run)

    def fit_and_publish(cell: Cell) -> None:
        run.inputs.verify()
        identity = run.identity(cell)
        if not cells.publish(run.paths.cell(cell), identity, fit(cell), cells.provenance(run.made_with.of(stage))):
            say(f"{cell}: another attempt was finished first; its files are kept, and this attempt's are thrown away")

    return fit_and_publish


def _compare_provenance(run: Run, stage: Stage, done: list[Cell], strict: bool) -> None:
    now = cells.provenance({})
    changed: dict[str, Any] = {}
    for cell in done:
        then = formats.read_json(run.paths.cell(cell) / sealed.DONE).get("provenance", {})
        changed |= {key: (then.get(key), now[key]) for key in now if then.get(key) != now[key]}
    if changed:
        line = (f"{stage}: finished cells were made with other {', '.join(changed)}; their numbers are kept, "
                f"but may differ in last digits from cells made now")
        if strict:
            raise MismatchError(f"{line} (--strict)")
        say(f"warning: {line}")
