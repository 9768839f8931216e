"""The report's pictures: curves per fold and pooled, score distributions, training curves, stage 2 against stage 1."""

import functools
from io import BytesIO
from pathlib import Path
from typing import Any

import matplotlib
import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
from matplotlib import font_manager
from matplotlib.figure import Figure
from sklearn.metrics import precision_recall_curve, roc_curve

from pipeline.errors import visible
from pipeline.files import formats
from pipeline.metrics import scores
from pipeline.results import histories
from pipeline.results.predictions import StagePredictions
from pipeline.runs.run import Run
from pipeline.stage_table import BASELINE, BLEND, PREDICTING, STAGE1, STAGE2
from pipeline.tasks import Report

matplotlib.use("Agg")
CHINESE = ("Noto Sans CJK SC", "Noto Sans SC", "Source Han Sans SC", "WenQuanYi Micro Hei", "PingFang SC",
           "Microsoft YaHei", "SimHei", "Arial Unicode MS")
FONTS = ["DejaVu Sans", *sorted({font.name for font in font_manager.fontManager.ttflist} & set(CHINESE))]
plt.rcParams["font.family"] = FONTS
COLOURS = {str(BASELINE): "#8c8c8c", str(STAGE1): "#1f6fb4", str(STAGE2): "#c8501e", str(BLEND): "#3a8f5c"}
COLUMNS = 4  # of labels, whose pictures a figure has room for
Found = dict[str, StagePredictions]
Parts = dict[str, Report]


def write(run: Run, predictions: Found, parts: Parts) -> list[Path]:
    """Draws every picture that the task and the finished stages have under oof/<run>/; returns the paths.

    parts: each stage's part of the report.
    """
    trained = [name for name, stage in PREDICTING.items() if stage.trains_bert and name in predictions]
    drawn = {name: PICTURES[name](run, predictions, parts) for name in run.competition.task.pictures}
    drawn |= {f"training_{stage}": _training(run, predictions[stage]) for stage in trained}
    written = []
    for name, figure in drawn.items():
        if figure:
            written.append(run.paths.oof / f"{name}.png")
            formats.write(written[-1], _png(figure))
    return written


def _figure(title: str, columns: int, rows: int = 1, long_names: bool = False) -> tuple[Figure, Any]:
    """Axes side by side. long_names: whether ticks are named, so that room for them must be found: a second drawing."""
    width, height = 5.2 * columns, 4.4 * rows
    figure, axes = plt.subplots(rows, columns, figsize=(width, height), layout="constrained" if long_names else None,
                                squeeze=False)
    if not long_names:  # inches around the axes and between them
        figure.subplots_adjust(left=0.7 / width, right=1 - 0.2 / width, bottom=0.6 / height, top=1 - 0.75 / height,
                               wspace=0.21, hspace=0.3)
    figure.suptitle(title, fontsize=11)
    return figure, axes.ravel()


def _roc_pr(run: Run, predictions: Found, parts: Parts) -> Figure:
    figure, (roc, pr) = _figure(f"{run.config.name}: out of fold", 2)
    for stage, part in predictions.items():
        _curves(roc, pr, stage, part)
    roc.plot([0, 1], [0, 1], ":", color="#bbbbbb", linewidth=1)
    roc.set(xlabel="false positive rate", ylabel="true positive rate", title="ROC (thin: folds)")
    pr.set(xlabel="recall", ylabel="precision", title="Precision-recall", ylim=(0, 1.02))
    for axis in (roc, pr):
        axis.legend(fontsize=8)
    return figure


def _scores(run: Run, predictions: Found, parts: Parts) -> Figure:
    figure, axes = _figure(f"{run.config.name}: predictions by class", len(predictions))
    for axis, (stage, part) in zip(axes, predictions.items(), strict=True):
        for value, colour in ((0, "#6b8fb5"), (1, "#d8743f")):
            axis.hist(part.oof.prediction[part.oof.label == value], bins=np.linspace(0, 1, 41), alpha=0.65,
                      color=colour, label=f"label {_short(run.competition.task.label_text(value), value)}")
        axis.set(xlabel="predicted probability", ylabel="rows", title=stage)
        axis.legend(fontsize=8)
    return figure


