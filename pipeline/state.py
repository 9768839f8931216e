"""Where a cell in training stands, in one file: what a killed training goes on from, to the same bytes."""

import json
from pathlib import Path
from typing import Any

import numpy.typing as npt
from safetensors import SafetensorError

from pipeline import cells, storage


class State:
    """The state of one cell until it is done; ``cells.publish`` then deletes it."""

    def __init__(self, cell: Path, identity: cells.Identity):
        self._path, self._identity = cells.unfinished(cell), json.dumps(identity, sort_keys=True)

    def keep(self, progress: dict[str, Any], tensors: dict[str, npt.NDArray[Any]]) -> None:
        """Takes the place of what was kept before. progress: a JSON value."""
        storage.write(self._path, tensors, {"identity": self._identity, "progress": json.dumps(progress)})

    def read(self) -> tuple[dict[str, Any], dict[str, npt.NDArray[Any]]] | None:
        """Progress and tensors, or None where nothing was kept, or only for a cell that means something else."""
        try:
            notes = storage.read_notes(self._path)
            if notes["identity"] != self._identity:
                return None
            return json.loads(notes["progress"]), storage.read_tensors(self._path)
        except (OSError, ValueError, KeyError, SafetensorError):
            return None
