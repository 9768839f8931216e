"""The tokens of an encoder by their ids, and those among them that are no piece of text."""

import functools
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from pipeline.files import inputs
from pipeline.text import own_tokenizer
from pipeline.text.own_tokenizer import Frame, OwnTokenizer

SPECIAL = ("[PAD]", "[unused1]", "[UNK]", "[CLS]", "[SEP]", "[MASK]")
LARGEST_TOKENIZER = 100_000_000  # bytes of a tokenizer.json


@dataclass(frozen=True)
class Vocabulary:
    """tokens: by their ids; own: the tokenizer of a checkpoint that brings one along; None: BERT's, by these tokens."""

    tokens: Sequence[str]
    own: OwnTokenizer | None = None

    @classmethod
    def of(cls, own: OwnTokenizer) -> "Vocabulary":
        """The same of a checkpoint's own tokenizer."""
        return cls(own.tokens, own)

    def __len__(self) -> int:
        return len(self.tokens)

    @functools.cached_property
    def id_of(self) -> Mapping[str, int]:
        """Each token's id."""
        return {token: number for number, token in enumerate(self.tokens)}

    @functools.cached_property
    def frame(self) -> Frame:
        """What stands around texts."""
        if self.own:
            return self.own.frame
        cls, sep = self.id_of["[CLS]"], self.id_of["[SEP]"]
        return Frame((cls,), (sep,), (sep,), second_segment=1)

    @property
    def unknown(self) -> int:
        """The id of what stands for a piece of text that no token has."""
        return self._first_of(own_tokenizer.UNKNOWN)

    @property
    def pad(self) -> int:
        """The id of padding."""
        return self._first_of(own_tokenizer.PAD)

    @property
    def mask(self) -> int:
        """The id of what hides a token in masked-language-model training."""
        return self._first_of(own_tokenizer.MASK)

    @functools.cached_property
    def special(self) -> frozenset[int]:
        """The ids of tokens that are no piece of text: never masked."""
        if self.own:
            return self.own.special | {number for number, token in enumerate(self.tokens) if not token}
        return frozenset(number for number, token in enumerate(self.tokens)
                         if token in SPECIAL or token.startswith("[unused"))

    def _first_of(self, names: Sequence[str]) -> int:
        return next(self.id_of[name] for name in names if name in self.id_of)

    @functools.cached_property
    def has_pieces(self) -> bool:
        """Whether it has pieces of words, ##, as WordPiece makes them."""
        return self.own is None and any(token.startswith("##") for token in self.tokens)

    def shown(self, number: int) -> str:
        """A token as a person may read it: bytes as characters, the space before a word as ▁."""
        token = self.tokens[number]
        return self.own.decoded([token]).replace(" ", own_tokenizer.SPACE) if self.own else token

    @property
    def file(self) -> tuple[str, bytes]:
        """Name and content of the file that holds it."""
        if self.own:
            return "tokenizer.json", self.own.json.encode()
        return "vocab.txt", "".join(f"{token}\n" for token in self.tokens).encode()

    @classmethod
    def kept_in(cls, folder: Path) -> "Vocabulary":
        """The one whose file ``file`` was written to a folder."""
        own = folder / "tokenizer.json"
        if own.exists():
            return cls.of(OwnTokenizer(inputs.read(own, most=LARGEST_TOKENIZER).decode()))
        return cls((folder / "vocab.txt").read_text(encoding="utf-8").removesuffix("\n").split("\n"))
