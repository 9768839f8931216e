"""Names for the arrays that modules hand to each other."""

from collections.abc import Mapping
from typing import Any

import numpy as np
import numpy.typing as npt

Tensors = dict[str, npt.NDArray[np.float32]]
Stored = dict[str, npt.NDArray[Any]]  # tensors as a file holds them, of any dtype
Shapes = Mapping[str, tuple[int, ...]]
Ints = npt.NDArray[np.int64]
