"""A blend in words and tables: members and weights, methods, what it gains, how alike the members' errors are."""

from pathlib import Path

from rich import box
from rich.table import Table

from pipeline.files import formats
from pipeline.results.report import plain
from pipeline.runs.run import Run
from pipeline.stage_table import BLEND
from pipeline.tasks import Report, Task, format_score

SHOWN = 12  # members of which a screen has the table of correlations


def console_tables(task: Task, report: Report) -> list[Table]:
    """Members, methods, and the correlation of errors where there are not many members."""
    tables = []
    for title, (header, rows) in _parts(task, report).items():
        if title.startswith("Correlation") and len(rows) > SHOWN:
            continue
        table = Table(title=title, title_justify="left", box=box.SIMPLE_HEAD)
        for number, name in enumerate(header):
            table.add_column(name, justify="right" if number else "left")
        for row in rows:
            table.add_row(*row)
        tables.append(table)
    return tables


def lines(task: Task, report: Report) -> list[str]:
    """What a person should read beside the tables."""
    chosen, mean = report["methods"][report["method"]], report["methods"]["mean"]
    label = task.named_metric(report["metric"]).label
    told = [f"blend by {report['method']}: {label} {format_score(chosen['nested'])}, nested: weights"
            f" and thresholds were chosen on other folds than the rows that they score; {report['why']}"]
    if chosen["optimism"] is not None:
        told.append(f"in sample {format_score(chosen['in_sample'])}, {chosen['optimism']:+.5f} from choosing on the "
                    f"very rows; the mean of all, the number to beat: {format_score(mean['nested'])}")
    for name, change in report["against"].items():
        who = f"{name}, {report['best_member']}" if name == "best member" else name
        if changed := task.describe_lead_change(change):
            told.append(f"the blend against the {who}: {changed}")
        elif change["delta"] is not None:
            told.append(f"the blend against the {who}: {label} {change['delta']:+.4f}")
    told.append(f"best member: {report['best_member']}, the best of {len(report['members'])} by the very rows that it "
                f"is scored on")
    return told + list(report["remarks"])


def write(run: Run, report: Report) -> list[Path]:
    """Writes oof/<run>/blend.md and blend.json; returns the paths."""
    task = run.competition.task
    paths = [run.paths.oof / f"{BLEND}{ending}" for ending in (".md", ".json")]
    text = [f"# Blend of run `{run.config.name}`", "", *(f"- {plain(line)}" for line in lines(task, report))]
    for title, (header, rows) in _parts(task, report).items():
        text += ["", f"## {title}", "", "| " + " | ".join(header) + " |", "|" + "---|" * len(header)]
        text += ["| " + " | ".join(map(plain, row)) + " |" for row in rows]
    formats.write(paths[0], "\n".join(text) + "\n")
    formats.write(paths[1], report)
    return paths


def _parts(task: Task, report: Report) -> dict[str, tuple[list[str], list[list[str]]]]:
    label = task.named_metric(report["metric"]).label
    members, methods = report["members"], report["methods"]
    heated = any(member["temperature"] != 1 for member in members)
    rows = [[member["name"], format_score(member["score"]), f"{member['weight']:.3f}", f"{member['weight_sd']:.3f}",
             format_score(member["without"]), *([f"{member['temperature']:.2f}"] if heated else [])]
            for member in members]
    numbers = [str(number) for number in range(1, len(members) + 1)]
    return {
        f"Members, {label} out of fold": (
            ["member", "alone", "weight", "sd over folds", "blend without it", *(["temperature"] if heated else [])],
            rows),
        "Methods": (["method", "nested", "in sample", "optimism"],
                    [[name, format_score(made["nested"]), format_score(made["in_sample"]),
                      "–" if made["optimism"] is None else f"{made['optimism']:+.5f}"]
                     for name, made in methods.items()]),
        "Correlation of errors": (["member", *numbers], [
            [f"{number} {member['name']}", *("–" if value is None else f"{value:.3f}" for value in values)]
            for number, member, values in zip(numbers, members, report["error_correlation"], strict=True)]),
    }
