"""A configuration as a file that says why: each key with its reason and what else it might be."""

import json
import textwrap
from typing import Any

import tomli_w
from rich import box
from rich.markup import escape
from rich.table import Table

from pipeline.config.run import Config
from pipeline.errors import visible
from pipeline.proposal.choices import Choice, Choices

COLUMNS = 100  # of the table on the screen
WIDTH = 118  # characters of a line of comment


def toml(choices: Choices, source: str) -> str:
    """The file's text; keys that a person gave and that no choice was made of stand with the others."""
    lines = [f"# Written by `stages new` from {visible(source)}. Every line is a choice that you may change.", ""]
    made = dict(choices.made)
    for key, value in choices.given.items():
        made.setdefault(key, Choice(key, value, "as you said"))
    by_table: dict[str, list[Choice]] = {}
    for key, choice in made.items():
        if choice.value is not None and choice.value != "":
            by_table.setdefault(key.rpartition(".")[0], []).append(choice)
    for table in ["", *sorted(filter(None, by_table), key=lambda name: (_place(name), name))]:
        if table and table in by_table:
            lines += ["", f"[{table}]"]
        for choice in by_table.get(table, []):
            lines += _line(choice)
        if table == "data":
            for key in ("data.test", "data.sample_submission", "data.id_column"):
                if (absent := made.get(key)) and not absent.value:
                    also = f"; {absent.alternatives}" if absent.alternatives else ""
                    lines += _comment(f"No {key.partition('.')[2]}: {absent.reason}{also}.")
    lines += ["", *_comment("Not given here, chosen when the run begins and printed by `check`: tokens.tokenizer as "
                            "the vocabulary has it, tokens.max_tokens that 95 % of the texts fit in, and the rate, "
                            "stage1.learning_rate, by the encoder's size. Every key: docs/keys.md.")]
    return "\n".join(lines) + "\n"


def table(choices: Choices) -> Table:
    """The choices for a screen."""
    shown = Table(title="What the files say", title_justify="left", box=box.SIMPLE_HEAD, width=COLUMNS)
    for name, width in (("key", 22), ("value", 24), ("why", None)):
        shown.add_column(name, overflow="fold", width=width)
    for choice in choices.made.values():
        if choice.reason:
            value = "none" if choice.value in (None, "") else _value(choice.value)
            why = choice.reason + (f" (or: {choice.alternatives})" if choice.alternatives else "")
            shown.add_row(*(escape(visible(part[:300])) for part in (choice.key, value, why)))
    return shown


def _line(choice: Choice) -> list[str]:
    said = choice.reason + (f"; or: {choice.alternatives}" if choice.alternatives else "")
    comment = _comment(said[0].upper() + said[1:] + ".") if said else []
    name = choice.key.rpartition(".")[2]
    return [*comment, f"{name} = {_value(choice.value)}"]


def _comment(text: str) -> list[str]:
    return [f"# {line}" for line in textwrap.wrap(visible(text), WIDTH, break_on_hyphens=False)]


def _value(value: Any) -> str:
    if isinstance(value, list):
        return "[" + ", ".join(map(_value, value)) + "]"
    if isinstance(value, dict):
        return "{ " + ", ".join(f"{json.dumps(key, ensure_ascii=False)} = {_value(inner)}"
                                for key, inner in value.items()) + " }"
    return tomli_w.dumps({"value": value}).partition(" = ")[2].strip()


def _place(name: str) -> int:
    order = list(Config.model_fields)
    first = name.partition(".")[0]
    return order.index(first) if first in order else len(order)
