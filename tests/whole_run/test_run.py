"""The whole run on a tiny competition, by the real command: what it leaves behind and what a rerun does."""

import errno
import itertools
import os
import shutil
import signal
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from sklearn.metrics import roc_auc_score

from pipeline.backend import tf
from pipeline.checkpoints import encoder_config, google
from pipeline.files import formats, hashing, sealed
from pipeline.machine import resources
from pipeline.runs import scheduler
from pipeline.runs.run import Run
from pipeline.stage_table import Stage
from pipeline.text.vocabulary import SPECIAL, Vocabulary
from pipeline.training import bert_stages, epochs, fine_tuning
from pipeline.training.fine_tuning import FineTuning, Trainer
from tests.conftest import Command
from tests.toy import CHARACTERS, TINY

CONFIG = "configs/toy.toml"


def run_everything(stages: Command, *options: str) -> None:
    for stage in ("folds", "baseline", "stage1", "stage2", "submit", "report"):
        result = stages(stage, CONFIG, *options)
        assert result.code == 0, f"{stage}: {result.err}\n{result.out}"


def test_the_whole_run(finished: Path, stages: Command) -> None:
    train = pd.read_csv("data/train.csv", dtype=str)
    folds = pd.read_csv("models/toy/folds.csv", dtype={"id": str})
    report = formats.read_json(Path("oof/toy/auc.json"))
    for stage in ("baseline", "stage1", "stage2"):
        # OOF is a partition of the training rows, in their order
        oof = formats.read_csv(Path(f"oof/toy/{stage}.csv"))
        assert oof.id.tolist() == train.id.tolist()
        assert oof.fold.tolist() == folds.fold.tolist()
        assert oof.label.astype(str).tolist() == train.label.tolist()
        assert np.isfinite(oof.logit).all()
        np.testing.assert_allclose(oof.prediction, 1 / (1 + np.exp(-oof.logit.astype(float))), atol=1e-7)
        # the report says what scikit-learn says
        part = report["stages"][stage]
        assert part["pooled"] == roc_auc_score(oof.label, oof.logit)
        by_fold = [roc_auc_score(rows.label, rows.logit) for _, rows in oof.groupby("fold")]
        assert [row["auc"] for row in part["folds"]] == by_fold
        assert part["mean"] == pytest.approx(np.mean(by_fold), abs=1e-12)
        # test predictions are the mean over folds
        test = formats.read_csv(Path(f"oof/toy/{stage}_test.csv"))
        np.testing.assert_allclose(test.prediction, test[[f"prediction_{k}" for k in range(3)]].mean(axis=1), atol=1e-7)
    # the submission has the sample's header and order, and stage 2's means
    sample = pd.read_csv("data/sample_submission.csv", dtype={"ID": str})
    submission = pd.read_csv("submissions/toy.csv", dtype={"ID": str})
    assert submission.columns.tolist() == ["ID", "Prediction"]
    assert submission.ID.tolist() == sample.ID.tolist()
    expected = formats.read_csv(Path("oof/toy/stage2_test.csv")).set_index("id").prediction
    np.testing.assert_allclose(submission.Prediction, expected[submission.ID], atol=1e-7)
    assert Path("submissions/toy_stage1.csv").exists()
    for name in ("roc_pr", "scores", "training_stage1", "training_stage2", "stage2_vs_stage1"):
        assert Path(f"oof/toy/{name}.png").read_bytes().startswith(b"\x89PNG")
    comparison = report["comparisons"][0]
    old, new = (formats.read_csv(Path(f"oof/toy/{stage}.csv")) for stage in ("stage1", "stage2"))
    assert comparison["decisions_flipped"] == int(((old.prediction >= 0.5) != (new.prediction >= 0.5)).sum())
    assert comparison["delta_pooled_auc"] == pytest.approx(
        report["stages"]["stage2"]["pooled"] - report["stages"]["stage1"]["pooled"], abs=1e-12)

    # a second run trains nothing again and leaves the same bytes
    before = {path: path.read_bytes() for path in Path().rglob("*") if path.is_file() and "run.log" not in path.name}
    times = {path: path.stat().st_mtime_ns for path in Path("models/toy").rglob("DONE.json")}
    run_everything(stages)
    assert {path: path.stat().st_mtime_ns for path in Path("models/toy").rglob("DONE.json")} == times
    for path, content in before.items():
        if path.name != ".lock":
            assert path.read_bytes() == content, path


