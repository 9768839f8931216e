"""One training step, compiled: gradients of an objective, summed over parts where a step is taken in parts, and the
optimizer. All stages that train a network take their steps here."""

from collections.abc import Callable, Sequence
from typing import Any

from pipeline.backend import graph, tf
from pipeline.training.optimizer import Optimizer, gradients


class Step:
    """The compiled step of one objective, reused by all cells of a process.

    Where further ways to train have their place: a second pass with another dropout is another ``objective``; an
    adversarial perturbation of embeddings takes its two gradients in ``_gradients``; an average of the weights follows
    behind ``Optimizer.apply`` in ``_update`` and in ``finish``; rates by layer are the optimizer's ``rates``.
    """

    def __init__(self, objective: Callable[..., Any], optimizer: Optimizer, compiled: bool,
                 output: Callable[..., Any] | None = None):
        """
        Args:
            objective: inputs of one batch -> the loss, a float32 scalar. Traced: its ifs and loops are Python's own.
            compiled: whether with XLA.
            output: inputs -> what ``add_slope`` differentiates; None where that is not used.
        """
        self._objective, self._output, self.optimizer = objective, output, optimizer
        self._variables = optimizer.variables
        self._whole = graph(self._update, compiled)
        self._part = graph(self._add, compiled)
        self._slope = graph(self._add_slope, compiled)

    def take(self, parts: Sequence[tuple[Any, ...]], rate: float, shares: Sequence[float] = (1.0,)) -> Any:
        """One update from the inputs of one batch, or of several whose gradients are summed by their shares.

        Returns the loss, a float32 scalar on the device: reading it waits for the step.
        """
        self.optimizer.set_rate(rate)
        if len(parts) == 1:
            return self._whole(*parts[0])
        total, loss = self.zeros(), 0.0
        for inputs, share in zip(parts, shares, strict=True):
            part, total = self._part(total, tf.constant(share, tf.float32), *inputs)
            loss += part
        self.optimizer.apply(total)
        return loss

    def zeros(self) -> list[Any]:
        """A sum of gradients to begin with."""
        return [tf.zeros_like(variable) for variable in self._variables]

    def add_slope(self, total: list[Any], slope: Any, *inputs: Any) -> list[Any]:
        """The sum of gradients so far, and those of the output of these inputs, each element weighted by its slope."""
        summed: list[Any] = self._slope(total, slope, *inputs)
        return summed

    def finish(self, total: list[Any], rate: float) -> None:
        """The update from a sum of gradients."""
        self.optimizer.set_rate(rate)
        self.optimizer.apply(total)

    def _update(self, *inputs: Any) -> Any:
        loss, slopes = self._gradients(*inputs)
        self.optimizer.apply(slopes)
        return loss

    def _gradients(self, *inputs: Any) -> tuple[Any, list[Any]]:
        with tf.GradientTape(watch_accessed_variables=False) as tape:
            tape.watch(self._variables)
            loss = self._objective(*inputs)
        return loss, gradients(tape, loss, self._variables)

    def _add(self, total: list[Any], share: Any, *inputs: Any) -> tuple[Any, list[Any]]:
        loss, slopes = self._gradients(*inputs)
        return share * loss, [so_far + share * part for so_far, part in zip(total, slopes, strict=True)]

    def _add_slope(self, total: list[Any], slope: Any, *inputs: Any) -> list[Any]:
        assert self._output is not None
        with tf.GradientTape(watch_accessed_variables=False) as tape:
            tape.watch(self._variables)
            output = self._output(*inputs)
        slopes = gradients(tape, output, self._variables, slope)
        return [so_far + part for so_far, part in zip(total, slopes, strict=True)]
