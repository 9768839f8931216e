"""run_all.sh as a user types it: from another folder, in a path that a shell would take apart, with wrong words."""

import shutil
from pathlib import Path

import pytest

from tests.conftest import ROOT, Result, shell


@pytest.fixture
def checkout(tmp_path: Path) -> Path:
    """A copy of what is needed to run, in a path with spaces and signs, that uses this environment."""
    copy = tmp_path / "-a 'path' with \"spaces\" & $(touch hacked); *"
    copy.mkdir()
    for name in ("pipeline", "stages", "configs", "data/example", "data/bert/small_chinese"):
        shutil.copytree(ROOT / name, copy / name, ignore=shutil.ignore_patterns("__pycache__"))
    for name in ("run_all.sh", "install.sh", "requirements.lock", "requirements-build.lock"):
        shutil.copy(ROOT / name, copy / name)
    (copy / ".venv").symlink_to(ROOT / ".venv")
    return copy


def run_all(checkout: Path, *arguments: str) -> Result:
    elsewhere = checkout.parent / "elsewhere"
    elsewhere.mkdir(exist_ok=True)
    return shell(str(checkout / "run_all.sh"), *arguments, cwd=elsewhere, PYTHONPATH="")


@pytest.mark.skipif(not (ROOT / ".venv/.installed").exists(), reason="the environment was not made by install.sh")
def test_it_runs_from_anywhere(checkout: Path) -> None:
    result = run_all(checkout, "--stage", "folds")
    assert result.code == 0, result.err
    assert (checkout / "models/example/folds.csv").exists()
    mine = checkout.parent / "elsewhere/-my 'config' $(touch hacked).toml"
    text = (checkout / "configs/example.toml").read_text()
    mine.write_text(f'name = "$(touch hacked)"\n{text}')
    refused = run_all(checkout, f"./{mine.name}", "--stage", "folds")
    assert refused.code == 2
    assert "name must be" in refused.err
    mine.write_text(f'name = "mine"\n{text}')
    assert run_all(checkout, f"./{mine.name}", "--stage", "baseline", "--fold", "1").code == 0
    assert (checkout / "models/mine/baseline/fold_1/DONE.json").exists()
    assert not list(checkout.parent.rglob("hacked"))


@pytest.mark.parametrize(("arguments", "message"), [
    (["--folds", "1"], "unknown option --folds"),
    (["--fold"], "--fold needs a number"),
    (["--stage", "stage3"], "no stage stage3"),
    (["-my.toml"], "unknown option -my.toml"),
])
def test_wrong_words_are_told(checkout: Path, arguments: list[str], message: str) -> None:
    result = run_all(checkout, *arguments)
    assert result.code != 0
    assert message in result.err


def test_help_shows_how(checkout: Path) -> None:
    assert "./run_all.sh configs/boyu.toml --fold 2" in run_all(checkout, "--help").out
    from_beside = shell("bash", "--", f"{checkout.name}/run_all.sh", "--help", cwd=checkout.parent,
                        CDPATH=str(checkout.parent))
    assert "./run_all.sh configs/boyu.toml --fold 2" in from_beside.out


def test_an_interpreter_in_a_path_with_spaces_is_used(checkout: Path) -> None:
    (checkout / ".venv").unlink()
    interpreter = checkout.parent / "my python"
    interpreter.write_text("#!/bin/sh\necho mine \"$@\" >> \"$(dirname \"$0\")/called\"\nexit 1\n")
    interpreter.chmod(0o755)
    path = checkout.parent / "no other"
    path.mkdir()
    for name in ("bash", "dirname", "realpath", "sha256sum", "cut", "cat", "sed"):
        (path / name).symlink_to(str(shutil.which(name)))
    result = shell(str(checkout / "run_all.sh"), cwd=checkout.parent, PYTHON=str(interpreter), PATH=str(path))
    assert result.code == 2
    assert "needs Python 3.11" in result.err
    assert (checkout.parent / "called").read_text().startswith("mine -c")
