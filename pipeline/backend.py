"""The one place that imports TensorFlow and the Keras packages: with Keras 2, without start-up chatter."""

import os

os.environ["TF_USE_LEGACY_KERAS"] = "1"  # keras-bert cannot be built with Keras 3
os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")

import contextlib
import logging
import warnings
from collections.abc import Callable, Iterator, Sequence
from typing import Any

from pipeline.errors import OutOfMemoryError

logging.getLogger("tensorflow").setLevel(logging.ERROR)
logging.getLogger("tf_keras").setLevel(logging.ERROR)
warnings.filterwarnings("ignore", module=r"(tf_keras|tensorflow|keras_.*)(\..*)?")


@contextlib.contextmanager
def _quiet_stderr() -> Iterator[None]:
    """TensorFlow's C++ side writes start-up notes past every log level; a failing import still raises."""
    kept = os.dup(2)
    with open(os.devnull, "w") as nowhere:  # noqa: PTH123
        os.dup2(nowhere.fileno(), 2)
    try:
        yield
    finally:
        os.dup2(kept, 2)
        os.close(kept)


with _quiet_stderr():
    import keras_bert
    import tensorflow as tf
    import tf_keras as keras
    from keras_self_attention import SeqSelfAttention
    from tensorflow.core.protobuf.trackable_object_graph_pb2 import TrackableObjectGraph

# Keras' default dropout draws from a process-wide counter under XLA: a fold would depend on what ran before it.
keras.backend.experimental.enable_tf_random_generator()

__all__ = ["SeqSelfAttention", "TrackableObjectGraph", "graph", "keras", "keras_bert", "memory_told", "sizes", "tf",
           "use_threads"]


def use_threads(count: int) -> None:
    """Sets the cores that operations use, before anything runs: the count changes last bits of results."""
    tf.config.threading.set_intra_op_parallelism_threads(count)
    tf.config.threading.set_inter_op_parallelism_threads(1)
    with _quiet_stderr():
        tf.constant(0)  # starts the runtime, whose notes come now


def graph(function: Callable[..., Any], compiled: bool = False, signature: Sequence[Any] | None = None) -> Any:
    """tf.function without AutoGraph: Python's ifs and loops run while the function is traced. AutoGraph rewrites the
    source, which takes longer than the tracing."""
    return tf.function(function, signature, autograph=False, jit_compile=compiled)


def sizes(tensor: Any) -> list[Any]:
    """The size of every axis: a number, or a scalar tensor where it is not known until the graph runs."""
    return [tf.shape(tensor)[axis] if size is None else size for axis, size in enumerate(tensor.shape)]


@contextlib.contextmanager
def memory_told(name: str, step: str, advice: str) -> Iterator[None]:
    """Turns a refused allocation into an OutOfMemoryError that says what a step held and which key to change."""
    try:
        yield
    except (tf.errors.ResourceExhaustedError, MemoryError):
        raise OutOfMemoryError(f"{name}: memory ran out in a step of {step}; {advice}, or fit fewer folds at a time: "
                               f"hardware.jobs=1") from None
