"""How gradients move weights: a chain of named transformations, as a recipe says, and the learning rate's schedule."""

import re
from collections.abc import Mapping
from typing import Any, Protocol

from pipeline.arrays import Tensors
from pipeline.backend import tf
from pipeline.config.training import Recipe

STATE = "optimizer/"  # prefix of the optimizer's tensors in a resume file


class Transformation(Protocol):
    """One link of the chain, called inside a compiled step."""

    def __call__(self, gradients: list[Any], rates: list[Any]) -> list[Any]:
        """Each variable's gradient and learning rate, float32 -> the gradients that the next link is given.

        A link may move the variables itself; a later link then sees them moved.
        """


class ClipByGlobalNorm:
    """Scales all gradients down together where their global norm is larger than a maximum."""

    def __init__(self, max_norm: float):
        self._max_norm = max_norm

    def __call__(self, gradients: list[Any], rates: list[Any]) -> list[Any]:
        # Column by column: what is summed to one number at once, XLA adds up one by one, in one thread.
        columns = tf.concat([tf.norm(tf.reshape(part, [-1, part.shape[-1]]), axis=0) for part in gradients], axis=0)
        norm = tf.sqrt(tf.tensordot(columns, columns, 1))
        clipped, _ = tf.clip_by_global_norm(gradients, self._max_norm, use_norm=norm)
        return list(clipped)


class DecayWeights:
    """Makes some variables smaller by a share of themselves times the rate, apart from their gradients.

    Decoupled weight decay (https://arxiv.org/abs/1711.05101).
    """

    def __init__(self, share: float, variables: list[Any], decayed: list[Any]):
        among = {id(variable) for variable in decayed}
        self._variables = [variable if id(variable) in among else None for variable in variables]
        self._share = share

    def __call__(self, gradients: list[Any], rates: list[Any]) -> list[Any]:
        for variable, rate in zip(self._variables, rates, strict=True):
            if variable is not None:
                variable.assign_sub(variable * tf.cast(self._share, variable.dtype) * rate)
        return gradients


class Adam:
    """Moves variables by Adam (https://arxiv.org/abs/1412.6980), in Keras' form and order of operations: epsilon is
    added to the root of the uncorrected second moment."""

    BETA_1, BETA_2, EPSILON = 0.9, 0.999, 1e-7

    def __init__(self, variables: list[Any]):
        self._variables = variables
        self.steps = tf.Variable(0, dtype=tf.int64, trainable=False)
        self.first_moments = [tf.Variable(tf.zeros_like(variable), trainable=False) for variable in variables]
        self.second_moments = [tf.Variable(tf.zeros_like(variable), trainable=False) for variable in variables]

    def __call__(self, gradients: list[Any], rates: list[Any]) -> list[Any]:
        step = tf.cast(self.steps + 1, tf.float32)
        power_1, power_2 = (tf.pow(tf.cast(beta, tf.float32), step) for beta in (self.BETA_1, self.BETA_2))
        for variable, gradient, rate, first, second in zip(
                self._variables, gradients, rates, self.first_moments, self.second_moments, strict=True):
            corrected = rate * tf.sqrt(1 - power_2) / (1 - power_1)
            first.assign_add((gradient - first) * (1 - self.BETA_1))
            second.assign_add((tf.square(gradient) - second) * (1 - self.BETA_2))
            variable.assign_sub((first * corrected) / (tf.sqrt(second) + self.EPSILON))
        self.steps.assign_add(1)
        return gradients


class Optimizer:
    """A chain of transformations over some variables, to be called inside a compiled step."""

    def __init__(self, recipe: Recipe, variables: list[Any], decayed: list[Any],
                 rates: Mapping[str, float] | None = None):
        """
        Args:
            decayed: the variables that weight decay acts on.
            rates: patterns of variable names, and by how much the learning rate of a variable is multiplied whose name
                the pattern is found in; the first that is found counts, and 1 where none is. A rate by layer, another
                one for the head, and a frozen part (0) are entries here.
        """
        self.variables = variables
        self._rate = tf.Variable(recipe.learning_rate, dtype=tf.float32, trainable=False)
        self._multipliers = [next((factor for pattern, factor in (rates or {}).items()
                                   if re.search(pattern, variable.name)), 1.0) for variable in variables]
        self._adam = Adam(variables)
        self.chain: dict[str, Transformation] = {}
        if recipe.clip_norm:
            self.chain["clip by global norm"] = ClipByGlobalNorm(recipe.clip_norm)
        if recipe.optimizer == "adamw":
            self.chain["decay weights"] = DecayWeights(recipe.weight_decay, variables, decayed)
        self.chain["adam"] = self._adam

    def set_rate(self, rate: float) -> None:
        """The learning rate of the next steps."""
        self._rate.assign(rate)

    def apply(self, gradients: list[Any]) -> None:
        """Moves the variables by gradients of their shapes, float32."""
        rates = [self._rate if factor == 1 else self._rate * factor for factor in self._multipliers]
        for transformation in self.chain.values():
            gradients = transformation(gradients, rates)

    def reset(self) -> None:
        """Forgets the moments and the step count."""
        for variable in self._state().values():
            variable.assign(tf.zeros_like(variable))

    def dump(self) -> Tensors:
        """The moments and the step count, named optimizer/<kind>/<number>."""
        return {name: variable.numpy() for name, variable in self._state().items()}

    def load(self, tensors: Tensors) -> None:
        """Sets them from what ``dump`` gave, which may stand among other tensors."""
        for name, variable in self._state().items():
            variable.assign(tensors[name])

    def _state(self) -> dict[str, Any]:
        moments = {"first": self._adam.first_moments, "second": self._adam.second_moments}
        return {f"{STATE}steps": self._adam.steps} | {
            f"{STATE}{kind}/{number}": variable for kind, variables in moments.items()
            for number, variable in enumerate(variables)}


def gradients(tape: Any, value: Any, variables: list[Any], slope: Any = None) -> list[Any]:
    """Gradients, each dense and of its variable's shape (those of embeddings arrive as IndexedSlices).

    slope: the weight of each element of ``value``; None: 1.
    """
    return [tf.convert_to_tensor(part) for part in tape.gradient(value, variables, output_gradients=slope)]


def schedule(step: int, total: int, recipe: Recipe) -> float:
    """Share of the peak rate at a step counted from 0: linear warm-up, then constant or linear decay to 0."""
    warmup = round(recipe.warmup * total)
    if step < warmup:
        return (step + 1) / warmup
    return (total - step) / (total - warmup) if recipe.decay == "linear" else 1.0
