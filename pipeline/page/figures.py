"""The page's pictures of how well the stages do: by fold, part of the rows, probability, threshold and epoch."""

from collections.abc import Mapping, Sequence

import numpy as np
import numpy.typing as npt
import pandas as pd

from pipeline.lazy import lazily
from pipeline.metrics import intervals, names, registry
from pipeline.metrics.intervals import Interval
from pipeline.metrics.metric import Metric
from pipeline.page.drawing import BOTTOM, TOP, Picture, axis, named_axis, span
from pipeline.page.selection import Predictions
from pipeline.page.slices import Slice
from pipeline.results import stage_scores
from pipeline.stage_table import BLEND
from pipeline.tasks import Report, format_score
from pipeline.tasks.binary import Binary
from pipeline.tasks.report_parts import between
from pipeline.tasks.row_views import RowView

curves = lazily("sklearn.metrics")

NAMES = 110  # units of the viewBox for names at the left
LINE = 22  # units of a line of dots
BINS = 10  # of a calibration
CELLS = 24  # of a side of truth against prediction
STEPS = 40  # of a histogram, and of a threshold beside the quantiles of what is predicted
QUANTILES = 200
Doubles = npt.NDArray[np.float64]


def by_fold(report: Report, label: str) -> Picture:
    """Each stage's score by fold and pooled, with intervals where there are some."""
    lines, rows = list[tuple[str, str, float, list[float] | None, bool]](), []
    for stage, part in report["stages"].items():
        lead = stage_scores.leading(part)
        for fold in lead["folds"]:
            if (score := fold[report["metric"]]) is not None:
                lines.append((stage, f"fold {fold['fold']}", score, fold.get("interval"), False))
        if lead["pooled"] is not None:
            lines.append((stage, f"{stage}, all rows", lead["pooled"], lead.get("pooled_interval"), True))
    lines.reverse()
    ends = [end for *_, score, interval, _ in lines for end in (score, *(interval or []))]
    picture = Picture(f"{label} by fold", "A dot for each fold of each stage, a diamond for all rows, with 95 % "
                      "intervals of the rows where there are some.", axis(label, *span(ends)),
                      named_axis([name for _, name, *_ in lines]), width=660, left=NAMES,
                      height=TOP + BOTTOM + LINE * max(len(lines), 1))
    for place, (stage, name, score, interval, whole) in enumerate(lines):
        if interval:
            picture.interval(stage, (interval[0], interval[1]), place)
        picture.dot(stage, score, place, f"{stage}, {name.removeprefix(f'{stage}, ')}: {score:.4f}", whole)
        rows.append([stage, name.removeprefix(f"{stage}, "), format_score(score), between(interval)])
    picture.table = ["stage", "rows", label, "95 %"], rows[::-1]
    return picture


def of_slices(slices: Sequence[Slice], title: str, label: str, pooled: Mapping[str, float | None]) -> Picture:
    """A stage's score on parts of the rows, in their order. pooled: on all rows, a line for each stage."""
    shown = [part for part in slices if part.score is not None][::-1]
    ends = [end for part in shown for end in (part.score, *(part.interval or []))]
    picture = Picture(title, f"A dot for each part of the rows, with 95 % intervals where there are some; the line is "
                      f"{label} of all rows.", axis(label, *span([*ends, *pooled.values()])),
                      named_axis([part.name for part in shown]), left=NAMES + LINE,
                      height=TOP + BOTTOM + LINE * max(len(shown), 1))
    for stage, score in pooled.items():
        if score is not None:
            picture.line(stage, [score, score], [-0.5, len(shown) - 0.5], thin=True)
    for place, part in enumerate(shown):
        if part.interval:
            picture.interval(part.stage, (part.interval[0], part.interval[1]), place)
        picture.dot(part.stage, part.score or 0.0, place,
                    f"{part.name}: {format_score(part.score)}, {part.rows:,} rows")
    picture.table = (["part", "rows", label, "95 %"],
                     [[part.name, f"{part.rows:,}", format_score(part.score), between(part.interval)]
                      for part in slices])
    return picture


def roc(views: Mapping[str, RowView]) -> Picture:
    """True against false positive rate of each stage."""
    picture = Picture("ROC", "Each stage's curve over all rows, out of fold.", axis("false positive rate", 0, 1),
                      axis("true positive rate", 0, 1))
    picture.diagonal()
    for stage, (probability, happened) in _claims(views).items():
        false, true, _ = curves.roc_curve(happened, probability)
        picture.line(stage, false, true)
        picture.legend.append((stage, stage))
    return picture


def precision_recall(views: Mapping[str, RowView]) -> Picture:
    """Precision against recall of each stage."""
    picture = Picture("Precision and recall", "Each stage's curve over all rows, out of fold.", axis("recall", 0, 1),
                      axis("precision", 0, 1))
    for stage, (probability, happened) in _claims(views).items():
        precision, recall, _ = curves.precision_recall_curve(happened, probability)
        picture.line(stage, recall[::-1], precision[::-1])
        picture.legend.append((stage, stage))
    return picture


