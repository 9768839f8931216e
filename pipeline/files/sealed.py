"""Folders that are sealed: DONE.json, written last, names every file with its hash."""

import hashlib
import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from pipeline.files import formats, hashing

DONE = "DONE.json"


def write_done(folder: Path, done: dict[str, Any]) -> None:
    """Writes DONE.json, the last of a folder's files, with a hash of its own content."""
    content = {key: value for key, value in done.items() if key != "sha256"}
    formats.write(folder / DONE, content | {"sha256": digest(content)})


def read_done(folder: Path, names: Sequence[str] | None = None) -> dict[str, Any] | None:
    """The folder's DONE.json where it is whole and names files, all inside, and each has its hash; else None.

    names: the files that are looked at, which must be among them; None: all.
    """
    try:
        done = formats.read_json(folder / DONE)
        if done.pop("sha256") != digest(done):
            return None
        inside = all(not Path(name).is_absolute() and ".." not in Path(name).parts for name in done["files"])
        intact = inside and all(hashing.sha256(folder / name) == done["files"][name] for name in names or done["files"])
        meant = isinstance(done["identity"], dict) and isinstance(done.get("provenance", {}), dict)
        return done if intact and done["files"] and meant else None
    except (OSError, ValueError, KeyError, TypeError, AttributeError):
        return None


def hashes(folder: Path) -> dict[str, str]:
    """The hash of every file inside, by its path from there."""
    return {str(path.relative_to(folder)): hashing.sha256(path) for path in sorted(folder.rglob("*"))
            if path.is_file()}


def digest(value: Any) -> str:
    return hashlib.sha256(json.dumps(value, sort_keys=True).encode()).hexdigest()
