"""The shape of the library, read from its sources: rooms, arrows between them, long modules, stages named as literals.

    .venv/bin/python -m tests.imports
"""

import ast
import re
from collections.abc import Iterator
from pathlib import Path

import pipeline
from pipeline.stage_table import STAGES

LIBRARY = Path(pipeline.__file__).parent
FLOORS = [names.split(", ") for names in
          re.findall(r"^    (\w+(?:, \w+)*)/? {2,}", pipeline.__doc__ or "", re.MULTILINE)]
FORWARDING = "vectors"  # an old name, kept for whoever imports it
LONG = 300  # lines
NAMED_IN = {"stage_table"}  # where a stage's name may stand as text


def modules() -> dict[str, Path]:
    """Name behind "pipeline." -> path of every module."""
    return {".".join(path.relative_to(LIBRARY).with_suffix("").parts).removesuffix(".__init__"): path
            for path in LIBRARY.rglob("*.py") if path != LIBRARY / "__init__.py"}


def imports(path: Path, inside_functions: bool = True) -> Iterator[str]:
    """What a module imports, dotted names of modules or of names in them."""
    tree = ast.parse(path.read_text(encoding="utf-8"))
    for node in ast.walk(tree) if inside_functions else tree.body:
        if isinstance(node, ast.ImportFrom) and node.module:
            yield from (f"{node.module}.{alias.name}" for alias in node.names)
        elif isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)


def arrows(inside_functions: bool = True) -> set[tuple[str, str]]:
    """Pairs of modules of which the first imports the second."""
    known, pairs = modules(), set()
    for name, path in known.items():
        for imported in imports(path, inside_functions):
            parts = imported.split(".")[1:] if imported.startswith("pipeline.") else []
            target = next((".".join(parts[:end]) for end in range(len(parts), 0, -1)
                           if ".".join(parts[:end]) in known), None)
            if target and target != name:
                pairs.add((name, target))
    return pairs


def floor(name: str) -> int:
    """The floor of a module, counted from the bottom."""
    room = name.partition(".")[0]
    return next(number for number, rooms in enumerate(FLOORS) if room in rooms)


def upward() -> list[str]:
    """Imports from a floor above."""
    return [f"{name} imports {target}" for name, target in sorted(arrows())
            if FORWARDING not in (name, target) and floor(target) > floor(name)]


def in_circles() -> set[str]:
    """Modules that import themselves by way of others."""
    below: dict[str, set[str]] = {}
    for name, target in arrows():
        below.setdefault(name, set()).add(target)
    left = set(below)
    while free := {name for name in left if not below[name] & left}:
        left -= free
    return left


def stage_literals() -> list[str]:
    """Places outside the stage table where a string of code is a stage's name, as "module:line"."""
    places = []
    for name, path in modules().items():
        if name in NAMED_IN:
            continue
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.Constant) and node.value in STAGES:
                places.append(f"{name}:{node.lineno}")
    return places


def main() -> None:
    lengths = {name: len(path.read_text(encoding="utf-8").splitlines()) for name, path in modules().items()}
    rooms = {(first.partition(".")[0], second.partition(".")[0]) for first, second in arrows()}
    longest = max(lengths, key=lambda name: lengths[name])
    rows = {
        "modules": str(len(lengths)), "lines": f"{sum(lengths.values()):,}",
        "rooms": str(len({name.partition('.')[0] for name in lengths})), "floors": str(len(FLOORS)),
        "arrows between modules": str(len(arrows())),
        "arrows between rooms": str(len([pair for pair in rooms if pair[0] != pair[1]])),
        "arrows upward": str(len(upward())), "modules in circles": str(len(in_circles())),
        "longest module": f"{longest}, {lengths[longest]} lines",
        f"modules over {LONG} lines": ", ".join(f"{name} ({length})" for name, length in sorted(lengths.items())
                                                if length > LONG) or "none",
        "stages named as literals outside the table": str(len(stage_literals())),
    }
    print("| | |\n|---|---|")
    for name, value in rows.items():
        print(f"| {name} | {value} |")


if __name__ == "__main__":
    main()
