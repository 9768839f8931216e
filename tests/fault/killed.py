"""kill -9 before each change that a stage makes to the disk, and at random times: the rerun ends in the same bytes."""

import os
import random
import signal
import threading
import time
from collections.abc import Iterator

from tests.fault.forks import Case, forked

TIMES = 6  # random times a stage


def at_changes(case: Case, every: int) -> Iterator[str | None]:
    """For each kill: None where the rerun ended in the golden bytes, else what was wrong."""
    for number in range(1, case.changes + 1, every):
        with case.project():
            end = forked(case.commands, number, kill)
            wrong = case.rerun() if end.code == -signal.SIGKILL else f"was not killed but ended with {end.code}"
            yield wrong and f"{case.name}, killed before change {number}: {wrong}"


def at_random_times(case: Case, every: int) -> Iterator[str | None]:
    """As ``at_changes``; a stage may also have ended before its time has come."""
    rng = random.Random(case.name)
    for _ in range(0, TIMES, every):
        moment = rng.uniform(0, case.seconds)
        with case.project():
            end = forked(case.commands, begin=lambda wait=moment: _kill_after(wait))  # type: ignore[misc]
            wrong = case.rerun() if end.code in (0, -signal.SIGKILL) else f"was not killed but ended with {end.code}"
            yield wrong and f"{case.name}, killed after {moment:.2f} s: {wrong}"


def kill() -> None:
    """Ends this process at once."""
    os.kill(os.getpid(), signal.SIGKILL)


def _kill_after(seconds: float) -> None:
    def wait() -> None:
        time.sleep(seconds)
        kill()

    threading.Thread(target=wait, daemon=True).start()
