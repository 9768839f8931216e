"""Every family of encoders computes what transformers' own class of it computes: outputs, gradients, guesses."""

import json
import shutil
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest
from safetensors.numpy import load_file, save_file

from pipeline.backend import tf
from pipeline.checkpoints import checkpoint, tensor_names
from pipeline.checkpoints.checkpoint import Checkpoint
from pipeline.checkpoints.encoder_config import PROJECTION, SEGMENTS, WORDS
from pipeline.checkpoints.families import FAMILIES, OF_MODEL_TYPE
from pipeline.errors import UserError
from pipeline.model.encoders import encoder
from pipeline.pretraining.masked_lm import MaskedLanguageModel
from pipeline.text.vocabulary import SPECIAL
from tests.conftest import ROOT

GOLDEN = ROOT / "tests" / "golden" / "families"
NAMES = sorted(path.stem for path in GOLDEN.glob("*.json"))
Arrays = dict[str, npt.NDArray[Any]]


def folder_of(name: str, target: Path) -> Path:
    """A copy of a golden model, with a vocabulary of its size."""
    shutil.copytree(GOLDEN / name, target)
    size = json.loads((target / "config.json").read_text())["vocab_size"]
    tokens = [*SPECIAL, *(f"t{number}" for number in range(size - len(SPECIAL)))]
    (target / "vocab.txt").write_text("".join(f"{token}\n" for token in tokens))
    return target


def golden(name: str) -> dict[str, Any]:
    expected: dict[str, Any] = json.loads((GOLDEN / f"{name}.json").read_text())
    return expected


def alone(expected: dict[str, Any]) -> Arrays:
    """The rows as TokenBatch has them, one a bin."""
    ids, mask, segments = (np.array(expected[key], np.int32)
                           for key in ("input_ids", "attention_mask", "token_type_ids"))
    position = np.broadcast_to(np.arange(ids.shape[1], dtype=np.int32), ids.shape) * mask
    return {"ids": ids * mask, "segments": segments, "position": position, "member": mask[:, None] > 0}


def together(rows: Arrays) -> Arrays:
    """The same rows in one bin, one after the other."""
    real = rows["member"][:, 0]
    member = np.zeros([1, len(real), int(real.sum())], bool)
    for row, end in enumerate(np.cumsum(real.sum(axis=1))):
        member[0, row, end - real[row].sum():end] = True
    return {name: rows[name][real][None] for name in ("ids", "segments", "position")} | {"member": member}


def network(read: Checkpoint) -> Any:
    made = encoder.packed(read.config, 0.0, np.arange(read.config.vocab_size))
    made.load(read.tensors())
    return made


@pytest.mark.parametrize("compiled", [False, True], ids=["run", "compiled"])
@pytest.mark.parametrize("name", NAMES)
def test_hidden_states_are_those_of_transformers_alone_and_packed(name: str, compiled: bool, tmp_path: Path) -> None:
    read, expected = checkpoint.read(folder_of(name, tmp_path / "model")), golden(name)
    rows, made = alone(expected), tf.function(network(read), jit_compile=compiled)
    hidden, real = np.array(expected["last_hidden_state"], np.float32), rows["member"][:, 0]
    np.testing.assert_allclose(made(*map(tf.constant, rows.values())).numpy()[real], hidden[real], atol=1e-5)
    packed = made(*map(tf.constant, together(rows).values())).numpy()
    np.testing.assert_allclose(packed[0], hidden[real], atol=1e-5)


@pytest.mark.parametrize("name", NAMES)
def test_products_in_bfloat16_are_close(name: str, tmp_path: Path) -> None:
    read, expected = checkpoint.read(folder_of(name, tmp_path / "model")), golden(name)
    made = encoder.packed(read.config, 0.0, np.arange(read.config.vocab_size), "bfloat16")
    made.load(read.tensors())
    rows, hidden = alone(expected), np.array(expected["last_hidden_state"], np.float32)
    real = rows["member"][:, 0]
    difference = made(*map(tf.constant, rows.values())).numpy()[real] - hidden[real]
    assert 1e-5 < np.abs(difference).mean() < 0.05 * np.abs(hidden[real]).mean()


