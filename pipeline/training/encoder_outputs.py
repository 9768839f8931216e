"""The frozen encoder's outputs, computed once for each distinct text and kept: what stage 2 trains its head on."""

import os
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt

from pipeline.arrays import Ints
from pipeline.files import atomic, room, sealed
from pipeline.files.room import GIB
from pipeline.model.network import Network
from pipeline.text.packing import Batch, Plan, lay_out
from pipeline.text.token_table import TokenTable

FILE = "vectors.npy"


@dataclass(frozen=True)
class FeatureTable:
    """Token vectors of the distinct rows end to end, without padding, in memory or mapped from a file.

    vectors: float32 [tokens, size]; starts, lengths: int64 [rows], where each row is; first_equal_row, words: as in
    TokenTable.
    """

    vectors: npt.NDArray[np.float32]
    starts: Ints
    lengths: Ints
    first_equal_row: Ints
    words: npt.NDArray[np.int32] | None

    def batch(self, batch: Batch) -> tuple[npt.NDArray[np.float32], npt.NDArray[np.bool_], npt.NDArray[np.int32]]:
        """Token vectors float32 [bins, width, size], 0 where padded, and member and words as in TokenBatch."""
        layout = lay_out(batch, self.starts, self.lengths)
        return self.vectors[layout.source] * layout.real[:, :, None], layout.member, layout.in_bins(batch, self.words)


def compute(network: Network, table: TokenTable, plan: Plan, size: int, kept: Path, budget: float) -> FeatureTable:
    """The encoder's outputs, without dropout, for every row, in a file: they need not fit in memory.

    kept: the folder that they are read from where it is there and whole. Folders beside it that were not used for
    longest make room, so that together they hold at most ``budget`` GiB; what is larger alone is not kept.
    """
    lengths, distinct = table.lengths, np.unique(table.first_equal_row)
    ends = np.cumsum(lengths[distinct])
    starts = (ends - lengths[distinct])[np.searchsorted(distinct, table.first_equal_row)]
    shape = int(ends[-1]), network.encoder.size
    vectors = _kept(kept, shape)
    if vectors is None:
        room.make_room(kept.parent, int(budget * GIB) - 4 * shape[0] * shape[1])
        with atomic.publishing(kept) as building:
            vectors = np.lib.format.open_memmap(building / FILE, "w+", np.float32, shape)
            room.allocate(building / FILE)
            _encode(network, table, plan, size, starts, vectors)
            vectors.flush()
            sealed.write_done(building, {"identity": {}, "files": sealed.hashes(building)})
    if vectors.nbytes > budget * GIB:
        atomic.remove(kept)  # what is mapped stays until the process lets go of it
    return FeatureTable(vectors, starts, lengths, table.first_equal_row, table.words)


def _kept(folder: Path, shape: tuple[int, int]) -> npt.NDArray[np.float32] | None:
    """The vectors of a whole folder, which counts as used now; None where there is none, or of another shape."""
    try:
        if sealed.read_done(folder) is None:
            return None
        os.utime(folder)
        vectors: npt.NDArray[np.float32] = np.load(folder / FILE, mmap_mode="r")
        return vectors if (vectors.shape, vectors.dtype) == (shape, np.float32) else None
    except FileNotFoundError:  # another run has just made room
        return None


def _encode(network: Network, table: TokenTable, plan: Plan, size: int, starts: Ints,
            vectors: npt.NDArray[np.float32]) -> None:
    for batch in plan.ordered(table.lengths, np.unique(table.first_equal_row), size):
        layout = table.layout(batch)
        place = starts[layout.row] + layout.position
        vectors[place[layout.real]] = network.vectors(*table.placed(batch, layout)[:4])[layout.real]
