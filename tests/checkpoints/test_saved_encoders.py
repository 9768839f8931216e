"""SavedModels of TF2's model garden and presets of keras-hub are read as variables, to the outputs that they gave."""

import json
import shutil
from pathlib import Path

import h5py
import numpy as np
import pytest

from pipeline.backend import tf
from pipeline.checkpoints import checkpoint
from pipeline.errors import UserError
from pipeline.model.encoders import encoder
from tests.conftest import ROOT

GOLDEN = ROOT / "tests" / "golden"
MODELS = {"tf_hub/bert": "bert", "tf_hub/electra": "electra", "tf_hub/albert": "albert",
          "tf_hub/talking": "talking_heads", "keras_hub/bert": "bert"}


@pytest.fixture(params=MODELS)
def model(request: pytest.FixtureRequest, tmp_path: Path) -> tuple[str, Path]:
    return request.param, Path(shutil.copytree(GOLDEN / request.param, tmp_path / "model"))


def test_outputs_are_those_of_the_executed_model(model: tuple[str, Path]) -> None:
    name, folder = model
    read, expected = checkpoint.read(folder), json.loads((GOLDEN / f"{name}.json").read_text())
    assert read.config.family == MODELS[name]
    made = encoder.packed(read.config, 0.0, np.arange(read.config.vocab_size))
    made.load(read.tensors())
    ids, mask, segments = (np.array(expected[key], np.int32) for key in ("ids", "mask", "segments"))
    position = np.broadcast_to(np.arange(ids.shape[1], dtype=np.int32), ids.shape)
    outputs = made(*map(tf.constant, (ids, segments, position, mask[:, None] > 0))).numpy()
    real = mask > 0
    np.testing.assert_allclose(outputs[real], np.array(expected["output"])[real], atol=1e-5)


def test_the_tokenizer_comes_with_it_and_says_its_casing(model: tuple[str, Path]) -> None:
    name, folder = model
    read = checkpoint.read(folder)
    assert len(read.vocab) <= read.config.vocab_size
    assert (read.vocab.own is not None) == (name == "tf_hub/albert")
    assert read.lowercase == {"tf_hub/electra": False, "tf_hub/albert": None, "tf_hub/talking": None}.get(name, True)
    assert read.strip_accents == (False if name == "keras_hub/bert" else None)
    assert set(read.pooler()) == ({"bert/pooler/dense/kernel", "bert/pooler/dense/bias"}
                                  if name != "tf_hub/electra" else set())


def test_nothing_of_a_saved_model_is_executed_and_its_graph_is_not_needed(model: tuple[str, Path]) -> None:
    _, folder = model
    before = checkpoint.read(folder).identity
    (folder / "saved_model.pb").write_bytes(b"\x00not a graph")
    assert checkpoint.read(folder).identity == before


def test_how_often_an_alberts_layer_is_applied_must_be_said(tmp_path: Path) -> None:
    folder = shutil.copytree(GOLDEN / "tf_hub" / "albert", tmp_path / "model")
    (folder / "keras_metadata.pb").unlink()
    with pytest.raises(UserError, match="num_layers"):
        checkpoint.read(folder)


@pytest.mark.parametrize("name", ["tf_hub/bert", "keras_hub/bert"])
@pytest.mark.parametrize("size", [0, 100, 2_000, 50_000])
def test_a_file_that_is_cut_off_is_refused(name: str, size: int, tmp_path: Path) -> None:
    folder = shutil.copytree(GOLDEN / name, tmp_path / "model")
    path = next(path for path in (folder / "variables/variables.data-00000-of-00001", folder / "model.weights.h5")
                if path.exists())
    path.write_bytes(path.read_bytes()[:size])
    with pytest.raises(UserError) as stop:
        checkpoint.read(folder).tensors()
    assert str(folder) in stop.value.problems[0]


def test_a_preset_of_another_architecture_and_a_preprocessing_model_are_refused_by_name(tmp_path: Path) -> None:
    preset = shutil.copytree(GOLDEN / "keras_hub" / "bert", tmp_path / "preset")
    config = json.loads((preset / "config.json").read_text())
    (preset / "config.json").write_text(json.dumps(config | {"class_name": "GemmaBackbone"}))
    with pytest.raises(UserError, match="GemmaBackbone"):
        checkpoint.read(preset)
    empty = tmp_path / "preprocess"
    (empty / "variables").mkdir(parents=True)
    tf.raw_ops.SaveV2(prefix=str(empty / "variables" / "variables"), shape_and_slices=["", ""],
                      tensor_names=["save_counter", "_CHECKPOINTABLE_OBJECT_GRAPH"],
                      tensors=[tf.constant(1, tf.int64), tf.constant(b"")])
    with pytest.raises(UserError, match="preprocessing"):
        checkpoint.read(empty)


def test_heads_that_are_kept_apart_must_be_those_of_the_configuration(tmp_path: Path) -> None:
    folder = shutil.copytree(GOLDEN / "keras_hub" / "bert", tmp_path / "model")
    config = json.loads((folder / "config.json").read_text())
    config["config"]["num_heads"] = 2
    (folder / "config.json").write_text(json.dumps(config))
    with pytest.raises(UserError, match="num_heads must be 4"):
        checkpoint.read(folder).tensors()


def test_a_dataset_that_is_declared_larger_than_the_file_is_not_read(tmp_path: Path) -> None:
    folder = shutil.copytree(GOLDEN / "keras_hub" / "bert", tmp_path / "model")
    with h5py.File(folder / "model.weights.h5", "r+") as file:
        [name] = [f"layers/{layer}/vars/0" for layer in file["layers"] if "reversible" in layer]
        del file[name]
        file.create_dataset(name, (1_000_000, 1_000_000), "f4", chunks=(16, 16))
    with pytest.raises(UserError, match=r"word_embeddings must have shape \[29, 16\]"):
        checkpoint.read(folder).tensors()


def test_two_checkpoints_in_one_folder_are_refused(tmp_path: Path) -> None:
    folder = shutil.copytree(GOLDEN / "tf_hub" / "bert", tmp_path / "model")
    for name in ("config.json", "model.safetensors"):
        shutil.copy(GOLDEN / "hf_tiny" / name, folder)
    with pytest.raises(UserError, match="TF Hub's and Hugging Face's"):
        checkpoint.read(folder)
