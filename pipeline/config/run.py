"""A whole run: every table of its file, and what they must agree on."""

import re
from collections.abc import Iterator
from typing import Annotated, Literal

from pydantic import (
    Field,
    ValidationInfo,
    field_validator,
    model_validator,
)
from pydantic_core import PydanticCustomError

from pipeline.config.data import Data, Folds
from pipeline.config.kinds import BINARY, LIKELIHOOD
from pipeline.config.machine import Hardware
from pipeline.config.model import Bert, Head, Tokens
from pipeline.config.results import Baseline, Submit
from pipeline.config.schema import Section
from pipeline.config.training import Pretrain, Stage1, Stage2
from pipeline.stage_table import PRETRAIN, STAGE1, STAGE2

RUN_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,79}")
NAME_RULE = "must be 1-80 letters, digits, '.', '_' or '-', the first a letter or digit"


class Config(Section):
    """A whole run."""

    name: str
    """Names models/<name>/, oof/<name>/ and submissions/<name>.csv; default: the file's name."""
    seed: Annotated[int, Field(ge=0, lt=2**32)] = 2020
    """Head weights, dropout and row order of each cell follow from this, the stage and the fold."""
    task: Literal["binary", "multiclass", "multilabel", "multioutput", "tokens"] = "binary"
    """What a label is: one of two, one of several classes, any number of names at once, several labels of the kinds one
    of two or of several, or a tag for each word."""
    pretrain: Pretrain | None = None
    """Without this table there is no stage 0."""
    data: Annotated[Data | None, Field(validate_default=True)] = None
    """May be left out where stage 0 trains on files alone and nothing else is to be run."""
    folds: Folds = Folds()
    bert: Bert
    tokens: Tokens = Tokens()
    head: Head = Head()
    stage1: Stage1 = Stage1()
    stage2: Stage2 = Stage2()
    baseline: Baseline = Baseline()
    submit: Submit = Submit()
    hardware: Hardware = Hardware()

    @field_validator("data")
    @classmethod
    def _data_where_it_is_read(cls, value: Data | None, others: ValidationInfo) -> Data | None:
        pretrain = others.data.get(str(PRETRAIN))
        if value is None and (pretrain is None or pretrain.texts):
            raise PydanticCustomError("missing", "Field required")
        return value

    @model_validator(mode="after")
    def _whole_is_consistent(self) -> "Config":
        if not RUN_NAME.fullmatch(self.name):
            raise ValueError(f"name {NAME_RULE}; got {self.name!r}")
        if self.data and self.task == "binary" and len(self.data.labels or BINARY) != 2:
            raise ValueError(f"data.labels must be the negative and the positive label, got {self.data.labels}; "
                             f"of more classes: task = 'multiclass'")
        problems = list(self._label_problems())
        if problems:
            raise ValueError("; ".join(problems))
        losses = LIKELIHOOD[self.task], "focal", "smooth_f1"
        for name, loss in ((STAGE1, self.stage1.loss), (STAGE2, self.stage2.loss)):
            if loss not in losses:
                raise ValueError(f"{name}.loss must be {', '.join(losses)} for task = {self.task!r}, got {loss!r}")
        if self.stage1.frozen and not self.head.masked:
            raise ValueError("stage1.frozen = true needs head.masked = true: its outputs may not depend on padding")
        if self.stage2.batch_size == "fold" and not caches_features(self):
            raise ValueError("stage2.batch_size = 'fold' needs head.masked = true and stage2.dropout = false")
        if self.bert.precision != "float32" and self.tokens.batches == "random":
            raise ValueError("bert.precision = 'bfloat16' needs tokens.batches = 'packed': keras-bert is float32")
        return self


    def _label_problems(self) -> Iterator[str]:
        """What of [data] does not go with the kind of label."""
        data = self.data
        if data is None:
            return
        columns = data.label_columns
        if columns and self.task not in ("multilabel", "multioutput"):
            yield f"data.label_columns is for task = 'multilabel' or 'multioutput', got {self.task!r}"
        if self.task == "multioutput" and not columns:
            yield "task = 'multioutput' needs data.label_columns"
        if data.labels and (columns or self.task == "tokens"):
            yield "data.labels is for one column of labels"
        if data.label_weights and (self.task != "multioutput" or len(data.label_weights) != len(columns or [])):
            yield "data.label_weights needs task = 'multioutput' and a weight for each of data.label_columns"
        if self.task == "tokens" and len(data.text_columns) > 1:
            yield f"task = 'tokens' labels the words of one text, got data.text_columns = {data.text_columns}"
        if self.task == "tokens" and data.format == "folders":
            yield "data.format = 'folders' has no tags of words"
        if self.task == "tokens" and "auc" in (self.stage1.monitor, self.stage2.monitor, self.submit.metric):
            yield "task = 'tokens' has no auc: monitor and submit.metric must be f1 or accuracy"
        if self.task != "tokens" and self.head.recurrent != "none":
            yield f"head.recurrent is for task = 'tokens', got {self.task!r}"
        if self.task == "tokens" and not self.head.masked:
            yield "task = 'tokens' needs head.masked = true"
        if self.task != "tokens" and data.format in ("conll", "spans"):
            yield f"data.format = {data.format!r} is for task = 'tokens', got {self.task!r}"


def caches_features(config: Config) -> bool:
    """Whether stage 2 may compute the encoder's outputs once: they must not change with dropout or padding."""
    return config.head.masked and not config.stage2.dropout
