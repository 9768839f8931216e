"""Artefacts damaged on the disk or brought from elsewhere: made again, to the same bytes, or refused; never used.

Refused is exit code 4 and a line that names the file, or the cell that it is part of.
"""

import functools
import os
import shutil
import tempfile
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

from tests.fault.forks import Case, contents, differing, forked
from tests.fault.killed import kill

FLIPS = 16  # bits turned over in a kept state, one at a time


def truncate(path: Path) -> None:
    """Keeps the first half."""
    os.truncate(path, path.stat().st_size // 2)


def empty(path: Path) -> None:
    """Keeps nothing of what is inside."""
    path.write_bytes(b"")


def flip(path: Path, place: float = 0.6) -> None:
    """Turns over one bit at that share of the file."""
    content = bytearray(path.read_bytes())
    content[int(len(content) * place)] ^= 1
    path.write_bytes(content)


DAMAGES: tuple[Callable[[Path], None], ...] = (truncate, empty, flip, Path.unlink)


def damaged(case: Case, every: int) -> Iterator[str | None]:
    """For each damage to each file of a finished run: None where it was noticed, else what came of it."""
    files = [name for name in case.golden if name.startswith(("models/", "oof/", "submissions/"))]
    faults = [(name, damage) for name in files for damage in DAMAGES if case.golden[name]]
    for name, damage in faults[::every]:
        with case.project():
            damage(Path(name))
            if ".features" in name:
                shutil.rmtree("models/toy/stage2")  # which would not read them again
            yield _outcome(case, [name], f"{damage.__name__} {name}")


def exchanged(case: Case, every: int) -> Iterator[str | None]:
    """For each cell and each of its files that gives way to another fold's, or another run's: as ``damaged``."""
    with tempfile.TemporaryDirectory() as other:
        with case.project():
            end = forked([[*command, "--set", "seed=1", "--run", "other"] for command in case.commands])
            if end.code:
                raise RuntimeError(end.printed)
            shutil.copytree("models/other", other, dirs_exist_ok=True)
        faults: list[tuple[Path, Path]] = []
        for stage in ("stage1", "stage2"):
            cell = Path("models/toy", stage, "fold_0")
            for foreign in (cell.with_name("fold_1"), Path(other, stage, "fold_0")):
                faults.append((cell, foreign))
                faults += [(Path(name), foreign / Path(name).name) for name in case.golden if Path(name).parent == cell]
        for place, foreign in faults[::every]:
            with case.project():
                if place.is_dir():
                    shutil.rmtree(place)
                    shutil.copytree(foreign, place)
                else:
                    shutil.copyfile(foreign, place)
                yield _outcome(case, [str(place), f"{place.parent}: fold"], f"{foreign} put in the place of {place}")


def states(case: Case, every: int) -> Iterator[str | None]:
    """For each damage to the state that a killed training goes on from: as ``damaged``."""
    def kill_where_kept() -> None:
        if list(Path("models/toy", case.name).glob(".*.state.safetensors")):
            kill()

    with case.project():
        forked(case.commands, at=1, disturb=kill_where_kept)
        killed = Case(case.name, Path.cwd(), case.golden, 0, 0)
        [state] = Path("models/toy", case.name).glob(".*.state.safetensors")
        damages: list[Callable[[Path], None]] = [functools.partial(flip, place=number / FLIPS)
                                                 for number in range(FLIPS)]
        for number, damage in enumerate([*damages, truncate, empty, Path.unlink][::every]):
            with killed.project():
                damage(state)
                wrong = killed.rerun()
                yield wrong and f"{case.name}, damage {number} to its state: {wrong}"


def _outcome(case: Case, named: Sequence[str], fault: str) -> str | None:
    end = forked(case.commands)
    if end.code == 4:
        return None if any(name in end.printed for name in named) else f"{fault}: names it nowhere: {end.printed}"
    if end.code:
        return f"{fault}: ended with {end.code}: {end.printed[-500:]}"
    paths = differing(contents(Path.cwd()), case.golden)
    return f"{fault}: used; now differs in {', '.join(paths)}" if paths else None
