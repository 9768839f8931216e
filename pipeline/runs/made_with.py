"""What changes the last bits of a run's cells without changing what they mean: settled once, and kept in run.json."""

import functools
import json

from pipeline.config.run import Config
from pipeline.config.schema import MOST
from pipeline.errors import MismatchError
from pipeline.files import formats, sealed
from pipeline.machine import resources
from pipeline.machine.console import say
from pipeline.runs.paths import Paths
from pipeline.stage_table import ALL_FOLDS, PRETRAIN, STAGES, Stage

KEYS = {"threads_per_cell": int, "pretrain_threads": int, "predict_batch": int, "xla": bool}
OF_THREADS = ("threads_per_cell", "pretrain_threads")


class MadeWith:
    """A run's threads, batch size of prediction and compilation: as the configuration says, or chosen for this machine,
    when the run first trains; then as its finished cells were made with."""

    def __init__(self, config: Config, folds: list[int]):
        self._config, self._folds, self._paths = config, folds, Paths(config.name)
        self._own_pretraining = PRETRAIN.folds(config.pretrain, folds) == [ALL_FOLDS]

    def of(self, stage: Stage) -> dict[str, int]:
        """What is recorded with each of a stage's cells."""
        return {"threads": self.threads(stage), "predict_batch": self.predict_batch, "xla": self.xla}

    def threads(self, stage: Stage) -> int:
        """Threads of a cell; all cores for stage 0 where it has one cell for all folds."""
        return self._pretrain_threads if stage is PRETRAIN and self._own_pretraining else self._threads

    @functools.cached_property
    def _threads(self) -> int:
        return int(self._settled("threads_per_cell", resources.best_threads(len(self._folds), resources.cores())))

    @functools.cached_property
    def _pretrain_threads(self) -> int:
        return int(self._settled("pretrain_threads", resources.cores()))

    @functools.cached_property
    def predict_batch(self) -> int:
        """Rows of one prediction step."""
        return int(self._settled("predict_batch", self._config.hardware.predict_batch))

    @functools.cached_property
    def xla(self) -> bool:
        """Whether steps are compiled with XLA."""
        return bool(self._settled("xla", self._config.hardware.xla))

    def _settled(self, key: str, otherwise: int) -> int:
        """A value of run.json: what finished cells were made with; before there are any, what the configuration asks
        for, what was kept, or else ``otherwise``. Raises MismatchError where the configuration asks for another."""
        path, recorded = self._paths.made_with, self._recorded(key)
        try:
            known: dict[str, int] = dict(formats.read_json(path)) if path.exists() else {}
            if not all(type(value) is KEYS[name] and (name == "xla" or 0 < value <= MOST)
                       for name, value in known.items()):
                raise ValueError
        except (ValueError, TypeError, KeyError):
            if len(recorded) != 1:
                raise MismatchError(
                    f"{path}: damaged; it holds the threads and batch size that this run's cells are made with: go on "
                    f"under a new name: --run NEW --from {self._config.name}") from None
            known = {}
        asked = self._asked(key)
        if len(recorded) == 1:
            settled = min(recorded)
        elif recorded or asked is None:
            settled = known.get(key, otherwise if asked is None else asked)
        else:
            settled = asked
        if known.get(key) != settled:
            if recorded:
                say(f"{path}: {key} = {json.dumps(settled)}, as the finished cells were made with")
            formats.write(path, dict(sorted((known | {key: settled}).items())))
        if asked not in (None, settled):
            name = "threads_per_cell" if key in OF_THREADS else key
            raise MismatchError(f"{path}: this run's cells are made with hardware.{name} = {json.dumps(settled)}, got "
                                f"{json.dumps(asked)}; give the other value another --run")
        return settled

    def _asked(self, key: str) -> int | None:
        """What the configuration says of it, where it says something."""
        hardware = self._config.hardware
        if key in OF_THREADS:
            return hardware.threads_per_cell or None
        return getattr(hardware, key) if key in hardware.model_fields_set else None

    def _recorded(self, key: str) -> set[int]:
        """The values of that key of run.json that finished cells record."""
        if key == "pretrain_threads":
            stages = [PRETRAIN]
        else:
            own = self._own_pretraining and key in OF_THREADS
            stages = [stage for stage in STAGES.values() if not (stage is PRETRAIN and own)]
        done = (sealed.read_done(path.parent) for stage in stages for path in self._paths.stage(stage).glob(
            f"*/{sealed.DONE}"))
        name = "threads" if key in OF_THREADS else key
        return {content["provenance"][name] for content in done if content and name in content["provenance"]}
