"""The verdict compares the very stages that it speaks of, and names the file whose score it gives."""

import dataclasses
import re
from pathlib import Path

import numpy as np
import pytest

from pipeline.config import loading
from pipeline.results import predictions, report, verdict
from pipeline.results.predictions import StagePredictions
from pipeline.runs import opening
from pipeline.runs.invocation import Invocation

CONFIG = Path("configs/toy.toml")
CALL = Invocation(CONFIG)


def of_quality(part: StagePredictions, quality: float) -> StagePredictions:
    """Other predictions: the label's sign times a quality, plus what chance adds, the same in every stage."""
    noise = np.random.default_rng(0).normal(size=len(part.oof))
    logit = (quality * (2 * part.oof.label - 1) + noise).astype(np.float32)
    return dataclasses.replace(part, oof=part.oof.assign(logit=logit, prediction=1 / (1 + np.exp(-logit))))


@pytest.mark.usefixtures("finished")
@pytest.mark.parametrize(("qualities", "best", "file"), [
    ((3.0, 0.1, 0.1), "baseline", "submissions/toy_baseline.csv"),
    ((0.1, 3.0, 0.2), "stage1", "submissions/toy_stage1.csv"),
    ((0.1, 0.2, 3.0), "stage2", "submissions/toy.csv"),
])
def test_the_file_to_upload_is_that_of_the_stage_that_is_surely_best(qualities: tuple[float, ...], best: str, file: str
                                                                     ) -> None:
    run = opening.read(loading.load(CONFIG))
    parts = {name: of_quality(part, quality) for (name, part), quality in
             zip(predictions.of_all_stages(run).items(), qualities, strict=True)}
    result = report.build(run, parts)
    lines = list(verdict.lines(run, result, parts, CALL))
    assert lines[0].startswith(f"verdict: the best stage by AUC is {best}, ")
    [upload] = [line for line in lines if line.startswith("upload: ")]
    assert upload.startswith(f"upload: {file}, from {best}, ")
    score = re.search(r"from \w+, (\d\.\d+) out of fold", upload)
    assert score is not None
    assert float(score[1]) == pytest.approx(result["stages"][best]["pooled"], abs=5e-5)


@pytest.mark.usefixtures("finished")
def test_a_difference_within_chance_keeps_the_configured_stage_and_says_so() -> None:
    run = opening.read(loading.load(CONFIG))
    parts = {name: of_quality(part, quality) for (name, part), quality in
             zip(predictions.of_all_stages(run).items(), (0.1, 1.0, 0.999), strict=True)}
    [upload] = [line for line in verdict.lines(run, report.build(run, parts), parts, CALL) if "upload: " in line]
    assert upload.startswith("upload: submissions/toy.csv, from stage2, ")
    assert "cannot be told from chance" in upload or "out of fold" in upload


@pytest.mark.usefixtures("finished")
def test_the_next_command_says_again_how_the_run_was_called() -> None:
    overrides = ("stage1.epochs=1", "bert.dropout=0.2")
    call = Invocation(CONFIG, "other", overrides)
    assert call.again() == f"{CONFIG} --run other --set stage1.epochs=1 --set bert.dropout=0.2"
    assert call.again("new", ["stage1.epochs=9"]) == f"{CONFIG} --run new --set bert.dropout=0.2 --set stage1.epochs=9"
    run = opening.read(loading.load(CONFIG))
    parts = predictions.of_all_stages(run)
    *_, last = verdict.lines(run, report.build(run, parts), parts, Invocation(CONFIG, None, ("bert.dropout=0.2",)))
    assert last.startswith(f"next: ./run_all.sh {CONFIG} --run toy_2 --set bert.dropout=0.2 --set ")
