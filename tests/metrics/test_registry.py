"""Every metric by name: against an independent computation, on degenerate data, and its interval against the truth."""

import itertools
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import special, stats
from sklearn import metrics as sk

from pipeline.metrics import confusion, names, registry, thresholds
from pipeline.metrics.metric import Form, Metric
from tests.conftest import ROOT

KINDS = ("binary", "multiclass", "multilabel", "ordinal", "regression")
Arrays = tuple[np.ndarray, np.ndarray]


def drawn(kind: str, form: Form, rows: int, seed: int) -> Arrays:
    """A target and a prediction that knows something of it, with ties."""
    rng = np.random.default_rng(seed)
    if kind == "regression":
        target = np.round(rng.gamma(2, 2, (rows, 2)), 1)
        return target, np.round(target + rng.normal(size=target.shape), 1)
    if kind == "multilabel":
        target = (rng.random((rows, 3)) < [0.5, 0.3, 0.2]).astype(np.int8)
        target[:2] = [[0, 0, 0], [1, 1, 1]]
        logit = np.round(2.0 * target + rng.normal(-1, 1, target.shape), 1)
        return target, logit > 0 if form == Form.DECISIONS else logit
    classes = 2 if kind == "binary" else 4
    target = rng.permutation(np.arange(rows) % classes)
    guess = np.where(rng.random(rows) < 0.6, target, rng.integers(0, classes, rows))
    if form == Form.DECISIONS:
        return target, guess
    if kind == "multiclass":
        return target, np.round(2.0 * np.eye(classes)[guess] + rng.normal(size=(rows, classes)), 1)
    return target, np.round(guess + rng.normal(size=rows), 1)


def every(kinds: tuple[str, ...] = KINDS) -> list[tuple[str, str]]:
    return [(kind, name) for kind in kinds for name in names.of_kind(kind)]


def plain_f(target: np.ndarray, decided: np.ndarray, value: int, beta: float = 1) -> float:
    right = sum((target == value) & (decided == value))
    return (1 + beta**2) * right / (beta**2 * sum(target == value) + sum(decided == value)) if right else 0.0


def plain_kappa(power: int) -> Callable[[np.ndarray, np.ndarray], float]:
    def of(target: np.ndarray, decided: np.ndarray) -> float:
        def apart(a: np.ndarray, b: np.ndarray) -> np.ndarray:
            return (a != b) * 1.0 if power == 0 else np.abs(a - b).astype(float) ** power
        return 1 - apart(target, decided).mean() / apart(target[:, None], decided[None]).mean()
    return of


def plain_map(depth: int, target: np.ndarray, logit: np.ndarray) -> float:
    total = []
    for row, own in zip(target, logit, strict=True):
        right = {int(row)} if np.ndim(row) == 0 else set(np.flatnonzero(row).tolist())
        ranked = sorted(range(len(own)), key=lambda place: (-own[place], place))[:depth]
        hits = [sum(other in right for other in ranked[:place]) / place
                for place, one in enumerate(ranked, 1) if one in right]
        total.append(sum(hits) / min(len(right), depth) if right else 0.0)
    return float(np.mean(total))


def pairs_auc(target: np.ndarray, score: np.ndarray) -> float:
    apart = score[target == 1][:, None] - score[target == 0][None]
    return float(np.mean((apart > 0) + 0.5 * (apart == 0)))


def recalls(target: np.ndarray, decided: np.ndarray) -> list[float]:
    return [float(np.mean(decided[target == value] == value)) for value in np.unique(target)]


def columns(of: Callable[[np.ndarray, np.ndarray], float]) -> Callable[[np.ndarray, np.ndarray], float]:
    return lambda target, value: float(np.mean([of(a, b) for a, b in zip(target.T, value.T, strict=True)]))


def squares(target: np.ndarray, value: np.ndarray) -> float:
    return float(np.mean((target - value) ** 2))


def used(target: np.ndarray, decided: np.ndarray) -> list[int]:
    return sorted({*target.tolist(), *decided.tolist()})


