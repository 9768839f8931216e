"""Texts that are repeated: across folds, with other labels, in test."""

import pandas as pd

from pipeline.competition import folds
from pipeline.competition.folds import FoldOfRow
from pipeline.competition.tables import Competition


def audit(tables: Competition, fold_of_row: FoldOfRow) -> dict[str, int]:
    """Counts of what changes a score's meaning: repeated and contradicting texts, across folds and into test."""
    train, test = tables.train, tables.test
    text = folds.normalised(train)
    by_text = pd.DataFrame({"text": text, "fold": fold_of_row, "label": train.label}).groupby("text")
    spread = by_text["fold"].nunique()
    conflicting = by_text["label"].nunique()
    return {
        "rows": len(train),
        "distinct texts": int(text.nunique()),
        "texts in more than one fold": int((spread > 1).sum()),
        "rows of texts in more than one fold": int(text.isin(spread.index[spread > 1]).sum()),
        tables.task.contradiction: int((conflicting > 1).sum()),
        "test rows": len(test),
        "test rows that repeat a training text": int(folds.normalised(test).isin(text).sum()),
    }
