"""A table of the configuration file, and the types that several of them use."""

import reprlib
from typing import Annotated, Literal

from pydantic import (
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
)

MOST = 2**20  # of what is counted: more than any run holds, and too few to overflow an array's size


class Section(BaseModel):
    """A table of the file. An unknown key is an error, and nothing changes after reading."""

    model_config = ConfigDict(extra="forbid", frozen=True, strict=True, allow_inf_nan=False,
                              use_attribute_docstrings=True)


def _safe_path(value: object) -> object:
    if isinstance(value, str) and (not value or "\0" in value or "\n" in value):
        raise ValueError(f"must be a path on one line, got {value!r}")
    return value


def _rows_or_fold(value: object) -> object:
    if value != "fold" and (type(value) is not int or not 1 <= value <= MOST):
        raise ValueError(f"must be a whole number from 1 to {MOST:,}, or 'fold', got {shown_value(value)}")
    return value


def shown_value(value: object) -> str:
    short = reprlib.Repr()  # of what is nested deeply, too, where repr ends in a RecursionError
    short.maxstring = short.maxother = 300
    try:
        return short.repr(value)
    except ValueError:  # Python reads hexadecimals of any length, and writes no number of more than 4,300 digits
        return "a number of thousands of digits"


FilePath = Annotated[str, BeforeValidator(_safe_path)]
BatchSize = Annotated[int | Literal["fold"], BeforeValidator(_rows_or_fold)]
Count = Annotated[int, Field(ge=1, le=MOST)]
Share = Annotated[float, Field(ge=0, lt=1)]
Metric = Literal["auc", "accuracy", "f1", "loss"]
Loss = Literal["bce", "cross_entropy", "focal", "smooth_f1"]
