"""Where a run keeps its files, relative to the project's root."""

from dataclasses import dataclass
from pathlib import Path

from pipeline.config.run import NAME_RULE, RUN_NAME
from pipeline.errors import UserError
from pipeline.stage_table import Cell, Stage

MODELS = Path("models")


@dataclass(frozen=True)
class Paths:
    """Where the run of that name keeps its files, relative to the project's root."""

    run: str

    @classmethod
    def of_existing(cls, run: str) -> "Paths":
        """Those of a run that has been begun. Raises UserError for what is no name, and where there is none of it."""
        if not RUN_NAME.fullmatch(run):
            raise UserError(f"run {NAME_RULE}; got {run!r}")
        paths = cls(run)
        if not paths.settings.exists():
            known = ", ".join(sorted(inside.parent.name for inside in MODELS.glob("*/config.toml"))) or "none"
            raise UserError(f"{paths.settings}: no such run. There is: {known}")
        return paths

    @property
    def models(self) -> Path:
        return MODELS / self.run

    @property
    def oof(self) -> Path:
        return Path("oof") / self.run

    @property
    def folds(self) -> Path:
        return self.models / "folds.csv"

    @property
    def settings(self) -> Path:
        """The run's resolved configuration."""
        return self.models / "config.toml"

    @property
    def made_with(self) -> Path:
        """Threads, batch size and compilation that the run's cells are made with."""
        return self.models / "run.json"

    @property
    def spent(self) -> Path:
        """How long each stage's cells took to fit."""
        return self.models / "seconds.json"

    @property
    def features(self) -> Path:
        return MODELS / ".features"

    @property
    def corpus(self) -> Path:
        return self.models / ".corpus"

    def stage(self, stage: Stage) -> Path:
        return self.models / stage.name

    def cell(self, cell: Cell) -> Path:
        return self.models / cell.folder

    def submission(self, stage: Stage | None = None, folds: list[int] | None = None, seeds: list[int] | None = None
                   ) -> Path:
        """The run's submission, a stage's, or a stage's by some folds or seeds alone."""
        parts = [self.run, *([stage.name] if stage else []), *(["folds", "-".join(map(str, folds))] if folds else []),
                 *(["seeds", "-".join(map(str, seeds))] if seeds else [])]
        return Path("submissions") / f"{'_'.join(parts)}.csv"
