"""The token ids of many rows, and of the rows of a batch."""

import functools
import hashlib
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from pipeline.text.packing import Batch, Layout, lay_out


class TokenBatch(NamedTuple):
    """ids, segments, position: int32 [bins, width], 0 where padded; member: bool [bins, slots, width], which tokens
    belong to which row; words: int32 [bins, slots, words], where the words' first tokens are, -1 where there is none.
    """

    ids: npt.NDArray[np.int32]
    segments: npt.NDArray[np.int32]
    position: npt.NDArray[np.int32]
    member: npt.NDArray[np.bool_]
    words: npt.NDArray[np.int32]


@dataclass(frozen=True)
class TokenTable:
    """The token ids of many rows, end to end, [CLS] and [SEP] included.

    ids: int32 [tokens]; offsets: int64 [rows + 1], where each row begins;
    second: int32 [rows], the position inside the row from which segment ids are 1 (its length if never);
    words: int32 [rows, words], the position inside the row of each word's first token, -1 where there is none, for
    tasks that label words.
    """

    ids: npt.NDArray[np.int32]
    offsets: npt.NDArray[np.int64]
    second: npt.NDArray[np.int32]
    words: npt.NDArray[np.int32] | None = None

    @property
    def lengths(self) -> npt.NDArray[np.int64]:
        """int64 [rows]: tokens per row."""
        return np.diff(self.offsets)

    @functools.cached_property
    def first_equal_row(self) -> npt.NDArray[np.int64]:
        """int64 [rows]: the first row with the same tokens, so that equal texts need be predicted once."""
        seen: dict[bytes, int] = {}
        return np.array([seen.setdefault(self._digest(row), row) for row in range(len(self.lengths))], np.int64)

    @property
    def digest(self) -> str:
        """A hash of all that an encoder sees of the rows."""
        digest = hashlib.sha256()
        for part in (self.ids, self.offsets, self.second):
            digest.update(f"{part.dtype} {part.shape}".encode())
            digest.update(np.ascontiguousarray(part).data)
        return digest.hexdigest()

    def _digest(self, row: int) -> bytes:
        """A hash of what the network sees of a row: a million long rows themselves would be large."""
        start, end = self.offsets[row:row + 2]
        seen = hashlib.blake2b(self.ids[start:end].tobytes(), digest_size=16)
        seen.update(self.second[row].tobytes())
        if self.words is not None:
            seen.update(self.words[row].tobytes())
        return seen.digest()

    def batch(self, batch: Batch) -> TokenBatch:
        """The rows of a batch, laid out in its bins."""
        return self.placed(batch, self.layout(batch))

    def layout(self, batch: Batch) -> Layout:
        """Where the tokens of a batch's rows lie."""
        return lay_out(batch, self.offsets[:-1], self.lengths)

    def placed(self, batch: Batch, layout: Layout) -> TokenBatch:
        """The tokens of a batch in its layout."""
        ids = np.where(layout.real, self.ids[layout.source], 0).astype(np.int32)
        segments = (layout.real & (layout.position >= self.second[layout.row])).astype(np.int32)
        return TokenBatch(ids, segments, layout.position, layout.member, layout.in_bins(batch, self.words))

    def joined(self, *others: "TokenTable") -> "TokenTable":
        """The rows of this table, then those of the others."""
        tables = [self, *others]
        offsets = np.concatenate([[0], np.cumsum(np.concatenate([table.lengths for table in tables]))])
        words = [table.words for table in tables if table.words is not None]
        most = max((table.shape[1] for table in words), default=0)
        padded = [np.pad(table, ((0, 0), (0, most - table.shape[1])), constant_values=-1) for table in words]
        return TokenTable(np.concatenate([table.ids for table in tables]), offsets.astype(np.int64),
                          np.concatenate([table.second for table in tables]),
                          np.concatenate(padded) if padded else None)
