"""Files and folders that are written whole or not at all, and what a killed process leaves of them."""

import contextlib
import fcntl
import os
import re
import secrets
import shutil
import socket
import time
from collections.abc import Iterable, Iterator
from pathlib import Path

from pipeline.errors import DiskError, disk

ATTEMPT = re.compile(r"\.(?P<host>[A-Za-z0-9-]+)\.\d+\.[0-9a-f]{8}\.(building|state\.safetensors\.(folder\.)?writing)$")
WEEK = 7 * 24 * 3600  # seconds


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
def beside(temporary: Path) -> Iterator[Path]:
    """A folder beside a file that is being written, for a writer that makes files of its own; gone when the block
    ends, and swept like the file where the process was killed."""
    folder = temporary.with_suffix(".folder.writing")
    folder.mkdir(exist_ok=True)
    try:
        yield folder
    finally:
        shutil.rmtree(folder, ignore_errors=True)


@contextlib.contextmanager
def building(folder: Path) -> Iterator[Path]:
    """A new folder to fill, of this attempt alone, beside ``folder``; deleted where ``publish`` did not give it away.

    Its name holds the host, the process and a random part, so that attempts on several machines that share a disk
    never write to one folder.
    """
    made = folder.with_name(f".{folder.name}.{attempt()}.building")
    with disk(folder):
        made.mkdir(parents=True)
        with held(made):
            try:
                yield made
            finally:
                shutil.rmtree(made, ignore_errors=True)


def publish(made: Path, folder: Path) -> bool:
    """Gives a filled folder its own name; False where there is one of that name already, which then stays."""
    try:
        made.rename(folder)
    except OSError:  # which of its numbers says that there is one depends on the file system
        if not os.path.lexists(folder):
            raise
        return not made.exists()  # gone, since NFS may have renamed it and lost its own answer
    to_disk(folder.parent)
    return True


@contextlib.contextmanager
def publishing(folder: Path) -> Iterator[Path]:
    """A new folder to fill, which takes ``folder``'s place when the block ends without an exception."""
    with building(folder) as made:
        yield made
        while not publish(made, folder):
            remove(folder)


def attempt() -> str:
    """A name that no other attempt at anything has: host.process.random."""
    return f"{_host()}.{os.getpid()}.{secrets.token_hex(4)}"


def _host() -> str:
    return re.sub(r"[^A-Za-z0-9-]", "-", socket.gethostname())[:40]


def sweep(folder: Path) -> None:
    """Deletes, at any depth, what was being built, written or removed when a process was killed.

    What a process of another host builds is left alone for a week, since nothing says whether it still runs.
    """
    for ending in ("building", "writing", "removing"):
        for left in list(folder.rglob(f".*.{ending}")):
            with contextlib.suppress(FileNotFoundError, BlockingIOError):
                if _elsewhere(left) or any(part.endswith(".building") for part in left.relative_to(folder).parts[:-1]):
                    continue  # what is inside a folder goes or stays with it
                if left.is_dir():
                    with held(left, wait=False):  # refused where a process is at it
                        shutil.rmtree(left, ignore_errors=True)
                else:
                    left.unlink()


def _elsewhere(path: Path) -> bool:
    """Whether an attempt on another host may still be at this path."""
    built = ATTEMPT.search(path.name)
    return built is not None and built["host"] != _host() and time.time() - path.stat().st_mtime < WEEK


def remove(folder: Path) -> None:
    """Deletes a folder; moved aside first, so that it is never half there under its own name."""
    leaving = folder.with_name(f".{folder.name}.{attempt()}.removing")
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