@pytest.mark.parametrize("name", NAMES)
def test_gradients_are_those_of_torch(name: str, tmp_path: Path) -> None:
    read, expected = checkpoint.read(folder_of(name, tmp_path / "model")), golden(name)
    rows, made = together(alone(expected)), network(read)
    with tf.GradientTape() as tape:
        loss = tf.reduce_sum(tf.square(made(*map(tf.constant, rows.values()))))
    for variable, gradient in zip(made.variables, tape.gradient(loss, made.variables), strict=True):
        variable.assign(tf.convert_to_tensor(gradient))
    ours, theirs = made.dump(), expected["gradients"]
    names = tensor_names.of_hugging_face(read.config, OF_MODEL_TYPE[json.loads(
        (tmp_path / "model" / "config.json").read_text())["model_type"]])
    scale = max(np.abs(values).max() for values in theirs.values())
    compared = 0
    for name, values in theirs.items():
        if not name.startswith("pooler"):
            np.testing.assert_allclose(ours[names[name][0]], values, atol=1e-5 * scale, err_msg=name)
            compared += 1
    assert compared >= 10


@pytest.mark.parametrize("name", NAMES)
def test_guesses_of_the_masked_language_model_are_those_of_transformers(name: str, tmp_path: Path) -> None:
    read, expected = checkpoint.read(folder_of(name, tmp_path / "model")), golden(name)
    model, rows = MaskedLanguageModel(read.config, 0.0), together(alone(expected))
    assert read.masked_lm(), "it has that head"
    model.load(read.tensors() | read.masked_lm())
    place = np.arange(rows["ids"].size, dtype=np.int32)
    logits = model.guess([tf.constant(values) for values in rows.values()], tf.constant(place)).numpy()
    real = alone(expected)["member"][:, 0]
    np.testing.assert_allclose(logits, np.array(expected["logits"], np.float32)[real], atol=2e-4)


def test_ernies_task_is_part_of_its_segments_where_it_is_used(tmp_path: Path) -> None:
    folder = folder_of("ernie", tmp_path / "model")
    used = checkpoint.read(folder).tensors()[SEGMENTS]
    config = json.loads((folder / "config.json").read_text())
    (folder / "config.json").write_text(json.dumps(config | {"use_task_id": False}))
    assert not np.allclose(checkpoint.read(folder).tensors()[SEGMENTS], used)


def test_every_family_that_is_read_has_a_golden_model() -> None:
    read = {family.name for family in FAMILIES if family.model_types} - {"bert"}
    assert read == {json.loads((GOLDEN / name / "config.json").read_text())["model_type"].partition("-")[0]
                    for name in NAMES} - {"ernie"}


def rewritten(folder: Path, **changes: object) -> Path:
    """The folder with other keys in its config.json; None removes a key."""
    path = folder / "config.json"
    known = json.loads(path.read_text()) | changes
    path.write_text(json.dumps({key: value for key, value in known.items() if value is not None}))
    return folder


def problems(folder: Path) -> list[str]:
    with pytest.raises(UserError) as stop:
        checkpoint.read(folder).tensors()
    return stop.value.problems


def with_tensors(folder: Path, **changes: npt.NDArray[Any]) -> Path:
    path = folder / "model.safetensors"
    save_file(load_file(path) | {name.replace("__", "."): values for name, values in changes.items()}, path)
    return folder


def test_a_tensor_that_is_there_more_than_once_is_refused(tmp_path: Path) -> None:
    folder = folder_of("roberta", tmp_path / "model")
    table = load_file(folder / "model.safetensors")["roberta.embeddings.word_embeddings.weight"]
    assert "more than once" in problems(with_tensors(folder, embeddings__word_embeddings__weight=table))[0]


def test_a_tensor_under_another_models_prefix_is_none_of_the_encoders(tmp_path: Path) -> None:
    folder = folder_of("roberta", tmp_path / "model")
    before = checkpoint.read(folder).tensors()[WORDS]
    with_tensors(folder, teacher__embeddings__word_embeddings__weight=before + 1)
    np.testing.assert_array_equal(checkpoint.read(folder).tensors()[WORDS], before)


