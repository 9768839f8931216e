"""Samples per second of training and prediction: the published loop, this project, Hugging Face on PyTorch.

    .venv/bin/python -m benchmarks.throughput --size base --size small --repeats 5

All sides on the same real rows (data/boyu where it has been filled, else the bundled example) and random weights. Sides
take turns, each in a process of its own; medians, ranges, and the ratios of each turn's pairs are printed as Markdown.
"""

import argparse
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

from benchmarks.sides import SIZES
from pipeline import checkpoint, competition, config, tokens

ROWS = {"base": 320, "small": 3200}
Result = dict[str, float]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--size", action="append", choices=list(SIZES))
    parser.add_argument("--repeats", type=int, default=5)
    parser.add_argument("--side", action="append", choices=["published", "project", "hugging_face"])
    options = parser.parse_args()
    with_torch = importlib.util.find_spec("torch") and importlib.util.find_spec("transformers")
    sides = options.side or ["published", "project", *(["hugging_face"] if with_torch else [])]
    path = "configs/boyu.toml" if Path("data/boyu/train.csv").exists() else "configs/example.toml"
    peak = matrix_peak()
    print(f"{os.cpu_count()} cores, float32 matrix product {peak / 1e9:.0f} GFLOP/s, rows of {path}\n")
    for size in options.size or list(SIZES):
        with tempfile.TemporaryDirectory() as folder:
            rows = Path(folder) / "rows.json"
            real_tokens = write_rows(Path(path), ROWS[size], rows)
            turns = [{side: measure(side, size, rows) for side in sides} for _ in range(options.repeats)]
        print(table(size, sides, turns, real_tokens, peak))


def write_rows(path: Path, count: int, target: Path) -> float:
    """Writes token ids and labels of ``count`` random training rows; returns the mean number of tokens a row."""
    settings = config.load(path)
    train = competition.read(settings).train.sample(count, random_state=0)
    vocab = tokens.character_vocabulary(train.text, lowercase=True)
    encoded = tokens.encode(train, vocab, settings.tokens)
    rows = [encoded.ids[start:end].tolist() for start, end in zip(encoded.offsets, encoded.offsets[1:], strict=False)]
    target.write_text(json.dumps({"rows": rows, "label": train.label.tolist()}))
    return float(encoded.lengths.mean())


def measure(side: str, size: str, rows: Path) -> Result:
    """One turn of one side, in a process of its own."""
    done = subprocess.run([sys.executable, "-m", "benchmarks.sides", side, size, str(rows)], check=True,
                          capture_output=True, text=True)
    return json.loads(done.stdout.splitlines()[-1])


def matrix_peak(side: int = 2048, seconds: float = 3) -> float:
    """Float32 matrix-product operations per second of this machine, best of several."""
    a = np.random.default_rng(0).normal(size=(side, side)).astype(np.float32)
    best, begin = 0.0, time.perf_counter()
    while time.perf_counter() - begin < seconds:
        start = time.perf_counter()
        a @ a
        best = max(best, 2 * side**3 / (time.perf_counter() - start))
    return best


def table(size: str, sides: list[str], turns: list[dict[str, Result]], real_tokens: float, peak: float) -> str:
    """Medians with their range, ratios of the pairs of each turn, and the project's share of the peak."""
    def spread(values: list[float], digits: int = 1) -> str:
        low, high = min(values), max(values)
        return f"{statistics.median(values):.{digits}f} ({low:.{digits}f}-{high:.{digits}f})"

    lines = [f"### {size}, {real_tokens:.1f} tokens a row, {len(turns)} turns", "",
             "| side | training, samples/s | prediction, samples/s | first pass, s | peak memory, MB |",
             "|---|---|---|---|---|"]
    for side in sides:
        columns = [spread([turn[side][key] for turn in turns], digits) for key, digits in
                   (("train", 1), ("predict", 1), ("first_pass_seconds", 0), ("peak_mb", 0))]
        lines.append(f"| {side} | " + " | ".join(columns) + " |")
    for other in sides:
        if other != "project" and "project" in sides:
            ratios = {key: spread([turn["project"][key] / turn[other][key] for turn in turns], 2)
                      for key in ("train", "predict")}
            lines.append(f"| project / {other} | {ratios['train']} | {ratios['predict']} | | |")
    if "project" in sides:
        encoder = sum(int(np.prod(shape)) for name, shape in checkpoint.expected_shapes(SIZES[size]).items()
                      if "/encoder/" in name)
        rate = statistics.median([turn["project"]["train"] for turn in turns])
        lines.append(f"\nproject, training: {6 * encoder * real_tokens * rate / peak:.0%} of the matrix-product peak "
                     f"on real tokens")
    return "\n".join(lines) + "\n"


if __name__ == "__main__":
    main()
