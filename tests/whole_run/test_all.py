"""``stages all``: one process runs every stage to the same bytes as the stages one by one, from a configuration or from
a folder; it ends with what to upload and what to do next."""

import filecmp
import shutil
from pathlib import Path

import pytest

from tests.conftest import ROOT, Command
from tests.proposal.layouts import without_ids

CONFIG = "configs/toy.toml"
FAST = ["--set", "stage1.epochs=1", "--set", "stage2.epochs=1", "--set", "folds.n=2", "--set", "hardware.xla=false",
        "--set", "hardware.jobs=1", "--set", "hardware.threads_per_cell=1"]


def test_one_process_leaves_the_bytes_of_the_stages_one_by_one(project: Path, finished_once: Path, stages: Command
                                                               ) -> None:
    result = stages("all", CONFIG)
    assert result.code == 0, result.err
    names = sorted(path.relative_to(finished_once) for folder in ("oof", "submissions")
                   for path in (finished_once / folder).rglob("*") if path.suffix in (".csv", ".json", ".md"))
    assert len(names) >= 12
    for name in names:
        assert filecmp.cmp(project / name, finished_once / name, shallow=False), name
    blocks = [line.removeprefix("== ") for line in result.out.splitlines() if line.startswith("== ")]
    assert blocks == ["check", "folds", "baseline", "stage1", "stage2", "submit", "report"]


def test_what_is_done_is_skipped_and_one_fold_is_one_fold(project: Path, stages: Command) -> None:
    assert stages("all", CONFIG, "--fold", "1").code == 0
    assert sorted(path.name for path in Path("models/toy/stage2").iterdir()) == ["fold_1"]
    assert not Path("submissions").exists()
    again = stages("all", CONFIG, "--fold", "1").out
    assert "stage1 fold 1: done already" in again


def test_the_report_ends_in_words(finished: Path, stages: Command) -> None:
    lines = stages("report", CONFIG).out.splitlines()
    begin = next(number for number, line in enumerate(lines) if line.startswith("verdict: "))
    assert lines[begin].startswith("verdict: the best stage by AUC is ")
    told = lines[begin + 1:begin + 3]
    assert all("chance (AUC " in line for line in told)
    assert lines[-2].startswith("upload: submissions/toy")
    assert lines[-1].startswith("next: ")


def test_the_table_fits_80_columns_and_has_no_column_of_dashes(finished: Path, stages: Command) -> None:
    out = stages("report", CONFIG).out
    table = out[out.index("Out-of-fold AUC"):out.index("stage2 against")].splitlines()
    assert max(map(len, table)) <= 80
    assert "fold 2" in out
    one = stages("report", CONFIG, "--fold", "1").out
    assert "fold 1 " in one
    assert "fold 0 " not in one


def test_a_stage_1_below_tfidf_is_told_with_what_it_lacks(finished: Path, stages: Command) -> None:
    lines = stages("report", CONFIG).out.splitlines()
    assert any(line.startswith("verdict: the best stage by AUC is baseline") for line in lines)
    lacks = [line.strip() for line in lines if "what stage 1 lacks" in line]
    assert any("takes 8 steps on a fold" in line for line in lacks)


def test_quiet_shows_the_result_and_the_log_has_all(project: Path, stages: Command) -> None:
    quiet = stages("all", CONFIG, "--quiet").out.splitlines()
    assert len(quiet) < len(Path("models/toy/run.log").read_text().splitlines()) / 2
    assert any(line.startswith("upload: ") for line in quiet)
    assert not any("epoch" in line and "loss" in line for line in quiet)
    assert "epoch 2/2" in Path("models/toy/run.log").read_text()


def test_a_folder_becomes_a_configuration_and_then_a_run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch,
                                                         stages: Command) -> None:
    monkeypatch.chdir(tmp_path)
    Path("data/bert").mkdir(parents=True)
    shutil.copytree(ROOT / "data/bert/small_chinese", "data/bert/small_chinese")
    without_ids(Path("data/snippets"))
    result = stages("all", "data/snippets", *FAST, "--fold", "0")
    assert result.code == 0, result.err
    assert Path("models/snippets/stage2/fold_0/DONE.json").exists()
    again = stages("all", "data/snippets", *FAST, "--fold", "0")
    assert "configs/snippets.toml was written for these files before and is used as it stands" in again.out
    assert "stage2 fold 0: done already" in again.out
    refused = stages("all", "configs/snippets.toml", "--metric", "f1")
    assert refused.code == 2
    assert "--set metric=f1" in refused.err