OF_CLASSES: dict[str, Callable[[Any, Any], float]] = {
    "accuracy": lambda t, d: float(np.mean(t == d)),
    "balanced_accuracy": lambda t, d: float(np.mean(recalls(t, d))),
    "macro_f1": lambda t, d: float(np.mean([plain_f(t, d, value) for value in used(t, d)])),
    "weighted_f1": lambda t, d: float(np.average([plain_f(t, d, v) for v in used(t, d)],
                                                 weights=[sum(t == v) for v in used(t, d)])),
    "mcc": lambda t, d: plain_mcc(t, d),
    "kappa": plain_kappa(0),
}
PLAIN: dict[str, dict[str, Callable[[Any, Any], float]]] = {
    "binary": OF_CLASSES | {
        "auc": pairs_auc,
        "average_precision": lambda t, s: plain_average_precision(t, s),
        "log_loss": lambda t, s: sk.log_loss(t, special.expit(s)),
        "brier": lambda t, s: sk.brier_score_loss(t, special.expit(s)),
        "f1": lambda t, d: plain_f(t, d, 1), "f2": lambda t, d: plain_f(t, d, 1, 2)},
    "multiclass": OF_CLASSES | {
        "log_loss": lambda t, s: sk.log_loss(t, special.softmax(s, axis=1)),
        "auc": lambda t, s: sk.roc_auc_score(t, special.softmax(s, axis=1), multi_class="ovr"),
        "map@3": lambda t, s: plain_map(3, t, s)},
    "multilabel": {
        "macro_f1": columns(lambda t, d: plain_f(t, d * 1, 1)),
        "micro_f1": lambda t, d: plain_f(t.ravel(), d.ravel() * 1, 1),
        "samples_f1": lambda t, d: sk.f1_score(t, d, average="samples", zero_division=0),
        "exact_match": lambda t, d: sk.accuracy_score(t, d * 1),
        "hamming_loss": lambda t, d: sk.hamming_loss(t, d * 1),
        "auc": columns(pairs_auc),
        "log_loss": columns(lambda t, s: sk.log_loss(t, special.expit(s))),
        "map@3": lambda t, s: plain_map(3, t, s)},
    "ordinal": OF_CLASSES | {
        "qwk": plain_kappa(2), "linear_kappa": plain_kappa(1), "mae": lambda t, d: float(np.mean(np.abs(t - d))),
        "pearson": lambda t, v: float(np.corrcoef(t, v)[0, 1]),
        "spearman": lambda t, v: float(np.corrcoef(stats.rankdata(t), stats.rankdata(v))[0, 1])},
    "regression": {
        "rmse": columns(lambda t, v: squares(t, v) ** 0.5), "mcrmse": columns(lambda t, v: squares(t, v) ** 0.5),
        "mse": squares, "mae": lambda t, v: float(np.mean(np.abs(t - v))),
        "rmsle": columns(lambda t, v: squares(np.log1p(t), np.log1p(np.maximum(v, 0))) ** 0.5),
        "r2": columns(lambda t, v: 1 - squares(t, v) / float(np.var(t))),
        "pearson": columns(lambda t, v: float(np.corrcoef(t, v)[0, 1])),
        "spearman": columns(lambda t, v: float(np.corrcoef(stats.rankdata(t), stats.rankdata(v))[0, 1]))},
}


def plain_mcc(target: np.ndarray, decided: np.ndarray) -> float:
    """The correlation of the classes as dummies, as Gorodkin defines it."""
    classes = np.array(used(target, decided))
    x, y = (np.equal.outer(part, classes).astype(float) for part in (target, decided))
    both, own, other = (float(((a - a.mean(0)) * (b - b.mean(0))).sum()) for a, b in ((x, y), (x, x), (y, y)))
    return both / (own * other) ** 0.5 if own * other else 0.0


def plain_average_precision(target: np.ndarray, score: np.ndarray) -> float:
    area, recall = 0.0, 0.0
    for threshold in sorted(set(score.tolist()), reverse=True):
        inside = score >= threshold
        now = float(target[inside].sum() / target.sum())
        area, recall = area + (now - recall) * float(target[inside].mean()), now
    return area


def test_every_metric_has_an_independent_computation() -> None:
    assert {kind: set(own) for kind, own in names.BY_KIND.items()} == {
        kind: set(own) for kind, own in registry._BY_KIND.items()}
    assert {kind: set(names.of_kind(kind)) for kind in KINDS} == {kind: set(own) for kind, own in PLAIN.items()}


@pytest.mark.parametrize(("kind", "name"), every())
def test_a_metric_equals_an_independent_computation(kind: str, name: str) -> None:
    metric = registry.named(kind, name)
    for rows, seed in itertools.product((9, 40, 150), range(4)):
        target, prediction = drawn(kind, metric.form, rows, seed)
        assert metric.value(target, prediction) == pytest.approx(PLAIN[kind][name](target, prediction), abs=1e-9)


