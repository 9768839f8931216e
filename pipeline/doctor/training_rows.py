"""Rows that count differently, in words: weights, soft labels, sources, rows only trained on, pseudo-labels."""

from collections.abc import Iterator

import numpy as np

from pipeline.competition import folds, near_copies, row_columns
from pipeline.runs import pseudo_labels
from pipeline.runs.run import Run
from pipeline.tasks import links


def lines(run: Run) -> Iterator[str]:
    """A line for each kind of them that the run has."""
    train, data = run.competition.train, run.config.competition
    if run.config.folds.group_by == "near" and (
            capped := near_copies.groups(folds.normalised(train[run.fold_of_row >= 0])).capped):
        yield (f"groups of near copies that chains made larger than {near_copies.LARGEST:.0%} of the texts: {capped}; "
               f"they hold equal texts alone")
    if (outside := run.only_trained_on).any():
        shown = run.competition.task.shares(train[outside].label)
        yield f"rows that are only trained on: {int(outside.sum()):,}, {shown}; no score is of them"
    if row_columns.SOURCE in train:
        for source, rows in train.groupby(row_columns.SOURCE):
            validated = int((~outside[rows.index]).sum())
            yield (f"source {source}: {len(rows):,} rows, {run.competition.task.shares(rows.label)}"
                   + ("" if validated == len(rows) else f", {validated:,} of them validated"))
    if row_columns.WEIGHT in train:
        weight = train[row_columns.WEIGHT].to_numpy(np.float64)
        low, middle, high = np.percentile(weight, [0, 50, 100])
        yield (f"weights (data.weight_column = {data.weight_column!r}): {low:g} min, {middle:g} median, {high:g} max"
               + (f"; {none:,} rows have 0 and teach nothing" if (none := int((weight == 0).sum())) else "")
               + "; a score counts every row alike")
    if (soft := row_columns.soft(train)) is not None:
        known = ~np.isnan(soft).any(axis=1)
        target = links.targets(run.competition.task, train.label)[known]
        unlike = (pseudo_labels.one_hot(run.competition.task, soft[known]) != target).any(axis=1)
        yield (f"soft labels: {int(known.sum()):,} of {len(train):,} rows; the likeliest is another than the label in "
               f"{int(unlike.sum()):,}")
    yield from _pseudo_labels(run)


def _pseudo_labels(run: Run) -> Iterator[str]:
    pseudo, test = run.pseudo_labels, run.competition.test
    if pseudo is None:
        return
    given = [pseudo.of_fold(fold) for fold in run.folds]
    source = f"pseudo-labels of {pseudo.source}, right on {pseudo.right:.1%} of its validated rows"
    if pseudo.settings.test:
        counts = [len(labels.test) for labels in given]
        yield (f"{source}: by fold, {between(counts)} of {len(test):,} test rows are trained on; a competition's rules "
               f"may forbid that: read them")
        before, after = shares(run)
        for name, share in before.items():
            yield f"  {name}: {share:.1%} of training labels, {after[name]:.1%} with them"
    if pseudo.settings.relabel:
        yield f"{source}: {len(given[0].others):,} rows that are only trained on have them in the place of their label"


def shares(run: Run) -> tuple[dict[str, float], dict[str, float]]:
    """The share of each label among what a cell trains on, without pseudo-labels and with them, the mean of folds."""
    assert run.pseudo_labels is not None
    task, weight = run.competition.task, run.pseudo_labels.settings.weight
    target = links.targets(task, run.competition.train.label)
    before, after = [], []
    for fold in run.folds:
        labels, inside = run.pseudo_labels.of_fold(fold), run.fold_of_row != fold
        with_them = target.copy()
        with_them[labels.others] = labels.of_others
        total = with_them[inside].sum(axis=0) + weight * labels.of_test.sum(axis=0, dtype=np.float64)
        before.append(target[inside].mean(axis=0))
        after.append(total / (inside.sum() + weight * len(labels.test)))
    names = task.output_names or ("positive",)
    return tuple(dict(zip(names, map(float, np.mean(part, axis=0)), strict=True))  # type: ignore[return-value]
                 for part in (before, after))


def between(counts: list[int]) -> str:
    """The range of counts, in words."""
    return f"{min(counts):,}" if min(counts) == max(counts) else f"{min(counts):,} to {max(counts):,}"
