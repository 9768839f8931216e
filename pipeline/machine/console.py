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
from pipeline.machine.notebook_bars import NotebookBars, in_notebook

console = Console(highlight=False, emoji=False, soft_wrap=True, force_jupyter=False,
                  width=None if sys.stdout.isatty() else 100)
_log = logging.getLogger("run")
_log.setLevel(logging.INFO)
_log.propagate = False
logging.raiseExceptions = False  # a full disk must not put a traceback after every line
_parent: Any = None  # where another process started this one: its queue
_bars: "Bars | None" = None  # while several parts of one work are drawn together
_quiet = False


def say(line: str, always: bool = False) -> None:
    """One line for the screen and the run's log; control characters that came from data are made visible.

    always: also shown where the command is to be quiet, as a warning is.
    """
    clean = visible(line)
    if _parent:
        _parent.put(("line", clean, 0))
        return
    if always or not _quiet or clean.startswith("warning:"):
        console.print(clean, markup=False)
    _log.info(clean)


def be_quiet(quiet: bool = True) -> None:
    """Whether from now on only the lines that are always shown, and errors, reach the screen; the log has them all."""
    global _quiet
    _quiet = quiet


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
    else:
        with contextlib.nullcontext(_bars) if _bars else Bars.drawn() as bars:
            bars.begin(label, total, done)
            yield lambda: bars.step(label)
            bars.end(label)


@contextlib.contextmanager
def together(label: str, parts: int) -> Iterator[None]:
    """While the block lasts, a bar of that many equally long parts stands above those of the parts, with the time that
    is left for them all."""
    global _bars
    with Bars.drawn(label, parts) as _bars:
        try:
            yield
        finally:
            _bars = None


def send_to(messages: Any) -> None:
    """From now on this process's lines and bars are shown by the one that reads the queue."""
    global _parent
    _parent = messages


@contextlib.contextmanager
def relay(context: Any) -> Iterator[Any]:
    """Yields a queue for other processes and shows the lines and bars that come from it."""
    messages = context.SimpleQueue()
    with contextlib.nullcontext(_bars) if _bars else Bars.drawn() as bars:

        def show() -> None:
            for kind, text, number in iter(messages.get, None):
                if kind == "line":
                    say(text)
                elif kind == "begin":
                    bars.begin(text, *number)
                elif kind == "step":
                    bars.step(text)
                else:
                    bars.end(text)

        reader = threading.Thread(target=show, daemon=True)
        reader.start()
        try:
            yield messages
        finally:
            messages.put(None)
            reader.join()


class Bars:
    """Bars by their labels, and one above them of all parts; without a terminal nothing is drawn."""

    def __init__(self, drawn: Progress | NotebookBars | None, label: str = "", parts: int = 0):
        self._drawn, self._parts, self._tasks = drawn, parts, dict[str, TaskID]()
        self._whole = drawn.add_task(label, total=None) if drawn and parts > 1 else None

    @classmethod
    @contextlib.contextmanager
    def drawn(cls, label: str = "", parts: int = 0) -> Iterator["Bars"]:
        """Bars that are gone when the block ends."""
        if in_notebook() and not _quiet:
            bars = NotebookBars()
            try:
                yield cls(bars, label, parts)
            finally:
                bars.close()
            return
        if not console.is_terminal or _quiet:
            yield cls(None)
            return
        columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
        with Progress(*columns, console=console, transient=True) as drawn:
            yield cls(drawn, label, parts)

    def begin(self, label: str, total: int, done: int) -> None:
        if self._drawn:
            self._tasks[label] = self._drawn.add_task(f"  {label}" if self._parts > 1 else label, total=total,
                                                      completed=done)
            if self._whole is not None:
                self._drawn.update(self._whole, total=self._parts * total, advance=done)

    def step(self, label: str) -> None:
        if self._drawn:
            self._drawn.advance(self._tasks[label])
            if self._whole is not None:
                self._drawn.advance(self._whole)

    def end(self, label: str) -> None:
        if self._drawn:
            self._drawn.remove_task(self._tasks.pop(label))


class Clock:
    """Seconds since it was made, for lines that say how long something took."""

    def __init__(self) -> None:
        self._start = time.monotonic()

    def __str__(self) -> str:
        seconds = time.monotonic() - self._start
        return f"{seconds:.0f} s" if seconds < 120 else f"{seconds / 60:.1f} min"
