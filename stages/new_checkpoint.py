"""Make a small randomly initialised BERT in Google's format, from a vocabulary file or from texts.

Example: python -m stages new-checkpoint data/bert/mine --texts data/example/train.csv --column content
"""

import os
from pathlib import Path
from typing import Annotated

import typer

from pipeline.checkpoints import new
from pipeline.errors import UserError
from pipeline.machine.console import say


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
    tokens = new.vocabulary_of(vocab, texts or [], column)
    new.write(folder, tokens, layers, hidden, heads, intermediate, positions, seed)
    say(f"new checkpoint: {folder} ({layers}x{hidden}, {len(tokens):,} tokens, random weights of seed {seed})")
