"""Variables by their tensors' names, and the layers that are computed with them."""

from collections.abc import Mapping
from typing import Any

from pipeline.arrays import Shapes
from pipeline.backend import tf


class NamedLayers:
    """A variable for each shape, by its name; products are in ``precision``, all else, sums included, in float32."""

    def __init__(self, shapes: Shapes, precision: str, epsilon: float):
        self.variables: Mapping[str, Any] = {name: tf.Variable(tf.zeros(shape), name=name.replace("/", "_"))
                                             for name, shape in shapes.items()}
        self._precision, self._epsilon = tf.as_dtype(precision), epsilon

    def __getitem__(self, name: str) -> Any:
        return self.variables[name]

    @property
    def kernels(self) -> list[Any]:
        """The variables that weight decay acts on."""
        return [variable for name, variable in self.variables.items() if name.endswith("kernel")]

    def dense(self, x: Any, name: str) -> Any:
        """x times the kernel of that name, plus its bias."""
        return self.product(x, self[f"{name}/kernel"]) + self[f"{name}/bias"]

    def product(self, a: Any, b: Any, **options: Any) -> Any:
        """tf.matmul in this precision, from float32 to float32."""
        return tf.cast(tf.matmul(tf.cast(a, self._precision), tf.cast(b, self._precision), **options), tf.float32)

    def norm(self, x: Any, name: str) -> Any:
        """LayerNorm (Ba et al. 2016, https://arxiv.org/abs/1607.06450) with gamma and beta of that name."""
        centred = x - tf.reduce_mean(x, axis=-1, keepdims=True)
        scale = tf.math.rsqrt(tf.reduce_mean(tf.square(centred), axis=-1, keepdims=True) + self._epsilon)
        return centred * scale * self[f"{name}/gamma"] + self[f"{name}/beta"]


def _exact_gelu(x: Any) -> Any:
    return tf.nn.gelu(x, approximate=False)


def _tanh_gelu(x: Any) -> Any:
    return tf.nn.gelu(x, approximate=True)


ACTIVATIONS = {"gelu_tanh": _tanh_gelu, "gelu_erf": _exact_gelu, "relu": tf.nn.relu}
