"""A run's configuration read from TOML, strictly, and written. Paths are relative to the project's root."""

import sys
import tomllib
from pathlib import Path
from typing import Any

import tomli_w
from pydantic import ValidationError

from pipeline.config import problems
from pipeline.config.kinds import FORMER_NAMES, without_former_metric
from pipeline.config.run import Config
from pipeline.errors import UserError, visible
from pipeline.files import inputs

MOST_BYTES = 100_000  # of a file of settings
MOST_DOTS = 500  # on a line: the time and memory that a dotted key takes to read grow with the square of its parts


ALTERNATIVES = {"bert.checkpoint": "random", "bert.random": "checkpoint", "data.label_column": "label_columns"}
"""Key -> the key beside it that it takes the place of, where it is given on the command line."""


def load(path: Path, overrides: list[str] | None = None, run: str | None = None) -> Config:
    """Reads a TOML file, applies "section.key=value" overrides, and validates the whole. "section.key=" unsets a key or
    a table; a key that stands for another, as bert.checkpoint does for [bert.random], takes its place.

    Raises UserError with one line a problem.
    """
    known = ", ".join(sorted(map(str, Path("configs").glob("*.toml")))) or "none under configs/"
    raw = inputs.read(path, f"no such config. There is: {known}", MOST_BYTES)
    try:
        for number, line in enumerate(raw.splitlines(), 1):
            if line.count(b".") > MOST_DOTS:
                raise ValueError(f"more than {MOST_DOTS} dots on line {number}; write a list over several lines")
        tree = tomllib.loads(raw.decode("utf-8-sig"))
    except (ValueError, RecursionError) as error:
        raise UserError(f"{path}: not a readable TOML file: {error}") from None
    for override in overrides or []:
        _apply(tree, override)
    tree.setdefault("name", path.stem)
    former = tree.get("task")
    if isinstance(former, str) and former in FORMER_NAMES:
        tree["task"] = FORMER_NAMES[former]
        print(visible(f"{path}: task = {former!r} is now called {tree['task']!r}; the former name is still read"),
              file=sys.stderr)
    renamed = without_former_metric(tree)
    if renamed.get("metric") != tree.get("metric"):
        print(visible(f"{path}: submit.metric is now called metric, at the top of the file: metric = "
                      f"{renamed['metric']!r}; the former key is still read"), file=sys.stderr)
    if run is not None:
        tree["name"] = run
    try:
        return Config.model_validate(tree)
    except ValidationError as error:
        raise UserError(*(f"{path}: {line}" for line in problems.explain(error, tree))) from None


def dump(config: Config) -> str:
    """The resolved configuration as TOML. Keys without a value are left out, and those of [hardware] that were not
    given: what is given there is asked for."""
    tree = config.model_dump(exclude_none=True) | {"hardware": config.hardware.model_dump(exclude_unset=True)}
    return tomli_w.dumps(tree)


def parsed(override: str) -> tuple[str, Any]:
    """Key and value of "section.key=value"; the value is TOML, or text where it is none: an unquoted word is a string.
    Raises UserError where there is no key or no value."""
    key, equals, text = override.partition("=")
    if not equals or not key.strip():
        raise UserError(f"--set {override}: must be section.key=value, for example stage1.learning_rate=3e-4")
    try:
        table = tomllib.loads(f"value = {text}")
    except (ValueError, RecursionError):
        table = {}
    return key.strip(), table["value"] if len(table) == 1 else text


def _apply(tree: dict[str, Any], override: str) -> None:
    key, value = parsed(override)
    unset = not override.partition("=")[2].strip()
    *sections, last = key.split(".")
    for depth, section in enumerate(sections):
        if not unset:
            tree.pop(ALTERNATIVES.get(".".join(sections[:depth + 1]), ""), None)
        tree = tree.setdefault(section, {})
        if not isinstance(tree, dict):
            raise UserError(f"--set {override}: {section} is a value, not a section")
    if unset:
        tree.pop(last, None)
        return
    tree.pop(ALTERNATIVES.get(".".join([*sections, last]), ""), None)
    tree[last] = value
