"""What each departure from the published recipe is worth: ours, with one published value at a time put back.

    .venv/bin/python benchmarks/departures.py configs/boyu.toml --fold 0 --fold 1

Ours is the config's own run (with --set: <name>-ours), every variant a run <name>-<variant> on the same folds; cells
that are done are not trained again.
Prints a Markdown table: AUC by fold, mean, and the paired difference to ours over the folds' rows with its
95 % interval (DeLong, clustered by identical text), which is of the rows and of one seed. Stage 1, except where the
variant is about stage 2.
"""

import argparse
import subprocess
import sys
from pathlib import Path

import numpy as np
import pandas as pd

from pipeline.competition import folds, tables
from pipeline.config import loading
from pipeline.config.data import Folds
from pipeline.files import formats
from pipeline.metrics import intervals, scores
from pipeline.runs import artefacts
from pipeline.runs.paths import Paths
from pipeline.stage_table import STAGE1, STAGE2, Cell, Stage

CONSTANT_RATE = ["stage1.warmup=0", "stage1.decay='none'"]
VARIANTS: dict[str, tuple[Stage, list[str]]] = {
    "ours": (STAGE1, []),
    "padding-read": (STAGE1, ["head.masked=false", "stage2.batch_size=32"]),
    "inner-softmax": (STAGE1, ["head.attention_activation='softmax'"]),
    "random-batches": (STAGE1, ["tokens.batches='random'"]),
    "no-lower-case": (STAGE1, ["tokens.lowercase=false"]),
    "batch-16": (STAGE1, ["stage1.batch_size=16"]),
    "adam-no-decay": (STAGE1, ["stage1.optimizer='adam'", "stage1.weight_decay=0"]),
    "no-clipping": (STAGE1, ["stage1.clip_norm=0"]),
    "constant-rate": (STAGE1, CONSTANT_RATE),
    "epochs-by-accuracy": (STAGE1, [*CONSTANT_RATE, "stage1.epochs=8", "stage1.early_stopping=3",
                                    "stage1.plateau=2", "stage1.monitor='accuracy'"]),
    "stage2-ours": (STAGE2, []),
    "stage2-published": (STAGE2, ["stage2.learning_rate=1e-7", "stage2.batch_size=16",
                                  "stage2.dropout=true", "stage2.early_stopping=3", "stage2.plateau=2",
                                  "stage2.monitor='accuracy'"]),
}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("config")
    parser.add_argument("--fold", type=int, action="append", required=True)
    parser.add_argument("--only", nargs="*", default=list(VARIANTS), choices=list(VARIANTS))
    parser.add_argument("--set", action="append", default=[], help="an override for every variant")
    options = parser.parse_args()
    name = loading.load(Path(options.config)).name
    competition_tables = {variant: _run(options, name, variant) for variant in options.only}
    train = tables.read(loading.load(Path(options.config))).train
    print(_table(competition_tables, options.fold, pd.Series(folds.groups(train, Folds()), index=train.id)))


def _run(options: argparse.Namespace, name: str, variant: str) -> pd.DataFrame:
    stage, overrides = VARIANTS[variant]
    ours = f"{name}-ours" if options.set else name
    run = f"{name}-{variant}" if overrides else ours
    named = [part for fold in options.fold for part in ("--fold", str(fold))]
    sets = [part for override in [*options.set, *overrides] for part in ("--set", override)]
    source = ["--from", ours] if overrides and stage is STAGE2 else []
    for one in (STAGE1, STAGE2) if stage is STAGE2 else (STAGE1,):
        subprocess.run([sys.executable, "-m", "stages", str(one), options.config, "--run", run, *source, *named, *sets],
                       check=True, stdout=sys.stderr)
    return pd.concat([formats.read_csv(Paths(run).cell(Cell(stage, fold, 0)) / artefacts.OOF) for fold in options.fold],
                     ignore_index=True)


def _table(competition_tables: dict[str, pd.DataFrame], shown: list[int], group_of_id: pd.Series) -> str:
    lines = ["| variant | " + " | ".join(f"fold {fold}" for fold in shown) + " | mean | AUC against ours (95 %) |",
             "|---" * (len(shown) + 3) + "|"]
    for variant, table in competition_tables.items():
        areas = [scores.auc(part.label.to_numpy(), part.logit.to_numpy()) or np.nan for _, part in
                 table.groupby("fold")]
        against = ""
        if "ours" in competition_tables and variant != "ours":
            both = competition_tables["ours"].merge(table, on="id", suffixes=("_ours", ""))
            found = intervals.auc_difference(both.label.to_numpy(), both.logit.to_numpy(), both.logit_ours.to_numpy(),
                                           both.id.map(group_of_id).to_numpy())
            if found:
                against = f"{found[0]:+.4f} ({found[1].low:+.4f} to {found[1].high:+.4f})"
        lines.append(f"| {variant} | " + " | ".join(f"{area:.4f}" for area in areas)
                     + f" | {np.mean(areas):.4f} | {against} |")
    return "\n".join(lines)


if __name__ == "__main__":
    main()
