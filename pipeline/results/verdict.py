"""The report in words: which stage is best, whether that can be told from chance, what to upload, what to do next."""

import math
import shlex
from collections.abc import Iterator

import numpy as np

from pipeline.competition import folds
from pipeline.doctor import inspection
from pipeline.metrics.metric import Metric
from pipeline.results import histories, seed_spread, stage_scores
from pipeline.results.predictions import StagePredictions
from pipeline.runs.invocation import Invocation
from pipeline.runs.run import Run
from pipeline.stage_table import BASELINE, BLEND, PREDICTING, STAGE1
from pipeline.tasks import Report, format_score
from pipeline.text import scripts

RISING = 0.001  # of a score's change over the last epoch, by which training is said to have stopped early
LONGER = 1.5


def lines(run: Run, report: Report, parts: dict[str, StagePredictions], call: Invocation) -> Iterator[str]:
    """The verdict, line by line; nothing of it is in the report's files."""
    metric = run.competition.task.named_metric(report["metric"])
    scores = {stage: score for stage, part in report["stages"].items()
              if (score := stage_scores.leading(part)["pooled"]) is not None}
    if not scores:
        yield f"verdict: no stage has every fold yet; next: ./run_all.sh {call.again()}"
        return
    best = str(report["best_oof"])
    yield f"verdict: the best stage by {metric.label} is {best}, {format_score(scores[best])} out of fold"
    for name, stage in PREDICTING.items():
        old = stage.compared_with
        if old in scores and name in scores and (change := _change(run, parts, metric, str(old), name)):
            yield f"  {name} is {_in_words(metric, *change)} {old}"
    warnings = inspection.warnings(run)
    trained = [stage for stage in scores if stage != str(BASELINE)]
    if best == str(BASELINE) and trained:
        yield from (f"  what stage 1 lacks: {line}" for line in _lacks(run, warnings))
    submitted = run.config.submit.stage
    if len(run.competition.test) and submitted in scores and run.paths.submission().exists():
        yield _upload(run, parts, metric, best, scores)
    yield f"next: {_next(run, call, best, parts, warnings)}"


def _change(run: Run, parts: dict[str, StagePredictions], metric: Metric, old: str, new: str
            ) -> tuple[float, float, float] | None:
    """How much a stage gained over another, with its paired interval (NaN where there is none), of the rows and of the
    seeds where there are several; None: undefined."""
    before, after = (folds.grouped(parts[part].oof, run.competition.train.id, run.groups) for part in (old, new))
    task = run.competition.task
    change = task.lead_change(before, after, metric.name)
    if change["delta"] is None:
        return None
    low, high = change["delta_interval"] or (math.nan, math.nan)
    of_old, of_new = (seed_spread.of(task, parts[part], metric.name) for part in (old, new))
    if widened := seed_spread.widened(change, of_old, of_new):
        low, high = widened["interval"]
    return change["delta"], low, high


def _in_words(metric: Metric, delta: float, low: float, high: float) -> str:
    better = metric.sign * delta > 0
    size = f"{metric.label} {delta:+.4f}" + ("" if math.isnan(low) else f", 95 % {low:+.4f} to {high:+.4f}")
    if math.isnan(low) or low <= 0 <= high:
        return f"not to be told from chance ({size}) against"
    return f"{'better' if better else 'worse'} by more than chance ({size}) than"


def _lacks(run: Run, warnings: list[str]) -> Iterator[str]:
    """Why stage 1 may be below tf-idf, as far as the settings say it."""
    yield from warnings
    known = scripts.encoder_for(run.competition.train.text[:1_000])
    if run.config.bert.random:
        yield ("its encoder starts from random weights and has learnt from these texts alone; a pretrained one knows "
               f"the language: --set bert.checkpoint={known}")
    elif not warnings and known == run.config.bert.checkpoint:
        yield "no setting stands out; another rate, more epochs or another encoder may help"
    elif not warnings:
        yield ("no setting stands out; a small encoder has its limits, and a pretrained BERT-Base goes beyond them: "
               f"--set bert.checkpoint={known}")


def _upload(run: Run, parts: dict[str, StagePredictions], metric: Metric, best: str, scores: dict[str, float]) -> str:
    submitted = run.config.submit.stage
    line = f"upload: {run.paths.submission()}, from {submitted}, {format_score(scores[submitted])} out of fold"
    if best == submitted:
        return line
    other = run.paths.submission(PREDICTING[best])
    _, low, high = _change(run, parts, metric, submitted, best) or (0.0, 0.0, 0.0)
    if low > 0 or high < 0:
        return (f"upload: {other}, from {best}, {format_score(scores[best])} out of fold, better by more than chance "
                f"than {submitted}, {format_score(scores[submitted])}, of which {run.paths.submission()} is made "
                f"(--set submit.stage={best})")
    return f"{line}; {other} scores {format_score(scores[best])}, a difference that cannot be told from chance"


def _next(run: Run, call: Invocation, best: str, parts: dict[str, StagePredictions], warnings: list[str]) -> str:
    """The command that is likeliest to gain most."""
    name = run.config.name
    if list(parts) == [str(BLEND)]:
        return "python -m stages runs   (every run in one table)"
    if warnings and "--set " in warnings[0]:
        settings = shlex.split(warnings[0].rpartition("--set ")[2])[:1]
        return f"./run_all.sh {call.again(f'{name}_2', settings)}   ({warnings[0].partition(':')[0]})"
    if str(STAGE1) not in parts:
        return f"./run_all.sh {call.again()}   (stages 1 and 2)"
    if _still_rising(run, parts[str(STAGE1)]):
        more = f"stage1.epochs={math.ceil(LONGER * run.config.stage1.epochs)}"
        return f"./run_all.sh {call.again(f'{name}_longer', [more])}   (the score still rose in the last epoch)"
    if run.config.pretrain is None and run.config.bert.checkpoint and best != str(BASELINE):
        return (f"./run_all.sh {call.again(f'{name}_adapted', ['pretrain.epochs=3'])}   (trains the encoder on these "
                f"texts first)")
    return f"python -m stages predict {name} < texts.txt   (texts of your own, one per line)"


def _still_rising(run: Run, part: StagePredictions) -> bool:
    task, metric = run.competition.task, run.config.metric
    gains = []
    for history in histories.of(run, part).values():
        name = next((f"valid_{name}" for name in (metric, task.metric) if f"valid_{name}" in history), None)
        if name and len(history) > 1:
            gains.append(float(history[name].iloc[-1] - history[name].iloc[-2]))
    return bool(gains) and task.named_metric(metric).sign * float(np.mean(gains)) > RISING
