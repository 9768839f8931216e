"""Batches: every row once, few widths, and the fewest padding tokens."""

from itertools import combinations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipeline.batches import Plan, bucket_widths, pad_rows
from pipeline.config import Stage1
from pipeline.training import schedule

lengths_strategy = st.lists(st.integers(3, 40), min_size=1, max_size=120).map(np.array)


@given(lengths_strategy, st.integers(1, 17), st.integers(1, 6), st.booleans(), st.integers(0, 3))
def test_every_row_is_in_a_plan_once_and_fits_its_width(lengths: np.ndarray, size: int, buckets: int, bucketed: bool,
                                                        seed: int) -> None:
    plan = Plan(bucket_widths(lengths, buckets) if bucketed else None)
    rows = np.arange(len(lengths))[::2]
    for batches in (plan.shuffled(lengths, rows, size, np.random.default_rng(seed)), plan.ordered(lengths, rows, size)):
        assert sorted(row for batch in batches for row in batch.rows) == rows.tolist()
        for batch in batches:
            assert 1 <= len(batch.rows) <= size
            assert lengths[batch.rows].max() <= batch.width
            if plan.widths is None:
                assert lengths[batch.rows].max() == batch.width
    assert len(plan.shuffled(lengths, rows, size, np.random.default_rng(seed))) == -(-len(rows) // size)


@given(st.lists(st.integers(3, 14), min_size=1, max_size=60).map(np.array), st.integers(1, 4))
def test_bucket_widths_leave_the_fewest_padding_tokens(lengths: np.ndarray, count: int) -> None:
    def padded(widths: np.ndarray) -> int:
        return int(widths[np.searchsorted(widths, lengths)].sum())

    found = bucket_widths(lengths, count)
    distinct = np.unique(lengths)
    assert found[-1] == distinct[-1]
    choices = [np.array([*rest, distinct[-1]]) for rest in combinations(distinct[:-1], min(count, len(distinct)) - 1)]
    assert padded(found) == min(padded(choice) for choice in choices)


def test_epochs_are_shuffled_anew_and_follow_the_seed() -> None:
    lengths = np.random.default_rng(0).integers(3, 20, 100)
    plan = Plan(bucket_widths(lengths, 3))

    def two_epochs(seed: int) -> list[list[int]]:
        rng = np.random.default_rng(seed)
        return [[int(row) for batch in plan.shuffled(lengths, np.arange(100), 8, rng) for row in batch.rows]
                for _ in range(2)]

    first, second = two_epochs(1)
    assert first != second
    assert two_epochs(1) == [first, second]
    assert two_epochs(2) != [first, second]


def test_short_batches_are_filled_with_rows_of_weight_0() -> None:
    [batch] = Plan(None).ordered(np.array([3, 4, 5]), np.array([2, 0]), 4)
    rows, weight = pad_rows(batch, 4)
    assert rows.tolist() == [2, 0, 2, 2]
    assert weight.tolist() == [1, 1, 0, 0]


@pytest.mark.parametrize(("recipe", "expected"), [
    (Stage1(warmup=0.2, decay="linear"), [0.5, 1, 1, 7 / 8, 6 / 8, 5 / 8, 4 / 8, 3 / 8, 2 / 8, 1 / 8]),
    (Stage1(warmup=0.0, decay="none"), [1.0] * 10),
    (Stage1(warmup=0.4, decay="none"), [0.25, 0.5, 0.75, 1, 1, 1, 1, 1, 1, 1]),
])
def test_the_learning_rate_rises_then_falls_to_0(recipe: Stage1, expected: list[float]) -> None:
    assert [schedule(step, 10, recipe) for step in range(10)] == pytest.approx(expected)
