"""How members become one: what each method fits, and what it makes of the members' predictions.

A method is fitted on some rows and applied to others; what it fits are weights, which are never negative and add up to
1, and a temperature for each member where logits are averaged.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

import numpy as np
import numpy.typing as npt
import pandas as pd

from pipeline.blending.member import Member, Rows
from pipeline.errors import UserError
from pipeline.lazy import lazily
from pipeline.tasks import Task, links
from pipeline.tasks.links import Doubles

optimize, special = lazily("scipy.optimize"), lazily("scipy.special")

FITTED_ON = 10_000  # texts that weights and temperatures are fitted on, at most
STEPS = 25  # of greedy selection, at most
PATIENCE = 5  # steps without a better score, after which it ends
SAME = 1e-6  # scores that differ by less are the same
TEMPERATURES = (0.1, 10.0)
Mask = npt.NDArray[np.bool_]


@dataclass(frozen=True)
class Fitted:
    """weights: float64 [members]; temperatures: the same, 1 where logits are taken as they are."""

    weights: Doubles
    temperatures: Doubles


@dataclass(frozen=True)
class Stack:
    """The members' predictions, each float64 [members, predictions, outputs], made when they are first asked for."""

    members: Sequence[Member]
    task: Task
    test: bool
    _made: dict[str, Doubles] = field(default_factory=dict)

    def of(self, form: str) -> Doubles:
        """"predicted", "logits" or "ranks", as ``Member`` has them."""
        if form not in self._made:
            self._made[form] = np.stack([getattr(member, form)(self.task)[self.test] for member in self.members])
        return self._made[form]


