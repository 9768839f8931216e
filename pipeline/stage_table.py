"""What a stage is, declared once, and a cell: one stage on one fold with one seed.

A stage is added here, as its section in config/, its command in stages/ and the two functions that it names.
"""

import importlib
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import PurePath
from typing import Any, Literal

from pipeline.lazy import lazily

numpy = lazily("numpy")
ALL_FOLDS = -1  # the number of a cell that serves every fold
ALL_ROWS = -2  # and of one that is trained on all rows, and validated on none
NO_FOLD = 2**16  # what stands for the fold in the random seed of the latter
Predicting = Literal["baseline", "stage1", "stage2", "blend"]  # names of the stages that predict, for types
SUBMITTED: Predicting = "stage2"  # whose predictions are submitted unless the configuration names another


def _one_for_each_fold(settings: Any, folds: list[int]) -> list[int]:
    return folds


def _one_where_configured(settings: Any, folds: list[int]) -> list[int]:
    """A blend is one cell for all folds; without [blend], none."""
    return [] if settings is None else [ALL_FOLDS]


def _one_for_all_folds(settings: Any, folds: list[int]) -> list[int]:
    """Stage 0 trains one encoder for all folds, unless each fold's own texts are withheld; without [pretrain], none."""
    if settings is None:
        return []
    return [ALL_FOLDS] if settings.fold_texts == "all" else folds


@dataclass(frozen=True)
class Stage:
    """A stage. Where a function takes ``settings``, it is given the stage's section of the configuration."""

    name: str
    """Names its command, its section of the configuration and its folder under models/<run>/."""
    number: int
    """Stands in the random seed of each of its cells."""
    fit: str
    """module:function, which takes a Run and returns the function that fits one cell. Imported only for work."""
    identity: str
    """module:function, which takes a Run and a Cell and returns what the cell's numbers follow from."""
    starts_from: str | None = None
    """The stage whose cell of the same fold it starts from, where there is one."""
    compared_with: str | None = None
    """The stage that the report compares it with."""
    predicts: bool = True
    """Whether its cells hold out-of-fold and test predictions."""
    trains_bert: bool = False
    """Whether it uses the threads, precision and memory of a network, several cells at a time."""
    folds: Callable[[Any, list[int]], list[int]] = _one_for_each_fold
    """Settings and the wanted folds -> the numbers of its cells, a fold's each or ALL_FOLDS."""
    copies_of_weights: Callable[[Any], int] = lambda settings: 0
    """How many copies of the encoder's weights a finished cell leaves on the disk."""
    with_each_seed: bool = False
    """Whether it has a cell for each of the run's seeds; else for the first alone."""
    first_seed: int = 0
    """Added to the fold's number in the random seed: 1 where there may be a cell for all folds, whose number is -1."""

    def __str__(self) -> str:
        return self.name

    def __reduce__(self) -> tuple[Any, ...]:
        """Another process has the same table."""
        return _by_name, (self.name,)

    @property
    def of_each_fold(self) -> bool:
        """Whether it has a model for each fold, whatever the settings."""
        return self.folds is _one_for_each_fold

    def settings(self, config: Any) -> Any:
        """Its section of a Config."""
        return getattr(config, self.name)


@dataclass(frozen=True)
class Cell:
    """One stage on one fold, on ALL_FOLDS or on ALL_ROWS, with one seed of the run."""

    stage: Stage
    fold: int
    seed: int
    further: bool = False
    """Whether the seed is another than the run's first, and so stands in the cell's name and folder."""

    def __str__(self) -> str:
        """What it is called on the screen."""
        return f"{self.stage} {self.part}".rstrip()

    @property
    def part(self) -> str:
        """The same without its stage; empty for a cell of all folds."""
        fold = {ALL_FOLDS: "", ALL_ROWS: "all rows"}.get(self.fold, f"fold {self.fold}")
        return f"{fold} seed {self.seed}" if self.further else fold

    @property
    def folder(self) -> PurePath:
        """Its folder, relative to the run's under models/."""
        fold = {ALL_FOLDS: "all_folds", ALL_ROWS: "all_rows"}.get(self.fold, f"fold_{self.fold}")
        return PurePath(self.stage.name, f"{fold}_seed_{self.seed}" if self.further else fold)

    @property
    def random_seed(self) -> int:
        """A seed of the cell's own, of 31 bits: a cell is the same whatever was trained before it."""
        number = NO_FOLD if self.fold == ALL_ROWS else self.fold + self.stage.first_seed
        entropy = [self.seed, self.stage.number, number]
        return int(numpy.random.SeedSequence(entropy).generate_state(1)[0] >> 1)


PRETRAIN = Stage(
    "pretrain", 0, "pipeline.pretraining.stage0:start", "pipeline.runs.identity:of_pretraining", predicts=False,
    trains_bert=True, folds=_one_for_all_folds, copies_of_weights=lambda settings: 2, first_seed=1)
BASELINE = Stage("baseline", 3, "pipeline.baseline:start", "pipeline.runs.identity:of_baseline")
STAGE1 = Stage(
    "stage1", 1, "pipeline.training.bert_stages:start_stage1", "pipeline.runs.identity:of_stage1",
    starts_from="pretrain", compared_with="baseline", trains_bert=True, with_each_seed=True,
    copies_of_weights=lambda settings: len({settings.hand_on, settings.predict_with}))
STAGE2 = Stage(
    "stage2", 2, "pipeline.training.bert_stages:start_stage2", "pipeline.runs.identity:of_stage2",
    starts_from="stage1", compared_with="stage1", trains_bert=True, with_each_seed=True)
BLEND = Stage("blend", 4, "pipeline.blending.stage:start", "pipeline.blending.stage:identity",
              folds=_one_where_configured)
STAGES = {stage.name: stage for stage in (PRETRAIN, BASELINE, STAGE1, STAGE2, BLEND)}  # in the order of a run
PREDICTING = {name: stage for name, stage in STAGES.items() if stage.predicts}


def _by_name(name: str) -> Stage:
    return STAGES[name]


def built_on(stage: Stage) -> list[Stage]:
    """The stages that start from this one, directly or by way of others, in order."""
    above: list[Stage] = []
    for other in STAGES.values():
        if other.starts_from in [stage.name, *(lower.name for lower in above)]:
            above.append(other)
    return above


def leading_to(stage: Stage) -> list[Stage]:
    """A stage behind those that it starts from, directly or by way of others, in order."""
    below = [] if stage.starts_from is None else leading_to(STAGES[stage.starts_from])
    return [*below, stage]


def imported(reference: str) -> Callable[..., Any]:
    """The function that "module:function" names."""
    module, _, name = reference.partition(":")
    function: Callable[..., Any] = getattr(importlib.import_module(module), name)
    return function
