"""Selection over epochs as Keras' callbacks do it, and the optimizer as Keras' is."""

import numpy as np
import pytest

from pipeline.backend import keras, tf
from pipeline.config.training import Stage1
from pipeline.training.monitor import Monitor
from pipeline.training.optimizer import Optimizer


def follow(scores: list[float], **recipe: object) -> tuple[list[bool], list[int], int]:
    """For each epoch whether it was best so far and the halvings after it; and the epoch at which training stops."""
    settings = {"warmup": 0.0, "decay": "none", "monitor": "accuracy"} | recipe
    monitor = Monitor(Stage1.model_validate(settings), -1 if settings.get("monitor") == "loss" else 1)
    best, halvings = [], []
    for score in scores:
        best.append(monitor.improved({"accuracy": score, "loss": score}))
        halvings.append(monitor.halvings)
        if monitor.stop:
            break
    return best, halvings, len(best)


def test_ties_keep_the_earliest_epoch() -> None:
    assert follow([0.5, 0.7, 0.7, 0.6, 0.8])[0] == [True, True, False, False, True]


def test_a_loss_is_best_where_it_is_lowest() -> None:
    assert follow([0.5, 0.7, 0.4], monitor="loss")[0] == [True, False, True]


def test_an_undefined_first_score_still_gives_a_best_epoch() -> None:
    nan = float("nan")
    assert follow([nan, nan])[0][0]
    assert follow([nan, 0.5, 0.4])[0] == [True, True, False]


@pytest.mark.parametrize(("scores", "stops_at"), [
    ([0.5, 0.4, 0.4, 0.4, 0.9], 4),
    ([0.5, 0.4, 0.4, 0.6, 0.5, 0.5, 0.5, 0.5], 7),
    ([0.1, 0.2, 0.3], 3),
])
def test_early_stopping_ends_after_three_epochs_without_improvement(scores: list[float], stops_at: int) -> None:
    assert follow(scores, early_stopping=3)[2] == stops_at


def test_the_rate_halves_after_two_epochs_on_a_plateau_and_waits_again() -> None:
    assert follow([0.5, 0.5, 0.5, 0.5, 0.5], plateau=2)[1] == [0, 0, 1, 1, 2]
    # an improvement below Keras' min_delta of 1e-4 does not count
    assert follow([0.5, 0.50005, 0.50009, 0.6], plateau=2)[1] == [0, 0, 1, 1]


def descended(recipe: Stage1, decayed: bool, rates: dict[str, float] | None = None) -> list[list[float]]:
    """Two variables after five steps of an optimizer on fixed gradients."""
    first, second = tf.Variable([1.0, -2.0], name="bert/first"), tf.Variable([[0.5]], name="head/second")
    optimizer = Optimizer(recipe, [first, second], [first] if decayed else [], rates)
    for step in range(5):
        optimizer.set_rate(0.1 / (step + 1))
        optimizer.apply([tf.constant([0.3 * step, -1.0]), tf.constant([[2.0]])])
    return [variable.numpy().ravel().tolist() for variable in (first, second)]


@pytest.mark.parametrize("decay", [0.0, 0.2])
def test_the_optimizer_is_keras_adamw(decay: float) -> None:
    variables = [tf.Variable([1.0, -2.0]), tf.Variable([[0.5]])]
    reference = keras.optimizers.AdamW(weight_decay=decay)
    reference.exclude_from_weight_decay(variables[1:])
    reference.build(variables)
    for step in range(5):
        reference.learning_rate.assign(0.1 / (step + 1))
        given = tf.constant([0.3 * step, -1.0]), tf.constant([[2.0]])
        clipped, _ = tf.clip_by_global_norm(given, 1.5)
        reference.apply_gradients(zip(clipped, variables, strict=True))
    ours = descended(Stage1(weight_decay=decay, clip_norm=1.5), decayed=True)
    for variable, values in zip(variables, ours, strict=True):
        np.testing.assert_allclose(values, variable.numpy().ravel(), rtol=1e-6)


def test_a_rate_can_be_given_by_a_pattern_of_names() -> None:
    plain = descended(Stage1(clip_norm=0.0), decayed=False)
    other = descended(Stage1(clip_norm=0.0), decayed=False, rates={"^head": 0.0, "second": 9.0})
    assert other == [plain[0], [0.5]]


def test_the_chain_says_what_it_does() -> None:
    variables = [tf.Variable([1.0])]
    assert list(Optimizer(Stage1(), variables, []).chain) == ["clip by global norm", "decay weights", "adam"]
    assert list(Optimizer(Stage1(optimizer="adam", weight_decay=0.0, clip_norm=0.0), variables, []).chain) == ["adam"]
