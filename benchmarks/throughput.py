"""Samples per second of training and prediction, and stage 2: the published loop, this project, Hugging Face.

    .venv/bin/python -m benchmarks.throughput --size base --size small --repeats 5

All sides on the same real rows (data/boyu where it has been filled, else the bundled example) and random weights. Sides
take turns, each in a process of its own; medians, ranges, and the ratios of each turn's pairs are printed as Markdown.
For small also "by folds": as many processes of one thread each as there are cores, measured together and summed. For
base also stage 2: eight epochs on one fold. Hugging Face is measured where torch and transformers are installed.
"""

import argparse
import contextlib
import importlib.util
import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import numpy as np

from benchmarks.opponents import SIZES, STAGE2_EPOCHS
from benchmarks.sides import SIDES
from pipeline.checkpoints import encoder_config
from pipeline.competition import tables
from pipeline.config import loading
from pipeline.machine import large_pages
from pipeline.text import bert_vocabulary, tokenization
from pipeline.text.vocabulary import Vocabulary

ROWS = {"base": 192, "small": 1600}  # whole batches of 16 and of 64, so that no side pays for empty places
STAGE2_ROWS = 640  # a fold's: 512 to train on, 128 to validate
CORES = len(os.sched_getaffinity(0))
BY_FOLDS = ", by folds"
Result = dict[str, float]
Turn = dict[str, Result]  # by side


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--size", action="append", choices=list(SIZES))
    parser.add_argument("--stage", action="append", choices=list(SIDES))
    parser.add_argument("--side", action="append", choices=list(SIDES["stage1"]))
    parser.add_argument("--repeats", type=int, default=5)
    options = parser.parse_args()
    with_torch = importlib.util.find_spec("torch") and importlib.util.find_spec("transformers")
    wanted = options.side or [side for side in SIDES["stage1"] if side != "hugging_face" or with_torch]
    stages = options.stage or list(SIDES)
    path = "configs/boyu.toml" if Path("data/boyu/train.csv").exists() else "configs/example.toml"
    peak = matrix_peak()
    print(f"{CORES} cores, float32 matrix product {peak / 1e9:.0f} GFLOP/s, rows of {path}\n")
    with tempfile.TemporaryDirectory() as folder:
        rows = Path(folder) / "rows.json"
        for size in options.size or list(SIZES):
            if "stage1" in stages:
                sides = list(wanted)
                if size == "small":
                    sides += [side + BY_FOLDS for side in wanted if side != "published"]
                real_tokens = write_rows(Path(path), ROWS[size], rows)
                turns = [{side: measure(side, "stage1", size, rows) for side in sides} for _ in range(options.repeats)]
                print(stage1_table(f"{size}, {ROWS[size]:,} rows, {real_tokens:.1f} tokens a row", turns))
                print(share_of_peak(size, turns, real_tokens, peak))
            if "stage2" in stages and size == "base":
                write_rows(Path(path), STAGE2_ROWS, rows)
                turns = [{side: measure(side, "stage2", size, rows) for side in wanted if side in SIDES["stage2"]}
                         for _ in range(options.repeats)]
                print(stage2_table(f"{size}, stage 2, {STAGE2_EPOCHS} epochs, {STAGE2_ROWS} rows", turns))


def write_rows(path: Path, count: int, target: Path) -> float:
    """Writes token ids and labels of ``count`` random training rows, and how many token ids the whole competition uses.

    Returns the mean number of tokens a row.
    """
    settings = loading.load(path)
    competition_tables = tables.read(settings)
    texts = [*competition_tables.train.text, *competition_tables.test.text]
    vocab = Vocabulary(bert_vocabulary.of_characters(texts, lowercase=True))
    train = competition_tables.train.sample(count, random_state=0)
    encoded = tokenization.encode(train, vocab, settings.tokens)
    rows = [encoded.ids[start:end].tolist() for start, end in zip(encoded.offsets, encoded.offsets[1:], strict=False)]
    target.write_text(json.dumps({"rows": rows, "label": train.label.tolist(), "used": len(vocab)}))
    return float(encoded.lengths.mean())


