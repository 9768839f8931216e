"""The floors of the library: what imports what, read from the sources."""

import ast
import re
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

import pipeline
from tests.conftest import ROOT, shell

LIBRARY = ROOT / "pipeline"
FLOORS = [names.split(", ") for names in
          re.findall(r"^    (\w+(?:, \w+)*)/? {2,}", pipeline.__doc__ or "", re.MULTILINE)]
WITH_TENSORFLOW = {"backend", "model", "training", "pretraining", "inference", "export", "vectors"}
ITS_FILES = "checkpoints.tf_variables"  # and this one module, which is imported only where such files are read
FORWARDING = "vectors"  # an old name, kept for whoever imports it
SAYS_NOTHING = {"core", "common", "utils", "base", "helpers", "misc"}


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
    known, found = modules(), set()
    for name, path in known.items():
        for imported in imports(path, inside_functions):
            parts = imported.split(".")[1:] if imported.startswith("pipeline.") else []
            target = next((".".join(parts[:end]) for end in range(len(parts), 0, -1)
                           if ".".join(parts[:end]) in known), None)
            if target and target != name:
                found.add((name, target))
    return found


def floor(name: str) -> int:
    room = name.partition(".")[0]
    return next(number for number, rooms in enumerate(FLOORS) if room in rooms)


def test_every_module_has_its_floor() -> None:
    rooms = {name.partition(".")[0] for name in modules()} - {FORWARDING}
    assert rooms == {room for rooms in FLOORS for room in rooms}
    assert not rooms & SAYS_NOTHING
    assert not {name.rpartition(".")[2] for name in modules()} & SAYS_NOTHING


def test_nothing_is_imported_from_a_floor_above() -> None:
    assert len(arrows()) > 200
    upward = [f"{name} imports {target}" for name, target in arrows()
              if FORWARDING not in (name, target) and floor(target) > floor(name)]
    assert not upward


def test_no_module_imports_itself_by_way_of_others() -> None:
    below: dict[str, set[str]] = {}
    for name, target in arrows():
        below.setdefault(name, set()).add(target)
    left = set(below)
    while free := {name for name in left if not below[name] & left}:
        left -= free
    assert not left


def test_tensorflow_is_imported_behind_backend_and_by_marked_rooms_alone() -> None:
    outside = {"tensorflow", "tf_keras", "keras_bert", "keras_self_attention", "keras"}
    for name, path in modules().items():
        if name != "backend":
            assert not {imported.partition(".")[0] for imported in imports(path)} & outside, name
    users = {name for name, target in arrows(inside_functions=False) if target == "backend"}
    assert {name for name in users if name.partition(".")[0] not in WITH_TENSORFLOW} == {ITS_FILES}
    above = {name for name, target in arrows(inside_functions=False) if target == ITS_FILES}
    assert not above


@pytest.mark.parametrize(("module", "absent"), [
    ("pipeline.text.vocabulary", {"pipeline.tasks", "pipeline.competition", "sklearn", "scipy", "tensorflow"}),
    ("pipeline.runs.run", {"sklearn", "scipy", "matplotlib", "tensorflow"}),
    ("pipeline.results.report", {"sklearn", "matplotlib", "tensorflow"}),
    ("pipeline.config.loading", {"pandas", "numpy", "sklearn", "tensorflow"}),
])
def test_a_module_loads_only_what_it_needs(module: str, absent: set[str]) -> None:
    loaded = shell(sys.executable, "-c", f"import sys, {module}; print(*sys.modules)", cwd=ROOT).out.split()
    assert module in loaded
    assert not absent & set(loaded)


def test_every_package_says_what_it_is_for_and_does_no_more() -> None:
    for path in LIBRARY.rglob("__init__.py"):
        tree = ast.parse(path.read_text(encoding="utf-8"))
        assert ast.get_docstring(tree), path
        if path.parent.name != "tasks":
            assert len(tree.body) == 1, path
