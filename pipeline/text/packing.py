"""Which rows go into a step together, and where their tokens lie. Every plan gives each row exactly once.

Packed: short rows share a *bin*, a sequence of fixed length in which tokens attend only to their own row (sequence
packing without cross-contamination, https://arxiv.org/abs/2107.02027). All bins of a run are equally long, so there is
next to no padding and one shape to compile. Random: as published, one row a bin, padded to the batch's longest.
"""

import math
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from pipeline.arrays import Ints

SLOTS = (1, 2, 4, 8, 16)  # rows per bin that are tried
SLOW = 4  # how much longer a multiplication takes in attention's small products, softmax included
SWAPS = 100  # rounds of evening out the bins; about ten are enough


@dataclass(frozen=True)
class Batch:
    """rows: int64 [bins, slots], -1 where a slot is empty; width: tokens per bin."""

    rows: Ints
    width: int

    @property
    def filled(self) -> npt.NDArray[np.bool_]:
        """bool [bins * slots]: which of the batch's logits belong to a row."""
        return np.asarray(self.rows >= 0).ravel()


@dataclass(frozen=True)
class Plan:
    """slots: rows per bin; width: tokens per bin, or None: one row a bin, in the order given, padded to the longest."""

    slots: int = 1
    width: int | None = None

    @classmethod
    def packed(cls, lengths: Ints, groups: Iterable[Ints], size: int, layer_weights: int, hidden: int) -> "Plan":
        """The cheapest plan whose one width holds each of the groups of rows, and whose bins divide ``size`` rows.

        Costs count multiplications: a token costs a layer's weights, and attention twice the bin's width times
        hidden, by far slower ones.
        """
        groups, plans = list(groups), []
        for slots in (count for count in SLOTS if size % count == 0):
            width = max(int(_totals(np.sort(lengths[rows]), slots).max(initial=1)) for rows in groups)
            plans.append((width / slots * (layer_weights + SLOW * 2 * width * hidden), slots, width))
        _, slots, width = min(plans)
        return cls(slots, width)

    def shuffled(self, lengths: Ints, rows: Ints, size: int, rng: np.random.Generator) -> list[Batch]:
        """Batches of one training epoch: ceil(rows / size) of them, each with room for ``size`` rows."""
        rows = rng.permutation(rows)
        bins = self._bins(lengths, rows)
        return self._batches(bins if self.width is None else rng.permutation(bins), lengths, size)

    def ordered(self, lengths: Ints, rows: Ints, size: int) -> list[Batch]:
        """Batches for prediction."""
        return self._batches(self._bins(lengths, rows), lengths, size)

    def _bins(self, lengths: Ints, rows: Ints) -> Ints:
        if self.width is None:
            return rows[:, None]
        rows = rows[np.argsort(lengths[rows], kind="stable")]
        places = _even(lengths[rows], self.slots)
        return np.where(places >= 0, rows[places], -1)

    def _batches(self, bins: Ints, lengths: Ints, size: int) -> list[Batch]:
        if not len(bins):
            return []
        count = math.ceil(size / self.slots)
        missing = -len(bins) % count
        bins = np.concatenate([bins, np.full((missing, self.slots), -1)])
        parts = np.split(bins, len(bins) // count)
        if self.width is not None:
            return [Batch(part, self.width) for part in parts]
        return [Batch(part, int(lengths[part[part >= 0]].max())) for part in parts]


@dataclass(frozen=True)
class Layout:
    """Where the tokens of a batch's rows lie.

    member: bool [bins, slots, width], which tokens belong to which row; position: int32 [bins, width], counted inside
    the row, 0 where padded; source: int64 [bins, width], the token's index where the rows' tokens are end to end;
    row: int64 [bins, width], 0 where padded.
    """

    member: npt.NDArray[np.bool_]
    position: npt.NDArray[np.int32]
    source: Ints
    row: Ints

    def in_bins(self, batch: Batch, places: npt.NDArray[np.int32] | None) -> npt.NDArray[np.int32]:
        """Places inside rows, int32 [rows, places], -1 where none -> places in the batch's bins, int32 [bins, slots,
        places], -1 where none."""
        if places is None:
            return np.zeros([*batch.rows.shape, 0], np.int32)
        begin = self.member.argmax(axis=2)[:, :, None]
        of_slot = np.where((batch.rows >= 0)[:, :, None], places[batch.rows], -1)
        return np.where(of_slot >= 0, of_slot + begin, -1).astype(np.int32)

    @property
    def real(self) -> npt.NDArray[np.bool_]:
        """bool [bins, width]: not padding."""
        return np.asarray(self.member.any(axis=1))


def lay_out(batch: Batch, starts: Ints, lengths: Ints) -> Layout:
    """Rows of a bin one after the other. starts, lengths: int64 [rows], where each row's tokens are."""
    length = np.where(batch.rows >= 0, lengths[batch.rows], 0)
    end = np.cumsum(length, axis=1)
    if (longest := int(end[:, -1].max())) > batch.width:
        raise ValueError(f"rows of {longest} tokens in a bin of {batch.width}: the plan was not made for these rows")
    place = np.arange(batch.width)
    member = (place >= (end - length)[:, :, None]) & (place < end[:, :, None])
    slot = member.argmax(axis=1)
    row = np.maximum(np.take_along_axis(batch.rows, slot, axis=1), 0)
    real = member.any(axis=1)
    position = np.where(real, place - np.take_along_axis(end - length, slot, axis=1), 0)
    return Layout(member, position.astype(np.int32), np.where(real, starts[row] + position, 0), row)


def _even(lengths: Ints, slots: int) -> Ints:
    """Deals sorted rows to bins of nearly equal totals; int64 [bins, slots] of places in ``lengths``, -1 if empty.

    Depends on the lengths alone, so that equal sets of lengths always fit the same width.
    """
    bins = math.ceil(len(lengths) / slots)
    places = np.concatenate([np.full(bins * slots - len(lengths), -1), np.arange(len(lengths))]).reshape(slots, bins)
    places[1::2] = places[1::2, ::-1]
    places = places.T.copy()
    sizes = np.where(places >= 0, lengths[places], 0)
    half = np.arange(bins // 2)
    for turn in range(SWAPS):
        total = sizes.sum(axis=1)
        order = np.argsort(total, kind="stable")
        if not len(half) or total[order[-1]] - total[order[0]] <= 1:
            break
        low, high = order[half], np.roll(order[::-1][half], turn)
        gap = total[high] - total[low]
        moved = sizes[high][:, :, None] - sizes[low][:, None, :]
        left = np.abs(gap[:, None, None] - 2 * moved).reshape(len(half), -1)
        choice = left.argmin(axis=1)
        better = left[half, choice] < gap
        low, high, (give, take) = low[better], high[better], np.divmod(choice[better], slots)
        for table in (sizes, places):
            table[high, give], table[low, take] = table[low, take], table[high, give]
    return places


def _totals(lengths: Ints, slots: int) -> Ints:
    places = _even(lengths, slots)
    return np.where(places >= 0, lengths[places], 0).sum(axis=1)


def pad(values: npt.NDArray[Any], batch: Batch) -> npt.NDArray[Any]:
    """Values of the batch's rows, [bins * slots, ...] of their type, 0 in empty slots."""
    padded = values[batch.rows.ravel()]
    padded[~batch.filled] = 0
    return padded
