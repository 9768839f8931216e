"""Finished cells of a run that another machine worked on, taken into this one after all checks."""

from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from pipeline.config import loading
from pipeline.config.run import NAME_RULE, RUN_NAME, Config
from pipeline.errors import UserError
from pipeline.files import atomic, formats, room, sealed
from pipeline.runs import cells, folds_file
from pipeline.runs.paths import Paths
from pipeline.runs.run import Run
from pipeline.stage_table import BLEND, STAGES, Cell

MADE_WITH = {"threads": "hardware.threads_per_cell", "predict_batch": "hardware.predict_batch", "xla": "hardware.xla"}


@dataclass
class Taken:
    """What became of the cells in a folder. there: are finished here already; refused: a line each, why."""

    taken: list[Cell] = field(default_factory=list)
    there: list[Cell] = field(default_factory=list)
    refused: list[str] = field(default_factory=list)
    remarks: list[str] = field(default_factory=list)


def configuration(folder: Path, name: str | None) -> Config:
    """The configuration of the run that a folder is of: this project's, where it has one of that name, else the
    folder's; a run that is not begun here gets the folder's folds. name: another name than the folder's run has.

    Raises UserError where the folder is no run's, or this very run's own.
    """
    settings = folder / Paths("run").settings.name
    if not settings.is_file():
        raise UserError(f"{folder}: is no run: it has no {settings.name}; give the folder models/RUN of the other "
                        f"machine")
    config = loading.load(settings, run=name)
    if not RUN_NAME.fullmatch(config.name):
        raise UserError(f"--run {NAME_RULE}; got {config.name!r}")
    paths = Paths(config.name)
    if paths.models.exists() and paths.models.resolve() == folder.resolve():
        raise UserError(f"{folder}: is this run's own folder; copy the other machine's beside it and name that")
    if paths.settings.exists():
        return loading.load(paths.settings)
    folds_file.copy(folder, paths)
    return config


def take(run: Run, folder: Path, other_threads: bool = False) -> Taken:
    """Copies every finished cell of a folder that fits this run and is not here yet, each whole or not at all; what
    does not fit is left. The run must be open for work.

    A cell must be whole, follow from this run's rows, folds, settings and parent cell, and be made with its threads,
    batch size of prediction and compilation (other_threads: with any). Raises UserError where there is no cell,
    DiskError where the disk has no room.
    """
    result = Taken()
    known = [cell for stage in STAGES.values() if stage is not BLEND for cell in run.every_cell(stage)]
    there = [cell for cell in known if (folder / cell.folder).exists()]
    if not there:
        raise UserError(f"{folder}: holds no cell of run {run.config.name!r}")
    atomic.refuse_links(path for cell in there for path in (folder / cell.folder).rglob("*"))
    here = {cell for cell in known if run.paths.cell(cell).exists()}
    room.require_room(run.paths.models, sum(path.stat().st_size for cell in there if cell not in here
                                            for path in (folder / cell.folder).rglob("*") if path.is_file()),
                      "the cells to take")
    made_with = folder / run.paths.made_with.name
    if made_with.is_file() and not run.paths.made_with.exists():  # nothing is settled here yet
        formats.write(run.paths.made_with, formats.read_json(made_with))
    for cell in there:  # in the order of stages: a cell's identity names the one that it starts from
        _take_one(run, folder / cell.folder, cell, other_threads, result)
    result.remarks += _unknown(folder, known)
    return result


def _take_one(run: Run, source: Path, cell: Cell, other_threads: bool, result: Taken) -> None:
    done = sealed.read_done(source)
    if done is None:
        result.refused.append(f"{source}: is not finished, or damaged on the way; copy it again")
        return
    start = run.start_of(cell)
    if start and sealed.read_done(run.paths.cell(start)) is None:
        result.refused.append(f"{source}: starts from {start}, which is not here and was not taken")
        return
    if changed := cells.differences(done["identity"], run.identity(cell)):
        result.refused.append(f"{source}: was made from other data or settings than run {run.config.name!r} has: "
                              + "; ".join(changed))
        return
    own = sealed.read_done(run.paths.cell(cell))
    if own is not None:
        if own["files"] != done["files"]:
            result.remarks.append(f"{cell}: is here already with other bytes, which are kept")
        result.there.append(cell)
        return
    if (unlike := list(_made_otherwise(run, cell, done["provenance"]))) and not other_threads:
        result.refused.append(f"{source}: was made with {', '.join(unlike)}, so that last digits may differ from cells "
                              f"made here; let both machines have the same, or --other-threads")
        return
    if run.paths.cell(cell).exists():  # damaged
        atomic.remove(run.paths.cell(cell))
    if cells.copy(source, run.paths.cell(cell), done):
        result.taken.append(cell)
    else:
        result.there.append(cell)


def _made_otherwise(run: Run, cell: Cell, provenance: dict[str, Any]) -> Iterator[str]:
    """In what a cell was made with something else than this run's cells are, in words."""
    known = run.made_with.of(cell.stage)
    for key, name in MADE_WITH.items():
        if key in provenance and provenance[key] != known[key]:
            yield f"{name} = {provenance[key]}, not {known[key]}"


def _unknown(folder: Path, known: list[Cell]) -> Iterator[str]:
    """Finished cells that are none of this run's: of a seed or a fold that its configuration has not."""
    names = {cell.folder for cell in known}
    for stage in STAGES.values():
        for path in sorted((folder / stage.name).glob(f"*/{sealed.DONE}")):
            if path.parent.relative_to(folder) not in names and stage is not BLEND:
                yield f"{path.parent}: is no cell of this run; are its seeds those of the other machine's?"
