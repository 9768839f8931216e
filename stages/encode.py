"""Vectors of texts by a frozen encoder, a checkpoint's or a run's: [CLS], mean or max of the last layers, to a file.

Example: python -m stages encode data/bert/small_chinese texts.txt vectors.npy --pool mean --layers 2
"""

from collections.abc import Iterator
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import numpy as np
import typer

from pipeline.competition.readers import delimited
from pipeline.errors import UserError
from pipeline.files import atomic, inputs, room
from pipeline.machine.console import progress, say

if TYPE_CHECKING:
    from pipeline.inference.text_vectors import TextVectors  # imports TensorFlow

AT_ONCE = 1_000  # texts


class Pool(StrEnum):
    cls = "cls"
    mean = "mean"
    max = "max"


class Tokenizer(StrEnum):
    characters = "characters"
    wordpiece = "wordpiece"


def encode(
        source: Annotated[str, typer.Argument(help="A checkpoint's folder, or a run's name.")],
        texts: Annotated[Path, typer.Argument(help="A CSV or TSV (--column), or a text a line.")],
        target: Annotated[Path, typer.Argument(help=".npy: float32 [texts, size]. .parquet: text and vector.")],
        pool: Annotated[Pool, typer.Option()] = Pool.mean,
        layers: Annotated[int, typer.Option(min=1, help="The last ones, put end to end.")] = 1,
        column: Annotated[str, typer.Option(help="The text column of a CSV or TSV.")] = "text",
        fold: Annotated[int, typer.Option(min=0, help="Of a run: whose stage-1 encoder.")] = 0,
        tokenizer: Annotated[Tokenizer, typer.Option(help="For a checkpoint.")] = Tokenizer.characters,
        lowercase: Annotated[bool | None, typer.Option("--lowercase/--no-lowercase", help="For a "
                                   "checkpoint; default: as its tokenizer_config.json says, else yes.")] = None,
        max_tokens: Annotated[int | None, typer.Option(min=3, max=512, help="For a checkpoint; default: 128.")] = None
        ) -> None:
    if target.suffix not in (".npy", ".parquet"):
        raise UserError(f"{target}: must end in .npy or .parquet")
    rows, chunks = _opened(texts, column)
    from pipeline.inference.text_vectors import TextVectors

    model = TextVectors(source, fold=fold, layers=layers, pool=pool.value, tokenizer=tokenizer.value,
                        lowercase=lowercase, max_tokens=max_tokens).fit()
    with atomic.replacing(target) as building:
        (_to_numpy if target.suffix == ".npy" else _to_parquet)(building, model, chunks, rows)
    say(f"encode: {target}: {rows:,} vectors of {model.size_}")


def _opened(path: Path, column: str) -> tuple[int, Iterator[list[str]]]:
    """How many texts there are, and the texts; a file of lines is read once for each, a table once."""
    if path.suffix not in (".csv", ".tsv"):
        return sum(map(len, inputs.texts(path, AT_ONCE))), inputs.texts(path, AT_ONCE)
    table = delimited.read_table(path)
    if column not in table:
        raise UserError(f"{path}: no column {column!r}; it has {', '.join(map(repr, table))}; see --column")
    return len(table), (table[column].iloc[at:at + AT_ONCE].tolist() for at in range(0, len(table), AT_ONCE))


def _to_numpy(path: Path, model: "TextVectors", chunks: Iterator[list[str]], rows: int) -> None:
    vectors = np.lib.format.open_memmap(path, "w+", np.float32, (rows, model.size_))
    room.allocate(path)
    at = 0
    for chunk, found in _found(model, chunks, rows):
        vectors[at:at + len(chunk)] = found
        at += len(chunk)
    vectors.flush()


def _to_parquet(path: Path, model: "TextVectors", chunks: Iterator[list[str]], rows: int) -> None:
    import pyarrow as pa
    from pyarrow import parquet

    schema = pa.schema([("text", pa.string()), ("vector", pa.list_(pa.float32(), model.size_))])
    with parquet.ParquetWriter(path, schema) as file:
        for chunk, found in _found(model, chunks, rows):
            vectors = pa.FixedSizeListArray.from_arrays(pa.array(found.ravel()), model.size_)
            file.write_table(pa.table([pa.array(chunk, pa.string()), vectors], schema))


def _found(model: "TextVectors", chunks: Iterator[list[str]], rows: int) -> Iterator[tuple[list[str], Any]]:
    with progress("encode", -(-rows // AT_ONCE)) as advance:
        for chunk in chunks:
            yield chunk, model.transform(chunk)
            advance()
