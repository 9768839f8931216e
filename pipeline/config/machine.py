"""[hardware]: how a cell uses the machine."""

from typing import Annotated, Literal

from pydantic import (
    Field,
)

from pipeline.config.schema import Count, Section


class Hardware(Section):
    """How a cell uses the machine. Recorded, not part of what a number means."""

    threads_per_cell: Annotated[int, Field(ge=0, le=1024)] = 0
    """0: chosen for the number of folds and cores at a run's first cell, and kept, because it changes last bits."""
    jobs: Literal["auto"] | Annotated[int, Field(ge=1, le=256)] = "auto"
    """Cells at a time, each in a process of its own. Changes no number."""
    xla: bool = True
    """Compile each batch shape with XLA."""
    predict_batch: Count = 64
    """Rows a prediction step; random batches predict with stage 1's batch size instead."""
    feature_cache: Annotated[float, Field(ge=0)] = 8.0
    """GiB on disk, under models/.features, for the frozen encoder's outputs, which stage 2 reads again."""
