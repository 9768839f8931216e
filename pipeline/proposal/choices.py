"""What was chosen for a configuration and why, and what only a person can say."""

import json
import shlex
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from pipeline.errors import UserError


@dataclass(frozen=True)
class Choice:
    """A key of the configuration, its value, why it has it, and what else it might be, in words."""

    key: str
    value: Any
    reason: str
    alternatives: str = ""


@dataclass(frozen=True)
class Question:
    """What the files do not say: a key, and the values that it might have with what each means."""

    key: str
    text: str
    values: tuple[tuple[Any, str], ...]

    def line(self) -> str:
        """The question as a line for where nobody can be asked."""
        ways = "; ".join(f"--set {_setting(self.key, value)} ({meaning})" for value, meaning in self.values)
        return f"{self.text.rstrip('?')}? Say which: {ways}"


Asking = Callable[[Question], Any]


@dataclass
class Choices:
    """The choices so far, by key, in order; questions are answered by what was given, or by asking."""

    given: dict[str, Any]
    """Dotted key -> value, which a person gave beforehand."""
    ask: Asking | None
    """Asks a person; None: there is nobody to ask."""
    made: dict[str, Choice] = field(default_factory=dict)

    def choose(self, key: str, value: Any, reason: str, alternatives: str = "") -> Any:
        """Settles a key, unless a person has given it; returns its value."""
        if key in self.given:
            value, reason, alternatives = self.given[key], "as you said", ""
        self.made[key] = Choice(key, value, reason, alternatives)
        return value

    def answer(self, question: Question, reason: str = "as you said") -> Any:
        """Settles a key by a person's answer. Raises UserError where there is nobody to ask."""
        if question.key not in self.given:
            if self.ask is None:
                raise UserError(question.line())
            self.given[question.key] = self.ask(question)
        return self.choose(question.key, self.given[question.key], reason)

    def get(self, key: str, default: Any = None) -> Any:
        """The value that a key was given or has by now."""
        if key in self.made:
            return self.made[key].value
        return self.given.get(key, default)

    def tree(self) -> dict[str, Any]:
        """The choices as the nested tables of a configuration; a key whose value is None is left out."""
        tree: dict[str, Any] = {}
        for key, value in {**{key: choice.value for key, choice in self.made.items()}, **self.given}.items():
            *sections, last = key.split(".")
            table = tree
            for section in sections:
                table = table.setdefault(section, {})
            if value is not None and value != "":
                table[last] = value
        return tree


def _setting(key: str, value: Any) -> str:
    """KEY=VALUE as a shell and TOML read it."""
    text = value if isinstance(value, str) else "" if value is None else json.dumps(value, ensure_ascii=False)
    return shlex.quote(f"{key}={text}")
