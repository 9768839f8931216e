"""A disk that refuses: full, over quota, read-only or too large a file, from each change of the disk on.

The command must end with exit code 5 and one line, leave every file that was there as it was, or as it was to become,
and its rerun on a disk that takes everything must end in the same bytes.
"""

import errno
import itertools
import os
import resource
from collections.abc import Callable, Iterator
from pathlib import Path

from tests.fault.forks import Case, contents, forked, nothing

REFUSALS = (errno.ENOSPC, errno.EDQUOT, errno.EROFS, errno.EIO)
OLD = b"what stood here before\n"


def at_changes(case: Case, every: int) -> Iterator[str | None]:
    """For each change from which on the disk refuses: None where all was as promised, else what was wrong."""
    for number, reason in zip(range(1, case.changes + 1, every), itertools.cycle(REFUSALS), strict=False):

        def refuse(reason: int = reason) -> None:
            raise OSError(reason, os.strerror(reason))

        yield from _outcome(case, f"{errno.errorcode[reason]} from change {number} on", at=number, disturb=refuse)


def at_sizes(case: Case, every: int) -> Iterator[str | None]:
    """For each size of file that the stage writes: no file may grow to it."""
    sizes = {len(content) for path, content in case.golden.items() if not (case.before / path).exists()} - {0}
    for size in sorted(sizes)[::every]:
        def limit(most: int = size - 1) -> None:
            resource.setrlimit(resource.RLIMIT_FSIZE, (most, resource.RLIM_INFINITY))

        yield from _outcome(case, f"no file over {size - 1} bytes", begin=limit)


def _outcome(case: Case, fault: str, at: int = 0, disturb: Callable[[], None] = nothing,
             begin: Callable[[], None] = nothing) -> Iterator[str | None]:
    with case.project():
        old = [name for name in case.golden if name.startswith(("oof/", "submissions/")) and not Path(name).exists()]
        for name in old:
            Path(name).parent.mkdir(parents=True, exist_ok=True)
            Path(name).write_bytes(OLD)
        before = contents(Path.cwd())
        end = forked(case.commands, at, disturb, begin)
        if end.changes < at:
            return  # the files that stood there already made it fewer changes
        after = contents(Path.cwd())
        harmed = [name for name in before if after.get(name) not in (before[name], case.golden.get(name))]
        if end.code != 5 or "Traceback" in end.printed:
            wrong: str | None = f"ended with {end.code}: {end.printed[-500:]}"
        elif harmed:
            wrong = f"harmed {', '.join(harmed)}"
        else:
            wrong = case.rerun()
        yield wrong and f"{case.name}, {fault}: {wrong}"
