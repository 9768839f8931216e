"""Encoder, head and losses: what a score depends on, and what training moves."""

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from pipeline import checkpoint, losses
from pipeline.backend import SeqSelfAttention, tf
from pipeline.batches import Plan
from pipeline.bert_stages import _none_moved
from pipeline.config import Bert, Config, Data, Head, Tokens
from pipeline.features import compute
from pipeline.heads import ClsAttention
from pipeline.heads import Head as HeadLayer
from pipeline.network import Network
from pipeline.tokens import TokenTable
from tests.conftest import TINY

LENGTHS = np.array([5, 9, 3, 12, 7, 12, 4, 9])


def network(**head: Any) -> Network:
    config = Config(name="t", data=Data(train="a", test="b"), bert=Bert(checkpoint="c"), head=Head(**head),
                    tokens=Tokens(), stage2={"batch_size": 8})  # type: ignore[arg-type]
    built = Network(TINY, config)
    weights = checkpoint.random_tensors(TINY, 3)
    built.start({name: values * (20 if name.endswith("kernel") else 1) for name, values in weights.items()}, seed=5)
    return built


def token_rows(seed: int = 0) -> TokenTable:
    rng = np.random.default_rng(seed)
    ids = rng.integers(6, TINY.vocab_size, LENGTHS.sum()).astype(np.int32)
    return TokenTable(ids, np.concatenate([[0], np.cumsum(LENGTHS)]), LENGTHS.astype(np.int32))


def probabilities_by_width(built: Network, rows: TokenTable) -> list[np.ndarray]:
    """The first row's and the others' probabilities, padded to four widths and in batches of one and of all."""
    found = []
    for width in (12, 15, 20, 31):
        ids, segments = rows.batch(np.arange(len(LENGTHS)), width)
        found.append(tf.sigmoid(built.logit_of_tokens(tf.constant(ids), tf.constant(segments))).numpy())
    alone = [rows.batch(np.array([row]), int(length)) for row, length in enumerate(LENGTHS)]
    found.append(np.concatenate([tf.sigmoid(built.logit_of_tokens(*map(tf.constant, one))).numpy() for one in alone]))
    return found


@pytest.mark.parametrize("activation", ["none", "softmax"])
def test_a_score_does_not_depend_on_padding_or_batch(activation: str) -> None:
    found = probabilities_by_width(network(attention_activation=activation), token_rows())
    assert found[0].std() > 0.01  # the scores differ by row, so that equality means something
    for other in found[1:]:
        np.testing.assert_allclose(other, found[0], atol=1e-5)


def test_the_published_head_fails_that() -> None:
    found = probabilities_by_width(network(masked=False, attention_activation="softmax"), token_rows())
    assert max(np.abs(other - found[0]).max() for other in found[1:]) > 1e-3


def test_predictions_come_back_in_the_order_asked_for() -> None:
    built, rows = network(), token_rows()
    order = np.array([3, 0, 7, 1, 6])
    for plan in (Plan(np.array([5, 12])), Plan(None)):
        whole = built.predict(rows, np.arange(8), plan, 3)
        np.testing.assert_allclose(built.predict(rows, order, plan, 2), whole[order], atol=1e-5)


def test_frozen_features_give_the_same_logits_as_the_whole_network() -> None:
    built, rows = network(), token_rows()
    plan = Plan(np.array([5, 12]))
    table = compute(built, rows, plan, 3)
    assert table.vectors.shape == (LENGTHS.sum(), TINY.hidden)
    np.testing.assert_allclose(built.predict(table, np.arange(8), plan, 4), built.predict(rows, np.arange(8), plan, 4),
                               atol=1e-6)


@pytest.mark.parametrize("activation", [None, "softmax"])
def test_cls_attention_is_row_0_of_the_package(activation: str | None) -> None:
    vectors = tf.constant(np.random.default_rng(1).normal(size=(4, 6, 16)).astype(np.float32))
    ours = ClsAttention(32, attention_activation=activation)
    ours(vectors, mask=tf.ones([4, 6], tf.bool))
    package = SeqSelfAttention(32, attention_activation=activation)
    package(vectors)
    package.set_weights(ours.get_weights())
    np.testing.assert_allclose(ours(vectors, mask=tf.ones([4, 6], tf.bool)), package(vectors)[:, 0], atol=1e-6)


def test_the_attention_weights_start_different() -> None:
    layer = ClsAttention(32)
    layer(tf.zeros([1, 2, 16]), mask=tf.ones([1, 2], tf.bool))
    assert not np.array_equal(layer.Wt.numpy(), layer.Wx.numpy())


