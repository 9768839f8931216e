"""Encoder, head and losses: what a score depends on, and what training moves."""

import dataclasses
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from pipeline.arrays import Tensors
from pipeline.backend import SeqSelfAttention, tf
from pipeline.checkpoints import encoder_config
from pipeline.config.data import Data
from pipeline.config.model import Bert, Head, Tokens
from pipeline.config.run import Config
from pipeline.config.training import Stage1, Stage2
from pipeline.model import losses
from pipeline.model.encoders.keras_bert import KerasBert
from pipeline.model.encoders.packed_bert import PackedBert
from pipeline.model.heads import ClsAttention, RowHead
from pipeline.model.losses import LOSSES
from pipeline.model.network import Network
from pipeline.tasks import Task
from pipeline.tasks.binary import Binary
from pipeline.text.packing import Batch, Plan
from pipeline.text.token_table import TokenTable
from pipeline.training.encoder_outputs import FeatureTable, compute
from pipeline.training.fine_tuning import CellData, Trainer
from pipeline.training.proofs import none_moved
from tests.toy import TINY

LENGTHS = np.array([5, 9, 3, 12, 7, 12, 4, 9])
ALL = np.arange(len(LENGTHS))
BINARY = Binary("0", "1")
USED = np.arange(TINY.vocab_size)
NO_WORDS = np.zeros([2, 2, 0], np.int32)


def network(batches: str = "packed", dropout: float = 0.1, used: np.ndarray = USED, seed: int = 5, xla: bool = True,
            task: Task = BINARY, **head: Any) -> Network:
    config = Config(name="t", data=Data(train="a", test="b"), bert=Bert(checkpoint="c", dropout=dropout),
                    tokens=Tokens.model_validate({"batches": batches}), stage2=Stage2(batch_size=8)
                    ).model_copy(update={"head": Head(**head)})
    built = Network(TINY, config, used, task, xla)
    weights = encoder_config.random_tensors(TINY, 3)
    built.start({name: values * (20 if name.endswith("kernel") else 1) for name, values in weights.items()}, seed)
    return built


def token_rows(seed: int = 0) -> TokenTable:
    rng = np.random.default_rng(seed)
    ids = rng.integers(6, TINY.vocab_size, LENGTHS.sum()).astype(np.int32)
    return TokenTable(ids, np.concatenate([[0], np.cumsum(LENGTHS)]), (LENGTHS - LENGTHS % 2).astype(np.int32))


def plan_of(slots: int, rows: np.ndarray = ALL) -> Plan:
    """A plan whose bins hold that many rows, a little wider than they need."""
    return Plan(slots, int(max(batch.width for batch in Plan().ordered(LENGTHS, rows, 8))) * slots)


def probabilities(built: Network, rows: TokenTable, batch: Batch) -> np.ndarray:
    """float32 [rows], in the order of ``LENGTHS``; nan for a row that is not in the batch."""
    found = np.full(len(LENGTHS), np.nan, np.float32)
    values = tf.sigmoid(built.logit_of_tokens(*map(tf.constant, rows.batch(batch)))).numpy()
    found[batch.rows.ravel()[batch.filled]] = values[batch.filled]
    return found


def by_layout(built: Network, rows: TokenTable, slots: tuple[int, ...] = (1, 2, 4, 8)) -> list[np.ndarray]:
    """The rows' probabilities one a bin at several widths, alone, and several a bin."""
    found = [probabilities(built, rows, Batch(ALL[:, None], width)) for width in (12, 15, 20, 31)]
    alone = [probabilities(built, rows, Batch(np.array([[row]]), int(length))) for row, length in enumerate(LENGTHS)]
    found.append(np.nanmax(alone, axis=0))
    order = np.random.default_rng(0).permutation(ALL)
    return found + [probabilities(built, rows, Batch(order.reshape(-1, count), 12 * count)) for count in slots]


@pytest.mark.parametrize("activation", ["none", "softmax"])
def test_a_score_does_not_depend_on_padding_batch_or_its_neighbours_in_a_bin(activation: str) -> None:
    found = by_layout(network(attention_activation=activation), token_rows())
    assert found[0].std() > 0.01  # the scores differ by row, so that equality means something
    for other in found[1:]:
        np.testing.assert_allclose(other, found[0], atol=1e-5)


