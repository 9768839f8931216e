"""Losses over a batch, from logits; rows of weight 0 are padding and do not count.

target and logit: float32 [rows] or [rows, labels], 0 or 1 each, whose logits go through sigmoids; or target int32
[rows], a class of the logits float32 [rows, classes], which go through a softmax. weight: float32 [rows].
"""

from collections.abc import Callable
from typing import Any

from pipeline.backend import tf

SMALL = 1e-7  # Keras' epsilon, as in the published loss
GAMMA = 2.0  # the focal loss's exponent, as published


def bce(target: Any, logit: Any, weight: Any) -> Any:
    """Binary cross-entropy, mean over rows and labels: never infinite."""
    _check(target, logit, weight)
    return _mean(tf.nn.sigmoid_cross_entropy_with_logits(labels=target, logits=logit), weight)


def cross_entropy(target: Any, logit: Any, weight: Any) -> Any:
    """Cross-entropy of the softmax, mean over rows: never infinite."""
    _check(target, logit, weight)
    return _mean(tf.nn.sparse_softmax_cross_entropy_with_logits(labels=target, logits=logit), weight)


def focal(target: Any, logit: Any, weight: Any) -> Any:
    """The cross-entropy of each row or label, times (1 - p) ** 2 for p the probability of what is right: what is easy
    hardly counts (Lin et al. 2017, https://arxiv.org/abs/1708.02002)."""
    _check(target, logit, weight)
    if target.dtype == "int32":
        loss = tf.nn.sparse_softmax_cross_entropy_with_logits(labels=target, logits=logit)
    else:
        loss = tf.nn.sigmoid_cross_entropy_with_logits(labels=target, logits=logit)
    return _mean((1 - tf.exp(-loss)) ** GAMMA * loss, weight)


def smooth_f1(target: Any, logit: Any, weight: Any) -> Any:
    """Minus F1 with probabilities in place of decisions: -2 sum(yp) / sum(y + p), over all rows of the batch; of
    several labels or classes, the mean of theirs.

    Without a positive in the batch it is 0 and has no useful gradient: batches should be large. The published
    constant beside the fraction has no gradient; here it guards the division.
    """
    _check(target, logit, weight)
    if target.dtype == "int32":
        target, probability = tf.one_hot(target, logit.shape[-1]), tf.nn.softmax(logit)
    else:
        probability = tf.sigmoid(logit)
    if len(logit.shape) > 1:
        weight = weight[:, None]
    both = tf.reduce_sum(weight * target * probability, axis=0)
    either = tf.reduce_sum(weight * (target + probability), axis=0)
    return tf.reduce_mean(-2 * both / (either + SMALL))


def _mean(losses: Any, weight: Any) -> Any:
    if len(losses.shape) > 1:
        losses = tf.reduce_mean(losses, axis=-1)
    return tf.reduce_sum(weight * losses) / tf.reduce_sum(weight)


def _check(target: Any, logit: Any, weight: Any) -> None:
    """[rows] times [rows, 1] would broadcast to [rows, rows] and give a wrong loss without a word."""
    of_target, of_logit, of_weight = (tuple(tensor.shape) for tensor in (target, logit, weight))
    fits = of_logit[:1] == of_target and len(of_logit) == 2 if target.dtype == "int32" else of_logit == of_target
    if not fits or of_weight != of_logit[:1]:
        raise ValueError(f"target, logit and weight must all be [rows], or logit [rows, outputs], got {of_target}, "
                         f"{of_logit}, {of_weight}")


LOSSES: dict[str, Callable[[Any, Any, Any], Any]] = {
    "bce": bce, "cross_entropy": cross_entropy, "focal": focal, "smooth_f1": smooth_f1}
