"""Losses over a batch, from logits, or from values; what has weight 0 is padding and does not count.

target and weight: [rows], or [rows, labels], or [rows, words]. A float32 target is 0 or 1, and its logit, float32 of
the same shape, goes through a sigmoid. An int32 target is a class, and its logit, float32 [..., classes], goes through
a softmax; below 0 it is none, and its weight 0. Where rows have a share of each class, that target is float32
[rows, classes], and losses are those of OF_SHARES. weight: float32, how much each target counts, [rows] of shares.
"""

from collections.abc import Callable
from typing import Any

from pipeline.backend import tf
from pipeline.tasks import Task

SMALL = 1e-7  # Keras' epsilon, as in the published loss
GAMMA = 2.0  # the focal loss's exponent, as published
Loss = Callable[[Any, Any, Any], Any]


def bce(target: Any, logit: Any, weight: Any) -> Any:
    """Binary cross-entropy, mean over rows and labels: never infinite."""
    _check(target, logit, weight)
    return _mean(tf.nn.sigmoid_cross_entropy_with_logits(labels=target, logits=logit), weight)


def cross_entropy(target: Any, logit: Any, weight: Any) -> Any:
    """Cross-entropy of the softmax, mean over rows or words: never infinite."""
    _check(target, logit, weight)
    return _mean(tf.nn.sparse_softmax_cross_entropy_with_logits(labels=tf.maximum(target, 0), logits=logit), weight)


def focal(target: Any, logit: Any, weight: Any) -> Any:
    """The cross-entropy of each row, label or word, times (1 - p) ** 2 for p the probability of what is right: what is
    easy hardly counts (Lin et al. 2017, https://arxiv.org/abs/1708.02002)."""
    _check(target, logit, weight)
    if target.dtype == "int32":
        loss = tf.nn.sparse_softmax_cross_entropy_with_logits(labels=tf.maximum(target, 0), logits=logit)
    else:
        loss = tf.nn.sigmoid_cross_entropy_with_logits(labels=target, logits=logit)
    return _mean((1 - tf.exp(-loss)) ** GAMMA * loss, weight)


def smooth_f1(target: Any, logit: Any, weight: Any) -> Any:
    """Minus F1 with probabilities in place of decisions: -2 sum(yp) / sum(y + p), over all rows of the batch; of
    several labels or classes, the mean of theirs; of words, over all words, the mean of all tags but the first, O.

    Without a positive in the batch it is 0 and has no useful gradient: batches should be large. The published
    constant beside the fraction has no gradient; here it guards the division.
    """
    _check(target, logit, weight)
    of_words = len(logit.shape) == 3
    if of_words:
        target, weight = tf.reshape(target, [-1]), tf.reshape(weight, [-1])
        logit = tf.reshape(logit, [-1, logit.shape[-1]])
    if target.dtype == "int32":
        target, probability = tf.one_hot(target, logit.shape[-1]), tf.nn.softmax(logit)
        weight = weight[:, None]
    else:
        probability = tf.sigmoid(logit)
    loss = _smooth_f1(target, probability, weight)
    return tf.reduce_mean(loss[1:] if of_words else loss)


def cross_entropy_of_shares(share: Any, logit: Any, weight: Any) -> Any:
    """Cross-entropy of the softmax against shares of the classes, mean over rows."""
    _check_shares(share, logit, weight)
    return _mean(tf.nn.softmax_cross_entropy_with_logits(labels=share, logits=logit), weight)


def focal_of_shares(share: Any, logit: Any, weight: Any) -> Any:
    """``focal`` of each class, times its share, mean over rows."""
    _check_shares(share, logit, weight)
    log = tf.nn.log_softmax(logit)
    return _mean(-tf.reduce_sum(share * (1 - tf.exp(log)) ** GAMMA * log, axis=-1), weight)


def smooth_f1_of_shares(share: Any, logit: Any, weight: Any) -> Any:
    """``smooth_f1`` of classes whose shares stand for labels."""
    _check_shares(share, logit, weight)
    return tf.reduce_mean(_smooth_f1(share, tf.nn.softmax(logit), weight[:, None]))


def mse(target: Any, value: Any, weight: Any) -> Any:
    """The mean squared error over rows and columns."""
    _check(target, value, weight)
    return _mean((target - value) ** 2, weight)


def mae(target: Any, value: Any, weight: Any) -> Any:
    """The mean absolute error over rows and columns."""
    _check(target, value, weight)
    return _mean(tf.abs(target - value), weight)


def huber(target: Any, value: Any, weight: Any) -> Any:
    """Squared up to a standard deviation, straight beyond it: an outlier pulls no harder than that (Huber 1964,
    https://doi.org/10.1214/aoms/1177703732)."""
    _check(target, value, weight)
    error = tf.abs(target - value)
    return _mean(tf.where(error < 1, error**2 / 2, error - 0.5), weight)


def rmse(target: Any, value: Any, weight: Any) -> Any:
    """The root of the mean squared error over the batch; of several columns, the mean of theirs."""
    _check(target, value, weight)
    error = tf.reduce_sum(weight * (target - value) ** 2, axis=0) / tf.reduce_sum(weight, axis=0)
    return tf.reduce_mean(tf.sqrt(error + SMALL))


