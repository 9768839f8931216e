"""List every configuration key with its default and meaning.

Example: python -m stages keys
"""

from typing import Annotated

import typer
from rich.table import Table

from pipeline.config import problems
from pipeline.machine.console import console


def keys(markdown: Annotated[bool, typer.Option("--markdown", help="As docs/keys.md has them.")] = False) -> None:
    if markdown:
        print(problems.markdown(), end="")
        return
    table = Table("key", "default", "meaning")
    for name, default, meaning in problems.describe():
        table.add_row(name, problems.shown_default(name, default), meaning)
    console.print(table, markup=False)
