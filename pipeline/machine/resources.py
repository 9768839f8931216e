"""What this machine has: cores, memory and GPUs, and how many cells they hold at a time."""

import contextlib
import math
import os
from pathlib import Path

from pipeline.files.room import GIB

FORK_COST = 0.1  # what each thread beyond the first loses; about that on 2 cores, for a 4x256 encoder


def cores() -> int:
    """The cores that this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def best_threads(cells: int, available: int) -> int:
    """Threads a cell that bring all cells to an end soonest, several at a time where the cores allow it."""
    def time(threads: int) -> float:
        rounds = math.ceil(cells / (available // threads))
        return rounds * (1 + FORK_COST * (threads - 1)) / threads

    return min(range(1, available + 1), key=time)


def best_jobs(cells: int, threads: int, weights: int) -> int:
    """Cells at a time: one a GPU, else as many as cores and free memory hold. weights: of the network, a cell's."""
    if devices := gpus():
        return min(cells, len(devices))
    peak = GIB + 24 * weights  # weights, gradients, two moments, and two copies of the weights, 4 bytes each
    return max(1, min(cells, cores() // threads, _free_memory() // peak))


def gpus() -> list[str]:
    """The numbers of this machine's NVIDIA devices, as CUDA_VISIBLE_DEVICES counts them."""
    visible = os.environ.get("CUDA_VISIBLE_DEVICES")
    if visible is not None:
        return [device for device in visible.split(",") if device not in ("", "-1")]
    return [path.name.removeprefix("nvidia") for path in sorted(Path("/dev").glob("nvidia[0-9]*"))]


def _free_memory() -> int:
    with contextlib.suppress(OSError, ValueError):
        for line in Path("/proc/meminfo").read_text().splitlines():
            if line.startswith("MemAvailable:"):
                return 1024 * int(line.split()[1])
    return 2**62
