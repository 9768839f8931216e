"""Samples of tests/fault, whose whole takes half an hour: ./run_tests.sh fault."""

import sys

import pytest

from tests.conftest import ROOT, shell


@pytest.mark.parametrize(("parts", "cases", "every"), [
    (("killed", "refused", "sizes"), ("folds", "baseline"), "23"),
    pytest.param(("random",), ("stage1",), "2", marks=pytest.mark.long),
])
def test_faults_end_as_promised(parts: tuple[str, ...], cases: tuple[str, ...], every: str) -> None:
    told = shell(sys.executable, "-m", "tests.fault", *parts, "--cases", *cases, "--every", every, cwd=ROOT)
    assert told.code == 0, told.err
    assert len(told.out.splitlines()) == 2 + len(parts) * len(cases)