def test_a_fold_alone_equals_the_fold_in_a_whole_run(finished: Path, stages: Command) -> None:
    for stage in ("stage1", "stage2"):
        assert stages(stage, CONFIG, "--run", "alone", "--fold", "1").code == 0
        whole, alone = (Path(f"models/{run}/{stage}/fold_1") for run in ("toy", "alone"))
        for path in whole.iterdir():
            if path.name != "DONE.json":
                assert path.read_bytes() == (alone / path.name).read_bytes(), path


def test_some_folds_report_those_and_the_submission_waits(project: Path, stages: Command) -> None:
    assert stages("baseline", CONFIG, "--fold", "2", "--fold", "0").code == 0
    result = stages("report", CONFIG)
    assert result.code == 0
    assert "folds 1 are not finished" in result.out
    report = formats.read_json(Path("oof/toy/auc.json"))["stages"]["baseline"]
    assert report["pooled"] is None
    assert report["pooled_reason"] == "folds 1 are not finished"
    assert [row["fold"] for row in report["folds"]] == [0, 2]
    assert not Path("oof/toy/baseline.csv").exists()
    refused = stages("submit", CONFIG, "--set", "submit.stage=baseline")
    assert refused.code == 2
    assert "folds 1 are not finished" in refused.err
    assert not Path("submissions").exists()
    # unless some folds are asked for, in a file that says so
    assert stages("submit", CONFIG, "--set", "submit.stage=baseline", "--fold", "0").code == 0
    assert [path.name for path in Path("submissions").iterdir()] == ["toy_baseline_folds_0.csv"]
    shown = stages("report", CONFIG, "--fold", "0")
    assert shown.code == 0
    assert "not finished" not in shown.out
    assert formats.read_json(Path("oof/toy/auc.json"))["stages"]["baseline"] == report


def test_a_damaged_cell_is_made_again_to_the_same_bytes(project: Path, stages: Command) -> None:
    assert stages("baseline", CONFIG).code == 0
    path = Path("models/toy/baseline/fold_1/oof.csv")
    good = path.read_bytes()
    path.write_bytes(good.replace(b"0.", b"1.", 1))
    result = stages("baseline", CONFIG)
    assert result.code == 0
    assert "baseline fold 1: damaged or incomplete, made again" in result.out
    assert path.read_bytes() == good


def test_a_changed_setting_stops_the_run_and_both_ways_on_work(project: Path, stages: Command) -> None:
    assert stages("stage1", CONFIG, "--fold", "0").code == 0
    assert stages("stage2", CONFIG, "--fold", "0").code == 0
    done = Path("models/toy/stage1/fold_0/DONE.json")
    first = done.stat().st_mtime_ns
    # a stage 2 key leaves stage 1 valid and stops stage 2
    stopped = stages("stage2", CONFIG, "--fold", "0", "--set", "stage2.learning_rate=0.02")
    assert stopped.code == 4
    assert "  stage2.learning_rate: 0.01 -> 0.02" in stopped.lines
    assert any("--run NEW --from toy" in line for line in stopped.lines)
    assert any("--redo stage2" in line for line in stopped.lines)
    assert stages("stage1", CONFIG, "--fold", "0", "--set", "stage2.learning_rate=0.02").code == 0
    assert done.stat().st_mtime_ns == first
    # a new name takes over what still fits
    taken = stages("stage2", CONFIG, "--fold", "0", "--run", "new", "--from", "toy",
                   "--set", "stage2.learning_rate=0.02")
    assert taken.code == 0
    assert "stage1 fold 0 taken from run toy" in taken.out
    assert Path("models/new/stage1/fold_0/DONE.json").read_bytes() == done.read_bytes()
    # --redo discards the stage's cells and those built on them
    assert stages("stage1", CONFIG, "--fold", "0", "--set", "stage1.epochs=1", "--redo", "stage1").code == 0
    assert not Path("models/toy/stage2").exists()


@pytest.mark.parametrize(("edit", "key"), [
    (lambda table: table.assign(label=table.label.where(table.index != 3, "0")), "training rows"),
    (lambda table: table.iloc[::-1], "training rows"),
])
def test_edited_data_stop_the_run(project: Path, stages: Command, edit, key: str) -> None:  # type: ignore[no-untyped-def]
    assert stages("baseline", CONFIG, "--fold", "0").code == 0
    edit(pd.read_csv("data/train.csv", dtype=str)).to_csv("data/train.csv", index=False)
    stopped = stages("baseline", CONFIG)
    assert stopped.code == 4
    assert any(line.strip().startswith(key) for line in stopped.lines)


