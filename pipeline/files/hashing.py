"""Hashes of files."""

import functools
import hashlib
from pathlib import Path


def sha256(path: Path) -> str:
    """Hex digest of a file's bytes; read once a process unless the file changes."""
    state = path.stat()
    return _sha256(path.resolve(), state.st_size, state.st_mtime_ns)


@functools.lru_cache(maxsize=4096)
def _sha256(path: Path, size: int, changed: int) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
