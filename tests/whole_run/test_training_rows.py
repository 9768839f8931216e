"""Rows that count differently: weights, soft labels, further files, sources, pseudo-labels; and a model of all rows."""

import json
import shutil
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from pipeline import tasks
from pipeline.competition import folds
from pipeline.config import loading
from pipeline.files import formats, sealed
from pipeline.results import run_table
from pipeline.runs import cell_rows, opening, pseudo_labels, scheduler
from pipeline.runs.run import Run
from pipeline.stage_table import ALL_ROWS, BASELINE, STAGE1
from tests.conftest import Command
from tests.contracts import config_of, rows_of

CONFIG = "configs/toy.toml"
ONE_FOLD = ("--fold", "0")


def in_data(line: str) -> None:
    """Adds a line to its [data]."""
    path = Path(CONFIG)
    path.write_text(path.read_text().replace("[data]\n", f"[data]\n{line}\n"))


def train() -> pd.DataFrame:
    return pd.read_csv("data/train.csv", dtype=str)


def write(table: pd.DataFrame, name: str = "train") -> None:
    table.to_csv(f"data/{name}.csv", index=False)


def predicted(run: str, stage: str = "stage1", fold: int = 0) -> bytes:
    """What a cell predicts of test rows, whose labels it cannot have seen."""
    return Path(f"models/{run}/{stage}/fold_{fold}/test.csv").read_bytes()


def read(*overrides: str, run: str | None = None) -> Run:
    return opening.read(loading.load(Path(CONFIG), list(overrides), run))


@pytest.mark.parametrize("stage", ["baseline", "stage1"])
def test_a_row_of_weight_0_teaches_nothing_and_equal_weights_change_nothing(
        finished: Path, stages: Command, stage: str) -> None:
    table, fold = train(), pd.read_csv("models/toy/folds.csv", dtype=str).fold
    quiet = (fold != "0") & (table.index % 5 == 1)
    path = Path(CONFIG)
    path.write_text(path.read_text().replace("n = 3\n", 'n = 3\nmethod = "given"\ncolumn = "fold"\n'))
    in_data('weight_column = "sure"')
    for name, weight, flip in (("equal", 2.5, False), ("as_it_was", 0.0, False), ("turned", 0.0, True)):
        label = table.label.where(~(quiet & flip), (1 - table.label.astype(int)).astype(str))
        weights = np.where(quiet, weight, 2.5)
        write(table.assign(fold=fold, sure=weights, label=label))
        result = stages(stage, CONFIG, "--run", name, *ONE_FOLD)
        assert result.code == 0, result.err
    assert predicted("as_it_was", stage) == predicted("turned", stage)
    assert predicted("equal", stage) == predicted("toy", stage)
    assert predicted("equal", stage) != predicted("turned", stage)


@pytest.mark.parametrize("stage", ["baseline", "stage1"])
def test_soft_labels_that_are_sure_are_labels_and_others_are_trained_towards(
        finished: Path, stages: Command, stage: str) -> None:
    table = train()
    in_data('soft_label_columns = ["chance"]')
    alternating = table.label.where(table.index % 2 == 0, "")  # a row without a soft label has its label
    for name, chance in (("sure", alternating), ("soft", (table.label.astype(int) * 0.6 + 0.2).round(1))):
        write(table.assign(chance=chance))
        result = stages(stage, CONFIG, "--run", name, *ONE_FOLD)
        assert result.code == 0, result.err
    assert predicted("sure", stage) == predicted("toy", stage)
    logit = {name: pd.read_csv(f"models/{name}/{stage}/fold_0/oof.csv") for name in ("sure", "soft")}
    assert logit["sure"].label.tolist() == logit["soft"].label.tolist()  # rows are scored by their label
    if stage == "baseline":  # the toy's BERT is sure of nothing yet
        assert logit["soft"].logit.abs().mean() < logit["sure"].logit.abs().mean()
    assert (logit["soft"].logit != logit["sure"].logit).all()


