"""One fold of both stages from the command to DONE: the published loop against this project, time and AUC.

    .venv/bin/python -m benchmarks.end_to_end configs/boyu.toml --fold 0

Both sides: the config's encoder, folds, numbers of epochs and stage 1 learning rate; the fold and all test rows are
predicted after each stage. The published side keeps everything else as published, except that it does not stop early;
its stage 2 starts from the epoch that was best by the fold's accuracy. The project side is the two commands that a
user types, in a fresh run <name>-end-to-end. Times are of whole processes: start, compilation and validation included.
With --side one side alone is run and prints a JSON line.
"""

import argparse
import json
import shutil
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from benchmarks import opponents
from pipeline.config import loading
from pipeline.files import atomic, formats
from pipeline.metrics import scores
from pipeline.runs import artefacts, opening
from pipeline.runs.paths import Paths
from pipeline.stage_table import PREDICTING, STAGE1, STAGE2, Cell

STAGES = tuple(map(str, (STAGE1, STAGE2)))
Seconds = dict[str, float]  # by stage


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("config", type=Path)
    parser.add_argument("--fold", type=int, default=0)
    parser.add_argument("--set", action="append", default=[], metavar="KEY=VALUE", help="an override for both sides")
    parser.add_argument("--side", choices=["published", "project"])
    parser.add_argument("--out", type=Path, help="where --side puts its <stage>.csv; default: a new temporary folder")
    options = parser.parse_args()
    if options.side:
        options.out = options.out or Path(tempfile.mkdtemp())
        side = published if options.side == "published" else project
        print(json.dumps({"seconds": side(options), "out": str(options.out)}))
        return
    with tempfile.TemporaryDirectory() as folder:
        outs = {side: Path(folder) / side for side in ("published", "project")}
        for out in outs.values():
            out.mkdir()
        begin = time.perf_counter()
        told = subprocess.run([sys.executable, "-m", "benchmarks.end_to_end", *_arguments(options), "--side",
                               "published", "--out", str(outs["published"])], check=True, stdout=subprocess.PIPE,
                              text=True).stdout
        total = time.perf_counter() - begin
        stage2 = json.loads(told.splitlines()[-1])["seconds"]["stage2"]
        options.out = outs["project"]
        seconds = {"published": {"stage1": total - stage2, "stage2": stage2}, "project": project(options)}
        print(table(" ".join(_arguments(options)), seconds, outs))


def _arguments(options: argparse.Namespace) -> list[str]:
    return [str(options.config), "--fold", str(options.fold), *(part for one in options.set for part in ("--set", one))]


def _run_name(options: argparse.Namespace) -> str:
    return f"{loading.load(options.config, options.set).name}-end-to-end"


def project(options: argparse.Namespace) -> Seconds:
    """The commands that a user types; seconds of each process."""
    name = _run_name(options)
    for folder in (Paths(name).models, Paths(name).oof):
        atomic.remove(folder)
    seconds = {}
    for stage in STAGES:
        begin = time.perf_counter()
        subprocess.run([sys.executable, "-m", "stages", stage, *_arguments(options), "--run", name], check=True,
                       stdout=sys.stderr)
        seconds[stage] = time.perf_counter() - begin
        cell = Paths(name).cell(Cell(PREDICTING[stage], options.fold, 0))
        shutil.copy(cell / artefacts.OOF, options.out / f"{stage}.csv")
    return seconds


