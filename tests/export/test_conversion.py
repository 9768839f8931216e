"""A checkpoint comes out of a conversion with the same tensors and outputs, or not at all."""

import dataclasses
import json
import pickle
import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from safetensors.numpy import load_file, save_file

from pipeline.checkpoints import checkpoint, config_files, encoder_config, google, hugging_face, tokenizer_settings
from pipeline.checkpoints.encoder_config import MASKED_LM, POOLER, EncoderConfig
from pipeline.config.model import Tokens
from pipeline.config.run import Config
from pipeline.errors import UserError
from pipeline.text.vocabulary import SPECIAL, Vocabulary
from tests.conftest import Command

VOCAB = [*SPECIAL, *"甲乙丙丁戊己庚辛"]
TANH = EncoderConfig(len(VOCAB), 8, 2, 2, 16, 12, 2, "gelu_tanh")
EXACT = EncoderConfig(len(VOCAB), 8, 2, 2, 16, 12, 2, "gelu_erf")
POOLED = {f"{POOLER}kernel": np.full((8, 8), 0.5, np.float32), f"{POOLER}bias": np.arange(8, dtype=np.float32)}


@pytest.fixture(autouse=True)
def _folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)


@pytest.mark.parametrize("extra", [False, True])
def test_there_and_back_again_every_tensor_is_the_same(stages: Command, extra: bool) -> None:
    weights = encoder_config.random_tensors(TANH, 1, with_masked_lm=extra) | (POOLED if extra else {})
    google.write(Path("google"), TANH, Vocabulary(VOCAB), weights)
    for source, target in (("google", "there"), ("there", "back")):
        result = stages("convert", source, target)
        assert result.code == 0, result.err
        assert f"{len(weights)} tensors are equal" in result.out
    assert (Path("there") / "model.safetensors").exists()
    back = checkpoint.read(Path("back"))
    assert back.kind == "google"
    assert (back.config, back.vocab.tokens) == (TANH, VOCAB)
    again = back.tensors() | back.pooler() | back.masked_lm()
    assert again.keys() == weights.keys()
    for name, values in weights.items():
        np.testing.assert_array_equal(again[name], values, err_msg=name)
    assert any(name.startswith(MASKED_LM) for name in again) == extra


def test_an_exact_gelu_becomes_googles_only_where_that_is_asked_for(stages: Command) -> None:
    weights = {name: values * (30 if name.endswith("kernel") else 1)
               for name, values in encoder_config.random_tensors(EXACT, 1).items()}
    hugging_face.write(Path("exact"), EXACT, Vocabulary(VOCAB), weights)
    refused = stages("convert", "exact", "google")
    assert refused.code == 2
    assert "--tanh-gelu accepts that" in refused.lines[0]
    assert not Path("google").exists()
    accepted = stages("convert", "exact", "google", "--tanh-gelu")
    assert accepted.code == 0, accepted.err
    assert 0 < float(accepted.out.rpartition("differ by ")[2].split()[0]) < 0.05
    copied = stages("convert", "exact", "copy", "--to", "huggingface")
    assert "differ by 0 at most" in copied.out
    assert checkpoint.read(Path("copy")).config == EXACT


def test_a_target_that_exists_and_a_source_that_does_not_are_refused(stages: Command) -> None:
    Path("there").mkdir()
    assert "there: exists already" in stages("convert", "nowhere", "there").lines[0]
    refused = stages("convert", "nowhere", "new")
    assert (refused.code, Path("new").exists()) == (2, False)
    assert "nowhere: no such checkpoint folder" in refused.lines[0]


def test_a_folder_with_a_pickle_alone_names_the_command(stages: Command) -> None:
    hugging_face.write(Path("pickled"), TANH, Vocabulary(VOCAB), encoder_config.random_tensors(TANH, 1))
    Path("pickled/model.safetensors").rename("pickled/pytorch_model.bin")
    with pytest.raises(Exception, match=r"python -m stages convert pickled NEW --to huggingface"):
        checkpoint.read(Path("pickled"))


class Payload:
    """Runs something where it is unpickled."""

    def __reduce__(self) -> tuple[object, tuple[str]]:
        return exec, ("open('ran', 'w')",)


