"""Training rows that are left out, and labels that are put right, by lists of ids: what a person found to be wrong."""

from pathlib import Path

import pandas as pd

from pipeline.competition.readers import delimited
from pipeline.config.run import Config
from pipeline.errors import UserError
from pipeline.files.inputs import shortened


def apply(train: pd.DataFrame, config: Config, problems: list[str], remarks: list[str]) -> pd.DataFrame:
    """The training table without the rows of data.drop, and with the labels of data.relabel, as the file has labels.

    train: id, label, ..., all text, in the order of the file. Adds what is wrong to problems, and what was done to
    remarks.
    """
    data = config.competition
    if data.relabel and (table := _read(data.relabel, ["id", "label"], train, problems)) is not None:
        label = table.set_index("id").label.replace(data.label_names or {})
        given = train.id.map(label)
        changed = given.notna() & (given != train.label)
        train = train.assign(label=train.label.where(~changed, given))
        remarks.append(f"{data.relabel}: {int(changed.sum()):,} rows have another label than {data.train} has")
    if data.drop and (table := _read(data.drop, ["id"], train, problems)) is not None:
        kept = ~train.id.isin(table.id)
        remarks.append(f"{data.drop}: {int((~kept).sum()):,} rows of {data.train} are left out")
        train = train[kept].reset_index(drop=True)
    return train


def dropped(config: Config) -> list[str]:
    """The ids of data.drop, whether or not train has them. Raises UserError."""
    name = config.data and config.data.drop
    return delimited.read_table(Path(name)).id.tolist() if name else []


def _read(name: str, columns: list[str], train: pd.DataFrame, problems: list[str]) -> pd.DataFrame | None:
    """The table of a list of ids; None where there is something wrong with it."""
    try:
        table = delimited.read_table(Path(name))
    except UserError as error:
        problems += error.problems
        return None
    if missing := [column for column in columns if column not in table]:
        problems += [f"{name}: no column {column!r}; it has {', '.join(map(repr, table))}" for column in missing]
        return None
    unknown, twice = ~table.id.isin(train.id), table.id.duplicated()
    wrong = [f", {place}: no training row has id {key!r}" for place, key in zip(table.index[unknown], table.id[unknown],
                                                                             strict=True)]
    wrong += [f", {place}: id {key!r} stands twice" for place, key in zip(table.index[twice], table.id[twice],
                                                                         strict=True)]
    problems += shortened(name, wrong)
    return None if wrong else table.reset_index(drop=True)
