"""Texts to token ids: one token a character, or WordPiece; and vocabularies made from texts."""

import functools
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
import numpy.typing as npt
import pandas as pd
from tokenizers import Tokenizer, models, normalizers, pre_tokenizers, trainers

from pipeline.batches import Batch, Layout, lay_out
from pipeline.competition import text_columns
from pipeline.config import Tokens
from pipeline.words import word_starts

SPECIAL = ("[PAD]", "[unused1]", "[UNK]", "[CLS]", "[SEP]", "[MASK]")
LONGEST_WORD = 100  # a longer one becomes [UNK], as in Google's and Hugging Face's tokenizers


class TokenBatch(NamedTuple):
    """ids, segments, position: int32 [bins, width], 0 where padded; member: bool [bins, slots, width]."""

    ids: npt.NDArray[np.int32]
    segments: npt.NDArray[np.int32]
    position: npt.NDArray[np.int32]
    member: npt.NDArray[np.bool_]


@dataclass(frozen=True)
class TokenTable:
    """The token ids of many rows, end to end, [CLS] and [SEP] included.

    ids: int32 [tokens]; offsets: int64 [rows + 1], where each row begins;
    second: int32 [rows], the position inside the row from which segment ids are 1 (its length if never).
    """

    ids: npt.NDArray[np.int32]
    offsets: npt.NDArray[np.int64]
    second: npt.NDArray[np.int32]

    @property
    def lengths(self) -> npt.NDArray[np.int64]:
        """int64 [rows]: tokens a row."""
        return np.diff(self.offsets)

    @functools.cached_property
    def first(self) -> npt.NDArray[np.int64]:
        """int64 [rows]: the first row with the same tokens, so that equal texts need be predicted once."""
        seen: dict[tuple[bytes, int], int] = {}
        bounds = zip(self.offsets, self.offsets[1:], self.second.tolist(), strict=False)
        return np.array([seen.setdefault((self.ids[start:end].tobytes(), second), row)
                         for row, (start, end, second) in enumerate(bounds)], np.int64)

    def batch(self, batch: Batch) -> TokenBatch:
        """The rows of a batch, laid out in its bins."""
        return self.placed(self.layout(batch))

    def layout(self, batch: Batch) -> Layout:
        """Where the tokens of a batch's rows lie."""
        return lay_out(batch, self.offsets[:-1], self.lengths)

    def placed(self, layout: Layout) -> TokenBatch:
        """The tokens of a layout."""
        ids = np.where(layout.real, self.ids[layout.source], 0).astype(np.int32)
        segments = (layout.real & (layout.position >= self.second[layout.row])).astype(np.int32)
        return TokenBatch(ids, segments, layout.position, layout.member)

    def joined(self, other: "TokenTable") -> "TokenTable":
        """The rows of this table, then those of the other."""
        offsets = np.concatenate([self.offsets, self.offsets[-1] + other.offsets[1:]])
        return TokenTable(np.concatenate([self.ids, other.ids]), offsets, np.concatenate([self.second, other.second]))


def encode(texts: pd.DataFrame, vocab: Sequence[str], config: Tokens) -> TokenTable:
    """[CLS] text [SEP], or [CLS] text [SEP] pair [SEP], for each row of a table with text (and text_pair)."""
    id_of = {token: number for number, token in enumerate(vocab)}
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
    np.cumsum([len(row) for row in rows], out=offsets[1:])
    flat = np.fromiter((token for row in rows for token in row), np.int32, count=int(offsets[-1]))
    return TokenTable(flat, offsets, np.array(second, np.int32))


def encode_words(texts: list[str], id_of: Mapping[str, int], config: Tokens) -> Iterator[tuple[list[int], list[bool]]]:
    """For each text the ids of all its tokens, neither cut nor framed, and whether each begins a word."""
    if config.tokenizer == "characters":
        for text, ids in zip(texts, _character_ids(texts, id_of, config), strict=True):
            yield ids, word_starts(text).tolist()
        return
    for text, encoding in zip(texts, _wordpiece(id_of, config.lowercase).encode_batch(texts, add_special_tokens=False),
                              strict=True):
        word = np.cumsum(word_starts(text))[[start for start, _ in encoding.offsets]] if encoding.ids else np.zeros(0)
        yield encoding.ids, (np.diff(word, prepend=-1) != 0).tolist()


def character_vocabulary(texts: Iterable[str], lowercase: bool, least: int = 1) -> list[str]:
    """The special tokens, then every character that occurs ``least`` times, by code point."""
    counts: Counter[str] = Counter()
    for text in texts:
        counts.update(text)
    seen: Counter[str] = Counter()
    for character, count in counts.items():
        if not character.isspace():
            seen[_lower(character) if lowercase else character] += count
    return [*SPECIAL, *sorted(character for character, count in seen.items() if count >= least)]


def wordpiece_vocabulary(texts: Iterable[str], size: int, lowercase: bool) -> list[str]:
    """The special tokens, every character that occurs, then word pieces learnt from the texts up to ``size`` in all.

    The same texts give the same vocabulary: the trainer numbers what it meets in no fixed order and breaks ties by
    number, so every character is named to it beforehand.
    """
    tokenizer = _wordpiece({token: number for number, token in enumerate(SPECIAL)}, lowercase)
    count = Counter(word for text in texts for word, _ in tokenizer.pre_tokenizer.pre_tokenize_str(
        tokenizer.normalizer.normalize_str(text)) if len(word) <= LONGEST_WORD)
    begin, inside = {word[0] for word in count}, {character for word in count for character in word[1:]}
    known = [*SPECIAL, *sorted(begin), *(f"##{character}" for character in sorted(inside))]
    tokenizer.train_from_iterator(count.elements(), trainers.WordPieceTrainer(
        vocab_size=max(size, len(known)), special_tokens=known, min_frequency=2, show_progress=False,
        continuing_subword_prefix="##"))
    pieces = tokenizer.get_vocab()
    return sorted(pieces, key=pieces.__getitem__)


def _tokenize(texts: list[str], id_of: Mapping[str, int], config: Tokens) -> list[list[int]]:
    if config.tokenizer == "wordpiece":
        begun = [text[: LONGEST_WORD * config.max_tokens] for text in texts]  # what follows is hardly ever reached
        encodings = _wordpiece(id_of, config.lowercase).encode_batch(begun, add_special_tokens=False)
        return [encoding.ids for encoding in encodings]
    return _character_ids([text[: config.max_tokens] for text in texts], id_of, config)


def _character_ids(texts: list[str], id_of: Mapping[str, int], config: Tokens) -> list[list[int]]:
    unknown = id_of["[UNK]"]
    space = id_of.get("[unused1]", unknown)

    def number(character: str) -> int:
        if config.lowercase:
            character = _lower(character)
        found = id_of.get(character)
        if found is None:
            return space if character.isspace() else unknown
        return found

    number_of = {character: number(character) for character in set().union(*texts)}
    return [[number_of[character] for character in text] for text in texts]


def _lower(character: str) -> str:
    """Lower case where that is one character too, so that a character stays one token."""
    lower = character.lower()
    return lower if len(lower) == 1 else character


def _wordpiece(id_of: Mapping[str, int], lowercase: bool) -> Tokenizer:
    """BERT's tokenizer; "[SEP]" written in a text is punctuation and letters there, not the special token."""
    tokenizer = Tokenizer(models.WordPiece(dict(id_of), unk_token="[UNK]", max_input_chars_per_word=LONGEST_WORD))
    tokenizer.normalizer = normalizers.BertNormalizer(lowercase=lowercase)
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
