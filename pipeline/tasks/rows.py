"""What tasks that label whole rows share."""

import warnings
from typing import Any, ClassVar

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