def test_pooling_against_numpy() -> None:
    vectors = np.random.default_rng(2).normal(size=(2, 4, 16)).astype(np.float32)
    mask = np.array([[True, True, False, False], [True, True, True, True]])
    head = HeadLayer(Head(parts=["average", "max"]))
    head(vectors, mask)
    weights = head.dense.get_weights()
    pooled = np.stack([np.concatenate([row[real].mean(0), row[real].max(0)])
                       for row, real in zip(vectors, mask, strict=True)])
    np.testing.assert_allclose(head(vectors, mask), (pooled @ weights[0] + weights[1])[:, 0], atol=1e-5)


def test_a_start_follows_from_weights_and_seed_alone() -> None:
    built = network()
    tensors = checkpoint.random_tensors(TINY, 3)
    ids, segments = (tf.constant(part) for part in token_rows().batch(np.arange(8), 12))

    def first_steps(seed: int) -> list[np.ndarray]:
        built.start(tensors, seed)
        head = built.dump_head()["head/dense/kernel"]
        return [head, *(built.logit_of_tokens(ids, segments, dropout=True).numpy() for _ in range(2))]

    once, other, again = first_steps(1), first_steps(2), first_steps(1)
    for a, b, c in zip(once, again, other, strict=True):
        np.testing.assert_array_equal(a, b)
        assert not np.array_equal(a, c)
    assert not np.array_equal(once[1], once[2])  # dropout draws anew each time


def test_weights_come_back_by_name() -> None:
    built = network()
    dumped = built.dump()
    assert {name for name in dumped if name.startswith("head/")} == {
        f"head/{name}" for name in ("attention/attention_Add_Wt", "attention/attention_Add_Wx",
                                    "attention/attention_Add_bh", "attention/attention_Add_Wa",
                                    "attention/attention_Add_ba", "dense/kernel", "dense/bias")}
    built.load({name: values + 1 for name, values in dumped.items()})
    for name, values in built.dump().items():
        np.testing.assert_array_equal(values, dumped[name] + 1)


def hand_computed(name: str, y: np.ndarray, p: np.ndarray) -> float:
    if name == "bce":
        return float(-np.mean(y * np.log(p) + (1 - y) * np.log(1 - p)))
    return float(-2 * np.sum(y * p) / np.sum(y + p))


@pytest.mark.parametrize(("name", "loss"), list(losses.LOSSES.items()))
class TestLoss:
    """Both losses, on logits of [rows] as the model gives them."""

    label = np.array([1, 0, 0, 1, 0], np.float32)
    logit = np.array([2.0, -1.0, 0.5, -0.3, 7.0], np.float32)

    def test_equals_the_hand_computed_value(self, name: str, loss: Callable[..., Any]) -> None:
        p = 1 / (1 + np.exp(-self.logit.astype(float)))
        assert float(loss(self.label, self.logit, np.ones(5, np.float32))) == pytest.approx(
            hand_computed(name, self.label, p), abs=1e-5)

    def test_rows_of_weight_0_do_not_count(self, name: str, loss: Callable[..., Any]) -> None:
        weight = np.array([1, 1, 1, 0, 0], np.float32)
        assert float(loss(self.label, self.logit, weight)) == pytest.approx(
            float(loss(self.label[:3], self.logit[:3], weight[:3])), abs=1e-6)

    def test_predictions_of_shape_batch_by_1_are_refused(self, name: str, loss: Callable[..., Any]) -> None:
        with pytest.raises(ValueError, match=r"must all be \[rows\]"):
            loss(self.label, self.logit[:, None], np.ones(5, np.float32))

    @pytest.mark.parametrize("logit", [-200.0, 200.0, 0.0])
    @pytest.mark.parametrize("label", [0.0, 1.0])
    def test_extreme_logits_and_one_class_stay_finite(self, name: str, loss: Callable[..., Any], logit: float,
                                                      label: float) -> None:
        logits = tf.Variable(np.full(4, logit, np.float32))
        with tf.GradientTape() as tape:
            value = loss(np.full(4, label, np.float32), logits, np.ones(4, np.float32))
        assert np.isfinite(float(value))
        assert np.isfinite(tape.gradient(value, logits).numpy()).all()


def test_smooth_f1_by_hand() -> None:
    # probabilities 0.5 and 0.5, labels 1 and 0: -2 * 0.5 / (1 + 1)
    assert float(losses.smooth_f1(np.array([1, 0], np.float32), np.zeros(2, np.float32), np.ones(2, np.float32))
                 ) == pytest.approx(-0.5, abs=1e-6)


def test_a_frozen_encoder_that_moves_is_noticed() -> None:
    before = {"bert/a/kernel": np.zeros(2, np.float32), "head/dense/kernel": np.zeros(2, np.float32)}
    _none_moved(before, before | {"head/dense/kernel": np.ones(2, np.float32)}, "cell")
    with pytest.raises(AssertionError, match="bert/a/kernel"):
        _none_moved(before, before | {"bert/a/kernel": np.array([0, 1e-9], np.float32)}, "cell")
