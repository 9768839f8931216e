"""A competition goes through every command with an encoder of any family and its own tokenizer."""

import dataclasses
import json
import shutil
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from pipeline.checkpoints import checkpoint, encoder_config, hugging_face
from pipeline.checkpoints.encoder_config import EncoderConfig
from pipeline.inference.predictor import Predictor
from pipeline.text.vocabulary import SPECIAL, Vocabulary
from tests.conftest import ROOT, Command
from tests.contracts import FAMILIES
from tests.text.own_tokenizers import vocabulary
from tests.toy import CHARACTERS

CONFIG = Path("configs/toy.toml")
MODELS = {"electra": None, "albert": "albert", "roberta": "byte-level BPE", "deberta": "deberta-v2"}  # their tokenizers
LONG = ("albert", "electra")  # the others bring tokenizers of their own, besides


@pytest.fixture(params=[pytest.param(name, marks=[pytest.mark.long] * (name in LONG)) for name in MODELS])
def family(request: pytest.FixtureRequest, project: Path) -> str:
    """The toy project with a checkpoint of that family, in Hugging Face's format."""
    put(request.param)
    return str(request.param)


def put(name: str) -> EncoderConfig:
    kind = MODELS[name]
    vocab = vocabulary(kind) if kind else Vocabulary([*SPECIAL, *CHARACTERS])
    config = dataclasses.replace(FAMILIES[name], vocab_size=len(vocab))
    weights = encoder_config.random_tensors(config, 1, with_masked_lm=True)
    hugging_face.write(Path("data/encoder"), config, vocab, {key: 5 * values for key, values in weights.items()})
    text = CONFIG.read_text().replace('checkpoint = "data/bert"', 'checkpoint = "data/encoder"')
    CONFIG.write_text(text.replace("n = 3", "n = 2").replace("epochs = 2", "epochs = 1"))
    return config


def test_every_command_takes_every_family(family: str, stages: Command) -> None:
    checked = stages("check", str(CONFIG))
    assert checked.code == 0, checked.err
    assert ("brings a tokenizer of its own" in checked.out) == (MODELS[family] is not None)
    for stage in ("stage1", "stage2", "submit", "report"):
        result = stages(stage, str(CONFIG), "--fold", "0")
        assert result.code == 0, result.err
    rows = pd.read_csv("models/toy/stage1/fold_0/oof.csv", dtype={"id": str})
    texts = pd.read_csv("data/train.csv", dtype=str).set_index("id").text
    model = Predictor("toy", "stage1", [0])  # what it says of the rows that it did not see is what training wrote
    told = model.predict(model.table(texts[rows.id].tolist()))
    np.testing.assert_allclose(told.prediction, rows.prediction, atol=1e-5)
    Path("texts.txt").write_text("香辣鱼\nthe food is good\n")
    assert stages("encode", "data/encoder", "texts.txt", "frozen.npy").code == 0
    assert stages("encode", "toy", "texts.txt", "tuned.npy").code == 0
    assert np.isfinite(np.load("tuned.npy")).all()
    assert not np.allclose(np.load("frozen.npy"), np.load("tuned.npy"), atol=1e-3)
    exported = stages("export", "toy", "--to", "huggingface", "--fold", "0")
    assert exported.code == 0, exported.err
    assert checkpoint.read(Path("models/toy/export/huggingface")).config.family == family
    saved = stages("export", "toy", "--to", "savedmodel", "--fold", "0")
    assert saved.code == (2 if MODELS[family] else 0)
    assert ("--to onnx takes it along" in saved.err) == (MODELS[family] is not None)


@pytest.mark.parametrize("name", ["electra", "deberta"])
def test_an_encoder_of_a_family_becomes_onnx_with_its_tokenizer(name: str, project: Path, stages: Command) -> None:
    for package in ("tf2onnx", "onnx", "onnxruntime"):
        pytest.importorskip(package)
    put(name)
    assert stages("stage1", str(CONFIG)).code == 0
    result = stages("export", "toy", "--to", "onnx")
    assert result.code == 0, result.err
    assert Path("models/toy/export/onnx/tokenizer.json").exists()
    bundled = stages("bundle", "toy")
    assert bundled.code == 0, bundled.err


