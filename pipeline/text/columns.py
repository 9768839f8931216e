"""The text columns of a table of standard names, and what is made of both texts of a pair."""

from collections.abc import Iterator

import numpy as np
import numpy.typing as npt
import pandas as pd


def text_columns(table: pd.DataFrame) -> list[str]:
    """The standard names of the table's text columns: text, or text and text_pair."""
    return [column for column in ("text", "text_pair") if column in table]


def documents(table: pd.DataFrame) -> Iterator[str]:
    """Each row's text, of a pair both with a line break between them."""
    return ("\n".join(texts) for texts in table[text_columns(table)].itertuples(index=False))


def characters(table: pd.DataFrame) -> npt.NDArray[np.int64]:
    """int64 [rows]: how many characters each row has, both texts of a pair together."""
    lengths = [table[name].str.len().to_numpy(np.int64) for name in text_columns(table)]
    return np.sum(lengths, axis=0, dtype=np.int64)
