"""Metrics: exact, against scikit-learn and brute force."""

import numpy as np
import pytest
from scipy import stats
from sklearn.metrics import f1_score, log_loss, roc_auc_score

from pipeline.metrics import confusion, intervals, registry
from pipeline.metrics import scores as exact
from pipeline.metrics.thresholds import best_threshold
from pipeline.tasks.binary import Binary


def scores(rows: int, seed: int) -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(seed)
    label = (rng.random(rows) < 0.35).astype(np.int8)
    return label, (rng.normal(size=rows) + label).astype(np.float32)


def alone(rows: int) -> np.ndarray:
    """Each row a group of its own."""
    return np.arange(rows, dtype=np.int64)


def test_an_interval_of_single_rows_is_delongs() -> None:
    label, score = scores(60, 1)
    score = np.round(score, 1)  # ties
    positive, negative = score[label == 1], score[label == 0]
    wins = (positive[:, None] > negative) + 0.5 * (positive[:, None] == negative)
    variance = wins.mean(1).var(ddof=1) / len(positive) + wins.mean(0).var(ddof=1) / len(negative)
    area = float(roc_auc_score(label, score))
    middle, half = np.log(area / (1 - area)), 1.959964 * np.sqrt(variance) / (area * (1 - area))
    interval = intervals.auc_interval(label, score, alone(60))
    assert interval is not None
    assert interval.low == pytest.approx(1 / (1 + np.exp(half - middle)), abs=1e-12)
    assert interval.high == pytest.approx(1 / (1 + np.exp(-half - middle)), abs=1e-12)


def test_the_interval_covers_the_truth_about_95_times_in_100() -> None:
    # For scores N(1, 1) against N(0, 1) the true AUC is Phi(1 / sqrt 2) = 0.76025
    inside = 0
    for seed in range(300):
        interval = intervals.auc_interval(*scores(200, seed), alone(200))
        assert interval is not None
        inside += interval.low <= 0.76025 <= interval.high
    assert 0.91 <= inside / 300 <= 0.985


