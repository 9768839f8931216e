"""Heads of words, several heads, dropout before the output layer, class weights: against numpy and by their meaning."""

import numpy as np
import pytest
from sklearn.utils import compute_class_weight

from pipeline.backend import tf
from pipeline.config.model import Head
from pipeline.model import losses
from pipeline.model.heads import RowHead, SeveralHeads, WordHead
from pipeline.model.losses import LOSSES
from pipeline.tasks.binary import Binary
from pipeline.tasks.multiclass import Multiclass
from pipeline.tasks.multioutput import Multioutput
from pipeline.tasks.tags import Tags
from pipeline.text.packing import Batch, Plan, pad
from pipeline.text.token_table import TokenTable
from pipeline.training import class_weights
from tests.model.test_network import ALL, LENGTHS, network, plan_of, token_rows

TAGS = Tags(("O", "B-a", "I-a"))
TWO = Multioutput({"one": Binary("0", "1"), "other": Multiclass(("a", "b", "c"))}, (1.0, 0.25))


def rows_of_words() -> TokenTable:
    """Each token between the first and the last begins a word, but every third, and the last two are cut off."""
    rows, places = token_rows(), np.full((len(LENGTHS), 9), -1, np.int32)
    for row, length in enumerate(LENGTHS):
        begins = [place for place in range(1, length - 1) if place % 3][:-2]
        places[row, :len(begins)] = begins
    return TokenTable(rows.ids, rows.offsets, rows.second, places)


@pytest.mark.parametrize("recurrent", ["none", pytest.param("lstm", marks=pytest.mark.long)])
def test_a_words_logit_does_not_depend_on_who_shares_its_sequence(recurrent: str) -> None:
    rows = rows_of_words()
    built = network(task=TAGS, recurrent=recurrent, recurrent_units=3)
    found = [built.predict(rows, ALL, plan, 4) for plan in (plan_of(1), plan_of(4))]
    unpacked = network("random", task=TAGS, recurrent=recurrent, recurrent_units=3)
    unpacked.load(built.dump())
    found.append(unpacked.predict(rows, ALL, Plan(), 3))
    assert found[0].shape == (len(LENGTHS), 9, 3)
    for other in found[1:]:
        np.testing.assert_allclose(other, found[0], atol=2e-5)


def test_a_word_is_told_from_its_first_token_and_one_that_is_not_there_is_outside() -> None:
    vectors = np.random.default_rng(0).normal(size=(1, 6, 4)).astype(np.float32)
    words = np.array([[[1, 3, -1], [5, -1, -1]]], np.int32)
    head = WordHead(Head(), 3)
    logit = head(vectors, np.ones((1, 2, 6), bool), words).numpy()
    kernel, bias = head.dense.get_weights()
    np.testing.assert_allclose(logit[0, :2], vectors[0, [1, 3]] @ kernel + bias, atol=1e-6)
    np.testing.assert_allclose(logit[1, 0], vectors[0, 5] @ kernel + bias, atol=1e-6)
    assert (tf.nn.softmax(logit).numpy()[[0, 1, 1], [2, 1, 2], 0] > 0.9999).all()


def test_several_heads_are_each_by_itself() -> None:
    vectors = np.random.default_rng(0).normal(size=(2, 6, 4)).astype(np.float32)
    member, words = np.ones((2, 1, 6), bool), np.zeros((2, 1, 0), np.int32)
    head = SeveralHeads(Head(), [1, 3], 4)
    logit = head(vectors, member, words).numpy()
    assert logit.shape == (2, 4)
    np.testing.assert_allclose(logit[:, 0], head.heads[0](vectors, member, words), atol=1e-6)
    np.testing.assert_allclose(logit[:, 1:], head.heads[1](vectors, member, words), atol=1e-6)
    built = network(task=TWO)
    names = built.dump_head().keys()
    assert {name.split("/")[1] for name in names} == {"output_0", "output_1"}
    assert len(names) == len(set(names)) == len(built.head.weights)


def test_the_loss_of_several_outputs_is_the_weighted_sum_of_theirs() -> None:
    rng = np.random.default_rng(3)
    logit = rng.normal(size=(5, 4)).astype(np.float32)
    target = np.array([[0, 2], [1, 0], [1, 1], [0, 0], [1, 2]], np.float32)
    weight = np.array([[1, 1], [2, 1], [1, 0], [1, 3], [1, 1]], np.float32)
    both = float(losses.by_name("cross_entropy", TWO)(target, logit, weight))
    one = losses.bce(target[:, 0], logit[:, 0], weight[:, 0])
    other = losses.cross_entropy(target[:, 1].astype(np.int32), logit[:, 1:], weight[:, 1])
    assert both == pytest.approx(float(one + 0.25 * other), abs=1e-6)


@pytest.mark.parametrize("name", ["cross_entropy", "focal", "smooth_f1"])
def test_losses_of_words_leave_out_what_is_none(name: str) -> None:
    rng = np.random.default_rng(4)
    logit = rng.normal(size=(2, 3, 3)).astype(np.float32)
    target = np.array([[0, 2, 1], [1, -1, -1]], np.int32)
    weight = (target >= 0).astype(np.float32)
    flat = logit[target >= 0]
    p = np.exp(flat) / np.exp(flat).sum(axis=1, keepdims=True)
    true = target[target >= 0]
    right, y = p[np.arange(4), true], np.eye(3)[true]
    expected = {"cross_entropy": np.mean(-np.log(right)), "focal": np.mean(-((1 - right) ** 2) * np.log(right)),
                "smooth_f1": np.mean((-2 * (y * p).sum(axis=0) / (y + p).sum(axis=0))[1:])}[name]
    assert float(LOSSES[name](target, logit, weight)) == pytest.approx(expected, abs=1e-5)