def measure(side: str, stage: str, size: str, rows: Path) -> Result:
    """One turn of a side: rows a second of training and prediction, or the seconds of stage 2.

    By folds, every process on all rows: rows a second and memory are summed, of seconds the longest counts.
    """
    processes, threads = (CORES, 1) if side.endswith(BY_FOLDS) else (1, CORES)
    command = [sys.executable, "-m", "benchmarks.sides", side.removesuffix(BY_FOLDS), stage, size, str(rows),
               str(threads)]
    count = len(json.loads(rows.read_text())["rows"])
    result: Result = {}
    environment = large_pages.environment() if side.startswith("project") else None  # as the command itself starts
    with contextlib.ExitStack() as stack:
        started = [stack.enter_context(subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE,
                                                        text=True, env=environment)) for _ in range(processes)]
        if any(_line(process) != "READY" for process in started):
            sys.exit(f"{' '.join(command)}: failed before its first measurement")
        for name in ("train", "predict") if stage == "stage1" else ("stage2",):
            for process in started:
                print(name, file=process.stdin, flush=True)
            told = [json.loads(_line(process)) for process in started]
            seconds = [one["seconds"] for one in told]
            result[name] = max(seconds) if name == "stage2" else sum(count / each for each in seconds)
            result["warm_up_seconds"] = max(one["warm_up_seconds"] for one in told)
            result["peak_mb"] = sum(one["peak_mb"] for one in told)
    return result


def _line(process: "subprocess.Popen[str]") -> str:
    assert process.stdout is not None
    return process.stdout.readline().strip()


def matrix_peak(side: int = 2048, seconds: float = 3) -> float:
    """Float32 matrix-product operations per second of this machine, best of several."""
    a = np.random.default_rng(0).normal(size=(side, side)).astype(np.float32)
    best, begin = 0.0, time.perf_counter()
    while time.perf_counter() - begin < seconds:
        start = time.perf_counter()
        a @ a
        best = max(best, 2 * side**3 / (time.perf_counter() - start))
    return best


def stage1_table(title: str, turns: list[Turn]) -> str:
    """Medians with their range, then ratios of the pairs of each turn: by folds against by folds, and published."""
    lines = [f"### {title}, {len(turns)} turns", "",
             "| side | training, samples/s | prediction, samples/s | start and warm-up, s | peak memory, MB |",
             "|---|---|---|---|---|"]
    for side in turns[0]:
        columns = [_spread([turn[side][key] for turn in turns], digits) for key, digits in
                   (("train", 1), ("predict", 1), ("warm_up_seconds", 0), ("peak_mb", 0))]
        lines.append(f"| {side} | " + " | ".join(columns) + " |")
    for mine in turns[0]:
        for other in turns[0]:
            alike = other == "published" or mine.endswith(BY_FOLDS) == other.endswith(BY_FOLDS)
            if mine.startswith("project") and not other.startswith("project") and alike:
                ratios = [_spread([turn[mine][key] / turn[other][key] for turn in turns], 2)
                          for key in ("train", "predict")]
                lines.append(f"| {mine} / {other} | {ratios[0]} | {ratios[1]} | | |")
    return "\n".join(lines) + "\n"


def share_of_peak(size: str, turns: list[Turn], real_tokens: float, peak: float) -> str:
    """What the project's training makes of the matrix-product peak, padding not counted as work."""
    encoder = sum(int(np.prod(shape)) for name, shape in encoder_config.expected_shapes(SIZES[size]).items()
                  if "/encoder/" in name)
    lines = []
    for side in turns[0]:
        if side.startswith("project"):
            rate = statistics.median([turn[side]["train"] for turn in turns])
            share = 6 * encoder * real_tokens * rate / peak
            lines.append(f"- {side}, training: {share:.0%} of the matrix-product peak on real tokens")
    return "\n".join(lines) + "\n"


def stage2_table(title: str, turns: list[Turn]) -> str:
    """Seconds without compilation, and how many times as fast the project is in each turn."""
    lines = [f"### {title}, {len(turns)} turns", "",
             "| side | seconds | start and warm-up, s | peak memory, MB |", "|---|---|---|---|"]
    for side in turns[0]:
        columns = [_spread([turn[side][key] for turn in turns], digits) for key, digits in
                   (("stage2", 1), ("warm_up_seconds", 0), ("peak_mb", 0))]
        lines.append(f"| {side} | " + " | ".join(columns) + " |")
    if {"project", "published"} <= set(turns[0]):
        times = _spread([turn["published"]["stage2"] / turn["project"]["stage2"] for turn in turns], 1)
        lines.append(f"| published / project | {times} | | |")
    return "\n".join(lines) + "\n"


def _spread(values: list[float], digits: int) -> str:
    low, high = min(values), max(values)
    return f"{statistics.median(values):.{digits}f} ({low:.{digits}f}-{high:.{digits}f})"


if __name__ == "__main__":
    main()