@pytest.mark.parametrize(("kind", "name"), every())
def test_what_a_bootstrap_draws_is_the_same_score(kind: str, name: str) -> None:
    metric = registry.named(kind, name)
    target, prediction = drawn(kind, metric.form, 60, 5)
    assert metric._of_draw(target, prediction)(np.arange(60)) == pytest.approx(metric.value(target, prediction))
    if metric.of_rows:
        assert metric.of_rows(target, prediction).mean() == pytest.approx(metric.value(target, prediction))


@pytest.mark.parametrize(("kind", "name"), every())
def test_a_prediction_that_is_no_number_is_refused(kind: str, name: str) -> None:
    metric = registry.named(kind, name)
    target, prediction = drawn(kind, metric.form, 20, 0)
    wrong = prediction.astype(float)
    wrong[3] = np.nan
    with pytest.raises(ValueError, match=name):
        metric.value(target, wrong)


@pytest.mark.parametrize(("kind", "name"), every())
@pytest.mark.parametrize("alike", ["truth", "prediction", "both", "one row"])
def test_where_all_is_alike_a_score_is_a_number_or_undefined(kind: str, name: str, alike: str) -> None:
    metric = registry.named(kind, name)
    target, prediction = drawn(kind, metric.form, 20, 0)
    if alike == "one row":
        target, prediction = target[:1], prediction[:1]
    if alike in ("truth", "both"):
        target = np.zeros_like(target)
    if alike in ("prediction", "both"):
        prediction = np.zeros_like(prediction)
    value = metric.value(target, prediction)
    assert value is None or np.isfinite(value)
    interval = metric.interval(target, prediction, np.arange(len(target)))
    assert value is not None or interval is None
    undefined = {"auc": alike != "prediction", "kappa": alike == "both", "qwk": alike == "both",
                 "linear_kappa": alike == "both", "r2": alike != "prediction", "pearson": True, "spearman": True,
                 "average_precision": alike in ("truth", "both")}
    if alike != "one row" and name in undefined:
        assert (value is None) == undefined[name]
        assert metric.undefined != "undefined"


@pytest.mark.parametrize(("kind", "name"), every())
def test_the_better_prediction_scores_better(kind: str, name: str) -> None:
    metric = registry.named(kind, name)
    target, prediction = drawn(kind, metric.form, 200, 1)
    perfect: np.ndarray = target
    if kind == "multiclass" and metric.form != Form.DECISIONS:
        perfect = 20.0 * np.eye(4)[target]
    elif metric.form in (Form.RANKS, Form.PROBABILITIES, Form.LISTS) and kind in ("binary", "multilabel"):
        perfect = 20.0 * (2 * target.astype(float) - 1)
    best, given = metric.value(target, perfect), metric.value(target, prediction)
    assert best is not None
    assert given is not None
    assert metric.sign * (best - given) > 0
    difference = metric.difference(target, perfect, prediction, np.arange(200))
    assert difference is not None
    assert difference[0] == pytest.approx(best - given, abs=1e-12)
    assert difference[1] is not None
    assert metric.sign * difference[1].low > 0 or metric.sign * difference[1].high > 0


@pytest.mark.parametrize(("kind", "name"), [
    ("binary", "f1"), ("binary", "brier"), ("multiclass", "auc"), ("multiclass", "macro_f1"), ("multiclass", "map@3"),
    ("multilabel", "auc"), ("multilabel", "macro_f1"), ("ordinal", "qwk"), ("regression", "rmse"),
    pytest.param("regression", "spearman", marks=pytest.mark.long)])
def test_an_interval_covers_what_a_large_sample_says(kind: str, name: str) -> None:
    metric = registry.named(kind, name)
    truth = metric.value(*drawn(kind, metric.form, 200_000 if name != "spearman" else 50_000, 99))
    assert truth is not None
    inside, draws = 0, 60 if name != "spearman" else 20  # whose interval takes longest
    for seed in range(draws):
        target, prediction = drawn(kind, metric.form, 120, 1000 + seed)
        copies = np.repeat(np.arange(120), np.where(np.arange(120) % 30 == 0, 4, 1))  # some rows are there four times
        interval = metric.interval(target[copies], prediction[copies], copies)
        assert interval is not None
        inside += interval.low <= truth <= interval.high
    assert inside / draws >= 0.85, inside


