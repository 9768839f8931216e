"""Every key by its name, and what is wrong with a file of them, in words."""

import difflib
from typing import Any, get_args

from pydantic import (
    ValidationError,
)

from pipeline.config import schema
from pipeline.config.run import Config
from pipeline.config.schema import Section

SHOWN = 20  # problems that are told; the rest are counted


def describe(section: type[Section] = Config, prefix: str = "") -> list[tuple[str, Any, str]]:
    """Every key as (dotted name, default, meaning), in the order of definition."""
    rows: list[tuple[str, Any, str]] = []
    for name, field in section.model_fields.items():
        kinds = [field.annotation, *get_args(field.annotation)]
        inner = next((kind for kind in kinds if isinstance(kind, type) and issubclass(kind, Section)), None)
        if inner:
            rows += describe(inner, f"{prefix}{name}.")
        else:
            default = "required" if field.is_required() else field.default
            rows.append((prefix + name, default, " ".join((field.description or "").split())))
    return rows


def explain(error: ValidationError) -> list[str]:
    """One line for each wrong key or value, with its dotted name, the rule, and what came."""
    found = error.errors()
    return ([_explain(problem) for problem in found[:SHOWN]]
            + [f"{len(found) - SHOWN} more wrong keys or values"] * (len(found) > SHOWN))


def _explain(problem: Any) -> str:
    where = ".".join(str(part) for part in problem["loc"])
    if problem["type"] == "extra_forbidden":
        known = [key for key, _, _ in describe()]
        known += sorted({key.rpartition(".")[0] for key in known if "." in key})
        section, _, last = where.rpartition(".")
        elsewhere = [key for key in known if key.rpartition(".")[2] == last]
        siblings = {key.rpartition(".")[2]: key for key in known if key.rpartition(".")[0] == section}
        near = [siblings[name] for name in difflib.get_close_matches(last, siblings, n=1)]
        found = near or elsewhere or difflib.get_close_matches(where, known, n=1)
        return f"unknown key {where}" + (f"; did you mean {' or '.join(found)}?" if found else "")
    if problem["type"] == "missing":
        return f"{where} is missing: it must be given"
    if problem["type"] == "model_type":
        return f"{where}: must be a table, [{where}]; got {schema.shown_value(problem['input'])}"
    message = problem["msg"].removeprefix("Value error, ")
    if problem["type"] == "value_error":
        return f"{where}: {message}" if where else message
    return f"{where}: {message[0].lower() + message[1:]}; got {schema.shown_value(problem['input'])}"