def test_stage2_needs_its_stage1(project: Path, stages: Command) -> None:
    result = stages("stage2", CONFIG, "--fold", "1")
    assert result.code == 2
    assert "stage1 models/toy/config.toml --fold 1" in result.err


def test_stage2_stops_where_its_weights_do_not_reproduce_stage1(project: Path, stages: Command) -> None:
    assert stages("stage1", CONFIG, "--fold", "0").code == 0
    folder = Path("models/toy/stage1/fold_0")
    table = formats.read_csv(folder / "handed_on.csv")
    table["prediction"] += np.where(table.index == 0, np.float32(1e-3), np.float32(0))
    formats.write(folder / "handed_on.csv", table)
    done = formats.read_json(folder / "DONE.json")
    done["files"]["handed_on.csv"] = hashing.sha256(folder / "handed_on.csv")
    sealed.write_done(folder, done)
    result = stages("stage2", CONFIG, "--fold", "0")
    assert result.code == 4
    assert "differ by 0.001" in result.err


def test_a_diverging_loss_ends_with_exit_code_8_and_no_cell(project: Path, stages: Command) -> None:
    tensors = encoder_config.random_tensors(TINY, 1)
    tensors["bert/encoder/layer_0/output/dense/kernel"][:] = 3e38
    google.write(Path("data/bert"), TINY, Vocabulary([*SPECIAL, *CHARACTERS]), tensors)
    result = stages("stage1", CONFIG, "--fold", "0")
    assert result.code == 8, result.out
    assert "the loss is nan" in result.err
    assert not Path("models/toy/stage1/fold_0").exists()


def test_stage1_that_cannot_move_the_encoder_is_refused(project: Path, stages: Command) -> None:
    result = stages("stage1", CONFIG, "--fold", "0", "--set", "stage1.learning_rate=1e-30")
    assert result.code == 8
    assert "did not move" in result.err


def as_published(epochs: int = 5) -> list[str]:
    """Options that make the toy's recipe the published one."""
    options = ["folds.method=plain", "tokens.batches=random", "head.masked=false", "head.attention_activation=softmax",
               "stage1.hand_on=best", "stage2.dropout=true"]
    for stage in ("stage1", "stage2"):
        options += [f"{stage}.{key}={value}" for key, value in {
            "epochs": epochs, "batch_size": "8", "optimizer": "adam", "weight_decay": "0", "warmup": "0",
            "decay": "none", "monitor": "accuracy", "early_stopping": "3", "plateau": "2", "clip_norm": "0",
        }.items()]
    return [part for option in options for part in ("--set", option)]


@pytest.mark.parametrize(("method", "call"), [pytest.param("end_epoch", 2, marks=pytest.mark.long), ("take", 7)],
                         ids=["at an epoch's end", "inside one"])
@pytest.mark.parametrize(("names", "options"), [
    (["stage1", "stage2"], ["--set", "stage2.batch_size=8"]),
    pytest.param(["stage1"], as_published(2), marks=pytest.mark.long)], ids=["ours", "published"])
def test_a_killed_cell_goes_on_where_it_stood_to_the_same_bytes(
        project: Path, stages: Command, monkeypatch: pytest.MonkeyPatch, names: list[str], options: list[str],
        method: str, call: int) -> None:
    monkeypatch.setattr(epochs, "STATE_EVERY", 0)
    whole_method, calls = getattr(FineTuning, method), itertools.count(1)

    def killed(*arguments: Any) -> Any:
        if next(calls) == call:
            raise KeyboardInterrupt
        return whole_method(*arguments)

    for stage in names:
        assert stages(stage, CONFIG, "--fold", "0", "--run", "whole", *options).code == 0
        calls = itertools.count(1)
        with monkeypatch.context() as patch:
            patch.setattr(FineTuning, method, killed)
            assert stages(stage, CONFIG, "--fold", "0", *options).code == 130
        assert not Path(f"models/toy/{stage}/fold_0").exists()
        again = stages(stage, CONFIG, "--fold", "0", *options)
        assert f"{stage} fold 0: goes on after step " in again.out
        whole, resumed = (Path(f"models/{run}/{stage}/fold_0") for run in ("whole", "toy"))
        for path in whole.iterdir():
            if path.name != "DONE.json":
                assert path.read_bytes() == (resumed / path.name).read_bytes(), path
        assert not list(Path(f"models/toy/{stage}").glob(".fold_0.*"))


