"""Cells in processes: several at a time, whose lines and bars this process shows."""

import functools
import multiprocessing
import os
from collections.abc import Callable
from concurrent.futures import ProcessPoolExecutor, as_completed
from concurrent.futures.process import BrokenProcessPool
from typing import Any, TypeVar

from pipeline.errors import OutOfMemoryError
from pipeline.machine import console, interrupts, resources
from pipeline.machine.interrupts import Terminated

Item = TypeVar("Item")


def run_each(prepare: Callable[[], Callable[[Item], None]], items: list[Item], jobs: int, apart: bool = False) -> None:
    """Does ``prepare()`` once a process and its result on every item; in this process if jobs is 1, unless it is to be
    apart from what this process does later.

    ``prepare`` and the items must be picklable. The first error ends the work, items under way are finished. Raises
    OutOfMemoryError where a process was killed from outside.
    """
    if jobs == 1 and not apart:
        act = prepare()
        for item in items:
            act(item)
        return
    context = multiprocessing.get_context("spawn")
    devices = context.SimpleQueue()
    for number in range(jobs):
        gpus = resources.gpus()
        devices.put(gpus[number % len(gpus)] if gpus else "")
    with console.relay(context) as messages, ProcessPoolExecutor(
            jobs, context, initializer=_begin, initargs=(prepare, messages, devices)) as pool:
        waiting = [pool.submit(_do, item) for item in items]
        try:
            for future in as_completed(waiting):
                future.result()
        except BrokenProcessPool:
            raise OutOfMemoryError("a process that fitted a cell was killed, most often because memory ran out; "
                                   "finished cells are kept: try again with --set hardware.jobs=1") from None
        except (KeyboardInterrupt, Terminated):
            interrupts.kill_children()
            raise
        finally:
            pool.shutdown(cancel_futures=True)


_act: Callable[[], Callable[[Any], None]]


def _begin(prepare: Callable[[], Callable[[Any], None]], messages: Any, devices: Any) -> None:
    global _act
    interrupts.end_with_parent()
    if device := devices.get():
        os.environ["CUDA_VISIBLE_DEVICES"] = device
    console.send_to(messages)
    _act = functools.cache(prepare)


def _do(item: Any) -> None:
    _act()(item)
