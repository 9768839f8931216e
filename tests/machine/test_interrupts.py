"""Ctrl-C, SIGTERM and kill: how the real command ends, what it leaves, and that its workers end with it."""

import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from tests.conftest import ROOT, Command

CONFIG = "configs/toy.toml"
ENDLESS = ("--set", "stage1.epochs=1000", "--set", "stage1.learning_rate=1e-5")


@contextmanager
def training(project: Path, *options: str) -> Iterator[subprocess.Popen[str]]:
    """The command in a process group of its own, after its first epoch. It hears Ctrl-C also where the tests, begun in
    a shell's background, do not."""
    process = subprocess.Popen(["env", "--default-signal=INT", sys.executable, "-m", "stages", "stage1", CONFIG,
                                *ENDLESS, *options], cwd=project, env={**os.environ, "PYTHONPATH": str(ROOT)},
                               stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, start_new_session=True)
    assert process.stdout
    seen = []
    for line in process.stdout:
        seen.append(line)
        if "epoch 1/1000" in line:
            break
    else:
        raise AssertionError("".join(seen))
    try:
        yield process
    finally:
        if group_lives(process.pid):
            os.killpg(process.pid, signal.SIGKILL)
        process.wait()


def group_lives(group: int) -> bool:
    try:
        os.killpg(group, 0)
    except ProcessLookupError:
        return False
    return True


def ends(group: int) -> None:
    for _ in range(200):
        if not group_lives(group):
            return
        time.sleep(0.1)
    raise AssertionError("a process of the command is still there")


@pytest.mark.parametrize(("number", "code", "at_once"), [
    pytest.param(signal.SIGINT, 130, 1, marks=pytest.mark.long), (signal.SIGTERM, 143, 2)])
def test_an_interrupt_frees_the_run_and_keeps_the_epoch(project: Path, stages: Command, number: signal.Signals,
                                                        code: int, at_once: int) -> None:
    with training(project, "--set", f"hardware.jobs={at_once}") as process:
        process.send_signal(number)
        assert process.wait(timeout=60) == code
        assert process.stdout
        assert "Traceback" not in process.stdout.read()
        ends(process.pid)
    assert not list(Path("models/toy/stage1").glob("fold_*"))
    assert list(Path("models/toy/stage1").glob(".fold_*.state.safetensors"))
    assert stages("baseline", CONFIG).code == 0  # the lock is free


def test_two_processes_never_work_on_one_run(project: Path, stages: Command) -> None:
    with training(project) as process:
        refused = stages("baseline", CONFIG)
        assert refused.code == 3
        assert refused.lines[0].startswith(f"models/toy: another process works on run 'toy' (pid {process.pid} on ")
        assert stages("baseline", CONFIG, "--run", "other").code == 0
        process.kill()
        process.wait()
        assert stages("baseline", CONFIG).code == 0  # the lock ended with its holder; its file is still there


def test_workers_end_with_a_killed_parent(project: Path) -> None:
    with training(project, "--set", "hardware.jobs=2") as process:
        process.kill()
        process.wait()
        ends(process.pid)
