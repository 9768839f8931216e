"""The frozen encoder's outputs, computed once: what stage 2 trains its head on."""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from pipeline.batches import Ints, Plan, pad_rows
from pipeline.network import Network
from pipeline.tokens import TokenTable


@dataclass(frozen=True)
class FeatureTable:
    """Token vectors of many rows end to end, without padding.

    vectors: float32 [tokens, hidden]; offsets: int64 [rows + 1], where each row begins.
    """

    vectors: npt.NDArray[np.float32]
    offsets: Ints

    @property
    def lengths(self) -> Ints:
        """int64 [rows]: tokens a row."""
        return np.diff(self.offsets)

    def batch(self, rows: Ints, width: int) -> tuple[npt.NDArray[np.float32], npt.NDArray[np.bool_]]:
        """Token vectors float32 [rows, width, hidden], 0 where padded, and the mask bool [rows, width]."""
        position = np.arange(width)
        real = position < self.lengths[rows, None]
        at = np.where(real, self.offsets[rows, None] + position, 0)
        return self.vectors[at] * real[:, :, None], real


def compute(network: Network, table: TokenTable, plan: Plan, size: int) -> FeatureTable:
    """Runs the encoder without dropout over every row."""
    vectors = np.empty((len(table.ids), network.bert.hidden), np.float32)
    lengths = table.lengths
    for batch in plan.ordered(lengths, np.arange(len(lengths)), size):
        padded, _ = pad_rows(batch, size)
        outputs = network.vectors(*table.batch(padded, batch.width))
        real = np.arange(batch.width) < lengths[batch.rows, None]
        at = (table.offsets[batch.rows, None] + np.arange(batch.width))[real]
        vectors[at] = outputs[: len(batch.rows)][real]
    return FeatureTable(vectors, table.offsets)