def test_dropout_before_the_output_layer_acts_in_training_alone() -> None:
    head, words = RowHead(Head(parts=["cls"], dropout=0.5), 1, 1000), np.zeros((1, 1, 0), np.int32)
    vectors, member = np.ones((1, 2, 1000), np.float32), np.ones((1, 1, 2), bool)
    head(vectors, member, words)
    head.dense.set_weights([np.ones((1000, 1), np.float32), np.zeros(1, np.float32)])
    still = float(head(vectors, member, words)[0])
    dropped = [float(head(vectors, member, words, tf.constant([1, step]))[0]) for step in range(20)]
    assert still == 1000
    assert len(set(dropped)) > 10
    assert np.mean(dropped) == pytest.approx(1000, abs=30)  # four standard errors


def test_balanced_weights_are_scikit_learns_of_the_training_rows() -> None:
    rng = np.random.default_rng(5)
    target = rng.choice(3, 60, p=[0.7, 0.2, 0.1]).astype(np.int32)
    train = np.arange(40)
    weight = class_weights.of_targets(target, train, True, False)
    expected = compute_class_weight("balanced", classes=np.arange(3), y=target[train])
    np.testing.assert_allclose(weight, expected[target], rtol=1e-6)
    labels = (rng.random((60, 2)) < [0.5, 0.1]).astype(np.float32)
    both = class_weights.of_targets(labels, train, True, False)
    for column in range(2):
        expected = compute_class_weight("balanced", classes=np.arange(2), y=labels[train, column])
        np.testing.assert_allclose(both[:, column], expected[labels[:, column].astype(int)], rtol=1e-6)


def test_balanced_weights_of_words_leave_out_what_is_none_and_what_only_validation_has_counts_1() -> None:
    target = np.array([[0, 0, 1], [0, -1, -1], [2, 1, -1]], np.int32)
    weight = class_weights.of_targets(target, np.array([0, 1]), True, True)
    np.testing.assert_allclose(weight.ravel(), [2 / 3, 2 / 3, 2, 2 / 3, 0, 0, 1, 2, 0], rtol=1e-6)
    assert class_weights.of_targets(target, np.array([0]), False, True).tolist() == [[1, 1, 1], [1, 0, 0], [1, 1, 0]]


def test_a_batch_of_words_is_padded_with_targets_of_no_weight() -> None:
    target = np.array([[1, 2], [2, -1]], np.int32)
    batch = Batch(np.array([[1, -1]]), 4)
    weight = class_weights.of_targets(target, np.arange(2), False, True)
    assert pad(weight, batch).tolist() == [[1, 0], [0, 0]]


def test_balanced_classes_share_the_weight_whatever_the_batches_hold() -> None:
    rng = np.random.default_rng(7)
    target = (rng.random(20_000) < 0.01).astype(np.float32)
    weight = class_weights.of_targets(target, np.arange(len(target)), True, False)
    logit = np.zeros(len(target), np.float32)
    slopes = []
    for rows in np.split(rng.permutation(len(target)), len(target) // 20):
        part = tf.constant(logit[rows])
        with tf.GradientTape() as tape:
            tape.watch(part)
            loss = losses.bce(tf.constant(target[rows]), part, tf.constant(weight[rows]))
        slope = tape.gradient(loss, part).numpy()
        slopes.append((slope[target[rows] > 0].sum(), slope[target[rows] == 0].sum()))
    positive, negative = np.sum(slopes, axis=0)
    assert -positive / (negative - positive) == pytest.approx(0.5, abs=1e-3)


def test_parts_of_a_balanced_step_of_several_outputs_make_the_whole() -> None:
    rng = np.random.default_rng(8)
    target = np.stack([rng.random(32) < 0.1, rng.choice(3, 32, p=[0.8, 0.15, 0.05])], axis=1).astype(np.float32)
    weight = class_weights.of_targets(target, np.arange(32), True, False)
    logit, loss = rng.normal(size=(32, 4)).astype(np.float32), losses.by_name("cross_entropy", TWO)

    def slope(rows: np.ndarray) -> np.ndarray:
        part = tf.constant(logit[rows])
        with tf.GradientTape() as tape:
            tape.watch(part)
            value = loss(tf.constant(target[rows]), part, tf.constant(weight[rows]))
        return np.asarray(tape.gradient(value, part))

    parts = np.concatenate([slope(rows) / 4 for rows in np.split(np.arange(32), 4)])
    np.testing.assert_allclose(parts, slope(np.arange(32)), atol=1e-7)


@pytest.mark.parametrize("recurrent", ["lstm", "gru"])
def test_weight_decay_leaves_every_bias_alone(recurrent: str) -> None:
    built = network(task=TAGS, recurrent=recurrent)
    decayed = {id(variable) for variable in built.decayed()}
    names = {variable.name: id(variable) in decayed for variable in built.head.trainable_variables}
    assert any("bias" in name for name in names)
    assert all(moved == ("bias" not in name) for name, moved in names.items()), names
