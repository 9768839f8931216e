"""run_all.sh as a user types it, from another folder, in a path that a shell would take apart, with wrong words; and
what it installs: nothing but what the locks name by hash."""

import hashlib
import re
import shutil
import sys
import sysconfig
import tarfile
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


MADE_BY_INSTALL = pytest.mark.skipif(not (ROOT / ".venv/bin/uv").exists(), reason="install.sh did not make .venv")


def test_every_locked_file_has_a_version_and_a_hash() -> None:
    for name in ("requirements.lock", "requirements-build.lock"):
        entries = re.split(r"\n(?=\S)", (ROOT / name).read_text().strip())
        assert len(entries) > 5
        for entry in entries:
            assert re.match(r"[a-z0-9._-]+==\S+( ; .+?)? \\\n    --hash=sha256:[0-9a-f]{64}", entry), entry


def a_package(folder: Path, name: str, setup: str) -> str:
    """A source package in the folder; returns its line of a lock."""
    (folder / "setup.py").write_text(f"from setuptools import setup\nsetup(name={name!r}, version='1.0', {setup})\n")
    (folder / "PKG-INFO").write_text(f"Metadata-Version: 2.1\nName: {name}\nVersion: 1.0\n")
    path = folder / f"{name}-1.0.tar.gz"
    with tarfile.open(path, "w:gz") as archive:
        for file in ("setup.py", "PKG-INFO"):
            archive.add(folder / file, f"{name}-1.0/{file}")
    return f"{name}==1.0 --hash=sha256:{hashlib.sha256(path.read_bytes()).hexdigest()}\n"


@pytest.fixture
def half_installed(tmp_path: Path) -> Path:
    """A project in which uv and the tools to build with are there, and requirements.lock is still to be installed."""
    folder = tmp_path / "a project"
    folder.mkdir()
    for name in ("install.sh", "requirements-build.lock"):
        shutil.copy(ROOT / name, folder / name)
    assert shell(sys.executable, "-m", "venv", "--without-pip", ".venv", cwd=folder).code == 0
    [site] = (folder / ".venv/lib").glob("python*/site-packages")
    (site / "tools.pth").write_text(sysconfig.get_path("purelib"))
    (folder / ".venv/bin/uv").symlink_to(ROOT / ".venv/bin/uv")
    return folder


def install(folder: Path, lock: str, index: Path) -> Result:
    """What install.sh does after uv is there, from one folder of packages and no index."""
    (folder / "requirements.lock").write_text(lock)
    locks = (folder / "requirements-build.lock").read_bytes() + lock.encode()
    (folder / ".venv/.installed").write_text(hashlib.sha256(locks).hexdigest())
    return shell("bash", "-c", "set -euo pipefail; source ./install.sh; install_packages", cwd=folder,
                 UV_OFFLINE="1", UV_FIND_LINKS=str(index), PIP_CONFIG_FILE="/dev/null", PIP_FIND_LINKS="",
                 UV_CACHE_DIR=str(folder / "cache"))


@MADE_BY_INSTALL
@pytest.mark.parametrize(("setup", "cut", "installed"), [
    ("py_modules=[]", "", True),
    ("py_modules=[], setup_requires=['not-in-any-lock']", "", True),  # asked for, and not fetched
    ("py_modules=[], install_requires=['not-in-any-lock']", "", False),
    ("py_modules=[]", r" --hash=\S+", False),
    ("py_modules=[]", r"(?<=sha256:).{4}", False),
], ids=["all is locked", "a build asks for more", "it needs what no lock has", "no hash", "another hash"])
def test_what_no_lock_names_is_not_installed(half_installed: Path, tmp_path: Path, setup: str, cut: str, installed: bool
                                             ) -> None:
    packages = tmp_path / "packages"
    packages.mkdir()
    lock = re.sub(cut, "" if "hash=" in cut else "0000", a_package(packages, "mine", setup)) if cut else a_package(
        packages, "mine", setup)
    result = install(half_installed, lock, packages)
    assert (result.code == 0) == installed, result.out + result.err
    if not installed:
        assert result.code == 2
        assert result.err.startswith("install: uv cannot install requirements.lock: look at the network")
        assert result.err.count("\n") == 1


def test_uv_is_told_what_pip_is_told(tmp_path: Path) -> None:
    (tmp_path / "pip.conf").write_text(
        "[global]\nindex-url = https://mirror/simple\ntimeout = 60\ncert = /ca.pem\n"
        "[install]\nextra-index-url =\n    https://one/simple\n    https://two/simple\ntrusted-host = one\n")
    shown = shell("bash", "-c", f"set -euo pipefail; cd '{ROOT}'; source <(sed '/^locks=/,$d' install.sh); "
                  f"pass_on_pip_settings '{sys.executable}'; env; echo no_index=$no_index", cwd=tmp_path,
                  PIP_CONFIG_FILE="", PIP_NO_INDEX="yes",
                  XDG_CONFIG_DIRS=str(tmp_path), XDG_CONFIG_HOME=str(tmp_path), HOME=str(tmp_path),
                  PIP_INDEX_URL="https://nearer/simple", PIP_PROXY="http://proxy:3128", PIP_CERT="", PIP_FIND_LINKS="")
    settings = dict(line.partition("=")[::2] for line in shown.out.splitlines())
    assert settings["UV_DEFAULT_INDEX"] == "https://nearer/simple"  # the environment's is the last word
    assert settings["HTTPS_PROXY"] == "http://proxy:3128"
    assert settings["no_index"] == "--no-index"  # for which uv has no variable


def test_a_failed_installation_ends_with_one_line(checkout: Path) -> None:
    (checkout / ".venv").unlink()
    result = shell(str(checkout / "run_all.sh"), cwd=checkout.parent, PYTHON=sys.executable, PIP_RETRIES="0",
                   PIP_INDEX_URL="http://127.0.0.1:9/simple", PIP_FIND_LINKS="", PIP_EXTRA_INDEX_URL="",
                   PIP_CONFIG_FILE="/dev/null")
    assert result.code == 2
    assert result.err.splitlines() == [
        "install: pip cannot fetch requirements-build.lock: look at the network, or at the proxy and index that pip is "
        f"told of, and run this again; what has come is kept; see {checkout.resolve()}/.venv/install.log"]
    assert not (checkout / ".venv/.installed").exists()
