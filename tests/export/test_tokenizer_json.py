"""A tokenizer.json has the run's token ids, on any text."""

import functools
import itertools
import sys

import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tokenizers import Tokenizer

from pipeline.config.model import Tokens
from pipeline.export import tokenizer_json
from pipeline.text import tokenization
from pipeline.text.vocabulary import Vocabulary
from tests.export.test_graph_tokenizer import TEXTS
from tests.text.test_tokenization import CHARACTERS, PIECES

VOCABULARIES = {"characters": {"usual": CHARACTERS, "odd": [*CHARACTERS, "İ", "A", "　", "ɤ", "^", "-", "&", "\\"],
                               "no space": [token for token in CHARACTERS if token != "[unused1]"]},
                "wordpiece": {"usual": PIECES}}
KINDS = [(tokenizer, name) for tokenizer, named in VOCABULARIES.items() for name in named]


@functools.cache
def read_again(tokenizer: str, vocab: str, lowercase: bool, most: int, pairs: bool) -> tuple[Tokenizer, Tokens]:
    config = Tokens.model_validate({"tokenizer": tokenizer, "lowercase": lowercase, "max_tokens": most})
    built = tokenizer_json.build(Vocabulary(VOCABULARIES[tokenizer][vocab]), config, pairs)
    return Tokenizer.from_str(built.to_str()), config


def check(tokenizer: str, vocab: str, lowercase: bool, most: int, first: list[str], second: list[str] | None = None
          ) -> None:
    again, config = read_again(tokenizer, vocab, lowercase, most, second is not None)
    table = pd.DataFrame({"text": first} | ({} if second is None else {"text_pair": second}))
    expected = tokenization.encode(table, Vocabulary(VOCABULARIES[tokenizer][vocab]), config)
    found = again.encode_batch(first if second is None else list(zip(first, second, strict=True)))
    for row, (one, (start, end)) in enumerate(zip(found, itertools.pairwise(expected.offsets), strict=True)):
        length = sum(one.attention_mask)
        if second is not None and length > most:
            continue  # not cut
        assert one.ids == [*expected.ids[start:end], *[0] * (len(one.ids) - length)], first[row]
        assert one.attention_mask == [int(place < length) for place in range(len(one.ids))]
        assert one.type_ids == [int(expected.second[row] <= place < length) for place in range(len(one.ids))]


@settings(deadline=None, max_examples=50)
@given(st.lists(TEXTS, min_size=1, max_size=6), st.sampled_from([True, False]), st.sampled_from([5, 22]))
@pytest.mark.parametrize(("tokenizer", "vocab"), KINDS)
def test_texts_have_the_same_tokens(tokenizer: str, vocab: str, texts: list[str], lowercase: bool, most: int) -> None:
    check(tokenizer, vocab, lowercase, most, texts)


@settings(deadline=None, max_examples=50)
@given(st.lists(st.tuples(TEXTS, TEXTS), min_size=1, max_size=5))
@pytest.mark.parametrize(("tokenizer", "vocab"), KINDS)
def test_pairs_that_need_no_cut_have_the_same_tokens(tokenizer: str, vocab: str, texts: list[tuple[str, str]]) -> None:
    check(tokenizer, vocab, True, 64, [first for first, _ in texts], [second for _, second in texts])


@pytest.mark.parametrize("lowercase", [True, False])
@pytest.mark.parametrize("vocab", ["usual", pytest.param("odd", marks=pytest.mark.long)])
def test_every_character_has_the_same_token(vocab: str, lowercase: bool) -> None:
    everything = "".join(chr(point) for point in range(sys.maxunicode + 1) if not 0xD800 <= point < 0xE000)
    texts = [everything[at:at + 500] for at in range(0, len(everything), 500)]
    check("characters", vocab, lowercase, 502, texts)