def test_shares_of_classes_are_trained_towards_by_every_stage(project: Path, stages: Command) -> None:
    table = train()
    names = np.array(["bad", "fine", "good"])
    number = table.index.to_numpy() % 3
    shares = np.full((len(table), 3), 0.1) + 0.7 * (number[:, None] == np.arange(3))
    soft = pd.DataFrame(shares.round(2), columns=["p_bad", "p_fine", "p_good"]).astype(object)
    soft.iloc[::4] = ""
    write(pd.concat([table.assign(label=names[number]), soft], axis=1))
    in_data('soft_label_columns = ["p_bad", "p_fine", "p_good"]')
    settings = ["--set", "task=multiclass", "--set", "data.sample_submission="]
    for stage in ("baseline", "stage1", "stage2"):
        result = stages(stage, CONFIG, *settings, *ONE_FOLD)
        assert result.code == 0, result.err
    run = read("task=multiclass", "data.sample_submission=")
    rows = cell_rows.of(run, run.cell(STAGE1, 0), None)
    assert rows.shares
    assert rows.target[1].tolist() == pytest.approx([0.1, 0.8, 0.1])
    assert rows.target[4].tolist() == [0.0, 1.0, 0.0]  # a row without shares has its label
    (told,) = [line for line in stages("check", CONFIG, *settings).out.splitlines() if line.startswith("soft labels")]
    assert told == "soft labels: 36 of 48 rows; the likeliest is another than the label in 0"


def test_further_rows_are_trained_on_and_never_validated(finished: Path, stages: Command) -> None:
    table = train()
    write(pd.DataFrame({"id": ["x", "y"], "text": ["香香香香香", "差差差差差"], "label": ["1", "0"]}), "more")
    in_data('extra = ["data/more.csv"]')
    checked = stages("check", CONFIG, "--run", "more")
    for command in ("baseline", "report"):
        assert stages(command, CONFIG, "--run", "more").code == 0
    assert stages("stage1", CONFIG, "--run", "more", *ONE_FOLD).code == 0
    oof = formats.read_csv(Path("oof/more/baseline.csv"))
    assert oof.id.tolist() == table.id.tolist()
    assert predicted("more") != predicted("toy")
    others = formats.read_csv(Path("models/more/stage1/fold_0/others.csv"))
    assert others.id.tolist() == ["extra-x", "extra-y"]
    dealt = pd.read_csv("models/more/folds.csv", dtype=str)
    assert dealt.fold[dealt.id.isin(table.id)].tolist() == pd.read_csv("models/toy/folds.csv", dtype=str).fold.tolist()
    assert formats.read_json(Path("oof/more/auc.json"))["data"]["rows that are only trained on"] == 2
    assert "rows that are only trained on: 2, 1 positive (50.0%)" in checked.out
    [block] = run_table.read("toy")  # what is scored is the same, so that the two runs may be compared
    assert {line.name for line in block.lines} == {"more", "toy"}
    write(pd.DataFrame({"id": ["x"], "text": ["香香"], "label": ["1"]}), "more")
    assert "the folds were dealt from other rows" in stages("stage1", CONFIG, "--run", "more").err


def test_further_rows_may_be_longer_than_others_and_their_ids_are_their_own(finished: Path, stages: Command) -> None:
    write(pd.DataFrame({"id": ["x", "y"], "text": ["香辣鲜嫩好" * 5, "差慢贵咸淡" * 5], "label": ["1", "0"]}), "more")
    in_data('extra = ["data/more.csv"]')
    long = ["--set", "tokens.max_tokens=32", *ONE_FOLD]
    result = stages("stage1", CONFIG, "--run", "more", *long)
    assert result.code == 0, result.err
    write(train().assign(id=["extra-x", *train().id[1:]]))
    twice = stages("check", CONFIG, "--run", "again")
    assert twice.code == 2
    assert "data/more.csv: 1 ids, with 'extra-' before them, stand in another table too" in twice.err


