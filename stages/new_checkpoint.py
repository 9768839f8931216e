"""Make a small randomly initialised BERT in Google's format, from a vocabulary file or from texts.

Example: python -m stages new-checkpoint data/bert/mine --texts data/example/train.csv --column content
"""

import os
from pathlib import Path
from typing import Annotated

import typer
from pydantic import ValidationError

from pipeline.checkpoints import bert_config, checkpoint
from pipeline.checkpoints.bert_config import BertConfig
from pipeline.competition.readers import delimited
from pipeline.config.model import RandomBert
from pipeline.config.problems import explain
from pipeline.errors import UserError, disk
from pipeline.machine.console import say
from pipeline.text import vocabulary


def new_checkpoint(
        folder: Annotated[Path, typer.Argument(help="Where to put it; must not exist.")],
        vocab: Annotated[Path | None, typer.Option(help="A vocab.txt to use.")] = None,
        texts: Annotated[list[Path] | None, typer.Option(help="Tables whose characters make the vocabulary.")] = None,
        column: Annotated[str, typer.Option(help="The text column of those tables.")] = "text",
        layers: int = 2, hidden: int = 128, heads: int = 2, intermediate: int = 512,
        positions: Annotated[int, typer.Option(min=3)] = 64,
        seed: Annotated[int, typer.Option(min=0)] = 2020) -> None:
    if os.path.lexists(folder):
        raise UserError(f"{folder}: exists already; choose another folder")
    if (vocab is None) == (not texts):
        raise UserError("give exactly one of --vocab and --texts")
    problems: list[str] = []
    if vocab:
        words = vocabulary.read(vocab, problems)
    else:
        tables = [delimited.read_table(path) for path in texts or []]
        problems += [f"{path}: no column {column!r}" for path, table in zip(texts or [], tables, strict=True)
                     if column not in table]
        words = [] if problems else vocabulary.of_characters(
            (text for table in tables for text in table[column]), lowercase=True)
    if problems:
        raise UserError(*problems)
    try:
        spec = RandomBert(layers=layers, hidden=hidden, heads=heads, intermediate=intermediate)
    except ValidationError as error:
        raise UserError(*explain(error)) from None
    config = BertConfig(len(words), spec.hidden, spec.layers, spec.heads, spec.intermediate, positions,
                                   segments=2, activation="gelu_tanh")
    with disk(folder):
        checkpoint.write_google(folder, config, words, bert_config.random_tensors(config, seed))
    say(f"new checkpoint: {folder} ({layers}x{hidden}, {len(words):,} tokens, random weights of seed {seed})")