def correlation(target: Any, value: Any, weight: Any) -> Any:
    """1 - Pearson's r over the batch; of several columns, the mean of theirs. Does not see a shift or a stretch."""
    _check(target, value, weight)
    total = tf.reduce_sum(weight, axis=0)
    y, p = (part - tf.reduce_sum(weight * part, axis=0) / total for part in (target, value))
    both, own, other = (tf.reduce_sum(weight * part, axis=0) / total for part in (y * p, y * y, p * p))
    return tf.reduce_mean(1 - both / tf.sqrt(own * other + SMALL))


def smooth_qwk(target: Any, value: Any, weight: Any) -> Any:
    """1 - quadratic weighted kappa of values as they are, not rounded: the mean squared error over what it would be if
    values were dealt to the rows at random, which is 1 - Lin's concordance correlation (1989,
    https://doi.org/10.2307/2532051)."""
    _check(target, value, weight)
    total = tf.reduce_sum(weight)
    means = [tf.reduce_sum(weight * part) / total for part in (target, value)]
    spread = [tf.reduce_sum(weight * (part - mean) ** 2) / total for part, mean in
              zip((target, value), means, strict=True)]
    error = tf.reduce_sum(weight * (target - value) ** 2) / total
    return error / (spread[0] + spread[1] + (means[0] - means[1]) ** 2 + SMALL)


def by_name(name: str, task: Task, head: Any = None, shares: bool = False) -> Loss:
    """The loss of that name for the task: of several outputs, the weighted sum of theirs, where cross_entropy is bce of
    an output of two labels; of numbers, of standardised ones. head: the network's, which knows their scale; shares:
    whether the target of classes is a share of each."""
    if shares:
        return OF_SHARES[name]
    if len(task.outputs) > 1:
        return _of_outputs(name, task)
    loss, link = LOSSES[name], task.links[0]
    if name in OF_VALUES and task.cumulative:
        # the number of grades reached, in truth and as the probabilities add up to
        return lambda target, logit, weight: loss(tf.reduce_sum(target, axis=-1),
                                                  tf.reduce_sum(tf.sigmoid(logit), axis=-1), weight[..., 0])
    if link.function == "identity":
        return lambda target, value, weight: loss(head.standardised(target), head.standardised(value), weight)
    if link.function == "sigmoid" and (name in OF_VALUES or (link.low, link.high) != (0, 1)):

        def of_share(target: Any, logit: Any, weight: Any) -> Any:
            share = (target - link.low) / (link.high - link.low)
            return loss(share, tf.sigmoid(logit) if name in OF_VALUES else logit, weight)

        return of_share
    return loss


def _of_outputs(name: str, task: Task) -> Loss:
    def of_outputs(target: Any, logit: Any, weight: Any) -> Any:
        total, at = 0.0, 0
        for number, (outputs, share) in enumerate(zip(task.outputs, task.loss_weights, strict=True)):
            if outputs == 1:
                own = LOSSES["bce" if name == "cross_entropy" else name]
                loss = own(target[:, number], logit[:, at], weight[:, number])
            else:
                loss = LOSSES[name](tf.cast(target[:, number], tf.int32), logit[:, at:at + outputs], weight[:, number])
            total, at = total + share * loss, at + outputs
        return total

    return of_outputs


OF_VALUES: dict[str, Loss] = {"mse": mse, "mae": mae, "huber": huber, "rmse": rmse, "correlation": correlation,
                              "smooth_qwk": smooth_qwk}
OF_SHARES: dict[str, Loss] = {"cross_entropy": cross_entropy_of_shares, "focal": focal_of_shares,
                              "smooth_f1": smooth_f1_of_shares}
LOSSES: dict[str, Loss] = {"bce": bce, "cross_entropy": cross_entropy, "focal": focal, "smooth_f1": smooth_f1,
                           **OF_VALUES}


def _smooth_f1(target: Any, probability: Any, weight: Any) -> Any:
    both = tf.reduce_sum(weight * target * probability, axis=0)
    either = tf.reduce_sum(weight * (target + probability), axis=0)
    return -2 * both / (either + SMALL)


def _mean(losses: Any, weight: Any) -> Any:
    """Over what is no padding. Weights are not divided by: balanced ones are 1 on average over a fold's training rows,
    and a batch in which a rare class is missing must not count for more than its rows."""
    return tf.reduce_sum(weight * losses) / tf.reduce_sum(tf.cast(weight > 0, tf.float32))


def _check_shares(share: Any, logit: Any, weight: Any) -> None:
    of_share, of_logit, of_weight = (tuple(tensor.shape) for tensor in (share, logit, weight))
    if of_share != of_logit or of_weight != of_share[:-1]:
        raise ValueError(f"shares and logits must be alike, [rows, classes], and weight [rows]; got {of_share}, "
                         f"{of_logit}, {of_weight}")


def _check(target: Any, logit: Any, weight: Any) -> None:
    """[rows] times [rows, 1] would broadcast to [rows, rows] and give a wrong loss without a word."""
    of_target, of_logit, of_weight = (tuple(tensor.shape) for tensor in (target, logit, weight))
    if of_weight != of_target or (of_logit[:-1] if target.dtype == "int32" else of_logit) != of_target:
        raise ValueError(f"target and weight must be alike, and logit too, or of an int32 target [..., classes]; got "
                         f"{of_target}, {of_weight}, {of_logit}")
