"""The toy's stages in forks of one process, which can be disturbed before each change that they make to the disk.

Changes are Python's own audit events: a file opened for writing, and what is made, renamed or removed. The process
that forks has TensorFlow imported and not yet used.
"""

import contextlib
import importlib
import os
import shutil
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from pipeline.runs import cells

CHANGES = {"os.rename", "os.remove", "os.rmdir", "os.mkdir", "os.link", "os.symlink", "os.truncate"}
CONFIG = "configs/toy.toml"
ONE_AT_A_TIME = ("--set", "hardware.jobs=1", "--set", "folds.n=2")
STAGES = ("folds", "baseline", "pretrain", "stage1", "stage2", "submit", "report")
UNEQUAL = (".lock", "run.log", ".pace.json", "seconds.json")  # hold times and process numbers


@dataclass(frozen=True)
class End:
    """How a command in a fork ended: exit code (negative: the signal), changes of the disk, what it printed."""

    code: int
    changes: int
    printed: str


@dataclass(frozen=True)
class Case:
    """Commands, with the project as it stood before them, and every file that it must end in.

    name: the stage, or "finished": every stage once more on the finished run.
    """

    name: str
    before: Path
    golden: dict[str, bytes]
    changes: int
    seconds: float

    @property
    def commands(self) -> list[list[str]]:
        """The arguments of each command."""
        return [[stage, CONFIG, *ONE_AT_A_TIME] for stage in (STAGES[1:] if self.name == "finished" else [self.name])]

    @contextlib.contextmanager
    def project(self) -> Iterator[None]:
        """A copy of the project before the commands, as the present folder."""
        with tempfile.TemporaryDirectory() as name:
            folder = Path(name) / "project"
            shutil.copytree(self.before, folder)
            with contextlib.chdir(folder):
                yield

    def rerun(self) -> str | None:
        """Runs the commands in the present folder. None where they end in the golden bytes, else what is wrong."""
        end = forked(self.commands)
        if end.code:
            return f"run again, it ended with {end.code}: {end.printed[-500:]}"
        paths = differing(contents(Path.cwd()), self.golden)
        return f"run again, it differs in {', '.join(paths)}" if paths else None


def nothing() -> None:
    """For a fork that is not disturbed."""


def forked(commands: Sequence[Sequence[str]], at: int = 0, disturb: Callable[[], None] = nothing,
           begin: Callable[[], None] = nothing) -> End:
    """Runs commands, up to the first that fails, in a fork of this process.

    ``begin`` is called in the fork first, ``disturb`` before its at-th change of the disk and every one after that.
    """
    reader, writer = os.pipe()
    told, telling = os.pipe()
    child = os.fork()
    if child == 0:
        for number in (1, 2):
            os.dup2(writer, number)
        os.close(writer)
        _run(commands, at, disturb, begin, telling)
    os.close(writer)
    os.close(telling)
    with open(reader, "rb") as output, open(told, "rb") as count:  # noqa: PTH123, descriptors
        printed, changes = output.read(), count.read()
    _, status = os.waitpid(child, 0)
    return End(os.waitstatus_to_exitcode(status), int(changes or 0), printed.decode(errors="replace"))


def _run(commands: Sequence[Sequence[str]], at: int, disturb: Callable[[], None], begin: Callable[[], None],
         telling: int) -> None:
    from stages.command import main

    root, changes = f"{Path.cwd()}/", 0

    def watch(event: str, found: tuple[object, ...]) -> None:
        nonlocal changes
        if not found or not isinstance(found[0], str | bytes | os.PathLike):
            return
        changing = event in CHANGES or (event == "open" and isinstance(found[2], int)
                                        and found[2] & (os.O_WRONLY | os.O_RDWR | os.O_CREAT))
        if changing and os.path.abspath(os.fsdecode(found[0])).startswith(root):  # noqa: PTH100, a hook must be cheap
            changes += 1
            if at and changes >= at:
                disturb()

    code = 1
    with contextlib.suppress(BaseException):
        begin()
        sys.addaudithook(watch)
        for arguments in commands:
            sys.argv = ["stages", *arguments]
            try:
                main()
                code = 0
            except SystemExit as end:
                code = end.code if isinstance(end.code, int) else 0
            if code:
                break
    sys.stdout.flush()
    sys.stderr.flush()
    os.write(telling, str(changes).encode())
    os._exit(code)


def contents(folder: Path) -> dict[str, bytes]:
    """Every file of a project that must come out the same, by its path."""
    return {str(path.relative_to(folder)): path.read_bytes() for path in sorted(folder.rglob("*"))
            if path.is_file() and path.name not in UNEQUAL}


def differing(one: dict[str, bytes], other: dict[str, bytes]) -> list[str]:
    """The paths at which two projects differ."""
    return [path for path in sorted(one.keys() | other.keys()) if one.get(path) != other.get(path)]


def cases(wanted: Sequence[str]) -> Iterator[Case]:
    """Goes through the toy's stages, in order, and yields the wanted ones after they have run once undisturbed.

    Last comes "finished", where it is wanted.
    """
    for name in ("stages.command", "pipeline.baseline", "pipeline.training.bert_stages", "pipeline.results.plots",
                 "pipeline.pretraining.stage0", "pipeline.results.pretraining"):
        importlib.import_module(name)  # here, so that no fork need do it
    cells.code_version()  # kept from here on: the sources may be edited meanwhile
    with tempfile.TemporaryDirectory() as folder:
        project = Path(folder) / "project"
        project.mkdir()
        with contextlib.chdir(project):
            _make_toy()
        order = [*STAGES, "finished"]
        for name in order[:1 + max(map(order.index, wanted))]:
            before = Path(folder) / "before"
            shutil.rmtree(before, ignore_errors=True)
            shutil.copytree(project, before)
            start = time.monotonic()
            with contextlib.chdir(project):
                end = forked(Case(name, before, {}, 0, 0).commands)
            if end.code:
                sys.exit(f"{name}: exit code {end.code} without any fault\n{end.printed}")
            if name in wanted:
                yield Case(name, before, contents(project), end.changes, time.monotonic() - start)


def _make_toy() -> None:
    """The toy with a stage 0, made in a fork too: writing its checkpoint uses TensorFlow."""
    child = os.fork()
    if child == 0:
        from tests.toy import TINY, make_project

        make_project(replace(TINY, layers=1))
        path = Path(CONFIG)
        path.write_text(f"{path.read_text()}\n[pretrain]\nepochs = 2\nmax_tokens = 16\nbatch_tokens = 128\n")
        os._exit(0)
    if os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]):
        sys.exit("the toy could not be made")
