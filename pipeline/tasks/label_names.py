"""Labels and names as a file has them: which are wrong, which look alike, which are doubtful."""

import re
import unicodedata
from collections.abc import Collection, Container, Iterable

JOINT = "\x1f"  # between the labels of a row of several columns, as they are read


def is_number(text: str) -> bool:
    """Whether a field can be read as a number."""
    try:
        float(text)
    except ValueError:
        return False
    return True


def wrong_labels(labels: Iterable[str], places: Iterable[str], where: str, allowed: Container[str], rule: str
                 ) -> list[str]:
    """One line for each label that is not allowed, with the place where it first stands."""
    wrong: dict[str, list[str]] = {}
    for label, place in zip(labels, places, strict=True):
        if label not in allowed:
            wrong.setdefault(label, []).append(place)
    lines = [f"{where}, {at[0]}: label must be {rule}, got {label!r}"
             + (f" (and on {len(at) - 1} more rows)" if len(at) > 1 else "") for label, at in wrong.items()]
    if len(lines) > 10:
        lines[10:] = [f"{where}: {len(lines) - 10} other values are wrong too; is this where the labels are?"]
    return lines


def alike_names(names: Collection[str], where: str, advice: str) -> list[str]:
    """A line for names that a reader cannot tell apart: they differ in white space, in characters that nobody sees, or
    in how one character is written."""
    by_look: dict[str, list[str]] = {}
    for name in sorted(names):
        seen = "".join(c for c in unicodedata.normalize("NFKC", name)
                       if c.isspace() or unicodedata.category(c) not in ("Cf", "Cc"))
        by_look.setdefault(" ".join(seen.split()), []).append(name)
    return [f"{where}: {' and '.join(map(ascii_where_needed, same))} look alike; {advice}"
            for same in by_look.values() if len(same) > 1][:10]


def ascii_where_needed(name: str) -> str:
    """A name in quotes, with what nobody sees by its number."""
    plain = all(c.isprintable() and not unicodedata.combining(c) and (c == " " or not c.isspace()) for c in name)
    return repr(name) if plain else ascii(name)


def doubtful_names(names: Collection[str]) -> list[str]:
    """What may be wrong with the names of classes or labels, a line each."""
    known, lines = set(names), []
    by_case: dict[str, list[str]] = {}
    for name in sorted(names):
        number = re.fullmatch(r"0*(\d+)(\.0*)?", name)
        by_case.setdefault(number[1] if number else name.casefold(), []).append(name)
    for same in by_case.values():
        if len(same) > 1:
            lines.append(f"labels {', '.join(map(repr, same[:5]))} differ in case or in how a number is written: are "
                         f"they one?")
    for name in sorted(names):
        for separator in (";", ",", "|", "/", "，", "、", " "):
            parts = {part.strip() for part in name.split(separator)}
            if len(parts) > 1 and parts & known:
                lines.append(f"label {name!r} holds {separator!r} and another label's name: is data.label_separator "
                             f"right?")
                break
    lines += [f"label {name!r} is what is written where there is none" for name in sorted(names)
              if name.casefold() in ("nan", "none", "null", "n/a", "[]", "-")]
    return lines[:5] + [f"{len(lines) - 5} more labels like that"] * (len(lines) > 5)
