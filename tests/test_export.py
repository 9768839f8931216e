"""What is exported predicts what the run predicts, in a process that knows nothing of the project."""

import json
import subprocess
import sys
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from pipeline import checkpoint, storage
from pipeline.predictor import Predictor
from tests.conftest import Command

ALONE = """
import json, sys
import tensorflow as tf
folder, texts = sys.argv[1], json.loads(sys.stdin.read())
model = tf.saved_model.load(folder)
found = model.signatures["serving_default"](texts=tf.constant(texts))
assert not any(name.split(".")[0] in ("pipeline", "stages", "keras_bert", "tokenizers") for name in sys.modules)
print(json.dumps({name: values.numpy().tolist() for name, values in found.items()}))
"""


def alone(folder: str, texts: list[str]) -> dict[str, np.ndarray]:
    done = subprocess.run([sys.executable, "-c", ALONE, folder], input=json.dumps(texts), capture_output=True,
                          text=True, cwd="/", env={"PATH": "/usr/bin:/bin", "TF_CPP_MIN_LOG_LEVEL": "3"}, check=False)
    assert done.returncode == 0, done.stderr
    return {name: np.array(values) for name, values in json.loads(done.stdout.splitlines()[-1]).items()}


@pytest.mark.usefixtures("finished")
def test_a_saved_model_predicts_raw_strings_without_the_project(stages: Command) -> None:
    result = stages("export", "toy", "--to", "savedmodel")
    assert result.code == 0, result.err
    assert "models/toy/export/savedmodel/toy/1: reloaded" in result.out
    test = storage.read_csv(Path("oof/toy/stage2_test.csv"))
    texts = pd.read_csv("data/test.csv", dtype=str).text.tolist()
    found = alone(str(Path("models/toy/export/savedmodel/toy/1").absolute()), [*texts, "", "香" * 600, "\u0000ÉA b"])
    np.testing.assert_allclose(found["probabilities"][:-3, 0], test.prediction, atol=1e-5)
    np.testing.assert_allclose(found["logits"][:-3, 0], test.logit, atol=1e-5)
    model = Predictor("toy")
    odd = model.predict(model.table(["", "香" * 600, "\u0000ÉA b"]))
    np.testing.assert_allclose(found["probabilities"][-3:, 0], odd.prediction, atol=1e-5)
    assert stages("export", "toy", "--to", "savedmodel", "--fold", "1").code == 0
    one = alone(str(Path("models/toy/export/savedmodel/toy/2").absolute()), texts)
    np.testing.assert_allclose(one["probabilities"][:, 0], test.prediction_1, atol=1e-5)
    kept = {path.name for path in Path("models/toy/export/savedmodel/toy").iterdir()}
    assert kept == {"1", "2", "summary.txt", "training_stage1.png", "training_stage2.png"}


@pytest.mark.usefixtures("finished")
def test_the_signature_of_token_ids_is_that_of_strings() -> None:
    from pipeline import saved_model
    from pipeline.backend import tf

    model = Predictor("toy", folds=[0])
    served = saved_model.Served(model)
    texts = tf.constant(["香辣", "很好吃a"])
    ids, segments, real, _ = served.tokenizer(texts)
    by_ids = served.tokens(ids, tf.cast(real, tf.int32), segments)
    np.testing.assert_allclose(by_ids["logits"], served.texts(texts)["logits"], atol=1e-6)


@pytest.mark.usefixtures("finished")
@pytest.mark.parametrize("to", ["huggingface", "google"])
def test_a_folds_encoder_becomes_a_checkpoint(stages: Command, to: str) -> None:
    refused = stages("export", "toy", "--to", to)
    assert refused.code == 2
    assert "a checkpoint is one fold's encoder: --fold 0" in refused.lines[0]
    result = stages("export", "toy", "--to", to, "--fold", "2", "--target", "out")
    assert result.code == 0, result.err
    weights = storage.read_tensors(Path("models/toy/stage1/fold_2/weights_last.safetensors"))
    again = checkpoint.read(Path("out")).tensors()
    for name, values in again.items():
        np.testing.assert_array_equal(values, weights[name], err_msg=name)
    assert "out: exists already" in stages("export", "toy", "--to", to, "--fold", "2", "--target", "out").lines[0]


@pytest.mark.usefixtures("finished")
def test_a_saved_model_that_differs_is_not_kept(stages: Command, monkeypatch: pytest.MonkeyPatch) -> None:
    from pipeline import saved_model

    right = saved_model.probability
    monkeypatch.setattr(saved_model, "probability", lambda task, logit: right(task, logit) + 2e-4)
    refused = stages("export", "toy", "--to", "savedmodel")
    assert refused.code == 2
    assert "its probabilities differ from the run's by 0.0002" in refused.lines[0]
    assert not Path("models/toy/export/savedmodel/toy/1").exists()
