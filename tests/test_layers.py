"""The floors of the library: what imports what, read from the sources."""

import ast
import sys
from typing import get_args

import pytest

from pipeline.stage_table import PREDICTING, STAGES, Predicting, imported
from tests.conftest import ROOT, shell
from tests.imports import (
    FLOORS,
    FORWARDING,
    LIBRARY,
    arrows,
    imports,
    in_circles,
    modules,
    stage_literals,
    upward,
)

WITH_TENSORFLOW = {"backend", "model", "training", "pretraining", "inference", "export", "vectors"}
ITS_FILES = "checkpoints.tf_variables"  # and this one module, which is imported only where such files are read
SAYS_NOTHING = {"core", "common", "utils", "base", "helpers", "misc"}


def test_every_module_has_its_floor() -> None:
    rooms = {name.partition(".")[0] for name in modules()} - {FORWARDING}
    assert rooms == {room for rooms in FLOORS for room in rooms}
    assert not rooms & SAYS_NOTHING
    assert not {name.rpartition(".")[2] for name in modules()} & SAYS_NOTHING


def test_nothing_is_imported_from_a_floor_above() -> None:
    assert len(arrows()) > 200
    assert upward() == []


def test_no_module_imports_itself_by_way_of_others() -> None:
    assert in_circles() == set()


def test_no_stage_is_named_outside_its_table() -> None:
    assert stage_literals() == []


def test_every_function_that_the_stage_table_names_is_there() -> None:
    for stage in STAGES.values():
        assert callable(imported(stage.fit))
        assert callable(imported(stage.identity))
    assert set(get_args(Predicting)) == set(PREDICTING)


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
