"""Cells: one stage on one fold. What a cell's numbers mean, whether it is done, and how it is published.

A cell is a folder models/<run>/<stage>/fold_<k>/ whose DONE.json, written last, names the cell's identity and the
hash of every file. Without a valid one there is no cell.
"""

import functools
import hashlib
import importlib.metadata
import json
import platform
import shutil
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

import numpy as np

from pipeline.errors import MismatchError
from pipeline.files import atomic, formats, sealed
from pipeline.runs.paths import ALL_FOLDS, Paths

Identity = dict[str, Any]
Files = dict[str, Any]  # file name -> table, tensors or JSON value; folder name -> function that fills it
PACKAGES = ("tensorflow", "tf-keras", "keras-bert", "keras-self-attention", "numpy", "scikit-learn", "tokenizers")


def fitting(paths: Paths, stage: str, folds: Iterable[int], identity_of: Callable[[int], Identity]
            ) -> tuple[list[int], list[int]]:
    """The folds whose cells are done and mean what this run means, and the folds whose cells are there but damaged.

    Raises MismatchError where a cell was made from other data, folds or settings.
    """
    done_folds, damaged, changes = [], [], {}
    for fold in folds:
        folder = paths.cell(stage, fold)
        if not folder.exists():
            continue
        done = sealed.read_done(folder)
        if done is None:
            damaged.append(fold)
        elif changed := differences(done["identity"], identity_of(fold)):
            changes[fold] = changed
        else:
            done_folds.append(fold)
    if changes:
        lines = dict.fromkeys(line for changed in changes.values() for line in changed)
        raise MismatchError(
            f"{paths.models / stage}: {_folds(changes)} was made with other settings or data than this run's:",
            *(f"  {line}" for line in lines),
            f"  either keep it and go on under a new name: --run NEW --from {paths.run}   "
            f"(reuses every cell that still fits)",
            f"  or make it again: --redo {stage}   (discards {stage}'s cells and what was built on them)")
    return done_folds, damaged


def differences(old: Identity, new: Identity) -> list[str]:
    """One line "key: old -> new" for each key that differs."""
    def shown(value: Any) -> str:
        text = json.dumps(value, ensure_ascii=False)
        return f"{text[1:9]}…" if isinstance(value, str) and len(value) == 64 else text

    return [f"{key}: {shown(old.get(key))} -> {shown(new.get(key))}"
            for key in dict.fromkeys([*old, *new]) if old.get(key) != new.get(key)]


def publish(folder: Path, identity: Identity, files: Files, provenance: dict[str, Any]) -> None:
    """Writes a finished cell: all files, then DONE.json, then the folder under its own name."""
    with atomic.publishing(folder) as building:
        for name, content in files.items():
            if callable(content):
                content(building / name)
            else:
                formats.write(building / name, content)
        sealed.write_done(building, {"identity": identity, "files": sealed.hashes(building), "provenance": provenance})
    unfinished(folder).unlink(missing_ok=True)


def unfinished(folder: Path) -> Path:
    """Where the state of a cell is kept that is still in training."""
    return folder.with_name(f".{folder.name}.state.safetensors")


def seed_of(run_seed: int, stage: int, fold: int) -> int:
    """A seed of the cell's own, so that a cell is the same whatever was trained before it."""
    return int(np.random.SeedSequence([run_seed, stage, fold]).generate_state(1)[0] >> 1)


def cell_name(stage: str, fold: int) -> str:
    """What a cell is called on the screen."""
    return stage if fold == ALL_FOLDS else f"{stage} fold {fold}"


def reuse(old: Paths, new: Paths, stage: str, fold: int, identity: Identity) -> bool:
    """Copies another run's cell where it fits this run's identity; True where it did."""
    done = sealed.read_done(old.cell(stage, fold))
    if done is None or differences(done["identity"], identity) or new.cell(stage, fold).exists():
        return False
    with atomic.publishing(new.cell(stage, fold)) as building:
        for name in [*done["files"], "DONE.json"]:
            (building / name).parent.mkdir(exist_ok=True)
            shutil.copyfile(old.cell(stage, fold) / name, building / name)
    return True


def fingerprint(folder: Path) -> str:
    """What a child cell names its parent by: the parent's identity and the bytes of its files."""
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


def _folds(folds: Iterable[int]) -> str:
    numbers = list(folds)
    if numbers == [ALL_FOLDS]:
        return "its cell"
    return f"fold{'s' * (len(numbers) > 1)} {', '.join(map(str, numbers))}"
