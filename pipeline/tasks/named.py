"""What tasks whose outputs have names share: the tables, with a logit and a probability of each name."""

from typing import ClassVar

import numpy as np
import numpy.typing as npt
import pandas as pd

from pipeline.tasks.rows import RowTask

Floats = npt.NDArray[np.float32]


class NamedOutputs(RowTask):
    """For a kind that gives ``output_names``, and probabilities for logits."""

    label_dtype: ClassVar[str] = "str"

    @property
    def output_names(self) -> tuple[str, ...]:
        """The names of the outputs, in this order everywhere."""
        raise NotImplementedError

    @property
    def outputs(self) -> tuple[int, ...]:
        return (len(self.output_names),)

    @property
    def oof_columns(self) -> list[str]:
        return ["id", "fold", "label", *self._columns()]

    @property
    def test_columns(self) -> list[str]:
        return ["id", *self._columns()]

    def numbers(self, table: pd.DataFrame, kind: str) -> Floats:
        """The columns of a table of predictions of one kind, "logit" or "prediction": float32 [rows, outputs]."""
        return table[[f"{kind}:{name}" for name in self.output_names]].to_numpy(np.float32)

    def _columns(self) -> list[str]:
        return [f"{kind}:{name}" for name in self.output_names for kind in ("logit", "prediction")]
