"""Folds: dealt once, verified to be a partition, kept by id. Fold -1 marks rows that are trained on in every cell."""

import contextlib
import unicodedata
import warnings
from collections.abc import Collection, Iterable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd

from pipeline.competition import near_copies
from pipeline.competition.readers import delimited
from pipeline.config.data import Folds
from pipeline.errors import UserError
from pipeline.lazy import lazily
from pipeline.text import columns

model_selection = lazily("sklearn.model_selection")
AT_ONCE = 10_000  # rows whose texts are Python objects at a time
FoldOfRow = npt.NDArray[np.int64]


def normalised(texts: pd.DataFrame) -> pd.Series:
    """What makes two rows "the same text": each text as ``plain`` has it, both texts of a pair."""
    names = columns.text_columns(texts)
    parts = [pd.Series([_plain(row) for row in texts.iloc[at:at + AT_ONCE][names].itertuples(index=False)], dtype=str)
             for at in range(0, max(len(texts), 1), AT_ONCE)]
    return pd.concat(parts).set_axis(texts.index)


def _plain(texts: Iterable[str]) -> str:
    return "\x1f".join(map(plain, texts))


def plain(text: str) -> str:
    """A text as it is compared with others: with compatible characters made alike (NFKD), in one case, white space
    collapsed, and without what BERT's uncased tokenizer drops: accents, zero-width characters, controls."""
    seen = unicodedata.normalize("NFKD", text).translate(_SEEN)
    return " ".join(seen.casefold().split())


class _Seen(dict[int, int | None]):
    """A table for str.translate, filled as characters come up."""

    def __missing__(self, point: int) -> int | None:
        character = chr(point)
        dropped = unicodedata.category(character) in ("Mn", "Cf", "Cc", "Co") and not character.isspace()
        self[point] = None if dropped else point
        return self[point]


_SEEN = _Seen()


def deal(train: pd.DataFrame, config: Folds, dropped: Collection[str] = ()) -> FoldOfRow:
    """int64 [rows]: the fold that validates each row, by the configured method.

    Raises UserError where the rows cannot be dealt so, or where given folds are not a partition.
    """
    if config.dev:
        fold_of_row = np.where(train.dev, 0, -1)
    else:
        validated = may_be_validated(train, config)
        rows = train[validated]
        fold_of_row = np.full(len(train), -1)
        fold_of_row[validated] = _given(rows, config, {*train.id, *dropped}) if config.method == "given" else split(
            rows.stratum.to_numpy(), groups(rows, config), config.method, config.n, config.seed)
    verify(fold_of_row, train, config)
    return fold_of_row


def may_be_validated(train: pd.DataFrame, config: Folds) -> npt.NDArray[np.bool_]:
    """bool [rows]: whether a fold may validate a row; the others are only trained on: those beside a dev file, of
    data.extra, and of sources that folds.validate_on does not name."""
    return train.dev.to_numpy(bool) if config.dev else ~only_trained_on(train, config)


def only_trained_on(train: pd.DataFrame, config: Folds) -> npt.NDArray[np.bool_]:
    """bool [rows]: whether a row is of data.extra, or of a source that folds.validate_on does not name."""
    outside = np.zeros(len(train), bool)
    if "extra" in train:
        outside |= train.extra.to_numpy(bool)
    if config.validate_on:
        outside |= ~train.source.isin(config.validate_on).to_numpy()
    return outside


def groups(rows: pd.DataFrame, config: Folds) -> npt.NDArray[np.int64]:
    """int64 [rows]: which rows are one case, by folds.group_column, by nearly the same text (folds.group_by = "near"),
    or else by identical text, numbered in sorted order, without a Python object for each text."""
    if config.group_by == "near":
        return near_copies.groups(normalised(rows)).number
    return pd.factorize(rows.group if config.group_column else normalised(rows), sort=True)[0].astype(np.int64)


def grouped(predictions: pd.DataFrame, ids: pd.Series, group: FoldOfRow) -> pd.DataFrame:
    """A table of predictions with the column ``group`` that scores need: int64, by each row's id. group: of each of
    ``ids``."""
    of_id = pd.Series(group, index=ids)
    return pd.concat([predictions, predictions.id.map(of_id).rename("group")], axis=1)


def joined(parts: Sequence[pd.DataFrame], ids: pd.Series) -> pd.DataFrame:
    """Tables of predictions of several folds as one, in the order of ``ids``; a text's words stay in theirs."""
    place = pd.Series(np.arange(len(ids)), index=ids.to_numpy())
    table = pd.concat(parts, ignore_index=True)
    return table.iloc[np.argsort(place[table.id].to_numpy(), kind="stable")].reset_index(drop=True)


def inner(rows: pd.DataFrame, config: Folds) -> npt.NDArray[np.bool_]:
    """bool [rows]: a tenth of a cell's training rows, held out by the same rule as the folds; none that are only ever
    trained on, as long as there are others."""
    method = "stratified_grouped" if config.method == "given" else config.method
    may = ~only_trained_on(rows, config)
    if not may.any():  # of a stage that is trained on such rows alone
        may[:] = True
    held_out, own = np.zeros(len(rows), bool), rows[may]
    stratum, group = own.stratum.to_numpy(), groups(own, config)
    for parts in range(10, 2, -1):  # fewer where a class, or the groups, are too few for a tenth
        with contextlib.suppress(UserError):
            held_out[may] = split(stratum, group, method, parts, config.seed) == 0
            return held_out
    held_out[may] = split(stratum, group, method, 2, config.seed) == 0
    return held_out


