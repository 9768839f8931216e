"""Pictures as values: axes, and marks at places in the units of a viewBox. Templates write them as SVG.

Matplotlib's SVG has its colours in style attributes, which the page's Content-Security-Policy refuses and a dark page
could not change; here a mark has the name of a series, whose colour, dash and shape are the style sheet's.
"""

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import numpy.typing as npt

from pipeline.lazy import lazily

ticker = lazily("matplotlib.ticker")

WIDTH, HEIGHT = 440, 300
LEFT, RIGHT, TOP, BOTTOM = 56, 12, 10, 44  # around the axes' inside
CORNERS = 400  # most points of a line
Numbers = Sequence[float] | npt.NDArray[Any]


@dataclass(frozen=True)
class Axis:
    """label: what is along it. low, high: its ends. ticks: value and text."""

    label: str
    low: float
    high: float
    ticks: tuple[tuple[float, str], ...]

    def share(self, value: float) -> float:
        """How far along it a value is, 0 to 1 inside."""
        return (value - self.low) / (self.high - self.low)


def axis(label: str, low: float, high: float, digits: int | None = None) -> Axis:
    """From low to high, with about five ticks at round numbers. digits: behind the point; None: as many as it takes."""
    if high <= low:
        low, high = low - 0.5, high + 0.5
    places = ticker.MaxNLocator(5, steps=[1, 2, 5, 10] if digits == 0 else [1, 2, 2.5, 5, 10], integer=digits == 0)
    values = [float(value) for value in places.tick_values(low, high)
              if low - 1e-9 * (high - low) <= value <= high + 1e-9 * (high - low)]
    if digits is None:
        step = values[1] - values[0] if len(values) > 1 else high - low
        digits = max(0, 1 - math.floor(math.log10(step)) - (1 if _round(step) else 0))
    return Axis(label, low, high, tuple((value, f"{value:.{digits}f}") for value in values))


def named_axis(names: Sequence[str], label: str = "") -> Axis:
    """One place for each name, at 0, 1, ..."""
    return Axis(label, -0.5, len(names) - 0.5, tuple((float(place), name) for place, name in enumerate(names)))


def _round(step: float) -> bool:
    """Whether one digit says it."""
    return math.isclose(step, round(step, -math.floor(math.log10(step))), rel_tol=1e-9)


@dataclass
class Picture:
    """title and description: what a reader who cannot see it is told. table: header and rows, the numbers behind it.
    legend: series and their names. marks: shape, series and attributes of SVG. wide: whether names stand at its left.
    """

    title: str
    description: str
    x: Axis
    y: Axis
    width: int = WIDTH
    height: int = HEIGHT
    left: int = LEFT
    legend: list[tuple[str, str]] = field(default_factory=list)
    marks: list[dict[str, Any]] = field(default_factory=list)
    table: tuple[list[str], list[list[str]]] | None = None

    @property
    def inside(self) -> tuple[int, int, int, int]:
        """Left, top, right and bottom of the axes."""
        return self.left, TOP, self.width - RIGHT, self.height - BOTTOM

    def at(self, x: float, y: float) -> tuple[float, float]:
        """Where a point is, in the viewBox, to a tenth."""
        left, top, right, bottom = self.inside
        return (round(left + (right - left) * self.x.share(x), 1), round(bottom - (bottom - top) * self.y.share(y), 1))

    def line(self, series: str, x: Numbers, y: Numbers, thin: bool = False) -> None:
        """A line through points, of many some alone, as far from each other along it."""
        points = [self.at(float(across), float(along)) for across, along in zip(x, y, strict=True)]
        if len(points) > CORNERS:
            steps = np.abs(np.diff(np.array(points), axis=0)).sum(axis=1)
            way = np.concatenate([[0.0], np.cumsum(steps)])
            places = np.unique(np.searchsorted(way, np.linspace(0, way[-1], CORNERS)))
            points = [points[place] for place in {0: 0, **dict.fromkeys(places.tolist()), len(points) - 1: 0}]
        kept = [point for number, point in enumerate(points) if number == 0 or point != points[number - 1]]
        path = "M" + "L".join(f"{left:g},{top:g}" for left, top in kept)
        self.marks.append({"shape": "path", "series": series, "d": path, "thin": thin})

    def dot(self, series: str, x: float, y: float, text: str, whole: bool = False) -> None:
        """A point with what it says; whole: of all rows, where others are of parts."""
        left, top = self.at(x, y)
        self.marks.append({"shape": "dot", "series": series, "x": left, "y": top, "text": text, "whole": whole})

    def interval(self, series: str, ends: tuple[float, float], y: float) -> None:
        """From one end to the other along x, cut at those of the axes."""
        low, high = max(ends[0], self.x.low), min(ends[1], self.x.high)
        left, top = self.at(low, y)
        self.marks.append({"shape": "path", "series": series, "d": f"M{left:g},{top:g}H{self.at(high, y)[0]:g}",
                           "thin": True})

    def upright(self, series: str, x: float, low: float, high: float) -> None:
        """The same along y."""
        left, top = self.at(x, max(low, self.y.low))
        self.marks.append({"shape": "path", "series": series,
                           "d": f"M{left:g},{top:g}V{self.at(x, min(high, self.y.high))[1]:g}", "thin": True})

    def box(self, series: str, x: tuple[float, float], y: tuple[float, float], text: str = "", share: float = 1.0
            ) -> None:
        """A filled rectangle. share: how dark, 0 to 1."""
        left, bottom = self.at(x[0], y[0])
        right, top = self.at(x[1], y[1])
        self.marks.append({"shape": "box", "series": series, "x": left, "y": top, "width": round(right - left, 1),
                           "height": round(bottom - top, 1), "text": text, "opacity": round(share, 2)})

    def diagonal(self) -> None:
        """The line of equal values."""
        low, high = max(self.x.low, self.y.low), min(self.x.high, self.y.high)
        self.line("guide", [low, high], [low, high], thin=True)

    def tick_places(self) -> tuple[list[tuple[float, str]], list[tuple[float, str]]]:
        """Where the ticks of x and of y are, with their texts."""
        return ([(self.at(value, self.y.low)[0], text) for value, text in self.x.ticks],
                [(self.at(self.x.low, value)[1], text) for value, text in self.y.ticks])


def span(values: Iterable[float | None], margin: float = 0.05) -> tuple[float, float]:
    """The least and the greatest of some values, a little further apart."""
    known = [value for value in values if value is not None and math.isfinite(value)]
    if not known:
        return 0.0, 1.0
    low, high = min(known), max(known)
    room = margin * (high - low) or 0.01 * max(abs(high), 1e-6)
    return low - room, high + room
