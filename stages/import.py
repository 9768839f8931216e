"""Take the finished cells of a copied run, of another machine, into this project's run of that name, after all checks.

Two machines may so work on different folds or seeds of one run without a shared disk. What does not fit is left.
Example: python -m stages import /mnt/rented/models/boyu
"""

from pathlib import Path
from typing import Annotated

import typer

from pipeline.errors import MismatchError
from pipeline.machine.console import say
from pipeline.results import predictions
from pipeline.runs import importing, opening
from pipeline.stage_table import PREDICTING
from stages import options


def import_(
        folder: Annotated[Path, typer.Argument(help="The other machine's folder models/RUN, copied here.")],
        name: options.NewName = None,
        other_threads: Annotated[bool, typer.Option("--other-threads", help="Take cells that were made with another "
                                                    "number of threads, whose last digits may differ.")] = False
        ) -> None:
    with opening.opened(importing.configuration(folder, name)) as run:
        result = importing.take(run, folder, other_threads)
        for remark in result.remarks:
            say(remark)
        for what, cells in (("taken", result.taken), ("is here already", result.there)):
            for cell in cells:
                say(f"{cell}: {what}")
        for stage in PREDICTING.values():
            if part := predictions.gather(run, stage):
                predictions.write(run, part)
        say(f"import: {run.paths.models}, {len(result.taken)} cells taken, {len(result.there)} here already, "
            f"{len(result.refused)} refused; next: python -m stages all {run.paths.settings}")
        if result.refused:
            raise MismatchError(*result.refused)