def test_a_pickle_is_never_run(stages: Command) -> None:
    hugging_face.write(Path("hostile"), TANH, Vocabulary(VOCAB), encoder_config.random_tensors(TANH, 1))
    Path("hostile/model.safetensors").unlink()
    Path("hostile/pytorch_model.bin").write_bytes(pickle.dumps(Payload()))
    refused = stages("convert", "hostile", "new", "--to", "huggingface")
    assert refused.code == 2
    assert not Path("ran").exists()
    assert not Path("new").exists()
    assert len(refused.lines) == 1


def test_a_pickles_tensors_are_read_by_torch(stages: Command) -> None:
    torch = pytest.importorskip("torch")
    weights = encoder_config.random_tensors(EXACT, 1)
    hugging_face.write(Path("pickled"), EXACT, Vocabulary(VOCAB), weights)
    from safetensors.torch import load_file

    torch.save(load_file("pickled/model.safetensors"), "pickled/pytorch_model.bin")
    Path("pickled/model.safetensors").unlink()
    result = stages("convert", "pickled", "new", "--to", "huggingface")
    assert result.code == 0, result.err
    again = checkpoint.read(Path("new")).tensors()
    for name, values in weights.items():
        np.testing.assert_array_equal(again[name], values, err_msg=name)


def test_transformers_reads_what_was_converted(stages: Command) -> None:
    torch, transformers = pytest.importorskip("torch"), pytest.importorskip("transformers")
    weights = encoder_config.random_tensors(TANH, 1) | POOLED
    google.write(Path("google"), TANH, Vocabulary(VOCAB), weights)
    assert stages("convert", "google", "new").code == 0
    model = transformers.BertModel.from_pretrained("new").eval()
    ids = np.random.default_rng(0).integers(1, len(VOCAB), (3, 7))
    with torch.no_grad():
        theirs = model(torch.tensor(ids)).last_hidden_state.numpy()
    from pipeline.backend import tf
    from pipeline.model.encoders.packed_bert import PackedBert

    ours = PackedBert(TANH, 0.0, np.arange(len(VOCAB)))
    ours.load(checkpoint.read(Path("google")).tensors())
    position = np.tile(np.arange(7, dtype=np.int32), (3, 1))
    found = ours(tf.constant(ids, tf.int32), tf.zeros((3, 7), tf.int32), tf.constant(position),
                 tf.ones((3, 1, 7), tf.bool)).numpy()
    np.testing.assert_allclose(found, theirs, atol=1e-5)


def a_folder(name: str, config: dict[str, object] | None = None, tensors: dict[str, np.ndarray] | None = None,
             settings: dict[str, object] | None = None) -> Path:
    """An encoder in Hugging Face's format with other words in config.json, more tensors, and a tokenizer's settings."""
    folder = Path(name)
    weights = {key: values * (20 if key.endswith("kernel") else 1)
               for key, values in encoder_config.random_tensors(EXACT, 1).items()}
    hugging_face.write(folder, EXACT, Vocabulary(VOCAB), weights)
    path = folder / "config.json"
    path.write_text(json.dumps(json.loads(path.read_text()) | (config or {})))
    save_file(load_file(folder / "model.safetensors") | (tensors or {}), folder / "model.safetensors", {"format": "pt"})
    if settings:
        (folder / "tokenizer_config.json").write_text(json.dumps(settings))
    return folder


@pytest.mark.parametrize("epsilon", [1e-5, 1e-3])
def test_another_epsilon_of_layer_norm_is_read_written_and_proved(stages: Command, epsilon: float) -> None:
    a_folder("theirs", {"layer_norm_eps": epsilon})
    assert checkpoint.read(Path("theirs")).config.epsilon == epsilon
    result = stages("convert", "theirs", "copy", "--to", "huggingface")
    assert result.code == 0, result.err
    assert json.loads(Path("copy/config.json").read_text())["layer_norm_eps"] == epsilon
    refused = stages("convert", "theirs", "google", "--tanh-gelu")
    assert refused.code == 2
    assert f"Google's format means a layer_norm_eps of 1e-12, this encoder has {epsilon:g}" in refused.lines[0]


