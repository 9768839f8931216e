"""Scores of one label, all exact: scikit-learn's. Nothing here is estimated from batches."""

from typing import Any

import numpy as np
import numpy.typing as npt

from pipeline.lazy import lazily

sk, stats = lazily("sklearn.metrics"), lazily("scipy.stats")
Labels = npt.NDArray[np.integer]
Scores = npt.NDArray[np.floating]
Groups = npt.NDArray[np.int64]  # of each row the number of its group, from 0


def sigmoid(logit: npt.NDArray[np.float32]) -> npt.NDArray[np.float32]:
    """float32 probability of a float32 logit, without overflow."""
    return (0.5 * (1 + np.tanh(0.5 * logit.astype(np.float64)))).astype(np.float32)


def auc(label: Labels, score: Scores) -> float | None:
    """Area under the ROC curve; None where a class is missing, for then it is not defined."""
    if len(np.unique(label)) < 2:
        return None
    return float(sk.roc_auc_score(label, score))


def f1(label: Labels, probability: Scores, threshold: float = 0.5) -> float:
    """F1 of the positive class at a threshold; 0 where nothing is predicted positive."""
    return float(sk.f1_score(label, probability >= threshold, zero_division=0))


def accuracy(label: Labels, probability: Scores, threshold: float = 0.5) -> float:
    """Share of right decisions at a threshold."""
    return float(sk.accuracy_score(label, probability >= threshold))


def average_precision(label: Labels, score: Scores) -> float | None:
    """Area under the precision-recall curve; None without a positive."""
    return float(sk.average_precision_score(label, score)) if label.any() else None


def log_loss(label: npt.NDArray[Any], logit: Scores) -> float:
    """Mean negative log-likelihood in nats, from logits so that no probability is rounded to 0 or 1."""
    return float(np.mean(log_losses(label, logit)))


def log_losses(label: npt.NDArray[Any], logit: Scores) -> Scores:
    """float64, of the same shape: the negative log-likelihood of each label."""
    wide = logit.astype(np.float64)
    return np.logaddexp(0, wide) - label * wide


def rank_within_folds(score: Scores, fold: npt.NDArray[np.integer]) -> Scores:
    """Scores replaced by their rank within their fold, scaled to 0..1: takes out a shift between folds."""
    ranks = np.zeros(len(score))
    for number in np.unique(fold):
        inside = fold == number
        ranks[inside] = stats.rankdata(score[inside].astype(np.float64)) / inside.sum()
    return ranks
