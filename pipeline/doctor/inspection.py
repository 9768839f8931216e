"""What ``check`` tells before anything is trained: what the model will see, and what a run will do."""

from collections.abc import Iterator

import numpy as np
import pandas as pd

from pipeline.doctor import checks, forecast, repeated_texts, training_rows, unsuited
from pipeline.errors import MismatchError
from pipeline.runs import cells, scheduler
from pipeline.runs.invocation import Invocation
from pipeline.runs.run import Run
from pipeline.stage_table import ALL_FOLDS, STAGES
from pipeline.tasks.label_names import doubtful_names


def lines(run: Run) -> Iterator[str]:
    """The check, line by line. Raises UserError for a checkpoint whose tensors are wrong, DiskError for a full disk."""
    config, train = run.config, run.competition.train
    yield from run.competition.remarks
    counts = repeated_texts.audit(run.competition, run.fold_of_row)
    yield from _counted(counts)
    yield from _meaning(run, counts)
    yield from fold_lines(run, run.folds)
    yield from training_rows.lines(run)
    yield from _rare(run)
    yield from (f"  {line}" for line in doubtful_names(run.competition.task.output_names))
    encoder = run.checkpoint
    dimensions = encoder.config
    size = sum(values.nbytes for values in encoder.tensors().values())
    yield (f"checkpoint: {encoder.source}; {dimensions.layers} layers, hidden {dimensions.hidden}, {dimensions.heads} "
           f"heads of {dimensions.hidden // dimensions.heads}, {size / 1e6:,.0f} MB, {dimensions.activation}")
    yield from run.chosen
    lengths = np.concatenate([run.train_tokens.lengths, run.test_tokens.lengths])
    quarters = np.percentile(lengths, [0, 25, 50, 75, 95, 100]).astype(int)
    yield (f"tokens per row with [CLS] and [SEP]: {quarters[0]} min, {quarters[2]} median, {quarters[4]} at 95 %, "
           f"{quarters[5]} max; {np.mean(lengths == config.tokens.max_tokens):.1%} fill max_tokens = "
           f"{config.tokens.max_tokens}")
    if run.train_tokens.words is not None:
        words, kept = sum(text.count(" ") + 1 for text in train.text), int((run.train_tokens.words >= 0).sum())
        yield (f"words of train that max_tokens cuts off: {words - kept:,} of {words:,}"
               + ("; each is decided to be O, and scored so: raise tokens.max_tokens" if kept < words else ""))
    first = pd.DataFrame({"tokens": run.train_tokens.first_equal_row, "fold": run.fold_of_row, "group": run.groups})
    spread = first.groupby("tokens")["fold"].transform("nunique") > 1
    alike = spread & (first.groupby("tokens")["group"].transform("nunique") > 1)
    if alike.any():
        yield (f"rows whose tokens equal those of another text in another fold: {int(alike.sum()):,}; the model cannot "
               f"tell them apart: they are cut by tokens.max_tokens, or differ in unknown characters alone")
    unknown = encoder.vocab.unknown
    for name, table in (("train", run.train_tokens), ("test", run.test_tokens)):
        if len(table.ids):
            yield f"unknown tokens in {name}: {np.mean(table.ids == unknown):.3%}"
    yield "the first five examples as the model sees them:"
    for row in range(min(5, len(train))):
        start, end = run.train_tokens.offsets[row:row + 2]
        seen = " ".join(encoder.vocab.shown(token) for token in run.train_tokens.ids[start:end])
        yield f"  id {train.id.iloc[row][:100]}, label {run.competition.task.label_text(train.label.iloc[row])}: {seen}"
    yield from _cells(run)
    if (share := config.submit.full_fit) is not None:
        yield (f"full fit: one more model a seed, on all {len(train):,} rows, without an out-of-fold score; "
               f"{share:.0%} of the submission are its predictions")
    yield from forecast.submission_lines(run)
    yield from (f"doctor: {line}" for line in checks.short_lines(run))


def warnings(run: Run) -> list[str]:
    """Settings that do not suit the texts or the encoder, a line each with what mends it."""
    return list(unsuited.warnings(run))


def next_commands(call: Invocation) -> list[str]:
    """The three commands that are likeliest wanted next, with what each is for."""
    again = call.again()
    return [f"./run_all.sh {again}   (every stage)",
            f"python -m stages baseline {again}   (the number to beat, in seconds)",
            f"python -m stages stage1 {again} --fold 0   (one fold, to see what it takes)"]



def _rare(run: Run) -> Iterator[str]:
    """Labels that some fold trains or validates without."""
    train = run.competition.train
    counts = train.stratum.value_counts()
    rare = counts[counts < len(run.folds)]
    if len(rare) and run.config.folds.method != "given":
        label = train.label[train.stratum == rare.index[-1]].iloc[0]
        example = run.competition.task.label_text(label)[:100]
        yield (f"  {len(rare)} labels, of {len(counts)} that folds balance, have fewer rows than folds.n = "
               f"{len(run.folds)}, for example {example} ({int(rare.iloc[-1])}): some "
               f"fold lacks them; fewer folds, or labels put together, would help")


def audit_lines(run: Run) -> Iterator[str]:
    """The counts that change a score's meaning, a line each."""
    yield from _counted(repeated_texts.audit(run.competition, run.fold_of_row))


def fold_lines(run: Run, wanted: list[int]) -> Iterator[str]:
    """Rows and positives of the wanted folds, a line each."""
    for fold in wanted:
        inside = run.competition.train.label[run.fold_of_row == fold]
        yield f"fold {fold}: {len(inside):,} rows, {run.competition.task.shares(inside)}"


def _counted(counts: dict[str, int]) -> Iterator[str]:
    for name, count in counts.items():
        yield f"{name}: {count:,}"


def _meaning(run: Run, counts: dict[str, int]) -> Iterator[str]:
    if counts["texts in more than one fold"]:
        yield ("  a repeated text on both sides is scored from memory: expect the OOF score to flatter; "
               "folds.method = 'stratified_grouped' keeps them together")
    task = run.competition.task
    if counts[task.contradiction]:
        by = task.named_metric(run.config.metric)
        label = task.metric_label if by.name == task.metric else by.label
        yield (f"  {task.contradiction} cannot be scored right on all of their rows: the best {label} is "
               + ("below 1" if by.greater_is_better else "above 0"))
    if counts["test rows that repeat a training text"]:
        yield "  test rows that repeat a training text are easier than grouped folds make them look"


def _cells(run: Run) -> Iterator[str]:
    left = {}
    for stage in STAGES.values():
        wanted = run.cells(stage)
        if not wanted:
            continue
        try:
            done, damaged = cells.finished(run.paths, wanted, run.identity)
        except MismatchError as error:
            yield from error.problems
            continue
        todo = [cell for cell in wanted if cell not in done]
        numbers = [cell.fold for cell in todo]
        named = f", folds {numbers} to do" if todo and numbers != [ALL_FOLDS] else ""
        yield (f"{stage}: {len(done)} of {len(wanted)} cells done" + named
               + (f" ({len(damaged)} damaged)" if damaged else ""))
        left[stage] = todo
        scheduler.require_room(run, stage, todo)
    yield from forecast.time_lines(run, left)
