"""Kills the command before each change that it makes to the disk, runs it again, and compares the bytes it ends in.

    .venv/bin/python -m tests.fault.killed [--every N] [STAGE ...]

The command runs in forks of one process that has TensorFlow imported and not yet used. Changes are Python's own audit
events: a file opened for writing, and what is made, renamed or removed. Prints a Markdown table: changes, kills, and
how many reruns ended in the golden bytes.
"""

import argparse
import contextlib
import importlib
import os
import shutil
import signal
import struct
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path

CHANGES = {"os.rename", "os.remove", "os.rmdir", "os.mkdir", "os.link", "os.symlink", "os.truncate"}
CONFIG = "configs/toy.toml"
ONE_AT_A_TIME = ("--set", "hardware.jobs=1", "--set", "folds.n=2")
STAGES = ("folds", "baseline", "pretrain", "stage1", "stage2", "submit", "report")
UNEQUAL = (".lock", "run.log")  # hold times and process numbers


def command(stage: str) -> list[str]:
    """The arguments of a stage on the toy."""
    return [stage, CONFIG, *ONE_AT_A_TIME]


def forked(arguments: Sequence[str], kill_before: int = 0) -> tuple[int, int]:
    """Runs the command in a fork of this process, killed before that change of the disk (0: never).

    Returns its exit code, -9 where it was killed, and the number of changes that it made (0 where it was killed).
    """
    reader, writer = os.pipe()
    child = os.fork()
    if child == 0:
        _run(arguments, kill_before, writer)
    os.close(writer)
    _, status = os.waitpid(child, 0)
    told = os.read(reader, 8)
    os.close(reader)
    return os.waitstatus_to_exitcode(status), struct.unpack("q", told)[0] if told else 0


def _run(arguments: Sequence[str], kill_before: int, writer: int) -> None:
    from stages.command import main

    nowhere = os.open(os.devnull, os.O_WRONLY)
    os.dup2(nowhere, 1)
    os.dup2(nowhere, 2)
    root, changes = f"{Path.cwd()}/", 0

    def watch(event: str, found: tuple[object, ...]) -> None:
        nonlocal changes
        if not found or not isinstance(found[0], str | bytes | os.PathLike):
            return
        changing = event in CHANGES or (event == "open" and isinstance(found[2], int)
                                        and found[2] & (os.O_WRONLY | os.O_RDWR | os.O_CREAT))
        if changing and os.path.abspath(os.fsdecode(found[0])).startswith(root):  # noqa: PTH100, a hook must be cheap
            changes += 1
            if changes == kill_before:
                os.kill(os.getpid(), signal.SIGKILL)

    code = 1
    with contextlib.suppress(BaseException):
        sys.argv = ["stages", *arguments]
        sys.addaudithook(watch)
        try:
            main()
        except SystemExit as end:
            code = end.code if isinstance(end.code, int) else 0
    os.write(writer, struct.pack("q", changes))
    os._exit(code)


def contents(folder: Path) -> dict[str, bytes]:
    """Every file of a project that must come out the same, by its path."""
    return {str(path.relative_to(folder)): path.read_bytes() for path in sorted(folder.rglob("*"))
            if path.is_file() and path.name not in UNEQUAL}


def differing(one: dict[str, bytes], other: dict[str, bytes]) -> list[str]:
    """The paths at which two projects differ."""
    return [path for path in sorted(one.keys() | other.keys()) if one.get(path) != other.get(path)]


def kill_everywhere(stage: str, before: Path, golden: dict[str, bytes], every: int, changes: int) -> list[str]:
    """One line for each kill whose rerun did not end in the golden bytes; works on copies of ``before``."""
    wrong = []
    for number in range(1, changes + 1, every):
        with tempfile.TemporaryDirectory() as name:
            folder = Path(name) / "project"
            shutil.copytree(before, folder)
            with contextlib.chdir(folder):
                killed, _ = forked(command(stage), number)
                again, _ = forked(command(stage))
            if killed != -signal.SIGKILL or again != 0:
                wrong.append(f"{stage}, change {number}: exit codes {killed} and {again}")
            elif paths := differing(contents(folder), golden):
                wrong.append(f"{stage}, change {number}: {', '.join(paths)}")
    return wrong


def _made() -> None:
    """The toy with a stage 0, made in a fork too: writing its checkpoint uses TensorFlow."""
    child = os.fork()
    if child == 0:
        from tests.toy import make_project

        make_project()
        path = Path(CONFIG)
        path.write_text(f"{path.read_text()}\n[pretrain]\nepochs = 2\nmax_tokens = 16\nbatch_tokens = 128\n")
        os._exit(0)
    if os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]):
        sys.exit("the toy could not be made")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("stages", nargs="*", default=STAGES, metavar="STAGE")
    parser.add_argument("--every", type=int, default=1, help="kill before every N-th change only")
    options = parser.parse_args()
    importlib.import_module("stages.command")
    for name in ("baseline", "bert_stages", "plots", "pretraining", "pretrain_report"):  # a fork need not import them
        importlib.import_module(f"pipeline.{name}")
    failures = 0
    print("| stage | changes of the disk | killed | reruns to the golden bytes |\n|---|---|---|---|")
    with tempfile.TemporaryDirectory() as folder:
        project = Path(folder) / "project"
        project.mkdir()
        with contextlib.chdir(project):
            _made()
        for stage in STAGES:
            before = Path(folder) / "before"
            shutil.rmtree(before, ignore_errors=True)
            shutil.copytree(project, before)
            with contextlib.chdir(project):
                code, changes = forked(command(stage))
            if code:
                sys.exit(f"{stage}: exit code {code} without any kill")
            if stage not in options.stages:
                continue
            wrong = kill_everywhere(stage, before, contents(project), options.every, changes)
            kills = len(range(1, changes + 1, options.every))
            print(f"| {stage} | {changes} | {kills} | {kills - len(wrong)} |", flush=True)
            for line in wrong:
                print(line, file=sys.stderr)
            failures += len(wrong)
    sys.exit(failures > 0)


if __name__ == "__main__":
    main()
