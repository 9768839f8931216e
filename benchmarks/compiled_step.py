"""The compiled training and prediction step as StableHLO, to be timed without TensorFlow: XLA is JAX's compiler too.

    .venv/bin/python -m benchmarks.compiled_step TARGET --size base --rows 256 --precision bfloat16
    python benchmarks/run_in_jax.py TARGET                       (on the machine with the GPU; it needs JAX alone)

Writes step.mlir and predict.mlir, and steps.npz: arguments, variables and results of this machine, with which the other
run is compared. Random rows of 22 tokens and random weights; of a base encoder the files are over a gigabyte.
"""

import argparse
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.opponents import SIZES
from pipeline.checkpoints import encoder_config
from pipeline.checkpoints.encoder_config import EncoderConfig
from pipeline.text.token_table import TokenTable

TOKENS = 22


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("target", type=Path)
    parser.add_argument("--size", choices=list(SIZES), default="small")
    parser.add_argument("--rows", type=int, default=64)
    parser.add_argument("--precision", choices=["float32", "bfloat16"], default="float32")
    options = parser.parse_args()
    export(options.target, SIZES[options.size], options.rows, options.precision)
    print(f"{options.target}: step.mlir, predict.mlir and steps.npz; there: python benchmarks/run_in_jax.py TARGET")


def export(target: Path, shape: EncoderConfig, rows: int, precision: str) -> None:
    """Writes both functions and what they gave here into a folder, which may exist."""
    from pipeline.backend import tf
    from pipeline.config.data import Data
    from pipeline.config.model import Bert
    from pipeline.config.run import Config
    from pipeline.config.training import Stage1
    from pipeline.model.network import Network
    from pipeline.tasks.binary import Binary
    from pipeline.text.packing import Batch
    from pipeline.training.fine_tuning import Trainer

    rng = np.random.default_rng(0)
    used = np.arange(shape.vocab_size)
    config = Config(name="bench", data=Data(train="-", test="-"), bert=Bert.model_validate(
        {"checkpoint": "-", "precision": precision}))
    network = Network(shape, config, used, Binary("0", "1"), compiled=True)
    network.start(encoder_config.random_tensors(shape, 0), seed=0)
    trainer = Trainer(network, Stage1(learning_rate=1e-5), head_only=False, from_vectors=False)
    trainer.optimizer.set_rate(1e-5)
    table = TokenTable(rng.integers(1, shape.vocab_size, rows * TOKENS).astype(np.int32),
                       np.arange(0, rows * TOKENS + 1, TOKENS), np.full(rows, TOKENS, np.int32))
    *tokens, words = (tf.constant(part) for part in table.batch(Batch(np.arange(rows)[:, None], TOKENS)))
    labels, weight = tf.constant(rng.integers(0, 2, rows).astype(np.float32)), tf.ones([rows])

    def predict(*batch: Any) -> Any:
        ids, segments, position, member = batch
        return network.logit_of_tokens(ids, segments, position, member, words)

    def step(*arguments: Any) -> Any:
        *batch, target, share, seed = arguments
        return trainer.step._update([*batch, words], target, share, seed)

    target.mkdir(parents=True, exist_ok=True)
    kept: dict[str, Any] = {"rows": np.array(rows)}
    kept |= _written(target / "predict.mlir", predict, tokens)
    kept |= _written(target / "step.mlir", step, [*tokens, labels, weight, tf.constant([1, 2], tf.int32)])
    np.savez(target / "steps.npz", **kept)


def _written(path: Path, function: Callable[..., Any], arguments: list[Any]) -> dict[str, Any]:
    """Writes the function's StableHLO; returns its arguments, the variables behind them, its result, and the variables
    that it changes as they are afterwards, in the order in which the program has them."""
    from pipeline.backend import graph

    compiled = graph(function, compiled=True)
    text = compiled.experimental_get_compiler_ir(*arguments)(stage="stablehlo")
    if "custom_call" in text:
        raise RuntimeError(f"{path}: holds a custom call, which another backend need not have")
    path.write_text(text)
    name, concrete = path.stem, compiled.get_concrete_function(*arguments)
    by_handle = {id(variable.handle): variable for variable in concrete.variables}
    captured = [by_handle.get(id(tensor), tensor) for tensor in concrete.captured_inputs]
    kept = {f"{name}/argument/{number:04}": value.numpy() for number, value in enumerate([*arguments, *captured])}
    result = compiled(*arguments).numpy()
    after = [value.numpy() for value in captured]
    given = [*(None for _ in arguments), *captured]
    changed = [number for number, value in enumerate(given) if value is not None
               and not np.array_equal(kept[f"{name}/argument/{number:04}"], after[number - len(arguments)])]
    kept |= {f"{name}/result": result, f"{name}/changed": np.array(changed, np.int64)}
    return kept | {f"{name}/after/{number:04}": after[number - len(arguments)] for number in changed}


if __name__ == "__main__":
    main()