def test_a_fold_with_nothing_to_train_on_is_refused(finished: Path, stages: Command) -> None:
    write(train().assign(sure="0").assign(sure=lambda table: np.where(table.index == 0, "1", "0")))
    in_data('weight_column = "sure"')
    refused = stages("baseline", CONFIG, "--run", "none")
    assert refused.code == 2
    assert "no row is left to train on" in refused.err


def test_given_folds_may_name_rows_that_are_not_validated_or_dropped(finished: Path) -> None:
    table = train()
    write(table.assign(origin=np.where(table.index % 4 == 3, "web", "own"), text=[*table.text[:-1], "很很很"]))
    in_data('source_column = "origin"')
    table[["id"]].assign(fold=table.index % 3).to_csv("folds.csv", index=False)
    pd.DataFrame({"id": ["r000"]}).to_csv("drop.csv", index=False)
    settings = ["folds.method=given", "folds.file=folds.csv", 'folds.validate_on=["own"]', "data.drop=drop.csv"]
    run = read(*settings, run="given")
    assert run.fold_of_row.tolist() == [-1 if row % 4 == 3 else row % 3 for row in range(1, 48)]


def test_epochs_of_a_stage_on_unvalidated_sources_are_compared_by_some_of_them(finished: Path) -> None:
    table = train()
    write(table.assign(origin=np.where(table.index % 2, "web", "own"), text=[*table.text[:-1], "很很很"]))
    in_data('source_column = "origin"')
    settings = ['folds.validate_on=["own"]', 'stage1.train_on=["web"]', "stage1.monitor_on=inner", "folds.n=2"]
    run = read(*settings, run="inner")
    web = run.competition.train[run.fold_of_row < 0]
    assert folds.inner(web, run.config.folds).sum() > 0


def test_a_validated_row_in_a_further_file_is_refused_by_name(finished: Path, stages: Command) -> None:
    table = train()
    copy = table.iloc[[3]].assign(id="other", text=f" {table.text[3].upper()} ")
    write(pd.concat([copy, pd.DataFrame({"id": ["y"], "text": ["差差差差差"], "label": ["0"]})]), "more")
    in_data('extra = ["data/more.csv"]')
    for command in ("check", "baseline", "stage1"):
        refused = stages(command, CONFIG, "--run", "more")
        assert refused.code == 2
        (line,) = refused.lines
        assert "'extra-other' as validated row 'r003'" in line
    assert not Path("models/more").exists()


def test_sources_choose_what_is_validated_and_what_a_stage_is_trained_on(finished: Path, stages: Command) -> None:
    table = train()
    table["origin"] = np.where(table.index % 4 == 3, "web", "own")
    table.loc[47, "text"] = "很很很"
    write(table)
    in_data('source_column = "origin"')
    by_f1 = ("--run", "every", "--set", "metric=f1")
    assert "source web: 12 rows" in stages("check", CONFIG, *by_f1).out
    for command in ("baseline", "report"):
        assert stages(command, CONFIG, *by_f1).code == 0
    report = formats.read_json(Path("oof/every/f1.json"))["stages"]["baseline"]["sources"]
    assert [(row["source"], row["rows"]) for row in report] == [("own", 36), ("web", 12)]
    own = ["--set", 'folds.validate_on=["own"]']
    assert stages("stage1", CONFIG, "--run", "own", *own, *ONE_FOLD).code == 0
    first = ["--set", 'stage2.train_on=["own"]']
    assert stages("stage2", CONFIG, "--run", "own", *own, *first, *ONE_FOLD).code == 0
    run = read("folds.validate_on=['own']", "stage1.train_on=['web']", run="own")
    assert (run.fold_of_row[(table.origin == "web").to_numpy()] == -1).all()
    assert (run.fold_of_row[(table.origin == "own").to_numpy()] >= 0).all()
    rows = cell_rows.of(run, run.cell(STAGE1, 0), run.config.stage1.train_on)
    assert set(table.origin[rows.train]) == {"web"}
    wrong = stages("check", CONFIG, "--set", 'stage2.train_on=["owm"]')
    assert wrong.code == 2
    assert "stage2.train_on: no row has source 'owm' in column origin; there is 'own', 'web'" in wrong.err


