"""A table of the configuration file, and the types that several of them use."""

import reprlib
from collections.abc import Iterator
from typing import Annotated, Any, Literal, Self

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, ValidationInfo, model_validator

MOST = 2**20  # of what is counted: more than any run holds, and too few to overflow an array's size
LATER = "later"  # mark of a key that was added after cells were made: its default does not stand in their identity
FITTED = "fitted"  # mark of a key that follows from the encoder or the texts where it is not given
UNCHECKED = {"contradictions": False}  # context of a validation that leaves contradictions to its caller

Contradiction = tuple[tuple[str, ...], str]  # the keys that contradict each other, and the line that says so


class Section(BaseModel):
    """A table of the file. An unknown key is an error, and nothing changes after reading."""

    model_config = ConfigDict(extra="forbid", frozen=True, strict=True, allow_inf_nan=False,
                              use_attribute_docstrings=True)

    def contradictions(self) -> Iterator[Contradiction]:
        """What keys of this table say against each other; each is right alone."""
        return iter(())

    @model_validator(mode="after")
    def _no_contradiction(self, info: ValidationInfo) -> Self:
        if info.context != UNCHECKED and (lines := [line for _, line in self.contradictions()]):
            raise ValueError("\n".join(lines))
        return self


def flatten(section: Section, prefix: str) -> dict[str, Any]:
    """Dotted key -> plain value, for comparing two configurations key by key.

    Leaves out a key that is marked LATER and has its default, so that a new key leaves older cells valid.
    """
    flat: dict[str, Any] = {}
    for key, value in section:
        field = type(section).model_fields[key]
        if isinstance(value, Section):
            flat |= flatten(value, f"{prefix}.{key}")
        elif LATER not in field.metadata or value != field.default:
            flat[f"{prefix}.{key}"] = value
    return flat


def shown_value(value: object) -> str:
    """A value as a line may show it: short, however it is nested."""
    short = reprlib.Repr()  # of what is nested deeply, too, where repr ends in a RecursionError
    short.maxstring = short.maxother = 300
    try:
        return short.repr(value)
    except ValueError:  # Python reads hexadecimals of any length, and writes no number of more than 4,300 digits
        return "a number of thousands of digits"


def _safe_path(value: object) -> object:
    if isinstance(value, str) and (not value or "\0" in value or "\n" in value):
        raise ValueError(f"must be a path on one line, got {value!r}")
    return value


def _rows_or_fold(value: object) -> object:
    if value != "fold" and (type(value) is not int or not 1 <= value <= MOST):
        raise ValueError(f"must be a whole number from 1 to {MOST:,}, or 'fold', got {shown_value(value)}")
    return value


FilePath = Annotated[str, BeforeValidator(_safe_path)]
BatchSize = Annotated[int | Literal["fold"], BeforeValidator(_rows_or_fold)]
Count = Annotated[int, Field(ge=1, le=MOST)]
Share = Annotated[float, Field(ge=0, lt=1)]
Epochs = Annotated[int, Field(ge=1, le=1000)]
LearningRate = Annotated[float, Field(gt=0, lt=10)]
WeightDecay = Annotated[float, Field(ge=0, lt=1)]
RandomSeed = Annotated[int, Field(ge=0, lt=2**32)]
Monitor = Annotated[str, Field(min_length=1, max_length=40)]
Loss = Literal["bce", "cross_entropy", "focal", "smooth_f1", "mse", "mae", "huber", "rmse", "correlation", "smooth_qwk"]
