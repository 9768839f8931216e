"""The monitored score over epochs: which epoch is best, when the rate is halved, when training stops."""

import math
from dataclasses import dataclass
from typing import Any

from pipeline.config.training import Training

MIN_DELTA = 1e-4  # by how much a score must rise to end a plateau: Keras' default for ReduceLROnPlateau


@dataclass
class Monitor:
    """The scores so far of the epochs of one cell. Ties keep the earliest epoch."""

    recipe: Training
    sign: int
    """1 where more is better, -1 where less is."""
    best: float = -math.inf
    plateau: float = -math.inf
    since_best: int = 0
    since_plateau: int = 0
    halvings: int = 0

    def improved(self, scores: dict[str, float]) -> bool:
        """Takes in an epoch's scores; True where it is the best so far, as the first always is."""
        score = self.sign * scores[self.recipe.monitor]
        self.since_best, self.since_plateau = self.since_best + 1, self.since_plateau + 1
        if score > self.plateau + MIN_DELTA:
            self.plateau, self.since_plateau = score, 0
        elif self.recipe.plateau and self.since_plateau >= self.recipe.plateau:
            self.halvings, self.since_plateau = self.halvings + 1, 0
        if score > self.best or self.best == -math.inf or math.isnan(self.best):
            self.best, self.since_best = score, 0
            return True
        return False

    @property
    def stop(self) -> bool:
        """Whether early stopping ends the training here."""
        return self.recipe.early_stopping is not None and self.since_best >= self.recipe.early_stopping

    def dump(self) -> dict[str, Any]:
        """All but the recipe and the sign, as a JSON value; ``Monitor(recipe, sign, **dumped)`` is the same again."""
        return {name: value for name, value in vars(self).items() if name not in ("recipe", "sign")}