@pytest.mark.parametrize(("line", "column", "value"), [
    ('weight_column = "further"', "weight", "2"), ('soft_label_columns = ["further"]', "soft:0", "0.5"),
    ('source_column = "further"', "source", "web"),
])
def test_what_rows_count_differently_by_are_part_of_what_cells_follow_from(project: Path, line: str, column: str,
                                                                           value: str) -> None:
    write(train().assign(further=["1", *["1"] * 47]))
    in_data(line)
    before = read().data_identity
    assert column in read().competition.train
    write(train().assign(further=[value, *["1"] * 47]))
    assert read().data_identity["training rows"] != before["training rows"]


@pytest.mark.parametrize(("column", "line", "problem"), [
    ("sure", 'weight_column = "sure"', "data/train.csv, line 3: column sure: must be a number from 0, got '-1'"),
    ("chance", 'soft_label_columns = ["chance"]', "line 3: chance: must be probabilities from 0 to 1, or all empty, "
                                                  "got '-1'"),
])
def test_what_is_no_weight_and_no_probability_is_refused_with_its_line(project: Path, stages: Command, column: str,
                                                                       line: str, problem: str) -> None:
    table = train()
    write(table.assign(**{column: ["0.5", "-1", *["1"] * (len(table) - 2)]}))
    in_data(line)
    refused = stages("check", CONFIG)
    assert refused.code == 2
    assert problem in refused.err


# Pseudo-labels


def pseudo(*overrides: str) -> list[str]:
    """Settings of a run with pseudo-labels of the toy's baseline, which is wrong too often."""
    settings = ["pseudo_labels.of=toy:baseline", "pseudo_labels.floor=0.5", "pseudo_labels.forced=true", *overrides]
    return [part for setting in settings for part in ("--set", setting)]


def reseal(folder: Path) -> None:
    """Makes a cell whole again whose files were changed."""
    done = formats.read_json(folder / sealed.DONE)
    (folder / sealed.DONE).unlink()
    sealed.write_done(folder, done | {"files": sealed.hashes(folder)})


def test_a_folds_pseudo_labels_are_of_its_own_model_alone(finished: Path) -> None:
    settings = [part for part in pseudo() if part != "--set"]
    before = read(*settings, run="second")
    cells = [before.cell(BASELINE, fold) for fold in range(3)]
    then = [before.identity(cell) for cell in cells]
    folder = Path("models/toy/baseline/fold_1")
    test = formats.read_csv(folder / "test.csv")
    test["prediction"] = 1 - test.prediction
    formats.write(folder / "test.csv", test)
    reseal(folder)
    now = [read(*settings, run="second").identity(cell) for cell in cells]
    assert [old == new for old, new in zip(then, now, strict=True)] == [True, False, True]
    weighted = read(*settings, "pseudo_labels.weight=0.5", run="second")
    assert all(weighted.identity(cell) != old for cell, old in zip(cells, now, strict=True))


def test_pseudo_labels_are_soft_sure_and_of_no_training_text(finished: Path) -> None:
    test = pd.read_csv("data/test.csv", dtype=str)
    test.loc[0, "text"] = train().text[0]
    write(test, "test")
    Path("data/sample_submission.csv").unlink()
    settings = ["data.sample_submission="]
    with opening.opened(loading.load(Path(CONFIG), settings, "base")) as run:
        scheduler.finish(run, BASELINE)
    run = read(*settings, *[part.replace("toy:", "base:") for part in pseudo() if part != "--set"], run="second")
    labels = run.pseudo_labels
    assert labels is not None
    for fold in range(3):
        cell = run.cell(BASELINE, fold)
        own = formats.read_csv(Path(f"models/base/baseline/fold_{fold}/test.csv")).prediction.to_numpy(np.float32)
        taken = labels.of_fold(fold)
        assert 0 not in taken.test
        assert taken.of_test[:, 0].tolist() == own[taken.test].tolist()
        sure, positive = np.maximum(own, 1 - own), own >= 0.5
        for label in (True, False):
            rest = [row for row in range(1, 12) if positive[row] == label]
            kept = [row for row in rest if row in taken.test]
            assert len(rest) / 2 <= len(kept) <= len(rest) / 2 + 1
            assert min(sure[kept], default=1) >= max((sure[row] for row in rest if row not in kept), default=0)
        rows = cell_rows.of(run, cell, None)
        assert rows.train[rows.train >= 48].tolist() == (48 + taken.test).tolist()
        assert rows.target[48 + taken.test].tolist() == own[taken.test].tolist()
        assert set(rows.hard) <= {0.0, 1.0}


