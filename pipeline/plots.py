"""The report's pictures: curves per fold and pooled, score distributions, training curves, stage 2 against stage 1."""

from collections.abc import Iterator
from contextlib import contextmanager
from io import BytesIO
from pathlib import Path
from typing import Any

import matplotlib

matplotlib.use("Agg")

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
from matplotlib.figure import Figure
from sklearn.metrics import precision_recall_curve, roc_curve

from pipeline import metrics, storage
from pipeline.errors import visible
from pipeline.predictions import StagePredictions
from pipeline.run import Run

COLOURS = {"baseline": "#8c8c8c", "stage1": "#1f6fb4", "stage2": "#c8501e"}


def write(run: Run, found: dict[str, StagePredictions]) -> list[Path]:
    """Draws every picture that the finished stages allow under oof/<run>/; returns the paths."""
    written = []

    @contextmanager
    def picture(name: str, columns: int, title: str) -> Iterator[Any]:
        figure, axes = plt.subplots(1, columns, figsize=(5.2 * columns, 4.4), layout="constrained", squeeze=False)
        figure.suptitle(title, fontsize=11)
        yield axes[0]
        path = run.paths.oof / name
        storage.write(path, _png(figure))
        written.append(path)

    with picture("roc_pr.png", 2, f"{run.config.name}: out of fold") as (roc, pr):
        for stage, part in found.items():
            _curves(roc, pr, stage, part)
        roc.plot([0, 1], [0, 1], ":", color="#bbbbbb", linewidth=1)
        roc.set(xlabel="false positive rate", ylabel="true positive rate", title="ROC (thin: folds)")
        pr.set(xlabel="recall", ylabel="precision", title="Precision-recall", ylim=(0, 1.02))
        for axis in (roc, pr):
            axis.legend(fontsize=8)
    with picture("scores.png", len(found), f"{run.config.name}: predictions by class") as axes:
        for axis, (stage, part) in zip(axes, found.items(), strict=True):
            for value, colour in ((0, "#6b8fb5"), (1, "#d8743f")):
                axis.hist(part.oof.prediction[part.oof.label == value], bins=np.linspace(0, 1, 41), alpha=0.65,
                          color=colour, label=f"label {_short(run.competition.task.name(value))}")
            axis.set(xlabel="predicted probability", ylabel="rows", title=stage)
            axis.legend(fontsize=8)
    trained = [stage for stage in ("stage1", "stage2") if stage in found]
    for stage in trained:
        with picture(f"training_{stage}.png", 3, f"{run.config.name}, {stage}: training") as axes:
            _training(run, found[stage], axes)
    if len(trained) == 2:
        with picture("stage2_vs_stage1.png", 2, f"{run.config.name}: stage 2 against stage 1") as (scatter, change):
            _against(scatter, change, found["stage1"].oof, found["stage2"].oof)
    return written


def pretraining(histories: dict[str, pd.DataFrame], run: str) -> bytes:
    """A PNG of stage 0's held-out masked loss and accuracy by epoch, each cell's."""
    figure, axes = plt.subplots(1, 2, figsize=(10.4, 4.4), layout="constrained")
    figure.suptitle(f"{run}: stage 0, held-out texts", fontsize=11)
    for name, history in histories.items():
        for axis, what in zip(axes, ("loss", "accuracy"), strict=True):
            for by, style in (("words", "-"), ("tokens", ":")):
                axis.plot(history.epoch, history[f"held_out_{by}_{what}"], style, marker="o", markersize=3,
                          label=f"{name}, {by} masked")
            axis.set(xlabel="epoch", title=f"masked {what}")
            axis.xaxis.get_major_locator().set_params(integer=True)
    axes[0].legend(fontsize=8)
    return _png(figure)


def _short(name: str) -> str:
    """A name as a legend has room for it, in which Matplotlib finds no formula."""
    name = visible(name)
    return (name if len(name) <= 24 else f"{name[:23]}…").replace("$", r"\$")


def _curves(roc: Any, pr: Any, stage: str, part: StagePredictions) -> None:
    colour = COLOURS[stage]
    for _, rows in part.oof.groupby("fold"):
        if rows.label.nunique() == 2:
            roc.plot(*roc_curve(rows.label, rows.logit)[:2], color=colour, alpha=0.25, linewidth=0.7)
            precision, recall, _ = precision_recall_curve(rows.label, rows.logit)
            pr.plot(recall, precision, color=colour, alpha=0.25, linewidth=0.7)
    label, logit = part.oof.label.to_numpy(), part.oof.logit.to_numpy()
    area, precise = metrics.auc(label, logit), metrics.average_precision(label, logit)
    if area is not None and precise is not None:
        roc.plot(*roc_curve(label, logit)[:2], color=colour, linewidth=1.8, label=f"{stage}: AUC {area:.4f}")
        precision, recall, _ = precision_recall_curve(label, logit)
        pr.plot(recall, precision, color=colour, linewidth=1.8, label=f"{stage}: average precision {precise:.4f}")


def _training(run: Run, part: StagePredictions, axes: Any) -> None:
    loss, area, rate = axes
    for fold in part.folds:
        history = pd.read_csv(run.paths.cell(part.stage, fold) / "history.csv")
        colour = f"C{fold % 10}"
        loss.plot(history.epoch, history.loss, color=colour, label=f"fold {fold}")
        area.plot(history.epoch, history.valid_auc, color=colour, marker="o", markersize=3)
        rate.plot(history.epoch, history.learning_rate, color=colour, marker="o", markersize=3)
    loss.set(xlabel="epoch", title="training loss")
    loss.legend(fontsize=7)
    for axis in axes:
        axis.xaxis.get_major_locator().set_params(integer=True)
    area.set(xlabel="epoch", title="AUC on the fold")
    rate.set(xlabel="epoch", title="learning rate at the epoch's end")


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
