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
    return LEADING + [f"{task.metric_label} {name}" if name in LEADING else name
                      for name in task.report_header if not _leads_already(task, name, metric)]


def row(task: Task, part: Report) -> list[str]:
    """A stage's numbers under ``header``."""
    own = task.report_row(part)
    if "lead" not in part:
        return own
    lead = part["lead"]
    rest = [number for name, number in zip(task.report_header, own, strict=True)
            if not _leads_already(task, name, lead["metric"])]
    return [spread(lead), format_score(lead["pooled"]), between(lead["pooled_interval"]), *rest]


def _leads_already(task: Task, name: str, metric: str | None) -> bool:
    """Whether what leads stands for one of the kind's own columns."""
    return name in ("mean ± sd", task.named_metric(metric).label)
