"""Cells in processes: how many at a time, with how many threads each.

How many run at a time never changes a number; the threads of each do, in last bits, so a run keeps their number.
"""

import contextlib
import functools
import math
import multiprocessing
import os
from collections.abc import Callable
from concurrent.futures import ProcessPoolExecutor, as_completed
from concurrent.futures.process import BrokenProcessPool
from pathlib import Path
from typing import Any

from pipeline import interrupts, log
from pipeline.errors import OutOfMemoryError
from pipeline.storage import GIB

Act = Callable[[int], None]
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
    if found := gpus():
        return min(cells, len(found))
    peak = GIB + 24 * weights  # weights, gradients, two moments, and two copies of the weights, 4 bytes each
    return max(1, min(cells, cores() // threads, _free_memory() // peak))


def gpus() -> list[str]:
    """The numbers of this machine's NVIDIA devices, as CUDA_VISIBLE_DEVICES counts them."""
    visible = os.environ.get("CUDA_VISIBLE_DEVICES")
    if visible is not None:
        return [one for one in visible.split(",") if one not in ("", "-1")]
    return [path.name.removeprefix("nvidia") for path in sorted(Path("/dev").glob("nvidia[0-9]*"))]


def each(prepare: Callable[[], Act], items: list[int], jobs: int) -> None:
    """Does ``prepare()`` once a process and its result on every item; in this process if jobs is 1.

    ``prepare`` must be picklable. The first error ends the work, items under way are finished. Raises
    OutOfMemoryError where a process was killed from outside.
    """
    if jobs == 1:
        act = prepare()
        for item in items:
            act(item)
        return
    context = multiprocessing.get_context("spawn")
    devices = context.SimpleQueue()
    for number in range(jobs):
        found = gpus()
        devices.put(found[number % len(found)] if found else "")
    with log.relay(context) as messages, ProcessPoolExecutor(
            jobs, context, initializer=_begin, initargs=(prepare, messages, devices)) as pool:
        waiting = [pool.submit(_do, item) for item in items]
        try:
            for one in as_completed(waiting):
                one.result()
        except BrokenProcessPool:
            raise OutOfMemoryError("a process that fitted a cell was killed, most often because memory ran out; "
                                   "finished cells are kept: try again with --set hardware.jobs=1") from None
        except (KeyboardInterrupt, interrupts.Terminated):
            interrupts.kill_children()
            raise
        finally:
            pool.shutdown(cancel_futures=True)


_act: Callable[[], Act]


def _begin(prepare: Callable[[], Act], messages: Any, devices: Any) -> None:
    global _act
    interrupts.end_with_parent()
    if device := devices.get():
        os.environ["CUDA_VISIBLE_DEVICES"] = device
    log.send_to(messages)
    _act = functools.cache(prepare)


def _do(item: int) -> None:
    _act()(item)


def _free_memory() -> int:
    with contextlib.suppress(OSError, ValueError):
        for line in Path("/proc/meminfo").read_text().splitlines():
            if line.startswith("MemAvailable:"):
                return 1024 * int(line.split()[1])
    return 2**62
