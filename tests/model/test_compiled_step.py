"""The compiled steps are programs of their own: without TensorFlow, in JAX, they give what they give here.

Outside the suite's own environment: it needs jax (CONTRIBUTING.md says how)."""

from pathlib import Path

import numpy as np
import pytest

from benchmarks import compiled_step
from tests.contracts import FAMILIES
from tests.toy import TINY

pytest.importorskip("jax")


@pytest.mark.parametrize("family", ["bert", *FAMILIES])
def test_results_in_jax_are_those_of_tensorflow(family: str, tmp_path: Path) -> None:
    from benchmarks import run_in_jax

    compiled_step.export(tmp_path, FAMILIES.get(family, TINY), rows=6, precision="float32")
    kept = dict(np.load(tmp_path / "steps.npz"))
    for name in ("predict", "step"):
        difference, _ = run_in_jax.run(tmp_path, kept, name, repeats=1)
        assert difference < 1e-6
    assert len(kept["step/changed"]) > 20
