"""Files and folders that are written whole or not at all, and what a killed process leaves of them."""

import contextlib
import fcntl
import os
import shutil
from collections.abc import Iterable, Iterator
from pathlib import Path

from pipeline.errors import DiskError, disk


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
            to_disk(temporary)
            temporary.replace(path)
        except BaseException:
            with contextlib.suppress(OSError):
                temporary.unlink(missing_ok=True)
            raise
        to_disk(path.parent)


@contextlib.contextmanager
def publishing(folder: Path) -> Iterator[Path]:
    """A new folder to fill, which takes ``folder``'s place when the block ends without an exception."""
    building = folder.with_name(f".{folder.name}.{os.getpid()}.building")
    with disk(folder):
        shutil.rmtree(building, ignore_errors=True)
        building.mkdir(parents=True)
        with held(building):
            try:
                yield building
            except BaseException:
                shutil.rmtree(building, ignore_errors=True)
                raise
            remove(folder)
            building.replace(folder)
            to_disk(folder.parent)


def sweep(folder: Path) -> None:
    """Deletes, at any depth, what was being built, written or removed when a process was killed."""
    for ending in ("building", "writing", "removing"):
        for left in list(folder.rglob(f".*.{ending}")):
            with contextlib.suppress(FileNotFoundError, BlockingIOError):
                if left.is_dir():
                    with held(left, wait=False):  # refused where a process is at it
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


@contextlib.contextmanager
def held(folder: Path, wait: bool = True) -> Iterator[None]:
    """Holds a folder for this process. Raises BlockingIOError where another does, unless it is to wait for that."""
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | (0 if wait else fcntl.LOCK_NB))
        yield
    finally:
        os.close(descriptor)


def refuse_links(paths: Iterable[Path]) -> None:
    """Raises DiskError for what is neither a file nor a folder."""
    for path in paths:
        if path.is_symlink() or (path.exists() and not (path.is_file() or path.is_dir())):
            raise DiskError(f"{path}: must be a file or folder of the run's own, got a link, a pipe or a device; "
                            f"models/, oof/ and submissions/ as a whole may be links")


def to_disk(path: Path) -> None:
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
