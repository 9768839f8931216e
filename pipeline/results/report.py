"""The report: what each finished stage scores out of fold, and what stage 2 changed. No times, paths or events.

What is scored, and how it is shown, is the task's.
"""

import string
from pathlib import Path

import numpy as np
import pandas as pd
from rich import box
from rich.table import Table

from pipeline.competition import folds, tables
from pipeline.config.run import Config
from pipeline.config.training import Training
from pipeline.doctor import repeated_texts
from pipeline.files import formats
from pipeline.metrics import names
from pipeline.results import predictions, rows_report, seed_spread, stage_scores
from pipeline.results.predictions import StagePredictions
from pipeline.results.seed_spread import Scored
from pipeline.runs.run import Run
from pipeline.stage_table import PREDICTING, STAGE2
from pipeline.tasks import Report, Task, format_score
from pipeline.text.columns import text_columns


def build(run: Run, parts: dict[str, StagePredictions]) -> Report:
    """The report as a JSON value; an undefined number is null and has a ``..._reason`` beside it."""
    task, metric = run.competition.task, run.config.metric
    ids = run.competition.train.id
    oof = {stage: folds.grouped(part.oof, ids, run.groups) for stage, part in parts.items()}
    report: Report = {
        "run": run.config.name,
        "metric": metric or task.metric, "greater_is_better": task.named_metric(metric).greater_is_better,
        "hashes": {"scored rows": _scored_rows(run), "test rows": run.data_identity["test rows"]},
        "folds": {"method": run.config.folds.method, "count": len(run.folds)},
        "data": repeated_texts.audit(run.competition, run.fold_of_row) | rows_report.only_trained_on(run),
        "intervals": {"level": 0.95, "of": "rows, with the trained models as they are",
                      "groups": len(np.unique(run.groups[~run.only_trained_on])),
                      "grouped_by": run.config.folds.group_column or (
                          "nearly the same text" if run.config.folds.group_by == "near" else "identical text")},
        "stages": {stage: _evaluated(task, oof[stage], parts[stage].missing, metric)
                   for stage in PREDICTING if stage in parts},
        "notes": _notes(run.config),
    }
    rows_report.add_sources(run, oof, report)
    by_seed = {stage: seed_spread.of(task, part, metric) for stage, part in parts.items()}
    for stage, scored in by_seed.items():
        if scored:
            report["stages"][stage]["seeds"] = seed_spread.part(scored, metric or task.metric)
    pairs = [(stage.compared_with, name) for name, stage in reversed(PREDICTING.items())]
    report["comparisons"] = [_compared(task, old, oof[old], new, oof[new], metric, by_seed[old], by_seed[new])
                             for old, new in pairs if old in parts and new in parts
                             and not set(oof[old].id).isdisjoint(oof[new].id)]
    for stage, part in parts.items():
        if part.missing_seeds:
            report["stages"][stage]["missing_seeds"] = part.missing_seeds
    last = str(STAGE2)
    if last in parts and run.config.stage1.hand_on != run.config.stage1.predict_with:
        handed_on = folds.grouped(predictions.handed_on(run, parts[last]), ids, run.groups)
        report["comparisons"].append(_compared(task, "the epoch it was handed", handed_on, last, oof[last], metric))
    if (pseudo := run.pseudo_labels) is not None:
        report["pseudo_labels"] = rows_report.pseudo_labels(run)
        if (stage := str(pseudo.source.stage)) in parts:
            old = folds.grouped(pseudo.out_of_fold, ids, run.groups)
            before = seed_spread.of_tables(task, pseudo.by_seed if len(pseudo.by_seed) > 1 else {}, metric)
            report["comparisons"].append(_compared(task, str(pseudo.source), old, stage, oof[stage], metric, before,
                                                   by_seed[stage], same_stage=True))
    pooled = {stage: score for stage, part in report["stages"].items()
              if (score := stage_scores.leading(part)["pooled"]) is not None}
    sign = task.named_metric(metric).sign
    report["best_oof"] = max(pooled, key=lambda stage: sign * pooled[stage]) if pooled else None
    report["submitted"] = run.config.submit.stage if len(run.competition.test) else None
    return report


