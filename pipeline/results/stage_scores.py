"""What leads a stage's part of a report, and how both stand in a table: the metric's numbers, then the kind's own."""

from pipeline.tasks import Report, Task
from pipeline.tasks.report_parts import between, format_score, spread

LEADING = ["mean ± sd", "pooled", "95 %"]


def leading(part: Report) -> Report:
    """The part with folds, mean, sd and pooled score of the metric: of its own where there is one."""
    lead: Report = part.get("lead", part)
    return lead


def header(task: Task, metric: str | None) -> list[str]:
    """The columns behind those of the folds."""
    if task.leads(metric):
        return task.report_header
    own = [name if name != "pooled" else f"{task.metric_label} pooled" for name in task.report_header
           if name != "mean ± sd"]
    return LEADING + [f"{task.metric_label} 95 %" if name == "95 %" else name for name in own]


def row(task: Task, part: Report) -> list[str]:
    """A stage's numbers under ``header``."""
    own = task.report_row(part)
    if "lead" not in part:
        return own
    lead = part["lead"]
    rest = [number for name, number in zip(task.report_header, own, strict=True) if name != "mean ± sd"]
    return [spread(lead), format_score(lead["pooled"]), between(lead["pooled_interval"]), *rest]
