"""Room on a disk: whether it is enough, taken beforehand, and made by deleting what was unused for longest."""

import os
import shutil
from pathlib import Path

from pipeline.errors import DiskError
from pipeline.files import atomic

GIB = 2**30


def allocate(path: Path) -> None:
    """Gives a sparse file all of its bytes: writing to it through memory then cannot fail. Raises OSError."""
    with path.open("r+b") as file:
        os.posix_fallocate(file.fileno(), 0, path.stat().st_size)


def require_room(folder: Path, needed: int, what: str) -> None:
    """Raises DiskError where the folder's disk has fewer bytes free than are needed; a quota is not seen."""
    free = shutil.disk_usage(next(path for path in (folder, *folder.parents) if path.exists())).free
    if free < needed:
        raise DiskError(f"{folder}: {what} need {needed / GIB:.2g} GiB of disk, {free / GIB:.2g} are free; free some, "
                        f"or let {folder.parent} be a link to a folder on a larger disk")


def make_room(folder: Path, room: int) -> None:
    """Deletes the folders inside, those unused for longest first, until the rest holds at most ``room`` bytes.

    Several processes may do so, and build folders there, at the same time.
    """
    folder.mkdir(parents=True, exist_ok=True)
    with atomic.held(folder):
        atomic.sweep(folder)
        sizes = {inside: sum(file.stat().st_size for file in inside.iterdir())
                 for inside in folder.glob("[!.]*") if inside.is_dir()}
        for inside in sorted(sizes, key=lambda path: path.stat().st_mtime_ns):
            if sum(sizes.values()) <= room:
                break
            del sizes[inside]
            atomic.remove(inside)
