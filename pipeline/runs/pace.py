"""How much work a stage's cells are, and how fast this machine did such work before."""

import platform
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress

import numpy as np

from pipeline.checkpoints.encoder_config import EncoderConfig
from pipeline.errors import DiskError
from pipeline.files import formats
from pipeline.runs.paths import MODELS
from pipeline.runs.run import Run
from pipeline.stage_table import PRETRAIN, STAGE1, Cell, Stage

KEPT = MODELS / ".pace.json"
MULTIPLY_ADD = 2
FORWARD_AND_BACK = 3  # times the forward pass


def operations(run: Run, stage: Stage, cells: Sequence[Cell]) -> float:
    """Floating-point operations of the encoder's products in these cells of stage 1 or 2: each row is predicted, or its
    vectors are made, once; in stage 1 each training row is trained on in each epoch."""
    encoder = run.checkpoint.config
    weights = encoder.layers * encoder.layer_weights
    train, test = float(run.train_tokens.lengths.sum()), float(run.test_tokens.lengths.sum())
    passes = train + test
    if stage is STAGE1 and not run.config.stage1.frozen:
        held_out = np.bincount(run.fold_of_row[run.fold_of_row >= 0]).mean() / len(run.fold_of_row)
        passes += FORWARD_AND_BACK * train * (1 - held_out) * run.config.stage1.epochs
    return MULTIPLY_ADD * weights * passes * len(cells)


def known(stage: Stage, encoder: EncoderConfig) -> float | None:
    """Operations a second of that stage with an encoder of this size, all cells of a stage together, as it was measured
    here when most of them were done at once; None: it was not."""
    with suppress(OSError, ValueError, TypeError, KeyError):
        return float(formats.read_json(KEPT)[_key(stage, encoder)]["a_second"])
    return None


@contextmanager
def measured(run: Run, stage: Stage, cells: Sequence[Cell]) -> Iterator[None]:
    """Keeps how fast the block brings these cells to done. What cannot be kept is left out: it is but a forecast."""
    begin = time.monotonic()
    yield
    if not stage.trains_bert or stage is PRETRAIN:
        return
    done, encoder = operations(run, stage, cells), run.checkpoint.config
    with suppress(DiskError, OSError, ValueError, TypeError, KeyError):
        paces = formats.read_json(KEPT) if KEPT.exists() else {}
        if not isinstance(paces, dict) or not all(isinstance(value, dict) for value in paces.values()):
            paces = {}
        if paces.get(_key(stage, encoder), {}).get("operations", 0) <= done:
            paces[_key(stage, encoder)] = {"operations": done, "a_second": done / (time.monotonic() - begin)}
            formats.write(KEPT, paces)


def _key(stage: Stage, encoder: EncoderConfig) -> str:
    family = "" if encoder.family == "bert" else f" {encoder.family}"
    return f"{platform.node()} {stage} {encoder.layers}x{encoder.hidden}{family}"
