"""Look at a competition's folder, files or zip, and write configs/NAME.toml: each choice with its reason.

What the files do not say is asked on a terminal; elsewhere it is an error with the choices, for --set KEY=VALUE.
Example: python -m stages new data/mycomp --metric f1
"""

from pathlib import Path
from typing import Annotated

import typer

from pipeline.machine.console import console, say
from pipeline.proposal import configuration
from stages import options


def new(data: Annotated[list[Path], typer.Argument(help="A folder, files, or a zip as Kaggle ships it.")],
        metric: Annotated[str | None, typer.Option(help="What the competition scores by; docs/metrics.md.")] = None,
        name: Annotated[str | None, typer.Option(help="The run's name; default: the folder's.")] = None,
        overrides: options.Set = None) -> None:
    written = configuration.write(data, name, metric, overrides or [])
    console.print(written.table)
    say(f"new: {written.path}; next: ./run_all.sh {written.path}")
