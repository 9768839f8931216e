"""Every run in one table: scores with intervals, what is done, time, and only the settings that differ.

Runs of other rows, folds, labels or metrics stand in blocks of their own, since their scores cannot be compared.
Example: python -m stages runs --against boyu
"""

from pathlib import Path
from typing import Annotated

import pandas as pd
import typer
from rich import box
from rich.markup import escape
from rich.table import Table

from pipeline.errors import UserError
from pipeline.files import formats
from pipeline.machine.console import console, say
from pipeline.results import run_table, run_table_text


def runs(
        against: Annotated[str | None, typer.Option(metavar="RUN[:STAGE]", help="Compare the others with this one, on "
                                                    "the same rows.")] = None,
        csv: Annotated[Path | None, typer.Option(help="Write them as a table, a column for each setting that differs.")
                       ] = None,
        json: Annotated[Path | None, typer.Option(help="Write the same records for programs.")] = None,
        html: Annotated[Path | None, typer.Option(help="Write one page for a browser.")] = None) -> None:
    for path, ending in ((csv, ".csv"), (json, ".json"), (html, ".html")):
        if path and path.suffix != ending:
            raise UserError(f"--{ending[1:]} {path}: must end in {ending}")
    blocks = run_table.read(against)
    for block in blocks:
        table = Table(title=block.title, title_justify="left", box=box.SIMPLE_HEAD)
        for number, column in enumerate(run_table_text.header(block)):
            table.add_column(column, overflow="fold", no_wrap=number < len(run_table_text.HEADER))
        for line in block.lines:
            table.add_row(*map(escape, (*run_table_text.cells(block, line), run_table_text.settings(block, line))))
        console.print(table)
        for remark in run_table_text.remarks(block):
            say(remark)
    records = run_table_text.records(blocks)
    for path, content in ((csv, pd.DataFrame(records)), (json, records), (html, run_table_text.page(blocks))):
        if path:
            formats.write(path, content)
            say(f"runs: {path}")
