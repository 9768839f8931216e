"""A tiny competition in a folder of its own, and the command run on it as a user would."""

import contextlib
import random
import shutil
import subprocess
import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import pandas as pd
import pytest

from pipeline import backend, checkpoint
from pipeline.checkpoint import BertConfig
from pipeline.tokens import SPECIAL
from stages.command import main

backend.use_threads(1)  # as the toy's config says; TensorFlow takes it once a process

ROOT = Path(__file__).parent.parent
CHARACTERS = "鱼肉菜汤饭面香辣鲜嫩好差慢贵咸淡很不真太abc123"
TINY = BertConfig(vocab_size=len(SPECIAL) + len(CHARACTERS), hidden=16, layers=2, heads=2, intermediate=32,
                  positions=32, segments=2, activation="gelu_tanh")

CONFIG = """
[data]
train = "data/train.csv"
test = "data/test.csv"
sample_submission = "data/sample_submission.csv"
id_column = "id"

[folds]
n = 3

[bert]
checkpoint = "data/bert"

[stage1]
epochs = 2
batch_size = 8
learning_rate = 1e-3

[stage2]
epochs = 2
learning_rate = 1e-2

[hardware]
threads_per_cell = 1
xla = false
"""


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


def make_tables(rows: int = 48, test_rows: int = 12, seed: int = 0) -> tuple[pd.DataFrame, pd.DataFrame]:
    """A learnable toy: texts with 香 are positive. One in three is; some texts repeat."""
    rng = random.Random(seed)

    def text(positive: bool) -> str:
        others = [c for c in CHARACTERS if c != "香"]
        body = rng.choices(others, k=rng.randint(3, 9))
        if positive:
            body[rng.randrange(len(body))] = "香"
        return "".join(body)

    labels = [int(row % 3 == 0) for row in range(rows)]
    texts = [text(bool(label)) for label in labels]
    texts[-1] = texts[1]
    train = pd.DataFrame({"id": [f"r{row:03d}" for row in range(rows)], "text": texts, "label": labels})
    test = pd.DataFrame({"id": [f"t{row:03d}" for row in range(test_rows)],
                         "text": [text(row % 3 == 0) for row in range(test_rows)]})
    return train, test


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


def make_project() -> None:
    """Writes the tiny competition into the present folder."""
    train, test = make_tables()
    Path("data").mkdir()
    Path("configs").mkdir()
    train.to_csv("data/train.csv", index=False)
    test.to_csv("data/test.csv", index=False)
    shuffled = test.sample(frac=1, random_state=1)
    pd.DataFrame({"ID": shuffled.id, "Prediction": 0.5}).to_csv("data/sample_submission.csv", index=False)
    vocab = [*SPECIAL, *CHARACTERS]
    checkpoint.write_google(Path("data/bert"), TINY, vocab, checkpoint.random_tensors(TINY, 1))
    Path("configs/toy.toml").write_text(CONFIG)


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
