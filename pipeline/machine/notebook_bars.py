"""Progress bars in a notebook: one output that is drawn again as work goes on, with the time left."""

import html
import itertools
import sys
import time
from dataclasses import dataclass, field
from typing import Any

from rich.progress import TaskID

EVERY = 0.5  # seconds between two drawings


def in_notebook() -> bool:
    """Whether a notebook's kernel runs this process."""
    return "ipykernel" in sys.modules


@dataclass
class _Task:
    label: str
    total: float | None
    done: float
    begun_at: float
    since: float = field(default_factory=time.monotonic)

    def line(self) -> str:
        """A bar as HTML."""
        total = self.total or 0
        left = ""
        if total and self.done > self.begun_at:
            seconds = (time.monotonic() - self.since) / (self.done - self.begun_at) * (total - self.done)
            left = f", {seconds:.0f} s left" if seconds < 120 else f", {seconds / 60:.0f} min left"
        bar = f'<progress value="{self.done:.0f}" max="{max(total, 1):.0f}"></progress>'
        return f"<div>{html.escape(self.label)} {bar} {self.done:,.0f} of {total:,.0f}{left}</div>"


class NotebookBars:
    """As much of rich's Progress as the console uses, drawn by IPython."""

    def __init__(self) -> None:
        self._tasks: dict[TaskID, _Task] = {}
        self._numbers = itertools.count()
        self._handle: Any = None
        self._drawn = 0.0

    def add_task(self, label: str, total: float | None = None, completed: float = 0) -> TaskID:
        """A bar of so many steps, some of them done."""
        number = TaskID(next(self._numbers))
        self._tasks[number] = _Task(label, total, completed, completed)
        self._draw(now=True)
        return number

    def advance(self, task: TaskID, advance: float = 1) -> None:
        """Steps that were done."""
        self._tasks[task].done += advance
        self._draw()

    def update(self, task: TaskID, total: float | None = None, advance: float = 0) -> None:
        """Another total, and steps that were done."""
        own = self._tasks[task]
        own.total, own.done, own.begun_at = total, own.done + advance, own.begun_at + advance
        self._draw()

    def remove_task(self, task: TaskID) -> None:
        """A bar that is not drawn any more."""
        del self._tasks[task]
        self._draw(now=True)

    def close(self) -> None:
        """Leaves nothing behind."""
        self._tasks.clear()
        self._draw(now=True)

    def _draw(self, now: bool = False) -> None:
        if not now and time.monotonic() - self._drawn < EVERY:
            return
        from IPython.display import HTML, display

        self._drawn, content = time.monotonic(), HTML("".join(task.line() for task in self._tasks.values()))
        if self._handle is None:
            self._handle = display(content, display_id=True)
        else:
            self._handle.update(content)
