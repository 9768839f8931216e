"""List every configuration key with its default and meaning.

Example: python -m stages keys
"""

from rich.table import Table

from pipeline.config import problems
from pipeline.machine.console import console


def keys() -> None:
    table = Table("key", "default", "meaning")
    for name, default, meaning in problems.describe():
        table.add_row(name, "" if default is None else str(default), meaning)
    console.print(table, markup=False)