def copied(texts: int, seed: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Labels, scores and groups of texts, some of which are there up to 40 times, with one label and one score each."""
    rng = np.random.default_rng(seed)
    label, score = scores(texts, seed)
    group = np.repeat(np.arange(texts), np.where(rng.random(texts) < 0.05, rng.integers(2, 41, texts), 1))
    return label[group], score[group], group.astype(np.int64)


def test_copies_of_a_text_are_one_case_to_every_interval() -> None:
    inside = dict.fromkeys(("auc", "paired", "share", "mean"), 0)
    draws = 300
    for seed in range(draws):
        label, score, group = copied(400, seed)
        rng = np.random.default_rng([seed, 1])
        other = score + rng.normal(size=400).astype(np.float32)[group]
        area, paired = intervals.auc_interval(label, score, group), intervals.auc_difference(label, score, other, group)
        hit = (score >= 0.5) == (label == 1)
        share = intervals.share_interval(hit, group)
        mean = intervals.mean_interval(hit.astype(float), group)
        assert area is not None
        assert paired is not None
        assert share is not None
        assert mean is not None
        inside["auc"] += area.low <= 0.76025 <= area.high
        # sd 1 of its own and 1 of noise: Phi(1 / 2)  -> 0.69146 for two classes of variance 2
        inside["paired"] += paired[1].low <= 0.76025 - 0.69146 <= paired[1].high
        inside["share"] += share.low <= 0.69146 <= share.high
        inside["mean"] += mean.low <= 0.69146 <= mean.high
    assert all(0.89 <= count / draws <= 0.985 for count in inside.values()), inside


def test_intervals_without_copies_are_as_published() -> None:
    hit = np.arange(50) < 37
    share = intervals.share_interval(hit, alone(50))
    sure = intervals.share_interval(np.ones(40, bool), np.repeat(np.arange(10), 4))
    assert share is not None
    assert sure is not None
    assert share.low == pytest.approx(stats.binomtest(37, 50).proportion_ci(method="wilson").low, abs=1e-7)
    assert intervals.share_interval(hit, np.zeros(50, np.int64)) is None
    assert sure.low == pytest.approx(stats.binomtest(10, 10).proportion_ci(method="wilson").low, abs=1e-7)
    mean = intervals.mean_interval(hit.astype(float), alone(50))
    assert mean is not None
    assert mean.high - mean.low == pytest.approx(2 * 1.959964 * hit.std(ddof=1) / np.sqrt(50))


def test_a_class_in_one_group_has_no_interval() -> None:
    label, score = scores(40, 2)
    assert intervals.auc_interval(label, score, np.where(label == 1, 0, alone(40) + 1)) is None
    assert intervals.auc_difference(label, score, -score, np.where(label == 1, 0, alone(40) + 1)) is None


def test_the_paired_interval_is_narrower_than_two_single_ones() -> None:
    label, score = scores(400, 3)
    other = score + np.random.default_rng(4).normal(size=400).astype(np.float32) * 0.1
    difference = intervals.auc_difference(label, score, other, alone(400))
    single = intervals.auc_interval(label, score, alone(400))
    assert difference is not None
    assert single is not None
    assert difference[0] == pytest.approx(roc_auc_score(label, score) - roc_auc_score(label, other), abs=1e-12)
    assert difference[1].high - difference[1].low < (single.high - single.low) / 2


@pytest.mark.parametrize("label", [np.zeros(5, np.int8), np.ones(5, np.int8)])
def test_one_class_has_no_auc_and_no_interval(label: np.ndarray) -> None:
    score = np.arange(5, dtype=np.float32)
    assert exact.auc(label, score) is None
    assert intervals.auc_interval(label, score, alone(5)) is None
    assert intervals.auc_difference(label, score, score, alone(5)) is None
    scores = Binary("0", "1").epoch_scores(label.astype(np.float32), score)
    assert np.isnan(scores["auc"])
    assert "AUC undefined" in Binary("0", "1").format_scores(scores)


def test_nothing_is_positive_where_that_is_most_often_right() -> None:
    label, alike = np.array([1] * 5 + [0] * 95, np.int8), np.full(100, 0.05, np.float32)
    assert exact.accuracy(label, alike, best_threshold(label, alike, confusion.accuracy)) == 0.95
    sure = np.ones(100, np.float32)
    assert not (sure >= best_threshold(label, sure, confusion.accuracy)).any()


def test_a_threshold_decides_alike_in_float32_and_float64() -> None:
    upper = np.nextafter(np.float32(0.5), np.float32(1))
    label, probability = np.array([1, 0], np.int8), np.array([upper, 0.5], np.float32)
    threshold = best_threshold(label, probability, confusion.f_beta(1))
    assert (probability >= threshold).tolist() == [p >= threshold for p in probability.tolist()] == [True, False]


def test_cross_fitted_score_decides_each_fold_at_the_others_threshold() -> None:
    label, score = scores(90, 5)
    probability, fold = exact.sigmoid(score), np.arange(90) % 3
    decided = np.zeros(90, bool)
    for one in range(3):
        rest = fold != one
        decided[~rest] = probability[~rest] >= best_threshold(label[rest], probability[rest], confusion.f_beta(1))
    task, by = Binary("0", "1"), registry.named("binary", "f1")
    assert task._cross_fitted(label, probability, fold, by) == f1_score(label, decided)
    assert task._cross_fitted(label, probability, np.zeros(90, int), by) is None


def test_ranks_within_folds_undo_a_shift_between_folds() -> None:
    label, score = scores(600, 6)
    fold = np.arange(600) % 3
    shifted = score + 5.0 * fold
    apart, together = exact.auc(label, shifted), exact.auc(label, score)
    assert apart is not None
    assert together is not None
    assert apart < together - 0.05
    assert exact.auc(label, exact.rank_within_folds(shifted, fold)) == pytest.approx(
        exact.auc(label, exact.rank_within_folds(score, fold)))


def test_extreme_logits_keep_probability_and_loss_finite() -> None:
    logit = np.array([-500, -3, 3, 500], np.float32)
    label = np.array([1, 0, 1, 0], np.int8)
    assert np.isfinite(exact.sigmoid(logit)).all()
    assert exact.log_loss(label, logit) == pytest.approx((500 + 0.04858735 + 0.04858735 + 500) / 4)
    moderate = np.array([-2, 1, 0.3, -0.1], np.float32)
    assert exact.log_loss(label, moderate) == pytest.approx(log_loss(label, exact.sigmoid(moderate)), abs=1e-6)
