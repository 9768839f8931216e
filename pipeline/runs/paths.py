"""Where a run keeps its files, relative to the project's root."""

from dataclasses import dataclass
from pathlib import Path

ALL_FOLDS = -1  # the number of a cell that serves every fold


@dataclass(frozen=True)
class Paths:
    """Where the run of that name keeps its files, relative to the project's root."""

    run: str

    @property
    def models(self) -> Path:
        return Path("models") / self.run

    @property
    def oof(self) -> Path:
        return Path("oof") / self.run

    @property
    def folds(self) -> Path:
        return self.models / "folds.csv"

    @property
    def features(self) -> Path:
        return Path("models/.features")

    @property
    def corpus(self) -> Path:
        return self.models / ".corpus"

    def cell(self, stage: str, fold: int) -> Path:
        """fold: a fold's number, or ALL_FOLDS."""
        return self.models / stage / ("all_folds" if fold == ALL_FOLDS else f"fold_{fold}")

    def submission(self, stage: str | None = None) -> Path:
        return Path("submissions") / (f"{self.run}_{stage}.csv" if stage else f"{self.run}.csv")
