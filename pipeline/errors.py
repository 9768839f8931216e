"""Errors meant for the user: one line a problem, no traceback, an exit code that a script can act on."""

import contextlib
from collections.abc import Iterator
from pathlib import Path

from safetensors import SafetensorError

LONGEST = 1_000  # characters of a line that a person may still read


class UserError(Exception):
    """One or several problems that the user can mend; each is one printed line, cut in its middle if it is too long."""

    exit_code = 2

    def __init__(self, *problems: str):
        super().__init__("\n".join(problems))
        self.problems = [_shortened(problem) for problem in problems]


def visible(line: str) -> str:
    """The line with control characters, which come from data and would steer a terminal, as their numbers."""
    return "".join(c if c.isprintable() else f"\\x{ord(c):02x}" for c in line)


def _shortened(problem: str) -> str:
    half = LONGEST // 2 - 1
    return problem if len(problem) <= LONGEST else f"{problem[:half]} … {problem[-half + 1:]}"


class LockedError(UserError):
    """Another process is working on the same run."""

    exit_code = 3


class MismatchError(UserError):
    """Artefacts on disk belong to other data, folds or settings than this run's."""

    exit_code = 4


class DiskError(UserError):
    """A file could not be written."""

    exit_code = 5


class OutOfMemoryError(UserError):
    """A process was killed, which the system does where memory runs out."""

    exit_code = 6


class DivergedError(UserError):
    """Training produced a loss or weights that no prediction should be made from."""

    exit_code = 8


@contextlib.contextmanager
def disk(path: Path) -> Iterator[None]:
    """Turns what the system says of a failing write into a DiskError about the path."""
    try:
        yield
    except OSError as error:
        raise DiskError(f"{path}: cannot be written: {error.strerror or error}") from error
    except SafetensorError as error:
        raise DiskError(f"{path}: cannot be written: {error}") from error
