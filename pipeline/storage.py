"""Files: where a run keeps them, written whole or not at all, and the lock that keeps two processes apart."""

import contextlib
import csv
import fcntl
import functools
import hashlib
import itertools
import json
import os
import shutil
import socket
import time
import warnings
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import numpy as np
import pandas as pd
from safetensors import safe_open
from safetensors.numpy import load_file, save_file

from pipeline.errors import DiskError, LockedError, disk

GIB = 2**30
ALL_FOLDS = -1  # the number of a cell that serves every fold


@dataclass(frozen=True)
class Paths:
    """Where the run of that name keeps its files, relative to the project's root."""

    run: str

    @property
    def models(self) -> Path:
        return Path("models") / self.run

    @property
    def oof(self) -> Path:
        return Path("oof") / self.run

    @property
    def folds(self) -> Path:
        return self.models / "folds.csv"

    @property
    def features(self) -> Path:
        return Path("models/.features")

    @property
    def corpus(self) -> Path:
        return self.models / ".corpus"

    def cell(self, stage: str, fold: int) -> Path:
        """fold: a fold's number, or ALL_FOLDS."""
        return self.models / stage / ("all_folds" if fold == ALL_FOLDS else f"fold_{fold}")

    def submission(self, stage: str | None = None) -> Path:
        return Path("submissions") / (f"{self.run}_{stage}.csv" if stage else f"{self.run}.csv")


def write(path: Path, content: Any, notes: dict[str, str] | None = None) -> None:
    """Writes a table (.csv), tensors (.safetensors, with notes), a JSON value (.json), bytes or text, atomically.

    Raises DiskError; the old file, if any, is then untouched.
    """
    with replacing(path) as temporary:
        if path.suffix == ".safetensors":
            save_file({name: np.asarray(values, order="C") for name, values in content.items()}, temporary, notes)
        elif isinstance(content, bytes):
            temporary.write_bytes(content)
        else:
            if path.suffix == ".csv":
                content = content.to_csv(index=False, lineterminator="\n", quoting=_quoting(content))
            elif path.suffix == ".json":
                content = json.dumps(content, indent=2, ensure_ascii=False, allow_nan=False) + "\n"
            temporary.write_text(content, encoding="utf-8", newline="\n")


def _quoting(table: pd.DataFrame) -> Literal[0, 2]:
    """How much must be quoted: all text where there is a carriage return, which is a line's end to readers and which
    the writer leaves as it is."""
    texts = table.select_dtypes(exclude="number")
    returns = any("\r" in str(name) for name in table) or any(
        texts[name].astype(str).str.contains("\r", regex=False).any() for name in texts)
    return csv.QUOTE_NONNUMERIC if returns else csv.QUOTE_MINIMAL


@contextlib.contextmanager
def replacing(path: Path) -> Iterator[Path]:
    """The path of a file to write, which takes ``path``'s place when the block ends without an exception.

    Raises DiskError; the old file, if any, is then untouched.
    """
    temporary = path.with_name(f".{path.name}.writing")
    with disk(path):
        path.parent.mkdir(parents=True, exist_ok=True)
        try:
            yield temporary
            _to_disk(temporary)
            temporary.replace(path)
        except BaseException:
            with contextlib.suppress(OSError):
                temporary.unlink(missing_ok=True)
            raise
        _to_disk(path.parent)


def read_csv(path: Path, label: str = "int64") -> pd.DataFrame:
    """Reads a table of predictions that ``write`` wrote: float32 and int64 as they were, the rest as exact text.

    label: the type of the column label. Raises ValueError where it is no such table.
    """
    with warnings.catch_warnings():
        warnings.simplefilter("error", pd.errors.ParserWarning)  # a row with more fields than the header
        try:
            table = pd.read_csv(path, dtype=str, keep_default_na=False, index_col=False)
        except pd.errors.ParserWarning as error:
            raise ValueError(f"{path}: {error}") from None
    types = {name: np.float32 for name in map(str, table) if name.startswith(("logit", "prediction"))}
    return table.astype(types | {name: kind for name, kind in (("fold", "int64"), ("word", "int64"), ("label", label))
                                 if name in table})


def read_header(path: Path) -> list[str]:
    """The columns of a .csv file, also where they are more than a table of them could be made of in time. Raises
    ValueError where there is no header."""
    with path.open(encoding="utf-8", newline="") as file:
        try:
            return next(csv.reader(file), [])
        except csv.Error as error:
            raise ValueError(f"{path}: {error}") from None


def read_tensors(path: Path) -> dict[str, Any]:
    """Name -> array of a .safetensors file."""
    return load_file(path)


def read_notes(path: Path) -> dict[str, str]:
    """The notes that were written with the tensors of a .safetensors file."""
    with safe_open(path, framework="numpy") as file:
        return dict(file.metadata() or {})


def read_json(path: Path) -> Any:
    """The value of a JSON file. Raises ValueError where it holds none."""
    try:
        return json.loads(path.read_text(encoding="utf-8"))
    except RecursionError:
        raise ValueError(f"{path}: nested too deeply") from None