def calibration(views: Mapping[str, RowView], groups: Mapping[str, npt.NDArray[np.int64]]) -> Picture | None:
    """How often what is claimed with a probability is so, in bins of equally many claims, with the expected calibration
    error (Naeini, Cooper and Hauskrecht 2015, https://doi.org/10.1609/aaai.v29i1.9602). groups: of each stage's rows,
    for intervals; a row may make several claims."""
    claims, rows = _claims(views), list[list[str]]()
    if not claims:
        return None
    picture = Picture("Calibration", "How often a label is right, against the probability that it was given; bins of "
                      "equal size, with 95 % intervals. On the line probabilities mean what they say.",
                      axis("probability", 0, 1), axis("share that is so", 0, 1))
    picture.diagonal()
    for stage, (probability, happened) in claims.items():
        own = np.repeat(groups[stage], len(probability) // len(groups[stage]))
        bins = np.array_split(np.argsort(probability, kind="stable"), min(BINS, len(probability)))
        points = list[tuple[float, float]]()
        for inside in bins:
            mean, share = float(probability[inside].mean()), float(happened[inside].mean())
            interval = intervals.share_interval(happened[inside], own[inside])
            if interval:
                picture.upright(stage, mean, interval.low, interval.high)
            picture.dot(stage, mean, share, f"{stage}: {share:.3f} of {len(inside):,} at {mean:.3f}")
            points.append((mean, share))
        picture.line(stage, [x for x, _ in points], [y for _, y in points], thin=True)
        error, interval = _calibration_error(probability, happened, bins, own)
        rows.append([stage, f"{error:.4f}", between([interval.low, interval.high] if interval else None)])
        picture.legend.append((stage, stage))
    picture.table = ["stage", "expected calibration error", "95 %"], rows
    return picture


def threshold(predictors: Sequence[Predictions], output: int, metric: Metric, chosen: Mapping[str, Report]
              ) -> Picture | None:
    """The score of decisions against the threshold. chosen: of each stage that has one in the report, the threshold
    that all rows choose, the score at it, and the one where each fold is decided by the threshold of the others."""
    lines: dict[str, tuple[Doubles, Doubles]] = {}
    for part in predictors:
        view = part.view(output)
        if view.positive is None or view.claims is None or metric.of_confusion is None:
            return None
        probability, happened = view.claims
        own = [chosen[part.name]["threshold"]] if part.name in chosen else []
        quantiles = np.quantile(probability, np.linspace(0, 1, QUANTILES))
        places = np.unique(np.concatenate([np.linspace(0, 1, STEPS + 1), quantiles, own]))
        score = _by_threshold(probability, happened, places, metric)
        lines[part.name] = places[np.isfinite(score)], score[np.isfinite(score)]
    low, high = span([*(value for _, score in lines.values() for value in score.tolist()),
                      *(own_choice["cross_fitted"] for own_choice in chosen.values())])
    of_diamonds = (" A diamond: the threshold that all rows choose, with the score where each fold is decided by the "
            "threshold of the others." if chosen else "")
    picture = Picture(f"{metric.label} by threshold", f"{metric.label} of all rows where those above a threshold are "
                      f"positive.{of_diamonds}", axis("threshold", 0, 1), axis(metric.label, low, high))
    for stage, (places, score) in lines.items():
        picture.line(stage, places, score)
        picture.legend.append((stage, stage))
    for stage, own_choice in chosen.items():
        at, score_there = own_choice["threshold"], own_choice["cross_fitted"]
        picture.dot(stage, at, score_there, f"{stage}: {score_there:.4f} cross-fitted, at {at:.4f}", True)
    if chosen:
        picture.table = (["stage", "threshold", "cross-fitted", "in sample"], [
            [stage, *(format_score(own_choice[name]) for name in ("threshold", "cross_fitted", "in_sample"))]
            for stage, own_choice in chosen.items()])
    return picture


def change(old: Predictions, new: Predictions, output: int) -> Picture:
    """How far a later stage moved the probability of a row's label, or its value."""
    both = new.ids.intersection(old.ids, sort=False)
    before, after = (part.view(output).number[part.ids.get_indexer(both)] for part in (old, new))
    moved = after - before
    low, high = span(moved.tolist())
    counts, edges = np.histogram(moved, np.linspace(low, high, STEPS + 1))
    title = f"{new.name} less {old.name}" + (f": {list(new.views)[output]}" if len(new.views) > 1 else "")
    picture = Picture(title, "How many rows moved by how much: the probability of the row's "
                      "own label, or the predicted value.", axis(f"{new.name} less {old.name}", low, high),
                      axis("rows", 0, float(counts.max()), 0))
    for count, left, right in zip(counts, edges, edges[1:], strict=False):
        if count:
            picture.box(new.name, (float(left), float(right)), (0.0, float(count)),
                        f"{left:+.4f} to {right:+.4f}: {count:,} rows")
    return picture


def truth_against(view: RowView, stage: str) -> Picture:
    """Where there are how many rows, by their label and their predicted value."""
    truth, value = view.truth if view.truth is not None else view.number, view.number
    low, high = span([*truth.tolist(), *value.tolist()], 0.01)
    counts, x_edges, y_edges = np.histogram2d(truth, value, CELLS, [[low, high], [low, high]])
    picture = Picture(f"{stage}: predicted against true", "Darker where there are more rows; on the line predictions "
                      "are right.", axis("label", low, high), axis("prediction", low, high), height=360)
    for column, row in zip(*np.nonzero(counts), strict=True):
        picture.box(stage, (float(x_edges[column]), float(x_edges[column + 1])),
                    (float(y_edges[row]), float(y_edges[row + 1])), f"{int(counts[column, row]):,} rows",
                    0.15 + 0.85 * float(np.sqrt(counts[column, row] / counts.max())))
    picture.diagonal()
    return picture


def learning(histories: Mapping[int, Sequence[pd.DataFrame]], stage: str, column: str, label: str) -> Picture | None:
    """A line for each cell over its epochs. histories: by fold, one of each seed."""
    known = {fold: [part for part in parts if column in part and part[column].notna().any()]
             for fold, parts in histories.items()}
    values = [float(value) for parts in known.values() for part in parts for value in part[column].dropna()]
    if not values:
        return None
    last = max(float(part.epoch.max()) for parts in known.values() for part in parts)
    first = min(float(part.epoch.min()) for parts in known.values() for part in parts)
    picture = Picture(f"{stage}: {label} by epoch", "A line for each fold, and for each seed of it.",
                      axis("epoch", first, last, 0), axis(label, *span(values)), height=240)
    for fold, parts in known.items():
        for part in parts:
            there = part[part[column].notna()]
            picture.line(f"fold{fold % 10}", there.epoch.to_numpy(), there[column].to_numpy(), thin=True)
            for epoch, value in zip(there.epoch, there[column], strict=True):
                picture.dot(f"fold{fold % 10}", float(epoch), float(value),
                            f"fold {fold}, epoch {int(epoch)}: {float(value):.4f}")
        picture.legend.append((f"fold{fold % 10}", f"fold {fold}"))
    return picture


def weights(of_members: Mapping[str, tuple[float, float]]) -> Picture:
    """A bar for each member of a blend. of_members: weight and its sd over the folds' fits, the greatest first."""
    members = list(of_members)[::-1]
    high = max((weight + sd for weight, sd in of_members.values()), default=1.0)
    picture = Picture("Weights", "A bar for each member, with its standard deviation over the folds' fits.",
                      axis("weight", 0, high), named_axis(members), width=660, left=2 * NAMES,
                      height=TOP + BOTTOM + LINE * max(len(members), 1))
    for place, name in enumerate(members):
        weight, sd = of_members[name]
        picture.box(str(BLEND), (0.0, weight), (place - 0.3, place + 0.3), f"{name}: {weight:.3f}")
        picture.interval("guide", (weight - sd, weight + sd), place)
    return picture


def _claims(views: Mapping[str, RowView]) -> dict[str, tuple[Doubles, npt.NDArray[np.bool_]]]:
    """Of the stages that have some, with what is so and what is not."""
    return {stage: view.claims for stage, view in views.items()
            if view.claims is not None and view.claims[1].any() and not view.claims[1].all()}


def _calibration_error(probability: Doubles, happened: npt.NDArray[np.bool_], bins: Sequence[npt.NDArray[np.int64]],
                       group: npt.NDArray[np.int64]) -> tuple[float, Interval | None]:
    """The mean distance between what a bin claims and what is so, and its interval, of groups drawn with replacement.
    """
    number = np.unique(group, return_inverse=True)[1]
    off = np.zeros((int(number.max()) + 1, len(bins)))  # [groups, bins]: claims less what is so
    for place, inside in enumerate(bins):
        np.add.at(off[:, place], number[inside], probability[inside] - happened[inside])
    size = np.bincount(number)

    def error(drawn: npt.NDArray[np.int64]) -> float:
        return float(np.abs(off[drawn].sum(axis=0)).sum() / size[drawn].sum())

    every = np.arange(len(size))
    return error(every), intervals.bootstrap(error, every)


def _by_threshold(probability: Doubles, happened: npt.NDArray[np.bool_], places: Doubles, metric: Metric) -> Doubles:
    """float64 [places]: the score where rows at or above each place are positive."""
    assert metric.of_confusion is not None
    order = np.argsort(-probability, kind="stable")
    above = np.searchsorted(-probability[order], -places, side="right")
    hits = np.concatenate([[0], np.cumsum(happened[order])])[above]
    positives, rows = int(happened.sum()), len(happened)
    matrices = np.stack([np.stack([rows - positives - (above - hits), above - hits], axis=1),
                         np.stack([positives - hits, hits], axis=1)], axis=1)
    with np.errstate(all="ignore"):
        return np.asarray(metric.of_confusion(matrices.astype(np.float64)), np.float64)


def of_two_labels(metric: str | None) -> Metric:
    """What the curve of thresholds is of: the run's metric where it scores decisions between two labels, else F1."""
    if metric and names.is_one(Binary.kind, metric):
        named = registry.named(Binary.kind, metric)
        if named.of_confusion is not None:
            return named
    return registry.named(Binary.kind, "f1")
