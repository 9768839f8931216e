"""Texts become the token ids that BERT was trained with, never more than fit, and batches of them lose nothing."""


import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pipeline.config.model import Tokens
from pipeline.text import bert_vocabulary, tokenization
from pipeline.text.packing import Batch
from pipeline.text.token_table import TokenTable
from pipeline.text.vocabulary import SPECIAL, Vocabulary

CHARACTERS = [*SPECIAL, "香", "辣", "a", "b", "B", "é", "É", "，", "[", "]", "S", "s", "e", "p", "1", "K"]
PIECES = [*SPECIAL, "want", "##want", "##ed", "wa", "un", "runn", "##ing", ",", "ah", "博", "推", "zz", "a", "##a",
          "the", "cafe", "café", "[", "]", "sep", "SEP", "!", "Un", "，"]


def encoded(*texts: str, vocab: list[str] = CHARACTERS, **options: object) -> list[list[str]]:
    """The rows as tokens, [CLS] and [SEP] included."""
    table = tokenization.encode(pd.DataFrame({"text": texts}), Vocabulary(vocab), Tokens.model_validate(options))
    return [[vocab[number] for number in table.ids[start:end]]
            for start, end in zip(table.offsets, table.offsets[1:], strict=False)]


def between(rows: list[list[str]]) -> list[str]:
    """The tokens of the one row, joined by spaces, without [CLS] and [SEP]."""
    row, = rows
    assert (row[0], row[-1]) == ("[CLS]", "[SEP]")
    return row[1:-1]


def pairs(first: list[str], second: list[str], **options: object) -> TokenTable:
    table = pd.DataFrame({"text": first, "text_pair": second})
    return tokenization.encode(table, Vocabulary(CHARACTERS), Tokens.model_validate(options))


@pytest.mark.parametrize(("text", "expected"), [
    ("香辣", ["香", "辣"]), ("香 辣", ["香", "[unused1]", "辣"]), ("\t香　", ["[unused1]", "香", "[unused1]"]),
    ("香?", ["香", "[UNK]"]), ("aBB1", ["a", "b", "b", "1"]), ("É", ["é"]), ("", []),
    ("e\u0301", ["e", "[UNK]"]), ("İ", ["[UNK]"]), ("[SEP]", ["[", "s", "e", "p", "]"]), ("😀", ["[UNK]"]),
])
def test_a_character_is_a_token(text: str, expected: list[str]) -> None:
    assert between(encoded(text)) == expected


@pytest.mark.parametrize(("text", "expected"), [("aB", ["a", "B"]), ("É", ["É"]), ("A", ["[UNK]"])])
def test_capitals_stay_where_the_config_says_so(text: str, expected: list[str]) -> None:
    assert between(encoded(text, lowercase=False)) == expected


def test_a_space_is_unknown_to_a_vocabulary_without_unused1_and_itself_to_one_with_it() -> None:
    assert between(encoded("a b", vocab=[token for token in CHARACTERS if token != "[unused1]"])) == ["a", "[UNK]", "b"]
    assert between(encoded("a　b", vocab=[*CHARACTERS, "　"])) == ["a", "　", "b"]


@pytest.mark.parametrize("tokenizer", ["characters", "wordpiece"])
@pytest.mark.parametrize(("most", "kept"), [(3, 1), (5, 3), (9, 7), (10, 8), (512, 8)])
def test_a_long_text_loses_its_end(tokenizer: str, most: int, kept: int) -> None:
    vocab = [*SPECIAL, *"甲乙丙丁戊己庚辛"]
    row = between(encoded("甲乙丙丁戊己庚辛", vocab=vocab, tokenizer=tokenizer, max_tokens=most))
    assert row == list("甲乙丙丁戊己庚辛"[:kept])


@pytest.mark.parametrize(("text", "expected"), [
    ("UNwant\u00c9d,running", ["un", "##want", "##ed", ",", "runn", "##ing"]),  # the example of Google's own test
    ("ah博推zz", ["ah", "博", "推", "zz"]),
    ("unwantedX running", ["[UNK]", "runn", "##ing"]),
    (" \t the\r\n　café\x00\u200d ", ["the", "cafe"]),
    ("CAFÉ!", ["cafe", "!"]), ("un，want", ["un", "，", "want"]), ("", []), ("   ", []),
    ("a" * 100, ["a"] + ["##a"] * 99), ("a" * 101, ["[UNK]"]), ("a" * 101 + " the", ["[UNK]", "the"]),
    ("the [SEP]", ["the", "[", "sep", "]"]), ("[UNK][PAD]", ["[", "[UNK]", "]", "[", "[UNK]", "]"]),
])
def test_wordpiece_is_that_of_bert(text: str, expected: list[str]) -> None:
    assert between(encoded(text, vocab=PIECES, tokenizer="wordpiece", max_tokens=512)) == expected