@pytest.mark.parametrize("mistake", [{"epsilon": 1e-2}, {"heads": 4}, {"activation": "relu"}])
def test_a_reading_of_our_own_that_is_wrong_does_not_prove_itself(stages: Command, monkeypatch: pytest.MonkeyPatch,
                                                                  mistake: dict[str, object]) -> None:
    a_folder("theirs")
    read = config_files.read

    def wrong(*arguments: Any) -> Any:
        return dataclasses.replace(read(*arguments), **mistake)  # type: ignore[type-var]

    monkeypatch.setattr(config_files, "read", wrong)
    refused = stages("convert", "theirs", "copy", "--to", "huggingface")
    assert refused.code == 2
    assert "its outputs are read as others than it says" in refused.lines[0]
    assert not Path("copy").exists()


def test_an_output_product_of_its_own_is_left_out_aloud_and_a_bias_by_another_name_is_found(stages: Command) -> None:
    rng = np.random.default_rng(0)
    head = {"transform.dense.weight": rng.normal(size=(8, 8)), "transform.dense.bias": np.zeros(8),
            "transform.LayerNorm.weight": np.ones(8), "transform.LayerNorm.bias": np.zeros(8),
            "decoder.bias": rng.normal(size=14)}
    tensors = {f"cls.predictions.{name}": values.astype(np.float32) for name, values in head.items()}
    a_folder("tied", tensors=tensors)
    assert "26 tensors" not in stages("convert", "tied", "a", "--to", "huggingface").out
    assert len(checkpoint.read(Path("a")).masked_lm()) == 5
    own = {"cls.predictions.decoder.weight": rng.normal(size=(14, 8)).astype(np.float32)}
    a_folder("untied", {"tie_word_embeddings": False}, tensors | own)
    told = stages("convert", "untied", "b", "--to", "huggingface")
    assert told.code == 0
    assert "has an output product of its own, which neither format holds here, and is left out" in told.out
    assert checkpoint.read(Path("b")).masked_lm() == {}


@pytest.mark.parametrize(("settings", "lowercase", "strip_accents"), [
    ({}, None, None), ({"do_lower_case": False}, False, None),
    ({"do_lower_case": True, "strip_accents": False}, True, False)])
def test_what_a_folder_says_of_its_tokenizer_is_followed_and_handed_on(
        stages: Command, settings: dict[str, object], lowercase: bool | None, strip_accents: bool | None) -> None:
    folder = a_folder("theirs", settings=settings)
    if not settings:
        (folder / "tokenizer_config.json").unlink()
    found = checkpoint.read(folder)
    assert (found.lowercase, found.strip_accents) == (lowercase, strip_accents)
    for target, to in (("copy", "huggingface"), ("google", "google")):
        assert stages("convert", "theirs", target, "--to", to, "--tanh-gelu").code == 0
        written = json.loads(Path(target, "tokenizer_config.json").read_text())
        assert written["do_lower_case"] is (lowercase is not False)
        assert written["strip_accents"] is strip_accents
    config = Config.model_validate({"name": "x", "bert": {"checkpoint": "theirs"}, "data": {"train": "x"},
                                    "tokens": {"tokenizer": "wordpiece"}})
    settled, lines = tokenizer_settings.settled(config, checkpoint.described(folder).tokenizer)
    assert settled.tokens.lowercase is (lowercase is not False)
    assert settled.tokens.strip_accents is strip_accents
    assert len(lines) == (lowercase is False) + (strip_accents is False)
    against = config.model_copy(update={"tokens": Tokens(tokenizer="wordpiece", lowercase=True)})
    told = tokenizer_settings.settled(against, checkpoint.described(folder).tokenizer)[1]
    assert any("warning: theirs says lowercase = false" in line for line in told) == (lowercase is False)


