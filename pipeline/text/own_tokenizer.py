"""A tokenizer that a checkpoint brings along (byte-level BPE, Unigram, ...), by the tokenizers library."""

import functools
import json
from dataclasses import dataclass
from typing import Any

from tokenizers import Tokenizer, decoders

UNKNOWN, PAD, MASK = ("[UNK]", "<unk>"), ("[PAD]", "<pad>"), ("[MASK]", "<mask>")  # as families call them
PROBE = ("a", "b")
SPACE = "▁"  # as SentencePiece writes the space before a word


@dataclass(frozen=True)
class Frame:
    """Token ids around a text, and around and between two; second_segment: the segment of a second text."""

    before: tuple[int, ...]
    between: tuple[int, ...]
    after: tuple[int, ...]
    second_segment: int

    def special(self, texts: int) -> int:
        """How many tokens are not of the texts."""
        return len(self.before) + len(self.after) + len(self.between) * (texts - 1)


@dataclass(frozen=True)
class OwnTokenizer:
    """A tokenizer.json, without cutting and padding. A special token that a text itself names is text to it, unless its
    model has it among the pieces of text, as SentencePiece's may."""

    json: str

    @classmethod
    def of(cls, tokenizer: Tokenizer) -> "OwnTokenizer":
        """The same of the library's object."""
        tree: dict[str, Any] = json.loads(tokenizer.to_str())
        return cls(json.dumps(tree | {"truncation": None, "padding": None}, ensure_ascii=False, sort_keys=True))

    @functools.cached_property
    def library(self) -> Tokenizer:
        """The library's object."""
        tokenizer = Tokenizer.from_str(self.json)
        tokenizer.encode_special_tokens = True
        return tokenizer

    @functools.cached_property
    def tokens(self) -> list[str]:
        """The tokens by their ids; an id that none has is an empty one."""
        last = max(self.library.get_vocab(with_added_tokens=True).values())
        return [self.library.id_to_token(number) or "" for number in range(last + 1)]

    @functools.cached_property
    def special(self) -> frozenset[int]:
        """The ids of added tokens that are no piece of text."""
        return frozenset(number for number, token in self.library.get_added_tokens_decoder().items() if token.special)

    @functools.cached_property
    def frame(self) -> Frame:
        """What its post-processor puts around texts, as two short ones show."""
        single, pair = self.library.encode(PROBE[0]), self.library.encode(*PROBE)
        places = [[place for place, text in enumerate(pair.sequence_ids) if text == which] for which in range(2)]
        (begin, *_, end), (second, *_, last) = ([0, 0, *own] if not own else [own[0], *own, own[-1]] for own in places)
        before, after = tuple(pair.ids[:begin]), tuple(pair.ids[last + 1:])
        assert single.ids == [*before, *pair.ids[begin:end + 1], *after], "its frame of one text is another"
        assert not any(pair.type_ids[:second]), "a first text in another segment than 0"
        return Frame(before, tuple(pair.ids[end + 1:second]), after, pair.type_ids[second])

    def decoded(self, tokens: list[str]) -> str:
        """Tokens end to end, their bytes as characters; what is no whole character as its replacement."""
        return decoders.ByteLevel().decode(tokens) if self.is_byte_level else "".join(tokens)

    @functools.cached_property
    def is_byte_level(self) -> bool:
        """Whether a word's pieces depend on the space before it, as GPT-2's and RoBERTa's do."""
        return '"ByteLevel"' in json.dumps(json.loads(self.json).get("pre_tokenizer"))
