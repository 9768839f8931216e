"""What is exported predicts what the run predicts, in a process that knows nothing of the project."""

import dataclasses
import json
import math
import subprocess
import sys
import tomllib
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from pipeline.checkpoints import checkpoint, encoder_config, hugging_face
from pipeline.export.onnx_model import PACKAGES
from pipeline.export.saved_model import Served
from pipeline.files import formats
from pipeline.inference.predictor import Predictor
from pipeline.text.vocabulary import SPECIAL, Vocabulary
from tests.conftest import ROOT, Command
from tests.tasks.test_tasks import CLASSES, CONFIG, make
from tests.tasks.test_tasks import texts as training_texts
from tests.toy import CHARACTERS, TINY

ALONE = """
import json, sys
import tensorflow as tf
folder, texts = sys.argv[1], json.loads(sys.stdin.read())
model = tf.saved_model.load(folder)
found = model.signatures["serving_default"](texts=tf.constant(texts))
assert not any(name.split(".")[0] in ("pipeline", "stages", "keras_bert", "tokenizers") for name in sys.modules)
print(json.dumps({name: values.numpy().tolist() for name, values in found.items()}))
"""

BY_ONNXRUNTIME = """
import json, sys
import numpy as np, onnxruntime, tokenizers
folder, texts = sys.argv[1], json.loads(sys.stdin.read())
tokenizer = tokenizers.Tokenizer.from_file(folder + "/tokenizer.json")
if len(sys.argv) > 2:
    tokenizer.enable_padding(length=int(sys.argv[2]))
rows = tokenizer.encode_batch(texts)
named = {"input_ids": "ids", "input_mask": "attention_mask", "segment_ids": "type_ids"}
inputs = {name: np.array([getattr(row, one) for row in rows], np.int32) for name, one in named.items()}
session = onnxruntime.InferenceSession(folder + "/model.onnx", providers=["CPUExecutionProvider"])
found = dict(zip(("logits", "probabilities"), session.run(["logits", "probabilities"], inputs)))
assert not any(name.split(".")[0] in ("pipeline", "stages", "tensorflow") for name in sys.modules)
print(json.dumps({name: values.tolist() for name, values in found.items()}))
"""


def alone(folder: str, texts: list[str] | list[list[str]], code: str = ALONE, *options: str) -> dict[str, np.ndarray]:
    done = subprocess.run([sys.executable, "-c", code, folder, *options], input=json.dumps(texts), capture_output=True,
                          text=True, cwd="/", env={"PATH": "/usr/bin:/bin", "TF_CPP_MIN_LOG_LEVEL": "3"}, check=False)
    assert done.returncode == 0, done.stderr
    return {name: np.array(values) for name, values in json.loads(done.stdout.splitlines()[-1]).items()}


@pytest.mark.usefixtures("finished")
def test_a_saved_model_predicts_raw_strings_without_the_project(stages: Command) -> None:
    result = stages("export", "toy", "--to", "savedmodel")
    assert result.code == 0, result.err
    assert "models/toy/export/savedmodel/toy/1: reloaded" in result.out
    test = formats.read_csv(Path("oof/toy/stage2_test.csv"))
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
    assert "outputs, in this order: prediction\n" in Path("models/toy/export/savedmodel/toy/summary.txt").read_text()
    kept = {path.name for path in Path("models/toy/export/savedmodel/toy").iterdir()}
    assert kept == {"1", "2", "summary.txt", "training_stage1.png", "training_stage2.png"}


@pytest.mark.usefixtures("finished")
def test_the_signature_of_token_ids_is_that_of_strings() -> None:
    from pipeline.backend import tf

    model = Predictor("toy", folds=[0])
    served = Served(model)
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
    weights = formats.read_tensors(Path("models/toy/stage1/fold_2/weights_last.safetensors"))
    again = checkpoint.read(Path("out")).tensors()
    for name, values in again.items():
        np.testing.assert_array_equal(values, weights[name], err_msg=name)
    assert "out: exists already" in stages("export", "toy", "--to", to, "--fold", "2", "--target", "out").lines[0]