@dataclass(frozen=True)
class Blended:
    """All that methods are fitted by.

    target: float64 [predictions, outputs], as ``links.targets``; value: a table of predictions of some rows -> their
    score, the greater the better, or None; text: int64 [predictions], the number of the text that each belongs to;
    by_rank: whether the metric looks at the order of predictions alone.
    """

    rows: Rows
    out_of_fold: Stack
    target: Doubles
    value: Callable[[pd.DataFrame], float | None]
    text: npt.NDArray[np.int64]
    by_rank: bool

    @property
    def count(self) -> int:
        return len(self.out_of_fold.members)

    def some(self, inside: Mask) -> npt.NDArray[np.int64]:
        """The numbers of the predictions that are fitted on: those inside, of every n-th text where there are many."""
        texts = np.unique(self.text[inside])
        every = -(-len(texts) // FITTED_ON)
        return np.flatnonzero(inside & np.isin(self.text, texts[::every]))


def fit(method: str, blended: Blended, inside: Mask, shrink: float) -> Fitted:
    """Fits a method on the predictions inside. shrink: how far greedy weights are moved to equal ones."""
    equal, ones = np.full(blended.count, 1 / blended.count), np.ones(blended.count)
    if method == "logit":
        heat = _temperatures(blended, blended.some(inside))
        # of an order only their ratios matter; a scale of each fold's own would put its rows out of line with others'
        return Fitted(equal, heat * np.mean(1 / heat) if blended.by_rank else heat)
    if method == "greedy":
        return Fitted((1 - shrink) * _greedy(blended, blended.some(inside)) + shrink * equal, ones)
    if method == "nnls":
        return Fitted(_least_squares(blended, blended.some(inside)), ones)
    return Fitted(equal, ones)


def apply(method: str, fitted: Fitted, stack: Stack, which: npt.NDArray[np.int64] | None = None) -> Doubles:
    """float64 [predictions, outputs]: the blend's logits. which: numbers of predictions; None: all."""
    rows = slice(None) if which is None else which
    task, weights = stack.task, fitted.weights
    if method == "logit":
        return np.tensordot(weights / fitted.temperatures, stack.of("logits")[:, rows], 1)
    if method == "rank":
        return links.logits_by(task, _distribution(task, np.tensordot(weights, stack.of("ranks")[:, rows], 1)))
    predicted = stack.of("predicted")[:, rows]
    mean = np.tensordot(weights, predicted, 1)
    if method == "vote":
        votes = np.tensordot(weights, _votes(task, predicted), 1)
        # the mean decides where votes are equal, and never against a vote more
        return links.logits_by(task, (votes + mean / (2 * len(weights))) / (1 + 1 / (2 * len(weights))))
    return links.logits_by(task, mean)


def problem(method: str, task: Task) -> str | None:
    """Why a method is not for a kind of label; None: it is."""
    if method in ("rank", "vote") and any((link.function, link.low, link.high) not in (
            ("sigmoid", 0.0, 1.0), ("softmax", 0.0, 1.0)) for link in task.links):
        return f"blend.method = {method!r} is for probabilities, not for task = {task.kind!r}"
    if method == "vote" and task.cumulative:
        return f"blend.method = 'vote' is for classes, not for task = {task.kind!r}"
    return None


def require(method: str, task: Task) -> None:
    """Raises UserError where a method is not for a kind of label."""
    if told := problem(method, task):
        raise UserError(told)


def _votes(task: Task, predicted: Doubles) -> Doubles:
    """float64, 0 or 1, [members, predictions, outputs]: what each member decides, at 0.5 of a label alone."""
    votes, at = np.zeros_like(predicted), 0
    for outputs, link in zip(task.outputs, task.links, strict=True):
        own = predicted[:, :, at:at + outputs]
        votes[:, :, at:at + outputs] = (own == own.max(axis=2, keepdims=True)) if link.function == "softmax" else (
            own >= 0.5)
        at += outputs
    return votes


def _distribution(task: Task, ranks: Doubles) -> Doubles:
    """Mean ranks as probabilities: those of classes scaled to a sum of 1, none of them 0."""
    parts, at = [], 0
    for outputs, link in zip(task.outputs, task.links, strict=True):
        own = np.clip(ranks[:, at:at + outputs], 1e-6, 1 - 1e-6)
        parts.append(own / own.sum(axis=1, keepdims=True) if link.function == "softmax" else own)
        at += outputs
    return np.concatenate(parts, axis=1)


def _greedy(blended: Blended, which: npt.NDArray[np.int64]) -> Doubles:
    """Selection with replacement by the metric: the shares of the members in the best of the growing ensembles (Caruana
    et al. 2004, doi:10.1145/1015330.1015432). Of equal steps a member that is in already is taken, then the first."""
    task, predicted = blended.rows.task, blended.out_of_fold.of("predicted")[:, which]
    keys = blended.rows.keys.iloc[which]
    taken, total = np.zeros(blended.count), np.zeros(predicted.shape[1:])
    best, best_score = np.full(blended.count, 1 / blended.count), -np.inf
    for step in range(1, STEPS + 1):
        scores = np.full(blended.count, -np.inf)
        for number in range(blended.count):
            table = links.with_logits(task, keys, links.logits_by(task, (total + predicted[number]) / step))
            value = blended.value(table)
            scores[number] = -np.inf if value is None else value
        if not np.isfinite(scores).any():
            break
        equal = np.flatnonzero(scores >= scores.max() - SAME)
        chosen = int(next((number for number in equal if taken[number]), equal[0]))
        taken[chosen] += 1
        total += predicted[chosen]
        if scores[chosen] > best_score + SAME:
            best, best_score, since = taken / taken.sum(), float(scores[chosen]), step
        elif step - since >= PATIENCE:
            break
    return best


def _least_squares(blended: Blended, which: npt.NDArray[np.int64]) -> Doubles:
    """Non-negative least squares of the target on the members' predictions, the weights scaled to a sum of 1."""
    predicted, target = blended.out_of_fold.of("predicted")[:, which], blended.target[which]
    orthogonal, small = np.linalg.qr(predicted.reshape(blended.count, -1).T)
    weights, _ = optimize.nnls(small, orthogonal.T @ target.ravel())
    return weights / weights.sum() if weights.sum() > 0 else np.full(blended.count, 1 / blended.count)


def _temperatures(blended: Blended, which: npt.NDArray[np.int64]) -> Doubles:
    """What each member's logits are divided by, so that their log loss is least: a stage trained on F1, or a linear
    model, is more or less sure than it is right, and would count for more or less than its share."""
    task, target = blended.rows.task, blended.target[which]
    if all(link.function == "identity" for link in task.links):
        return np.ones(blended.count)
    low, high = np.log(TEMPERATURES)

    def best(logits: Doubles) -> float:
        found = optimize.minimize_scalar(lambda size: _log_loss(task, logits / np.exp(size), target),
                                         bounds=(low, high), method="bounded", options={"xatol": 1e-3})
        return float(np.exp(found.x))

    return np.array([best(logits) for logits in blended.out_of_fold.of("logits")[:, which]])


def _log_loss(task: Task, logits: Doubles, target: Doubles) -> float:
    loss, at = 0.0, 0
    for outputs, link in zip(task.outputs, task.links, strict=True):
        own, truth = logits[:, at:at + outputs], target[:, at:at + outputs]
        if link.function == "softmax":
            loss -= float((special.log_softmax(own, axis=1) * truth).sum())
        elif link.function == "sigmoid":
            share = (truth - link.low) / (link.high - link.low)
            loss -= float((special.log_expit(own) * share + special.log_expit(-own) * (1 - share)).sum())
        at += outputs
    return loss
