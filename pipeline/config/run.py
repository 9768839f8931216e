"""A whole run: every table of its file, and what they must agree on."""

import re
from collections.abc import Iterator, Mapping
from typing import Annotated, Any

from pydantic import BeforeValidator, Field, ValidationInfo, field_validator, model_validator
from pydantic_core import PydanticCustomError

from pipeline.config import kinds, schema
from pipeline.config.data import Data, Folds, PseudoLabels
from pipeline.config.kinds import BINARY, KINDS, Kind
from pipeline.config.machine import Hardware
from pipeline.config.model import Bert, Head, Tokens
from pipeline.config.results import Baseline, Blend, Doctor, Submit
from pipeline.config.schema import LATER, Contradiction, RandomSeed, Section
from pipeline.config.training import Pretrain, Stage1, Stage2
from pipeline.errors import UserError
from pipeline.metrics import names as metric_names
from pipeline.stage_table import PRETRAIN, STAGE1, STAGE2, STAGES, leading_to

RUN_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,79}")
SOFT = [name for name, kind in KINDS.items() if kind.soft_labels]
NAME_RULE = "must be 1-80 letters, digits, '.', '_' or '-', the first a letter or digit"


def _a_kind(value: object) -> object:
    if not isinstance(value, str) or value not in KINDS:
        raise ValueError(f"must be {', '.join(KINDS)}, got {schema.shown_value(value)}")
    return value


