"""Metrics: exact, against scikit-learn and brute force."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from sklearn.metrics import accuracy_score, f1_score, log_loss, roc_auc_score

from pipeline import metrics
from pipeline.tasks.binary import Binary


def scores(rows: int, seed: int) -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(seed)
    label = (rng.random(rows) < 0.35).astype(np.int8)
    return label, (rng.normal(size=rows) + label).astype(np.float32)


def test_delong_variance_equals_the_brute_force_one() -> None:
    label, score = scores(60, 1)
    score = np.round(score, 1)  # ties
    positive, negative = score[label == 1], score[label == 0]
    wins = (positive[:, None] > negative) + 0.5 * (positive[:, None] == negative)
    found = metrics._placements(label, score)
    np.testing.assert_allclose(found[0], wins.mean(1), atol=1e-12)
    np.testing.assert_allclose(found[1], wins.mean(0), atol=1e-12)


def test_the_interval_covers_the_truth_about_95_times_in_100() -> None:
    # For scores N(1, 1) against N(0, 1) the true AUC is Phi(1 / sqrt 2) = 0.76025
    inside = 0
    for seed in range(300):
        interval = metrics.auc_interval(*scores(200, seed))
        assert interval is not None
        inside += interval.low <= 0.76025 <= interval.high
    assert 0.91 <= inside / 300 <= 0.985


def test_the_paired_interval_is_narrower_than_two_single_ones() -> None:
    label, score = scores(400, 3)
    other = score + np.random.default_rng(4).normal(size=400).astype(np.float32) * 0.1
    found = metrics.auc_difference(label, score, other)
    single = metrics.auc_interval(label, score)
    assert found is not None
    assert single is not None
    assert found[0] == pytest.approx(roc_auc_score(label, score) - roc_auc_score(label, other), abs=1e-12)
    assert found[1].high - found[1].low < (single.high - single.low) / 2


@pytest.mark.parametrize("label", [np.zeros(5, np.int8), np.ones(5, np.int8)])
def test_one_class_has_no_auc_and_no_interval(label: np.ndarray) -> None:
    score = np.arange(5, dtype=np.float32)
    assert metrics.auc(label, score) is None
    assert metrics.auc_interval(label, score) is None
    assert metrics.auc_difference(label, score, score) is None
    scores = Binary("0", "1").scores(label.astype(np.float32), score)
    assert np.isnan(scores["auc"])
    assert "AUC undefined" in Binary("0", "1").told(scores)


@given(st.lists(st.tuples(st.booleans(), st.sampled_from([0.1, 0.2, 0.35, 0.5, 0.62, 0.9])), min_size=2, max_size=25),
       st.sampled_from(["f1", "accuracy"]))
def test_the_best_threshold_is_the_best_of_all(rows: list[tuple[bool, float]], metric: str) -> None:
    label = np.array([y for y, _ in rows], np.int8)
    probability = np.array([p for _, p in rows], np.float32)
    scorers = {"f1": lambda d: f1_score(label, d, zero_division=0), "accuracy": lambda d: accuracy_score(label, d)}
    score = scorers[metric]
    found = score(probability >= metrics.best_threshold(label, probability, metric))
    # a threshold above every prediction (nothing is positive) is never proposed
    candidates = [float(p) for p in np.unique(probability)]
    assert found == pytest.approx(max(score(probability >= c - 1e-6) for c in candidates))


def test_cross_fitted_score_decides_each_fold_at_the_others_threshold() -> None:
    label, score = scores(90, 5)
    probability, fold = metrics.sigmoid(score), np.arange(90) % 3
    decided = np.zeros(90, bool)
    for one in range(3):
        rest = fold != one
        decided[~rest] = probability[~rest] >= metrics.best_threshold(label[rest], probability[rest], "f1")
    assert metrics.cross_fitted(label, probability, fold, "f1") == f1_score(label, decided)
    assert metrics.cross_fitted(label, probability, np.zeros(90, int), "f1") is None


def test_ranks_within_folds_undo_a_shift_between_folds() -> None:
    label, score = scores(600, 6)
    fold = np.arange(600) % 3
    shifted = score + 5.0 * fold
    apart, together = metrics.auc(label, shifted), metrics.auc(label, score)
    assert apart is not None
    assert together is not None
    assert apart < together - 0.05
    assert metrics.auc(label, metrics.rank_within_folds(shifted, fold)) == pytest.approx(
        metrics.auc(label, metrics.rank_within_folds(score, fold)))


def test_extreme_logits_keep_probability_and_loss_finite() -> None:
    logit = np.array([-500, -3, 3, 500], np.float32)
    label = np.array([1, 0, 1, 0], np.int8)
    assert np.isfinite(metrics.sigmoid(logit)).all()
    assert metrics.log_loss(label, logit) == pytest.approx((500 + 0.04858735 + 0.04858735 + 500) / 4)
    moderate = np.array([-2, 1, 0.3, -0.1], np.float32)
    assert metrics.log_loss(label, moderate) == pytest.approx(log_loss(label, metrics.sigmoid(moderate)), abs=1e-6)