def test_a_run_with_pseudo_labels_says_what_they_gave(finished: Path, stages: Command) -> None:
    result = stages("all", CONFIG, "--run", "second", *pseudo())
    assert result.code == 0, result.err
    assert "a competition's rules may forbid that" in result.out
    report = formats.read_json(Path("oof/second/auc.json"))
    part = report["pseudo_labels"]
    assert part["of"] == "toy:baseline"
    assert all(0 < count < 12 for count in part["rows"])
    assert set(part["shares_before"]) == {"positive"}
    (effect,) = [change for change in report["comparisons"] if change["old"] == "toy:baseline"]
    assert effect["new"] == "baseline"
    assert effect["rows"] == 48
    assert predicted("second") != predicted("toy")
    again = stages("stage1", CONFIG, "--run", "second", *pseudo())
    assert again.out.count("done already") == 3


@pytest.mark.parametrize(("overrides", "line"), [
    (["pseudo_labels.forced=false"], "pseudo_labels.of = 'toy:baseline': predicts 79.2% of its validated rows rightly, "
                                     "fewer than 80%"),
    (["folds.seed=9"], "pseudo_labels.of = 'toy:baseline': is of other folds than this run"),
    (["pseudo_labels.of=none"], "models/none/config.toml: no such run"),
    (["pseudo_labels.of=second"], "pseudo_labels.of must be another run, got 'second'"),
    (["pseudo_labels.relabel=true"], "pseudo_labels.relabel is of rows that are only trained on"),
])
def test_pseudo_labels_that_would_mislead_are_refused(finished: Path, stages: Command, overrides: list[str], line: str
                                                      ) -> None:
    refused = stages("stage1", CONFIG, "--run", "second", *pseudo(*overrides))
    assert refused.code == 2
    assert line in refused.err
    assert not Path("models/second").exists()


def test_rows_that_are_only_trained_on_are_relabelled_by_each_folds_model(finished: Path, stages: Command) -> None:
    write(pd.DataFrame({"id": ["x", "y"], "text": ["香香香香香", "差差差差差"], "label": ["1", "1"]}), "more")
    in_data('extra = ["data/more.csv"]')
    assert stages("baseline", CONFIG, "--run", "base").code == 0
    settings = ["pseudo_labels.of=base:baseline", "pseudo_labels.forced=true", "pseudo_labels.relabel=true",
                "pseudo_labels.test=false"]
    run = read(*settings, run="second")
    for fold in range(3):
        own = formats.read_csv(Path(f"models/base/baseline/fold_{fold}/others.csv")).prediction.to_numpy(np.float32)
        rows = cell_rows.of(run, run.cell(BASELINE, fold), None)
        assert rows.target[48:].tolist() == own.tolist()
        assert len(rows.target) == 50
    with_them = [part for setting in settings for part in ("--set", setting)]
    assert stages("baseline", CONFIG, "--run", "second", *with_them).code == 0
    assert predicted("second", "baseline") != predicted("base", "baseline")


def test_several_labels_of_a_row_are_one_decision_and_classes_the_likeliest() -> None:
    many = tasks.from_config(config_of("multilabel"), rows_of("multilabel").label.tolist())
    label, sure = pseudo_labels.decided(many, np.array([[0.9, 0.2]], np.float32))
    assert (label.tolist(), sure.tolist()) == ([0], [pytest.approx(0.72)])
    classes = tasks.from_config(config_of("multiclass"), rows_of("multiclass").label.tolist())
    label, sure = pseudo_labels.decided(classes, np.array([[0.1, 0.2, 0.7]], np.float32))
    assert (label.tolist(), sure.tolist()) == ([2], [pytest.approx(0.7)])
    assert pseudo_labels.one_hot(classes, np.array([[0.1, 0.2, 0.7]], np.float32)).tolist() == [[0, 0, 1]]


