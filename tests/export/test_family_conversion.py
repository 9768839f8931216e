"""Every family goes through ``convert`` unchanged, into each format that can hold it; of the others, one says so."""

import json
import shutil
from pathlib import Path

import numpy as np
import pytest

from pipeline.checkpoints import checkpoint
from tests.checkpoints.test_families import GOLDEN, NAMES, folder_of
from tests.conftest import Command
from tests.text.own_tokenizers import library

IN_GOOGLES = {"electra", "albert"}  # that Google's format can hold with its tokenizer, activation and epsilon
REFUSED = {"mpnet": "Google's format has no mpnet", "roberta": "Google's format has no roberta",
           "deberta": "Google's format has no deberta", "deberta_unbucketed": "Google's format has no deberta",
           "ernie": "has the exact GELU"}


@pytest.fixture(autouse=True)
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)


@pytest.mark.parametrize("name", NAMES)
def test_there_and_back_again_every_tensor_is_the_same(name: str, stages: Command) -> None:
    first = checkpoint.read(folder_of(name, Path("theirs")))
    result = stages("convert", "theirs", "copy", "--to", "huggingface")
    assert result.code == 0, result.err
    assert "read by NumPy, from the file's own names" in result.out
    folders = ["copy"]
    if name in IN_GOOGLES:
        assert stages("convert", "theirs", "google", "--to", "google").code == 0
        assert stages("convert", "google", "back").code == 0
        folders += ["google", "back"]
    else:
        refused = stages("convert", "theirs", "google", "--to", "google")
        assert refused.code == 2
        assert REFUSED[name] in refused.lines[0]
        assert not Path("google").exists()
    for folder in folders:
        again = checkpoint.read(Path(folder))
        assert again.config == first.config
        assert again.vocab.tokens == first.vocab.tokens
        for part in ("tensors", "masked_lm", "pooler"):
            one, other = getattr(first, part)(), getattr(again, part)()
            assert one.keys() == other.keys()
            assert all(np.array_equal(values, other[key]) for key, values in one.items()), folder


@pytest.mark.parametrize("name", ["tf_hub/bert", "tf_hub/electra", "tf_hub/albert", "keras_hub/bert"])
def test_saved_models_and_presets_become_hugging_faces(name: str, stages: Command) -> None:
    first = checkpoint.read(Path(shutil.copytree(GOLDEN.parent / name, "theirs")))
    result = stages("convert", "theirs", "copy")
    assert result.code == 0, result.err
    again = checkpoint.read(Path("copy"))
    assert (again.kind, again.config, again.vocab) == ("hugging face", first.config, first.vocab)
    assert again.lowercase == (first.lowercase if first.vocab.own is None else None)


def test_talking_heads_have_no_other_format(stages: Command) -> None:
    shutil.copytree(GOLDEN.parent / "tf_hub" / "talking", "theirs")
    for to, line in (("huggingface", "Hugging Face's format has no talking_heads"),
                     ("google", "Google's format has no talking_heads")):
        refused = stages("convert", "theirs", "copy", "--to", to)
        assert refused.code == 2
        assert line in refused.lines[0]


def test_a_tokenizer_of_its_own_goes_along_and_into_no_vocab_txt(stages: Command) -> None:
    folder = folder_of("electra", Path("theirs"))
    (folder / "vocab.txt").unlink()
    built = library("deberta-v2")
    built.save(str(folder / "tokenizer.json"))
    assert stages("convert", "theirs", "copy", "--to", "huggingface").code == 0
    assert checkpoint.read(Path("copy")).vocab == checkpoint.read(folder).vocab
    settings = json.loads(Path("copy/tokenizer_config.json").read_text())
    assert (settings["cls_token"], settings["pad_token"]) == ("[CLS]", "[PAD]")
    refused = stages("convert", "theirs", "google", "--to", "google")
    assert "this encoder has a tokenizer of its own" in refused.lines[0]


def test_an_electra_without_a_configuration_is_read_by_its_shapes(stages: Command) -> None:
    folder_of("electra", Path("theirs"))
    assert stages("convert", "theirs", "google", "--to", "google").code == 0
    known = checkpoint.read(Path("google"))
    (Path("google") / "electra_config.json").unlink()
    read = checkpoint.read(Path("google"))
    assert read.config.heads == 1, "64 wide, whatever the size"
    assert read.tensors().keys() == known.tensors().keys()
    sizes = read.config.hidden, read.config.embedding, read.config.layers, read.config.activation
    assert sizes == (16, 8, 2, "gelu_erf")
