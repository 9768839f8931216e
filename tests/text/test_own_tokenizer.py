"""A tokenizer that a checkpoint brings along makes the tokens that its library makes, framed, cut and kept."""

import json
from pathlib import Path
from typing import Any

import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tokenizers import Tokenizer

from pipeline.checkpoints import tokenizer_files
from pipeline.config.model import Tokens
from pipeline.text import sentencepiece_model, tokenization
from pipeline.text.vocabulary import Vocabulary
from tests.text.own_tokenizers import KINDS, MODEL, library, model_of, vocabulary

OWN = Tokens(tokenizer="checkpoint", max_tokens=32)
MADE = {kind: vocabulary(kind) for kind in KINDS}


def row(kind: str, texts: list[str], most: int = 32) -> list[int]:
    """The ids of a text, or of a pair."""
    table = pd.DataFrame([texts], columns=["text", "text_pair"][:len(texts)], dtype=str)
    ids: list[int] = tokenization.encode(table, MADE[kind], OWN.model_copy(update={"max_tokens": most})).ids.tolist()
    return ids


@pytest.mark.parametrize("kind", KINDS)
@given(st.text(max_size=60), st.text(max_size=60))
@settings(max_examples=60, deadline=None)
def test_tokens_are_those_of_the_library(kind: str, text: str, pair: str) -> None:
    whole, vocab = library(kind), MADE[kind]
    whole.encode_special_tokens = True
    for texts in ([text], [text, pair]):
        assert row(kind, texts, most=512) == whole.encode(texts[0], texts[1] if len(texts) == 2 else None).ids
    table = pd.DataFrame({"text": [text], "text_pair": [pair]}, dtype=str)
    coded = tokenization.encode(table, vocab, OWN.model_copy(update={"max_tokens": 512}))
    types = whole.encode(text, pair).type_ids
    assert int(coded.second[0]) == (types.index(1) if 1 in types else len(types))


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("texts", [["ab cd ef gh ij 好吃"], ["ab cd ef gh", "好吃 不好 abc"]])
def test_a_cut_text_keeps_its_frame(kind: str, texts: list[str]) -> None:
    whole, cut = (row(kind, texts, most) for most in (64, 7))
    assert len(cut) == 7 < len(whole)
    assert (cut[0], cut[-1]) == (whole[0], whole[-1])
    assert cut.count(whole[-1]) == whole.count(whole[-1])


def test_a_special_token_that_a_text_names_is_text() -> None:
    vocab = MADE["byte-level BPE"]
    for number in (vocab.mask, vocab.pad, vocab.frame.before[0], vocab.frame.after[0]):
        assert number not in row("byte-level BPE", [f"a {vocab.tokens[number]} b"])[1:-1]


@pytest.mark.parametrize("kind", KINDS)
def test_words_keep_their_places_and_a_word_that_vanishes_is_unknown(kind: str) -> None:
    table = pd.DataFrame({"text": ["ab \u200b cd", "好吃 不好"]}, dtype=str)
    coded = tokenization.encode(table, MADE[kind], OWN, by_word=True)
    assert coded.words is not None
    assert [sum(place >= 0 for place in row) for row in coded.words] == [3, 2]
    assert all(place >= 1 for row in coded.words for place in row if place >= 0)
    single = [tokenization.encode(pd.DataFrame({"text": [word]}), MADE[kind], OWN, by_word=True).ids[1:-1].tolist()
              for word in ("好吃", "不好")]
    begin = int(coded.offsets[1])
    assert coded.ids[begin + 1:-1].tolist() == [*single[0], *single[1]]


@pytest.mark.parametrize("kind", KINDS)
def test_pieces_of_a_word_are_masked_together(kind: str) -> None:
    [(ids, begins)] = tokenization.encode_words(["the food"], MADE[kind], OWN)
    shown = [MADE[kind].shown(number) for number in ids]
    words = "".join(f"{'|' * begin}{piece}" for piece, begin in zip(shown, begins, strict=True))
    assert len(words.split("|")) == 3, "before the first is nothing, and a space of its own begins the word behind it"


