"""Texts to token ids: one token a character, or WordPiece."""

import itertools
from collections.abc import Iterable, Iterator, Mapping, Sequence

import numpy as np
import numpy.typing as npt
import pandas as pd
from tokenizers import Tokenizer, models, normalizers, pre_tokenizers

from pipeline.config.model import Tokens
from pipeline.text.columns import text_columns
from pipeline.text.token_table import TokenTable
from pipeline.text.word_starts import word_starts

AT_ONCE = 10_000  # rows whose tokens are Python objects at a time
LONGEST_WORD = 100  # a longer one becomes [UNK], as in Google's and Hugging Face's tokenizers


def encode(texts: pd.DataFrame, vocab: Sequence[str], config: Tokens, by_word: bool = False) -> TokenTable:
    """[CLS] text [SEP], or [CLS] text [SEP] pair [SEP], for each row of a table with text (and text_pair).

    by_word: the text is words with a space between them, and where each begins is kept.
    """
    id_of = {token: number for number, token in enumerate(vocab)}
    first, *others = [_encode(texts.iloc[at:at + AT_ONCE], id_of, config, by_word)
                      for at in range(0, max(len(texts), 1), AT_ONCE)]
    return first.joined(*others)


def _encode(texts: pd.DataFrame, id_of: Mapping[str, int], config: Tokens, by_word: bool) -> TokenTable:
    starts: list[list[int]] = []
    if by_word:
        ids, starts = _code_words([text.split(" ") for text in texts.text], id_of, config)
        columns = [ids]
    else:
        columns = [_tokenize(texts[name].tolist(), id_of, config) for name in text_columns(texts)]
    cls, sep = id_of["[CLS]"], id_of["[SEP]"]
    room = config.max_tokens - 1 - len(columns)
    rows, second = [], []
    for parts in zip(*columns, strict=True):
        kept = _truncate(parts, room)
        row = [cls]
        for part in kept:
            row += [*part, sep]
        rows.append(row)
        second.append(len(kept[0]) + 2 if len(kept) == 2 else len(row))
    offsets = np.zeros(len(rows) + 1, np.int64)
    np.cumsum(np.array([len(row) for row in rows], np.int64), out=offsets[1:])
    flat = np.fromiter((token for row in rows for token in row), np.int32, count=int(offsets[-1]))
    return TokenTable(flat, offsets, np.array(second, np.int32), _places(starts, room) if by_word else None)


def _code_words(texts: list[list[str]], id_of: Mapping[str, int], config: Tokens
                ) -> tuple[list[list[int]], list[list[int]]]:
    """For each text the ids of all its words, and at which of them each word begins; [UNK] where the tokenizer drops a
    word."""
    distinct = sorted(set().union(*texts))
    coded = {word: ids or [id_of["[UNK]"]]
             for word, ids in zip(distinct, _tokenize(distinct, id_of, config), strict=True)}
    ids, starts = [], []
    for words in texts:
        pieces = [coded[word] for word in words]
        ids.append(list(itertools.chain.from_iterable(pieces)))
        starts.append([0, *itertools.accumulate(map(len, pieces))][:-1])
    return ids, starts


def _places(starts: list[list[int]], room: int) -> npt.NDArray[np.int32]:
    """int32 [rows, words]: behind [CLS], -1 where there is no word or it was cut off."""
    by_row = [[start + 1 for start in row if start < room] for row in starts]
    places = np.full([len(by_row), max(map(len, by_row), default=0)], -1, np.int32)
    for row, own in enumerate(by_row):
        places[row, :len(own)] = own
    return places


def encode_words(texts: list[str], id_of: Mapping[str, int], config: Tokens) -> Iterator[tuple[list[int], list[bool]]]:
    """For each text the ids of all its tokens, neither cut nor framed, and whether each begins a word."""
    if config.tokenizer == "characters":
        for text, ids in zip(texts, _character_ids(texts, id_of, config), strict=True):
            yield ids, word_starts(text).tolist()
        return
    for text, encoding in zip(texts, wordpiece(id_of, config).encode_batch(texts, add_special_tokens=False),
                              strict=True):
        word = np.cumsum(word_starts(text))[[start for start, _ in encoding.offsets]] if encoding.ids else np.zeros(0)
        yield encoding.ids, (np.diff(word, prepend=-1) != 0).tolist()


def _tokenize(texts: list[str], id_of: Mapping[str, int], config: Tokens) -> list[list[int]]:
    if config.tokenizer == "wordpiece":
        begun = [text[: LONGEST_WORD * config.max_tokens] for text in texts]  # what follows is hardly ever reached
        encodings = wordpiece(id_of, config).encode_batch(begun, add_special_tokens=False)
        return [encoding.ids for encoding in encodings]
    return _character_ids([text[: config.max_tokens] for text in texts], id_of, config)


def _character_ids(texts: list[str], id_of: Mapping[str, int], config: Tokens) -> list[list[int]]:
    number_of = character_ids(set().union(*texts), id_of, config)
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
