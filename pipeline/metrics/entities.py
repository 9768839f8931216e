"""Scores of tags, as seqeval has them: entities as wholes, after the CoNLL shared tasks' conlleval.

true, decided: for each text its tags, as seqeval knows them: a prefix and a type, or O.
"""

import warnings
from collections.abc import Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from pipeline.lazy import lazily

seqeval = lazily("seqeval.metrics.sequence_labeling")
Texts = Sequence[Sequence[str]]


def support(true: Texts, decided: Texts, average: str | None) -> tuple[Any, ...]:
    """precision, recall, F1 and entities: "micro": over all entities, 0 where there is none; None: arrays, of each type
    in sorted order."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return tuple(seqeval.precision_recall_fscore_support(list(map(list, true)), list(map(list, decided)),
                                                             average=average, zero_division=0))


def f1(true: Texts, decided: Texts) -> float:
    """Over all entities; 0 where there is none."""
    return float(support(true, decided, "micro")[2])


def macro_f1(true: Texts, decided: Texts) -> float:
    """The mean over the types that are there or decided; 0 where there is none."""
    of_types = support(true, decided, None)[2]
    return float(np.mean(of_types)) if len(of_types) else 0.0


def right_tags(true: Texts, decided: Texts) -> float:
    """The share of tags that are right; NaN without a tag."""
    right, tags = rights(true, decided).sum(axis=0)
    return float(right / tags) if tags else float("nan")


def counts(true: Texts, decided: Texts) -> npt.NDArray[np.int64]:
    """int64 [texts, 2 types]: for each type twice the entities that are decided rightly; then those that are there plus
    those decided."""
    both = [[set(map(tuple, seqeval.get_entities(list(tags)))) for tags in texts] for texts in (true, decided)]
    types = {kind: number for number, kind in enumerate(sorted({entity[0] for texts in both for text in texts
                                                                for entity in text}))}
    table = np.zeros((len(true), 2, max(len(types), 1)), np.int64)
    for row, (own, other) in enumerate(zip(*both, strict=True)):
        for kind, *_ in own & other:
            table[row, 0, types[kind]] += 2
        for kind, *_ in (*own, *other):
            table[row, 1, types[kind]] += 1
    return table.reshape(len(true), -1)


def rights(true: Texts, decided: Texts) -> npt.NDArray[np.int64]:
    """int64 [texts, 2]: right tags, and tags."""
    return np.array([[sum(one == other for one, other in zip(text, own, strict=True)), len(text)]
                     for text, own in zip(true, decided, strict=True)], np.int64).reshape(-1, 2)