def test_published_recipe_keeps_last_and_best_epoch(project: Path, stages: Command) -> None:
    published = as_published()
    for stage in ("stage1", "stage2", "report"):
        folds = ["--fold", "0"] if stage != "report" else []
        result = stages(stage, CONFIG, *folds, *published)
        assert result.code == 0, result.err + result.out
    folder = Path("models/toy/stage1/fold_0")
    history = pd.read_csv(folder / "history.csv")
    best = int(history.epoch[history.best == 1].iloc[0])
    assert best == int(history.epoch[history.valid_accuracy == history.valid_accuracy.max()].iloc[0])
    assert (folder / "weights_last.safetensors").exists()
    assert (folder / "weights_best.safetensors").exists()
    same = (folder / "weights_last.safetensors").read_bytes() == (folder / "weights_best.safetensors").read_bytes()
    assert same == (best == len(history))
    assert "optimistic" in result.out
    assert "reads padding" in result.out
    # where stage 1 predicts with another epoch than it hands on, the choice and the training are told apart
    comparisons = formats.read_json(Path("oof/toy/auc.json"))["comparisons"]
    assert [(part["old"], part["new"]) for part in comparisons] == [
        ("stage1", "stage2"), ("the epoch it was handed", "stage2")]
    handed, after = (formats.read_csv(path) for path in (folder / "handed_on.csv",
                                                         Path("models/toy/stage2/fold_0/oof.csv")))
    assert comparisons[1]["largest_change"] == pytest.approx(np.abs(handed.prediction - after.prediction).max())


def test_choosing_an_epoch_on_inner_rows_leaves_the_fold_out(project: Path, stages: Command) -> None:
    result = stages("stage1", CONFIG, "--fold", "0", "--set", "stage1.monitor_on=inner", "--set",
                    "stage1.predict_with=best", "--set", "stage1.hand_on=best")
    assert result.code == 0, result.err
    assert "inner_auc" in pd.read_csv("models/toy/stage1/fold_0/history.csv")
    assert "optimistic" not in stages("report", CONFIG, "--set", "stage1.monitor_on=inner", "--set",
                                      "stage1.predict_with=best", "--set", "stage1.hand_on=best").out


def test_cells_made_by_other_code_warn_once_and_strict_refuses(project: Path, stages: Command) -> None:
    assert stages("baseline", CONFIG, "--fold", "0").code == 0
    path = Path("models/toy/baseline/fold_0/DONE.json")
    done = formats.read_json(path)
    done["provenance"]["code"] = "0" * 16
    sealed.write_done(path.parent, done)
    result = stages("baseline", CONFIG)
    assert result.code == 0
    assert result.out.count("warning: baseline: finished cells were made with other code") == 1
    assert stages("baseline", CONFIG, "--strict").code == 4


def test_report_and_submit_import_no_tensorflow(finished: Path) -> None:
    import sys

    from tests.conftest import shell

    probe = ("import sys; sys.argv = ['stages', {stage!r}, 'configs/toy.toml']\n"
             "from stages.command import main\n"
             "try: main()\nexcept SystemExit as stop: assert not stop.code, stop.code\n"
             "assert 'tensorflow' not in sys.modules, 'tensorflow was imported'")
    for stage in ("report", "submit"):
        result = shell(sys.executable, "-c", probe.format(stage=stage), cwd=finished)
        assert result.code == 0, result.err


@pytest.mark.long
def test_a_fold_alone_equals_the_fold_after_another_with_xla(project: Path, stages: Command) -> None:
    options = ["--set", "hardware.xla=true", "--set", "stage1.epochs=1"]
    assert stages("stage1", CONFIG, "--fold", "0", "--fold", "1", *options).code == 0
    assert stages("stage1", CONFIG, "--run", "alone", "--fold", "1", *options).code == 0
    both, alone = (Path(f"models/{run}/stage1/fold_1") for run in ("toy", "alone"))
    for name in ("weights_last.safetensors", "oof.csv", "test.csv"):
        assert (both / name).read_bytes() == (alone / name).read_bytes(), name


