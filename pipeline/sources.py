"""Files that a user names, looked at here before they are read: each must be a file, and not another's stand-in.

A pipe or a device is never opened: it may block, or never end.
"""

import codecs
import stat
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from pipeline.errors import MismatchError, OutOfMemoryError, UserError

MISSING = "no such file; put it there, or link the folder that holds it"
KINDS = {stat.S_IFDIR: "a folder", stat.S_IFIFO: "a pipe", stat.S_IFSOCK: "a socket"}
LFS_POINTER = b"version https://git-lfs.github.com/spec/"
WEB_PAGE = (b"<!doctype html", b"<html", b"<?xml")


def problems(path: Path, missing: str = MISSING) -> list[str]:
    """A line where there is no file that can be read, or a Git LFS pointer or a web page in its place; else none."""
    try:
        kind = stat.S_IFMT(path.stat().st_mode)
        if kind != stat.S_IFREG:
            return [f"{path}: must be a file, got {KINDS.get(kind, 'a device')}"]
        with path.open("rb") as file:
            begin = file.read(200).removeprefix(codecs.BOM_UTF8).lstrip().lower()
    except FileNotFoundError:
        return [f"{path}: {missing}"]
    except OSError as error:
        return [f"{path}: cannot be read: {error.strerror}"]
    if begin.startswith(LFS_POINTER):
        return [f"{path}: is a Git LFS pointer, not the file that it stands for; fetch that: git lfs pull"]
    if begin.startswith(WEB_PAGE):
        return [f"{path}: looks like a web page (HTML), not the file itself; download that again"]
    return []


def check(*paths: Path, missing: str = MISSING) -> None:
    """Raises UserError with the problems of all these paths."""
    if found := [line for path in paths for line in problems(path, missing)]:
        raise UserError(*found)


def read(path: Path, missing: str = MISSING, most: int | None = None) -> bytes:
    """The bytes of a file without such problems that has at most that many. Raises UserError."""
    check(path, missing=missing)
    try:
        size = path.stat().st_size
        if most and size > most:
            raise UserError(f"{path}: must have at most {most:,} bytes, got {size:,}; is it the right file?")
        return path.read_bytes()
    except OSError as error:
        raise UserError(f"{path}: cannot be read: {error.strerror}") from None
    except MemoryError:
        raise OutOfMemoryError(f"{path}: its {size:,} bytes do not fit in memory") from None


@dataclass(frozen=True)
class Inputs:
    """Files as they stood when they were about to be read: size, time of change and inode of each."""

    states: dict[str, tuple[int, int, int] | None]

    @classmethod
    def of(cls, paths: Iterable[Path]) -> "Inputs":
        """Files, and the files in folders; one that is not there is remembered as such."""
        files: list[Path] = []
        for path in paths:
            try:
                files += sorted(path.iterdir())
            except OSError:  # a file, or nothing that can be listed
                files.append(path)
        return cls({str(file): _state(file) for file in files})

    def verify(self) -> None:
        """Raises MismatchError where a file is another than it was."""
        changed = [name for name, state in self.states.items() if _state(Path(name)) != state]
        if changed:
            raise MismatchError(*(f"{name}: was changed while the run was going on; put it back and run again, or go "
                                  f"on with the new one under a new name: --run NEW" for name in changed))


def _state(path: Path) -> tuple[int, int, int] | None:
    try:
        found = path.stat()
    except OSError:
        return None
    return found.st_size, found.st_mtime_ns, found.st_ino
