"""Which rows go into a batch together, and how wide it is. Every plan gives each row exactly once."""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from pipeline.config import Tokens

Ints = npt.NDArray[np.int64]


@dataclass(frozen=True)
class Batch:
    """rows int64 [n]; width in tokens that all of them are padded to."""

    rows: Ints
    width: int


@dataclass(frozen=True)
class Plan:
    """How rows are batched: at the given widths by length, or (widths None) in the order given, to their longest."""

    widths: Ints | None

    @classmethod
    def of(cls, config: Tokens, lengths: Ints) -> "Plan":
        """The plan for all rows of a competition: their lengths in tokens fix the widths."""
        return cls(bucket_widths(lengths, config.buckets) if config.batches == "bucketed" else None)

    def shuffled(self, lengths: Ints, rows: Ints, size: int, rng: np.random.Generator) -> list[Batch]:
        """Batches of one training epoch, all of ``size`` rows but the last made; ceil(rows / size) of them."""
        rows = rng.permutation(rows)
        if self.widths is None:
            return _chunks(rows, size, lengths)
        batches: list[Batch] = []
        waiting = rows[:0]
        bucket_of_row = np.searchsorted(self.widths, lengths[rows])
        for bucket, width in enumerate(self.widths):
            waiting = np.concatenate([waiting, rows[bucket_of_row == bucket]])
            full = len(waiting) if bucket == len(self.widths) - 1 else len(waiting) // size * size
            batches += [Batch(waiting[at:at + size], int(width)) for at in range(0, full, size)]
            waiting = waiting[full:]
        return [batches[at] for at in rng.permutation(len(batches))]

    def ordered(self, lengths: Ints, rows: Ints, size: int) -> list[Batch]:
        """Batches for prediction."""
        if self.widths is None:
            return _chunks(rows, size, lengths)
        bucket_of_row = np.searchsorted(self.widths, lengths[rows])
        return [Batch(inside[at:at + size], int(width))
                for bucket, width in enumerate(self.widths)
                for inside in [rows[bucket_of_row == bucket]]
                for at in range(0, len(inside), size)]


def bucket_widths(lengths: Ints, count: int) -> Ints:
    """The at most ``count`` widths, the longest length among them, that leave the fewest padding tokens."""
    distinct, rows = np.unique(lengths, return_counts=True)
    known = len(distinct)
    rows_below = np.concatenate([[0], np.cumsum(rows)])
    # cost[j]: fewest padded tokens for the j shortest lengths with the buckets so far
    cost = np.full(known + 1, np.inf)
    cost[0] = 0
    choices = []
    for _ in range(min(count, known)):
        # one more bucket that holds lengths i..j-1 at width distinct[j-1]
        total = cost[:, None] + (rows_below[None, 1:] - rows_below[:, None]) * distinct[None, :]
        total[np.arange(known + 1)[:, None] > np.arange(known)[None, :]] = np.inf
        choices.append(np.argmin(total, axis=0))
        cost = np.concatenate([[np.inf], np.min(total, axis=0)])
    widths, end = [], known
    for choice in reversed(choices):
        widths.append(int(distinct[end - 1]))
        end = int(choice[end - 1])
    return np.array(sorted(widths), np.int64)


def pad_rows(batch: Batch, size: int) -> tuple[Ints, npt.NDArray[np.float32]]:
    """Rows filled up to ``size`` by repeating the first, and their weights: 1 for real rows, 0 for repeats."""
    missing = size - len(batch.rows)
    rows = np.concatenate([batch.rows, np.repeat(batch.rows[:1], missing)])
    weight = np.concatenate([np.ones(len(batch.rows), np.float32), np.zeros(missing, np.float32)])
    return rows, weight


def _chunks(rows: Ints, size: int, lengths: Ints) -> list[Batch]:
    parts = [rows[at:at + size] for at in range(0, len(rows), size)]
    return [Batch(part, int(lengths[part].max())) for part in parts]