def published(options: argparse.Namespace) -> Seconds:
    """Both stages in this process; seconds of each, without the start of the process."""
    begin = time.perf_counter()
    from pipeline.backend import keras

    work = opening.read(loading.load(options.config, options.set, _run_name(options)))
    keras.utils.set_random_seed(work.config.seed)
    rows = work.competition.train
    label = rows.label.to_numpy(np.float32)
    fold, = opening.chosen_folds(work, [options.fold])
    train, valid = np.flatnonzero(work.fold_of_row != fold), np.flatnonzero(work.fold_of_row == fold)
    model = opponents.published_model(work.checkpoint.config, work.checkpoint.tensors())
    seconds = {}
    for stage, recipe in (("stage1", work.config.stage1), ("stage2", work.config.stage2)):
        if stage == "stage1":
            opponents.compile_stage1(model, recipe.learning_rate)
        else:
            model.load_weights(options.out / "stage1.h5")
            opponents.compile_stage2(model)
        callbacks = [keras.callbacks.ReduceLROnPlateau("val_accuracy", factor=0.5, patience=2),
                     keras.callbacks.ModelCheckpoint(str(options.out / f"{stage}.h5"), "val_accuracy",
                                                     save_best_only=True, save_weights_only=True)]
        opponents.published_fit(model, work.train_tokens, label, train, valid, recipe.epochs, callbacks)
        probability = opponents.published_predict(model, work.train_tokens, valid)
        opponents.published_predict(model, work.test_tokens, np.arange(len(work.competition.test)))
        formats.write(options.out / f"{stage}.csv", pd.DataFrame(
            {"id": rows.id.iloc[valid], "label": rows.label.iloc[valid], "prediction": probability}))
        seconds[stage] = time.perf_counter() - begin
        begin = time.perf_counter()
    return seconds


def table(title: str, seconds: dict[str, Seconds], outs: dict[str, Path]) -> str:
    """Both sides' times and AUC, then the difference of AUC with its interval, as Markdown."""
    lines = [f"### {title}", "", "| side | stage 1, s | stage 2, s | total, s | stage 1 AUC | stage 2 AUC |",
             "|---|---|---|---|---|---|"]
    scored = {stage: _both(outs, stage) for stage in STAGES}
    for side, spent in seconds.items():
        times = [spent["stage1"], spent["stage2"], sum(spent.values())]
        areas = [scores.auc(part.label.to_numpy(), part[side].to_numpy()) or np.nan for part in scored.values()]
        lines.append(f"| {side} | " + " | ".join([*(f"{one:.1f}" for one in times), *(f"{one:.4f}" for one in areas)])
                     + " |")
    ratios = [seconds["published"][stage] / seconds["project"][stage] for stage in STAGES]
    ratios.append(sum(seconds["published"].values()) / sum(seconds["project"].values()))
    lines.append("| published / project | " + " | ".join(f"{ratio:.2f}" for ratio in ratios) + " | | |\n")
    for stage, part in scored.items():
        difference, low, high = bootstrap(part)
        lines.append(f"- {stage}, project - published on {len(part):,} rows: AUC {difference:+.4f} "
                     f"({low:+.4f} to {high:+.4f})")
    return "\n".join(lines) + "\n"


def _both(outs: dict[str, Path], stage: str) -> pd.DataFrame:
    """label, and a column of predictions a side, one row a row of the fold."""
    parts = {side: formats.read_csv(out / f"{stage}.csv").set_index("id") for side, out in outs.items()}
    return pd.DataFrame({"label": parts["project"].label, **{side: part.prediction for side, part in parts.items()}})


def bootstrap(part: pd.DataFrame, resamples: int = 2000) -> tuple[float, float, float]:
    """AUC(project) - AUC(published), and its 95 % interval from resampled rows, the same for both sides."""
    rng = np.random.default_rng(0)
    label, project, published = (part[name].to_numpy() for name in ("label", "project", "published"))

    def difference(at: Any) -> float:
        mine, other = (scores.auc(label[at], score[at]) for score in (project, published))
        return np.nan if mine is None or other is None else mine - other

    drawn = [difference(rng.integers(len(part), size=len(part))) for _ in range(resamples)]
    low, high = np.nanquantile(drawn, [0.025, 0.975])
    return difference(slice(None)), float(low), float(high)


if __name__ == "__main__":
    main()
