"""A finished run as a folder for a kernel without internet: its script needs onnxruntime and tokenizers alone.

Example: python -m stages bundle boyu --for 3.11 --for 3.12        (there: python score.py test.csv submission.csv)
"""

from pathlib import Path
from typing import Annotated

import typer

from pipeline.config import loading
from pipeline.machine.console import say
from pipeline.results import predictions
from pipeline.runs import opening
from pipeline.runs.paths import Paths
from stages import options


def bundle(run: options.RunName,
           pythons: Annotated[list[str] | None, typer.Option("--for", metavar="VERSION", help="A Python version, as "
                              "3.11, whose wheels are put beside it; repeatable.")] = None,
           stage: options.OfStage = None,
           target: Annotated[Path | None, typer.Option(help="Where to put it; default: models/RUN/bundle/.")] = None
           ) -> None:
    seen = opening.read(loading.load(Paths.of_existing(run).settings))
    from pipeline.export import bundle as bundles  # imports TensorFlow
    from pipeline.inference.predictor import Predictor

    model = Predictor(run, stage)
    part = predictions.gather(seen, model.stage)
    assert part is not None
    say(f"bundle: {bundles.write(seen, model, part, target, pythons or [])}")