def test_shards_are_read_as_one(tmp_path: Path) -> None:
    folder = folder_of("deberta", tmp_path / "model")
    whole, tensors = checkpoint.read(folder).tensors(), load_file(folder / "model.safetensors")
    (folder / "model.safetensors").unlink()
    places = {name: f"model-{number % 2 + 1:05}-of-00002.safetensors" for number, name in enumerate(tensors)}
    for file in set(places.values()):
        save_file({name: tensors[name] for name, place in places.items() if place == file}, folder / file)
    (folder / "model.safetensors.index.json").write_text(json.dumps({"weight_map": places}))
    again = checkpoint.read(folder).tensors()
    assert all(np.array_equal(again[name], values) for name, values in whole.items())
    (folder / "model-00002-of-00002.safetensors").unlink()
    assert "lacks model-00002-of-00002.safetensors" in problems(folder)[0]


def test_an_albert_as_wide_as_its_embeddings_keeps_its_projection(tmp_path: Path) -> None:
    folder = rewritten(folder_of("albert", tmp_path / "model"), embedding_size=16)
    prefix, rng = "albert__embeddings__", np.random.default_rng(0)
    tables = {f"{prefix}{name}_embeddings__weight": rng.normal(size=(rows, 16)).astype(np.float32)
              for name, rows in (("word", 40), ("position", 24), ("token_type", 2))}
    norm = {f"{prefix}LayerNorm__{name}": np.ones(16, np.float32) for name in ("weight", "bias")}
    mapping = {"albert__encoder__embedding_hidden_mapping_in__weight": rng.normal(size=(16, 16)).astype(np.float32)}
    assert f"{PROJECTION}/kernel" in checkpoint.read(with_tensors(folder, **tables, **norm, **mapping)).tensors()


@pytest.mark.parametrize(("name", "changes", "line"), [
    ("roberta", {"model_type": None}, "model_type must be said for RobertaForMaskedLM"),
    ("deberta", {"position_biased_input": None}, "position_biased_input must be said"),
    ("deberta", {"position_buckets": 1}, "position_buckets must be 4 to"),
    ("deberta", {"max_relative_positions": 5}, "position_buckets must be 4 to 6"),
    ("ernie", {"use_task_id": "yes"}, "use_task_id must be true or false"),
    ("albert", {"embedding_size": 0}, "embedding_size must be a whole number from 1"),
    ("roberta", {"pad_token_id": 22}, "max_position_embeddings must leave room for three tokens"),
])
def test_a_configuration_of_another_model_is_refused(name: str, changes: dict[str, object], line: str, tmp_path: Path
                                                     ) -> None:
    assert any(line in problem for problem in problems(rewritten(folder_of(name, tmp_path / "model"), **changes)))


@pytest.mark.parametrize("shape", [(3, 1), (16,), (0, 16), None])
def test_a_task_that_does_not_fit_is_refused(shape: tuple[int, ...] | None, tmp_path: Path) -> None:
    folder, name = folder_of("ernie", tmp_path / "model"), "ernie.embeddings.task_type_embeddings.weight"
    tensors = load_file(folder / "model.safetensors")
    del tensors[name]
    save_file(tensors | ({name: np.ones(shape, np.float32)} if shape else {}), folder / "model.safetensors")
    assert "use_task_id is true" in problems(folder)[0]


def test_an_epsilon_that_is_not_said_is_the_familys(tmp_path: Path) -> None:
    assert checkpoint.read(rewritten(folder_of("deberta", tmp_path / "model"), layer_norm_eps=None)
                           ).config.epsilon == 1e-7


def test_an_electra_whose_head_has_a_table_of_its_own_is_told(tmp_path: Path) -> None:
    folder = folder_of("electra", tmp_path / "model")
    with_tensors(folder, generator_lm_head__weight=np.ones((40, 8), np.float32))
    assert checkpoint.has_own_output(folder)
    assert checkpoint.read(folder).masked_lm() == {}
