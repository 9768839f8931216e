"""Export a finished run: a SavedModel, an ONNX model, or its encoder as a checkpoint. Reloaded and compared.

Example: python -m stages export boyu --to savedmodel        (then: tensorflow_model_server --model_base_path=...)
"""

import os
import shutil
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from pipeline.errors import UserError
from pipeline.files import atomic, formats
from pipeline.machine.console import say
from stages import options

if TYPE_CHECKING:
    from pipeline.inference.predictor import Predictor  # imports TensorFlow


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
        stage: options.OfStage = None, fold: options.FoldsOfMean = None,
        tanh_gelu: Annotated[bool, typer.Option("--tanh-gelu", help="google: write an encoder with the exact GELU as "
                                                "one with its approximation by tanh.")] = False) -> None:
    from pipeline.inference.predictor import Predictor

    model = Predictor(run, stage, fold)
    target = target or model.paths.models / "export" / to.value
    if to == Target.savedmodel:
        told = _saved_model(model, target, run)
    elif to == Target.onnx:
        told = _onnx_model(model, target)
    else:
        told = _checkpoint(model, target, to, tanh_gelu)
    say(f"export: {told}")


def _saved_model(model: "Predictor", target: Path, run: str) -> str:
    """As TensorFlow Serving wants it: <name>/<version>/."""
    from pipeline.export import saved_model

    versions = [int(found.name) for found in (target / run).glob("*") if found.name.isdigit()]
    folder = target / run / str(max(versions, default=0) + 1)
    with atomic.publishing(folder) as building:
        agreement = saved_model.export(model, building)
    _describe(model, target / run)
    return _told(folder, *agreement)


def _onnx_model(model: "Predictor", target: Path) -> str:
    from pipeline.export import onnx_model

    _must_be_new(target)
    with atomic.publishing(target) as building:
        agreement = onnx_model.export(model, building)
        _describe(model, building)
    return _told(target, *agreement)


def _describe(model: "Predictor", folder: Path) -> None:
    """Training curves and a summary, beside what was exported."""
    from pipeline.export import saved_model

    for picture in model.paths.oof.glob("training_*.png"):
        shutil.copyfile(picture, folder / picture.name)
    formats.write(folder / "summary.txt", saved_model.summary(model))


def _told(folder: Path, difference: float, rows: int) -> str:
    return f"{folder}: reloaded, its probabilities of {rows} texts differ from the run's by {difference:.2g} at most"


def _checkpoint(model: "Predictor", target: Path, to: Target, tanh_gelu: bool) -> str:
    from pipeline.export import conversion

    if len(model.folds) != 1:
        raise UserError(f"a checkpoint is one fold's encoder: --fold 0, or another of {model.folds}")
    _must_be_new(target)
    return f"{target}: " + conversion.write(model.encoder(), target, to.value, tanh_gelu)


def _must_be_new(target: Path) -> None:
    if os.path.lexists(target):
        raise UserError(f"{target}: exists already; choose another folder: --target")
