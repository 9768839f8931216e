"""The loop over epochs and steps, of all stages that train a network: schedule, progress, checks and resuming."""

import math
import time
from collections.abc import Sequence
from dataclasses import asdict, dataclass, field
from typing import Any, Protocol

from pipeline.arrays import Tensors
from pipeline.config.training import Recipe
from pipeline.errors import DivergedError
from pipeline.machine.console import progress, say
from pipeline.runs.resume_file import ResumeFile
from pipeline.training.optimizer import schedule

CHECK_EVERY = 50  # steps between looks at the loss
STATE_EVERY = 300  # seconds between the states inside an epoch that a killed training goes on from

Row = dict[str, float]


class Course(Protocol):
    """What a stage's training of one cell is made of; ``train`` brings it through its epochs."""

    @property
    def name(self) -> str:
        """What the cell is called on the screen."""

    @property
    def recipe(self) -> Recipe:
        """Epochs, rate and schedule."""

    @property
    def steps_per_epoch(self) -> int: ...

    @property
    def rate_factor(self) -> float:
        """What the scheduled rate is multiplied by, as the epochs so far have it."""

    @property
    def finished(self) -> bool:
        """Whether training ends before the last epoch."""

    def begin(self) -> list[Row]:
        """Sets the weights to train from; returns history rows of before the first step."""

    def batches(self, epoch: int) -> Sequence[Any]:
        """What each step of an epoch, counted from 0, takes. Called once an epoch, and again where it is resumed."""

    def take(self, batches: Any, step: int, rate: float) -> Any:
        """One step, counted from 0 over all epochs; returns the loss, a float32 scalar."""

    def end_epoch(self, number: int) -> Row:
        """Scores after an epoch, counted from 1. Raises DivergedError where a prediction is not finite."""

    def told(self, row: Row) -> str:
        """An epoch's row in words, without its number and its loss."""

    def dump(self, inside_epoch: bool) -> tuple[dict[str, Any], Tensors]:
        """All that the next steps follow from, as a JSON value and tensors."""

    def load(self, state: dict[str, Any], tensors: Tensors) -> None:
        """Goes on from what ``dump`` gave."""


@dataclass
class Standing:
    """How far a training is: steps taken, the loss summed over those of the present epoch, one row for each epoch."""

    step: int = 0
    loss: float = 0.0
    history: list[Row] = field(default_factory=list)


def train(course: Course, resume: ResumeFile) -> list[Row]:
    """Trains from the course's beginning, or on from where an earlier attempt stood; returns one row for each epoch:
    epoch, learning_rate at its end, mean loss, and the course's scores.

    Raises DivergedError where the loss or a score is not finite.
    """
    recipe, per_epoch = course.recipe, course.steps_per_epoch
    total = recipe.epochs * per_epoch
    standing = _begun(course, resume, total)
    pace = _Pace(standing.step, total)
    with progress(course.name, total, standing.step) as advance:
        while standing.step < total and not course.finished:
            epoch, done = divmod(standing.step, per_epoch)
            losses: list[Any] = []
            for batches in course.batches(epoch)[done:]:
                rate = recipe.learning_rate * course.rate_factor * schedule(standing.step, total, recipe)
                losses.append(course.take(batches, standing.step, rate))
                standing.step += 1
                advance()
                at_end = standing.step % per_epoch == 0
                due = not at_end and pace.state_is_due()  # an epoch's end is written below, with its row
                if at_end or due or len(losses) == CHECK_EVERY:
                    _add(losses, f"{course.name}, epoch {epoch + 1}", standing, rate)
                    losses.clear()
                if due:
                    _write(resume, course, standing, inside_epoch=True)
                    say(f"{course.name}  epoch {standing.step / per_epoch:.2f}/{recipe.epochs}  "
                        f"loss {standing.loss / (standing.step % per_epoch):.4f}  {pace.line(standing.step)}")
            row = {"epoch": epoch + 1, "learning_rate": rate, "loss": standing.loss / per_epoch}
            standing.history.append(row | course.end_epoch(epoch + 1))
            standing.loss = 0.0
            _write(resume, course, standing, inside_epoch=False)
            say(f"{course.name}  epoch {epoch + 1}/{recipe.epochs}  loss {row['loss']:.4f}  "
                f"{course.told(standing.history[-1])}")
    return standing.history


def finite(value: float, what: str, rate: float) -> None:
    """Raises DivergedError where the value is no finite number."""
    if not math.isfinite(value):
        raise DivergedError(f"{what} is {value} at learning rate {rate:.2g}; lower learning_rate, or set clip_norm")


def _begun(course: Course, resume: ResumeFile, total: int) -> Standing:
    if (earlier := resume.take_over()) is not None:
        state, tensors = earlier
        standing = Standing(**state["standing"])
        course.load(state["course"], tensors)
        say(f"{course.name}: goes on after step {standing.step:,} of {total:,}")
        return standing
    standing = Standing(history=course.begin())
    for row in standing.history:
        say(f"{course.name}  epoch {row['epoch']:.0f}/{course.recipe.epochs}  before  {course.told(row)}")
    return standing


def _write(resume: ResumeFile, course: Course, standing: Standing, inside_epoch: bool) -> None:
    state, tensors = course.dump(inside_epoch)
    resume.write({"standing": asdict(standing), "course": state}, tensors)


def _add(losses: list[Any], where: str, standing: Standing, rate: float) -> None:
    """Adds the losses of the last steps to the epoch's, one after the other: the sum must not depend on how often the
    clock had them looked at."""
    for number, loss in enumerate(losses, standing.step - len(losses) + 1):
        value = float(loss)
        finite(value, f"{where}, step {number:,}: the loss", rate)
        standing.loss += value


class _Pace:
    """How fast steps go since this process began, and when a state is due."""

    def __init__(self, step: int, total: int):
        self._first, self._total = step, total
        self._begin = self._written = time.monotonic()

    def state_is_due(self) -> bool:
        if time.monotonic() - self._written < STATE_EVERY:
            return False
        self._written = time.monotonic()
        return True

    def line(self, step: int) -> str:
        seconds = (time.monotonic() - self._begin) / (step - self._first)
        return f"{1 / seconds:,.1f} steps/s, {(self._total - step) * seconds / 60:.0f} min left"
