"""BERT's vocabularies: read from a vocab.txt or tokenizer.json, or made from texts."""

import hashlib
from collections import Counter
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from tokenizers import trainers

from pipeline.config.model import Tokens
from pipeline.errors import UserError
from pipeline.files import inputs
from pipeline.text.tokenization import LONGEST_WORD, lower, wordpiece
from pipeline.text.vocabulary import LARGEST_TOKENIZER, SPECIAL

_made: dict[bytes, list[str]] = {}  # learnt in this process: a run asks for it twice


def read(path: Path, problems: list[str]) -> list[str]:
    """The tokens of a vocab.txt, or of a tokenizer.json's WordPiece model, in order of their ids; what would shift or
    hide an id goes to ``problems``. Tokens that an added_tokens.json beside it puts behind them are taken along.

    Lines end at \\n only: Google's Chinese vocabulary holds tokens that other line splitters break.
    """
    try:
        if path.suffix == ".json":
            return _checked(path, _of_tokenizer_json(path), problems)
        raw = inputs.read(path)
        text = raw.decode("utf-8")
        if text.startswith("\ufeff"):
            raise UserError(f"{path}: begins with a byte order mark, which would hide its first token; save it without")
        vocab = [line.removesuffix("\r") for line in text.removesuffix("\n").split("\n")]
        return _checked(path, vocab + _added(path.with_name("added_tokens.json"), len(vocab)), problems)
    except UserError as error:
        problems += error.problems
    except UnicodeDecodeError as error:
        problems.append(f"{path}: must be UTF-8, got byte 0x{raw[error.start]:02x} at {error.start}")
    return []


def _of_tokenizer_json(path: Path) -> list[str]:
    """The tokens of a tokenizers library's file. Raises UserError where it is no WordPiece with ids from 0."""
    tree = inputs.read_json(path, LARGEST_TOKENIZER)
    model = tree.get("model")
    if not isinstance(model, dict) or model.get("type") != "WordPiece" or not isinstance(model.get("vocab"), dict):
        raise UserError(f"{path}: must hold a WordPiece model with its vocabulary, as BERT's tokenizer has")
    added = tree.get("added_tokens") or []
    number_of = {token.get("content"): token.get("id") for token in added if isinstance(token, dict)} | model["vocab"]
    return _in_order(path, number_of, 0)


def _added(path: Path, rows: int) -> list[str]:
    """The tokens that an added_tokens.json, where it is there, puts behind a vocabulary of that many."""
    number_of = inputs.read_json(path, LARGEST_TOKENIZER) if path.is_file() else {}
    return _in_order(path, {token: number for token, number in number_of.items()
                            if type(number) is not int or number >= rows}, rows)


def _in_order(path: Path, number_of: dict[Any, Any], first: int) -> list[str]:
    """The tokens by their ids. Raises UserError where these are not one after the other."""
    expected = range(first, first + len(number_of))
    if (not all(type(number) is int and type(token) is str for token, number in number_of.items())
            or sorted(number_of.values()) != list(expected)):
        raise UserError(f"{path}: ids must be {expected.start} to {expected.stop - 1}, each once")
    return sorted(number_of, key=number_of.__getitem__)


def _checked(path: Path, vocab: list[str], problems: list[str]) -> list[str]:
    first_at: dict[str, int] = {}
    for number, token in enumerate(vocab, 1):
        if token == "":
            problems.append(f"{path}, line {number}: a token cannot be empty")
        elif token in first_at:
            problems.append(f"{path}, line {number}: token {token!r} stands on line {first_at[token]} already")
        first_at.setdefault(token, number)
    problems += [f"{path}: the token {token} is missing"
                 for token in ("[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]") if token not in first_at]
    if len(problems) > 10:
        problems[10:] = [f"{path}: {len(problems) - 10} more problems"]
    return vocab


def of_characters(texts: Iterable[str], lowercase: bool, least: int = 1) -> list[str]:
    """The special tokens, then every character that occurs ``least`` times, by code point."""
    counts: Counter[str] = Counter()
    for text in texts:
        counts.update(text)
    seen: Counter[str] = Counter()
    for character, count in counts.items():
        if not character.isspace():
            seen[lower(character) if lowercase else character] += count
    return [*SPECIAL, *sorted(character for character, count in seen.items() if count >= least)]


def of_word_pieces(texts: Iterable[str], size: int, config: Tokens) -> list[str]:
    """The special tokens, every character that occurs, then word pieces learnt from the texts up to ``size`` in all.

    The same texts give the same vocabulary: the trainer numbers what it meets in no fixed order and breaks ties by
    number, so every character is named to it beforehand.
    """
    texts = list(texts)
    digest = hashlib.sha256(f"{size} {config.lowers} {config.strip_accents}".encode())
    for text in texts:
        digest.update(b"%d:" % len(text) + text.encode())
    if (made := _made.get(digest.digest())) is not None:
        return list(made)
    tokenizer = wordpiece({token: number for number, token in enumerate(SPECIAL)}, config)
    count = Counter(word for text in texts for word, _ in tokenizer.pre_tokenizer.pre_tokenize_str(
        tokenizer.normalizer.normalize_str(text)) if len(word) <= LONGEST_WORD)
    begin, inside = {word[0] for word in count}, {character for word in count for character in word[1:]}
    known = [*SPECIAL, *sorted(begin), *(f"##{character}" for character in sorted(inside))]
    tokenizer.train_from_iterator(count.elements(), trainers.WordPieceTrainer(
        vocab_size=max(size, len(known)), special_tokens=known, min_frequency=2, show_progress=False,
        continuing_subword_prefix="##"))
    pieces = tokenizer.get_vocab()
    _made[digest.digest()] = made = sorted(pieces, key=pieces.__getitem__)
    return list(made)