def _stage2_vs_stage1(run: Run, predictions: Found, parts: Parts) -> Figure | None:
    before, after = predictions.get(str(STAGE1)), predictions.get(str(STAGE2))
    if before is None or after is None:
        return None
    figure, (scatter, change) = _figure(f"{run.config.name}: stage 2 against stage 1", 2)
    _against(scatter, change, before.oof, after.oof)
    return figure


def _confusion(run: Run, predictions: Found, parts: Parts) -> Figure:
    """For every stage, the share of each class's rows that were taken for each class."""
    figure, axes = _figure(f"{run.config.name}: what a class's rows are taken for", len(predictions), long_names=True)
    names = [_short(row["class"], number) for number, row in enumerate(next(iter(parts.values()))["classes"])]
    for axis, (stage, part) in zip(axes, parts.items(), strict=True):
        counts = np.array(part["confusion"])
        axis.imshow(counts / np.maximum(counts.sum(axis=1, keepdims=True), 1), cmap="Blues", vmin=0, vmax=1)
        axis.set(title=stage, xlabel="taken for", ylabel="class")
        if len(names) <= 30:
            axis.set_xticks(range(len(names)), names, rotation=90, fontsize=6)
            axis.set_yticks(range(len(names)), names, fontsize=6)
    return figure


def _by_class(run: Run, predictions: Found, parts: Parts) -> Figure:
    """F1 of each class against how many rows it has."""
    figure, (axis,) = _figure(f"{run.config.name}: F1 by class", 1)
    for stage, part in parts.items():
        classes = part["classes"]
        axis.scatter([row["rows"] for row in classes], [row["f1"] for row in classes], s=12, color=COLOURS[stage],
                     alpha=0.7, label=stage)
    axis.set(xlabel="rows of the class", ylabel="F1", ylim=(-0.02, 1.02), xscale="log")
    axis.legend(fontsize=8)
    return figure


def _truth_and_prediction(run: Run, predictions: Found, parts: Parts) -> Figure:
    """Of the first columns, each row's prediction against its label, and the line where they are the same."""
    task = run.competition.task
    names = [] if task.has_labels else list(task.output_names)[:COLUMNS]
    figure, axes = _figure(f"{run.config.name}: prediction against label", len(predictions), max(len(names), 1),
                           long_names=task.has_labels)
    for number, name in enumerate(names or [""]):
        for place, (stage, part) in enumerate(predictions.items()):
            axis = axes[number * len(predictions) + place]
            truth, value = task.truth(part.oof), task.deciding(part.oof)
            if task.has_labels:
                _boxes(axis, stage, truth, value, parts[stage])
                continue
            if names:
                truth, value = truth[:, number], value[:, number]
            axis.scatter(truth, value, s=4, alpha=0.3, linewidths=0, color=COLOURS[stage])
            ends = [float(min(truth.min(), value.min())), float(max(truth.max(), value.max()))]
            axis.plot(ends, ends, ":", color="#777777", linewidth=1)
            axis.set(xlabel="label", ylabel="prediction", title=f"{stage} {_short(name, number)}".strip())
    return figure


def _boxes(axis: Any, stage: str, grade: Any, value: Any, part: Report) -> None:
    """Of the rows of each grade, how their values lie, and where they are cut."""
    names = [_short(row["class"], number) for number, row in enumerate(part["classes"])]
    axis.boxplot([value[grade == number] for number in range(len(names))], positions=range(len(names)), widths=0.6,
                 flierprops={"markersize": 2, "alpha": 0.4}, medianprops={"color": COLOURS[stage]})
    axis.set_xticks(range(len(names)), names)
    for cut in part["cut_points"] or []:
        axis.axhline(cut, color=COLOURS[stage], linewidth=0.7, linestyle=":")
    axis.set(xlabel="label", ylabel="prediction (dotted: cut points)", title=stage)


PICTURES = {"truth_and_prediction": _truth_and_prediction, "roc_pr": _roc_pr, "scores": _scores,
            "stage2_vs_stage1": _stage2_vs_stage1, "confusion": _confusion, "by_class": _by_class}