def test_a_family_is_trained_on_as_a_masked_language_model(project: Path, stages: Command) -> None:
    put("roberta")
    with CONFIG.open("a") as file:
        file.write("\n[pretrain]\nepochs = 1\nbatch_tokens = 128\nlearning_rate = 1e-3\nmax_tokens = 16\n"
                   "held_out = 0.2\n")
    for stage in ("pretrain", "stage1"):
        result = stages(stage, str(CONFIG))
        assert result.code == 0, result.err
    trained = checkpoint.read(next(Path("models/toy/pretrain").glob("*/huggingface")))
    before = checkpoint.read(Path("data/encoder"))
    assert (trained.config, trained.vocab) == (before.config, before.vocab)
    assert any(not np.array_equal(values, before.masked_lm()[key]) for key, values in trained.masked_lm().items())
    assert not next(Path("models/toy/pretrain").glob("*")).joinpath("google").exists(), "it has no such format"
    examples = pd.read_csv(next(Path("models/toy/pretrain").glob("*/examples.csv")))
    assert examples.text.str.contains("□").all()
    assert set("".join(examples.truth)) <= {*CHARACTERS, *" |"}, "words, not bytes"


def test_pairs_of_an_encoder_with_one_segment_have_two_separators(project: Path, stages: Command) -> None:
    put("roberta")
    for name in ("train", "test"):
        table = pd.read_csv(f"data/{name}.csv", dtype=str)
        table.assign(other=table.text.str[::-1]).to_csv(f"data/{name}.csv", index=False)
    settings = ("--set", 'data.text_columns=["text", "other"]')
    checked = stages("check", str(CONFIG), *settings)
    assert checked.code == 0, checked.err
    assert "</s> </s>" in checked.out
    assert stages("stage1", str(CONFIG), *settings, "--fold", "0").code == 0


@pytest.mark.parametrize(("changes", "line"), [
    ({"tokens.tokenizer": "characters"}, "brings a tokenizer of its own; leave it out"),
    ({"tokens.lowercase": "true"}, "which says both; leave them out"),
    ({"tokens.batches": "random"}, "keras-bert's graph, which is a BERT"),
    ({"tokens.max_tokens": "31"}, "cannot be greater than the checkpoint's position embeddings: 30"),
])
def test_what_a_family_cannot_have_is_refused_in_words(changes: dict[str, str], line: str, project: Path,
                                                       stages: Command) -> None:
    put("roberta")
    settings = [part for key, value in changes.items() for part in ("--set", f"{key}={value}")]
    result = stages("check", str(CONFIG), *settings)
    assert result.code == 2
    assert line in result.err


@pytest.mark.parametrize(("options", "line"), [
    (["--tokenizer", "wordpiece"], "brings a tokenizer of its own"),
    (["--lowercase"], "which says both")])
def test_encode_refuses_what_a_family_cannot_have(options: list[str], line: str, project: Path, stages: Command
                                                  ) -> None:
    put("roberta")
    Path("texts.txt").write_text("香辣鱼\n")
    result = stages("encode", "data/encoder", "texts.txt", "vectors.npy", *options)
    assert result.code == 2
    assert line in result.err
    refused = stages("encode", "data/bert", "texts.txt", "vectors.npy", "--tokenizer", "checkpoint")
    assert "has BERT's vocabulary" in refused.err


def test_a_preset_that_says_how_it_treats_accents_goes_on_as_it_was_begun(project: Path, stages: Command) -> None:
    shutil.copytree(ROOT / "tests" / "golden" / "keras_hub" / "bert", "data/encoder")
    CONFIG.write_text(CONFIG.read_text().replace('checkpoint = "data/bert"', 'checkpoint = "data/encoder"'))
    for fold in ("0", "1"):
        result = stages("stage1", str(CONFIG), "--fold", fold)
        assert result.code == 0, result.err
    assert "strip_accents = false" in Path("models/toy/config.toml").read_text()


def test_a_model_that_is_no_deberta_v3_is_refused_by_what_differs(project: Path, stages: Command) -> None:
    put("deberta")
    path = Path("data/encoder/config.json")
    known = json.loads(path.read_text())
    for change, line in (({"pos_att_type": ["c2p"]}, "pos_att_type must be p2c|c2p"),
                         ({"conv_kernel_size": 3}, "conv_kernel_size must be 0"),
                         ({"share_att_key": False}, "share_att_key must be true"),
                         ({"position_biased_input": True}, "position_biased_input must be false")):
        path.write_text(json.dumps(known | change))
        assert line in stages("check", str(CONFIG)).err
