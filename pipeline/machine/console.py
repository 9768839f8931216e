"""What a person sees while a command works: lines, and on a terminal a progress bar with the time left."""

import contextlib
import logging
import sys
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TaskID, TextColumn, TimeRemainingColumn

from pipeline.errors import disk, visible

console = Console(highlight=False, emoji=False, soft_wrap=True, width=None if sys.stdout.isatty() else 160)
_log = logging.getLogger("run")
_log.setLevel(logging.INFO)
_log.propagate = False
logging.raiseExceptions = False  # a full disk must not put a traceback after every line
_parent: Any = None  # where another process started this one: its queue


def say(line: str) -> None:
    """One line for the screen and the run's log; control characters that came from data are made visible."""
    clean = visible(line)
    if _parent:
        _parent.put(("line", clean, 0))
        return
    console.print(clean, markup=False)
    _log.info(clean)


def keep_log(path: Path) -> None:
    """From now on every line also goes to this file, with the time."""
    with disk(path):
        path.parent.mkdir(parents=True, exist_ok=True)
        handler = logging.FileHandler(path, encoding="utf-8")
    handler.setFormatter(logging.Formatter("%(asctime)s %(message)s"))
    _log.handlers[:] = [handler]


@contextlib.contextmanager
def progress(label: str, total: int, done: int = 0) -> Iterator[Callable[[], None]]:
    """Yields a function to call once a step; draws a bar on a terminal, nothing elsewhere."""
    if _parent:
        _parent.put(("begin", label, (total, done)))
        yield lambda: _parent.put(("step", label, 1))
        _parent.put(("end", label, 0))
    elif console.is_terminal:
        with _bars() as bars:
            task = bars.add_task(label, total=total, completed=done)
            yield lambda: bars.advance(task)
    else:
        yield lambda: None


def send_to(messages: Any) -> None:
    """From now on this process's lines and bars are shown by the one that reads the queue."""
    global _parent
    _parent = messages


@contextlib.contextmanager
def relay(context: Any) -> Iterator[Any]:
    """Yields a queue for other processes and shows the lines and bars that come from it."""
    messages = context.SimpleQueue()
    with _bars() if console.is_terminal else contextlib.nullcontext() as bars:
        shown: dict[str, TaskID] = {}

        def show() -> None:
            for kind, text, number in iter(messages.get, None):
                if kind == "line":
                    say(text)
                elif bars and kind == "begin":
                    shown[text] = bars.add_task(text, total=number[0], completed=number[1])
                elif bars and kind == "step":
                    bars.advance(shown[text])
                elif bars:
                    bars.remove_task(shown[text])

        reader = threading.Thread(target=show, daemon=True)
        reader.start()
        try:
            yield messages
        finally:
            messages.put(None)
            reader.join()


def _bars() -> Progress:
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
    return Progress(*columns, console=console, transient=True)


class Clock:
    """Seconds since it was made, for lines that say how long something took."""

    def __init__(self) -> None:
        self._start = time.monotonic()

    def __str__(self) -> str:
        seconds = time.monotonic() - self._start
        return f"{seconds:.0f} s" if seconds < 120 else f"{seconds / 60:.1f} min"
