"""What the report says of rows that count differently: scores by source, rows only trained on, pseudo-labels."""

import numpy as np
import pandas as pd

from pipeline.competition import row_columns
from pipeline.doctor import training_rows
from pipeline.runs.run import Run
from pipeline.tasks import Report, Task, format_score

ONLY_TRAINED_ON = "rows that are only trained on"


def only_trained_on(run: Run) -> dict[str, int]:
    """How many training rows no score is of, where there are some."""
    count = int(run.only_trained_on.sum())
    return {ONLY_TRAINED_ON: count} if count else {}


def add_sources(run: Run, oof: dict[str, pd.DataFrame], report: Report) -> None:
    """Gives each stage's part of the report its score on the rows of each source, where there is data.source_column."""
    train = run.competition.train
    if row_columns.SOURCE not in train:
        return
    source_of = pd.Series(train[row_columns.SOURCE].to_numpy(), index=train.id.to_numpy())
    for stage, table in oof.items():
        report["stages"][stage]["sources"] = by_source(run.competition.task, table, table.id.map(source_of),
                                                       run.config.metric)


def by_source(task: Task, oof: pd.DataFrame, source: pd.Series, metric: str | None) -> list[Report]:
    """The metric on the rows of each source; where it scores decisions, a fold's are made by what is best on the other
    folds' rows of all sources. oof: a stage's out-of-fold table; source: [predictions]."""
    fold, parts = oof.fold.to_numpy(), list[Report]()
    cuts = {number: task.cut_of(oof[fold != number] if len(np.unique(fold)) > 1 else oof, metric)
            for number in np.unique(fold)}
    for name in sorted(set(source)):
        own = (source == name).to_numpy()
        value = task.value_of_parts([(oof[own & (fold == number)], cut) for number, cut in cuts.items()
                                     if (own & (fold == number)).any()], metric)
        parts.append({"source": name, "rows": int(oof.id[own].nunique()), "score": value})
    return parts


def pseudo_labels(run: Run) -> Report:
    """Where pseudo-labels are from, how many rows have one in each fold, and the shares of labels without and with
    them."""
    pseudo = run.pseudo_labels
    assert pseudo is not None
    given = [pseudo.of_fold(fold) for fold in run.folds]
    before, after = training_rows.shares(run)
    return {"of": str(pseudo.source), "right": pseudo.right, "test_rows": len(run.competition.test),
            "rows": [len(labels.test) for labels in given], "relabelled": len(given[0].others),
            "shares_before": before, "shares_after": after}


def lines(report: Report) -> list[str]:
    """The same in words."""
    told = []
    for stage, part in report["stages"].items():
        if sources := part.get("sources"):
            told.append(f"{stage} by source: " + ", ".join(
                f"{row['source']} {format_score(row['score'])} ({row['rows']:,} rows)" for row in sources))
    if pseudo := report.get("pseudo_labels"):
        told.append(f"pseudo-labels of {pseudo['of']}, right on {pseudo['right']:.1%} of validated rows: "
                    f"{training_rows.between(pseudo['rows'])} of {pseudo['test_rows']:,} test rows a fold, "
                    f"{pseudo['relabelled']:,} rows relabelled; " + ", ".join(
                        f"{name} {share:.1%} of training labels before, {pseudo['shares_after'][name]:.1%} after"
                        for name, share in list(pseudo["shares_before"].items())[:5]))
    return told
