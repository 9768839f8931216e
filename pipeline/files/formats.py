"""Tables, tensors and JSON values: how they are written, whole or not at all, and read again."""

import csv
import json
import warnings
from pathlib import Path
from typing import Any, Literal

import numpy as np
import pandas as pd
from safetensors import safe_open
from safetensors.numpy import load_file, save_file

from pipeline.files import atomic


def write(path: Path, content: Any, notes: dict[str, str] | None = None) -> None:
    """Writes a table (.csv), tensors (.safetensors, with notes), a JSON value (.json), bytes or text, atomically.

    Raises DiskError; the old file, if any, is then untouched.
    """
    with atomic.replacing(path) as temporary:
        if path.suffix == ".safetensors":
            with atomic.beside(temporary) as folder:  # save_file has a temporary file of its own beside its target
                save_file({name: np.asarray(values, order="C") for name, values in content.items()}, folder / path.name,
                          notes)
                (folder / path.name).replace(temporary)
        elif isinstance(content, bytes):
            temporary.write_bytes(content)
        else:
            if path.suffix == ".csv":
                content = content.to_csv(index=False, lineterminator="\n", quoting=_quoting(content))
            elif path.suffix == ".json":
                content = json.dumps(content, indent=2, ensure_ascii=False, allow_nan=False) + "\n"
            temporary.write_text(content, encoding="utf-8", newline="\n")


def _quoting(table: pd.DataFrame) -> Literal[0, 2]:
    """How much must be quoted: all text where there is a carriage return, which is a line's end to readers and which
    the writer leaves as it is."""
    texts = table.select_dtypes(exclude="number")
    returns = any("\r" in str(name) for name in table) or any(
        texts[name].astype(str).str.contains("\r", regex=False).any() for name in texts)
    return csv.QUOTE_NONNUMERIC if returns else csv.QUOTE_MINIMAL


def read_csv(path: Path, label: str = "int64") -> pd.DataFrame:
    """Reads a table of predictions that ``write`` wrote: float32 and int64 as they were, the rest as exact text.

    label: the type of the column label. Raises ValueError where it is no such table.
    """
    with warnings.catch_warnings():
        warnings.simplefilter("error", pd.errors.ParserWarning)  # a row with more fields than the header
        try:
            table = pd.read_csv(path, dtype=str, keep_default_na=False, index_col=False)
        except pd.errors.ParserWarning as error:
            raise ValueError(f"{path}: {error}") from None
    types = {name: np.float32 for name in map(str, table) if name.startswith(("logit", "prediction"))}
    return table.astype(types | {name: kind for name, kind in (("fold", "int64"), ("word", "int64"), ("label", label))
                                 if name in table})


def read_header(path: Path) -> list[str]:
    """The columns of a .csv file, also where they are more than a table of them could be made of in time. Raises
    ValueError where there is no header."""
    with path.open(encoding="utf-8", newline="") as file:
        try:
            return next(csv.reader(file), [])
        except csv.Error as error:
            raise ValueError(f"{path}: {error}") from None


def read_tensors(path: Path) -> dict[str, Any]:
    """Name -> array of a .safetensors file."""
    return load_file(path)


def read_notes(path: Path) -> dict[str, str]:
    """The notes that were written with the tensors of a .safetensors file."""
    with safe_open(path, framework="numpy") as file:
        return dict(file.metadata() or {})


def read_json(path: Path) -> Any:
    """The value of a JSON file. Raises ValueError where it holds none."""
    try:
        return json.loads(path.read_text(encoding="utf-8"))
    except RecursionError:
        raise ValueError(f"{path}: nested too deeply") from None
