"""The tokenizer inside the graph is the one outside of it, on any text."""

import functools
import sys

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pipeline.backend import tf
from pipeline.config.model import Tokens
from pipeline.export.graph_tokenizer import GraphTokenizer
from pipeline.text import tokenization
from pipeline.text.vocabulary import Vocabulary
from tests.text.test_tokenization import CHARACTERS, PIECES

VOCABULARIES = {"characters": CHARACTERS, "wordpiece": PIECES}
TEXTS = st.one_of(
    st.text(st.characters(codec="utf-8"), max_size=30),
    st.text(st.sampled_from("wanted thrunigcfé,!博推香AÉ\t \u3000[SEP]aaaa\u0301İß"), max_size=40),
    st.text(st.sampled_from("wantedrunning"), min_size=90, max_size=110))


@functools.cache
def graph(tokenizer: str, lowercase: bool, most: int, by_word: bool = False) -> GraphTokenizer:
    config = Tokens.model_validate({"tokenizer": tokenizer, "lowercase": lowercase, "max_tokens": most})
    return GraphTokenizer(VOCABULARIES[tokenizer], config, by_word)


def check(tokenizer: str, lowercase: bool, most: int, first: list[str], second: list[str] | None = None,
          by_word: bool = False) -> None:
    built = graph(tokenizer, lowercase, most, by_word)
    table = pd.DataFrame({"text": first} | ({} if second is None else {"text_pair": second}))
    expected = tokenization.encode(table, Vocabulary(VOCABULARIES[tokenizer]), built.config, by_word)
    ids, segments, real, words = (part.numpy() for part in built(
        tf.constant(first), None if second is None else tf.constant(second)))
    np.testing.assert_array_equal(real.sum(axis=1), expected.lengths)
    for row, (start, end) in enumerate(zip(expected.offsets, expected.offsets[1:], strict=False)):
        length = int(end - start)
        assert ids[row, :length].tolist() == expected.ids[start:end].tolist(), first[row]
        assert not ids[row, length:].any()
        assert segments[row, :length].tolist() == [int(place >= expected.second[row]) for place in range(length)]
    assert words.shape == (len(first), max(text.count(" ") + 1 for text in first) if by_word else 0)
    if expected.words is not None:
        np.testing.assert_array_equal(words[:, :expected.words.shape[1]], expected.words)
        assert (words[:, expected.words.shape[1]:] == -1).all()


@settings(deadline=None, max_examples=6)
@given(st.lists(TEXTS, min_size=1, max_size=6), st.sampled_from([True, False]), st.sampled_from([5, 22]))
@pytest.mark.parametrize("tokenizer", ["characters", "wordpiece"])
def test_texts_become_the_same_tokens(tokenizer: str, texts: list[str], lowercase: bool, most: int) -> None:
    check(tokenizer, lowercase, most, texts)


@settings(deadline=None, max_examples=8)
@given(st.lists(st.tuples(TEXTS, TEXTS), min_size=1, max_size=5), st.sampled_from([5, 22]))
@pytest.mark.parametrize("tokenizer", ["characters", "wordpiece"])
def test_pairs_are_cut_alike(tokenizer: str, texts: list[tuple[str, str]], most: int) -> None:
    check(tokenizer, True, most, [first for first, _ in texts], [second for _, second in texts])


@settings(deadline=None, max_examples=8)
@given(st.lists(st.lists(TEXTS, min_size=1, max_size=5).map(" ".join), min_size=1, max_size=4),
       st.sampled_from([5, 22]))
@pytest.mark.parametrize("tokenizer", ["characters", pytest.param("wordpiece", marks=pytest.mark.long)])
def test_words_begin_at_the_same_tokens(tokenizer: str, texts: list[str], most: int) -> None:
    check(tokenizer, True, most, texts, by_word=True)


@pytest.mark.parametrize("tokenizer", ["characters", "wordpiece"])
def test_every_character_becomes_the_same_token(tokenizer: str) -> None:
    everything = [chr(point) for point in range(sys.maxunicode + 1) if not 0xD800 <= point < 0xE000]
    some = np.random.default_rng(0).choice(len(everything), 3000, replace=False)
    chosen = [everything[place] for place in sorted({*range(3000), *some})]
    check(tokenizer, True, 22, [f"a{character}b" for character in chosen])
