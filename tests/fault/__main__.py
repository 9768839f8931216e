"""Every promise about faults, tried on the toy: python -m tests.fault [--every N] [PART ...]

Prints a Markdown table of faults and of how many ended as promised; what did not is told on standard error.
"""

import argparse
import sys
import time
from collections.abc import Callable, Iterator
from typing import NamedTuple

from tests.fault import corrupted, killed, refused
from tests.fault.forks import STAGES, Case, cases

TRAINED = ("pretrain", "stage1", "stage2")


class Part(NamedTuple):
    """A kind of fault: the cases that it is tried on, what yields None for each that ended as promised, and how many
    of its faults are tried, for time's sake: every N-th."""

    fault: str
    cases: tuple[str, ...]
    outcomes: Callable[[Case, int], Iterator[str | None]]
    every: int = 1


PARTS = {
    "killed": Part("kill -9 before a change of the disk", STAGES, killed.at_changes),
    "random": Part("kill -9 at a random time", STAGES, killed.at_random_times),
    "refused": Part("a disk that is full, over quota, read-only or broken", STAGES, refused.at_changes, every=4),
    "sizes": Part("a limit on the size of files", STAGES, refused.at_sizes),
    "states": Part("a kept state cut, emptied, deleted, one bit turned", TRAINED, corrupted.states),
    "damaged": Part("an artefact cut, emptied, deleted, one bit turned", ("finished",), corrupted.damaged, every=5),
    "exchanged": Part("an artefact of another fold or run", ("finished",), corrupted.exchanged),
}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("parts", nargs="*", default=list(PARTS), metavar="PART", help=", ".join(PARTS))
    parser.add_argument("--cases", nargs="+", default=[*STAGES, "finished"], metavar="CASE",
                        help=f"{', '.join(STAGES)}, finished")
    parser.add_argument("--every", type=int, help="only every N-th fault")
    options = parser.parse_args()
    kept = True
    print("| fault | in | tried | as promised | seconds |\n|---|---|---|---|---|")
    for case in cases(options.cases):
        for part in (PARTS[name] for name in options.parts if case.name in PARTS[name].cases):
            start, tried, wrong = time.monotonic(), 0, 0
            for outcome in part.outcomes(case, options.every or part.every):
                tried += 1
                if outcome:
                    wrong += 1
                    print(outcome, file=sys.stderr, flush=True)
            kept &= not wrong
            print(f"| {part.fault} | {case.name} | {tried} | {tried - wrong} | {time.monotonic() - start:.0f} |",
                  flush=True)
    sys.exit(not kept)


if __name__ == "__main__":
    main()
