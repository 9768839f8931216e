"""What a label is: how it is validated, encoded, scored, and laid out in tables. One class a kind of label.

The rest of the pipeline handles `label` (int8 [rows]), `logit` and `prediction` (float32 [rows]) without
knowing what they mean.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import pandas as pd

from pipeline import metrics

Floats = npt.NDArray[np.float32]


@dataclass(frozen=True)
class Binary:
    """One of two labels; the prediction is the probability of the positive one."""

    negative: str
    positive: str

    @property
    def labels(self) -> tuple[str, str]:
        """The label's text by its number."""
        return self.negative, self.positive

    def problems(self, labels: Sequence[str], lines: Sequence[int], where: str, trained_on: bool) -> list[str]:
        """One line for each wrong label in the column with the first line it stands on, or for a class that is
        missing where the rows are trained on."""
        allowed = self.labels
        wrong: dict[str, list[int]] = {}
        for label, line in zip(labels, lines, strict=True):
            if label not in allowed:
                wrong.setdefault(label, []).append(line)
        found = [
            f"{where}, line {at[0]}: label must be {self.negative!r} or {self.positive!r}, got {label!r}"
            + (f" (and on {len(at) - 1} more lines)" if len(at) > 1 else "")
            for label, at in wrong.items()
        ]
        if len(found) > 10:
            found[10:] = [f"{where}: {len(found) - 10} other values are wrong too; is data.label_column right?"]
        for label in allowed:
            if trained_on and not found and label not in labels:
                found.append(f"{where}: no row has label {label!r}; training needs both classes")
        return found

    def encode(self, labels: Sequence[str]) -> npt.NDArray[np.int8]:
        """int8 [rows]: 1 where the label is the positive one."""
        return np.fromiter((label == self.positive for label in labels), dtype=np.int8, count=len(labels))

    def oof_table(self, ids: pd.Series, fold: npt.NDArray[np.int64], label: npt.NDArray[np.int8], logit: Floats
                  ) -> pd.DataFrame:
        """id, fold, label, logit, prediction: one row a validated training row."""
        return pd.DataFrame({"id": ids.to_numpy(), "fold": fold, "label": label,
                             "logit": logit, "prediction": metrics.sigmoid(logit)})

    def test_table(self, ids: pd.Series, logit: Floats) -> pd.DataFrame:
        """id, logit, prediction: one row a test row."""
        return pd.DataFrame({"id": ids.to_numpy(), "logit": logit, "prediction": metrics.sigmoid(logit)})

    def decide(self, probability: npt.NDArray[np.floating], threshold: float) -> list[str]:
        """The label names at a threshold."""
        return [self.positive if p >= threshold else self.negative for p in probability]
