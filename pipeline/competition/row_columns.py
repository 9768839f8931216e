"""What a training table says of its rows beside texts and labels: weights, soft labels, sources; and further files of
rows that are only trained on, whose copies of validated rows are refused."""

from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd

from pipeline.competition import folds, near_copies
from pipeline.config.data import Data, Folds
from pipeline.config.run import Config
from pipeline.files.inputs import shortened
from pipeline.tasks import Task

WEIGHT, SOURCE, EXTRA = "weight", "source", "extra"
SOFT = "soft:"  # what the names of the columns of soft labels begin with
TOLERANCE = 1e-2  # how far the probabilities of classes may be from a sum of 1
SHOWN = 3  # copies that are named


def names(data: Data) -> dict[str, str]:
    """Standard name -> the file's column, of those that the configuration names."""
    soft = {f"{SOFT}{number}": column for number, column in enumerate(data.soft_label_columns or [])}
    given = {WEIGHT: data.weight_column, SOURCE: data.source_column} | soft
    return {name: column for name, column in given.items() if column}


def present(table: pd.DataFrame) -> list[str]:
    """The columns of this kind that a training table has."""
    return [str(name) for name in table if str(name) in (WEIGHT, SOURCE, EXTRA) or str(name).startswith(SOFT)]


def filled(table: pd.DataFrame, columns: list[str]) -> pd.DataFrame:
    """A table of rows that are never trained on, with these columns as if they were like all others."""
    usual: dict[str, Any] = {WEIGHT: 1.0, EXTRA: False, SOURCE: ""}
    for name in columns:
        table = table.assign(**{name: usual.get(name, np.nan)})
    return table


def soft(table: pd.DataFrame) -> npt.NDArray[np.float32] | None:
    """float32 [rows, columns]: the soft labels, NaN in rows that have none; None where the table has none."""
    columns = [str(name) for name in table if str(name).startswith(SOFT)]
    return table[columns].to_numpy(np.float32) if columns else None


def without(config: Config) -> Config:
    """The configuration without the columns that are for training alone."""
    if config.data is None:
        return config
    return config.model_copy(update={"data": config.data.model_copy(update={
        "weight_column": None, "source_column": None, "soft_label_columns": None})})


def numbers(table: pd.DataFrame, path: str, config: Config, task: Task, problems: list[str]) -> pd.DataFrame:
    """The table with weights and soft labels as numbers. Adds to the problems."""
    data = config.competition
    if WEIGHT in table:
        weight = pd.to_numeric(table[WEIGHT], errors="coerce").to_numpy(np.float64)
        wrong = ~(np.isfinite(weight) & (weight >= 0))
        problems += shortened(path, [f", {row.place}: column {data.weight_column}: must be a number from 0, got "
                                     f"{row.weight!r}" for row in table[wrong].itertuples()])
        if len(table) and not wrong.any() and not weight.any():
            problems.append(f"{path}, column {data.weight_column}: every row has weight 0; none would be trained on")
        table = table.assign(**{WEIGHT: np.where(wrong, 1.0, weight)})
    if columns := data.soft_label_columns:
        table = _soft(table, path, columns, task, problems)
    return table


def _soft(table: pd.DataFrame, path: str, columns: list[str], task: Task, problems: list[str]) -> pd.DataFrame:
    own = [f"{SOFT}{number}" for number in range(len(columns))]
    wanted = 1 if task.kind == "binary" else len(task.output_names)
    if len(columns) != wanted:
        problems.append(f"{path}: data.soft_label_columns must be {wanted} columns, of {', '.join(task.output_names)} "
                        f"in this order; got {len(columns)}")
        return table
    empty = (table[own] == "").to_numpy()
    value = table[own].apply(pd.to_numeric, errors="coerce").to_numpy(np.float64, copy=True)
    wrong = (~empty & ~((value >= 0) & (value <= 1))).any(axis=1)
    problems += shortened(path, [f", {place}: {', '.join(columns)}: must be probabilities from 0 to 1, or all empty, "
                                 f"got {', '.join(map(repr, row))}"
                                 for place, row in zip(table.place[wrong], table[own][wrong].to_numpy().tolist(),
                                                       strict=True)])
    value[empty] = np.nan
    whole = ~empty.any(axis=1) & ~wrong
    uneven = (empty.any(axis=1) & ~empty.all(axis=1)) & ~wrong
    if task.links[0].function == "softmax":
        total = value.sum(axis=1, keepdims=True)
        uneven |= whole & (np.abs(np.nan_to_num(total[:, 0], nan=1.0) - 1) > TOLERANCE)
        value = np.divide(value, total, out=value, where=total > 0)
    problems += shortened(path, [f", {place}: {', '.join(columns)}: must be all empty, or one probability a label"
                                 + (" that add up to 1" if task.links[0].function == "softmax" else "")
                                 for place in table.place[uneven]])
    return table.assign(**{name: value[:, number] for number, name in enumerate(own)})


def copies(train: pd.DataFrame, test: pd.DataFrame, config: Folds, problems: list[str], remarks: list[str]) -> None:
    """Adds a problem for rows that are only trained on and repeat a validated row's text, or are of its group, with the
    first by name, and a remark for those that repeat a test row's text."""
    outside = folds.only_trained_on(train, config)
    if not outside.any():
        return
    validated, text = folds.may_be_validated(train, config), np.asarray(folds.normalised(train))
    keys = {"text": text} | ({"group": train["group"].to_numpy()} if config.group_column else {})
    if config.group_by == "near":
        keys["nearly the same text, or group of them, as that"] = near_copies.groups(pd.Series(text, dtype=str)).number
    for what, key in keys.items():
        first = dict(zip(key[validated][::-1], train.id[validated][::-1], strict=True))
        again = [(row, first[own]) for row, own in zip(train.id[outside], key[outside], strict=True) if own in first]
        if again:
            told = ", ".join(f"{row!r} as validated row {known!r}" for row, known in again[:SHOWN])
            problems.append(f"{len(again):,} rows that are only trained on (data.extra, folds.validate_on) have the "
                            f"{what} of a validated row, which its fold would have seen: {told}; take them out")
    if len(test) and (count := int(np.isin(text[outside], np.asarray(folds.normalised(test))).sum())):
        remarks.append(f"{count:,} rows that are only trained on repeat a test text: the score of these test rows will "
                       f"be better than the out-of-fold score says")
