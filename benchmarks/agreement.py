"""How far what a run's models say elsewhere is from its out-of-fold table: each fold's rows are predicted again by that
fold's model, through predict, a SavedModel and an ONNX model in processes of their own without the project, and the
server.

    python -m benchmarks.agreement example        (with the extra "onnx")
"""

import json
import subprocess
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Annotated

import httpx
import numpy as np
import numpy.typing as npt
import pandas as pd
import typer

from benchmarks.serving import server
from pipeline.competition import tables
from pipeline.config import loading
from pipeline.files import formats
from pipeline.runs.paths import Paths

AT_ONCE = 64
Floats = npt.NDArray[np.float64]
SAVED_MODEL = """
import json, sys
import tensorflow as tf
folder, texts = sys.argv[1], json.load(sys.stdin)
model = tf.saved_model.load(folder).signatures["serving_default"]
found = [row for at in range(0, len(texts), 64)
         for row in model(texts=tf.constant(texts[at:at + 64]))["probabilities"].numpy().tolist()]
assert not any(name.split(".")[0] in ("pipeline", "stages", "keras_bert") for name in sys.modules)
print(json.dumps(found))
"""
ONNX = """
import json, sys
import numpy as np, onnxruntime, tokenizers
folder, texts = sys.argv[1], json.load(sys.stdin)
tokenizer = tokenizers.Tokenizer.from_file(folder + "/tokenizer.json")
model = onnxruntime.InferenceSession(folder + "/model.onnx", providers=["CPUExecutionProvider"])
named = {"input_ids": "ids", "input_mask": "attention_mask", "segment_ids": "type_ids"}
found = []
for at in range(0, len(texts), 64):
    rows = tokenizer.encode_batch(texts[at:at + 64])
    found += model.run(["probabilities"], {name: np.array([getattr(row, one) for row in rows], np.int32)
                                           for name, one in named.items()})[0].tolist()
assert not any(name.split(".")[0] in ("pipeline", "stages", "tensorflow") for name in sys.modules)
print(json.dumps(found))
"""


def agreement(run: Annotated[str, typer.Argument(help="A finished run of one text and one label a row.")]) -> None:
    """Prints a table of largest differences of a probability."""
    paths = Paths(run)
    stage = "stage2" if (paths.oof / "stage2.csv").exists() else "stage1"
    competition_tables = tables.read(loading.load(paths.models / "config.toml"))
    oof = formats.read_csv(paths.oof / f"{stage}.csv", competition_tables.task.label_dtype)
    texts = competition_tables.train.set_index("id").text[oof.id]
    own = oof.filter(regex="^prediction").to_numpy(np.float64)
    worst = dict.fromkeys(WAYS, 0.0)
    for fold in sorted(set(oof.fold)):
        inside = (oof.fold == fold).to_numpy()
        for name, ask in WAYS.items():
            found = ask(run, stage, int(fold), texts[inside].tolist())
            worst[name] = max(worst[name], float(np.abs(found - own[inside]).max()))
            print(f"fold {fold}, {name}: {worst[name]:.2g} at most so far", file=sys.stderr, flush=True)
    print(f"| {len(oof):,} out-of-fold rows of {run}, {stage} | largest difference of a probability |\n|---|---|")
    for name, difference in worst.items():
        print(f"| {name} | {difference:.2g} |")


def _predict(run: str, stage: str, fold: int, texts: list[str]) -> Floats:
    with tempfile.TemporaryDirectory() as folder:
        given, found = Path(folder, "texts.csv"), Path(folder, "found.csv")
        columns = loading.load(Paths(run).models / "config.toml").data
        assert columns is not None
        pd.DataFrame({columns.text_columns[0]: texts}).to_csv(given, index=False)
        _stages("predict", run, str(given), "--stage", stage, "--fold", str(fold), "--format", "csv", "--output",
                str(found))
        return pd.read_csv(found).filter(regex="^prediction").to_numpy(np.float64)


def _saved_model(run: str, stage: str, fold: int, texts: list[str]) -> Floats:
    with tempfile.TemporaryDirectory() as folder:
        _stages("export", run, "--to", "savedmodel", "--stage", stage, "--fold", str(fold), "--target", folder)
        return _alone(SAVED_MODEL, f"{folder}/{run}/1", texts)


def _onnx(run: str, stage: str, fold: int, texts: list[str]) -> Floats:
    with tempfile.TemporaryDirectory() as folder:
        _stages("export", run, "--to", "onnx", "--stage", stage, "--fold", str(fold), "--target", f"{folder}/onnx")
        return _alone(ONNX, f"{folder}/onnx", texts)


def _server(run: str, stage: str, fold: int, texts: list[str]) -> Floats:
    found = []
    with server(run, AT_ONCE, fold) as (address, _):
        for at in range(0, len(texts), AT_ONCE):
            reply = httpx.post(f"{address}/predict", json={"texts": texts[at:at + AT_ONCE]}, timeout=60)
            found += [one["probability"] for one in reply.raise_for_status().json()["answers"]]
    return np.array([list(one.values()) if isinstance(one, dict) else [one] for one in found])


WAYS: dict[str, Callable[[str, str, int, list[str]], Floats]] = {
    "predict": _predict, "SavedModel, raw strings": _saved_model, "ONNX and its tokenizer": _onnx, "server": _server}


def _stages(*arguments: str) -> None:
    subprocess.run([sys.executable, "-m", "stages", *arguments], check=True, stdout=subprocess.DEVNULL)


def _alone(code: str, folder: str, texts: list[str]) -> Floats:
    """What a process without the project says."""
    done = subprocess.run([sys.executable, "-I", "-c", code, folder], input=json.dumps(texts), stdout=subprocess.PIPE,
                          text=True, cwd="/", env={"TF_CPP_MIN_LOG_LEVEL": "3"}, check=True)
    return np.array(json.loads(done.stdout.splitlines()[-1]))


if __name__ == "__main__":
    typer.run(agreement)
