"""A stage of another run, with every cell finished, as blends and pseudo-labels read it."""

import functools
from dataclasses import dataclass
from typing import Any

from pipeline.competition import folds
from pipeline.config import loading
from pipeline.config.run import Config
from pipeline.errors import UserError
from pipeline.files import sealed
from pipeline.runs import artefacts
from pipeline.runs.paths import Paths
from pipeline.stage_table import BASELINE, BLEND, PREDICTING, STAGE1, STAGE2, Cell, Stage

OF_FOLDS = [stage for stage in PREDICTING.values() if stage is not BLEND]  # those with a model for each fold


@dataclass(frozen=True)
class FinishedStage:
    """A stage of a run: which run, its configuration, which stage."""

    paths: Paths
    config: Config
    stage: Stage

    @classmethod
    def named(cls, text: str) -> "FinishedStage":
        """Of "RUN" or "RUN:STAGE"; where no stage is named, the one that the run submits, where that is finished, else
        the last that is. Raises UserError where there is none."""
        name, colon, named = text.partition(":")
        paths = Paths.of_existing(name)
        config = loading.load(paths.settings)
        if colon and named not in [str(stage) for stage in OF_FOLDS]:
            raise UserError(f"{text}: the stage must be one of {', '.join(map(str, OF_FOLDS))}, got {named!r}")
        if colon:
            return cls(paths, config, PREDICTING[named])
        for stage in (PREDICTING[config.submit.stage], STAGE2, STAGE1, BASELINE):
            if stage is not BLEND and (whole := cls(paths, config, stage)).has_every_cell:
                return whole
        if (paths.stage(BLEND)).exists():
            raise UserError(f"{text}: is a blend; name its members instead")
        raise UserError(f"{text}: no stage of this run has every fold")

    def __str__(self) -> str:
        return f"{self.paths.run}:{self.stage}"

    @functools.cached_property
    def cells(self) -> list[Cell]:
        """A cell for each fold and seed, those of one seed after the other."""
        seeds = self.config.every_seed if self.stage.with_each_seed else [self.config.seed]
        return [Cell(self.stage, fold, seed, seed != self.config.seed) for seed in seeds
                for fold in range(folds.fold_count(self.config.folds))]

    @property
    def has_every_cell(self) -> bool:
        """Whether every cell is there; none is verified."""
        return all((self.paths.cell(cell) / sealed.DONE).exists() for cell in self.cells)

    @property
    def fingerprint(self) -> str:
        """What names the numbers that it predicts: a hash of its cells' tables. Raises UserError."""
        return sealed.digest([self.done(cell)["files"][name] for cell in self.cells
                              for name in (artefacts.OOF, artefacts.TEST)])

    def done(self, cell: Cell, further: tuple[str, ...] = ()) -> dict[str, Any]:
        """A cell's DONE.json where its tables, and these further files, are as they were sealed. Raises UserError."""
        done = sealed.read_done(self.paths.cell(cell), (artefacts.OOF, artefacts.TEST, *further))
        if done is None:
            raise UserError(f"{self.paths.cell(cell)}: is not finished, or damaged; run it first: python -m stages "
                            f"{cell.stage} {self.paths.settings} --fold {cell.fold}"
                            + (f" --seed {cell.seed}" if cell.further else ""))
        return done
