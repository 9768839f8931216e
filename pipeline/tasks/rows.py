"""What tasks that label whole rows share."""

from typing import ClassVar

import pandas as pd


class RowTask:
    """A row of the table is a row of its predictions."""

    by_word: ClassVar[bool] = False
    key_columns: ClassVar[list[str]] = ["id"]

    @property
    def loss_weights(self) -> tuple[float, ...]:
        return (1.0,)

    def tables(self, oof: pd.DataFrame) -> dict[str, pd.DataFrame]:
        return {}

    def key_rows(self, rows: pd.DataFrame) -> pd.DataFrame:
        return rows[["id"]].reset_index(drop=True)
