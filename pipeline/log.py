"""What a person sees while a command works: lines, and on a terminal a progress bar with the time left."""

import contextlib
import logging
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

console = Console(highlight=False, soft_wrap=True, width=None if sys.stdout.isatty() else 160)
_log = logging.getLogger("run")
_log.setLevel(logging.INFO)
_log.propagate = False


def say(line: str) -> None:
    """One line for the screen and the run's log; control characters that came from data are made visible."""
    clean = "".join(c if c.isprintable() else f"\\x{ord(c):02x}" for c in line)
    console.print(clean, markup=False)
    _log.info(clean)


def keep_log(path: Path) -> None:
    """From now on every line also goes to this file, with the time."""
    path.parent.mkdir(parents=True, exist_ok=True)
    handler = logging.FileHandler(path, encoding="utf-8")
    handler.setFormatter(logging.Formatter("%(asctime)s %(message)s"))
    _log.handlers[:] = [handler]


@contextlib.contextmanager
def progress(label: str, total: int) -> Iterator[Callable[[], None]]:
    """Yields a function to call once a step; draws a bar on a terminal, nothing elsewhere."""
    if not console.is_terminal:
        yield lambda: None
        return
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
    with Progress(*columns, console=console, transient=True) as bar:
        task = bar.add_task(label, total=total)
        yield lambda: bar.advance(task)


class Clock:
    """Seconds since it was made, for lines that say how long something took."""

    def __init__(self) -> None:
        self._start = time.monotonic()

    def __str__(self) -> str:
        seconds = time.monotonic() - self._start
        return f"{seconds:.0f} s" if seconds < 120 else f"{seconds / 60:.1f} min"