@pytest.mark.parametrize("masked", [True, False])
def test_the_published_head_fails_that_and_the_masked_one_on_keras_berts_graph_does_not(masked: bool) -> None:
    found = by_layout(network("random", masked=masked, attention_activation="softmax"), token_rows(), slots=())
    assert (max(np.abs(other - found[0]).max() for other in found[1:]) < 1e-5) == masked


@pytest.mark.parametrize(("activation", "layers"), [("gelu_tanh", 1), ("gelu_erf", 2), ("relu", 1)])
def test_the_packed_encoder_is_keras_berts_graph(activation: str, layers: int) -> None:
    config = dataclasses.replace(TINY, activation=activation)
    tensors = {name: values + np.random.default_rng(len(name)).normal(0, 0.1, values.shape).astype(np.float32)
               for name, values in encoder_config.random_tensors(config, 3).items()}
    inputs = [tf.constant(part) for part in token_rows().batch(Batch(ALL[:, None], 12))[:4]]
    outputs = []
    for built in (KerasBert(config, 0.1, layers), PackedBert(config, 0.1, USED, layers=layers)):
        built.load(tensors)
        outputs.append(np.where(inputs[0].numpy()[:, :, None] > 0, built(*inputs).numpy(), 0))
        for name, values in built.dump().items():
            np.testing.assert_array_equal(values, tensors[name])
    np.testing.assert_allclose(outputs[1], outputs[0], atol=1e-5)


def test_bfloat16_products_are_close_and_the_rest_stays_float32() -> None:
    tensors = encoder_config.random_tensors(TINY, 3)
    inputs = [tf.constant(part) for part in token_rows().batch(Batch(ALL.reshape(-1, 4), 48))[:4]]
    outputs = []
    for precision in ("float32", "bfloat16"):
        built = PackedBert(TINY, 0.1, USED, precision)
        built.load(tensors)
        outputs.append(built(*inputs))
        assert {variable.dtype for variable in built.variables} == {tf.float32}
        assert outputs[-1].dtype == tf.float32
    assert 0 < np.abs(outputs[1] - outputs[0]).max() < 0.05


def trained(built: Network, rows: TokenTable, plan: Plan, clip_norm: float = 1.0) -> Tensors:
    """The weights after three steps of stage 1."""
    recipe = Stage1(batch_size=8, learning_rate=1e-2, clip_norm=clip_norm)
    trainer = Trainer(built, recipe, head_only=False, from_vectors=False)
    label = (ALL % 3 == 0).astype(np.float32)
    data = CellData(rows, BINARY, label, label, np.ones_like(label), ALL, ALL, ALL, plan, 8, "cell")
    for step, batch in enumerate(plan.ordered(rows.lengths, ALL, 8) * 3):
        trainer.take([batch], data, 1e-2, (1, step))
    return built.dump()


def test_training_packed_is_training_on_keras_berts_graph() -> None:
    packed = trained(network(dropout=0.0, xla=False), token_rows(), plan_of(4))
    reference = trained(network("random", dropout=0.0, xla=False), token_rows(), Plan())
    assert packed.keys() == reference.keys()
    for name, values in packed.items():
        np.testing.assert_allclose(values, reference[name], atol=2e-4, err_msg=name)


def test_training_on_the_words_that_occur_is_training_on_the_whole_table() -> None:
    rows = token_rows()
    used = np.union1d(rows.ids, [0])
    assert len(used) < TINY.vocab_size
    whole, cut = (trained(network(used=table), rows, plan_of(4)) for table in (USED, used))
    for name, values in whole.items():
        # these biases do not change a softmax: their gradient is rounding, which Adam then scales up
        idle = name.endswith(("key/bias", "Add_ba"))
        np.testing.assert_allclose(cut[name], values, atol=1e-4 if idle else 1e-6, err_msg=name)
    # a text with a token that training never saw is predicted by the weights that are kept, alike
    unseen = TokenTable(np.setdiff1d(USED, used)[:1].astype(np.int32).repeat(9), np.array([0, 4, 9]), np.array([4, 5]))
    logits = []
    for weights in (whole, cut):
        built = network()
        built.load(weights)
        logits.append(built.predict(unseen, np.arange(2), Plan(1, 5), 2))
    np.testing.assert_allclose(logits[0], logits[1], atol=1e-5)


