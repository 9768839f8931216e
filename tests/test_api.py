"""The library as docs/api.md says it is: its example runs, and the commands use nothing else."""

import ast
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

from stages.command import NAMES
from tests.conftest import ROOT, Command

PAGE = (ROOT / "docs/api.md").read_text(encoding="utf-8")
LISTED = set(re.findall(r"^\| `(pipeline\.[a-z_.0-9]+)` \|", PAGE, re.MULTILINE))


def used(path: Path) -> Iterator[tuple[str, str]]:
    """Module and name of everything that a command takes from the library."""
    tree = ast.parse(path.read_text(encoding="utf-8"))
    modules = {}
    for node in ast.walk(tree):
        if isinstance(node, ast.ImportFrom) and (node.module or "").startswith("pipeline"):
            for alias in node.names:
                whole = f"{node.module}.{alias.name}"
                if ROOT.joinpath(*whole.split(".")).with_suffix(".py").exists():
                    modules[alias.asname or alias.name] = whole
                else:
                    yield str(node.module), alias.name
    for node in ast.walk(tree):
        if isinstance(node, ast.Attribute) and isinstance(node.value, ast.Name) and node.value.id in modules:
            yield modules[node.value.id], node.attr


def test_the_example_runs_as_it_stands(project: Path, capsys: pytest.CaptureFixture[str]) -> None:
    code = PAGE.partition("```python\n")[2].partition("```")[0]
    assert len([line for line in code.splitlines() if line and not line.startswith(("from", "import"))]) <= 10
    exec(compile(code.replace("configs/example.toml", "configs/toy.toml"), "api.md", "exec"), {"__name__": "__main__"})
    assert 0 <= float(capsys.readouterr().out.splitlines()[-1]) <= 1
    assert Path("models/trial/stage1/fold_0/DONE.json").exists()


@pytest.mark.parametrize("path", sorted((ROOT / "stages").glob("*.py")), ids=lambda path: path.stem)
def test_a_command_uses_nothing_but_what_the_page_lists(path: Path) -> None:
    assert {f"{module}.{name}" for module, name in used(path) if module not in LISTED} == set()


def test_the_page_lists_what_there_is() -> None:
    for module in LISTED:
        assert ROOT.joinpath(*module.split(".")).with_suffix(".py").exists(), module


@pytest.mark.parametrize("name", NAMES)
def test_help_loses_nothing_that_stands_in_brackets(name: str, stages: Command) -> None:
    source = (ROOT / "stages" / f"{name}.py").read_text(encoding="utf-8")
    shown = "".join(re.sub(r"[│\s]", "", stages(name.replace("_", "-"), "--help").out))
    tree = ast.parse(source)
    texts = [ast.get_docstring(tree) or "", *(str(node.value.value) for node in ast.walk(tree)
             if isinstance(node, ast.keyword) and node.arg == "help" and isinstance(node.value, ast.Constant))]
    for inside in re.findall(r"\[[^\]]+\]", " ".join(texts)):
        assert re.sub(r"\s", "", inside) in shown, inside
