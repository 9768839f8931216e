"""The array script for Slurm: a fold a task, each in a folder of its own, and the same bytes as one process makes."""

import sys
from pathlib import Path

import pytest

from tests.conftest import ROOT, shell

SCRIPT = str(ROOT / "examples" / "slurm_array.sh")
CONFIG = "configs/toy.toml"


def numbers(models: Path) -> dict[str, bytes]:
    """What every cell's numbers are in."""
    return {str(path.relative_to(models)): path.read_bytes() for path in sorted(models.glob("*/fold_*/*"))
            if path.suffix in (".csv", ".safetensors")}


@pytest.mark.long
def test_tasks_of_an_array_make_the_bytes_of_one_process(project: Path, finished_once: Path) -> None:
    for part in ("pipeline", "stages"):
        (project / part).symlink_to(ROOT / part)
    (project / ".venv").symlink_to(sys.prefix)
    dealt = shell(".venv/bin/python", "-m", "stages", "folds", CONFIG, cwd=project)
    assert dealt.code == 0, dealt.err
    for task in ("2", "0", "1"):
        done = shell(SCRIPT, CONFIG, cwd=project, SLURM_ARRAY_TASK_ID=task, SLURM_SUBMIT_DIR=str(project))
        assert done.code == 0, done.err
    assert not (project / "models/toy/stage1").exists(), "a task writes into its own folder alone"
    done = shell(SCRIPT, "gather", CONFIG, cwd=project)
    assert done.code == 0, done.err
    assert numbers(project / "models/toy") == numbers(finished_once / "models/toy")
    name = "submissions/toy.csv"
    assert (project / name).read_bytes() == (finished_once / name).read_bytes()
    again = shell(SCRIPT, CONFIG, cwd=project, SLURM_ARRAY_TASK_ID="0", SLURM_SUBMIT_DIR=str(project))
    assert again.code == 0
    assert "stage1 fold 0: done already" in again.out
