"""Selection over epochs: best, plateau, early stopping, as Keras' callbacks do it."""

import pytest

from pipeline.config.training import Stage1
from pipeline.training.loop import Watch


def follow(scores: list[float], **recipe: object) -> tuple[list[bool], list[int], int]:
    """For each epoch whether it was best so far and the halvings after it; and the epoch at which training stops."""
    settings = {"warmup": 0.0, "decay": "none", "monitor": "accuracy"} | recipe
    watch = Watch(Stage1.model_validate(settings))
    best, halvings = [], []
    for score in scores:
        best.append(watch.improved({"accuracy": score, "loss": score}))
        halvings.append(watch.halvings)
        if watch.stop:
            break
    return best, halvings, len(best)


def test_ties_keep_the_earliest_epoch() -> None:
    assert follow([0.5, 0.7, 0.7, 0.6, 0.8])[0] == [True, True, False, False, True]


def test_a_loss_is_best_where_it_is_lowest() -> None:
    assert follow([0.5, 0.7, 0.4], monitor="loss")[0] == [True, False, True]


def test_an_undefined_first_score_still_gives_a_best_epoch() -> None:
    nan = float("nan")
    assert follow([nan, nan])[0][0]


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
