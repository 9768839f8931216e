"""Export a finished run: a SavedModel, an ONNX model, or its encoder as a checkpoint. Reloaded and compared.

Example: python -m stages export boyu --to savedmodel        (then: tensorflow_model_server --model_base_path=...)
"""

from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer

from pipeline.machine.console import say
from stages import options


class Target(StrEnum):
    savedmodel = "savedmodel"
    onnx = "onnx"
    huggingface = "huggingface"
    google = "google"


def export(
        run: options.RunName,
        to: Annotated[Target, typer.Option(help="savedmodel: the mean of the folds, from texts to probabilities. "
                                           "onnx: the same from token ids, with its tokenizer. "
                                           "huggingface, google: one fold's fine-tuned encoder.")],
        target: Annotated[Path | None, typer.Option(help="Where to put it; default: models/RUN/export/.")] = None,
        stage: options.OfStage = None, fold: options.FoldsOfMean = None, seed: options.SeedsOfMean = None,
        tanh_gelu: Annotated[bool, typer.Option("--tanh-gelu", help="google: write an encoder with the exact GELU as "
                                                "one with its approximation by tanh.")] = False) -> None:
    from pipeline.export import targets  # imports TensorFlow
    from pipeline.inference.predictor import Predictor

    say(f"export: {targets.export(Predictor(run, stage, fold, seed), to.value, target, tanh_gelu)}")
