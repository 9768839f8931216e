"""TensorFlow's variable files (``prefix.index``, ``prefix.data-*``): list, read, write. Nothing in them is executed."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
from google.protobuf.message import DecodeError

from pipeline.backend import TrackableObjectGraph, tf
from pipeline.errors import UserError

OBJECTS = "_CHECKPOINTABLE_OBJECT_GRAPH"
Tensors = dict[str, npt.NDArray[np.float32]]
REFUSED = (tf.errors.OpError, ValueError, OSError, IndexError)  # what TensorFlow raises for a damaged file


def shapes(prefix: Path) -> dict[str, tuple[int, ...]]:
    """Name -> shape of every stored variable. Raises UserError where the files are not such a checkpoint."""
    try:
        return {name: tuple(shape) for name, shape in tf.train.list_variables(str(prefix))}
    except REFUSED as error:
        raise UserError(f"{prefix}: not a readable TensorFlow checkpoint: {_first_line(error)}") from None


def read(prefix: Path, names: Mapping[str, str]) -> dict[str, npt.NDArray[Any]]:
    """Reads the variables named by the keys, under the new names of the values."""
    try:
        reader = tf.train.load_checkpoint(str(prefix))
        return {new: reader.get_tensor(name) for name, new in names.items()}
    except REFUSED as error:
        raise UserError(f"{prefix}: damaged checkpoint: {_first_line(error)}") from None


def object_names(prefix: Path) -> dict[str, str]:
    """The names of an object-based checkpoint's variables -> their keys, which may be numbers: the names stand in the
    graph of objects that is stored beside the values."""
    if OBJECTS not in shapes(prefix):
        raise UserError(f"{prefix}: must be an object-based checkpoint, as SavedModels of TF2 have it; a module of "
                        f"TF1's hub is not read: its authors publish the checkpoint that it was made of")
    graph = TrackableObjectGraph()
    try:
        graph.ParseFromString(bytes(read(prefix, {OBJECTS: "graph"})["graph"]))
    except (DecodeError, TypeError) as error:
        raise UserError(f"{prefix}: damaged checkpoint: {_first_line(error)}") from None
    return {attribute.full_name: attribute.checkpoint_key for node in graph.nodes for attribute in node.attributes}


def write(prefix: Path, tensors: Tensors) -> None:
    """Writes a name-based (TF1-style) checkpoint."""
    names = sorted(tensors)
    tf.raw_ops.SaveV2(prefix=str(prefix), tensor_names=names, shape_and_slices=[""] * len(names),
                      tensors=[tf.constant(tensors[name]) for name in names])


def _first_line(error: Exception) -> str:
    return str(error).strip().splitlines()[0] if str(error).strip() else type(error).__name__