def pretraining(histories: dict[str, pd.DataFrame], run: str) -> bytes:
    """A PNG of stage 0's held-out masked loss and accuracy by epoch, each cell's."""
    figure, axes = _figure(f"{run}: stage 0, held-out texts", 2)
    for name, history in histories.items():
        for axis, what in zip(axes, ("loss", "accuracy"), strict=True):
            for by, style in (("words", "-"), ("tokens", ":")):
                axis.plot(history.epoch, history[f"held_out_{by}_{what}"], style, marker="o", markersize=3,
                          label=f"{name}, {by} masked")
            axis.set(xlabel="epoch", title=f"masked {what}")
            axis.xaxis.get_major_locator().set_params(integer=True)
    axes[0].legend(fontsize=8)
    return _png(figure)


def _short(name: str, number: int) -> str:
    """A name as a legend has room for it, in which Matplotlib finds no formula; its number where this machine has no
    font to write it in."""
    name = visible(name)
    if any(not any(font.get_char_index(ord(character)) for font in _fonts()) for character in name):
        return f"no. {number}"
    return (name if len(name) <= 24 else f"{name[:23]}…").replace("$", r"\$")


@functools.cache
def _fonts() -> list[Any]:
    return [font_manager.get_font(font_manager.findfont(name)) for name in FONTS]


def _curves(roc: Any, pr: Any, stage: str, part: StagePredictions) -> None:
    colour = COLOURS[stage]
    for _, rows in part.oof.groupby("fold"):
        if rows.label.nunique() == 2:
            roc.plot(*roc_curve(rows.label, rows.logit)[:2], color=colour, alpha=0.25, linewidth=0.7)
            precision, recall, _ = precision_recall_curve(rows.label, rows.logit)
            pr.plot(recall, precision, color=colour, alpha=0.25, linewidth=0.7)
    label, logit = part.oof.label.to_numpy(), part.oof.logit.to_numpy()
    area, precise = scores.auc(label, logit), scores.average_precision(label, logit)
    if area is not None and precise is not None:
        roc.plot(*roc_curve(label, logit)[:2], color=colour, linewidth=1.8, label=f"{stage}: AUC {area:.4f}")
        precision, recall, _ = precision_recall_curve(label, logit)
        pr.plot(recall, precision, color=colour, linewidth=1.8, label=f"{stage}: average precision {precise:.4f}")


def _training(run: Run, part: StagePredictions) -> Figure:
    figure, (loss, score, rate) = _figure(f"{run.config.name}, {part.stage}: training", 3)
    of_cells = histories.of(run, part)
    metric, label = histories.scored_by(run, list(of_cells.values()))
    for cell, history in of_cells.items():
        fold, colour = cell.fold, f"C{cell.fold % 10}"
        loss.plot(history.epoch, history.loss, color=colour, label=None if cell.further else f"fold {fold}")
        score.plot(history.epoch, history[f"valid_{metric}"], color=colour, marker="o", markersize=3)
        rate.plot(history.epoch, history.learning_rate, color=colour, marker="o", markersize=3)
    loss.set(xlabel="epoch", title="training loss")
    loss.legend(fontsize=7)
    for axis in (loss, score, rate):
        axis.xaxis.get_major_locator().set_params(integer=True)
    score.set(xlabel="epoch", title=f"{label} on the fold")
    rate.set(xlabel="epoch", title="learning rate at the epoch's end")
    return figure


def _against(scatter: Any, change: Any, old: pd.DataFrame, new: pd.DataFrame) -> None:
    both = old.merge(new, on="id", suffixes=("_1", "_2"))
    colour = np.where(both.label_1 == 1, "#d8743f", "#6b8fb5")
    scatter.scatter(both.prediction_1, both.prediction_2, s=3, c=colour, alpha=0.5, linewidths=0)
    scatter.axhline(0.5, color="#bbbbbb", linewidth=0.7)
    scatter.axvline(0.5, color="#bbbbbb", linewidth=0.7)
    scatter.set(xlabel="stage 1", ylabel="stage 2", title="probability (orange: positive)")
    change.hist(both.prediction_2 - both.prediction_1, bins=60, color="#777777")
    change.set(xlabel="stage 2 - stage 1", ylabel="rows", title="change of the probability")


def _png(figure: Figure) -> bytes:
    buffer = BytesIO()
    figure.savefig(buffer, format="png", dpi=110, metadata={"Software": None})
    plt.close(figure)
    return buffer.getvalue()