@pytest.mark.parametrize("kind", KINDS)
def test_it_is_kept_with_a_cell_and_read_again(kind: str, tmp_path: Path) -> None:
    name, content = MADE[kind].file
    (tmp_path / name).write_bytes(content)
    again = Vocabulary.kept_in(tmp_path)
    assert again == MADE[kind]
    assert (again.frame, again.pad, again.mask, again.unknown) == (
        MADE[kind].frame, MADE[kind].pad, MADE[kind].mask, MADE[kind].unknown)


def test_vocab_json_with_merges_and_tokenizer_json_are_one_tokenizer(tmp_path: Path) -> None:
    built = library("byte-level BPE")
    whole, parts = tmp_path / "whole", tmp_path / "parts"
    for folder in (whole, parts):
        folder.mkdir()
    built.save(str(whole / "tokenizer.json"))
    built.model.save(str(parts))
    texts = pd.DataFrame({"text": ["the food is good", " a  b", "香菜 soup"], "text_pair": ["", "好", "x"]})
    one, other = (tokenization.encode(texts, tokenizer_files.read(folder, "roberta", "roberta", []), OWN)
                  for folder in (whole, parts))
    assert one.digest == other.digest


@pytest.mark.parametrize(("content", "line"), [
    (b"", "no pieces"), (b"\xff\xff\xff", "not a SentencePiece model"), (b"<html>", "not a SentencePiece model")])
def test_what_is_no_sentencepiece_model_is_refused(content: bytes, line: str) -> None:
    with pytest.raises(ValueError, match=line):
        sentencepiece_model.tokenizer(content, "albert", lowercase=True)


@pytest.mark.parametrize("damage", [
    {"model": {"type": "BPE"}}, {"post_processor": None}, {"added_tokens": []}, {"normalizer": {"type": "none"}}])
def test_a_damaged_tokenizer_json_is_one_line(damage: dict[str, object], tmp_path: Path) -> None:
    tree = json.loads(library("xlm-roberta").to_str())
    tree["model"]["vocab"] = [piece for piece in tree["model"]["vocab"] if "added_tokens" not in damage
                              or piece[0] not in ("<pad>", "<mask>")]
    (tmp_path / "tokenizer.json").write_text(json.dumps(tree | damage))
    problems: list[str] = []
    tokenizer_files.read(tmp_path, "roberta", "roberta", problems)
    assert problems
    assert all(str(tmp_path / "tokenizer.json") in problem for problem in problems)


def put(folder: Path, kind: str, file: str, **settings: object) -> None:
    (folder / file).write_bytes(model_of(kind))
    (folder / "tokenizer_config.json").write_text(json.dumps(settings))


def told(folder: Path, family: str = "roberta") -> list[str]:
    problems: list[str] = []
    tokenizer_files.read(folder, family, family, problems)
    return problems


def test_a_sentencepiece_file_is_the_tokenizer_that_its_class_says(tmp_path: Path) -> None:
    put(tmp_path, "albert", "spiece.model", tokenizer_class="AlbertTokenizer")
    vocab = tokenizer_files.read(tmp_path, "roberta", "roberta", [])
    assert vocab.tokens[vocab.frame.before[0]] == "[CLS]"
    put(tmp_path, "albert", "spiece.model", tokenizer_class="T5Tokenizer")
    assert "T5Tokenizer" in told(tmp_path)[0]
    put(tmp_path, "albert", "spiece.model")
    assert "first pieces must be <unk>, <s> and </s>" in told(tmp_path)[0]


def test_added_tokens_follow_on_a_sentencepiece_file(tmp_path: Path) -> None:
    put(tmp_path, "deberta-v2", "spm.model")
    before = tokenizer_files.read(tmp_path, "deberta", "deberta-v2", [])
    (tmp_path / "added_tokens.json").write_text(json.dumps({"<new>": len(before)}))
    after = tokenizer_files.read(tmp_path, "deberta", "deberta-v2", [])
    assert after.tokens == [*before.tokens, "<new>"]
    (tmp_path / "added_tokens.json").write_text(json.dumps({"<new>": len(before) + 7}))
    assert "ids must follow" in told(tmp_path, "deberta")[0]