def sha256(path: Path) -> str:
    """Hex digest of a file's bytes; read once a process unless the file changes."""
    state = path.stat()
    return _sha256(path.resolve(), state.st_size, state.st_mtime_ns)


@functools.lru_cache(maxsize=4096)
def _sha256(path: Path, size: int, changed: int) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


@contextlib.contextmanager
def publishing(folder: Path) -> Iterator[Path]:
    """A new folder to fill, which takes ``folder``'s place when the block ends without an exception."""
    building = folder.with_name(f".{folder.name}.{os.getpid()}.building")
    with disk(folder):
        shutil.rmtree(building, ignore_errors=True)
        building.mkdir(parents=True)
        with _held(building):
            try:
                yield building
            except BaseException:
                shutil.rmtree(building, ignore_errors=True)
                raise
            remove(folder)
            building.replace(folder)
            _to_disk(folder.parent)


def sweep(folder: Path) -> None:
    """Deletes, at any depth, what was being built, written or removed when a process was killed."""
    for ending in ("building", "writing", "removing"):
        for left in list(folder.rglob(f".*.{ending}")):
            with contextlib.suppress(FileNotFoundError, BlockingIOError):
                if left.is_dir():
                    with _held(left, wait=False):  # refused where a process is at it
                        shutil.rmtree(left, ignore_errors=True)
                else:
                    left.unlink()


def remove(folder: Path) -> None:
    """Deletes a folder; moved aside first, so that it is never half there under its own name."""
    leaving = folder.with_name(f".{folder.name}.removing")
    shutil.rmtree(leaving, ignore_errors=True)
    with contextlib.suppress(FileNotFoundError):
        folder.replace(leaving)
        shutil.rmtree(leaving)


def allocate(path: Path) -> None:
    """Gives a sparse file all of its bytes: writing to it through memory then cannot fail. Raises OSError."""
    with path.open("r+b") as file:
        os.posix_fallocate(file.fileno(), 0, path.stat().st_size)


def require_room(folder: Path, needed: int, what: str) -> None:
    """Raises DiskError where the folder's disk has fewer bytes free than are needed; a quota is not seen."""
    free = shutil.disk_usage(next(one for one in (folder, *folder.parents) if one.exists())).free
    if free < needed:
        raise DiskError(f"{folder}: {what} need {needed / GIB:.2g} GiB of disk, {free / GIB:.2g} are free; free some, "
                        f"or let {folder.parent} be a link to a folder on a larger disk")


def make_room(folder: Path, room: int) -> None:
    """Deletes the folders inside, those unused for longest first, until the rest holds at most ``room`` bytes.

    Several processes may do so, and build folders there, at the same time.
    """
    folder.mkdir(parents=True, exist_ok=True)
    with _held(folder):
        sweep(folder)
        sizes = {inside: sum(file.stat().st_size for file in inside.iterdir())
                 for inside in folder.glob("[!.]*") if inside.is_dir()}
        for inside in sorted(sizes, key=lambda one: one.stat().st_mtime_ns):
            if sum(sizes.values()) <= room:
                break
            del sizes[inside]
            remove(inside)


@contextlib.contextmanager
def _held(folder: Path, wait: bool = True) -> Iterator[None]:
    """Holds a folder for this process. Raises BlockingIOError where another does, unless it is to wait for that."""
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | (0 if wait else fcntl.LOCK_NB))
        yield
    finally:
        os.close(descriptor)


@contextlib.contextmanager
def lock(paths: Paths) -> Iterator[None]:
    """Holds the run for this process; the lock ends with the process, whatever ends it. Raises LockedError.

    What belongs to the run must be files and folders: through a link it would write to, and delete, what is not its.
    """
    path = paths.models / ".lock"
    refuse_links([paths.models, path])
    with disk(path):
        path.parent.mkdir(parents=True, exist_ok=True)
        file = path.open("a+b", buffering=0)
    with file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            file.seek(0)
            holder = file.read().decode(errors="replace").strip()
            raise LockedError(f"{paths.models}: another process works on run {paths.run!r} ({holder}); "
                              f"wait for it, or give this one another --run") from None
        refuse_links(itertools.chain(paths.models.rglob("*"), [paths.oof], paths.oof.rglob("*"), (
            one for one in Path("submissions").glob("*")
            if one.name.lstrip(".").startswith((f"{paths.run}.csv", f"{paths.run}_")))))
        with disk(path):
            file.truncate(0)
            file.write(f"pid {os.getpid()} on {socket.gethostname()} since "
                       f"{time.strftime('%Y-%m-%d %H:%M:%S')}\n".encode())
        yield


def refuse_links(paths: Iterable[Path]) -> None:
    """Raises DiskError for what is neither a file nor a folder."""
    for path in paths:
        if path.is_symlink() or (path.exists() and not (path.is_file() or path.is_dir())):
            raise DiskError(f"{path}: must be a file or folder of the run's own, got a link, a pipe or a device; "
                            f"models/, oof/ and submissions/ as a whole may be links")


def _to_disk(path: Path) -> None:
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