def test_wordpiece_keeps_capitals_and_accents_where_the_config_says_so() -> None:
    row = between(encoded("Unwanted café the[SEP]", vocab=PIECES, tokenizer="wordpiece", lowercase=False))
    assert row == ["Un", "##want", "##ed", "café", "the", "[", "SEP", "]"]


def test_a_special_token_written_in_a_text_is_not_the_special_token() -> None:
    special = {SPECIAL.index(token) for token in ("[PAD]", "[CLS]", "[SEP]", "[MASK]")}
    for kind, vocab in (("characters", CHARACTERS), ("wordpiece", PIECES)):
        table = tokenization.encode(pd.DataFrame({"text": ["[PAD] [CLS] [SEP] [MASK]"]}), Vocabulary(vocab),
                              Tokens.model_validate({"tokenizer": kind, "max_tokens": 64}))
        assert not special & set(table.ids[1:-1].tolist())


def test_a_pair_has_segment_1_from_its_second_text_on() -> None:
    table = pairs(["香辣", "", "香"], ["a", "ab", ""])
    ids, segments, *_ = table.batch(Batch(np.array([[0], [1], [2]]), 7))
    assert [[CHARACTERS[number] for number in row] for row in ids] == [
        ["[CLS]", "香", "辣", "[SEP]", "a", "[SEP]", "[PAD]"],
        ["[CLS]", "[SEP]", "a", "b", "[SEP]", "[PAD]", "[PAD]"],
        ["[CLS]", "香", "[SEP]", "[SEP]", "[PAD]", "[PAD]", "[PAD]"]]
    assert segments.tolist() == [[0, 0, 0, 0, 1, 1, 0], [0, 0, 1, 1, 1, 0, 0], [0, 0, 0, 1, 0, 0, 0]]


@pytest.mark.parametrize(("first", "second", "room", "kept"), [
    (5, 3, 8, (5, 3)), (8, 3, 8, (5, 3)), (3, 8, 8, (3, 5)), (6, 6, 9, (5, 4)), (6, 6, 8, (4, 4)), (9, 6, 7, (4, 3)),
    (6, 9, 7, (4, 3)), (0, 9, 5, (0, 5)), (9, 0, 5, (5, 0)), (1, 1, 1, (1, 0)), (7, 2, 0, (0, 0)), (99, 98, 9, (5, 4)),
])
def test_a_long_pair_loses_tokens_of_its_longer_text_first(
        first: int, second: int, room: int, kept: tuple[int, int]) -> None:
    assert lengths_kept(first, second, room) == kept


@settings(deadline=None)
@given(st.integers(0, 60), st.integers(0, 60), st.integers(0, 40))
def test_a_pair_is_cut_token_by_token_as_google_cuts_it(first: int, second: int, room: int) -> None:
    a, b = lengths_kept(first, second, room)
    assert a + b == min(first + second, room)
    if a < first and b < second:
        assert a - b in (0, 1)  # both were cut: they ended level, the second one lost the odd token
    elif a < first:
        assert a >= b
    elif b < second:
        assert b >= a - 1
    while first + second > room:
        first, second = (first - 1, second) if first > second else (first, second - 1)
    assert (a, b) == (first, second)


def lengths_kept(first: int, second: int, room: int) -> tuple[int, int]:
    """How much of two texts of these lengths is left; what is left is their beginning."""
    one, other = "a" + "香" * (first - 1), "b" + "辣" * (second - 1)
    table = pairs([one[:first]], [other[:second]], max_tokens=room + 3)
    row = [CHARACTERS[number] for number in table.ids]
    assert len(row) <= room + 3
    middle = row.index("[SEP]")
    assert middle + 1 == table.second[0]
    assert row == ["[CLS]", *one[:middle - 1], "[SEP]", *other[:len(row) - middle - 2], "[SEP]"]
    return middle - 1, len(row) - middle - 2


def test_wordpiece_pairs_are_cut_by_tokens() -> None:
    table = tokenization.encode(pd.DataFrame({"text": ["unwanted running"], "text_pair": ["the cafe"]}),
                                Vocabulary(PIECES), Tokens(tokenizer="wordpiece", max_tokens=7))
    assert [PIECES[number] for number in table.ids] == ["[CLS]", "un", "##want", "[SEP]", "the", "cafe", "[SEP]"]
    assert table.second.tolist() == [4]