@pytest.mark.parametrize("plan", [Plan(2, 24), Plan(4, 48), Plan()])
def test_predictions_come_back_in_the_order_asked_for(plan: Plan) -> None:
    built, rows = network(), token_rows()
    order = np.array([3, 0, 7, 1, 6])
    whole = built.predict(rows, ALL, plan, 4)
    assert np.isfinite(whole).all()
    np.testing.assert_allclose(built.predict(rows, order, plan, 2), whole[order], atol=1e-5)


def test_equal_texts_are_predicted_once() -> None:
    built = network()
    one = token_rows()
    twice = one.joined(one)
    calls: list[int] = []
    logit_of = built._logit_of_tokens

    def counted(*inputs: Any) -> Any:
        calls.append(1)
        return logit_of(*inputs)

    built._logit_of_tokens = counted
    logit = built.predict(twice, np.arange(16), Plan(4, 48), 8)
    assert len(calls) == 1
    np.testing.assert_array_equal(logit[:8], logit[8:])


def test_frozen_features_give_the_same_logits_and_are_read_again(tmp_path: Path) -> None:
    built, plan = network(), plan_of(4)
    one = token_rows()
    rows = one.joined(one)
    folder = tmp_path / "features"

    def features(name: str, budget: float = 1.0) -> FeatureTable:
        return compute(built, rows, plan, 8, folder / name, budget)

    table = features("a")
    assert table.vectors.shape == (LENGTHS.sum(), TINY.hidden)  # equal texts once
    expected = built.predict(rows, np.arange(16), plan, 8)
    np.testing.assert_allclose(built.predict(table, np.arange(16), plan, 8), expected, atol=1e-6)
    built.load({name: values * 2 for name, values in built.dump().items()})
    again = features("a")
    np.testing.assert_array_equal(again.vectors, table.vectors)
    # a damaged file is not believed
    path = folder / "a" / "vectors.npy"
    path.write_bytes(path.read_bytes()[:-1] + b"x")
    assert not np.array_equal(features("a").vectors, again.vectors)
    # the one unused for longest makes room; what is larger than the budget is used and not kept
    one_file = table.vectors.nbytes * 1.5 / 2**30
    features("b", one_file)
    assert [inside.name for inside in folder.iterdir()] == ["b"]
    assert len(features("c", 0.0).vectors) == LENGTHS.sum()
    assert not list(folder.iterdir())


def test_a_step_of_all_rows_in_parts_is_the_step_of_one_batch() -> None:
    rows, label = token_rows(), (ALL % 3 == 0).astype(np.float32)
    results = []
    for parts in (8, 2):
        built = network()
        recipe = Stage2(learning_rate=1e-2, clip_norm=0.1)
        trainer = Trainer(built, recipe, head_only=True, from_vectors=False)
        data = CellData(rows, BINARY, label, label, np.ones_like(label), ALL, ALL, ALL, Plan(2, 24), parts, "cell")
        loss = trainer.take_all(data, 1e-2)
        results.append((float(loss), built.dump_head()))
    built = network()
    trainer = Trainer(built, recipe, head_only=True, from_vectors=False)
    loss = trainer.take(Plan(2, 24).ordered(LENGTHS, ALL, 8), data, 1e-2, (0, 0))
    results.append((float(loss), built.dump_head()))
    for value, weights in results[1:]:
        assert value == pytest.approx(results[0][0], abs=1e-6)
        for name in weights:
            np.testing.assert_allclose(weights[name], results[0][1][name], atol=1e-5, err_msg=name)


