"""Vectors of texts by a frozen encoder, a checkpoint's or a run's: [CLS], mean or max of the last layers, to a file.

Example: python -m stages encode data/bert/small_chinese texts.txt vectors.npy --pool mean --layers 2
"""

from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer

from pipeline.errors import UserError
from pipeline.inference import vector_files
from pipeline.machine.console import say


class Pool(StrEnum):
    cls = "cls"
    mean = "mean"
    max = "max"


class Tokenizer(StrEnum):
    characters = "characters"
    wordpiece = "wordpiece"
    checkpoint = "checkpoint"


def encode(
        source: Annotated[str, typer.Argument(help="A checkpoint's folder, its name on the hub (hf:...), or a run's "
                                               "name.")],
        texts: Annotated[Path, typer.Argument(help="A CSV or TSV (--column), or one text per line.")],
        target: Annotated[Path, typer.Argument(help=r".npy: float32 \[texts, size]. .parquet: text and vector.")],
        pool: Annotated[Pool, typer.Option()] = Pool.mean,
        layers: Annotated[int, typer.Option(min=1, help="The last ones, put end to end.")] = 1,
        column: Annotated[str, typer.Option(help="The text column of a CSV or TSV.")] = "text",
        fold: Annotated[int, typer.Option(min=0, help="Of a run: whose stage-1 encoder.")] = 0,
        seed: Annotated[int | None, typer.Option(min=0, help="The same; default: the run's first.")] = None,
        tokenizer: Annotated[Tokenizer | None, typer.Option(help="For a checkpoint; default: what its vocabulary is "
                             "for.")] = None,
        lowercase: Annotated[bool | None, typer.Option("--lowercase/--no-lowercase", help="For a "
                                   "checkpoint; default: as its tokenizer_config.json says, else yes.")] = None,
        max_tokens: Annotated[int | None, typer.Option(min=3, max=512, help="For a checkpoint; default: 128.")] = None
        ) -> None:
    if target.suffix not in vector_files.ENDINGS:
        raise UserError(f"{target}: must end in {' or '.join(vector_files.ENDINGS)}")
    rows, chunks = vector_files.read(texts, column)
    from pipeline.inference.text_vectors import TextVectors  # imports TensorFlow

    model = TextVectors(source, fold=fold, seed=seed, layers=layers, pool=pool.value, lowercase=lowercase,
                        max_tokens=max_tokens, tokenizer=None if tokenizer is None else tokenizer.value).fit()
    vector_files.write(target, model, rows, chunks)
    say(f"encode: {target}: {rows:,} vectors of {model.size_}")
