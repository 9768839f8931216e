"""Raw strings to token ids in TensorFlow's graph, as ``pipeline.text.tokenization`` makes them, for served models.

What a tokenizer does to a character does not depend on its neighbours, so it is a table over all of Unicode: a token
for each character, or what BERT's normaliser makes of it. WordPiece then takes the longest known piece, again and
again.
"""

from collections.abc import Sequence
from typing import Any

import numpy as np
import numpy.typing as npt
from tokenizers import pre_tokenizers

from pipeline.backend import tf
from pipeline.config.model import Tokens
from pipeline.text.tokenization import LONGEST_WORD, character_ids, normalizer
from pipeline.text.unicode import CODE_POINTS, SURROGATES

WHITE, MARK, OTHER = range(3)  # what a character is to the splitting into words
KINDS = {1: OTHER, 2: WHITE, 3: MARK}  # into how many parts "a?a" is split: 1: a letter, 2: white space, 3: punctuation


class GraphTokenizer(tf.Module):
    """Texts, or pairs of them, to the ids of [CLS] text [SEP], or [CLS] text [SEP] pair [SEP].

    by_word: a text is words with a space between them, and where each begins is told.
    """

    def __init__(self, vocab: Sequence[str], config: Tokens, by_word: bool = False):
        super().__init__()
        self.config, self.by_word, id_of = config, by_word, {token: number for number, token in enumerate(vocab)}
        self._cls, self._sep, self._unknown = (id_of[token] for token in ("[CLS]", "[SEP]", "[UNK]"))
        if config.tokenizer == "characters":
            tokens = character_ids(map(chr, range(CODE_POINTS)), id_of, config)
            self._token = tf.constant(list(tokens.values()), tf.int32)
        else:
            points, ends, kinds = _normalised(config)
            self._points, self._ends, self._kinds = (tf.constant(values) for values in (points, ends, kinds))
            self._longest = max(len(token.removeprefix("##")) for token in vocab)
            self._pieces = tf.lookup.StaticHashTable(
                tf.lookup.KeyValueTensorInitializer(tf.constant(list(vocab)), tf.range(len(vocab), dtype=tf.int32)), -1)

    def __call__(self, texts: Any, pairs: Any = None) -> tuple[Any, Any, Any, Any]:
        """texts, pairs: string [rows] -> ids, segments int32 [rows, tokens], 0 where padded, real bool [rows, tokens],
        and words int32 [rows, words], where their first tokens are, -1 where there is none; [rows, 0] but by word."""
        rows = tf.shape(texts)[0]
        words = tf.zeros([rows, 0], tf.int32)
        if self.by_word:
            ids, words = self._coded_words(texts)
            parts = self._cut([ids])
        else:
            parts = self._cut([self._ids(texts)] + ([] if pairs is None else [self._ids(pairs)]))
        cls, sep = (tf.fill([rows, 1], token) for token in (self._cls, self._sep))
        first = tf.concat([cls, parts[0], sep], axis=1)
        second = [tf.concat([part, sep], axis=1) for part in parts[1:]]
        ids = tf.concat([first, *second], axis=1)
        segments = tf.concat([tf.zeros_like(first), *(tf.ones_like(part) for part in second)], axis=1)
        real = tf.ones_like(ids, tf.bool)
        return ids.to_tensor(), segments.to_tensor(), real.to_tensor(), words

    def _coded_words(self, texts: Any) -> tuple[Any, Any]:
        """As ``tokens._code_words`` and ``tokens._places``: ragged int32 [rows, tokens], and int32 [rows, words]."""
        words = tf.strings.split(texts, " ")
        pieces = self._ids(words.values)
        unknown = tf.fill([pieces.nrows(), 1], self._unknown)
        pieces = tf.concat([pieces, tf.ragged.boolean_mask(unknown, pieces.row_lengths()[:, None] == 0)], axis=1)
        lengths = pieces.row_lengths()
        first = tf.cumsum(lengths, exclusive=True)
        ids = words.with_values(pieces).merge_dims(1, 2)
        start = tf.cast(first - tf.gather(ids.row_starts(), words.value_rowids()), tf.int32)
        place = tf.where(start < self.config.max_tokens - 2, start + 1, -1)
        return ids, words.with_values(place).to_tensor(-1)

    def _ids(self, texts: Any) -> Any:
        """Ragged int32 [rows, tokens]."""
        points = tf.strings.unicode_decode(texts, "UTF-8")
        if self.config.tokenizer == "characters":
            points = points[:, :self.config.max_tokens]
            return tf.ragged.map_flat_values(lambda values: tf.gather(self._token, values), points)
        return self._word_pieces(points[:, :LONGEST_WORD * self.config.max_tokens])

    def _cut(self, parts: list[Any]) -> list[Any]:
        """As ``tokens._truncate``: of a pair, the longer loses tokens first."""
        room = self.config.max_tokens - 1 - len(parts)
        if len(parts) == 1:
            return [parts[0][:, :room]]
        first, second = (part.row_lengths() for part in parts)
        excess = tf.maximum(first + second - room, 0)
        level = tf.minimum(excess, tf.abs(first - second))
        cut_first = tf.where(first > second, level, 0) + (excess - level) // 2
        return [tf.ragged.boolean_mask(part, tf.ragged.range(length) < (length - cut)[:, None])
                for part, length, cut in zip(parts, (first, second), (cut_first, excess - cut_first), strict=True)]

    def _word_pieces(self, points: Any) -> Any:
        starts, counts = _bounds(self._ends, points.values)
        row = tf.repeat(points.value_rowids(), counts)
        flat = tf.gather(self._points, tf.ragged.range(starts, starts + counts).values)
        kind = tf.gather(self._kinds, flat)
        before = tf.concat([[WHITE], kind[:-1]], axis=0)
        new_row = tf.concat([[True], row[1:] != row[:-1]], axis=0)[:tf.shape(row)[0]]
        begins = (kind != WHITE) & ((kind == MARK) | (before[:tf.shape(kind)[0]] != OTHER) | new_row)
        there = kind != WHITE
        word = (tf.cumsum(tf.cast(begins, tf.int32)) - 1)[there]
        count = tf.reduce_sum(tf.cast(begins, tf.int32))
        letters = tf.RaggedTensor.from_value_rowids(flat[there], tf.cast(word, tf.int64), tf.cast(count, tf.int64))
        row_of_word = row[begins]
        pieces = self._longest_first(letters)
        lengths = pieces.row_lengths()
        rows = tf.cast(tf.shape(points.row_lengths())[0], tf.int64)
        return tf.RaggedTensor.from_value_rowids(pieces.values, tf.repeat(row_of_word, lengths), rows)

    def _longest_first(self, letters: Any) -> Any:
        """Words as ragged code points -> ragged int32 [words, pieces]; [UNK] for a word with a part that is in no
        piece, or that is too long."""
        lengths = tf.cast(letters.row_lengths(), tf.int32)
        words = tf.strings.unicode_encode(letters, "UTF-8")
        sizes = tf.range(self._longest, 0, -1)

        def step(at: Any, pieces: Any) -> tuple[Any, Any]:
            text = tf.strings.substr(words[:, None], tf.minimum(at, lengths)[:, None] + 0 * sizes,
                                     tf.repeat(sizes[None], tf.shape(words)[0], axis=0), unit="UTF8_CHAR")
            text = tf.where((at > 0)[:, None], tf.strings.join(["##", text]), text)
            fits = sizes[None] <= (lengths - at)[:, None]
            number = tf.where(fits, self._pieces.lookup(text), -1)
            best = tf.argmax(tf.cast(number >= 0, tf.int32), axis=1, output_type=tf.int32)
            piece = tf.gather(number, best, batch_dims=1)
            live = at < lengths
            failed = live & (piece < 0)
            pieces = tf.concat([pieces, tf.where(live, tf.where(failed, self._unknown, piece), -1)[:, None]], axis=1)
            return tf.where(failed, lengths, tf.where(live, at + tf.gather(sizes, best), at)), pieces

        at, pieces = tf.where(lengths > LONGEST_WORD, lengths, 0), tf.zeros([tf.shape(lengths)[0], 0], tf.int32)
        _, pieces = tf.while_loop(lambda at, pieces: tf.reduce_any(at < lengths), step, [at, pieces],
                                  [at.shape, tf.TensorShape([None, None])])
        unknown = (lengths > LONGEST_WORD) | tf.reduce_any(pieces == self._unknown, axis=1)
        pieces = tf.where(unknown[:, None], -1, pieces)
        pieces = tf.concat([tf.where(unknown, self._unknown, -1)[:, None], pieces], axis=1)
        return tf.ragged.boolean_mask(pieces, pieces >= 0)


def _bounds(ends: Any, points: Any) -> tuple[Any, Any]:
    """Where what a character becomes begins in the table of all, and how many code points it is."""
    stop, start = tf.gather(ends, points), tf.gather(ends, tf.maximum(points - 1, 0))
    start = tf.where(points > 0, start, 0)
    return start, stop - start


def _normalised(config: Tokens) -> tuple[npt.NDArray[np.int32], npt.NDArray[np.int32], npt.NDArray[np.int32]]:
    """What BERT's normaliser makes of every character, end to end; where each ends; and what every character is to the
    splitting: WHITE, MARK or OTHER."""
    normalise = normalizer(config).normalize_str
    points: list[int] = []
    ends = np.zeros(CODE_POINTS, np.int32)
    kinds = np.full(CODE_POINTS, OTHER, np.int32)
    split = pre_tokenizers.BertPreTokenizer().pre_tokenize_str
    for point in range(CODE_POINTS):
        if point not in SURROGATES:
            points += map(ord, normalise(chr(point)))
            kinds[point] = KINDS[len(split(f"a{chr(point)}a"))]
        ends[point] = len(points)
    return np.array(points, np.int32), ends, kinds
