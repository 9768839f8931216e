"""A run's folds: dealt once, kept in models/<run>/folds.csv, and verified whenever they are read again."""

import shutil
from pathlib import Path

import numpy as np
import pandas as pd

from pipeline.competition import corrections, folds, tables
from pipeline.competition.folds import FoldOfRow
from pipeline.competition.readers import delimited
from pipeline.competition.tables import Competition
from pipeline.config.run import Config
from pipeline.config.schema import flatten
from pipeline.errors import MismatchError
from pipeline.files import atomic, formats, hashing
from pipeline.runs import cells
from pipeline.runs.cells import Identity
from pipeline.runs.paths import Paths


def dealt_or_read(config: Config, competition: Competition) -> FoldOfRow:
    """int64 [rows]: each training row's fold, read where the run has its folds, else dealt. Writes nothing.

    Raises UserError where the rows cannot be dealt, MismatchError where the kept folds are damaged, or of other rows
    or settings.
    """
    path = Paths(config.name).folds
    record = path.with_suffix(".json")
    if not path.exists() or not record.exists():
        return dealt(config, competition)
    try:
        content = formats.read_json(record)
        source, digest = dict(content["source"]), str(content["sha256"])
    except (ValueError, KeyError, TypeError):
        raise MismatchError(f"{record}: damaged; deal the folds again and discard every cell: --redo folds") from None
    if changed := cells.differences(source, _source(config, competition.train)):
        raise MismatchError(f"{path}: the folds were dealt from other rows or settings:",
                            *(f"  {line}" for line in changed),
                            "  go on under a new name: --run NEW, or deal again and discard every cell: --redo folds")
    if hashing.sha256(path) != digest:
        raise MismatchError(f"{path}: was changed after the folds were dealt; put it back, or --redo folds")
    table = delimited.read_table(path)
    fold_of_row = np.asarray(table["fold"], dtype=np.int64)
    folds.verify(fold_of_row, competition.train, config.folds)
    return fold_of_row


def dealt(config: Config, competition: Competition) -> FoldOfRow:
    """int64 [rows]: the same, dealt anew. Raises UserError."""
    return folds.deal(competition.train, config.folds, corrections.dropped(config))


def write(config: Config, competition: Competition, fold_of_row: FoldOfRow) -> None:
    """Keeps the folds, and what they were dealt from, where they are not kept already."""
    path = Paths(config.name).folds
    record = path.with_suffix(".json")
    if not (path.exists() and record.exists()):
        formats.write(path, competition.train[["id"]].assign(fold=fold_of_row))
    content = {"sha256": hashing.sha256(path), "source": _source(config, competition.train)}
    if not record.exists() or formats.read_json(record) != content:
        formats.write(record, content)


def copy(source: Path, paths: Paths) -> None:
    """Takes the folds of another run's folder, where this run has none: they are its folds however a later version
    would deal them, if its rows and settings are the same, which ``dealt_or_read`` looks at."""
    atomic.refuse_links([paths.models])
    for name in (paths.folds.name, paths.folds.with_suffix(".json").name):
        if (source / name).is_file() and not (paths.models / name).exists():
            with atomic.replacing(paths.models / name) as temporary:
                shutil.copyfile(source / name, temporary)


def discard(paths: Paths) -> None:
    """Deletes the folds, so that they are dealt again."""
    for path in (paths.folds, paths.folds.with_suffix(".json")):
        path.unlink(missing_ok=True)


def _source(config: Config, train: pd.DataFrame) -> Identity:
    """What the folds follow from."""
    source = flatten(config.folds, "folds")
    if config.folds.file and Path(config.folds.file).is_file():
        source["folds.file"] = hashing.sha256(Path(config.folds.file))
    columns = [name for name in ("id", "text", "text_pair", "label", "group", "fold") if name in train]
    return source | {"training rows": tables.row_hash(train, columns)}
