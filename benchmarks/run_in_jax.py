"""Runs what benchmarks/compiled_step.py wrote, by JAX alone: how far its results are from TensorFlow's, and its speed.

    python benchmarks/run_in_jax.py TARGET [REPEATS]

Prints rows per second of training and of prediction, and the largest difference of loss, logits and updated variables.
JAX's way to compile a program that is given as text is internal: tried with 0.10.2.
"""

import sys
import time
from pathlib import Path
from typing import Any

import jax
import numpy as np

jax.config.update("jax_enable_x64", True)  # the optimizer counts its steps in int64


def main() -> None:
    folder, repeats = Path(sys.argv[1]), int(sys.argv[2]) if len(sys.argv) > 2 else 20
    kept = dict(np.load(folder / "steps.npz"))
    print(f"jax {jax.__version__} on {jax.local_devices()[0].device_kind}, {int(kept['rows'])} rows a step")
    for name in ("predict", "step"):
        difference, seconds = run(folder, kept, name, repeats)
        print(f"{name}: {int(kept['rows']) / seconds:,.0f} rows/s ({1000 * seconds:.2f} ms), differs from TensorFlow "
              f"on a CPU by {difference:.2g} at most")


def run(folder: Path, kept: dict[str, Any], name: str, repeats: int = 3) -> tuple[float, float]:
    """The largest difference from the kept results, as a share of the largest value of each, and seconds a call."""
    program = compiled((folder / f"{name}.mlir").read_text())
    arguments = [jax.device_put(kept[key]) for key in sorted(kept) if key.startswith(f"{name}/argument/")]
    changed = kept[f"{name}/changed"].tolist()

    def advance() -> list[Any]:
        """What a step changed is what the next one is given, in the place of what it was given."""
        result, *after = program.execute(arguments)
        for number, value in zip(changed, after, strict=True):
            arguments[number] = value
        return [result, *after]

    wanted = [kept[f"{name}/result"], *(kept[f"{name}/after/{number:04}"] for number in changed)]
    difference = max(float(np.abs(np.asarray(ours, np.float64) - theirs).max()) / max(1.0, float(np.abs(theirs).max()))
                     for ours, theirs in zip(advance(), wanted, strict=True))
    for _ in range(3):
        jax.block_until_ready(advance())
    begin = time.perf_counter()
    for _ in range(repeats):
        last = advance()
    jax.block_until_ready(last)
    return difference, (time.perf_counter() - begin) / repeats


def compiled(text: str) -> Any:
    """The program on the first device."""
    from jax._src import xla_bridge
    from jax._src.interpreters import mlir
    from jax._src.lib import xla_client
    from jaxlib.mlir import ir

    with mlir.make_ir_context():
        module = ir.Module.parse(text)
    devices = xla_client.DeviceList(tuple(jax.local_devices()[:1]))
    return xla_bridge.get_backend().compile_and_load(module, devices, xla_client.CompileOptions())


if __name__ == "__main__":
    main()
