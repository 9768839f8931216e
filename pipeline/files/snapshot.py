"""Files as they stood when they were read: whether one was changed since then."""

import os
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from pipeline.errors import MismatchError


@dataclass(frozen=True)
class Inputs:
    """Files as they stood when they were about to be read: size, time of change and inode of each.

    paths: those that were named, which are files or folders.
    """

    states: dict[str, tuple[int, int, int] | None]
    paths: tuple[Path, ...] = ()

    @classmethod
    def of(cls, paths: Iterable[Path]) -> "Inputs":
        """Files, and the files in folders and in the folders there; one that is not there is remembered as such."""
        named = tuple(paths)
        return cls({str(file): _state(file) for path in named for file in _files(path)}, named)

    def verify(self) -> None:
        """Raises MismatchError where a file is another than it was, is gone, or is new in a folder."""
        now = Inputs.of(self.paths).states
        changed = [name for name in self.states | now if now.get(name) != self.states.get(name)]
        if changed:
            raise MismatchError(*(f"{name}: was changed while the run was going on; put it back and run again, or go "
                                  f"on with the new one under a new name: --run NEW" for name in changed))


def _files(path: Path, levels: int = 2) -> list[Path]:
    """The file itself, or those of a folder; folders below that many levels stand for what is in them."""
    if not levels:
        return [path]
    try:
        with os.scandir(path) as entries:
            names = sorted(entry.name for entry in entries)
    except OSError:  # a file, or nothing that can be listed
        return [path]
    return [file for name in names for file in _files(path / name, levels - 1)]


def _state(path: Path) -> tuple[int, int, int] | None:
    try:
        stat = path.stat()
    except OSError:
        return None
    return stat.st_size, stat.st_mtime_ns, stat.st_ino