def test_accumulated_parts_make_the_step_of_the_whole_batch() -> None:
    rows, label = token_rows(), (ALL % 3 == 0).astype(np.float32)
    results = []
    for parts, plan in ((1, Plan(4, 48)), (4, Plan(2, 24)), (8, Plan())):
        built = network(dropout=0.0, xla=False)
        trainer = Trainer(built, Stage1(batch_size=8, accumulate=parts), head_only=False, from_vectors=False)
        weight = np.ones_like(label)
        seven = ALL[:7]  # the last part is not full
        data = CellData(rows, BINARY, label, label, weight, seven, ALL, ALL, plan, 8, "cell")
        loss = trainer.take(plan.ordered(LENGTHS, ALL[:7], 8 // parts), data, 1e-2, (0, 0))
        results.append((float(loss), built.dump()))
    for value, weights in results[1:]:
        assert value == pytest.approx(results[0][0], abs=1e-6)
        for name in weights:
            if not name.endswith(("key/bias", "Add_ba")):  # no gradient but rounding
                np.testing.assert_allclose(weights[name], results[0][1][name], atol=1e-4, err_msg=name)


@pytest.mark.parametrize("activation", [None, "softmax"])
def test_cls_attention_is_row_0_of_the_package(activation: str | None) -> None:
    vectors = tf.constant(np.random.default_rng(1).normal(size=(4, 6, 16)).astype(np.float32))
    ours = ClsAttention(32, attention_activation=activation)
    found = ours(vectors, tf.ones([4, 1, 6], tf.bool))
    package = SeqSelfAttention(32, attention_activation=activation)
    package(vectors)
    package.set_weights(ours.get_weights())
    np.testing.assert_allclose(found[:, 0], package(vectors)[:, 0], atol=1e-6)


def test_the_attention_weights_start_different() -> None:
    layer = ClsAttention(32)
    layer(tf.zeros([1, 2, 16]), tf.ones([1, 1, 2], tf.bool))
    assert not np.array_equal(layer.Wt.numpy(), layer.Wx.numpy())


def test_pooling_against_numpy() -> None:
    vectors = np.random.default_rng(2).normal(size=(2, 4, 16)).astype(np.float32)
    member = np.array([[[1, 1, 0, 0], [0, 0, 1, 0]], [[1, 1, 1, 1], [0, 0, 0, 0]]], bool)
    head = RowHead(Head(parts=["average", "max", "cls", "pooler"]), 1, 16)
    logit = head(vectors, member, NO_WORDS).numpy()
    weights = head.dense.get_weights()
    rows = [vectors[0, :2], vectors[0, 2:3], vectors[1]]
    kernel, bias = head.pooler.get_weights()
    pooled = np.stack([np.concatenate([row.mean(0), row.max(0), row[0], np.tanh(row[0] @ kernel + bias)])
                       for row in rows])
    np.testing.assert_allclose(logit[:3], (pooled @ weights[0] + weights[1])[:, 0], atol=1e-5)
    assert np.isfinite(logit[3])  # the empty slot


@pytest.mark.parametrize("batches", ["packed", "random"])
def test_a_start_follows_from_weights_and_seed_alone(batches: str) -> None:
    built = network(batches)
    tensors = encoder_config.random_tensors(TINY, 3)
    inputs = [tf.constant(part) for part in token_rows().batch(Batch(ALL[:, None], 12))]

    def drawn(seed: int, step: int) -> np.ndarray:
        logit: np.ndarray = built.logit_of_tokens(*[*inputs, tf.constant([seed, step])]).numpy()
        return logit

    def first_steps(seed: int) -> list[np.ndarray]:
        built.start(tensors, seed)
        head = built.dump_head()["head/dense/kernel"]
        return [head, *(drawn(seed, step) for step in range(2))]

    once, other, again = first_steps(1), first_steps(2), first_steps(1)
    for a, b, c in zip(once, again, other, strict=True):
        np.testing.assert_array_equal(a, b)
        assert not np.array_equal(a, c)
    assert not np.array_equal(once[1], once[2])  # dropout draws anew each step


def test_dropout_keeps_its_share_and_the_mean() -> None:
    built = PackedBert(TINY, 0.1, USED)
    dropped = built._drop(tf.ones([1001, 101]), tf.constant([1, 2]), 3).numpy()
    assert set(np.unique(dropped)) == {np.float32(0), np.float32(1) / np.float32(0.9)}
    assert (dropped == 0).mean() == pytest.approx(0.1, abs=0.005)  # five standard errors


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
    if name == "focal":
        right = np.where(y == 1, p, 1 - p)
        return float(-np.mean((1 - right) ** 2 * np.log(right)))
    return float(-2 * np.sum(y * p) / np.sum(y + p))


@pytest.mark.parametrize(("name", "loss"), [(name, LOSSES[name]) for name in ("bce", "focal", "smooth_f1")])
class TestLoss:
    """The losses of two labels, on logits of [rows] as the model gives them."""

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
        with pytest.raises(ValueError, match="must be alike"):
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
    none_moved(before, before | {"head/dense/kernel": np.ones(2, np.float32)}, "cell")
    with pytest.raises(AssertionError, match="bert/a/kernel"):
        none_moved(before, before | {"bert/a/kernel": np.array([0, 1e-9], np.float32)}, "cell")
