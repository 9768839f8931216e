"""A configuration file for a competition's files, written once and never over another."""

import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import typer
from rich.table import Table

from pipeline.config import loading
from pipeline.config.kinds import KINDS
from pipeline.errors import UserError, visible
from pipeline.files import atomic
from pipeline.metrics import names
from pipeline.proposal import files, proposing, writing
from pipeline.proposal.choices import Choices, Question

FOLDER = Path("configs")


@dataclass(frozen=True)
class Written:
    """The file, and its choices as a table for the screen."""

    path: Path
    table: Table


def write(data: Sequence[Path], name: str | None = None, metric: str | None = None, overrides: Sequence[str] = ()
          ) -> Written:
    """Looks at a folder, files or an archive and writes configs/<name>.toml.

    overrides: KEY=VALUE, taken as they are in place of a choice. Raises UserError with what cannot be read, what only a
    person can say where there is nobody to ask, and for a file that is there already.
    """
    if metric is not None and not any(names.is_one(kind, metric) for kind in KINDS):
        known = ", ".join(dict.fromkeys(name for kind in KINDS for name in names.of_kind(kind)))
        raise UserError(f"--metric {metric}: must be {known}; docs/metrics.md says what each is")
    made = Choices(dict(map(loading.parsed, overrides)), _ask if sys.stdin.isatty() and sys.stdout.isatty() else None)
    name = proposing.propose(data, name, metric, made)
    path = FOLDER / f"{name}.toml"
    if path.exists():
        raise UserError(f"{path} is there already; run it, delete it, or choose another name: --name NAME")
    text = writing.toml(made, ", ".join(map(str, data)))
    with atomic.replacing(path) as temporary:
        temporary.write_text(text, encoding="utf-8", newline="\n")
        try:
            loading.load(temporary, run=name)
        except UserError as error:
            raise UserError(*(line.replace(str(temporary), str(path)) for line in error.problems)) from None
    return Written(path, writing.table(made))


def path_of(data: Sequence[Path], name: str | None = None) -> Path:
    """Where the configuration of these files is written."""
    return FOLDER / f"{files.name_of(data, name)}.toml"


def _ask(question: Question) -> Any:
    """The value that a person chooses by its number."""
    typer.echo(visible(question.text))
    for number, (value, meaning) in enumerate(question.values, 1):
        typer.echo(visible(f"  {number}  {value or 'none'}: {meaning}"))
    number = 0
    while not 1 <= number <= len(question.values):
        number = typer.prompt(f"Number, 1 to {len(question.values)}", type=int)
    return question.values[number - 1][0]
