"""Texts to token ids: one token a character, WordPiece, or a checkpoint's own tokenizer."""

import itertools
from collections.abc import Iterable, Iterator, Mapping

import numpy as np
import numpy.typing as npt
import pandas as pd
from tokenizers import Tokenizer, models, normalizers, pre_tokenizers

from pipeline.config.model import Tokens
from pipeline.text.columns import text_columns
from pipeline.text.token_table import TokenTable
from pipeline.text.vocabulary import Vocabulary
from pipeline.text.word_starts import word_starts

AT_ONCE = 10_000  # rows whose tokens are Python objects at a time
LONGEST_WORD = 100  # a longer one becomes [UNK], as in Google's and Hugging Face's tokenizers


def encode(texts: pd.DataFrame, vocab: Vocabulary, config: Tokens, by_word: bool = False) -> TokenTable:
    """[CLS] text [SEP], or [CLS] text [SEP] pair [SEP], or what the checkpoint's family has in their place, for each
    row of a table with text (and text_pair).

    by_word: the text is words with a space between them, and where each begins is kept.
    """
    first, *others = [_encode(texts.iloc[at:at + AT_ONCE], vocab, config, by_word)
                      for at in range(0, max(len(texts), 1), AT_ONCE)]
    return first.joined(*others)


def _encode(texts: pd.DataFrame, vocab: Vocabulary, config: Tokens, by_word: bool) -> TokenTable:
    starts: list[list[int]] = []
    if by_word:
        ids, starts = _code_words([text.split(" ") for text in texts.text], vocab, config)
        columns = [ids]
    else:
        columns = [_tokenize(texts[name].tolist(), vocab, config) for name in text_columns(texts)]
    frame = vocab.frame
    room = config.max_tokens - frame.special(len(columns))
    rows, second = [], []
    for parts in zip(*columns, strict=True):
        kept = _truncate(parts, room)
        row = [*frame.before, *kept[0]]
        if len(kept) == 2:
            row += frame.between
            begin = len(row)
            row += kept[1]
        row += frame.after
        rows.append(row)
        second.append(begin if len(kept) == 2 and frame.second_segment else len(row))
    offsets = np.zeros(len(rows) + 1, np.int64)
    np.cumsum(np.array([len(row) for row in rows], np.int64), out=offsets[1:])
    flat = np.fromiter((token for row in rows for token in row), np.int32, count=int(offsets[-1]))
    places = _places(starts, room, len(frame.before)) if by_word else None
    return TokenTable(flat, offsets, np.array(second, np.int32), places)


def _code_words(texts: list[list[str]], vocab: Vocabulary, config: Tokens
                ) -> tuple[list[list[int]], list[list[int]]]:
    """For each text the ids of all its words, and at which of them each word begins; [UNK] where the tokenizer drops a
    word."""
    distinct = sorted(set().union(*texts))
    begun = [f" {word}" for word in distinct] if vocab.own and vocab.own.is_byte_level else distinct
    coded = {word: ids or [vocab.unknown]
             for word, ids in zip(distinct, _tokenize(begun, vocab, config), strict=True)}
    ids, starts = [], []
    for words in texts:
        pieces = [coded[word] for word in words]
        ids.append(list(itertools.chain.from_iterable(pieces)))
        starts.append([0, *itertools.accumulate(map(len, pieces))][:-1])
    return ids, starts


def _places(starts: list[list[int]], room: int, before: int) -> npt.NDArray[np.int32]:
    """int32 [rows, words]: behind the tokens before the text, -1 where there is no word or it was cut off."""
    by_row = [[start + before for start in row if start < room] for row in starts]
    places = np.full([len(by_row), max(map(len, by_row), default=0)], -1, np.int32)
    for row, own in enumerate(by_row):
        places[row, :len(own)] = own
    return places