def write(run: Run, report: Report) -> list[Path]:
    """Writes oof/<run>/<metric>.md for reading and .json for programs; returns the paths. Those of a metric that the
    run was scored by before are removed."""
    task = run.competition.task
    paths = [run.paths.oof / f"{report['metric']}{ending}" for ending in (".md", ".json")]
    formats.write(paths[0], markdown(task, report))
    formats.write(paths[1], report)
    for path in run.paths.oof.glob("*.json"):
        if path not in paths and names.is_one(task.kind, path.stem):
            for old in (path, path.with_suffix(".md")):
                old.unlink(missing_ok=True)
    return paths


def _scored_rows(run: Run) -> str:
    """What names the rows that scores are of, and their folds: runs with the same may be compared, whatever else they
    are trained on."""
    validated = run.fold_of_row >= 0
    rows = run.competition.train[validated].assign(fold=run.fold_of_row[validated])
    return tables.row_hash(rows, ["id", *text_columns(rows), "label", "fold"])


def _evaluated(task: Task, oof: pd.DataFrame, missing: list[int], metric: str | None) -> Report:
    part = task.evaluate(oof, missing, metric)
    return part if task.leads(metric) else part | {"lead": task.lead(oof, missing, metric)}


def _compared(task: Task, old: str, old_oof: pd.DataFrame, new: str, new_oof: pd.DataFrame, metric: str | None,
              old_seeds: Scored | None = None, new_seeds: Scored | None = None, same_stage: bool = False) -> Report:
    """What the new predictions change, and what seeds add to that, where there are several. same_stage: whether the
    training of both varies with the seed, or that of neither."""
    part = task.compare(old, old_oof, new, new_oof, metric)
    if not task.leads(metric):
        part |= {"lead": task.lead_change(old_oof, new_oof, metric)}
    if not old_seeds and not new_seeds:
        return part
    widened = seed_spread.widened(task.lead_change(old_oof, new_oof, metric), old_seeds, new_seeds,
                                  one_sided=same_stage and not (old_seeds and new_seeds))
    return part | ({"with_seeds": widened} if widened else {})


def label(task: Task, report: Report) -> str:
    """What the metric is called."""
    return task.metric_label if report["metric"] == task.metric else task.named_metric(report["metric"]).label


def _notes(config: Config) -> list[str]:
    notes = []
    stage1, stage2 = config.stage1, config.stage2
    if chosen := _chosen_by_the_fold(stage1, stage1.predict_with == "best"):
        notes.append(f"stage1 chooses {chosen} by the fold that is reported: its OOF score is optimistic "
                     f"(stage1.monitor_on = 'inner' is not)")
    if chosen := _chosen_by_the_fold(stage1, stage1.hand_on == "best"):
        notes.append(f"stage2 starts from a stage 1 that chose {chosen} by the fold that is reported: stage 2's OOF "
                     f"score is optimistic too (stage1.monitor_on = 'inner' is not)")
    if chosen := _chosen_by_the_fold(stage2, stage2.predict_with == "best"):
        notes.append(f"stage2 chooses {chosen} by the fold that is reported: its OOF score is optimistic "
                     f"(stage2.monitor_on = 'inner' is not)")
    if config.pretrain and config.pretrain.fold_texts == "all" and "train" in config.pretrain.texts:
        notes.append("stage 0 has read the validation folds' texts, though no label (pretrain.fold_texts = 'training' "
                     "keeps them from it)")
    if (share := config.submit.full_fit) is not None:
        notes.append(f"{share:.0%} of the submission are predictions of a model of all rows, which has no out-of-fold "
                     f"score: what it changes is not measured")
    if not config.head.masked:
        notes.append("the head reads padding: a score depends on the batch that the row sits in")
    if "grouped" not in config.folds.method and config.folds.method != "given":
        notes.append("folds are not grouped: repeated texts on both sides flatter the score")
    return notes


def _chosen_by_the_fold(stage: Training, best: bool) -> str:
    """What a stage chooses by the scores of the fold that is reported, in words; empty where it is nothing."""
    if stage.monitor_on != "fold":
        return ""
    chosen = ["its epoch"] * best + ["when to stop"] * bool(stage.early_stopping) + ["its rate"] * bool(stage.plateau)
    return " and ".join(chosen)


def console_table(task: Task, report: Report) -> Table:
    """Scores by stage and fold, as a rich table that 80 columns hold: a column for each stage, the metric's lines
    first and the folds' last."""
    table = Table(title=f"Out-of-fold {label(task, report)}, run {report['run']}", title_justify="left",
                  box=box.SIMPLE_HEAD)
    rows, folds = _rows(task, report), report["folds"]["count"]
    table.add_column("")
    for stage, *_ in rows:
        table.add_column(stage, justify="right")
    lines = list(zip(_header(task, report), *rows, strict=True))[1:]
    for name, *scores in lines[folds:]:
        table.add_row(name, *scores)
    table.add_section()
    for name, *scores in lines[:folds]:
        if any(score != format_score(None) for score in scores):
            table.add_row(name, *scores)
    return table