@pytest.mark.usefixtures("finished")
def test_a_saved_model_that_differs_is_not_kept(stages: Command, monkeypatch: pytest.MonkeyPatch) -> None:
    from pipeline.export import saved_model

    right = saved_model.probability
    monkeypatch.setattr(saved_model, "probability", lambda task, logit: right(task, logit) + 2e-4)
    refused = stages("export", "toy", "--to", "savedmodel")
    assert refused.code == 2
    assert "its probabilities differ from the run's by 0.0002" in refused.lines[0]
    assert not Path("models/toy/export/savedmodel/toy/1").exists()


@pytest.fixture
def extra() -> None:
    """Skips where what ONNX needs is not installed."""
    for name in ("tf2onnx", "onnx", "onnxruntime"):
        pytest.importorskip(name)


@pytest.mark.usefixtures("extra", "finished")
def test_an_onnx_model_predicts_with_its_tokenizer_without_the_project(stages: Command) -> None:
    result = stages("export", "toy", "--to", "onnx")
    assert (result.code, result.err) == (0, "")
    assert "models/toy/export/onnx: reloaded, its probabilities of 12 texts differ" in result.out
    folder = Path("models/toy/export/onnx").absolute()
    assert {path.name for path in folder.iterdir()} == {
        "model.onnx", "vocab.txt", "tokenizer.json", "summary.txt", "training_stage1.png", "training_stage2.png"}
    test = formats.read_csv(Path("oof/toy/stage2_test.csv"))
    odd = ["", "香" * 600, "\u0000ÉA b"]
    texts = pd.read_csv("data/test.csv", dtype=str).text.tolist()
    found = alone(str(folder), [*texts, *odd], BY_ONNXRUNTIME)
    np.testing.assert_allclose(found["probabilities"][:-3, 0], test.prediction, atol=1e-5)
    np.testing.assert_allclose(found["logits"][:-3, 0], test.logit, atol=1e-5)
    model = Predictor("toy")
    np.testing.assert_allclose(found["probabilities"][-3:, 0], model.predict(model.table(odd)).prediction, atol=1e-5)
    wider = alone(str(folder), [*texts, *odd], BY_ONNXRUNTIME, "29")
    np.testing.assert_allclose(wider["probabilities"], found["probabilities"], atol=1e-6)
    weights = sum(values.size for path in Path("models/toy/stage1").glob("fold_*/weights_last.safetensors")
                  for values in formats.read_tensors(path).values())
    graph = pytest.importorskip("onnx").load(folder / "model.onnx").graph
    assert weights < sum(math.prod(one.dims) for one in graph.initializer) < 1.02 * weights  # each once
    assert f"{folder.relative_to(Path.cwd())}: exists already" in stages("export", "toy", "--to", "onnx").lines[0]


@pytest.mark.usefixtures("extra", "finished")
def test_an_onnx_model_beyond_a_protobuf_has_its_weights_beside_it(
        stages: Command, monkeypatch: pytest.MonkeyPatch) -> None:
    from pipeline.export import onnx_model

    monkeypatch.setattr(onnx_model, "LARGEST", 0)
    result = stages("export", "toy", "--to", "onnx", "--fold", "1", "--target", "large")
    assert result.code == 0, result.err
    assert Path("large/model.onnx.data").stat().st_size > 20_000
    test = formats.read_csv(Path("oof/toy/stage2_test.csv"))
    found = alone(str(Path("large").absolute()), pd.read_csv("data/test.csv", dtype=str).text.tolist(), BY_ONNXRUNTIME)
    np.testing.assert_allclose(found["probabilities"][:, 0], test.prediction_1, atol=1e-5)