def test_ids_beyond_any_tables_are_refused_before_room_is_made_for_them(tmp_path: Path) -> None:
    tree = json.loads(library("byte-level BPE").to_str())
    tree["model"]["vocab"]["zz"] = 4_294_967_290
    (tmp_path / "tokenizer.json").write_text(json.dumps(tree))
    assert "ids must be whole numbers from 0 to" in told(tmp_path)[0]


def test_a_character_map_that_the_library_panics_on_is_a_line(tmp_path: Path) -> None:
    model = sentencepiece_model._message().FromString(model_of("xlm-roberta"))
    model.normalizer_spec.precompiled_charsmap = b"\4\0\0\0\xff\xff\xff\xff"
    (tmp_path / "sentencepiece.bpe.model").write_bytes(model.SerializeToString())
    assert "not a readable tokenizer" in told(tmp_path)[0]


PIECES = ("[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", "HE", "he", "好", "吃", "好吃", "é", "e")
WORDPIECE: dict[str, Any] = {"version": "1.0", "added_tokens": [],
             "normalizer": {"type": "BertNormalizer", "clean_text": True, "handle_chinese_chars": True,
                            "strip_accents": None, "lowercase": True},
             "pre_tokenizer": {"type": "BertPreTokenizer"}, "decoder": None, "truncation": None, "padding": None,
             "post_processor": {"type": "BertProcessing", "sep": ["[SEP]", 3], "cls": ["[CLS]", 2]},
             "model": {"type": "WordPiece", "unk_token": "[UNK]", "continuing_subword_prefix": "##",
                       "max_input_chars_per_word": 100,
                       "vocab": {token: number for number, token in enumerate(PIECES)}}}


@pytest.mark.parametrize(("part", "change"), [
    (None, {}), ("normalizer", {"handle_chinese_chars": False}), ("normalizer", {"clean_text": False}),
    ("model", {"max_input_chars_per_word": 1}), ("normalizer", None), ("pre_tokenizer", None)])
def test_a_wordpiece_that_is_not_berts_keeps_its_own_tokens(part: str | None, change: dict[str, object] | None,
                                                            tmp_path: Path) -> None:
    tree = json.loads(json.dumps(WORDPIECE))
    if part:
        tree[part] = None if change is None else tree[part] | change
    (tmp_path / "tokenizer.json").write_text(json.dumps(tree))
    for _ in range(2):
        vocab = tokenizer_files.read(tmp_path, "bert", "bert", [])
        assert (vocab.own is None) == (part is None)
        config = OWN if vocab.own else Tokens(tokenizer="wordpiece", max_tokens=32)
        coded = tokenization.encode(pd.DataFrame({"text": ["HE he 好吃 é"]}), vocab, config)
        assert coded.ids.tolist() == Tokenizer.from_str(json.dumps(tree)).encode("HE he 好吃 é").ids
        (tmp_path / "vocab.txt").write_text("".join(f"{token}\n" for token in tree["model"]["vocab"]))


def test_what_berts_tokenizer_does_not_do_over_a_vocab_txt_is_refused(tmp_path: Path) -> None:
    (tmp_path / "vocab.txt").write_text("".join(f"{token}\n" for token in PIECES))
    for said in ({"tokenize_chinese_chars": False}, {"tokenizer_class": "BertJapaneseTokenizer"}):
        (tmp_path / "tokenizer_config.json").write_text(json.dumps(said))
        assert str(next(iter(said))) in told(tmp_path, "bert")[0]


def test_a_model_that_is_no_unigram_is_refused() -> None:
    raw = MODEL.read_bytes()
    assert sentencepiece_model.tokenizer(raw, "albert", lowercase=True)
    trainer = b"\x12\x02\x18\x02"  # trainer_spec { model_type: BPE }, which the last of such fields settles
    with pytest.raises(ValueError, match="Unigram"):
        sentencepiece_model.tokenizer(raw + trainer, "albert", lowercase=True)
