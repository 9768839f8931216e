"""[baseline] and [submit]: the number to beat, and what the competition wants to receive."""

from collections.abc import Iterator
from typing import Annotated, Literal

from pydantic import Field

from pipeline.config.schema import LATER, Contradiction, Count, FilePath, Section
from pipeline.stage_table import PREDICTING, SUBMITTED, Predicting


class Baseline(Section):
    """Character or word n-gram tf-idf with logistic regression: the number to beat, in seconds."""

    analyzer: Literal["char", "char_wb", "word"] = "char"
    ngrams: Annotated[list[Annotated[int, Field(ge=1, le=10)]], Field(min_length=2, max_length=2)] = [1, 3]
    """Shortest and longest n-gram."""
    min_rows: Count = 2
    """Training rows an n-gram must occur in; 2 instead of 1 is worth 0.002 AUC on boyu."""
    strength: Annotated[float, Field(gt=0)] = 3.0
    """Inverse of the L2 penalty (scikit-learn's C)."""

    def contradictions(self) -> Iterator[Contradiction]:
        if self.ngrams[0] > self.ngrams[1]:
            yield ("ngrams",), f"ngrams must be the shortest and the longest n-gram, got {self.ngrams}"


class Blend(Section):
    """Finished stages of runs, and other people's predictions, joined to one."""

    of: Annotated[list[FilePath], Field(min_length=1, max_length=1_000)]
    """The members: "RUN", "RUN:STAGE", or tables of other people's predictions, "[NAME=]OOF.csv[,TEST.csv]"."""
    method: Literal["auto", "mean", "logit", "rank", "greedy", "nnls", "vote"] = "auto"
    """mean: of probabilities. logit: of logits, each member's divided by a temperature. rank: of ranks. greedy:
    selection with replacement by the metric. nnls: non-negative least squares. vote: of decisions. auto: the mean,
    unless logit, greedy or nnls is better, nested, by more than its error."""
    shrink: Annotated[float, Field(ge=0, le=1)] = 0.5
    """greedy: how far weights are moved to equal ones."""
    baseline: bool = True
    """Whether the first run's baseline joins, where it has one."""
    other_folds: bool = False
    """Whether members may have been validated on other folds, which makes the score optimistic."""


class Doctor(Section):
    """What ``stages doctor`` looks at."""

    silence: list[Annotated[str, Field(pattern=r"^B\d{3}$")]] = []
    """Codes of checks that are not made, as "B003"."""


class Submit(Section):
    """What the competition wants to receive."""

    stage: Predicting = SUBMITTED
    """Whose predictions become submissions/<run>.csv."""
    full_fit: Annotated[float | None, Field(ge=0, le=1), LATER] = None
    """The share of that submission that is predicted by one more model, which is trained on all rows; the folds' mean
    is the rest. That model has no out-of-fold score. Unset: no such model."""
    form: Annotated[Literal["probabilities", "labels", "lists"] | None, LATER] = None
    """What a submission holds. lists: the likeliest labels of a row, as many as metric = "map@k" has. Unset: what the
    sample submission shows, else what the metric scores, else probabilities (of tags, tags)."""
    columns: dict[str, str] | str | None = None
    """Which column of the sample submission is of which label, where they are not named as the labels:
    { class1 = "1" }, or all at once: "class{label}"."""
    no_label: str = ""
    """multilabel: what stands in a submission of labels for a row that has none."""
    round_to: Annotated[float | None, Field(gt=0), LATER] = None
    """regression: predictions become the nearest multiple of it, for a competition whose values have steps."""
    id_header: str = "ID"
    """Header without a sample submission."""
    prediction_header: str = "Prediction"
    """Header without a sample submission."""

    def contradictions(self) -> Iterator[Contradiction]:
        if self.full_fit is not None and not PREDICTING[self.stage].of_each_fold:
            yield ("stage", "full_fit"), (f"full_fit is for a stage that is trained, got {self.stage!r}; a blend takes "
                                          f"it over from none of its members")
        if self.id_header == self.prediction_header:
            yield ("id_header", "prediction_header"), (f"id_header and prediction_header must differ, got "
                                                       f"{self.id_header!r} twice")
        if isinstance(self.columns, str) and self.columns.count("{label}") != 1:
            yield ("columns",), (f"columns must be a table, or a text that holds {{label}} once; got {self.columns!r}")
