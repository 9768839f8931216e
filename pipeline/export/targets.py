"""A finished run in another form, written whole: loaded again, compared with the run, and only then published."""

import os
import shutil
from pathlib import Path

from pipeline.errors import UserError
from pipeline.export import conversion, onnx_model, saved_model
from pipeline.files import atomic, formats
from pipeline.inference.predictor import Predictor

TARGETS = ("savedmodel", "onnx", "huggingface", "google")


def export(model: Predictor, to: str, target: Path | None = None, tanh_gelu: bool = False) -> str:
    """Writes one of TARGETS under ``target`` (None: models/RUN/export/); returns a line that says where, and by how
    much its probabilities differ from the run's.

    tanh_gelu: whether an encoder with the exact GELU may be written in Google's format, which has its approximation.
    Raises UserError where the target is there already, for a checkpoint of several folds, and where outputs differ.
    """
    if to not in TARGETS:
        raise UserError(f"export: must be to {', '.join(TARGETS)}, got {to!r}")
    target = target or model.paths.models / "export" / to
    if to == "savedmodel":
        return _saved_model(model, target)
    if os.path.lexists(target):
        raise UserError(f"{target}: exists already; choose another folder: --target")
    if to == "onnx":
        with atomic.publishing(target) as building:
            agreement = onnx_model.export(model, building)
            _describe(model, building)
        return _line(target, *agreement)
    if len(model.folds) != 1:
        raise UserError(f"a checkpoint is one fold's encoder: --fold 0, or another of {model.folds}")
    if len(model.networks) != 1:
        raise UserError(f"a checkpoint is one seed's encoder: --seed {model.config.seed}, or another of "
                        f"{model.config.every_seed}")
    return f"{target}: " + conversion.write(model.encoder(), target, to, tanh_gelu)


def _saved_model(model: Predictor, target: Path) -> str:
    """As TensorFlow Serving wants it: <run>/<version>/."""
    versions = [int(path.name) for path in (target / model.paths.run).glob("*") if path.name.isdigit()]
    folder = target / model.paths.run / str(max(versions, default=0) + 1)
    with atomic.publishing(folder) as building:
        agreement = saved_model.export(model, building)
    _describe(model, target / model.paths.run)
    return _line(folder, *agreement)


def _describe(model: Predictor, folder: Path) -> None:
    """Training curves and a summary, beside what was exported."""
    for picture in model.paths.oof.glob("training_*.png"):
        shutil.copyfile(picture, folder / picture.name)
    formats.write(folder / "summary.txt", saved_model.summary(model))


def _line(folder: Path, difference: float, rows: int) -> str:
    return f"{folder}: reloaded, its probabilities of {rows} texts differ from the run's by {difference:.2g} at most"
