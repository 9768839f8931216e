"""Where a cell in training stands, in one file: what a killed training goes on from, to the same bytes."""

import hashlib
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
from safetensors import SafetensorError

from pipeline.files import formats
from pipeline.runs import cells
from pipeline.runs.cells import Identity


class State:
    """The state of one cell until it is done; ``cells.publish`` then deletes it."""

    def __init__(self, cell: Path, identity: Identity):
        self._path, self._identity = cells.unfinished(cell), json.dumps(identity, sort_keys=True)

    def keep(self, progress: dict[str, Any], tensors: dict[str, npt.NDArray[Any]]) -> None:
        """Takes the place of what was kept before. progress: a JSON value."""
        notes = {"identity": self._identity, "progress": json.dumps(progress)}
        formats.write(self._path, tensors, notes | {"sha256": _digest(notes, tensors)})

    def read(self) -> tuple[dict[str, Any], dict[str, npt.NDArray[Any]]] | None:
        """Progress and tensors, or None where nothing whole was kept, or only for a cell that means something else."""
        try:
            notes = formats.read_notes(self._path)
            if cells.differences(json.loads(notes["identity"]), json.loads(self._identity)):
                return None
            tensors = formats.read_tensors(self._path)
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
