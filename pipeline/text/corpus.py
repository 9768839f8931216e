"""Texts to pre-train on, as tokens in files: read as a stream, never all in memory."""

import gzip
import itertools
import zlib
from array import array
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

import numpy as np
import numpy.typing as npt

from pipeline.config.model import Tokens
from pipeline.config.run import Config
from pipeline.errors import UserError
from pipeline.files import atomic, inputs, sealed
from pipeline.text import tokenization
from pipeline.text.own_tokenizer import Frame
from pipeline.text.token_table import TokenTable
from pipeline.text.vocabulary import Vocabulary

AT_ONCE = 10_000  # texts that are in memory together
LONGEST_LINE = 1_000_000  # bytes: a longer one is no text, and may be what a small .gz unpacks to without end
MISSING = "no such file, which pretrain.files names"
HELD_OUT_MOST = 4_000  # rows that an evaluation takes at most
Text = tuple[str, int]  # with the number of its set of folds
Withheld = tuple[frozenset[int], ...]  # sets of folds that validate a text; the first is empty


@dataclass(frozen=True)
class Corpus:
    """Rows of tokens: a text each, or a piece of a long one.

    table: the rows, its ids mapped from a file; begins: bool [tokens], whether a word begins there;
    group: int16 [rows], the number of the set in ``withheld`` that holds the folds which validate the row's text;
    held: bool [rows], never trained on;
    special, ordinary: token ids that are never masked, [unused1] for a space among them, and the others; mask: [MASK]'s
    id.
    """

    table: TokenTable
    begins: npt.NDArray[np.bool_]
    group: npt.NDArray[np.int16]
    held: npt.NDArray[np.bool_]
    special: npt.NDArray[np.int64]
    ordinary: npt.NDArray[np.int64]
    mask: int
    withheld: Withheld

    def training_rows(self, without_fold: int | None) -> npt.NDArray[np.int64]:
        """Rows to train on; without those of a fold's validation texts, wherever they stand, if it is named."""
        hidden = [number for number, folds in enumerate(self.withheld) if without_fold in folds]
        return np.flatnonzero(~self.held & ~np.isin(self.group, hidden))


def lines(path: Path) -> Iterator[str]:
    """The lines of a UTF-8 text file, gzipped where it is named .gz, stripped, without empty ones. UserError."""
    inputs.check(path, missing=MISSING)
    number = 0
    try:
        with gzip.open(path) if path.suffix == ".gz" else path.open("rb") as file:
            for number, line in enumerate(iter(lambda: file.readline(LONGEST_LINE), b""), 1):
                if len(line) == LONGEST_LINE:
                    raise UserError(f"{path}, line {number}: must be shorter than {LONGEST_LINE:,} bytes; "
                                    f"write one text a line")
                if text := line.decode("utf-8-sig" if number == 1 else "utf-8").strip():
                    yield text
    except UnicodeDecodeError as error:
        raise UserError(f"{path}, line {number}: must be UTF-8, got byte 0x{error.object[error.start]:02x}") from None
    except (OSError, EOFError, zlib.error) as error:
        raise UserError(f"{path}: cannot be read after line {number}: {error}") from None


def check_files(names: Iterable[str]) -> None:
    """Raises UserError for each file that cannot be read."""
    inputs.check(*map(Path, names), missing=MISSING)


def build(folder: Path, made_of: str, texts: Iterable[Text], vocab: Vocabulary, config: Config,
          withheld: Withheld = (frozenset(),)) -> Corpus:
    """Reads the corpus in ``folder`` where it was made of the same, else makes it there.

    made_of: a hash of texts, vocabulary and settings; withheld: the sets of folds that texts are numbered by. Raises
    UserError where there is no text.
    """
    assert config.pretrain is not None
    done = sealed.read_done(folder)
    if done is None or done["identity"] != {"made of": made_of}:
        with atomic.publishing(folder) as building:
            _write(building, texts, vocab, config.tokens, config.pretrain.max_tokens, config.pretrain.held_out)
            sealed.write_done(building, {"identity": {"made of": made_of}, "files": sealed.hashes(building)})
    offsets = np.load(folder / "offsets.npy")
    table = TokenTable(np.memmap(folder / "ids.bin", np.int32, "r"), offsets, np.diff(offsets).astype(np.int32))
    special = np.array(sorted(vocab.special))
    return Corpus(table, np.memmap(folder / "begins.bin", np.bool_, "r"), np.load(folder / "group.npy"),
                  np.load(folder / "held.npy"), special, np.setdiff1d(np.arange(len(vocab)), special), vocab.mask,
                  withheld)


def _write(folder: Path, texts: Iterable[Text], vocab: Vocabulary, config: Tokens, max_tokens: int, share: float
           ) -> None:
    room = max_tokens - vocab.frame.special(texts=1)
    lengths, groups, hashes = array("q"), array("h"), array("q")
    with (folder / "ids.bin").open("wb") as ids, (folder / "begins.bin").open("wb") as begins:
        for chunk in _chunks(texts):
            coded = tokenization.encode_words([text for text, _ in chunk], vocab, config)
            for (text, group), (numbers, starts) in zip(chunk, coded, strict=True):
                for at in range(0, len(numbers), room):
                    lengths.append(_append(ids, begins, vocab.frame, numbers[at:at + room], starts[at:at + room]))
                    groups.append(group)
                    hashes.append(zlib.crc32(text.encode()))
    if not lengths:
        raise UserError("pretrain: there is no text in pretrain.files and pretrain.texts")
    np.save(folder / "offsets.npy", np.concatenate([[0], np.cumsum(np.asarray(lengths))]).astype(np.int64))
    np.save(folder / "group.npy", np.asarray(groups))
    np.save(folder / "held.npy", _held_out(np.asarray(hashes), share))


def _append(ids: BinaryIO, begins: BinaryIO, frame: Frame, numbers: Sequence[int], starts: Sequence[bool]) -> int:
    ids.write(np.array([*frame.before, *numbers, *frame.after], np.int32).tobytes())
    begins.write(np.array([*(True for _ in frame.before), *starts, *(True for _ in frame.after)], np.bool_).tobytes())
    return len(numbers) + frame.special(texts=1)


def _held_out(hashes: npt.NDArray[np.int64], share: float) -> npt.NDArray[np.bool_]:
    """By the texts' hashes, so that equal texts are on one side; at least one text on each."""
    ranked = np.unique(hashes)
    if len(ranked) < 2:
        raise UserError("pretrain: needs two different texts, one to train on and one to hold out; got one")
    count = min(max(1, round(share * len(ranked))), HELD_OUT_MOST, len(ranked) - 1)
    return np.asarray(hashes <= ranked[count - 1])


def _chunks(texts: Iterable[Text]) -> Iterator[list[Text]]:
    stream = iter(texts)
    while chunk := list(itertools.islice(stream, AT_ONCE)):
        yield chunk