@settings(deadline=None)
@given(st.lists(st.text("香辣ab", max_size=12), min_size=1, max_size=20), st.integers(3, 16), st.data())
def test_a_batch_holds_its_rows_and_padding_else(texts: list[str], most: int, data: st.DataObject) -> None:
    table = tokenization.encode(pd.DataFrame({"text": texts}), Vocabulary(CHARACTERS), Tokens(max_tokens=most))
    rows = data.draw(st.lists(st.integers(0, len(texts) - 1), min_size=1, max_size=9))
    width = int(table.lengths[rows].max()) + data.draw(st.integers(0, 3))
    ids, segments, *_ = table.batch(Batch(np.array(rows)[:, None], width))
    assert (ids.dtype, segments.dtype, ids.shape) == (np.int32, np.int32, (len(rows), width))
    assert not segments.any()
    for row, values in zip(rows, ids.tolist(), strict=True):
        expected = [CHARACTERS.index(token) for token in ("[CLS]", *texts[row][:most - 2], "[SEP]")]
        assert values == expected + [0] * (width - len(expected))
    assert table.lengths.tolist() == [min(len(text) + 2, most) for text in texts]


def test_a_character_vocabulary_knows_every_character_of_its_texts_and_no_space() -> None:
    texts = ["香 aB", "É　\tİ1a"]
    assert bert_vocabulary.of_characters(texts, lowercase=True) == [*SPECIAL, *sorted({"香", "a", "b", "é", "İ", "1"})]
    assert bert_vocabulary.of_characters(texts, lowercase=False) == [*SPECIAL, *sorted("香aBÉİ1")]
    for lowercase in (True, False):
        vocab = bert_vocabulary.of_characters(texts, lowercase)
        assert all("[UNK]" not in row for row in encoded(*texts, vocab=vocab, lowercase=lowercase))


def test_a_word_piece_vocabulary_has_the_special_tokens_first_and_is_no_larger_than_asked_for() -> None:
    vocab = bert_vocabulary.of_word_pieces(["Running runner runs 香辣", "ran running"] * 5, 40, Tokens())
    assert tuple(vocab[:len(SPECIAL)]) == SPECIAL
    assert len(vocab) == len(set(vocab)) <= 40
    assert all(token == token.lower() for token in vocab[len(SPECIAL):])
    assert "run" in "".join(between(encoded("running", vocab=vocab, tokenizer="wordpiece")))


def test_the_same_texts_give_the_same_word_piece_vocabulary() -> None:
    texts = [f"the quick brown fox jumps {number * number}" for number in range(99)]
    vocab = bert_vocabulary.of_word_pieces(texts, 90, Tokens())
    for _ in range(5):
        assert bert_vocabulary.of_word_pieces(texts, 90, Tokens()) == vocab


def test_learning_word_pieces_does_not_hang_on_very_long_words() -> None:
    vocab = bert_vocabulary.of_word_pieces(["a" * 100_000, "the cafe"] * 2, 90, Tokens())
    assert "the" in vocab


@pytest.mark.parametrize(("tokenizer", "text", "row", "places"), [
    ("characters", "香 ab 辣", "[CLS] 香 a b 辣 [SEP]", [1, 2, 4]),
    ("wordpiece", "wanted the runn!", "[CLS] want ##ed the runn ! [SEP]", [1, 3, 4]),
    ("wordpiece", "qq the \u200d", "[CLS] [UNK] the [UNK] [SEP]", [1, 2, 3]),  # the last has no piece of its own
    ("wordpiece", "博 a [SEP] ah", "[CLS] 博 a [ sep ] ah [SEP]", [1, 2, 3, 6]),
])
def test_words_begin_where_their_first_token_is(tokenizer: str, text: str, row: str, places: list[int]) -> None:
    vocab = CHARACTERS if tokenizer == "characters" else PIECES
    config = Tokens.model_validate({"tokenizer": tokenizer})
    table = tokenization.encode(pd.DataFrame({"text": [text]}), Vocabulary(vocab), config, by_word=True)
    assert [vocab[number] for number in table.ids] == row.split(" ")
    assert table.words is not None
    assert table.words.tolist() == [places]


def test_a_word_that_is_cut_off_has_no_place() -> None:
    config = Tokens(max_tokens=5)
    texts = ["a b B a b", "ab ab", "ab", "a"]
    table = tokenization.encode(pd.DataFrame({"text": texts}), Vocabulary(CHARACTERS), config, by_word=True)
    assert table.words is not None
    assert table.words.tolist() == [[1, 2, 3], [1, 3, -1], [1, -1, -1], [1, -1, -1]]
    longer = tokenization.encode(pd.DataFrame({"text": ["a b B a b"]}), Vocabulary(CHARACTERS), Tokens(), by_word=True)
    assert longer.words is not None
    joined = table.joined(longer).words
    assert joined is not None
    assert joined[:4, 3:].tolist() == [[-1, -1]] * 4
    assert joined[4].tolist() == [1, 2, 3, 4, 5]
