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

from pipeline import storage
from pipeline.errors import MismatchError
from pipeline.storage import Paths

Identity = dict[str, Any]
Files = dict[str, Any]  # file name -> table, tensors or JSON value; folder name -> function that fills it

PACKAGES = ("tensorflow", "tf-keras", "keras-bert", "keras-self-attention", "numpy", "scikit-learn", "tokenizers")


def write_done(folder: Path, done: dict[str, Any]) -> None:
    """Writes DONE.json, the last of a folder's files, with a hash of its own content."""
    content = {key: value for key, value in done.items() if key != "sha256"}
    storage.write(folder / "DONE.json", content | {"sha256": _digest(content)})


def read_done(folder: Path) -> dict[str, Any] | None:
    """The folder's DONE.json where it is whole and names files, all inside, and each has its hash; else None."""
    try:
        done = storage.read_json(folder / "DONE.json")
        if done.pop("sha256") != _digest(done):
            return None
        inside = all(not Path(name).is_absolute() and ".." not in Path(name).parts for name in done["files"])
        intact = inside and all(storage.sha256(folder / name) == digest for name, digest in done["files"].items())
        meant = isinstance(done["identity"], dict) and isinstance(done.get("provenance", {}), dict)
        return done if intact and done["files"] and meant else None
    except (OSError, ValueError, KeyError, TypeError, AttributeError):
        return None


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
        done = read_done(folder)
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
    with storage.publishing(folder) as building:
        for name, content in files.items():
            if callable(content):
                content(building / name)
            else:
                storage.write(building / name, content)
        write_done(building, {"identity": identity, "files": hashes(building), "provenance": provenance})
    unfinished(folder).unlink(missing_ok=True)


def unfinished(folder: Path) -> Path:
    """Where the state of a cell is kept that is still in training."""
    return folder.with_name(f".{folder.name}.state.safetensors")


def seed_of(run_seed: int, stage: int, fold: int) -> int:
    """A seed of the cell's own, so that a cell is the same whatever was trained before it."""
    return int(np.random.SeedSequence([run_seed, stage, fold]).generate_state(1)[0] >> 1)


def hashes(folder: Path) -> dict[str, str]:
    """The hash of every file inside, by its path from there."""
    return {str(path.relative_to(folder)): storage.sha256(path) for path in sorted(folder.rglob("*"))
            if path.is_file()}


def cell_name(stage: str, fold: int) -> str:
    """What a cell is called on the screen."""
    return stage if fold == storage.ALL_FOLDS else f"{stage} fold {fold}"


def reuse(old: Paths, new: Paths, stage: str, fold: int, identity: Identity) -> bool:
    """Copies another run's cell where it fits this run's identity; True where it did."""
    done = read_done(old.cell(stage, fold))
    if done is None or differences(done["identity"], identity) or new.cell(stage, fold).exists():
        return False
    with storage.publishing(new.cell(stage, fold)) as building:
        for name in [*done["files"], "DONE.json"]:
            (building / name).parent.mkdir(exist_ok=True)
            shutil.copyfile(old.cell(stage, fold) / name, building / name)
    return True


def fingerprint(folder: Path) -> str:
    """What a child cell names its parent by: the parent's identity and the bytes of its files."""
    done = read_done(folder) or {}
    return _digest([done.get("identity"), done.get("files")])


@functools.cache
def code_version() -> str:
    """A hash of the library's sources, so that two results of different code can be told apart."""
    digest = hashlib.sha256()
    for path in sorted(Path(__file__).parent.rglob("*.py")):
        digest.update(path.read_bytes())
    return digest.hexdigest()[:16]


def provenance(made_with: dict[str, int]) -> dict[str, Any]:
    """Where a cell's numbers come from, beside what they mean: code, packages, machine, and what it is made with."""
    return {"code": code_version(), "python": platform.python_version(), "machine": platform.machine(),
            "packages": {name: importlib.metadata.version(name) for name in PACKAGES}} | made_with


def _digest(value: Any) -> str:
    return hashlib.sha256(json.dumps(value, sort_keys=True).encode()).hexdigest()


def _folds(folds: Iterable[int]) -> str:
    numbers = list(folds)
    if numbers == [storage.ALL_FOLDS]:
        return "its cell"
    return f"fold{'s' * (len(numbers) > 1)} {', '.join(map(str, numbers))}"
