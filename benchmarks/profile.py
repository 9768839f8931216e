"""Where a training step's time goes: the same step with one part after the other added.

    .venv/bin/python -m benchmarks.profile --size base

Products: the matrix products of one step alone, forward and backward, as one compiled function. Prints Markdown: the
median milliseconds of each variant and what its part adds.
"""

import argparse
import os
import statistics
import time
from collections.abc import Callable
from typing import Any

import numpy as np

from benchmarks.opponents import BATCH, SIZES
from pipeline.checkpoints import encoder_config
from pipeline.checkpoints.encoder_config import EncoderConfig
from pipeline.config.data import Data
from pipeline.config.model import Bert
from pipeline.config.run import Config
from pipeline.config.training import Stage1
from pipeline.machine import resources
from pipeline.tasks.binary import Binary
from pipeline.text.packing import Plan
from pipeline.text.token_table import TokenTable


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--size", choices=list(SIZES), default="small")
    parser.add_argument("--steps", type=int, default=20)
    parser.add_argument("--threads", type=int, default=resources.cores())
    options = parser.parse_args()
    print(f"### {options.size}, a step of {BATCH} rows, {options.threads} threads, large pages: "
          f"{'yes' if 'hugetlb' in os.environ.get('GLIBC_TUNABLES', '') else 'no'}\n\n| | ms | adds |\n|---|---|---|")
    before = 0.0
    for name, step in variants(options.size, options.threads).items():
        step()
        took = []
        for _ in range(options.steps):
            begin = time.perf_counter()
            step()
            took.append(1000 * (time.perf_counter() - begin))
        middle = statistics.median(took)
        print(f"| {name} | {middle:.1f} | {middle - before:+.1f} |", flush=True)
        before = middle


def variants(size: str, threads: int) -> dict[str, Callable[[], Any]]:
    """Name -> a function that does that much of a step and waits for its end."""
    from pipeline.backend import tf, use_threads
    from pipeline.model.network import Network
    from pipeline.training.fine_tuning import CellData, Trainer

    use_threads(threads)
    bert = SIZES[size]
    rng = np.random.default_rng(0)
    lengths = np.tile([7, 8, 9, 10, 10, 11, 13, 17], 2)  # 16 rows as boyu's are: 10.6 tokens on average
    table = TokenTable(rng.integers(1, 2600, lengths.sum()).astype(np.int32), np.concatenate([[0], np.cumsum(lengths)]),
                       lengths.astype(np.int32))
    rows = np.arange(BATCH)
    recipe = Stage1(batch_size=BATCH)
    plan = Plan.packed(lengths, [rows], BATCH, bert.layer_weights, bert.hidden)
    [batch] = plan.ordered(lengths, rows, BATCH)
    label, weight = np.zeros(BATCH, np.float32), np.ones(BATCH, np.float32)
    data = CellData(table, Binary("0", "1"), label, label, weight, rows, rows, rows, plan, BATCH, "profile")

    def trainer(dropout: float) -> Trainer:
        config = Config(name="profile", data=Data(train="-", test="-"), bert=Bert(checkpoint="-", dropout=dropout))
        network = Network(bert, config, np.arange(2652), Binary("0", "1"))
        network.start(encoder_config.random_tensors(bert, 0), seed=0)
        return Trainer(network, recipe, head_only=False, from_vectors=False)

    def gradients_of(one: Trainer) -> Callable[[], Any]:
        inputs = one.inputs(batch, data, (0, 0))

        @tf.function(jit_compile=True)
        def both(inputs: Any, label: Any, weight: Any, seed: Any) -> Any:
            loss, found = one.step._gradients(inputs, label, weight, seed)
            return loss, [tf.reduce_sum(part[..., :1]) for part in found]

        return lambda: float(both(*inputs)[0])

    without, whole = trainer(0.0), trainer(0.1)
    return {
        "matrix products alone": _products(bert, batch.rows.shape[0] * batch.width),
        "forward and backward": gradients_of(without),
        "with dropout": gradients_of(whole),
        "with clipping and AdamW: the step": lambda: float(whole.take([batch], data, 1e-5, (0, 0))),
    }


def _products(bert: EncoderConfig, tokens: int) -> Callable[[], Any]:
    from pipeline.backend import tf

    shapes = [(bert.hidden, 3 * bert.hidden), (bert.hidden, bert.hidden), (bert.hidden, bert.intermediate),
              (bert.intermediate, bert.hidden)]
    kernels = [[tf.Variable(tf.random.normal(shape, stddev=0.02)) for shape in shapes] for _ in range(bert.layers)]
    flat = [kernel for layer in kernels for kernel in layer]

    @tf.function(jit_compile=True)
    def chain(x: Any) -> Any:
        with tf.GradientTape() as tape:
            tape.watch(x)
            for qkv, out, inner, outer in kernels:
                x = x + tf.matmul(tf.add_n(tf.split(tf.matmul(x, qkv), 3, axis=1)), out)
                x = x + tf.matmul(tf.matmul(x, inner), outer)
            value = tf.reduce_sum(x)
        return value, tape.gradient(value, [x, *flat])

    start = tf.random.normal([tokens, bert.hidden])
    return lambda: float(chain(start)[0])


if __name__ == "__main__":
    main()
