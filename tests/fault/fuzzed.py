"""Damaged files before every reader of files: each is read, or refused in lines that a person can act on.

    .venv/bin/python -m tests.fault.fuzzed [--mutations N] [--seed S] [--keep FOLDER] [READER ...]

A mutation of a valid file ends well where the reader returns something valid, raises a UserError whose problems can be
printed, or, for what a run keeps for itself, returns None. All else is a finding: another exception, more than 5 s,
more than 2 GiB, the end of the process. Prints a Markdown table; findings, one of each kind, go to standard error and
their files to FOLDER.
"""

import argparse
import contextlib
import faulthandler
import json
import os
import random
import resource
import signal
import sys
import tempfile
import time
import traceback
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import NamedTuple

from pipeline.errors import UserError, visible
from tests.fault import readers
from tests.fault.mutations import mutated
from tests.fault.readers import READERS, Reader

SECONDS, MEMORY = 5.0, 2 * 2**30  # that a reader may take
LINES, LENGTH = 100, 1_000  # of what it tells
UNFIT = 3  # exit code of a process that cannot do its work, whatever the reader does


class Outcome(NamedTuple):
    """How a mutation ended: accepted, refused, or a finding, with what was raised and where."""

    number: int
    end: str
    seconds: float
    what: str = ""
    where: str = ""


def outcomes(name: str, files: Mapping[str, bytes], mutations: int, seed: str) -> Iterator[Outcome]:
    """Mutates a reader's files in a process of its own; a new one goes on behind the mutation that ended it."""
    begin = 0
    while begin < mutations:
        told, telling = os.pipe()
        with tempfile.TemporaryFile() as fatal:
            child = os.fork()
            if child == 0:
                _work(READERS[name], files, range(begin, mutations), seed, telling, fatal.fileno())
            os.close(telling)
            with open(told) as lines:  # noqa: PTH123, a descriptor
                for line in lines:
                    yield (ended := Outcome(*json.loads(line)))
                    begin = ended.number + 1
            code = os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
            fatal.seek(0)
            stack = fatal.read().decode()
        if code == UNFIT:
            sys.exit(f"{name}, before mutation {begin}: the valid files are not read, or not changed\n{stack}")
        if code:
            what = f"more than {SECONDS:g} s" if code == -signal.SIGALRM else f"ended the process with {code}"
            where = next((line.strip() for line in stack.splitlines() if "File" in line), "")
            yield Outcome(begin, "finding", 0.0, what, where)
            begin += 1


def change(files: Mapping[str, bytes], seed: str, number: int) -> tuple[Path, bytes]:
    """Which of the files a mutation changes, and to what."""
    rng = random.Random(f"{seed} {number}")
    name = rng.choice(sorted(files))
    return Path(name), mutated(name, files, rng)


def _work(reader: Reader, files: Mapping[str, bytes], numbers: Sequence[int], seed: str, telling: int, fatal: int
          ) -> None:
    """Tells each outcome in a line of JSON, and ends the process."""
    nowhere = os.open(os.devnull, os.O_WRONLY)
    os.dup2(nowhere, 1)
    os.dup2(nowhere, 2)
    try:
        for name, raw in files.items():  # the process before may have left one of them changed
            Path(name).write_bytes(raw)
        for name in files:
            assert reader.read(Path(name)) is not None, name
        faulthandler.enable(fatal)
        faulthandler.register(signal.SIGALRM, fatal, chain=True)  # the stack, then the end
        pages = int(Path("/proc/self/statm").read_text().split()[0])
        most = pages * resource.getpagesize() + MEMORY
        resource.setrlimit(resource.RLIMIT_AS, (most, most))
        for number in numbers:
            path, raw = change(files, seed, number)
            path.write_bytes(raw)
            os.utime(path, ns=(number, number))  # a file's hash is remembered by its size and time
            start = time.monotonic()
            signal.setitimer(signal.ITIMER_REAL, SECONDS)
            end, what, where = _ended(reader, path)
            signal.setitimer(signal.ITIMER_REAL, 0)
            ended = Outcome(number, end, time.monotonic() - start, what, where)
            os.write(telling, json.dumps(ended).encode() + b"\n")
            path.write_bytes(files[str(path)])
        os._exit(0)
    except BaseException:  # noqa: BLE001, a fork must not go on as its parent
        os.write(fatal, traceback.format_exc().encode())
        os._exit(UNFIT)


def _ended(reader: Reader, path: Path) -> tuple[str, str, str]:
    try:
        return "refused" if reader.read(path) is None else "accepted", "", ""
    except UserError as error:
        lines = error.problems
        if 0 < len(lines) <= LINES and all(0 < len(line) <= LENGTH and visible(line).isprintable() for line in lines):
            return "refused", "", ""
        return "finding", f"{len(lines)} lines of at most {max(map(len, lines), default=0)} characters", _place(error)
    except BaseException as error:  # noqa: BLE001, whatever it is, it is what is looked for
        return "finding", "".join(traceback.format_exception_only(error)).strip()[-300:], _place(error)


def _place(error: BaseException) -> str:
    """Where it was raised: the innermost line of the library's own."""
    stack = traceback.extract_tb(error.__traceback__)
    last = next((frame for frame in reversed(stack) if "/pipeline/" in frame.filename), stack[-1])
    return f"{Path(last.filename).name}:{last.lineno}"


def fuzz(name: str, mutations: int, seed: int, keep: Path | None) -> int:
    """Prints the reader's line of the table and one finding of each kind; returns how many there were."""
    files = {str(path): path.read_bytes() for pattern in READERS[name].files for path in sorted(Path().glob(pattern))}
    count: Counter[str] = Counter()
    longest, kinds, own_seed = 0.0, set(), f"{seed} {name}"
    for ended in outcomes(name, files, mutations, own_seed):
        count[ended.end] += 1
        longest = max(longest, ended.seconds)
        if ended.end == "finding" and ended.where not in kinds:
            kinds.add(ended.where)
            print(f"{name}, mutation {ended.number}: {ended.what} ({ended.where})", file=sys.stderr, flush=True)
            if keep:
                path, raw = change(files, own_seed, ended.number)
                (keep / f"{name}-{ended.number}-{path.name}").write_bytes(raw)
    print(f"| {name} | {count.total():,} | {count['accepted']:,} | {count['refused']:,} | {count['finding']:,} | "
          f"{1000 * longest:.0f} |", flush=True)
    return count["finding"]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("readers", nargs="*", default=list(READERS), metavar="READER", help=", ".join(READERS))
    parser.add_argument("--mutations", type=int, default=10_000, help="of each reader's files")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--keep", type=Path, help="a folder for the files of findings")
    options = parser.parse_args()
    keep = options.keep.absolute() if options.keep else None
    if keep:
        keep.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory() as folder, contextlib.chdir(folder):
        child = os.fork()  # what makes the project may use TensorFlow, which no later fork could then use
        if child == 0:
            os.dup2(os.open(os.devnull, os.O_WRONLY), 1)
            try:
                readers.make_project("google-weights" in options.readers)
                os._exit(0)
            except BaseException:  # noqa: BLE001, a fork must not go on as its parent
                traceback.print_exc()
                os._exit(1)
        if os.waitpid(child, 0)[1]:
            sys.exit("the valid files could not be made")
        print("| reader | mutations | accepted | refused | findings | longest, ms |\n|---|---|---|---|---|---|",
              flush=True)
        findings = sum(fuzz(name, options.mutations, options.seed, keep) for name in options.readers)
    sys.exit(findings > 0)


if __name__ == "__main__":
    main()
