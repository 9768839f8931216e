"""The AUC report: what each finished stage scores out of fold, and what stage 2 changed. No times, paths or events."""

import string
from typing import Any

import numpy as np
import pandas as pd
from rich.table import Table

from pipeline import folds, metrics, predictions
from pipeline.config import STAGES, Config
from pipeline.metrics import Interval
from pipeline.predictions import StagePredictions
from pipeline.run import Run

Report = dict[str, Any]


def build(run: Run, found: dict[str, StagePredictions]) -> Report:
    """The report as a JSON value; an undefined number is null and has a ``..._reason`` beside it."""
    report: Report = {
        "run": run.config.name,
        "metric": run.config.submit.metric,
        "folds": {"method": run.config.folds.method, "count": len(run.folds)},
        "data": folds.audit(run.competition.train, run.competition.test, run.fold_of_row),
        "stages": {stage: _stage(run.config, found[stage]) for stage in STAGES if stage in found},
        "notes": _notes(run.config),
    }
    pairs = [("stage1", "stage2"), ("baseline", "stage1")]
    report["comparisons"] = [_compare(old, found[old].oof, new, found[new].oof)
                             for old, new in pairs if old in found and new in found]
    if "stage2" in found and run.config.stage1.hand_on != run.config.stage1.predict_with:
        report["comparisons"].append(_compare("the epoch it was handed", predictions.handed_on(run, found["stage2"]),
                                              "stage2", found["stage2"].oof))
    pooled = {stage: part["pooled"] for stage, part in report["stages"].items() if part["pooled"] is not None}
    report["best_oof"] = max(pooled, key=lambda stage: pooled[stage]) if pooled else None
    report["submitted"] = run.config.submit.stage
    return report


def _stage(config: Config, found: StagePredictions) -> Report:
    oof = found.oof
    label, logit, fold = oof.label.to_numpy(), oof.logit.to_numpy(), oof.fold.to_numpy()
    rows = [_fold(int(one), oof[fold == one]) for one in np.unique(fold)]
    areas = [row["auc"] for row in rows if row["auc"] is not None]
    part: Report = {"folds": rows, "missing_folds": found.missing}
    part["mean"] = float(np.mean(areas)) if areas else None
    part["sd"] = float(np.std(areas, ddof=1)) if len(areas) > 1 else None
    if not areas:
        part["mean_reason"] = "no fold has both classes"
    if len(areas) < 2:
        part["sd_reason"] = "needs two folds with both classes"
    whole = not found.missing
    part["pooled"] = metrics.auc(label, logit) if whole else None
    part["rank_pooled"] = metrics.auc(label, metrics.rank_within_folds(logit, fold)) if whole else None
    part["pooled_interval"] = _interval(metrics.auc_interval(label, logit)) if whole else None
    if part["pooled"] is None:
        part["pooled_reason"] = "one class only" if whole else f"folds {_listed(found.missing)} are not finished"
    probability = oof.prediction.to_numpy()
    part["rows"], part["positives"] = len(oof), int(label.sum())
    part["average_precision"] = metrics.average_precision(label, logit)
    part["log_loss"] = metrics.log_loss(label, logit)
    for name, score in (("f1", metrics.f1), ("accuracy", metrics.accuracy)):
        threshold = metrics.best_threshold(label, probability, name)
        part[name] = {"at_half": score(label, probability), "threshold": threshold,
                      "at_threshold": score(label, probability, threshold),
                      "cross_fitted": metrics.cross_fitted(label, probability, fold, name)}
    return part


def _fold(fold: int, part: pd.DataFrame) -> Report:
    label, logit = part.label.to_numpy(), part.logit.to_numpy()
    row: Report = {"fold": fold, "rows": len(part), "positives": int(label.sum()), "auc": metrics.auc(label, logit)}
    row["interval"] = _interval(metrics.auc_interval(label, logit))
    if row["auc"] is None:
        row["auc_reason"] = f"all {len(part)} rows have label {label[0]}"
    return row


def _compare(old: str, old_oof: pd.DataFrame, new: str, new_oof: pd.DataFrame) -> Report:
    """What the newer predictions changed on the rows that both have."""
    both = old_oof.merge(new_oof, on="id", suffixes=("_old", "_new"), validate="one_to_one")
    label = both.label_new.to_numpy()
    p_old, p_new = both.prediction_old.to_numpy(), both.prediction_new.to_numpy()
    part: Report = {"old": old, "new": new, "rows": len(both)}
    by_fold = [area for _, rows in both.groupby("fold_new") if (area := metrics.auc_difference(
        rows.label_new.to_numpy(), rows.logit_new.to_numpy(), rows.logit_old.to_numpy())) is not None]
    part["delta_mean_auc"] = float(np.mean([area for area, _ in by_fold])) if by_fold else None
    difference = metrics.auc_difference(label, both.logit_new.to_numpy(), both.logit_old.to_numpy())
    part["delta_pooled_auc"] = difference[0] if difference else None
    part["delta_pooled_auc_interval"] = _interval(difference[1]) if difference else None
    if difference is None:
        part["delta_reason"] = "too few rows of one class on the rows that both predict"
    part["delta_f1"] = metrics.f1(label, p_new) - metrics.f1(label, p_old)
    part["decisions_flipped"] = int(((p_old >= 0.5) != (p_new >= 0.5)).sum())
    part["largest_change"] = float(np.abs(p_new - p_old).max())
    return part