def test_folds_at_a_time_in_processes_leave_the_same_bytes(finished: Path, stages: Command) -> None:
    for stage in ("stage1", "stage2"):
        result = stages(stage, CONFIG, "--run", "several", "--set", "hardware.jobs=2")
        assert result.code == 0, result.err
        assert f"{stage}: 2 folds at a time, 1 threads each" in result.out
        assert f"{stage} fold 2  epoch 2/2" in result.out
        assert f"{stage} fold 2  epoch 2/2" in Path("models/several/run.log").read_text()
    for stage in ("stage1", "stage2"):
        for path in Path(f"models/toy/{stage}").rglob("*.*"):
            if path.is_file() and path.name != "DONE.json":
                assert Path(str(path).replace("toy", "several")).read_bytes() == path.read_bytes(), path


def test_an_error_in_a_process_is_told_like_any_other(project: Path, stages: Command) -> None:
    result = stages("stage1", CONFIG, "--set", "hardware.jobs=2", "--set", "stage1.epochs=1", "--set",
                    "stage1.learning_rate=1e-30")
    assert result.code == 8
    assert "did not move" in result.err
    assert "Traceback" not in result.err


def test_a_killed_process_ends_with_exit_code_6(project: Path, stages: Command, monkeypatch: pytest.MonkeyPatch
                                                ) -> None:
    monkeypatch.setattr(scheduler, "_fitter", killed)
    result = stages("stage1", CONFIG, "--set", "hardware.jobs=2")
    assert result.code == 6
    assert "hardware.jobs=1" in result.err


def killed(run: Run, stage: Stage) -> None:
    """What the system does to a process that takes too much memory."""
    os.kill(os.getpid(), signal.SIGKILL)
    raise AssertionError


@pytest.mark.parametrize(("cells", "cores", "threads"), [(5, 2, 2), (4, 2, 1), (1, 16, 16), (5, 16, 3), (5, 5, 1)])
def test_threads_a_cell_make_the_whole_run_short(cells: int, cores: int, threads: int) -> None:
    assert resources.best_threads(cells, cores) == threads


def test_memory_that_tensorflow_refuses_ends_with_exit_code_6(project: Path, stages: Command,
                                                              monkeypatch: pytest.MonkeyPatch) -> None:
    def refused(*arguments: Any) -> Any:
        raise tf.errors.ResourceExhaustedError(None, None, "OOM when allocating tensor")

    monkeypatch.setattr(Trainer, "take", refused)
    result = stages("stage1", CONFIG, "--fold", "1")
    assert result.code == 6
    assert len(result.lines) == 1
    assert "stage1 fold 1: memory ran out in a step of 8 rows, " in result.err
    assert "halve stage1.batch_size" in result.err


@pytest.mark.parametrize("name", ["data/train.csv", "data/bert/vocab.txt"])
def test_an_input_edited_during_the_run_is_noticed_before_the_next_fold(
        project: Path, stages: Command, monkeypatch: pytest.MonkeyPatch, name: str) -> None:
    fit = fine_tuning.fit

    def edits(*arguments: Any) -> Any:
        fitted = fit(*arguments)
        Path(name).write_bytes(Path(name).read_bytes() + b"\n")
        return fitted

    monkeypatch.setattr(bert_stages, "fit", edits)
    result = stages("stage1", CONFIG, "--set", "hardware.jobs=1")
    assert result.code == 4
    assert result.lines == [f"{name}: was changed while the run was going on; put it back and run again, or go on with "
                            f"the new one under a new name: --run NEW"]
    assert [path.name for path in Path("models/toy/stage1").glob("fold_*")] == ["fold_0"]


@pytest.mark.parametrize("content", ["", "{", '{"threads_per_cell": "many"}', '{"threads_per_cell": 1e999}',
                                     '{"threads_per_cell": 0}', '{"\\ud800": 1}'])
def test_a_damaged_thread_count_is_mended_from_the_cells_or_refused(project: Path, stages: Command, content: str
                                                                    ) -> None:
    assert stages("baseline", CONFIG).code == 0
    path = Path("models/toy/run.json")
    good = path.read_bytes()
    for damaged in (content, '{"threads_per_cell": 2}', None):
        path.unlink() if damaged is None else path.write_text(damaged)
        assert "threads_per_cell = 1, as the finished cells were made with" in stages("baseline", CONFIG).out
        assert path.read_bytes() == good
    path.write_text(content)
    assert stages("baseline", CONFIG, "--redo", "baseline").code == 4


