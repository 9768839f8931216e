"""One side of benchmarks/throughput.py in a process of its own, which measures when it is told to.

    python -m benchmarks.sides SIDE STAGE SIZE ROWS.json THREADS

Prints READY after the warm-up that compiles; then, for each line on stdin that names a pass ("train", "predict",
"stage2"), runs it once and prints a JSON line. All sides: random weights, batch 16, the same rows.
"""

import dataclasses
import json
import resource
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks import opponents
from benchmarks.opponents import BATCH, PREDICT_BATCH, SIZES, Floats, Ints, Passes
from pipeline.checkpoints import encoder_config
from pipeline.checkpoints.encoder_config import EncoderConfig
from pipeline.text.token_table import TokenTable


def project(bert: EncoderConfig, table: TokenTable, label: Floats, threads: int, used: Ints) -> Passes:
    """Stage 1 of this project."""
    from pipeline.config.training import Stage1
    from pipeline.training.fine_tuning import Trainer

    rows = np.arange(len(table.lengths))
    recipe = Stage1(batch_size=BATCH, learning_rate=1e-5)
    network, data = _project(bert, table, label, threads, used, rows, rows, BATCH)
    trainer = Trainer(network, recipe, head_only=False, from_vectors=False)
    rng = np.random.default_rng(0)

    def train(most: int | None = None) -> None:
        for step, batch in enumerate(data.plan.shuffled(table.lengths, rows, BATCH, rng)[:most]):
            loss = trainer.take([batch], data, 1e-5, (0, step))
        float(loss)

    def predict() -> None:
        network.predict(table, rows, data.plan, PREDICT_BATCH)

    def warm_up() -> None:
        train(opponents.WARM_UP)
        predict()

    return {"warm_up": warm_up, "train": train, "predict": predict}


def project_stage2(bert: EncoderConfig, table: TokenTable, label: Floats, threads: int, used: Ints) -> Passes:
    """Stage 2 of this project: the frozen encoder's outputs once, then every epoch and its validation on them."""
    from pipeline.config.training import Stage2
    from pipeline.training import encoder_outputs
    from pipeline.training.fine_tuning import Trainer

    train, valid = opponents.one_fold(table)
    network, data = _project(bert, table, label, threads, used, train, valid, PREDICT_BATCH)
    trainer = Trainer(network, Stage2(), head_only=True, from_vectors=True)

    def stage2() -> None:
        with tempfile.TemporaryDirectory() as folder:
            source = encoder_outputs.compute(network, table, data.plan, PREDICT_BATCH, Path(folder) / "features",
                                             budget=8)
            on_features = dataclasses.replace(data, source=source)
            for _ in range(opponents.STAGE2_EPOCHS):
                trainer.take_all(on_features, 1e-4)
                network.predict(source, valid, data.plan, PREDICT_BATCH)

    return {"warm_up": stage2, "stage2": stage2}


def _project(bert: EncoderConfig, table: TokenTable, label: Floats, threads: int, used: Ints, train: Ints, valid: Ints,
             size: int) -> Any:
    from pipeline.backend import use_threads
    from pipeline.config.data import Data
    from pipeline.config.model import Bert
    from pipeline.config.run import Config
    from pipeline.model.network import Network
    from pipeline.tasks.binary import Binary
    from pipeline.text.packing import Plan
    from pipeline.training.fine_tuning import CellData

    use_threads(threads)
    config = Config(name="bench", data=Data(train="-", test="-"), bert=Bert(checkpoint="-"))
    network = Network(bert, config, used, Binary("0", "1"))
    network.start(encoder_config.random_tensors(bert, 0), seed=0)
    first = table.first_equal_row
    groups = [train, *(np.unique(first[rows]) for rows in (train, valid, np.arange(len(first))))]
    plan = Plan.packed(table.lengths, groups, size, bert.layer_weights, bert.hidden)
    weight = np.ones_like(label)
    return network, CellData(table, network.task, label, label, weight, train, valid, valid, plan, PREDICT_BATCH,
                             "bench")


Side = Callable[[EncoderConfig, TokenTable, Floats, int, Ints], Passes]
SIDES: dict[str, dict[str, Side]] = {
    "stage1": {"published": opponents.published, "project": project, "hugging_face": opponents.hugging_face},
    "stage2": {"published": opponents.published_stage2, "project": project_stage2},
}


def main() -> None:
    side, stage, size, path, threads = sys.argv[1:]
    raw = json.loads(Path(path).read_text())
    lengths = np.array([len(row) for row in raw["rows"]])
    table = TokenTable(np.concatenate(raw["rows"]).astype(np.int32), np.concatenate([[0], np.cumsum(lengths)]),
                       lengths.astype(np.int32))
    started = time.perf_counter()
    passes = SIDES[stage][side](SIZES[size], table, np.array(raw["label"], np.float32), int(threads),
                                np.arange(raw["used"]))
    passes["warm_up"]()
    result = {"warm_up_seconds": time.perf_counter() - started}
    print("READY", flush=True)
    for line in sys.stdin:
        begin = time.perf_counter()
        passes[line.strip()]()
        result["seconds"] = time.perf_counter() - begin
        result["peak_mb"] = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
        print(json.dumps(result), flush=True)


if __name__ == "__main__":
    main()
