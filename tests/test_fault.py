"""A sample of tests/fault, whose whole takes long: python -m tests.fault.killed."""

import sys

from tests.conftest import ROOT, shell


def test_a_command_killed_at_some_changes_of_the_disk_ends_in_the_same_bytes() -> None:
    told = shell(sys.executable, "-m", "tests.fault.killed", "folds", "baseline", "--every", "13", cwd=ROOT)
    assert told.code == 0, told.err
    assert "| baseline |" in told.out
