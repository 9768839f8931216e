"""What the page says between its top and its rows: a section each of numbers, pictures and tables."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import pandas as pd

from pipeline.blending import stage as blending
from pipeline.competition import folds
from pipeline.config.run import Config
from pipeline.config.schema import flatten, shown_value
from pipeline.doctor import checks
from pipeline.doctor.examined import Examined
from pipeline.page import figures, slices
from pipeline.page.drawing import Picture
from pipeline.page.selection import Predictions
from pipeline.results import histories, seed_spread
from pipeline.results import report as reports
from pipeline.results.predictions import StagePredictions
from pipeline.runs.run import Run
from pipeline.stage_table import BLEND, PREDICTING, STAGE1, STAGE2
from pipeline.tasks import Report, format_score

MOST_OUTPUTS = 8  # that have pictures of their own, those with most loss first
MOST_NAMES = 30  # of a confusion matrix
MOST_LABELS = 200  # of a table
Given = dict[str, StagePredictions]


@dataclass(frozen=True)
class Table:
    """rows: cells of text. sortable: by any column, with a script."""

    header: Sequence[str]
    rows: Sequence[Sequence[str]]
    caption: str
    sortable: bool = False


@dataclass(frozen=True)
class Confusion:
    """Of the leading stage: how many rows of each label were decided to be each. counts: [label][decided]."""

    output: int
    names: Sequence[str]
    counts: Sequence[Sequence[int]]


@dataclass
class Section:
    """tabs: further sections, of which one is seen at a time."""

    title: str
    lines: list[str] = field(default_factory=list)
    pictures: list[Picture] = field(default_factory=list)
    tables: list[Table] = field(default_factory=list)
    confusion: Confusion | None = None
    tabs: list["Section"] = field(default_factory=list)

    @property
    def anchor(self) -> str:
        """What a link names it by."""
        return "".join(character if character.isalnum() else "-" for character in self.title.lower())


def sections(run: Run, report: Report, parts: Given, predictors: Sequence[Predictions], leading: int, seen: Examined
             ) -> list[Section]:
    """All that have something to say, in their order. predictors: what the run's own stages say of the rows."""
    lead = predictors[leading]
    wanted = [_stages(run, report, parts), _change(run, predictors), _outputs(run, report, predictors, lead),
              _parts_of_rows(run, parts, lead.name, seen), _training(run, parts), _seeds(run, report, parts),
              _blend(run, parts), _settings(run), _files(run, report, parts)]
    return [section for section in wanted
            if section and (section.lines or section.pictures or section.tables or section.tabs)]


def _stages(run: Run, report: Report, parts: Given) -> Section:
    task = run.competition.task
    header, rows = reports.table(task, report)
    counted = Table(["of what", "rows"], [[name, f"{count:,}"] for name, count in report["data"].items()],
                    "Rows by what changes a score's meaning")
    label = reports.label(task, report)
    return Section("Stages by fold", [*reports.summary(task, report), task.footnote], [figures.by_fold(report, label)],
                   [Table(header, rows, f"Out of fold, {label}"), counted])


def _change(run: Run, predictors: Sequence[Predictions]) -> Section | None:
    """What stage 2 did."""
    by_name = {part.name: part for part in predictors}
    old, new = by_name.get(str(STAGE1)), by_name.get(str(STAGE2))
    if old is None or new is None:
        return None
    task, tables = run.competition.task, []
    both = new.ids.intersection(old.ids, sort=False)
    if task.has_labels:
        label = pd.DataFrame({number: pd.Series(list(view.label), index=new.ids) for number, view in
                              enumerate(new.views.values())}).loc[both]
        before, after = (part.decided.loc[both].set_axis(label.columns, axis=1) == label for part in (old, new))
        turned = Table(["decisions", f"{new.name} right", f"{new.name} wrong"], [
            [f"{old.name} {name}", *(f"{int((was & now).to_numpy().sum()):,}" for now in (after, ~after))]
            for name, was in (("right", before), ("wrong", ~before))], "Rows by both stages' decisions")
        tables.append(turned)
    pictures = [figures.change(old, new, number) for number in range(min(len(new.views), MOST_OUTPUTS))]
    return Section("What stage 2 did", [], pictures, tables)


