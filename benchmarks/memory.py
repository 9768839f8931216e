"""Memory of a large competition, from its CSV to its folds, tokens and out-of-fold table; nothing is trained.

    python -m benchmarks.memory --rows 1000000 --characters 500
"""

import os
import random
import resource
import tempfile
import time
from pathlib import Path

import numpy as np
import typer

from benchmarks.serving import resident
from pipeline.competition import folds, tables
from pipeline.config.run import Config
from pipeline.files import formats
from pipeline.text import tokenization
from pipeline.text.vocabulary import SPECIAL, Vocabulary

CHARACTERS = [chr(0x4E00 + number) for number in range(3_000)]


def memory(rows: int = 1_000_000, characters: int = 500) -> None:
    """Prints the process's memory after each step."""
    print(f"{rows:,} rows of {characters} characters, a vocabulary of {len(CHARACTERS):,}\n")
    print("| step | seconds | resident, MB | most so far, MB |\n|---|---|---|---|")
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder, "train.csv")
        size = _write(path, rows, characters)
        _tell(f"a CSV of {size / 1e6:,.0f} MB written")
        settings = Config.model_validate({"name": "large", "bert": {"random": {}}, "data": {"train": str(path)},
                                          "tokens": {"max_tokens": 512}})
        found = tables.read(settings)
        _tell("read and validated")
        fold_of_row = folds.deal(found.train, settings.folds)
        _tell("folds dealt, grouped by text")
        table = tokenization.encode(found.train, Vocabulary([*SPECIAL, *CHARACTERS]), settings.tokens)
        _tell(f"{len(table.ids):,} tokens")
        equal = len(np.unique(table.first_equal_row))
        _tell(f"{equal:,} different rows found")
        logit = np.zeros(rows, np.float32)
        formats.write(Path(folder, "oof.csv"), found.task.oof_table(found.train, fold_of_row, logit))
        _tell("the out-of-fold table written")


def _write(path: Path, rows: int, characters: int) -> int:
    rng = random.Random(0)
    pool = "".join(rng.choices(CHARACTERS, k=1_000_003))
    with path.open("w", encoding="utf-8") as file:
        file.write("text,label\n")
        for row in range(rows):
            start = rng.randrange(len(pool) - characters)
            file.write(f"{pool[start:start + characters]},{int(row % 3 == 0)}\n")
    return path.stat().st_size


_begun = time.monotonic()


def _tell(step: str) -> None:
    most = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024
    print(f"| {step} | {time.monotonic() - _begun:.0f} | {resident(os.getpid()) / 1e6:,.0f} | {most / 1e6:,.0f} |",
          flush=True)


if __name__ == "__main__":
    typer.run(memory)
