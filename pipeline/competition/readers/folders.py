"""A folder for each class, and in it a .txt file for each text, as aclImdb and THUCNews have them."""

from pathlib import Path

import pandas as pd

from pipeline.errors import UserError
from pipeline.files import inputs

LEFT_OUT = "unsup"  # aclImdb's texts without labels
LONGEST_TEXT = 1_000_000  # characters
MOST_BYTES = 4 * LONGEST_TEXT  # of UTF-8


def read(path: Path, labelled: bool, encoding: str | None = None) -> pd.DataFrame:
    """id (as "pos/0_9.txt", which is the place too), text and, where labelled, label; by class, then by file name.

    Without labels the texts may lie in the folder itself. Hidden files and folders are passed over. Raises UserError.
    """
    names = _names(path)
    classes = [name for name in names if name != LEFT_OUT and inputs.is_folder(path / name)]
    if labelled and not classes:
        raise UserError(f"{path}: must hold a folder for each class, got none")
    problems: list[str] = []
    ids: list[str] = []
    for label in classes:
        inside = [f"{label}/{name}" for name in _names(path / label) if name.endswith(".txt")]
        if not inside:
            problems.append(f", {label}: holds no .txt file")
        ids += inside
    if not classes:
        ids = [name for name in names if name.endswith(".txt")]
        if not ids:
            problems.append(": holds no .txt file")
    texts = [_text(path, name, encoding, problems) for name in ids]
    if problems:
        raise UserError(*inputs.shortened(path, problems, "files or folders"))
    table = pd.DataFrame({"id": ids, "text": texts}, index=ids, dtype=str)
    return table.assign(label=[name.partition("/")[0] for name in ids]) if labelled else table


def _names(folder: Path) -> list[str]:
    """What a folder holds, sorted."""
    try:
        return sorted(entry.name for entry in folder.iterdir() if not entry.name.startswith("."))
    except NotADirectoryError:
        raise UserError(f"{folder}: must be a folder that holds a folder for each class") from None
    except FileNotFoundError:
        raise UserError(f"{folder}: no such folder; put it there, or link the one that holds it") from None
    except OSError as error:
        raise UserError(f"{folder}: cannot be read: {error.strerror}") from None


def _text(path: Path, name: str, encoding: str | None, problems: list[str]) -> str:
    """A file's text without the line end behind it; what is wrong with it is added to the problems."""
    file = path / name
    try:
        name.encode()  # ids are written as UTF-8; file systems take any bytes
        text = inputs.read_text(file, MOST_BYTES, encoding).removesuffix("\n").removesuffix("\r")
    except UnicodeEncodeError:
        problems.append(f", {name}: its name must be UTF-8")
        return ""
    except UserError as error:
        problems += [f", {name}{problem.removeprefix(str(file))}" for problem in error.problems]
        return ""
    if len(text) > LONGEST_TEXT:
        problems.append(f", {name}: must have at most {LONGEST_TEXT:,} characters, got {len(text):,}")
    return text