class Config(Section):
    """A whole run."""

    name: str
    """Names models/<name>/, oof/<name>/ and submissions/<name>.csv; default: the file's name."""
    seed: RandomSeed = 2020
    """Head weights, dropout and row order of each cell follow from this, the stage and the fold."""
    seeds: Annotated[list[RandomSeed] | None, Field(min_length=1, max_length=100), LATER] = None
    """Stages 1 and 2 are fitted with each of them, on the same folds, and what they predict is averaged: a mean of
    several is steadier, and the report says how much a seed changes. The first is ``seed``. Unset: that one alone."""
    task: Annotated[str, BeforeValidator(_a_kind)] = "binary"
    """What a label is: binary: one of two. multiclass: one of several classes. multilabel: any number of names at once.
    multioutput: several labels, each of two or more. tags: a tag for each word. regression: a number, or several.
    ordinal: a grade, one of a few in an order."""
    metric: Annotated[str | None, LATER] = None
    """What the competition scores by: what epochs are compared by, what the report leads with and ranks by, and what
    decisions are made for. Unset: binary: auc. multiclass: accuracy. multilabel: macro F1 at 0.5. multioutput: the mean
    of auc and accuracy. tags: entity_f1. regression: rmse. ordinal: qwk. The names of a kind: docs/metrics.md."""
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
    pseudo_labels: PseudoLabels | None = None
    """Without this table rows have the labels of the tables alone."""
    blend: Blend | None = None
    """Without this table there is no blend."""
    submit: Submit = Submit()
    doctor: Doctor = Doctor()
    hardware: Hardware = Hardware()

    @model_validator(mode="before")
    @classmethod
    def _defaults_of_the_kind(cls, tree: Any) -> Any:
        if isinstance(tree, Mapping) and "seed" not in tree and isinstance(tree.get("seeds"), list) and tree["seeds"]:
            tree = {**tree, "seed": tree["seeds"][0]}
        return kinds.with_defaults(tree) if isinstance(tree, Mapping) else tree

    @field_validator("data")
    @classmethod
    def _data_where_it_is_read(cls, value: Data | None, others: ValidationInfo) -> Data | None:
        pretrain = others.data.get(str(PRETRAIN))
        if value is None and (pretrain is None or pretrain.texts):
            raise PydanticCustomError("missing", "Field required")
        return value

    @property
    def kind(self) -> Kind:
        """What follows from the kind of label."""
        return KINDS[self.task]

    @property
    def every_seed(self) -> list[int]:
        """The run's seeds, the first of them ``seed``."""
        return self.seeds or [self.seed]

    @property
    def competition(self) -> Data:
        """[data]. Raises UserError in a run that only pre-trains on files."""
        if self.data is None:
            raise no_data(self.name)
        return self.data

    def contradictions(self) -> Iterator[Contradiction]:
        if not RUN_NAME.fullmatch(self.name):
            yield ("name",), f"name {NAME_RULE}; got {self.name!r}"
        if self.seeds and self.seeds[0] != self.seed:
            yield ("seed", "seeds"), (f"seed must be the first of seeds, {self.seeds[0]}, or be left out; got "
                                      f"{self.seed}")
        if self.seeds and len(set(self.seeds)) < len(self.seeds):
            yield ("seeds",), f"seeds must be different numbers, got {self.seeds}"
        if self.data:
            yield from self._columns_for_the_kind(self.data)
            yield from self._formats_for_the_kind(self.data)
        yield from self._recipes_for_the_kind()
        yield from self._rows_that_count_differently()
        if self.submit.full_fit is not None:
            yield from self._full_fit()
        if self.stage1.frozen and not self.head.masked:
            yield ("stage1.frozen", "head.masked"), ("stage1.frozen = true needs head.masked = true: its outputs may "
                                                     "not depend on padding")
        if self.stage2.batch_size == "fold" and not caches_features(self):
            yield ("stage2.batch_size", "head.masked", "stage2.dropout"), (
                "stage2.batch_size = 'fold' needs head.masked = true and stage2.dropout = false")
        if self.bert.precision != "float32" and self.tokens.batches == "random":
            yield ("bert.precision", "tokens.batches"), ("bert.precision = 'bfloat16' needs tokens.batches = 'packed': "
                                                         "keras-bert is float32")

    def _columns_for_the_kind(self, data: Data) -> Iterator[Contradiction]:
        columns, kind = data.label_columns, self.kind
        if self.task == "binary" and len(data.labels or BINARY) != 2:
            yield ("task", "data.labels"), (f"data.labels must be the negative and the positive label, got "
                                            f"{data.labels}; of more classes: task = 'multiclass'")
        if columns and kind.label_columns == "none":
            several = [name for name, other in KINDS.items() if other.label_columns != "none"]
            yield ("task", "data.label_columns"), (f"data.label_columns is for task = "
                                                   f"{' or '.join(map(repr, several))}, got {self.task!r}")
        if kind.label_columns == "outputs" and not columns:
            yield ("task", "data.label_columns"), f"task = {self.task!r} needs data.label_columns"
        if data.labels and (columns or kind.of_words or kind.numbers):
            yield ("task", "data.labels", "data.label_columns"), "data.labels is for one column of labels"
        if data.label_names and self.task != "multiclass":
            yield ("task", "data.label_names"), f"data.label_names is for task = 'multiclass', got {self.task!r}"
        if data.label_names and (lacking := [label for label in data.labels or [] if label not in data.label_names]):
            yield ("data.labels", "data.label_names"), (f"data.label_names must name each of data.labels, got none for "
                                                        f"{lacking[0]!r}")
        if data.label_weights and (kind.label_columns != "outputs" or len(data.label_weights) != len(columns or [])):
            yield ("task", "data.label_weights", "data.label_columns"), (
                "data.label_weights needs task = 'multioutput' and a weight for each of data.label_columns")

    def _rows_that_count_differently(self) -> Iterator[Contradiction]:
        if self.data and self.data.relabel and self.data.label_columns:
            yield ("data.relabel", "data.label_columns"), ("data.relabel needs one column of labels, not "
                                                           "data.label_columns")
        source = self.data.source_column if self.data else None
        chosen = {"folds.validate_on": self.folds.validate_on, "stage1.train_on": self.stage1.train_on,
                  "stage2.train_on": self.stage2.train_on}
        for key, sources in chosen.items():
            if sources and not source:
                yield (key, "data.source_column"), f"{key} needs data.source_column"
        if self.pseudo_labels and not self.kind.soft_labels:
            yield ("task", "pseudo_labels"), (f"pseudo_labels is for task = {', '.join(map(repr, SOFT))}, got "
                                              f"{self.task!r}")
        if self.pseudo_labels and self.pseudo_labels.of.partition(":")[0] == self.name:
            yield ("name", "pseudo_labels.of"), (f"pseudo_labels.of must be another run, got {self.name!r}; name this "
                                                 f"one anew: --run NEW")
        if self.data and self.pseudo_labels and self.pseudo_labels.test and not self.data.test:
            yield ("pseudo_labels.test", "data.test"), "pseudo_labels.test needs data.test"
        if self.data and self.pseudo_labels and self.pseudo_labels.relabel and not (
                self.data.extra or self.folds.validate_on):
            yield ("pseudo_labels.relabel",), ("pseudo_labels.relabel is of rows that are only trained on: it needs "
                                               "data.extra or folds.validate_on")
        if self.data and (soft := self.data.soft_label_columns):
            if not self.kind.soft_labels:
                yield ("task", "data.soft_label_columns"), (f"data.soft_label_columns is for task = "
                                                            f"{', '.join(map(repr, SOFT))}, got {self.task!r}")
            elif self.task == "binary" and len(soft) != 1:
                yield ("data.soft_label_columns",), (f"data.soft_label_columns must be one column, of the positive "
                                                     f"label's probability, got {soft}")

    def _full_fit(self) -> Iterator[Contradiction]:
        for stage in leading_to(STAGES[self.submit.stage]):
            if stage not in (STAGE1, STAGE2):
                continue
            recipe = stage.settings(self)
            chosen = {"early_stopping": recipe.early_stopping, "plateau": recipe.plateau,
                      "predict_with": recipe.predict_with == "best",
                      "hand_on": getattr(recipe, "hand_on", None) == "best"}
            if recipe.monitor_on == "fold" and (keys := [f"{stage}.{key}" for key, value in chosen.items() if value]):
                yield ("submit.full_fit", f"{stage}.monitor_on", *keys), (
                    f"submit.full_fit trains on all rows, and {', '.join(keys)} would choose by the rows of a fold: "
                    f"leave {'it' if len(keys) == 1 else 'them'} out, or take {stage}.monitor_on = 'inner'")

    def _formats_for_the_kind(self, data: Data) -> Iterator[Contradiction]:
        of_words = next(name for name, kind in KINDS.items() if kind.of_words)
        if self.kind.of_words:
            if len(data.text_columns) > 1:
                yield ("task", "data.text_columns"), (f"task = {self.task!r} labels the words of one text, got "
                                                      f"data.text_columns = {data.text_columns}")
            if data.format == "folders":
                yield ("task", "data.format"), "data.format = 'folders' has no tags of words"
        elif data.format in ("conll", "spans"):
            yield ("task", "data.format"), (f"data.format = {data.format!r} is for task = {of_words!r}, got "
                                            f"{self.task!r}")

    def _recipes_for_the_kind(self) -> Iterator[Contradiction]:
        losses = tuple(dict.fromkeys((self.kind.likelihood, *self.kind.losses)))
        for stage in (STAGE1, STAGE2):
            loss = stage.settings(self).loss
            if loss not in losses:
                yield ("task", f"{stage}.loss"), (f"{stage}.loss must be {', '.join(losses)} for task = "
                                                  f"{self.task!r}, got {loss!r}")
        yield from self._names_of_metrics()
        yield from self._numbers_and_grades()
        of_words = next(name for name, kind in KINDS.items() if kind.of_words)
        if self.kind.of_words:
            if not self.head.masked:
                yield ("task", "head.masked"), f"task = {self.task!r} needs head.masked = true"
        elif self.head.recurrent != "none":
            yield ("task", "head.recurrent"), f"head.recurrent is for task = {of_words!r}, got {self.task!r}"


    def _names_of_metrics(self) -> Iterator[Contradiction]:
        names = metric_names.of_kind(self.task)
        if self.metric is not None and not metric_names.is_one(self.task, self.metric):
            yield ("task", "metric"), (f"metric must be {', '.join(names)} for task = {self.task!r}, got "
                                       f"{self.metric!r}")
        every = dict.fromkeys((*self.kind.monitors, *names))
        for stage in (STAGE1, STAGE2):
            monitor = stage.settings(self).monitor
            if monitor != self.metric and monitor not in every and not metric_names.is_one(self.task, monitor):
                yield ("task", f"{stage}.monitor"), (f"{stage}.monitor must be {', '.join(every)} for task = "
                                                     f"{self.task!r}, got {monitor!r}")
        if self.submit.form == "lists" and not (self.metric or "").startswith("map@"):
            yield ("metric", "submit.form"), (f"submit.form = 'lists' needs metric = 'map@k', for as many labels as a "
                                              f"row may list; got {self.metric!r}")

    def _numbers_and_grades(self) -> Iterator[Contradiction]:
        numbers, data = self.kind.numbers, self.data
        if data and data.bounds and not numbers:
            yield ("task", "data.bounds"), f"data.bounds is for task = 'regression', got {self.task!r}"
        if self.submit.round_to and not numbers:
            yield ("task", "submit.round_to"), f"submit.round_to is for task = 'regression', got {self.task!r}"
        if self.head.ordinal != "value" and self.task != "ordinal":
            yield ("task", "head.ordinal"), f"head.ordinal is for task = 'ordinal', got {self.task!r}"
        bce_fits = bool(data and data.bounds) if numbers else self.head.ordinal == "cumulative"
        for stage in (STAGE1, STAGE2):
            settings = stage.settings(self)
            if settings.class_weights != "none" and numbers:
                yield ("task", f"{stage}.class_weights"), f"{stage}.class_weights needs classes, got {self.task!r}"
            if settings.class_weights != "none" and self.head.ordinal == "cumulative":
                yield ("head.ordinal", f"{stage}.class_weights"), (
                    f"{stage}.class_weights needs a grade a row: head.ordinal = 'value'")
            if (numbers or self.task == "ordinal") and settings.loss == "bce" and not bce_fits:
                yield ("task", f"{stage}.loss", "data.bounds", "head.ordinal"), (
                    f"{stage}.loss = 'bce' needs values between bounds: "
                    + ("data.bounds" if numbers else "head.ordinal = 'cumulative'"))


def no_data(run: str) -> UserError:
    """What is raised where tables are asked for in a run that only pre-trains on files."""
    return UserError(f"run {run!r} has no [data]: all it can do is pretrain")


def caches_features(config: Config) -> bool:
    """Whether stage 2 may compute the encoder's outputs once: they must not change with dropout or padding."""
    return config.head.masked and not config.stage2.dropout
