"""Batches: every row once, bins of one width with next to no padding, tokens where they belong."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipeline.config.training import Stage1
from pipeline.text.packing import Batch, Plan, lay_out, pad
from pipeline.text.token_table import TokenTable
from pipeline.training.optimizer import schedule

lengths_strategy = st.lists(st.integers(3, 40), min_size=1, max_size=120).map(np.array)


def packed(lengths: np.ndarray, rows: np.ndarray, size: int) -> Plan:
    return Plan.packed(lengths, [rows], size, layer_weights=12 * 64**2, hidden=64)


@given(lengths_strategy, st.sampled_from([1, 2, 4, 6, 16, 17]), st.booleans(), st.integers(0, 3))
def test_every_row_is_in_a_plan_once_and_fits_its_bin(lengths: np.ndarray, size: int, random: bool, seed: int) -> None:
    rows = np.arange(len(lengths))[::2]
    plan = Plan() if random else packed(lengths, rows, size)
    assert size % plan.slots == 0
    for batches in (plan.shuffled(lengths, rows, size, np.random.default_rng(seed)), plan.ordered(lengths, rows, size)):
        found = [int(row) for batch in batches for row in batch.rows.ravel() if row >= 0]
        assert sorted(found) == rows.tolist()
        assert len(batches) == -(-len(rows) // size)
        for batch in batches:
            in_bin = np.where(batch.rows >= 0, lengths[batch.rows], 0).sum(axis=1)
            assert in_bin.max() <= batch.width
            if random:
                assert in_bin.max() == batch.width
            else:
                assert batch.rows.shape == (size // plan.slots, plan.slots)
                assert batch.width == plan.width


@pytest.mark.parametrize("draw", [lambda rng: rng.integers(7, 23, 3000),
                                  lambda rng: np.clip(rng.lognormal(3.2, 0.6, 3000).astype(int), 3, 128)])
def test_bins_are_nearly_full(draw) -> None:  # type: ignore[no-untyped-def]
    lengths = draw(np.random.default_rng(0))
    plan = Plan.packed(lengths, [np.arange(3000)], 32, 12 * 768**2, 768)
    assert plan.width is not None
    assert 3000 / plan.slots * plan.width < 1.03 * lengths.sum()


def test_the_width_depends_on_the_lengths_alone() -> None:
    rng = np.random.default_rng(0)
    lengths = rng.integers(3, 40, 300)
    half = np.arange(0, 300, 2)
    plan = Plan.packed(lengths, [np.arange(300), half], 16, 12 * 64**2, 64)
    for seed in range(20):  # no epoch's order needs more room than the plan has
        for batch in plan.shuffled(lengths, rng.permutation(half), 16, np.random.default_rng(seed)):
            lay_out(batch, np.cumsum(lengths) - lengths, lengths)


def test_rows_that_the_plan_was_not_made_for_are_refused() -> None:
    lengths = np.array([3, 3, 30])
    plan = packed(lengths, np.array([0, 1]), 2)
    [batch] = plan.ordered(lengths, np.array([0, 2]), 2)
    with pytest.raises(ValueError, match="the plan was not made for these rows"):
        lay_out(batch, np.array([0, 3, 6]), lengths)


def test_tokens_lie_where_the_layout_says() -> None:
    table = TokenTable(np.arange(1, 11, dtype=np.int32), np.array([0, 3, 7, 10]), np.array([3, 2, 3], np.int32),
                       np.array([[1, -1], [1, 2], [1, -1]], np.int32))
    ids, segments, position, member, words = table.batch(Batch(np.array([[2, 1], [0, -1]]), 8))
    assert ids.tolist() == [[8, 9, 10, 4, 5, 6, 7, 0], [1, 2, 3, 0, 0, 0, 0, 0]]
    assert position.tolist() == [[0, 1, 2, 0, 1, 2, 3, 0], [0, 1, 2, 0, 0, 0, 0, 0]]
    assert segments.tolist() == [[0, 0, 0, 0, 0, 1, 1, 0], [0] * 8]
    assert member.astype(int).tolist() == [[[1, 1, 1, 0, 0, 0, 0, 0], [0, 0, 0, 1, 1, 1, 1, 0]],
                                           [[1, 1, 1, 0, 0, 0, 0, 0], [0] * 8]]
    assert words.tolist() == [[[1, -1], [4, 5]], [[1, -1], [-1, -1]]]


def test_equal_rows_are_found() -> None:
    ids = np.array([1, 2, 1, 3, 1, 2, 1, 2], np.int32)
    offsets, second = np.array([0, 2, 4, 6, 8]), np.array([2, 2, 2, 1], np.int32)
    assert TokenTable(ids, offsets, second).first_equal_row.tolist() == [0, 1, 0, 3]
    words = np.array([[0, 1], [0, 1], [0, -1], [0, 1]], np.int32)  # the same tokens as one word and as two
    assert TokenTable(ids, offsets, second, words).first_equal_row.tolist() == [0, 1, 2, 3]


def test_epochs_are_shuffled_anew_and_follow_the_seed() -> None:
    lengths = np.random.default_rng(0).integers(3, 20, 100)
    plan = packed(lengths, np.arange(100), 8)

    def two_epochs(seed: int) -> list[list[int]]:
        rng = np.random.default_rng(seed)
        return [[int(row) for batch in plan.shuffled(lengths, np.arange(100), 8, rng) for row in batch.rows.ravel()]
                for _ in range(2)]

    first, second = two_epochs(1)
    assert first != second
    assert two_epochs(1) == [first, second]
    assert two_epochs(2) != [first, second]


def test_empty_slots_count_for_nothing() -> None:
    [batch] = Plan().ordered(np.array([3, 4, 5]), np.array([2, 0]), 4)
    assert batch.rows.tolist() == [[2], [0], [-1], [-1]]
    assert batch.filled.tolist() == [True, True, False, False]
    assert pad(np.array([1.0, 2.0, 3.0]), batch).tolist() == [3, 1, 0, 0]


@pytest.mark.parametrize(("recipe", "expected"), [
    (Stage1(warmup=0.2, decay="linear"), [0.5, 1, 1, 7 / 8, 6 / 8, 5 / 8, 4 / 8, 3 / 8, 2 / 8, 1 / 8]),
    (Stage1(warmup=0.0, decay="none"), [1.0] * 10),
    (Stage1(warmup=0.4, decay="none"), [0.25, 0.5, 0.75, 1, 1, 1, 1, 1, 1, 1]),
])
def test_the_learning_rate_rises_then_falls_to_0(recipe: Stage1, expected: list[float]) -> None:
    assert [schedule(step, 10, recipe) for step in range(10)] == pytest.approx(expected)
