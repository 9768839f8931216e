"""Every key by its name, default and meaning, and all that is wrong with a file of them, in words."""

import difflib
import functools
from collections.abc import Iterator, Mapping
from typing import Any, get_args

from pydantic import ValidationError

from pipeline.config import kinds, schema
from pipeline.config.kinds import KINDS
from pipeline.config.run import Config
from pipeline.config.schema import FITTED, Section

SHOWN = 20  # problems that are told; the rest are counted
REQUIRED = {"name": "run", "data.train": "?", "bert": {"checkpoint": "?"},
            "data": {"train": "?"}}  # what may stand for a missing key
Loc = tuple[str | int, ...]


@functools.cache
def describe(section: type[Section] = Config, prefix: str = "") -> list[tuple[str, Any, str]]:
    """Every key as (dotted name, default, meaning), in the order of definition."""
    rows: list[tuple[str, Any, str]] = []
    for name, field in section.model_fields.items():
        types = [field.annotation, *get_args(field.annotation)]
        inner = next((kind for kind in types if isinstance(kind, type) and issubclass(kind, Section)), None)
        if inner:
            rows += describe(inner, f"{prefix}{name}.")
        else:
            default = "required" if field.is_required() else None if FITTED in field.metadata else field.default
            rows.append((prefix + name, default, " ".join((field.description or "").split())))
    return rows


def shown_default(key: str, default: Any) -> str:
    """A key's default as a reader sees it: also those of the kinds of label that have another one."""
    if key == "name":
        return "the file's name"
    others: dict[Any, list[str]] = {}
    for kind in KINDS if key in kinds.DEFAULTS else ():
        if (own := kinds.defaults(kind)[key]) != default:
            others.setdefault(own, []).append(kind)
    return "; ".join(["" if default is None else str(default),
                      *(f"{value} for {', '.join(names)}" for value, names in others.items())])


def markdown() -> str:
    """Every key as docs/keys.md holds them, one table for each section."""
    lines = ["# Every key of a configuration", "",
             "Written by `python -m stages keys --markdown`; the meanings stand beside the keys in `pipeline/config/`.",
             "A key that is not given has its default. An unknown key is an error.", ""]
    section = None
    for key, default, meaning in describe():
        table, _, name = key.rpartition(".")
        if table != section:
            section = table
            lines += [f"\n## [{table}]\n" if table else "## At the top", "", "| key | default | meaning |",
                      "|---|---|---|"]
        cells = (f"`{name}`", f"`{shown_default(key, default)}`" if default not in (None, "") else "", meaning)
        lines.append("| " + " | ".join(cell.replace("|", "\\|").replace("<", "&lt;") for cell in cells) + " |")
    return "\n".join(lines).replace("\n\n\n", "\n\n") + "\n"


def explain(error: ValidationError, tree: Mapping[str, Any] | None = None) -> list[str]:
    """All that is wrong with a file, a line each: wrong keys and values, with the rule and what came, and what the
    other keys say against each other. tree: the file, as nested tables; None: of another table than a Config's."""
    errors = error.errors()
    lines = [line for problem in errors[:SHOWN] for line in _explain(problem)]
    if tree is not None:
        lines += [line for line in _contradictions(error, tree) if line not in lines]
    more = max(0, len(errors) - SHOWN) + max(0, len(lines) - SHOWN)
    return lines[:SHOWN] + [f"{more} more wrong keys or values"] * (more > 0)


def _contradictions(error: ValidationError, tree: Mapping[str, Any]) -> list[str]:
    """The contradictions among the keys that are right: wrong ones are taken out, and rules about them passed over."""
    rest, wrong = _copy(tree), set[str]()
    for number, problem in enumerate(error.errors()):
        loc, kind = problem["loc"], problem["type"]
        if kind == "extra_forbidden" and number < SHOWN:  # a rule may be about the key that was meant
            wrong.update(_meant(".".join(map(str, loc))))
        if _is_section(loc) and kind == "value_error":  # a contradiction of that table, and no wrong value
            continue
        key = ".".join(str(part) for part in loc)
        wrong.add(key)
        _replace(rest, loc, REQUIRED.get(key))
    try:
        config = Config.model_validate(rest, context=schema.UNCHECKED)
    except ValidationError:
        return []
    return [line for keys, line in _all_contradictions(config)
            if not any(key == bad or key.startswith(f"{bad}.") or bad.startswith(f"{key}.")
                       for key in keys for bad in wrong)]


def _all_contradictions(section: Section, prefix: str = "") -> Iterator[tuple[list[str], str]]:
    """Dotted keys and line of every contradiction, of the tables inside first."""
    for name, value in section:
        if isinstance(value, Section):
            yield from _all_contradictions(value, f"{prefix}{name}.")
    for keys, line in section.contradictions():
        yield [f"{prefix}{key}" for key in keys], f"{prefix[:-1]}: {line}" if prefix else line


def _is_section(loc: Loc) -> bool:
    """Whether it is the place of a table, or of the whole file."""
    prefix = "".join(f"{part}." for part in loc)
    return any(key.startswith(prefix) for key, _, _ in describe())


def _copy(tree: Mapping[str, Any], levels: int = 3) -> dict[str, Any]:
    """Of as many tables in each other as a configuration has; a value nested deeper is wrong anyway."""
    return {key: _copy(value, levels - 1) if levels and isinstance(value, dict) else value
            for key, value in tree.items()}


def _replace(tree: dict[str, Any], loc: Loc, value: Any) -> None:
    """Puts a value in a key's place, or takes the key out for None."""
    for part in loc[:-1]:
        inner = tree.get(str(part))
        if not isinstance(inner, dict):
            break
        tree = inner
    else:
        tree.pop(str(loc[-1]), None)
        if value is not None:
            tree[str(loc[-1])] = value
        return
    tree.pop(str(part), None)  # a list in which one value is wrong


def _explain(problem: Any) -> list[str]:
    where = ".".join(str(part) for part in problem["loc"])
    if problem["type"] == "extra_forbidden":
        meant = _meant(where)
        return [f"unknown key {where}" + (f"; did you mean {' or '.join(meant)}?" if meant else "")]
    if problem["type"] == "missing":
        return [f"{where} is missing: it must be given"]
    if problem["type"] == "model_type":
        return [f"{where}: must be a table, [{where}]; got {schema.shown_value(problem['input'])}"]
    message = problem["msg"].removeprefix("Value error, ")
    if problem["type"] == "value_error":
        return [f"{where}: {line}" if where else line for line in message.split("\n")]
    return [f"{where}: {message[0].lower() + message[1:]}; got {schema.shown_value(problem['input'])}"]


def _meant(unknown: str) -> list[str]:
    """The keys that an unknown one may stand for: the nearest of its section, which must be very near where another
    section has its very name, else those of its name, else the nearest of all."""
    known = [key for key, _, _ in describe()]
    known += sorted({key.rpartition(".")[0] for key in known if "." in key})
    section, _, last = unknown.rpartition(".")
    elsewhere = [key for key in known if key.rpartition(".")[2] == last]
    siblings = {key.rpartition(".")[2]: key for key in known if key.rpartition(".")[0] == section}
    near = [siblings[name] for name in difflib.get_close_matches(last, siblings, n=1, cutoff=0.8 if elsewhere else 0.6)]
    return near or elsewhere or difflib.get_close_matches(unknown, known, n=1)
