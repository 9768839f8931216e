"""A checkpoint with random weights, for a vocabulary or for the characters of tables."""

from collections.abc import Sequence
from pathlib import Path

from pydantic import ValidationError

from pipeline.checkpoints import encoder_config, google
from pipeline.competition.readers import delimited
from pipeline.config import problems
from pipeline.config.model import RandomBert
from pipeline.errors import UserError, disk
from pipeline.text import bert_vocabulary
from pipeline.text.vocabulary import Vocabulary


def vocabulary_of(vocab: Path | None, tables: Sequence[Path], column: str) -> list[str]:
    """The tokens of a vocab.txt, or [PAD] and its like with the lower-cased characters of a column of tables.

    Raises UserError with all that is wrong with the files.
    """
    wrong: list[str] = []
    tokens: list[str] = []
    if vocab:
        tokens = bert_vocabulary.read(vocab, wrong)
    else:
        read = {path: delimited.read_table(path) for path in tables}
        wrong += [f"{path}: no column {column!r}" for path, table in read.items() if column not in table]
        if not wrong:
            tokens = bert_vocabulary.of_characters((text for table in read.values() for text in table[column]),
                                              lowercase=True)
    if wrong:
        raise UserError(*wrong)
    return tokens


def write(folder: Path, tokens: list[str], layers: int, hidden: int, heads: int, intermediate: int, positions: int,
          seed: int) -> None:
    """Writes a checkpoint in Google's format. Raises UserError for dimensions that contradict each other."""
    try:
        spec = RandomBert(layers=layers, hidden=hidden, heads=heads, intermediate=intermediate)
    except ValidationError as error:
        raise UserError(*problems.explain(error)) from None
    config = encoder_config.of_random(spec, len(tokens), positions)
    with disk(folder):
        google.write(folder, config, Vocabulary(tokens), encoder_config.random_tensors(config, seed))
