"""The lock that keeps two processes from working on one run."""

import contextlib
import fcntl
import itertools
import os
import socket
import time
from collections.abc import Iterator
from pathlib import Path

from pipeline.errors import LockedError, disk
from pipeline.files import atomic
from pipeline.runs.paths import Paths


@contextlib.contextmanager
def lock(paths: Paths) -> Iterator[None]:
    """Holds the run for this process; the lock ends with the process, whatever ends it. Raises LockedError.

    Symbolic links are refused: writing or deleting through one would touch files that are not the run's.
    """
    path = paths.models / ".lock"
    atomic.refuse_links([paths.models, path])
    with disk(path):
        path.parent.mkdir(parents=True, exist_ok=True)
        file = path.open("a+b", buffering=0)
    with file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            file.seek(0)
            holder = file.read().decode(errors="replace").strip()
            raise LockedError(f"{paths.models}: another process works on run {paths.run!r} ({holder}); "
                              f"wait for it, or give this one another --run") from None
        atomic.refuse_links(itertools.chain(paths.models.rglob("*"), [paths.oof], paths.oof.rglob("*"), (
            written for written in Path("submissions").glob("*")
            if written.name.lstrip(".").startswith((f"{paths.run}.csv", f"{paths.run}_")))))
        with disk(path):
            file.truncate(0)
            file.write(f"pid {os.getpid()} on {socket.gethostname()} since "
                       f"{time.strftime('%Y-%m-%d %H:%M:%S')}\n".encode())
        yield
