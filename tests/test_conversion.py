"""A checkpoint comes out of a conversion with the same tensors and outputs, or not at all."""

import pickle
from pathlib import Path

import numpy as np
import pytest

from pipeline import bert_config, checkpoint
from pipeline.bert_config import MASKED_LM, POOLER, BertConfig
from pipeline.vocabulary import SPECIAL
from tests.conftest import Command

VOCAB = [*SPECIAL, *"甲乙丙丁戊己庚辛"]
TANH = BertConfig(len(VOCAB), 8, 2, 2, 16, 12, 2, "gelu_tanh")
EXACT = BertConfig(len(VOCAB), 8, 2, 2, 16, 12, 2, "gelu_erf")
POOLED = {f"{POOLER}kernel": np.full((8, 8), 0.5, np.float32), f"{POOLER}bias": np.arange(8, dtype=np.float32)}


@pytest.fixture(autouse=True)
def _folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)


@pytest.mark.parametrize("extra", [False, True])
def test_there_and_back_again_every_tensor_is_the_same(stages: Command, extra: bool) -> None:
    weights = bert_config.random_tensors(TANH, 1, with_masked_lm=extra) | (POOLED if extra else {})
    checkpoint.write_google(Path("google"), TANH, VOCAB, weights)
    for source, target in (("google", "there"), ("there", "back")):
        result = stages("convert", source, target)
        assert result.code == 0, result.err
        assert f"{len(weights)} tensors are equal" in result.out
    assert (Path("there") / "model.safetensors").exists()
    back = checkpoint.read(Path("back"))
    assert back.kind == "google"
    assert (back.config, back.vocab) == (TANH, VOCAB)
    again = back.tensors() | back.pooler() | back.masked_lm()
    assert again.keys() == weights.keys()
    for name, values in weights.items():
        np.testing.assert_array_equal(again[name], values, err_msg=name)
    assert any(name.startswith(MASKED_LM) for name in again) == extra


def test_an_exact_gelu_becomes_googles_only_where_that_is_asked_for(stages: Command) -> None:
    weights = {name: values * (30 if name.endswith("kernel") else 1)
               for name, values in bert_config.random_tensors(EXACT, 1).items()}
    checkpoint.write_hugging_face(Path("exact"), EXACT, VOCAB, weights)
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
    checkpoint.write_hugging_face(Path("pickled"), TANH, VOCAB, bert_config.random_tensors(TANH, 1))
    Path("pickled/model.safetensors").rename("pickled/pytorch_model.bin")
    with pytest.raises(Exception, match=r"python -m stages convert pickled NEW --to huggingface"):
        checkpoint.read(Path("pickled"))


class Payload:
    """Runs something where it is unpickled."""

    def __reduce__(self) -> tuple[object, tuple[str]]:
        return exec, ("open('ran', 'w')",)


def test_a_pickle_is_never_run(stages: Command) -> None:
    checkpoint.write_hugging_face(Path("hostile"), TANH, VOCAB, bert_config.random_tensors(TANH, 1))
    Path("hostile/model.safetensors").unlink()
    Path("hostile/pytorch_model.bin").write_bytes(pickle.dumps(Payload()))
    refused = stages("convert", "hostile", "new", "--to", "huggingface")
    assert refused.code == 2
    assert not Path("ran").exists()
    assert not Path("new").exists()
    assert len(refused.lines) == 1


def test_a_pickles_tensors_are_read_by_torch(stages: Command) -> None:
    torch = pytest.importorskip("torch")
    weights = bert_config.random_tensors(EXACT, 1)
    checkpoint.write_hugging_face(Path("pickled"), EXACT, VOCAB, weights)
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
    weights = bert_config.random_tensors(TANH, 1) | POOLED
    checkpoint.write_google(Path("google"), TANH, VOCAB, weights)
    assert stages("convert", "google", "new").code == 0
    model = transformers.BertModel.from_pretrained("new").eval()
    ids = np.random.default_rng(0).integers(1, len(VOCAB), (3, 7))
    with torch.no_grad():
        theirs = model(torch.tensor(ids)).last_hidden_state.numpy()
    from pipeline.backend import tf
    from pipeline.encoder import PackedBert

    ours = PackedBert(TANH, 0.0, np.arange(len(VOCAB)))
    ours.load(checkpoint.read(Path("google")).tensors())
    position = np.tile(np.arange(7, dtype=np.int32), (3, 1))
    found = ours(tf.constant(ids, tf.int32), tf.zeros((3, 7), tf.int32), tf.constant(position),
                 tf.ones((3, 1, 7), tf.bool)).numpy()
    np.testing.assert_allclose(found, theirs, atol=1e-5)