def _notes(config: Config) -> list[str]:
    notes = []
    for name, stage in (("stage1", config.stage1), ("stage2", config.stage2)):
        chooses = "best" in (stage.predict_with, getattr(stage, "hand_on", "last")) or stage.early_stopping
        if chooses and stage.monitor_on == "fold":
            notes.append(f"{name} chooses its epoch on the fold that is reported: its OOF score is optimistic "
                         f"({name}.monitor_on = 'inner' is not)")
    if config.pretrain and config.pretrain.fold_texts == "all" and "train" in config.pretrain.texts:
        notes.append("stage 0 has read the validation folds' texts, though no label (pretrain.fold_texts = 'training' "
                     "keeps them from it)")
    if not config.head.masked:
        notes.append("the head reads padding: a score depends on the batch that the row sits in")
    if "grouped" not in config.folds.method and config.folds.method != "given":
        notes.append("folds are not grouped: repeated texts on both sides flatter the score")
    return notes


def console_table(report: Report) -> Table:
    """AUC by stage and fold, as a rich table."""
    table = Table(title=f"Out-of-fold AUC, run {report['run']}")
    table.add_column("stage")
    for fold in range(report["folds"]["count"]):
        table.add_column(f"fold {fold}", justify="right")
    for name in ("mean ± sd", "pooled", "95 %", "rank-pooled", "F1*"):
        table.add_column(name, justify="right")
    for row in _cells(report):
        table.add_row(*row)
    return table


def markdown(report: Report) -> str:
    """The report for reading: the table, what stage 2 changed, and what to keep in mind."""
    header = ["stage", *(f"fold {fold}" for fold in range(report["folds"]["count"])),
              "mean ± sd", "pooled", "95 %", "rank-pooled", "F1*"]
    lines = [f"# Out-of-fold report of run `{report['run']}`", "",
             f"{report['data']['rows']:,} training rows, {report['folds']['count']} folds "
             f"({report['folds']['method']}). AUC:", "",
             "| " + " | ".join(header) + " |", "|" + "---|" * len(header)]
    lines += ["| " + " | ".join(row) + " |" for row in _cells(report)]
    lines += ["", "*F1 at the threshold chosen on the other folds.", "", *(f"- {line}" for line in summary(report))]
    lines += ["", "| rows by what changes a score's meaning | |", "|---|---|"]
    lines += [f"| {name} | {count:,} |" for name, count in report["data"].items()]
    return "\n".join(lines) + "\n"


def summary(report: Report) -> list[str]:
    """What a person should read beside the table: comparisons, which stage is better, gaps and warnings."""
    lines = []
    for part in report["comparisons"]:
        if part["delta_pooled_auc"] is None:
            continue
        interval = part["delta_pooled_auc_interval"]
        lines.append(
            f"{part['new']} against {part['old']} on {part['rows']:,} rows: AUC {part['delta_pooled_auc']:+.5f} "
            f"({interval[0]:+.5f} to {interval[1]:+.5f}), F1 at 0.5 {part['delta_f1']:+.4f}, "
            f"{part['decisions_flipped']:,} decisions flipped, largest change of a probability "
            f"{part['largest_change']:.2g}")
    for stage, part in report["stages"].items():
        if part["missing_folds"]:
            lines.append(f"{stage}: folds {_listed(part['missing_folds'])} are not finished; pooled AUC waits for them")
    best, submitted = report["best_oof"], report["submitted"]
    if best:
        lines.append(f"best pooled OOF AUC: {best}; `submissions/{report['run']}.csv` is made from {submitted}"
                     + ("" if best == submitted else " (submit.stage)"))
    return lines + report["notes"]


def _cells(report: Report) -> list[list[str]]:
    rows = []
    for stage, part in report["stages"].items():
        by_fold = {row["fold"]: row["auc"] for row in part["folds"]}
        interval = part["pooled_interval"]
        rows.append([
            stage, *(_number(by_fold.get(fold)) for fold in range(report["folds"]["count"])),
            _number(part["mean"]) + (f" ± {part['sd']:.4f}" if part["sd"] is not None else ""),
            _number(part["pooled"]), f"{interval[0]:.4f}-{interval[1]:.4f}" if interval else "–",
            _number(part["rank_pooled"]), _number(part["f1"]["cross_fitted"])])
    return rows


def _number(value: float | None) -> str:
    return "–" if value is None else f"{value:.4f}"


def _interval(interval: Interval | None) -> list[float] | None:
    return None if interval is None else [interval.low, interval.high]


def _listed(numbers: list[int]) -> str:
    return ", ".join(map(str, numbers))


def plain(text: str) -> str:
    """A text in which Markdown finds nothing to render: no mark-up, links, HTML or line breaks."""
    return "".join(f"\\{c}" if c in string.punctuation else c if c.isprintable() else " " for c in text)
