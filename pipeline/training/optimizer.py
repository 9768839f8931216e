"""How gradients move weights: Adam or AdamW as a recipe says, clipping, and the learning rate's schedule."""

from typing import Any

from pipeline.arrays import Tensors
from pipeline.backend import keras, tf
from pipeline.config.training import Recipe

STATE = "optimizer/"  # prefix of the optimizer's tensors in a kept state


class Optimizer:
    """The moments of some variables and the step that moves them, to be called inside a compiled function."""

    def __init__(self, recipe: Recipe, variables: list[Any], decayed: list[Any]):
        """decayed: the variables that weight decay acts on."""
        self.moved, self._clip_norm = variables, recipe.clip_norm
        # The step is compiled as a whole, so the optimizer must not compile itself.
        options = {"learning_rate": recipe.learning_rate, "jit_compile": False}
        if recipe.optimizer == "adamw":
            self._keras = keras.optimizers.AdamW(weight_decay=recipe.weight_decay, **options)
            among = {id(variable) for variable in decayed}
            self._keras.exclude_from_weight_decay([one for one in variables if id(one) not in among])
        else:
            self._keras = keras.optimizers.Adam(**options)
        self._keras.build(variables)

    def reset(self) -> None:
        """Forgets the moments and the step count."""
        for variable in self._keras.variables:
            variable.assign(tf.zeros_like(variable))

    def dump(self) -> Tensors:
        """The moments and the step count, named optimizer/<number>."""
        return {f"{STATE}{number}": variable.numpy() for number, variable in enumerate(self._keras.variables)}

    def load(self, tensors: Tensors) -> None:
        """Sets them from what ``dump`` gave, which may stand among other tensors."""
        for number, variable in enumerate(self._keras.variables):
            variable.assign(tensors[f"{STATE}{number}"])

    def set_rate(self, rate: float) -> None:
        """The learning rate of the next steps."""
        self._keras.learning_rate.assign(rate)

    def apply(self, gradients: list[Any]) -> None:
        """Moves the variables by gradients of their shapes, float32, clipped by their global norm."""
        if self._clip_norm:
            # Column by column: what is summed to one number at once, XLA adds up one by one, in one thread.
            columns = tf.concat([tf.norm(tf.reshape(one, [-1, one.shape[-1]]), axis=0) for one in gradients], axis=0)
            norm = tf.sqrt(tf.tensordot(columns, columns, 1))
            gradients, _ = tf.clip_by_global_norm(gradients, self._clip_norm, use_norm=norm)
        self._keras.apply_gradients(zip(gradients, self.moved, strict=True))


def gradients(tape: Any, value: Any, variables: list[Any], slope: Any = None) -> list[Any]:
    """The gradient of each variable, of its shape: a table's, which comes as rows, is made dense.

    slope: what each element of ``value`` counts; None: 1.
    """
    return [tf.convert_to_tensor(one) for one in tape.gradient(value, variables, output_gradients=slope)]


def schedule(step: int, total: int, recipe: Recipe) -> float:
    """Share of the peak rate at a step counted from 0: linear warm-up, then constant or linear decay to 0."""
    warmup = round(recipe.warmup * total)
    if step < warmup:
        return (step + 1) / warmup
    return (total - step) / (total - warmup) if recipe.decay == "linear" else 1.0
