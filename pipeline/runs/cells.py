"""Finished cells on the disk: whether a cell is there, what it means, and how it gets there.

A cell is a folder models/<run>/<stage>/fold_<k>/ whose DONE.json, written last, names the cell's identity and the
hash of every file. Without a valid one there is no cell.
"""

import contextlib
import functools
import hashlib
import importlib.metadata
import json
import platform
import shutil
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

from pipeline.errors import MismatchError
from pipeline.files import atomic, formats, sealed
from pipeline.runs.paths import Paths
from pipeline.stage_table import Cell

Identity = dict[str, Any]
Files = dict[str, Any]  # file name -> table, tensors or JSON value; folder name -> function that fills it
FitCell = Callable[[Cell], Files]
PACKAGES = ("tensorflow", "tf-keras", "keras-bert", "keras-self-attention", "numpy", "scikit-learn", "tokenizers")


def finished(paths: Paths, cells: Iterable[Cell], identity_of: Callable[[Cell], Identity]
             ) -> tuple[list[Cell], list[Cell]]:
    """The cells of a stage that are done and mean what this run means, and those that are there but damaged.

    Raises MismatchError where a cell was made from other data, folds or settings.
    """
    done_cells, damaged, changes = [], [], {}
    for cell in cells:
        folder = paths.cell(cell)
        if not folder.exists():
            continue
        done = sealed.read_done(folder)
        if done is None:
            damaged.append(cell)
        elif changed := differences(done["identity"], identity_of(cell)):
            changes[cell] = changed
        else:
            done_cells.append(cell)
    if changes:
        lines = dict.fromkeys(line for changed in changes.values() for line in changed)
        stage = next(iter(changes)).stage
        raise MismatchError(
            f"{paths.stage(stage)}: {_named(changes)} was made with other settings or data than this run's:",
            *(f"  {line}" for line in lines),
            f"  either keep it and go on under a new name: --run NEW --from {paths.run}   "
            f"(reuses every cell that still fits)",
            f"  or make it again: --redo {stage}   (discards {stage}'s cells and what was built on them)")
    return done_cells, damaged


def differences(old: Identity, new: Identity) -> list[str]:
    """One line "key: old -> new" for each key that differs."""
    def shown(value: Any) -> str:
        text = json.dumps(value, ensure_ascii=False)
        return f"{text[1:9]}…" if isinstance(value, str) and len(value) == 64 else text

    return [f"{key}: {shown(old.get(key))} -> {shown(new.get(key))}"
            for key in dict.fromkeys([*old, *new]) if old.get(key) != new.get(key)]


def publish(folder: Path, identity: Identity, files: Files, provenance: dict[str, Any]) -> bool:
    """Writes a finished cell: all files, then DONE.json, then the folder under its own name.

    Returns False, and keeps what is there, where another attempt at the same cell was finished first.
    """
    with atomic.building(folder) as building:
        for name, content in files.items():
            if callable(content):
                content(building / name)
            else:
                formats.write(building / name, content)
        sealed.write_done(building, {"identity": identity, "files": sealed.hashes(building), "provenance": provenance})
        while not (first := atomic.publish(building, folder)):
            before = folder.stat().st_ino if folder.exists() else None
            done = sealed.read_done(folder)
            if done is not None and not differences(done["identity"], identity):
                break
            if folder.exists() and folder.stat().st_ino == before:  # and not another attempt's, published meanwhile
                atomic.remove(folder)  # damaged, or of other settings: no finished attempt
    for state in unfinished(folder):
        state.unlink(missing_ok=True)
    return first


def unfinished(folder: Path) -> list[Path]:
    """The states, the newest first, of attempts at a cell that is still in training."""
    pattern = f".{folder.name}.*state.safetensors"  # without an attempt's name, too, as earlier versions wrote it
    ages = []
    for path in folder.parent.glob(pattern):
        with contextlib.suppress(FileNotFoundError):  # another attempt has just taken it over
            ages.append((path.stat().st_mtime_ns, path))
    return [path for _, path in sorted(ages, reverse=True)]


def reuse(old: Paths, new: Paths, cell: Cell, identity: Identity) -> bool:
    """Copies another run's cell where it fits this run's identity; True where it did."""
    done = sealed.read_done(old.cell(cell))
    if done is None or differences(done["identity"], identity) or new.cell(cell).exists():
        return False
    return copy(old.cell(cell), new.cell(cell), done)


def copy(source: Path, target: Path, done: dict[str, Any]) -> bool:
    """Copies a finished cell whose DONE.json that is, and verifies the copy; False where there is one meanwhile. Raises
    MismatchError where the source changed while it was copied."""
    with atomic.building(target) as building:
        for name in [*done["files"], sealed.DONE]:
            (building / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(source / name, building / name)
            atomic.to_disk(building / name)
        if sealed.read_done(building) != done:
            raise MismatchError(f"{source}: was changed while it was copied; copy that machine's folder again")
        return atomic.publish(building, target)


def fingerprint(folder: Path) -> str:
    """What a cell names the cell by that it starts from: a hash of that cell's identity and of its files."""
    done = sealed.read_done(folder) or {}
    return sealed.digest([done.get("identity"), done.get("files")])


@functools.cache
def code_version() -> str:
    """A hash of the library's sources, so that two results of different code can be told apart."""
    digest = hashlib.sha256()
    for path in sorted(Path(__file__).parents[1].rglob("*.py")):
        digest.update(path.read_bytes())
    return digest.hexdigest()[:16]


def provenance(made_with: dict[str, int]) -> dict[str, Any]:
    """Where a cell's numbers come from, beside what they mean: code, packages, machine, and what it is made with."""
    return {"code": code_version(), "python": platform.python_version(), "machine": platform.machine(),
            "packages": {name: importlib.metadata.version(name) for name in PACKAGES}} | made_with


def _named(cells: Iterable[Cell]) -> str:
    parts = [cell.part for cell in cells]
    return "its cell" if parts == [""] else ", ".join(parts)
