"""Dropout whose random numbers follow from a seed alone, on any device and in any order of operations."""

from typing import Any

from pipeline.backend import tf

SITES = 256  # more than an encoder and its head have dropouts
HEAD_SITE = SITES - 1


def drop(x: Any, share: float, seed: Any, site: int) -> Any:
    """A share of x set to 0 and the rest scaled up; x as it is without a seed.

    seed: int32 [2]; site: which of the model's dropouts this is.
    """
    if seed is None or not share:
        return x
    kept = _hashed(of_site(seed, site), x.shape) >= round(share * 2**32)
    return tf.where(kept, x / (1 - share), 0)


def of_site(seed: Any, site: int) -> Any:
    """A seed of its own for each dropout of a step: int32 [2]."""
    return tf.stack([seed[0], seed[1] * SITES + site])


def _hashed(seed: Any, shape: Any) -> Any:
    """Random uint32 of a shape: each element's number, hashed with the seed, int32 [2].

    XLA fuses it into the operation that reads it and vectorises it, which it does not do with its own generators.
    Wellons' triple32, whose bias is that of a perfect hash as far as he could measure
    (https://nullprogram.com/blog/2018/07/31/).
    """
    key = tf.bitcast(seed, tf.uint32)
    x = tf.reshape(tf.range(shape.num_elements(), dtype=tf.int32), shape)
    x = tf.bitcast(x, tf.uint32) * tf.constant(2654435769, tf.uint32) + _mixed(_mixed(key[0]) + key[1])
    return _mixed(x)


def _mixed(x: Any) -> Any:
    for shift, factor in ((17, 0xED5AD4BB), (11, 0xAC4C1B51), (15, 0x31848BAB)):
        x = tf.bitwise.bitwise_xor(x, tf.bitwise.right_shift(x, tf.constant(shift, tf.uint32)))
        x *= tf.constant(factor, tf.uint32)
    return tf.bitwise.bitwise_xor(x, tf.bitwise.right_shift(x, tf.constant(14, tf.uint32)))
