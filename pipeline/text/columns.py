"""The names of the text columns in a table of standard names."""

import pandas as pd


def text_columns(table: pd.DataFrame) -> list[str]:
    """The standard names of the table's text columns: text, or text and text_pair."""
    return [column for column in ("text", "text_pair") if column in table]
