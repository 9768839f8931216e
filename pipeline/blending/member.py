"""A member of a blend: what its models predict of the rows that all members share, as arrays."""

import functools
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import pandas as pd

from pipeline.lazy import lazily
from pipeline.tasks import Task, links
from pipeline.tasks.links import Doubles

special = lazily("scipy.special")


@dataclass(frozen=True)
class Rows:
    """What every member predicts: the validated rows in the order of train, and the test rows.

    keys: the columns of an OOF table that are no predictions. test_keys: those of a test table.
    """

    task: Task
    keys: pd.DataFrame
    test_keys: pd.DataFrame

    @functools.cached_property
    def fold(self) -> npt.NDArray[np.int64]:
        return self.keys.fold.to_numpy(np.int64)


def rows_index(task: Task, keys: pd.DataFrame) -> pd.Index:
    """What tells predictions apart: ids, or ids and the numbers of words."""
    names = [name for name in task.key_columns if name != "text"]
    return pd.Index(keys[names[0]]) if len(names) == 1 else pd.MultiIndex.from_frame(keys[names])


@dataclass(frozen=True)
class Model:
    """One trained model of a member. rows: int64, which of the validated predictions are its own; oof: their logits,
    float64 [own, outputs]; test: float64 [test, outputs]."""

    rows: npt.NDArray[np.int64]
    oof: Doubles
    test: Doubles


@dataclass(frozen=True)
class Member:
    """A member: its name, its models, what its numbers follow from, and remarks on it."""

    name: str
    models: tuple[Model, ...]
    fingerprint: str
    remarks: tuple[str, ...] = ()

    def predicted(self, task: Task) -> tuple[Doubles, Doubles]:
        """float64 [validated, outputs] and [test, outputs]: the means of its models' probabilities, or values."""
        return self._mean(lambda model: (links.predicted_by(task, model.oof), links.predicted_by(task, model.test)))

    def logits(self, task: Task) -> tuple[Doubles, Doubles]:
        """The same of logits; those of classes are taken as logarithms of probabilities."""
        return self._mean(lambda model: (normalised(task, model.oof), normalised(task, model.test)))

    def ranks(self, task: Task) -> tuple[Doubles, Doubles]:
        """The same of ranks from 0 to 1: of each model by the distribution of its own out-of-fold scores, which the
        test rows' scores are looked up in, so that both are ranks by one function. Whatever keeps the order of a
        model's scores changes nothing."""
        def ranked(model: Model) -> tuple[Doubles, Doubles]:
            oof, test = normalised(task, model.oof), normalised(task, model.test)
            return tuple(np.stack([_rank(oof[:, column], scores[:, column]) for column in range(oof.shape[1])], axis=1)
                         for scores in (oof, test))  # type: ignore[return-value]

        return self._mean(ranked)

    def alike(self, other: "Member") -> bool:
        """Whether it predicts the very same."""
        return len(self.models) == len(other.models) and all(
            np.array_equal(one.rows, two.rows) and np.array_equal(one.oof, two.oof)
            and np.array_equal(one.test, two.test) for one, two in zip(self.models, other.models, strict=True))

    def _mean(self, of_model: Callable[[Model], tuple[Doubles, Doubles]]) -> tuple[Doubles, Doubles]:
        first = of_model(self.models[0])
        rows = max(int(model.rows.max()) for model in self.models) + 1
        oof, count = np.zeros([rows, first[0].shape[1]]), np.zeros(rows)
        test = np.zeros_like(first[1])
        for number, model in enumerate(self.models):
            own, of_test = first if number == 0 else of_model(model)
            oof[model.rows] += own
            count[model.rows] += 1
            test += of_test
        return oof / count[:, None], test / len(self.models)


def normalised(task: Task, logits: Doubles) -> Doubles:
    """Logits whose scale is that of probabilities' logarithms where a head is a softmax."""
    parts, at = [], 0
    for outputs, link in zip(task.outputs, task.links, strict=True):
        own = logits[:, at:at + outputs]
        parts.append(special.log_softmax(own, axis=1) if link.function == "softmax" else own)
        at += outputs
    return np.concatenate(parts, axis=1)


def _rank(known: Doubles, scores: Doubles) -> Doubles:
    """Where scores stand among the known ones, from 0 to 1; of the known ones themselves (average rank - 0.5) / n."""
    order = np.sort(known)
    return (np.searchsorted(order, scores, "left") + np.searchsorted(order, scores, "right")) / (2 * len(known))
