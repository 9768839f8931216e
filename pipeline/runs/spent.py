"""How long a run's cells took to fit, stage by stage, as this machine's clock has it: for people, and in no report."""

import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress

from pipeline.errors import DiskError
from pipeline.files import formats
from pipeline.runs.paths import Paths
from pipeline.stage_table import Stage


def seconds(paths: Paths) -> dict[str, float]:
    """Stage -> seconds; without what a killed process had done."""
    with suppress(OSError, ValueError, TypeError, AttributeError):
        return {str(stage): float(value) for stage, value in formats.read_json(paths.spent).items()}
    return {}


@contextmanager
def recorded(paths: Paths, stage: Stage) -> Iterator[None]:
    """Adds the time that the block takes to the stage's. Where it cannot be kept it is left out."""
    begin = time.monotonic()
    try:
        yield
    finally:
        with suppress(DiskError, OSError):
            known = seconds(paths)
            total = known.get(stage.name, 0.0) + time.monotonic() - begin
            formats.write(paths.spent, known | {stage.name: round(total, 1)})
