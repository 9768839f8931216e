"""The state that a killed training goes on from: read back as it was kept, or not at all."""

import os
import socket
from pathlib import Path

import numpy as np
import pytest

from pipeline.errors import LockedError
from pipeline.files import atomic, formats
from pipeline.runs import cells
from pipeline.runs.resume_file import ResumeFile

CELL = Path("models/run/stage1/fold_0")
TENSORS = {"last/dense": np.arange(6, dtype=np.float32).reshape(2, 3), "step": np.array(7)}


@pytest.fixture
def kept(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The file of a kept state."""
    monkeypatch.chdir(tmp_path)
    ResumeFile(CELL, {"seed": 1}).write({"rng": 2**100, "history": [0.5]}, TENSORS)
    [path] = cells.unfinished(CELL)
    return path


def test_progress_and_tensors_come_back(kept: Path) -> None:
    found = ResumeFile(CELL, {"seed": 1}).take_over()
    assert found
    progress, tensors = found
    assert progress == {"rng": 2**100, "history": [0.5]}
    assert tensors.keys() == TENSORS.keys()
    for name, values in TENSORS.items():
        np.testing.assert_array_equal(tensors[name], values)


def test_a_cell_that_means_something_else_does_not_go_on_from_it(kept: Path) -> None:
    assert ResumeFile(CELL, {"seed": 2}).take_over() is None


def test_no_byte_can_change_unnoticed(kept: Path) -> None:
    whole = kept.read_bytes()
    for place in range(len(whole)):
        kept.write_bytes(whole[:place] + bytes([whole[place] ^ 4]) + whole[place + 1:])
        assert ResumeFile(CELL, {"seed": 1}).take_over() is None, place
        kept.write_bytes(whole[:place])
        assert ResumeFile(CELL, {"seed": 1}).take_over() is None, place


def test_a_state_without_its_hash_is_not_believed(kept: Path) -> None:
    notes = formats.read_notes(kept)
    del notes["sha256"]
    formats.write(kept, TENSORS, notes)
    assert ResumeFile(CELL, {"seed": 1}).take_over() is None


def test_one_attempt_alone_takes_a_state_over(kept: Path) -> None:
    assert ResumeFile(CELL, {"seed": 1}).take_over()
    assert not kept.exists()
    assert len(cells.unfinished(CELL)) == 1


def test_an_attempt_whose_state_was_taken_over_ends_at_its_next_state(tmp_path: Path, monkeypatch: pytest.MonkeyPatch
                                                                      ) -> None:
    monkeypatch.chdir(tmp_path)
    slow, quick = ResumeFile(CELL, {"seed": 1}), ResumeFile(CELL, {"seed": 1})
    slow.write({"epoch": 1}, TENSORS)
    taken = quick.take_over()
    assert taken
    assert taken[0] == {"epoch": 1}
    quick.write({"epoch": 2}, TENSORS)
    with pytest.raises(LockedError, match="another attempt at this cell has taken over"):
        slow.write({"epoch": 2}, TENSORS)


def test_a_state_of_an_earlier_version_or_another_meaning_is_left_alone(kept: Path) -> None:
    notes = formats.read_notes(kept)
    notes["identity"] = '{"seed": 1}'
    formats.write(kept, TENSORS, notes)
    before = kept.read_bytes()
    assert ResumeFile(CELL, {"seed": 1}).take_over() is None
    assert kept.read_bytes() == before


def test_the_first_finished_attempt_at_a_cell_is_kept(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    assert cells.publish(CELL, {"seed": 1}, {"weights.safetensors": TENSORS}, {"machine": "first"})
    before = contents(CELL)
    assert not cells.publish(CELL, {"seed": 1}, {"weights.safetensors": TENSORS}, {"machine": "second"})
    assert contents(CELL) == before
    assert cells.publish(CELL, {"seed": 2}, {"weights.safetensors": TENSORS}, {"machine": "third"})  # another meaning
    (CELL / "weights.safetensors").write_bytes(b"damaged")
    assert cells.publish(CELL, {"seed": 2}, {"weights.safetensors": TENSORS}, {"machine": "fourth"})
    assert [path.name for path in CELL.parent.iterdir()] == [CELL.name]


def test_what_another_host_is_building_is_not_swept_away(tmp_path: Path) -> None:
    own, others, old = (tmp_path / f".fold_0.{host}.1.0123abcd.building" for host in (
        socket.gethostname(), "another-host", "a-host-of-last-month"))
    for folder in (own, others, old):
        folder.mkdir()
        (folder / ".weights.safetensors.writing").touch()
    os.utime(old, (0, 0))
    state = tmp_path / "..fold_1.another-host.1.0123abcd.state.safetensors.writing"
    state.touch()
    atomic.sweep(tmp_path)
    assert sorted(tmp_path.iterdir()) == sorted([others, state])
    assert [path.name for path in others.iterdir()] == [".weights.safetensors.writing"]


def contents(folder: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in folder.iterdir()}
