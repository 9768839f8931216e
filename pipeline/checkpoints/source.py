"""An encoder's files before its weights are read, whichever format they are in."""

from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from pipeline.arrays import Shapes, Stored
from pipeline.checkpoints.encoder_config import EncoderConfig
from pipeline.checkpoints.families import Family

Reader = Callable[[Collection[str]], tuple[Shapes, Stored]]


def unread(_: Collection[str]) -> tuple[Shapes, Stored]:
    """The reader of what has problems: it is never asked."""
    return {}, {}


@dataclass(frozen=True)
class Source:
    """kind: the format, in words; config: None where it could not be read; family, raw: what the tensors are called
    and computed by, and the configuration as it stands; described_in: its file, where there is one; weights: the files
    that are part of the identity; vocab_at: where the tokenizer's files lie; tokenizer: lowercase and
    strip_accents where the weights' own files say them.

    read(names): the shape of every tensor, by our names where they have one, and the named tensors that there are.
    """

    kind: str
    config: EncoderConfig | None
    family: Family
    raw: Mapping[str, Any]
    described_in: Path | None
    weights: list[Path]
    read: Reader
    vocab_at: Path
    where: Path
    tokenizer: Mapping[str, bool] = field(default_factory=dict)
