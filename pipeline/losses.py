"""Losses over a batch: label, logit and weight are float32 [rows]; a row of weight 0 is padding and does not count."""

from collections.abc import Callable
from typing import Any

from pipeline.backend import tf

SMALL = 1e-7  # Keras' epsilon, as in the published loss


def bce(label: Any, logit: Any, weight: Any) -> Any:
    """Binary cross-entropy, mean over the rows, from logits: never infinite."""
    _same_shape(label, logit, weight)
    losses = tf.nn.sigmoid_cross_entropy_with_logits(labels=label, logits=logit)
    return tf.reduce_sum(weight * losses) / tf.reduce_sum(weight)


def smooth_f1(label: Any, logit: Any, weight: Any) -> Any:
    """Minus F1 with probabilities in place of decisions: -2 sum(yp) / sum(y + p), over all rows of the batch.

    Without a positive in the batch it is 0 and has no useful gradient: batches should be large. The published
    constant beside the fraction has no gradient; here it guards the division.
    """
    _same_shape(label, logit, weight)
    probability = tf.sigmoid(logit)
    both = tf.reduce_sum(weight * label * probability)
    either = tf.reduce_sum(weight * (label + probability))
    return -2 * both / (either + SMALL)


def _same_shape(label: Any, logit: Any, weight: Any) -> None:
    """[rows] times [rows, 1] would broadcast to [rows, rows] and give a wrong loss without a word."""
    shapes = [tuple(tensor.shape) for tensor in (label, logit, weight)]
    if len(set(shapes)) > 1 or len(shapes[0]) != 1:
        raise ValueError(f"label, logit and weight must all be [rows], got {shapes}")


LOSSES: dict[str, Callable[[Any, Any, Any], Any]] = {"bce": bce, "smooth_f1": smooth_f1}