def encode_words(texts: list[str], vocab: Vocabulary, config: Tokens) -> Iterator[tuple[list[int], list[bool]]]:
    """For each text the ids of all its tokens, neither cut nor framed, and whether each begins a word."""
    if config.tokenizer == "characters":
        for text, ids in zip(texts, _character_ids(texts, vocab, config), strict=True):
            yield ids, word_starts(text).tolist()
        return
    library = _library(vocab, config)
    for text, encoding in zip(texts, library.encode_batch(texts, add_special_tokens=False), strict=True):
        number = np.cumsum(word_starts(text))
        word = number[[_first_visible(text, *offsets) for offsets in encoding.offsets]] if encoding.ids else np.zeros(0)
        yield encoding.ids, (np.diff(word, prepend=-1) != 0).tolist()


def _first_visible(text: str, start: int, end: int) -> int:
    """Where a token's own characters begin: some tokenizers count the space before a word among them, or make a token
    of it, which then belongs to the word that follows."""
    piece = text[start:end]
    return min(start + len(piece) - len(piece.lstrip()), len(text) - 1)


def _tokenize(texts: list[str], vocab: Vocabulary, config: Tokens) -> list[list[int]]:
    if config.tokenizer == "characters":
        return _character_ids([text[: config.max_tokens] for text in texts], vocab, config)
    begun = [text[: LONGEST_WORD * config.max_tokens] for text in texts]  # what follows is hardly ever reached
    encodings = _library(vocab, config).encode_batch_fast(begun, add_special_tokens=False)
    return [encoding.ids for encoding in encodings]


def _library(vocab: Vocabulary, config: Tokens) -> Tokenizer:
    """The library's tokenizer of these settings."""
    if config.tokenizer == "wordpiece":
        return wordpiece(vocab.id_of, config)
    assert vocab.own, "tokens.tokenizer = 'checkpoint' and a vocabulary of BERT's"
    return vocab.own.library


def _character_ids(texts: list[str], vocab: Vocabulary, config: Tokens) -> list[list[int]]:
    number_of = character_ids(set().union(*texts), vocab.id_of, config)
    return [[number_of[character] for character in text] for text in texts]


def character_ids(characters: Iterable[str], id_of: Mapping[str, int], config: Tokens) -> dict[str, int]:
    """The token of each character, where a character is a token."""
    unknown = id_of["[UNK]"]
    space = id_of.get("[unused1]", unknown)

    def number(character: str) -> int:
        if config.lowers:
            character = lower(character)
        known = id_of.get(character)
        if known is None:
            return space if character.isspace() else unknown
        return known

    return {character: number(character) for character in characters}


def lower(character: str) -> str:
    """Lower case where that is one character too, so that a character stays one token."""
    lower = character.lower()
    return lower if len(lower) == 1 else character


def normalizer(config: Tokens) -> normalizers.BertNormalizer:
    """What BERT's tokenizer does to characters before it splits them into words."""
    return normalizers.BertNormalizer(lowercase=config.lowers, strip_accents=config.strip_accents)


def wordpiece(id_of: Mapping[str, int], config: Tokens) -> Tokenizer:
    """BERT's tokenizer; "[SEP]" written in a text is punctuation and letters there, not the special token."""
    tokenizer = Tokenizer(models.WordPiece(dict(id_of), unk_token="[UNK]", max_input_chars_per_word=LONGEST_WORD))
    tokenizer.normalizer = normalizer(config)
    tokenizer.pre_tokenizer = pre_tokenizers.BertPreTokenizer()
    return tokenizer


def _truncate(parts: tuple[list[int], ...], room: int) -> list[list[int]]:
    """Cut from the end; of a pair, the longer loses tokens first, the second where both are equally long."""
    if len(parts) == 1:
        return [parts[0][:room]]
    first, second = len(parts[0]), len(parts[1])
    excess = max(0, first + second - room)
    level = min(excess, abs(first - second))
    rest = excess - level
    cut_first = (level if first > second else 0) + rest // 2
    return [parts[0][: first - cut_first], parts[1][: second - (excess - cut_first)]]
