"""The tiny competition in a folder of its own, and the command run on it as a user would."""

import contextlib
import shutil
import subprocess
import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import pytest
from hypothesis import settings

from pipeline import backend
from stages.command import main
from tests.toy import make_project

backend.use_threads(1)  # as the toy's config says; TensorFlow takes it once a process

settings.register_profile("same", derandomize=True)  # a tree passes or fails, whatever the day
settings.register_profile("new", derandomize=False)  # ./run_tests.sh fault: examples that no run has had
settings.load_profile("same")

ROOT = Path(__file__).parent.parent


@dataclass(frozen=True)
class Result:
    """What a command printed and how it ended."""

    code: int
    out: str
    err: str

    @property
    def lines(self) -> list[str]:
        """The problems told on standard error, one a line."""
        return self.err.splitlines()


@pytest.fixture
def project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The project's root: data/train.csv, test.csv, sample_submission.csv, data/bert/ and configs/toy.toml."""
    monkeypatch.chdir(tmp_path)
    make_project()
    return tmp_path


@pytest.fixture(scope="session")
def finished_once(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A project on which every stage has run; not to be changed."""
    folder = tmp_path_factory.mktemp("finished")
    with contextlib.chdir(folder), pytest.MonkeyPatch.context() as patch:
        make_project()
        for stage in ("folds", "baseline", "stage1", "stage2", "submit", "report"):
            patch.setattr(sys, "argv", ["stages", stage, "configs/toy.toml"])
            with pytest.raises(SystemExit, match=r"^0$"):
                main()
    return folder


@pytest.fixture
def finished(finished_once: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A copy of a project on which every stage has run."""
    shutil.copytree(finished_once, tmp_path, dirs_exist_ok=True)
    monkeypatch.chdir(tmp_path)
    return tmp_path


Command = Callable[..., Result]


@pytest.fixture
def stages(capfd: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> Command:
    """``stages("check", "configs/toy.toml", ...)``: the command in this process, with its exit code and output."""
    def run(*arguments: str) -> Result:
        monkeypatch.setattr(sys, "argv", ["stages", *arguments])
        capfd.readouterr()
        code: int | str | None = 0
        try:
            main()
        except SystemExit as stop:
            code = stop.code
        out, err = capfd.readouterr()
        return Result(code if isinstance(code, int) else 0, out, err)

    return run


def shell(*command: str, cwd: Path, **environment: str) -> Result:
    """A command in a process of its own, as typed by a user in ``cwd``."""
    import os

    done = subprocess.run(command, cwd=cwd, env={**os.environ, "PYTHONPATH": str(ROOT), **environment},
                          capture_output=True, text=True, check=False)
    return Result(done.returncode, done.stdout, done.stderr)