def _outputs(run: Run, report: Report, predictors: Sequence[Predictions], lead: Predictions) -> Section:
    """How good probabilities, decisions and values are, of each output."""
    names = list(lead.views)
    worst = sorted(range(len(names)), key=lambda number: -float(lead.view(number).loss.mean()))
    shown = sorted(worst[:MOST_OUTPUTS])
    tabs = [_output(run, report, predictors, lead, number) for number in shown]
    if len(names) == 1:
        return tabs[0]
    more = f"The {len(shown)} of {len(names)} outputs with most loss." if len(shown) < len(names) else ""
    return Section("Outputs", [more] if more else [], tabs=tabs)


def _output(run: Run, report: Report, predictors: Sequence[Predictions], lead: Predictions, number: int) -> Section:
    task = run.competition.task
    name, view = list(lead.views.items())[number]
    views = {part.name: part.view(number) for part in predictors}
    section = Section(name or "Probabilities and decisions")
    if task.has_values:
        section.title = name or "Values"
        section.pictures += [figures.truth_against(view, stage) for stage, view in views.items()]
    if view.positive is not None:
        section.pictures += [figures.roc(views), figures.precision_recall(views)]
    group = pd.Series(run.groups, index=run.competition.train.id.to_numpy())
    groups = {part.name: group[part.ids].to_numpy(np.int64) for part in predictors}
    if calibration := figures.calibration(views, groups):
        section.pictures.append(calibration)
    if view.positive is not None:
        metric = figures.of_two_labels(run.config.metric)
        if threshold := figures.threshold(predictors, number, metric, _chosen(report, metric.name, name)):
            section.pictures.append(threshold)
    if not task.by_word and task.has_labels:
        section.tables.append(_by_label(lead, number, task.has_values))
        section.confusion = _confusion(lead, number)
    classes = report["stages"].get(lead.name, {}).get("classes")
    if classes:
        keys = list(classes[0])
        section.tables.append(Table(keys, [[_cell(row[key]) for key in keys] for row in classes],
                                    f"{lead.name} by {'type' if task.by_word else 'label'}", sortable=True))
    return section


def _cell(value: Any) -> str:
    return format_score(value) if isinstance(value, float) or value is None else (
        f"{value:,}" if isinstance(value, int) else str(value))


def _chosen(report: Report, metric: str, output: str) -> dict[str, Report]:
    """Of each stage whose report has a threshold for the metric, that part of it."""
    parts = {stage: part.get("outputs", {}).get(output, part) if output else part
             for stage, part in report["stages"].items()}
    return {stage: part[metric] for stage, part in parts.items()
            if isinstance(part.get(metric), Mapping) and part[metric].get("cross_fitted") is not None}


def _by_label(predictions: Predictions, number: int, of_values: bool) -> Table:
    view = predictions.view(number)
    table = pd.DataFrame({"label": list(view.label), "decided": predictions.decided.iloc[:, number].to_numpy(),
                          "number": view.number, "loss": view.loss})
    decided = table.decided.value_counts()
    of_labels = table.assign(hit=table.decided == table.label).groupby("label", sort=False).agg(
        rows=("hit", "size"), hit=("hit", "mean"), number=("number", "mean"), loss=("loss", "mean"))
    shown = of_labels.nlargest(MOST_LABELS, "rows").index
    rows = [[str(label) or "(none)", f"{of_labels.rows[label]:,}", f"{int(decided.get(label, 0)):,}",
             f"{of_labels.hit[label]:.1%}", f"{of_labels.number[label]:.3f}", f"{of_labels.loss[label]:.3f}"]
            for label in view.in_order(shown)]
    more = f", the {len(rows)} with most rows of {len(of_labels):,}" if len(rows) < len(of_labels) else ""
    return Table(["label", "rows", "decided", "right", "mean value" if of_values else "mean probability", "mean loss"],
                 rows, f"{predictions.name} by label{more}", sortable=True)


def _confusion(predictions: Predictions, number: int) -> Confusion | None:
    view = predictions.view(number)
    label = pd.Series(list(view.label))
    decided = predictions.decided.iloc[:, number].reset_index(drop=True).astype(str)
    names = view.in_order([*label, *decided])
    if not 2 <= len(names) <= MOST_NAMES:
        return None
    counts = pd.crosstab(label, decided).reindex(index=names, columns=names, fill_value=0)
    return Confusion(number, names, counts.to_numpy().tolist())