def markdown(task: Task, report: Report) -> str:
    """The report for reading: the table, what stage 2 changed, and what to keep in mind."""
    header = _header(task, report)
    lines = [f"# Out-of-fold report of run `{report['run']}`", "",
             f"{report['data']['rows']:,} training rows, {report['folds']['count']} folds "
             f"({report['folds']['method']}). {label(task, report)}:", "",
             "| " + " | ".join(header) + " |", "|" + "---|" * len(header)]
    lines += ["| " + " | ".join(row) + " |" for row in _rows(task, report)]
    lines += ["", task.footnote, "", *(f"- {line}" for line in summary(task, report))]
    lines += ["", "| rows by what changes a score's meaning | |", "|---|---|"]
    lines += [f"| {name} | {count:,} |" for name, count in report["data"].items()]
    return "\n".join(lines) + "\n"


def summary(task: Task, report: Report) -> list[str]:
    """What a person should read beside the table: comparisons, which stage is better, gaps and warnings."""
    lines = [f"{stage}: {remark}" for stage, part in report["stages"].items() for remark in part.get("remarks", [])]
    lines += [f"{stage}: {remark}" for stage, part in report["stages"].items()
              if (remark := part.get("lead", {}).get("remark"))]
    for part in report["comparisons"]:
        lead = task.describe_lead_change(part["lead"]) if "lead" in part else None
        of_seeds = f"{label(task, report)} {seed_spread.words(part['with_seeds'])}" if "with_seeds" in part else None
        if changed := "; ".join(filter(None, [lead, task.describe_change(part), of_seeds])):
            lines.append(f"{part['new']} against {part['old']} on {part['rows']:,} rows: {changed}")
    for stage, part in report["stages"].items():
        if "seeds" in part:
            lines += seed_spread.lines(stage, part["seeds"], label(task, report))
        if missing := part.get("missing_seeds"):
            lines.append(f"{stage}: seeds {', '.join(map(str, missing))} are not finished, and not in these numbers")
        if missing := part["missing_folds"]:
            lines.append(f"{stage}: folds {', '.join(map(str, missing))} are not finished; pooled "
                         f"{label(task, report)} waits for them")
    lines += rows_report.lines(report)
    best, submitted = report["best_oof"], report["submitted"]
    if best:
        made = (f"; `submissions/{report['run']}.csv` is made from {submitted}"
                + ("" if best == submitted else " (submit.stage)"))
        lines.append(f"best pooled OOF {label(task, report)}: {best}" + (made if submitted else ""))
    intervals = report["intervals"]
    validated = report["data"]["rows"] - report["data"].get(rows_report.ONLY_TRAINED_ON, 0)
    lines.append(f"intervals are 95 %, of the rows, {validated:,} in {intervals['groups']:,} groups by "
                 f"{intervals['grouped_by']}; the trained models are taken as they are, so what another seed "
                 f"would change is not in them" + (", unless they say so" if any(
                     "seeds" in part for part in report["stages"].values()) else ""))
    return lines + report["notes"]


def table(task: Task, report: Report) -> tuple[list[str], list[list[str]]]:
    """Header and rows of the scores, a row for each stage: folds first, then what is of all rows."""
    return _header(task, report), _rows(task, report)


def _header(task: Task, report: Report) -> list[str]:
    led = any("lead" in part for part in report["stages"].values())
    return ["stage", *(f"fold {fold}" for fold in range(report["folds"]["count"])),
            *stage_scores.header(task, report["metric"] if led else None)]


def _rows(task: Task, report: Report) -> list[list[str]]:
    rows = []
    for stage, part in report["stages"].items():
        by_fold = {row["fold"]: row[report["metric"]] for row in stage_scores.leading(part)["folds"]}
        of_folds = [format_score(by_fold.get(fold)) for fold in range(report["folds"]["count"])]
        rows.append([stage, *of_folds, *stage_scores.row(task, part)])
    return rows


def plain(text: str) -> str:
    """A text in which Markdown finds nothing to render: no mark-up, links, HTML or line breaks."""
    return "".join(f"\\{c}" if c in string.punctuation else c if c.isprintable() else " " for c in text)
