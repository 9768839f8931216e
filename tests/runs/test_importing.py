"""Cells of another machine: what is taken, what is refused, and that no end leaves half a cell."""

import json
import shutil
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from pipeline.files import formats, sealed
from pipeline.stage_table import STAGE1, Cell
from tests.conftest import Command, shell

CONFIG = "configs/toy.toml"
OTHER = Path("other")  # where the other machine's folder was copied to
Change = Callable[[Path], object]


@pytest.fixture
def two_machines(finished: Path) -> Path:
    """A run of which this machine has folds 0 and 1 of stage 1, and the other one everything."""
    shutil.copytree("models/toy", OTHER)
    for name in ("stage1/fold_2", "stage2", "baseline"):
        shutil.rmtree(f"models/toy/{name}")
    shutil.rmtree("oof/toy")
    return finished


def test_what_another_machine_did_is_taken_to_the_same_bytes(two_machines: Path, finished_once: Path, stages: Command
                                                             ) -> None:
    result = stages("import", "other")
    assert result.code == 0, result.err
    assert "7 cells taken, 2 here already, 0 refused" in " ".join(result.out.split())
    assert sealed.hashes(Path("models/toy/stage1")) == sealed.hashes(finished_once / "models/toy/stage1")
    assert sealed.hashes(Path("models/toy/stage2")) == sealed.hashes(finished_once / "models/toy/stage2")
    assert Path("oof/toy/stage2.csv").read_bytes() == (finished_once / "oof/toy/stage2.csv").read_bytes()
    again = stages("import", "other")
    assert "0 cells taken, 9 here already" in " ".join(again.out.split())
    whole = stages("all", CONFIG)
    assert "stage2 fold 2: done already" in whole.out


def test_a_run_that_is_not_begun_here_takes_folds_and_threads_along(finished: Path, stages: Command) -> None:
    shutil.move("models/toy", OTHER)
    assert stages("import", "other").code == 0
    for name in ("folds.csv", "folds.json", "run.json"):
        assert Path("models/toy", name).read_bytes() == (OTHER / name).read_bytes()
    assert stages("stage2", CONFIG).code == 0


def turned(path: Path) -> None:
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 1
    path.write_bytes(content)


def resealed(folder: Path, part: str, key: str, value: object) -> None:
    done = formats.read_json(folder / sealed.DONE)
    done[part][key] = value
    sealed.write_done(folder, done)


CELL = OTHER / "stage1/fold_2"


@pytest.mark.parametrize(("change", "line"), [
    (lambda: turned(CELL / "weights_last.safetensors"), "other/stage1/fold_2: is not finished, or damaged on the way"),
    (lambda: (CELL / sealed.DONE).unlink(), "other/stage1/fold_2: is not finished, or damaged on the way"),
    (lambda: resealed(CELL, "files", "../../escaped", "0" * 64), "other/stage1/fold_2: is not finished, or damaged"),
    (lambda: resealed(CELL, "identity", "stage1.epochs", 9),
     "other/stage1/fold_2: was made from other data or settings than run 'toy' has: stage1.epochs: 9 -> 2"),
    (lambda: resealed(CELL, "identity", "folds", "0" * 64),
     "other/stage1/fold_2: was made from other data or settings than run 'toy' has: folds: 0"),
    (lambda: resealed(CELL, "provenance", "threads", 7),
     "other/stage1/fold_2: was made with hardware.threads_per_cell = 7, not 1"),
])
def test_a_cell_that_does_not_fit_is_left_and_the_others_are_taken(two_machines: Path, stages: Command, change: Change,
                                                                  line: str) -> None:
    change()  # type: ignore[call-arg]
    result = stages("import", "other")
    assert result.code == 4
    assert result.lines[0].startswith(line)
    assert result.lines[1:] == ["other/stage2/fold_2: starts from stage1 fold 2, which is not here and was not taken"]
    assert not Path("models/toy/stage1/fold_2").exists()
    assert sealed.read_done(Path("models/toy/stage2/fold_1")) is not None
    assert not Path("models/escaped").exists()


def test_cells_of_other_threads_are_taken_where_that_is_asked_for(two_machines: Path, stages: Command) -> None:
    resealed(CELL, "provenance", "threads", 7)
    result = stages("import", "other", "--other-threads")
    assert result.code == 0, result.err
    assert sealed.read_done(Path("models/toy/stage1/fold_2")) is not None


def test_links_are_refused_and_nothing_is_taken(two_machines: Path, stages: Command) -> None:
    (CELL / "link").symlink_to("/etc/passwd")
    result = stages("import", "other")
    assert result.code == 5
    assert "must be a file or folder of the run's own, got a link" in result.lines[0]
    assert not Path("models/toy/stage2").exists()


def test_further_seeds_of_the_other_machine_are_told(two_machines: Path, stages: Command) -> None:
    shutil.copytree(CELL, OTHER / Cell(STAGE1, 2, 7, True).folder)
    assert "other/stage1/fold_2_seed_7: is no cell of this run" in stages("import", "other").out


@pytest.mark.parametrize(("folder", "line"), [
    ("models/toy", "models/toy: is this run's own folder"), ("data", "data: is no run: it has no config.toml"),
    ("bare", "bare: holds no cell of run 'toy'")])
def test_what_is_no_copy_of_a_run_is_one_line(two_machines: Path, stages: Command, folder: str, line: str) -> None:
    Path("bare").mkdir()
    shutil.copyfile(OTHER / "config.toml", "bare/config.toml")
    result = stages("import", folder)
    assert result.code == 2
    assert len(result.lines) == 1
    assert result.lines[0].startswith(line)


def test_an_import_that_is_killed_goes_on_to_the_same_bytes(two_machines: Path, finished_once: Path) -> None:
    killer = ("import os, signal, sys\nfrom pipeline.files import atomic\npublish, count = atomic.publish, []\n"
              "def killed(*paths):\n    count.append(1)\n    if len(count) == 3:\n"
              "        os.kill(os.getpid(), signal.SIGKILL)\n    return publish(*paths)\n"
              "atomic.publish = killed\nsys.argv = ['stages', 'import', 'other']\n"
              "from stages.command import main\nmain()")
    assert shell(sys.executable, "-c", killer, cwd=two_machines).code == -9
    assert 2 < len(list(Path("models/toy").glob("*/fold_*"))) < 9
    done = shell(sys.executable, "-m", "stages", "import", "other", cwd=two_machines)
    assert done.code == 0, done.err
    for stage in ("baseline", "stage1", "stage2"):
        assert sealed.hashes(Path("models/toy", stage)) == sealed.hashes(finished_once / "models/toy" / stage)
    assert json.loads(Path("models/toy/run.json").read_text()) == json.loads((OTHER / "run.json").read_text())
