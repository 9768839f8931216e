"""What a person looks at of each row: its label, what the prediction says of it, and how far off that is."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

SMALLEST = 1e-9  # of a probability whose logarithm is a loss
Doubles = npt.NDArray[np.float64]


@dataclass(frozen=True)
class RowView:
    """One output of each row of an OOF table.

    label: as the file has it, and as decisions are written, [rows].
    number: float64 [rows], the probability of that label, of several labels the least, of words that of the least
        likely tag; or the value that is predicted.
    loss: float64 [rows], the negative logarithm of the former, of words their mean; or the distance from the label.
    truth: float64 [rows], where values are predicted: the label as they are counted.
    claims: what calibration is of, float64 and bool of any one length: probabilities, and whether what they are of is
        so.
    positive: of two labels the one that the claims are of.
    names: the labels in their order, where they have one.
    """

    label: Sequence[str]
    number: Doubles
    loss: Doubles
    truth: Doubles | None = None
    claims: tuple[Doubles, npt.NDArray[np.bool_]] | None = None
    positive: str | None = None
    names: Sequence[str] = ()

    def in_order(self, labels: Iterable[str]) -> list[str]:
        """Each label once, in the order of ``names``; others behind, sorted."""
        place = {name: number for number, name in enumerate(self.names)}
        return sorted(set(labels), key=lambda name: (place.get(name, len(place)), name))


def of_values(label: Sequence[str], value: npt.NDArray[np.floating], truth: npt.NDArray[np.generic],
              names: Sequence[str] = ()) -> RowView:
    """Of predicted numbers and true ones, [rows] each."""
    number, true = np.asarray(value, np.float64), np.asarray(truth, np.float64)
    return RowView(label, number, np.abs(number - true), true, names=names)


def of_labels(label: Sequence[str], probability: npt.NDArray[np.floating], target: npt.NDArray[np.floating],
              exclusive: bool, positive: str | None = None, names: Sequence[str] = ()) -> RowView:
    """Of probabilities and of what a perfect model would give, [rows, outputs] each. exclusive: whether one of the
    outputs is right, or each by itself."""
    probability = np.asarray(probability, np.float64)
    if exclusive:
        number = (probability * target).sum(axis=1)
        decided = probability.argmax(axis=1)
        rows = np.arange(len(decided))
        claims = probability[rows, decided], target[rows, decided] > 0
    else:
        number = np.where(target > 0, probability, 1 - probability).min(axis=1)
        claims = probability.ravel(), target.ravel() > 0
    return RowView(label, number, loss_of(number), None, claims, positive, names)


def loss_of(probability: Doubles) -> Doubles:
    """The negative natural logarithm."""
    return -np.log(np.maximum(probability, SMALLEST))
