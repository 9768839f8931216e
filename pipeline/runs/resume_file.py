"""Where a cell in training stands, in one file: what a killed training goes on from, to the same bytes."""

import hashlib
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
from safetensors import SafetensorError

from pipeline.errors import LockedError
from pipeline.files import atomic, formats
from pipeline.runs import cells
from pipeline.runs.cells import Identity

Standing = tuple[dict[str, Any], dict[str, npt.NDArray[Any]]]  # progress and tensors
FORMAT = 2  # of what a state holds: a cell that an earlier version left half trained starts again


class ResumeFile:
    """The state of one attempt at a cell, until the cell is done; ``cells.publish`` then deletes it.

    Each attempt has a file of its own name. A later attempt takes the file of an earlier one over by renaming it,
    which one attempt alone can do; where the earlier one is still at work, it ends at the next state that it writes.
    """

    def __init__(self, cell: Path, identity: Identity):
        self._cell, self._identity = cell, json.dumps(identity | {"format of the state": FORMAT}, sort_keys=True)
        self.path = cell.with_name(f".{cell.name}.{atomic.attempt()}.state.safetensors")
        self._owned = False

    def write(self, progress: dict[str, Any], tensors: dict[str, npt.NDArray[Any]]) -> None:
        """Takes the place of what was written before. progress: a JSON value.

        Raises LockedError where another attempt has taken the file over.
        """
        if self._owned and not self.path.exists():
            what = ("has finished it" if self._cell.exists() else
                    "has taken over its state and goes on from it")
            raise LockedError(f"{self._cell}: another attempt at this cell {what}; this one ends")
        notes = {"identity": self._identity, "progress": json.dumps(progress)}
        formats.write(self.path, tensors, notes | {"sha256": _digest(notes, tensors)})
        self._owned = True

    def take_over(self) -> Standing | None:
        """Progress and tensors of the newest earlier attempt that meant the same cell and left its state whole; None
        where there is none. What is of another meaning stays where it is until the cell is done."""
        for left in cells.unfinished(self._cell):
            try:
                if not self._fits(left):
                    continue
                left.rename(self.path)
            except FileNotFoundError:  # another attempt was quicker
                continue
            if (standing := self._read()) is not None:
                self._owned = True
                return standing
        return None

    def _fits(self, path: Path) -> bool:
        """Whether a state is of the same cell, by its head alone: the tensors are read once, when it is taken over."""
        try:
            known = json.loads(formats.read_notes(path)["identity"])
        except (ValueError, KeyError, TypeError, SafetensorError):
            return False
        return not cells.differences(known, json.loads(self._identity))

    def _read(self) -> Standing | None:
        try:
            notes, tensors = formats.read_notes(self.path), formats.read_tensors(self.path)
            whole = notes.pop("sha256") == _digest(notes, tensors)
            return (json.loads(notes["progress"]), tensors) if whole else None
        except (OSError, ValueError, KeyError, SafetensorError):
            return None


def _digest(notes: Mapping[str, str], tensors: Mapping[str, npt.NDArray[Any]]) -> str:
    digest = hashlib.sha256(json.dumps(notes, sort_keys=True).encode())
    for name in sorted(tensors):
        values = np.asarray(tensors[name], order="C")
        digest.update(f"{name} {values.dtype} {values.shape}".encode())
        digest.update(values.data)
    return digest.hexdigest()
