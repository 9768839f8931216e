"""What the doctor finds: a code, how bad it is, where, what it does to the score, and what to do."""

from dataclasses import dataclass, field
from enum import StrEnum

EXAMPLES = 3  # shown of each finding


class Severity(StrEnum):
    """error: the score will not be what it says, or the submission is refused. warning: costs score or trust. note: to
    be looked at."""

    error = "error"
    warning = "warning"
    note = "note"


@dataclass(frozen=True)
class Finding:
    """what: one sentence. count: of rows, texts or labels that it is about. effect: what it does to the score. remedy:
    what to do. numbers: what was measured."""

    severity: Severity
    what: str
    count: int
    examples: tuple[str, ...]
    effect: str
    remedy: str
    numbers: dict[str, float | None] = field(default_factory=dict)


def shown(text: str, longest: int = 60) -> str:
    """A text as an example shows it: on one line, cut."""
    line = " ".join(text.split())
    return line if len(line) <= longest else f"{line[:longest - 1]}…"
