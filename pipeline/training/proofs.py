"""What a cell must prove before it counts: what was trained has moved, what is frozen has not, and stage 2 starts from
the very predictions that stage 1 recorded."""

from pathlib import Path

import numpy as np

from pipeline import tasks
from pipeline.arrays import Tensors
from pipeline.errors import DivergedError, MismatchError
from pipeline.files import formats
from pipeline.model.network import HEAD
from pipeline.runs import artefacts
from pipeline.training.cell_inputs import CellInputs
from pipeline.training.fine_tuning import CellData

# How closely stage 2 must find stage 1's probabilities again: rounding in another order has moved them by 1.4e-6, other
# weights move them by far more, and a false alarm would cost hours.
REPRODUCES = {"float32": 1e-4, "bfloat16": 1e-2}


def all_moved(before: Tensors, after: Tensors, name: str) -> None:
    """Stage 1 trains the encoder: a kernel or LayerNorm that stands still was not trained at all."""
    still = [tensor for tensor in before if tensor.endswith(("kernel", "gamma", "beta"))
             and np.array_equal(before[tensor], after[tensor])]
    if still:
        raise DivergedError(f"{name}: {len(still)} encoder tensors did not move, for example {still[0]}; "
                            f"learning_rate may be too small for float32")


def none_moved(before: Tensors, after: Tensors, name: str) -> None:
    """Stage 2 trains the head alone."""
    moved = [tensor for tensor in before if not tensor.startswith(HEAD)
             and not np.array_equal(before[tensor], after[tensor])]
    if moved:
        raise AssertionError(f"{name}: the frozen encoder moved: {moved[:3]}")


def reproduces(inputs: CellInputs, data: CellData, parent: Path) -> None:
    """Before the first step the network must give the probabilities recorded for the very weights it loaded."""
    recorded = formats.read_csv(parent / artefacts.HANDED_ON)
    train = inputs.run.competition.train
    now = data.task.test_table(train.iloc[data.valid], inputs.predict(data.source, data.valid))
    probabilities = tasks.probability_columns(data.task)
    unit = max(1.0, float(recorded[probabilities].abs().to_numpy().max()))  # values have a unit of their own
    difference = float((now[probabilities] - recorded[probabilities]).abs().to_numpy().max()) / unit
    most = REPRODUCES[inputs.run.config.bert.precision]
    if not difference <= most:
        raise MismatchError(f"{parent}: its weights give validation predictions that differ by {difference:.2g} from "
                            f"those recorded with them (at most {most:g}); make it again: --redo stage1")
