"""Names for the arrays that modules hand to each other."""

from collections.abc import Mapping

import numpy as np
import numpy.typing as npt

Tensors = dict[str, npt.NDArray[np.float32]]
Shapes = Mapping[str, tuple[int, ...]]
Ints = npt.NDArray[np.int64]
