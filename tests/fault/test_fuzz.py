"""A sample of tests.fault.fuzzed, whose whole takes minutes; and that it notices readers which are broken."""

import sys
from pathlib import Path

import pytest

from tests.conftest import ROOT, Result, shell
from tests.fault.fuzzed import change
from tests.fault.readers import READERS

BROKEN = {  # what a reader does with a changed file -> what must be told of it
    "raise KeyError('column')": "KeyError: 'column' (<string>:",
    "raise BaseException('a panic')": "BaseException: a panic (<string>:",
    "assert False, 'not valid'": "AssertionError: not valid (<string>:",
    "raise UserError()": "0 lines of at most 0 characters (<string>:",
    "raise UserError('')": "1 lines of at most 0 characters (<string>:",
    "bytearray(3 * 2**30)": "MemoryError (<string>:",
    "time.sleep(60)": "more than 0.2 s (File \"<string>\", line",
    "ctypes.string_at(0)": "ended the process with -11 (File \"",
}
PROGRAM = """
import ctypes, sys, time
from pipeline.errors import UserError
from tests.fault import fuzzed
from tests.fault.readers import READERS, Reader

def breaking(fault):
    def read(path):
        if path.read_bytes().count("鱼肉".encode()) != 20:
            exec(fault)
        return True
    return read

fuzzed.SECONDS = 0.2
READERS |= {str(number): Reader(("texts/plain.txt",), breaking(fault)) for number, fault in enumerate(FAULTS)}
fuzzed.main()
"""


def table(told: Result) -> dict[str, list[int]]:
    """Reader -> mutations, accepted, refused, findings of the table that a fuzz printed."""
    rows = [line.strip("| ").replace(",", "").split(" | ") for line in told.out.splitlines()[2:]]
    return {name: [int(number) for number in numbers[:4]] for name, *numbers in rows}


@pytest.mark.long
def test_every_reader_reads_damaged_files_or_says_what_is_wrong() -> None:
    names = [name for name in READERS if name != "google-weights"]
    told = shell(sys.executable, "-m", "tests.fault.fuzzed", "--mutations", "120", *names, cwd=ROOT)
    assert told.code == 0, told.err
    counts = table(told)
    assert list(counts) == names
    for mutations, accepted, refused, findings in counts.values():
        assert mutations == accepted + refused == 120
        assert min(accepted, refused) > 0
        assert findings == 0


def test_a_broken_reader_is_a_finding_and_its_file_is_kept(tmp_path: Path) -> None:
    names = [str(number) for number in range(len(BROKEN))]
    told = shell(sys.executable, "-c", PROGRAM.replace("FAULTS", repr(list(BROKEN))), "--mutations", "6",
                 "--keep", str(tmp_path), *names, cwd=ROOT)
    assert told.code == 1
    for (name, (mutations, _, refused, findings)), what in zip(table(told).items(), BROKEN.values(), strict=True):
        assert (mutations, refused) == (6, 0)
        assert findings > 0
        line = next(line for line in told.lines if line.startswith(f"{name}, mutation "))
        assert f": {what}" in line
        number = line.removeprefix(f"{name}, mutation ").partition(":")[0]
        assert (tmp_path / f"{name}-{number}-plain.txt").read_bytes().count("鱼肉".encode()) != 20


def test_the_same_mutation_is_the_same_bytes() -> None:
    files = {"a.json": b'{"a": [1, {"b": "c"}], "d": 2.5}', "b.toml": b'[a]\nb = 1\nc = ["d"]\n', "c": b"id\n1\n2\n"}
    changed = [change(files, "0", number) for number in range(200)]
    assert changed == [change(files, "0", number) for number in range(200)]
    assert changed != [change(files, "1", number) for number in range(200)]
    assert len(set(changed)) > 150