# A model of all rows


def test_the_full_fit_is_its_share_of_the_submission_and_has_no_score(finished: Path, stages: Command) -> None:
    before = formats.read_json(Path("oof/toy/auc.json"))["stages"]
    share = ["--set", "submit.full_fit=0.25"]
    early = stages("submit", CONFIG, *share)
    assert early.code == 2
    assert "the model of all rows is not finished" in early.err
    result = stages("full-fit", CONFIG, *share)
    assert result.code == 0, result.err
    for stage in ("stage1", "stage2"):
        folder = Path(f"models/toy/{stage}/all_rows")
        assert {"DONE.json", "test.csv", "history.csv"} <= {path.name for path in folder.iterdir()}
        assert not (folder / "oof.csv").exists()
    assert "it has no out-of-fold score" in result.out
    test, full = (formats.read_csv(Path(f"oof/toy/{name}.csv")) for name in ("stage2_test", "full_fit_test"))
    submission = pd.read_csv("submissions/toy.csv", dtype={"ID": str}).set_index("ID").Prediction
    np.testing.assert_allclose(submission[test.id], 0.75 * test.prediction + 0.25 * full.prediction, atol=1e-6)
    alone = pd.read_csv("submissions/toy_stage2.csv", dtype={"ID": str}).set_index("ID").Prediction
    np.testing.assert_allclose(alone[test.id], test.prediction, atol=1e-7)
    assert stages("report", CONFIG, *share).code == 0
    report = formats.read_json(Path("oof/toy/auc.json"))
    assert report["stages"] == before
    assert any("a model of all rows, which has no out-of-fold score" in note for note in report["notes"])
    kept = sealed.hashes(Path("models/toy/stage1/all_rows"))
    shutil.rmtree("models/toy/stage1/all_rows")
    shutil.rmtree("models/toy/stage2/all_rows")
    assert stages("full-fit", CONFIG, *share).code == 0
    assert sealed.hashes(Path("models/toy/stage1/all_rows")) == kept


def test_the_full_fit_sees_every_row(finished: Path) -> None:
    run = read("submit.full_fit=0.5")
    for stage in (BASELINE, STAGE1):
        assert cell_rows.of(run, run.cell(stage, ALL_ROWS), None).train.tolist() == list(range(48))
    seeds = {run.cell(STAGE1, fold).random_seed for fold in (ALL_ROWS, *range(3))}
    assert len(seeds) == 4


def test_folds_of_a_run_with_pseudo_labels_are_dealt_again(finished: Path, stages: Command) -> None:
    assert stages("baseline", CONFIG, "--run", "second", *pseudo()).code == 0
    other = ["--set", "folds.seed=7"]
    assert stages("baseline", CONFIG, *other, "--redo", "folds").code == 0
    result = stages("baseline", CONFIG, "--run", "second", *other, *pseudo(), "--redo", "folds")
    assert result.code == 0, result.err


@pytest.mark.parametrize(("overrides", "line"), [
    (["stage1.early_stopping=2"], "submit.full_fit trains on all rows, and stage1.early_stopping would choose"),
    (["stage2.predict_with=best"], "submit.full_fit trains on all rows, and stage2.predict_with would choose"),
    (["submit.stage=blend", 'blend.of=["toy:stage1","toy:stage2"]'], "full_fit is for a stage that is trained"),
])
def test_a_full_fit_that_would_choose_by_a_fold_is_refused(finished: Path, stages: Command, overrides: list[str],
                                                           line: str) -> None:
    settings = [part for setting in ["submit.full_fit=0.5", *overrides] for part in ("--set", setting)]
    refused = stages("full-fit", CONFIG, *settings)
    assert refused.code == 2
    assert line in refused.err, json.dumps(refused.lines)