@pytest.mark.parametrize("change", [
    lambda text: text.replace("prediction", "forecast"), lambda text: text.replace("r00", "s00"),
    lambda text: text + "a,b\n", lambda text: text + "a,b,c,d,e,f\n", lambda text: "",
    lambda text: text.replace("\n", "\n" + "1," * 20_000, 1), lambda text: text.replace(",0,", f",{9**30},"),
    lambda text: text.splitlines()[0] + "\n"])
def test_predictions_that_are_not_those_of_the_folds_rows_are_refused(  # type: ignore[no-untyped-def]
        project: Path, stages: Command, change) -> None:
    assert stages("baseline", CONFIG, "--fold", "0").code == 0
    folder = Path("models/toy/baseline/fold_0")
    (folder / "oof.csv").write_text(change((folder / "oof.csv").read_text()))
    done = formats.read_json(folder / "DONE.json")
    done["files"]["oof.csv"] = hashing.sha256(folder / "oof.csv")
    sealed.write_done(folder, done)
    result = stages("report", CONFIG)
    assert result.code == 4
    assert result.lines == [f"{folder}/oof.csv: must hold id,fold,label,logit,prediction of each row of the fold once, "
                            f"in order, with a finite logit; make it again: --redo baseline"]


def test_a_damaged_done_is_not_believed(project: Path, stages: Command) -> None:
    assert stages("baseline", CONFIG, "--fold", "0").code == 0
    path = Path("models/toy/baseline/fold_0/DONE.json")
    good = path.read_bytes()
    for old, new in ((b'"threads": 1', b'"threads": 3'), (b"baseline.ngrams", b"baseline.ngramt"),
                     (b'"code"', b'"cope"')):
        assert old in good
        path.write_bytes(good.replace(old, new))
        assert "baseline fold 0: damaged or incomplete, made again" in stages("baseline", CONFIG, "--fold", "0").out
        assert path.read_bytes() == good


def test_a_cell_that_names_files_elsewhere_does_not_count(project: Path, stages: Command) -> None:
    assert stages("baseline", CONFIG, "--fold", "0").code == 0
    folder = Path("models/toy/baseline/fold_0")
    done = formats.read_json(folder / "DONE.json")
    for files in ({}, {"../../../../data/train.csv": hashing.sha256(Path("data/train.csv"))}):
        sealed.write_done(folder, done | {"files": files})
        assert "baseline fold 0: damaged or incomplete, made again" in stages("baseline", CONFIG, "--fold", "0").out


def test_a_disk_that_cannot_hold_the_weights_is_told_before_training(project: Path, stages: Command,
                                                                    monkeypatch: pytest.MonkeyPatch) -> None:
    usage = type("Usage", (), {"free": 100_000})
    monkeypatch.setattr(shutil, "disk_usage", lambda folder: usage)
    result = stages("stage1", CONFIG)
    assert result.code == 5
    assert len(result.lines) == 1
    assert result.lines[0].startswith("models/toy: stage1's weights and the states of its training need ")
    assert "epoch 1/" not in result.out
    assert stages("check", CONFIG).code == 5


def test_what_a_killed_process_was_writing_is_swept_away(project: Path, stages: Command) -> None:
    for left in ("models/toy/.baseline.removing/fold_0/oof.csv", "models/toy/stage1/.fold_0.building/oof.csv",
                 "oof/toy/.auc.json.writing"):
        Path(left).parent.mkdir(parents=True, exist_ok=True)
        Path(left).write_text("half")
    assert stages("baseline", CONFIG, "--fold", "0").code == 0
    assert not [path for folder in ("models/toy", "oof/toy") for path in Path(folder).rglob(".*")
                if path.name != ".lock"]


def test_check_writes_nothing(project: Path, stages: Command) -> None:
    assert stages("check", CONFIG).code == 0
    assert not Path("models").exists()


def test_a_full_disk_is_told_as_one_whoever_writes(project: Path, stages: Command, monkeypatch: pytest.MonkeyPatch
                                                   ) -> None:
    def full(path: Path, **_: Any) -> None:
        raise OSError(errno.ENOSPC, "No space left on device", str(path))

    state = Path("models/toy/baseline/.fold_0.state.safetensors")
    state.parent.mkdir(parents=True)
    state.touch()
    monkeypatch.setattr(Path, "unlink", full)
    result = stages("baseline", CONFIG, "--fold", "0")
    assert result.code == 5
    assert result.lines == [f"{state}: cannot be written: No space left on device"]
