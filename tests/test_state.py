"""The state that a killed training goes on from: read back as it was kept, or not at all."""

from pathlib import Path

import numpy as np
import pytest

from pipeline.files import formats
from pipeline.runs import cells
from pipeline.runs.resume_state import State

CELL = Path("models/run/stage1/fold_0")
TENSORS = {"last/dense": np.arange(6, dtype=np.float32).reshape(2, 3), "step": np.array(7)}


@pytest.fixture
def kept(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The file of a kept state."""
    monkeypatch.chdir(tmp_path)
    State(CELL, {"seed": 1}).keep({"rng": 2**100, "history": [0.5]}, TENSORS)
    return cells.unfinished(CELL)


def test_progress_and_tensors_come_back(kept: Path) -> None:
    found = State(CELL, {"seed": 1}).read()
    assert found
    progress, tensors = found
    assert progress == {"rng": 2**100, "history": [0.5]}
    assert tensors.keys() == TENSORS.keys()
    for name, values in TENSORS.items():
        np.testing.assert_array_equal(tensors[name], values)


def test_a_cell_that_means_something_else_does_not_go_on_from_it(kept: Path) -> None:
    assert State(CELL, {"seed": 2}).read() is None


def test_no_byte_can_change_unnoticed(kept: Path) -> None:
    whole = kept.read_bytes()
    for place in range(len(whole)):
        kept.write_bytes(whole[:place] + bytes([whole[place] ^ 4]) + whole[place + 1:])
        assert State(CELL, {"seed": 1}).read() is None, place
        kept.write_bytes(whole[:place])
        assert State(CELL, {"seed": 1}).read() is None, place


def test_a_state_without_its_hash_is_not_believed(kept: Path) -> None:
    notes = formats.read_notes(kept)
    del notes["sha256"]
    formats.write(kept, TENSORS, notes)
    assert State(CELL, {"seed": 1}).read() is None