@pytest.mark.usefixtures("extra", "project")
@pytest.mark.parametrize(("activation", "settings"), [
    ("gelu_erf", ["tokens.batches='random'", "head.layers=2", "head.attention_activation='softmax'"]),
    ("gelu_erf", ["head.parts=['cls', 'pooler']", "tokens.tokenizer='wordpiece'"]),
    ("relu", ["tokens.lowercase=false", "head.parts=['max']"]),
])
def test_every_kind_of_encoder_and_head_becomes_onnx(stages: Command, activation: str, settings: list[str]) -> None:
    make("multiclass", [CLASSES[1 if "香" in text else 2 * (len(text) % 2)] for text in training_texts()])
    bert = dataclasses.replace(TINY, activation=activation)
    weights = {name: 9 * values if name.endswith("kernel") else values
               for name, values in encoder_config.random_tensors(bert, 1).items()}
    hugging_face.write(Path("data/other"), bert, Vocabulary([*SPECIAL, *CHARACTERS]), weights)
    options = [f"--set={setting}" for setting in (*settings, "bert.checkpoint='data/other'")]
    assert stages("stage1", CONFIG, "--fold", "0", *options).code == 0
    result = stages("export", "toy", "--to", "onnx", "--target", "new")
    assert result.code == 0, result.err


@pytest.mark.usefixtures("extra", "project")
def test_a_head_that_reads_padding_becomes_no_onnx(stages: Command) -> None:
    assert stages("stage1", CONFIG, "--fold", "0", "--set=head.masked=false", "--set=stage2.batch_size=8").code == 0
    refused = stages("export", "toy", "--to", "onnx", "--target", "new")
    assert refused.code == 2
    assert "its probabilities differ from the run's" in refused.lines[0]
    assert not Path("new").exists()


@pytest.mark.usefixtures("extra", "project")
def test_pairs_go_through_onnx(stages: Command) -> None:
    for name in ("train", "test"):
        table = pd.read_csv(f"data/{name}.csv", dtype=str)
        table.assign(other=table.text[::-1].tolist()).to_csv(f"data/{name}.csv", index=False)
    assert stages("stage1", CONFIG, "--set", "data.text_columns=['text', 'other']").code == 0
    assert stages("export", "toy", "--to", "onnx", "--target", "new").code == 0
    pairs = pd.read_csv("data/test.csv", dtype=str)[["text", "other"]].to_numpy().tolist()
    found = alone(str(Path("new").absolute()), pairs, BY_ONNXRUNTIME)
    test = formats.read_csv(Path("oof/toy/stage1_test.csv"))
    np.testing.assert_allclose(found["probabilities"][:, 0], test.prediction, atol=1e-5)


@pytest.mark.usefixtures("extra", "finished")
def test_an_onnx_model_that_differs_is_not_kept(stages: Command, monkeypatch: pytest.MonkeyPatch) -> None:
    from pipeline.export import saved_model, tokenizer_json

    right = saved_model.probability
    with monkeypatch.context() as patch:
        patch.setattr(saved_model, "probability", lambda task, logit: right(task, logit) + 2e-4)
        refused = stages("export", "toy", "--to", "onnx")
    assert refused.code == 2
    assert "its probabilities differ from the run's by 0.0002" in refused.lines[0]
    build = tokenizer_json.build
    monkeypatch.setattr(tokenizer_json, "build", lambda vocab, *rest: build(
        Vocabulary([*vocab.tokens[:5], *vocab.tokens[:4:-1]]), *rest))
    refused = stages("export", "toy", "--to", "onnx")
    assert refused.code == 2
    assert "tokenizer.json has other tokens than the run" in refused.lines[0]
    assert not any(Path("models/toy/export").iterdir())


@pytest.mark.usefixtures("finished")
def test_onnx_without_its_packages_names_the_command(stages: Command, monkeypatch: pytest.MonkeyPatch) -> None:

    monkeypatch.setitem(sys.modules, "onnx", None)
    refused = stages("export", "toy", "--to", "onnx")
    assert (refused.code, len(refused.lines)) == (2, 1)
    assert "needs onnx: .venv/bin/pip install 'tf2onnx" in refused.lines[0]
    assert not any(Path("models/toy/export").iterdir())
    extras = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["optional-dependencies"]
    assert tuple(extras["onnx"]) == PACKAGES