def test_a_vocabulary_may_be_in_tokenizer_json_shorter_than_the_table_or_go_on_in_added_tokens() -> None:
    folder = a_folder("theirs")
    plain = list(checkpoint.read(folder).vocab.tokens)
    (folder / "vocab.txt").write_bytes("".join(f"{token}\n" for token in VOCAB[:-2]).encode())
    assert checkpoint.read(folder).vocab.tokens == plain[:-2]
    (folder / "added_tokens.json").write_text(json.dumps({"新": 13, "旧": 12}))
    assert checkpoint.read(folder).vocab.tokens == [*plain[:-2], "旧", "新"]
    (folder / "added_tokens.json").write_text(json.dumps({"新": 14}))
    with pytest.raises(UserError, match=r"added_tokens\.json: ids must be 12 to 12, each once"):
        checkpoint.read(folder)
    (folder / "added_tokens.json").unlink()
    (folder / "vocab.txt").unlink()
    tokenizer = {"normalizer": {"type": "BertNormalizer", "lowercase": False, "strip_accents": None},
                 "added_tokens": [{"id": 0, "content": "[PAD]"}], "pre_tokenizer": {"type": "BertPreTokenizer"},
                 "model": {"type": "WordPiece", "vocab": {token: number for number, token in enumerate(VOCAB)}}}
    (folder / "tokenizer.json").write_text(json.dumps(tokenizer))
    (folder / "tokenizer_config.json").unlink()
    found = checkpoint.read(folder)
    assert (found.vocab.tokens, found.lowercase) == (plain, False)
    tokenizer["model"] = {"type": "Unigram", "vocab": []}
    (folder / "tokenizer.json").write_text(json.dumps(tokenizer))
    with pytest.raises(UserError, match="not a readable tokenizer"):
        checkpoint.read(folder)


def test_checkpoints_are_found_under_other_usual_names() -> None:
    folder = a_folder("theirs")
    (folder / "config.json").rename(folder / "bert_config.json")
    assert checkpoint.read(folder).kind == "hugging face"
    google.write(Path("bio"), TANH, Vocabulary(VOCAB), encoder_config.random_tensors(TANH, 1))
    for path in Path("bio").glob("bert_model.ckpt*"):
        path.rename(path.with_name(path.name.replace("bert_model.ckpt", "model.ckpt-1000000")))
    assert checkpoint.read(Path("bio")).tensors().keys() == encoder_config.random_tensors(TANH, 1).keys()
    (folder / "bert_config.json").rename(folder / "config.json")
    shutil.copytree(folder, Path("zip") / "inside")
    assert checkpoint.read(Path("zip")).identity == checkpoint.read(folder).identity
    shutil.copytree(folder, Path("zip") / "beside")
    with pytest.raises(UserError, match="it has zip/beside, zip/inside: name one of them"):
        checkpoint.read(Path("zip"))
    shutil.rmtree("zip")
    Path("zip").mkdir()
    Path("zip/pytorch_model.bin").write_bytes(b"")
    with pytest.raises(UserError, match=r"has pytorch_model\.bin and no config\.json beside it"):
        checkpoint.read(Path("zip"), pickled=True)


def test_a_pytorch_model_bin_of_today_which_is_a_zip_archive_is_no_archive_to_unpack() -> None:
    folder = a_folder("theirs")
    (folder / "model.safetensors").unlink()
    (folder / "pytorch_model.bin").write_bytes(b"PK\x03\x04 and so on")
    assert checkpoint.read(folder, pickled=True).kind == "hugging face"


@pytest.mark.parametrize("segments", [1, 3])
def test_a_checkpoint_that_keras_bert_cannot_read_is_converted_and_that_is_said(stages: Command, segments: int) -> None:
    config = dataclasses.replace(TANH, segments=segments)
    google.write(Path("google"), config, Vocabulary(VOCAB), encoder_config.random_tensors(config, 1))
    assert stages("convert", "google", "there").code == 0
    back = stages("convert", "there", "back")
    assert back.code == 0, back.err
    assert "read by this project alone" in back.out


def test_large_outputs_may_differ_by_as_much_more(stages: Command) -> None:
    wide = dataclasses.replace(EXACT, hidden=64, intermediate=256, layers=6)
    weights = encoder_config.random_tensors(wide, 1)
    for name in weights:
        if name.endswith("gamma"):
            weights[name][:2] = 30
    hugging_face.write(Path("theirs"), wide, Vocabulary(VOCAB), weights)
    result = stages("convert", "theirs", "copy", "--to", "huggingface")
    assert result.code == 0, result.err


def test_added_tokens_are_part_of_what_names_a_checkpoint() -> None:
    folder = a_folder("theirs")
    (folder / "vocab.txt").write_bytes("".join(f"{token}\n" for token in VOCAB[:-2]).encode())
    names = [checkpoint.read(folder).identity]
    for tokens in ({"新": 13, "旧": 12}, {"新": 12, "旧": 13}):
        (folder / "added_tokens.json").write_text(json.dumps(tokens))
        names.append(checkpoint.read(folder).identity)
    assert len(set(names)) == 3
