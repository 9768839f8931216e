"""Frozen vectors do not depend on the batch, are what the encoder gives, and fit into scikit-learn."""

import pickle
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from sklearn.base import clone
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import cross_val_score
from sklearn.pipeline import make_pipeline
from sklearn.utils import get_tags
from sklearn.utils.estimator_checks import check_estimator

from pipeline.backend import tf
from pipeline.checkpoints import checkpoint, encoder_config, google
from pipeline.inference.text_vectors import TextVectors
from pipeline.model.encoders.packed_bert import PackedBert
from pipeline.text.vocabulary import SPECIAL, Vocabulary
from tests.conftest import Command
from tests.toy import CHARACTERS, TINY

SOURCE = "data/bert"


def texts() -> list[str]:
    return pd.read_csv("data/train.csv", dtype=str).text.tolist()


@pytest.mark.usefixtures("project")
@pytest.mark.parametrize("layers", [1, 2])
def test_each_pool_is_that_of_the_texts_own_tokens(layers: int) -> None:
    found = checkpoint.read(Path(SOURCE))
    encoder = PackedBert(found.config, 0.0, np.arange(found.config.vocab_size), layers=layers)
    encoder.load(found.tensors())
    some = [*texts()[:20], "", "香" * 100]
    vectors = {pool: TextVectors(SOURCE, pool=pool, layers=layers, max_tokens=20).fit_transform(some)
               for pool in ("cls", "mean", "max")}
    number = found.vocab.id_of
    for row, text in enumerate(some):
        ids = np.array([[number["[CLS]"], *(number[one] for one in text[:18]), number["[SEP]"]]], np.int32)
        own = encoder(tf.constant(ids), tf.zeros_like(ids), tf.range(ids.shape[1])[None],
                      tf.ones((1, 1, ids.shape[1]), tf.bool)).numpy()[0]
        for pool, expected in (("cls", own[0]), ("mean", own.mean(axis=0)), ("max", own.max(axis=0))):
            np.testing.assert_allclose(vectors[pool][row], expected, atol=1e-5)


@pytest.mark.usefixtures("project")
def test_it_is_a_transformer_like_any_other() -> None:
    model = make_pipeline(TextVectors(SOURCE, layers=2), LogisticRegression(C=1e6, max_iter=500))
    labels = pd.read_csv("data/train.csv").label
    scores = cross_val_score(model, np.array(texts(), dtype=object), labels, cv=3, scoring="roc_auc")
    assert scores.mean() > 0.6
    model.set_params(textvectors__pool="max")
    assert clone(model[0]).get_params()["pool"] == "max"
    fitted = TextVectors(SOURCE).fit()
    again = pickle.loads(pickle.dumps(fitted))
    np.testing.assert_array_equal(again.transform(texts()), fitted.transform(texts()))
    assert len(fitted.get_feature_names_out()) == fitted.transform(texts()[:1]).shape[1] == 16
    pairs = list(zip(texts(), texts()[::-1], strict=True))
    assert fitted.transform(pairs).shape == (len(pairs), 16)


@pytest.mark.usefixtures("project")
def test_the_command_streams_to_numpy_and_parquet(stages: Command) -> None:
    Path("texts.txt").write_text("\n".join(texts()) + "\n", encoding="utf-8")
    expected = TextVectors(SOURCE, pool="cls", layers=2).fit_transform(texts())
    options = ["--pool", "cls", "--layers", "2"]
    for source, target in (("texts.txt", "a.npy"), ("data/train.csv", "b.npy"), ("texts.txt", "c.parquet")):
        result = stages("encode", SOURCE, source, target, *options)
        assert result.code == 0, result.err
        assert f"encode: {target}: {len(texts())} vectors of 32" in result.out
    np.testing.assert_array_equal(np.load("a.npy"), expected)
    np.testing.assert_array_equal(np.load("b.npy"), expected)
    table = pd.read_parquet("c.parquet")
    assert table.text.tolist() == texts()
    np.testing.assert_array_equal(np.stack(table.vector.tolist()), expected)
    assert not list(Path().glob(".*writing"))


@pytest.mark.usefixtures("finished")
def test_a_trained_cells_encoder_differs_from_the_one_it_started_from(stages: Command) -> None:
    result = stages("encode", "toy", "data/test.csv", "trained.npy", "--fold", "1")
    assert result.code == 0, result.err
    trained, start = np.load("trained.npy"), TextVectors(SOURCE).fit_transform(
        pd.read_csv("data/test.csv", dtype=str).text)
    assert trained.shape == start.shape
    assert np.abs(trained - start).max() > 1e-3


@pytest.mark.usefixtures("project")
@pytest.mark.parametrize(("arguments", "message"), [
    ((SOURCE, "data/train.csv", "out.txt"), "out.txt: must end in .npy or .parquet"),
    ((SOURCE, "data/train.csv", "out.npy", "--layers", "3"), "layers must be 1 to 2"),
    ((SOURCE, "data/train.csv", "out.npy", "--column", "content"), "no column 'content'; it has 'id', 'text', 'label'"),
    ((SOURCE, "data/train.csv", "out.npy", "--max-tokens", "100"), "cannot be greater than the checkpoint's position"),
    (("data/nothing", "data/train.csv", "out.npy"), "data/nothing: no such checkpoint folder"),
    (("nothing", "data/train.csv", "out.npy"), "models/nothing/config.toml: no such run"),
])
def test_what_cannot_be_encoded_is_refused(stages: Command, arguments: tuple[str, ...], message: str) -> None:
    refused = stages("encode", *arguments)
    assert refused.code == 2
    assert message in refused.lines[0]
    assert not Path("out.npy").exists()


def test_scikit_learns_own_checks_of_a_transformer_of_texts_pass(project: Path) -> None:
    """Those that its tags, which are CountVectorizer's, leave; and what pipelines and searches do to an estimator."""
    model = TextVectors("data/bert")
    failed = [check for check in check_estimator(model, on_fail=None, on_skip=None) if check["status"] == "failed"]
    assert failed == []
    assert get_tags(model).input_tags.string
    assert clone(model).set_params(pool="max").get_params()["pool"] == "max"
    np.testing.assert_allclose(model.fit_transform(["香", "菜"], [0, 1]), model.transform(["香", "菜"]))


def test_the_tokenizer_is_what_the_checkpoints_vocabulary_is_for(project: Path) -> None:
    assert TextVectors("data/bert").fit().tokens_.tokenizer == "characters"
    google.write(Path("data/pieces"), TINY, Vocabulary([*SPECIAL, *CHARACTERS[:-1], "##a"]),
                 encoder_config.random_tensors(TINY, 1))
    assert TextVectors("data/pieces").fit().tokens_.tokenizer == "wordpiece"