def split(stratum: npt.NDArray[np.int64], groups: npt.NDArray[Any], method: str, n: int, seed: int) -> FoldOfRow:
    """Deals rows to n folds with scikit-learn's splitter of that method, shuffled by the seed."""
    splitters = {
        "plain": model_selection.KFold,
        "stratified": model_selection.StratifiedKFold,
        "grouped": model_selection.GroupKFold,
        "stratified_grouped": model_selection.StratifiedGroupKFold,
    }
    counts = np.unique(stratum, return_counts=True)[1]
    if len(counts) != 2 and (len(counts) == 1 or counts.max() < n):
        # nothing to balance: every text has an entity of the one type, or hardly two rows have the same labels
        method = {"stratified": "plain", "stratified_grouped": "grouped"}.get(method, method)
    if len(stratum) < n:
        raise UserError(f"folds.n = {n} cannot be greater than the number of training rows: {len(stratum)}")
    if method.startswith("stratified") and len(counts) == 2 and counts.min() < n:
        raise UserError(f"folds.n = {n} cannot be greater than the rows of the rarer class: {counts.min()}")
    if method.endswith("grouped") and len(np.unique(groups)) < n:
        raise UserError(f"folds.n = {n} cannot be greater than the number of groups: {len(np.unique(groups))}")
    fold_of_row = np.full(len(stratum), -1)
    grouped = groups if method.endswith("grouped") else None
    with warnings.catch_warnings():  # of a class with fewer rows than folds: check and the report say what a fold lacks
        warnings.filterwarnings("ignore", "The least populated class", UserWarning)
        parts = splitters[method](n, shuffle=True, random_state=seed).split(stratum, stratum, grouped)
        for fold, (_, validated) in enumerate(parts):
            fold_of_row[validated] = fold
    return fold_of_row


def verify(fold_of_row: FoldOfRow, train: pd.DataFrame, config: Folds) -> None:
    """Each row that may be is validated by one fold, and no other; no fold is empty, each cell trains on two classes
    where there are two. Raises UserError."""
    n = fold_count(config)
    problems = []
    validated = may_be_validated(train, config)
    unvalidated = train.id[(fold_of_row < 0) & validated]
    if (wrong := (fold_of_row >= 0) & ~validated).any():
        problems.append(f"folds: {int(wrong.sum())} rows that are only trained on are in a fold, for example id "
                        f"{train.id[wrong].iloc[0]!r}")
    if len(unvalidated):
        problems.append(f"folds: {len(unvalidated)} rows are in no fold, for example id {unvalidated.iloc[0]!r}")
    outside = sorted({int(fold) for fold in fold_of_row if fold >= n})
    if outside:
        problems.append(f"folds: fold numbers must be 0 to {n - 1} (folds.n = {n}), got {outside[:5]}")
    for fold in range(n):
        if not (fold_of_row == fold).any():
            problems.append(f"folds: fold {fold} of {n} has no rows")
        elif train.stratum[fold_of_row != fold].nunique() < min(2, train.stratum.nunique()):
            problems.append(f"folds: the training rows of fold {fold} have one class only; deal them otherwise: "
                            f"folds.seed, folds.n or folds.method")
    if problems:
        raise UserError(*problems)


def fold_count(config: Folds) -> int:
    """How many folds there are, and so cells of a stage."""
    return 1 if config.dev else config.n


def _given(train: pd.DataFrame, config: Folds, others: Collection[str]) -> FoldOfRow:
    """The folds of the rows that are validated. others: ids that a file may name though it need not."""
    if config.column:
        return _numbers(train["fold"], f"column {config.column}")
    path = Path(str(config.file))
    table = delimited.read_table(path)
    missing = [column for column in ("id", "fold") if column not in table]
    if missing:
        raise UserError(f"{path}: no column {missing[0]!r}; a fold file has id,fold")
    again = table.id[table.id.duplicated()]
    unknown = set(table.id) - set(train.id) - set(others)
    absent = set(train.id) - set(table.id)
    problems = []
    if len(again):
        problems.append(f"{path}: {len(again)} ids stand twice, for example {again.iloc[0]!r}")
    if unknown:
        problems.append(f"{path}: {len(unknown)} ids are not in train, for example {min(unknown)!r}")
    if absent:
        problems.append(f"{path}: {len(absent)} ids of train are missing, for example {min(absent)!r}")
    if problems:
        raise UserError(*problems)
    return _numbers(train.id.map(table.set_index("id")["fold"]), str(path))


def _numbers(column: pd.Series, where: str) -> FoldOfRow:
    wrong = column[~column.str.fullmatch(r"\d{1,4}")]
    if len(wrong):
        raise UserError(f"{where}: a fold is a whole number from 0, got {wrong.iloc[0]!r} ({len(wrong)} rows)")
    return np.asarray(column, dtype=np.int64)