def _parts_of_rows(run: Run, parts: Given, stage: str, seen: Examined) -> Section | None:
    if stage not in parts:
        return None
    task, metric = run.competition.task, run.config.metric
    label = task.named_metric(metric).label
    oof = folds.grouped(parts[stage].oof, run.competition.train.id, run.groups)
    pooled = {stage: task.scores(oof, metric)[1]}
    pictures = [figures.of_slices(own, title, label, pooled)
                for title, own in slices.all_of(task, stage, oof, metric, seen).items()]
    return Section("Parts of the rows", [f"{label} of {stage}; the line is its score on all rows."] if pictures else [],
                   pictures)


def _training(run: Run, parts: Given) -> Section:
    pictures = list[Picture]()
    for stage, part in parts.items():
        if not PREDICTING[stage].trains_bert:
            continue
        of_cells = histories.of(run, part)
        by_fold: dict[int, list[pd.DataFrame]] = {}
        for cell, history in of_cells.items():
            by_fold.setdefault(cell.fold, []).append(history)
        metric, label = histories.scored_by(run, list(of_cells.values()))
        columns = {"loss": "training loss", f"valid_{metric}": f"{label} on the fold"}
        pictures += [picture for column, name in columns.items()
                     if (picture := figures.learning(by_fold, stage, column, name))]
    return Section("Learning curves", [], pictures)


def _seeds(run: Run, report: Report, parts: Given) -> Section | None:
    """Scores by seed and fold."""
    task, tables = run.competition.task, []
    for stage, part in parts.items():
        if (scored := seed_spread.of(task, part, run.config.metric)) is None:
            continue
        rows = [[str(seed), *map(_score, of_folds), _score(pooled)] for seed, of_folds, pooled in
                zip(scored.seeds, scored.of_folds, scored.pooled, strict=True)]
        tables.append(Table(["seed", *(f"fold {fold}" for fold in part.folds), "all rows"], rows,
                            f"{stage}, {reports.label(task, report)}"))
    return Section("Seeds and folds", [], [], tables) if tables else None


def _score(value: float) -> str:
    return format_score(float(value) if np.isfinite(value) else None)


def _blend(run: Run, parts: Given) -> Section | None:
    """Members and their weights."""
    if str(BLEND) not in parts:
        return None
    blend = blending.read_report(run)
    members = sorted(blend["members"], key=lambda member: -member["weight"])
    rows = [[member["name"], format_score(member["score"]), f"{member['weight']:.3f}", f"{member['weight_sd']:.3f}",
             format_score(member["without"])] for member in members]
    return Section("Blend", [f"by {blend['method']}: {blend['why']}"],
                   [figures.weights({member["name"]: (member["weight"], member["weight_sd"]) for member in members})],
                   [Table(["member", "alone", "weight", "sd over folds", "blend without it"], rows, "Members",
                          sortable=True)])


def _settings(run: Run) -> Section:
    """Those that differ from what a configuration has that names its data and its encoder alone."""
    given = run.config.model_dump(exclude_none=True, exclude_defaults=True)
    named = {key: given[key] for key in ("name", "task", "data", "bert") if key in given}
    usual = flatten(Config.model_validate(named), "")
    rows = [[key.removeprefix("."), _value(usual.get(key)), _value(value)]
            for key, value in flatten(run.config, "").items() if key != ".name" and value != usual.get(key)]
    return Section("Settings unlike the defaults", [*run.chosen] if rows else ["All settings are the defaults."], [],
                   [Table(["key", "default", "here"], rows, "Settings")] if rows else [])


def _value(value: object) -> str:
    return "unset" if value is None else shown_value(value)


def _files(run: Run, report: Report, parts: Given) -> Section:
    """Where everything is."""
    paths = run.paths
    files = {"submission": paths.submission()} | {f"submission of {stage}": paths.submission(PREDICTING[stage])
                                                  for stage in parts}
    files["findings of the doctor"] = paths.oof / checks.FILE
    rows = [[what, str(path)] for what, path in files.items() if path.exists()]
    rows += [[f"out-of-fold and test predictions of {stage}", f"{paths.oof / f'{stage}.csv'}, "
              f"{paths.oof / f'{stage}_test.csv'}"] for stage, part in parts.items() if part.whole]
    rows += [["report for programs", str(paths.oof / f"{report['metric']}.json")],
             ["models", f"{paths.models}/"],
             ["configuration", str(paths.settings)], ["folds", str(paths.folds)]]
    hashes = [[f"hash of {name}", value] for name, value in report["hashes"].items()]
    table = Table(["what", "where"], rows + hashes, "Files, from the project's root")
    return Section("Where everything is", [], [], [table])


