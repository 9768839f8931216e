"""Vectors of many texts, written to a file as they are made: the vectors need not fit in memory, nor do the
lines of a text file."""

from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from pipeline.competition.readers import delimited
from pipeline.errors import UserError
from pipeline.files import atomic, inputs, room
from pipeline.machine.console import progress

if TYPE_CHECKING:
    from pipeline.inference.text_vectors import TextVectors  # imports TensorFlow, for which no wrong file should wait

AT_ONCE = 1_000  # texts
ENDINGS = (".npy", ".parquet")
Chunks = Iterator[list[str]]


def read(path: Path, column: str = "text") -> tuple[int, Chunks]:
    """How many texts there are in a column of a CSV or TSV, or in a file with one per line; and the texts, some at a
    time. A file of lines is read once for each. Raises UserError where it cannot be read."""
    if path.suffix not in (".csv", ".tsv"):
        return sum(map(len, inputs.texts(path, AT_ONCE))), inputs.texts(path, AT_ONCE)
    table = delimited.read_table(path)
    if column not in table:
        raise UserError(f"{path}: no column {column!r}; it has {', '.join(map(repr, table))}; see --column")
    return len(table), (table[column].iloc[at:at + AT_ONCE].tolist() for at in range(0, len(table), AT_ONCE))


def write(target: Path, model: "TextVectors", rows: int, chunks: Chunks) -> None:
    """Writes the vectors of the texts that ``read`` gave. .npy: float32 [texts, size]. .parquet: columns text and
    vector. The model must be fitted. Raises UserError for another ending."""
    if target.suffix not in ENDINGS:
        raise UserError(f"{target}: must end in {' or '.join(ENDINGS)}")
    with atomic.replacing(target) as building:
        (_to_numpy if target.suffix == ".npy" else _to_parquet)(building, model, chunks, rows)


def _to_numpy(path: Path, model: "TextVectors", chunks: Chunks, rows: int) -> None:
    vectors = np.lib.format.open_memmap(path, "w+", np.float32, (rows, model.size_))
    room.allocate(path)
    at = 0
    for chunk, made in _vectors(model, chunks, rows):
        vectors[at:at + len(chunk)] = made
        at += len(chunk)
    vectors.flush()


def _to_parquet(path: Path, model: "TextVectors", chunks: Chunks, rows: int) -> None:
    import pyarrow as pa
    from pyarrow import parquet

    schema = pa.schema([("text", pa.string()), ("vector", pa.list_(pa.float32(), model.size_))])
    with parquet.ParquetWriter(path, schema) as file:
        for chunk, made in _vectors(model, chunks, rows):
            vectors = pa.FixedSizeListArray.from_arrays(pa.array(made.ravel()), model.size_)
            file.write_table(pa.table([pa.array(chunk, pa.string()), vectors], schema))


def _vectors(model: "TextVectors", chunks: Chunks, rows: int) -> Iterator[tuple[list[str], Any]]:
    with progress("encode", -(-rows // AT_ONCE)) as advance:
        for chunk in chunks:
            yield chunk, model.transform(chunk)
            advance()
