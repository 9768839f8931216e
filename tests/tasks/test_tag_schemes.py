"""Series of tags: which are legal in a scheme, and that the likeliest legal one is decided."""

import itertools

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from seqeval.metrics import f1_score
from seqeval.scheme import IOB1, IOB2, IOBES

from pipeline.tasks import tag_schemes

SCHEMES = {
    "BIO": (["O", "B-x", "I-x", "B-y", "I-y"], False, IOB2),
    "IOB1": (["O", "B-x", "I-x", "I-y"], True, IOB1),
    "BIOES": (["O", "B-x", "I-x", "E-x", "S-x", "S-y"], False, IOBES),
    "BMES": (["O", "B-x", "M-x", "E-x", "S-x"], False, IOBES),
    "BILOU": (["O", "B-x", "I-x", "L-x", "U-x"], False, IOBES),
    "without types": (["O", "B", "M", "E", "S"], False, IOBES),
}


def legal(tags: list[str], series: tuple[int, ...], iob1: bool) -> bool:
    starts, follows, ends = tag_schemes.legal(tags, iob1)
    return bool(starts[series[0]] and all(follows[a, b] for a, b in itertools.pairwise(series)) and ends[series[-1]])


def as_seqeval(tags: list[str], series: tuple[int, ...]) -> list[str]:
    named = [tag_schemes.split(tags[number]) for number in series]
    return [prefix if prefix == "O" else f"{prefix}-{kind or 'entity'}" for prefix, kind in named]


@pytest.mark.parametrize("name", SCHEMES)
def test_strict_and_lenient_scores_agree_on_legal_series_alone(name: str) -> None:
    tags, iob1, scheme = SCHEMES[name]
    rng, apart = np.random.default_rng(0), 0
    every = list(itertools.product(range(len(tags)), repeat=4))
    truth = [as_seqeval(tags, series) for series in every if legal(tags, series, iob1)]
    for series in every:
        guess, true = as_seqeval(tags, series), truth[rng.integers(len(truth))]
        lenient = f1_score([true], [guess], zero_division=0)
        strict = f1_score([true], [guess], mode="strict", scheme=scheme, zero_division=0)
        if legal(tags, series, iob1):
            assert strict == lenient, (true, guess)
        apart += strict != lenient
    assert apart


@settings(max_examples=60, deadline=None)
@given(st.sampled_from(sorted(SCHEMES)), st.lists(st.integers(1, 5), min_size=1, max_size=4), st.integers(0, 2**32 - 1))
def test_the_likeliest_legal_series_of_each_text_is_decided(name: str, lengths: list[int], seed: int) -> None:
    tags, iob1, _ = SCHEMES[name]
    rules = tag_schemes.legal(tags, iob1)
    score = np.random.default_rng(seed).normal(size=(sum(lengths), len(tags))) * 3
    first = np.zeros(sum(lengths), bool)
    first[np.cumsum([0, *lengths[:-1]])] = True
    decided = tag_schemes.decode(score, first, rules)
    assert tag_schemes.illegal_transitions(decided, first, rules) == 0
    at = 0
    for length in lengths:
        own = score[at:at + length]
        best = max((series for series in itertools.product(range(len(tags)), repeat=length)
                    if legal(tags, series, iob1)), key=lambda series: own[np.arange(length), list(series)].sum())
        assert decided[at:at + length].tolist() == list(best)
        at += length


def test_illegal_transitions_are_counted_at_both_ends_and_inside() -> None:
    tags = ["O", "B-x", "I-x", "E-x"]
    first = np.array([True, False, False, True, False])
    series = np.array([2, 1, 1, 0, 1])  # I begins, B follows B, B ends; O begins, B ends
    # without S a B may be an entity by itself, so only I, and B behind it, are illegal
    assert tag_schemes.illegal_transitions(series, first, tag_schemes.legal(tags)) == 2
    assert tag_schemes.illegal_transitions(series, first, tag_schemes.legal([*tags, "S-x"])) == 5


@pytest.mark.parametrize(("labels", "iob1"), [
    ([["O", "I-x", "I-x"], ["I-x", "B-x", "O"]], True),
    ([["O", "B-x", "I-x"], ["B-x", "O"]], False),
    ([["O", "I-x"], ["B-x"]], False),  # a mistake in BIO, since no IOB1 text begins with B
    ([["B-x", "E-x"], ["S-x"]], False),
    ([["O", "O"]], False),
])
def test_iob1_is_told_from_its_labels(labels: list[list[str]], iob1: bool) -> None:
    assert tag_schemes.begins_inside(labels) is iob1


def test_a_tag_that_nothing_can_follow_is_no_dead_end() -> None:
    rules = tag_schemes.legal(["O", "B-x", "E-x", "S-x", "B-y"])
    assert tag_schemes.decode(np.log([[0.1, 0.1, 0.1, 0.1, 0.6]]), np.array([True]), rules).tolist() == [4]