def test_rows_of_one_group_have_no_interval() -> None:
    for kind, name in every():
        metric = registry.named(kind, name)
        assert metric.interval(*drawn(kind, metric.form, 30, 0), np.zeros(30, np.int64)) is None, (kind, name)


def test_a_grade_that_is_not_there_keeps_its_distance_to_the_others() -> None:
    target, decided = np.array([0, 3, 3, 0, 1]), np.array([0, 3, 1, 0, 1])  # nobody has or gets grade 2
    assert registry.named("ordinal", "qwk").value(target, decided) == pytest.approx(plain_kappa(2)(target, decided))


def test_a_name_that_there_is_not_is_a_key_error() -> None:
    for kind, name in (("binary", "qwk"), ("multiclass", "map@0"), ("multiclass", "map@101"), ("regression", "auc"),
                       ("binary", "f0"), ("multilabel", "f2")):
        assert not names.is_one(kind, name)
        with pytest.raises(KeyError):
            registry.named(kind, name)
    assert registry.named("multiclass", "map@25").label == "MAP@25"
    assert registry.named("binary", "f0.5").label == "F0.5"


def test_the_page_of_metrics_names_them_all() -> None:
    page = (ROOT / "docs/metrics.md").read_text(encoding="utf-8")
    for kind in names.BY_KIND:
        row = next(line for line in page.splitlines() if line.startswith(f"| `{kind}` |"))
        assert [name for name in names.of_kind(kind) if f"`{name}`" not in row] == [], kind


# thresholds and cut points

SEARCHED = [metric for metric in registry.BINARY if metric.of_confusion] + [registry.named("binary", "f2")]


@given(st.lists(st.tuples(st.booleans(), st.sampled_from([0.1, 0.2, 0.35, 0.5, 0.62, 0.9])), min_size=2, max_size=25),
       st.sampled_from(SEARCHED))
def test_no_threshold_is_better_than_the_best(rows: list[tuple[bool, float]], metric: Metric) -> None:
    label = np.array([y for y, _ in rows], np.int8)
    probability = np.array([p for _, p in rows], np.float32)
    assert metric.of_confusion is not None

    def score(decided: np.ndarray) -> float:
        value = metric.value(label, decided.astype(np.int8))
        return -np.inf if value is None else metric.sign * value

    best = score(probability >= thresholds.best_threshold(label, probability, metric.of_confusion, metric.sign))
    candidates = [float(p) - 1e-6 for p in np.unique(probability)] + [2.0]  # the last: nothing is positive
    assert best == pytest.approx(max(score(probability >= c) for c in candidates))


@given(st.lists(st.tuples(st.integers(0, 2), st.sampled_from([-0.4, 0.1, 0.6, 0.9, 1.4, 1.6, 2.2])), min_size=4,
                max_size=14))
def test_no_single_cut_point_can_move_to_a_better_place(rows: list[tuple[int, float]]) -> None:
    grade, value = np.array([row[0] for row in rows]), np.array([row[1] for row in rows])
    qwk = confusion.kappa(2)

    def worth(cuts: list[float]) -> float:
        score = float(qwk(confusion.matrix(grade, thresholds.graded(value, cuts))))
        return score if np.isfinite(score) else -np.inf

    cuts = thresholds.best_cuts(grade, value, 3, qwk)
    assert cuts == sorted(cuts)
    places = [-1.0, *(np.unique(value) - 1e-9), 3.0]
    assert worth(cuts) >= max(worth(sorted([place, cuts[1]])) for place in places if place <= cuts[1]) - 1e-9
    assert worth(cuts) >= max(worth(sorted([cuts[0], place])) for place in places if place >= cuts[0]) - 1e-9
    rounded = float(qwk(confusion.matrix(grade, np.clip(np.round(value), 0, 2))))
    assert not np.isfinite(rounded) or worth(cuts) >= rounded - 1e-9


def test_cut_points_undo_a_stretch_that_rounding_does_not() -> None:
    rng = np.random.default_rng(0)
    grade = rng.integers(0, 5, 2000)
    value = 2 + 0.3 * (grade - 2) + rng.normal(0, 0.05, 2000)  # what a squared error gives: drawn to the middle
    decided = thresholds.graded(value, thresholds.best_cuts(grade, value, 5, confusion.kappa(2)))
    assert np.mean(decided == grade) > 0.98
    assert np.mean(np.round(value) == grade) < 0.6
