"""What a run will take on this machine, and what it will submit, told before it begins."""

import math
import time
from collections.abc import Iterator

import numpy as np

from pipeline.checkpoints import encoder_config
from pipeline.competition import sample_submission
from pipeline.machine import resources
from pipeline.metrics.metric import Form
from pipeline.runs import pace
from pipeline.runs.run import Run
from pipeline.stage_table import PRETRAIN, Cell, Stage

SIDE = 1_024  # of the matrices whose product is timed
EFFICIENCY = ((768, 0.6), (512, 0.5), (0, 0.35))  # least hidden size -> share of that speed that training has
STARTING = 10.0  # seconds until a process takes its first step: import, reading, compiling


def time_lines(run: Run, left: dict[Stage, list[Cell]]) -> Iterator[str]:
    """A line for each stage that trains: about how long its cells take here and how much memory one needs.

    As fast as this machine fitted an encoder of that size before; where it did not, from the speed of a matrix product.
    """
    encoder = run.checkpoint.config
    memory = 1.0 + 24 * encoder_config.size(encoder) / 2**30
    for stage, cells in left.items():
        if not stage.trains_bert or not cells or stage is PRETRAIN:
            continue
        speed, how = pace.known(stage, encoder), "as it was here before"
        if speed is None:
            share = next(share for least, share in EFFICIENCY if encoder.hidden >= least)
            speed, how = _products_per_second() * share, "by the speed of a matrix product here"
        seconds = pace.operations(run, stage, cells) / speed + STARTING
        yield (f"{stage}: {len(cells)} cells, {_jobs(run, len(cells))} at a time, about {_duration(seconds)}, {how}; "
               f"{memory:.1f} GB of memory each")


def _jobs(run: Run, cells: int) -> int:
    """Cells at a time, as they will be where the run has not begun; nothing is settled by asking."""
    hardware = run.config.hardware
    if hardware.jobs != "auto":
        return min(hardware.jobs, cells)
    threads = hardware.threads_per_cell or resources.best_threads(len(run.folds), resources.cores())
    return resources.best_jobs(cells, threads, encoder_config.size(run.checkpoint.config))


def submission_lines(run: Run) -> Iterator[str]:
    """The header and the first rows of the submission as they will look, the predictions made up."""
    test = run.competition.test
    if not len(test):
        return
    config, task, sample = run.config, run.competition.task, run.competition.sample
    form = sample_submission.form_of(config, task, sample)
    ids = (test.id if sample is None else sample.iloc[:, 0])[:3]
    several = sample is not None and sample.shape[1] > 2
    columns = task.submission_columns(form, each=several)
    if sample is not None:
        header = [str(name) for name in sample.columns]
    elif len(columns) == 1:
        header = [config.submit.id_header, config.submit.prediction_header]
    else:
        header = [config.submit.id_header, *columns]
    own = {name: label for label, name in (config.competition.label_names or {}).items()}
    names = [own.get(name, name) for name in task.output_names] or [
        task.label_text(label) for label in run.competition.train.label.drop_duplicates()[:3]]
    yield f"submission: submissions/{config.name}.csv, from {config.submit.stage}; with its own values it will look so:"
    yield f"  {','.join(header)}"
    for number, name in enumerate(ids):
        if form == Form.DECISIONS and not task.by_word and len(columns) == 1:
            cells = [names[number % len(names)]]
        elif form == Form.LISTS:
            cells = [" ".join(names[:3])]
        elif task.by_word:
            cells = [task.label_text(run.competition.train.label.iloc[number % len(run.competition.train)])[:60]]
        else:
            cells = ["0.5" if task.limits == (0, 1) else "0.0"] * (len(header) - 1)
        yield f"  {','.join([str(name), *cells])}"


def _products_per_second() -> float:
    """Floating-point operations a second of a float32 matrix product, measured."""
    left = np.ones([SIDE, SIDE], np.float32)
    left @ left
    begin, count = time.perf_counter(), 0
    while time.perf_counter() - begin < 0.2:
        left @ left
        count += 1
    return count * 2 * SIDE**3 / (time.perf_counter() - begin)


def _duration(seconds: float) -> str:
    if seconds < 90:
        return f"{math.ceil(seconds / 10) * 10} s"
    return f"{seconds / 60:.0f} min" if seconds < 5_400 else f"{seconds / 3600:.1f} h"
