"""What tasks that label whole rows share."""

import warnings
from collections.abc import Sequence
from typing import Any, ClassVar

import numpy as np
import pandas as pd

from pipeline.metrics.metric import Form
from pipeline.tasks.protocol import Array
from pipeline.tasks.scoring import Scored


class RowTask(Scored):
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

    def encode(self, labels: Sequence[str]) -> Array:
        """The texts as they are."""
        return np.array(labels, dtype=object)

    def label_text(self, label: Any) -> str:
        """One label as the file has it."""
        return str(label)

    @property
    def test_columns(self) -> list[str]:
        """id, then a logit and a prediction for each output."""
        raise NotImplementedError

    def prediction(self, logit: Array) -> Array:
        """The columns of predictions, of those of logits: of the same shape."""
        raise NotImplementedError

    def oof_table(self, rows: pd.DataFrame, fold: Array, logit: Array) -> pd.DataFrame:
        """id, fold, label, then a logit and a prediction for each output."""
        table = self.test_table(rows, logit)
        table.insert(1, "fold", fold)
        for place, (name, column) in enumerate(self.label_table(rows).items(), 2):
            table.insert(place, name, column)
        return table

    def label_table(self, rows: pd.DataFrame) -> dict[str, Any]:
        """The columns of labels of an OOF table, by name."""
        return {"label": rows.label.to_numpy()}

    def test_table(self, rows: pd.DataFrame, logit: Array) -> pd.DataFrame:
        """id, then a logit and a prediction for each output."""
        columns = self.test_columns[1:]
        shape = len(rows), len(columns) // 2
        both = np.stack([part.reshape(shape) for part in (logit, self.prediction(logit))], axis=2)
        table = pd.DataFrame(both.reshape(len(rows), len(columns)), columns=columns)
        table.insert(0, "id", rows.id.to_numpy())
        return table

    def predicted_from(self, logit: Array) -> Any:
        """What decisions are made from, of logits."""
        raise NotImplementedError

    def ranking_from(self, logit: Array) -> Array:
        """What a metric that scores no decisions is taken from, of logits."""
        return logit

    def truth_from(self, target: Array) -> Array:
        """What metrics compare with, of what the loss compares with."""
        return target

    def epoch_score(self, metric: str, target: Array, logit: Array) -> float:
        """A metric of an epoch, decided at 0.5 where it scores decisions; NaN where undefined."""
        by = self.named_metric(metric)
        if by.form == Form.DECISIONS:
            prediction = self.decide(self.predicted_from(logit), self.plain_cut)
        else:
            prediction = self.ranking_from(logit)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            score = by.value(self.truth_from(target), prediction)
        return float("nan") if score is None else score
