"""The Chinese pages are in step with the English ones: the same headings, the same commands, the same links."""

import re
from pathlib import Path

import pytest

from tests.conftest import ROOT

PAGES = [("README.md", "README.zh-CN.md"), ("docs/tutorial.md", "docs/tutorial.zh-CN.md")]


def text(name: str) -> str:
    return (ROOT / name).read_text(encoding="utf-8")


def blocks(page: str) -> list[str]:
    """What stands between fences, without comments and the space before them."""
    found = re.findall(r"^```[a-z]*\n(.*?)^```", page, re.MULTILINE | re.DOTALL)
    return [re.sub(r" *#(?! ?r0).*$", "", block, flags=re.MULTILINE) for block in found]


@pytest.mark.parametrize(("english", "chinese"), PAGES)
def test_headings_and_commands_are_the_same(english: str, chinese: str) -> None:
    own, other = text(english), text(chinese)
    assert [len(mark) for mark in re.findall(r"^(#+) ", own, re.MULTILINE)] == [
        len(mark) for mark in re.findall(r"^(#+) ", other, re.MULTILINE)]
    assert blocks(own) == blocks(other)
    assert len(blocks(own)) >= 4


@pytest.mark.parametrize("name", [name for pair in PAGES for name in pair])
def test_every_link_leads_somewhere(name: str) -> None:
    for link in re.findall(r"\]\(([^)#]+)(?:#[^)]*)?\)", text(name)):
        assert link.startswith("http") or (ROOT / name).parent.joinpath(link).exists(), link


@pytest.mark.parametrize(("english", "chinese"), PAGES)
def test_each_page_names_the_other_or_is_named_beside_it(english: str, chinese: str) -> None:
    named = text("README.md") + text("docs/README.md")
    assert Path(chinese).name in named


def test_numbers_of_the_readme_are_those_of_the_results() -> None:
    """A table that is copied into several pages says the same in all of them."""
    results = text("docs/results.md")
    for name in ("README.md", "README.zh-CN.md"):
        for number in re.findall(r"0\.\d{4} ± 0\.\d{4}|0\.\d{4}-0\.\d{4}", text(name)):
            assert number in results, number
