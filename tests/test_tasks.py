"""Every kind of label goes through the whole pipeline, and its report says what scikit-learn says of its OOF table."""

from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from sklearn import metrics as sk

from pipeline import storage
from pipeline.config import Stage1
from pipeline.losses import LOSSES
from pipeline.tasks.multiclass import Multiclass
from pipeline.tasks.multilabel import Multilabel
from tests.conftest import Command

CONFIG = "configs/toy.toml"
TRAIN = Path("data/train.csv")
CLASSES = ["环境|x", "菜", "服 务"]
LABELS = {"味道": "香", "辣": "辣", "慢": "慢"}  # each where its character is in the text


def make(task: str, labels: list[str]) -> None:
    """Turns the toy into another task, without a sample submission."""
    pd.read_csv(TRAIN, dtype=str).assign(label=labels).to_csv(TRAIN, index=False)
    config = Path(CONFIG)
    config.write_text(f'task = "{task}"\n' + config.read_text().replace(
        'sample_submission = "data/sample_submission.csv"\n', ""))


def texts() -> list[str]:
    return pd.read_csv(TRAIN, dtype=str).text.tolist()


@pytest.fixture
def multiclass(project: Path) -> None:
    make("multiclass", [CLASSES[1 if "香" in text else 2 * (len(text) % 2)] for text in texts()])


@pytest.fixture
def multilabel(project: Path) -> None:
    make("multilabel", ["|".join(name for name, character in LABELS.items() if character in text) for text in texts()])


def run_all(stages: Command, *options: str) -> None:
    for stage in ("check", "baseline", "stage1", "stage2", "submit", "report"):
        result = stages(stage, CONFIG, "--set", "hardware.jobs=1", *options)
        assert result.code == 0, result.err


def of(table: pd.DataFrame, kind: str, names: list[str]) -> np.ndarray:
    return table[[f"{kind}:{name}" for name in names]].to_numpy()


@pytest.mark.usefixtures("multiclass")
def test_classes_go_through_the_whole_run(stages: Command) -> None:
    run_all(stages)
    names = sorted(CLASSES)
    train, report = pd.read_csv(TRAIN, dtype=str), storage.read_json(Path("oof/toy/accuracy.json"))
    for stage in ("baseline", "stage1", "stage2"):
        oof = storage.read_csv(Path(f"oof/toy/{stage}.csv"), "str")
        assert oof.id.tolist() == train.id.tolist()
        assert oof.label.tolist() == train.label.tolist()
        probability = of(oof, "prediction", names)
        np.testing.assert_allclose(probability.sum(axis=1), 1, atol=1e-6)
        decided = np.array(names)[probability.argmax(axis=1)]
        part = report["stages"][stage]
        assert part["pooled"] == part["micro_f1"] == sk.accuracy_score(oof.label, decided)
        assert part["macro_f1"] == pytest.approx(sk.f1_score(oof.label, decided, average="macro"))
        assert part["log_loss"] == pytest.approx(sk.log_loss(oof.label, probability, labels=names), abs=1e-5)
        assert part["macro_auc"] == pytest.approx(np.mean([
            sk.roc_auc_score(oof.label == name, probability[:, number]) for number, name in enumerate(names)]))
        assert part["confusion"] == sk.confusion_matrix(oof.label, decided, labels=names).tolist()
        by_fold = [sk.accuracy_score(rows.label, np.array(names)[of(rows, "prediction", names).argmax(axis=1)])
                   for _, rows in oof.groupby("fold")]
        assert [row["accuracy"] for row in part["folds"]] == pytest.approx(by_fold)
    test = storage.read_csv(Path("oof/toy/stage2_test.csv"))
    folds = np.stack([of(test, f"prediction_{fold}", names) for fold in range(3)])
    np.testing.assert_allclose(of(test, "prediction", names), folds.mean(axis=0), atol=1e-6)
    submission = pd.read_csv("submissions/toy.csv")
    assert submission.columns.tolist() == ["ID", *names]
    np.testing.assert_allclose(submission[names], of(test, "prediction", names), atol=1e-7)
    assert stages("submit", CONFIG, "--set", "submit.metric=accuracy").code == 0
    labels = pd.read_csv("submissions/toy.csv").Prediction.tolist()
    assert labels == np.array(names)[of(test, "prediction", names).argmax(axis=1)].tolist()
    assert {path.name for path in Path("oof/toy").glob("*.png")} == {
        "confusion.png", "by_class.png", "training_stage1.png", "training_stage2.png"}


@pytest.mark.usefixtures("multiclass")
def test_a_sample_submission_of_classes_orders_them(stages: Command) -> None:
    test = pd.read_csv("data/test.csv", dtype=str)
    pd.DataFrame({"row": test.id[::-1]} | dict.fromkeys(CLASSES, 0)).to_csv("data/sample.csv", index=False)
    sample = ["--set", "data.sample_submission=data/sample.csv", "--set", "submit.stage=baseline"]
    assert stages("baseline", CONFIG, *sample).code == 0
    assert stages("submit", CONFIG, *sample).code == 0
    assert pd.read_csv("submissions/toy.csv").columns.tolist() == ["row", *CLASSES]
    refused = stages("submit", CONFIG, *sample, "--set", "submit.metric=f1")
    assert refused.code == 2
    assert "--set submit.metric=auc" in refused.lines[0]
    pd.DataFrame({"row": test.id, "x": 0, "y": 0}).to_csv("data/sample.csv", index=False)
    assert "must have two columns, id and prediction, or id and a column for each of" in stages(
        "check", CONFIG, *sample).lines[0]


@pytest.mark.usefixtures("multilabel")
def test_many_labels_at_once_go_through_the_whole_run(stages: Command) -> None:
    run_all(stages, "--set", "submit.metric=f1")
    names = sorted(LABELS)
    train, report = pd.read_csv(TRAIN, dtype=str, keep_default_na=False), storage.read_json(
        Path("oof/toy/macro_f1.json"))
    there = np.array([[LABELS[name] in text for name in names] for text in train.text])
    for stage in ("baseline", "stage1", "stage2"):
        oof = storage.read_csv(Path(f"oof/toy/{stage}.csv"), "str")
        assert oof.id.tolist() == train.id.tolist()
        assert [set(label.split("|")) for label in oof.label] == [set(label.split("|")) for label in train.label]
        probability, logit = of(oof, "prediction", names), of(oof, "logit", names)
        part = report["stages"][stage]
        for average, key in (("macro", "pooled"), ("micro", "micro_f1")):
            assert part[key] == pytest.approx(sk.f1_score(there, probability >= 0.5, average=average, zero_division=0))
        assert part["mean_auc"] == pytest.approx(sk.roc_auc_score(there, logit, average="macro"))
        assert part["hamming_loss"] == pytest.approx(sk.hamming_loss(there, probability >= 0.5))
        for number, one in enumerate(part["classes"]):
            assert one["f1_at_threshold"] == pytest.approx(sk.f1_score(
                there[:, number], probability[:, number] >= np.float32(one["threshold"])))
            assert one["f1_at_threshold"] >= one["f1"]
    submission = pd.read_csv("submissions/toy.csv", dtype=str, keep_default_na=False)
    test = storage.read_csv(Path("oof/toy/stage2_test.csv"))
    thresholds = np.array([one["threshold"] for one in report["stages"]["stage2"]["classes"]], np.float32)
    expected = ["|".join(np.array(names)[row]) for row in of(test, "prediction", names) >= thresholds]
    assert submission.Prediction.tolist() == expected


@pytest.mark.usefixtures("multilabel")
def test_a_label_that_a_fold_lacks_is_told_and_does_not_stop_it(stages: Command) -> None:
    train = pd.read_csv(TRAIN, dtype=str, keep_default_na=False)
    train.assign(label=[f"{label}|rare".strip("|") if row < 2 else label for row, label in enumerate(train.label)]
                 ).to_csv(TRAIN, index=False)
    assert stages("baseline", CONFIG, "--set", "folds.method=stratified").code == 0
    assert stages("report", CONFIG, "--set", "folds.method=stratified").code == 0
    folds = storage.read_json(Path("oof/toy/macro_f1.json"))["stages"]["baseline"]["folds"]
    assert sorted(len(fold["labels_without_rows"]) for fold in folds) == [0, 0, 1]


@pytest.mark.parametrize(("task", "labels", "message"), [
    ("multiclass", "['菜', '环境|x']", "column label, line {line}: label must be one of 2 classes, got '服 务'"),
    ("multiclass", "['菜', '环境|x', '服 务', '价格']",
     "column label: no row has label '价格'; training needs every class"),
    ("multilabel", "['味道', '辣']",
     "column label, line {line}: label must be some of 2 names joined by '|', got '慢'"),
    ("multilabel", "['味道', '辣', '慢', '远']", "column label: no row has label '远'; training needs every label"),
])
def test_a_label_that_is_none_of_the_configured_is_refused(
        request: pytest.FixtureRequest, stages: Command, task: str, labels: str, message: str) -> None:
    request.getfixturevalue(task)
    wrong = message.rpartition("got '")[2].rstrip("'")
    line = next((row for row, label in enumerate(pd.read_csv(TRAIN, keep_default_na=False).label, 2)
                 if wrong in label.split("|") or wrong == label), 0)
    refused = stages("check", CONFIG, "--set", f"data.labels={labels}")
    assert refused.code == 2
    assert refused.lines[0].startswith(f"data/train.csv, {message.format(line=line)}")


def test_a_task_refuses_the_likelihood_of_another(project: Path, stages: Command) -> None:
    refused = stages("check", CONFIG, "--set", "stage1.loss=cross_entropy")
    assert refused.code == 2
    assert "stage1.loss must be bce, focal, smooth_f1 for task = 'binary', got 'cross_entropy'" in refused.lines[0]


def test_rare_labels_are_spread_over_the_folds() -> None:
    rng = np.random.default_rng(0)
    names = tuple(f"l{number:02d}" for number in range(20))
    share = np.geomspace(0.3, 0.01, 20)
    labels = pd.Series(["|".join(np.array(names)[row]) for row in rng.random((2000, 20)) < share])
    task = Multilabel(names, "|")
    target = task.target(labels)
    from pipeline import folds

    dealt = folds.split(task.strata(labels), np.arange(2000).astype(object), "stratified", 5, 0)
    plain = folds.split(task.strata(labels), np.arange(2000).astype(object), "plain", 5, 0)
    deviation = [np.mean([np.abs(counts / counts.mean() - 1).mean() for counts in np.stack(
        [target[one == fold].sum(axis=0) for fold in range(5)], axis=1)]) for one in (dealt, plain)]
    assert deviation[0] < 0.7 * deviation[1]


@pytest.mark.parametrize("name", ["cross_entropy", "focal", "smooth_f1"])
def test_losses_of_classes_by_hand(name: str) -> None:
    rng = np.random.default_rng(1)
    logit, target = rng.normal(size=(6, 3)).astype(np.float32), np.array([0, 2, 1, 1, 0, 2], np.int32)
    weight = np.array([1, 1, 1, 1, 1, 0], np.float32)
    p = np.exp(logit.astype(float)) / np.exp(logit.astype(float)).sum(axis=1, keepdims=True)
    right, y = p[np.arange(5), target[:5]], np.eye(3)[target[:5]]
    expected = {"cross_entropy": np.mean(-np.log(right)), "focal": np.mean(-((1 - right) ** 2) * np.log(right)),
                "smooth_f1": np.mean(-2 * (y * p[:5]).sum(axis=0) / (y + p[:5]).sum(axis=0))}[name]
    assert float(LOSSES[name](target, logit, weight)) == pytest.approx(expected, abs=1e-5)


def test_losses_of_labels_are_the_mean_of_each_labels() -> None:
    rng = np.random.default_rng(2)
    logit = rng.normal(size=(6, 3)).astype(np.float32)
    target, weight = (rng.random((6, 3)) < 0.5).astype(np.float32), np.ones(6, np.float32)
    for name in ("bce", "focal", "smooth_f1"):
        single = [float(LOSSES[name](target[:, label], logit[:, label], weight)) for label in range(3)]
        assert float(LOSSES[name](target, logit, weight)) == pytest.approx(np.mean(single), abs=1e-6)


def test_macro_scores_leave_out_what_is_nowhere() -> None:
    task = Multiclass(("a", "b", "c"))
    scores = task.scores(np.array([0, 1, 0], np.int32), np.array([[2, 0, -9], [0, 2, -9], [2, 0, -9]], np.float32))
    assert scores["f1"] == scores["accuracy"] == scores["auc"] == 1
    many = Multilabel(("a", "b"), "|")
    found = many.scores(np.array([[1, 0], [0, 0]], np.float32), np.array([[3, -3], [-3, -3]], np.float32))
    assert found["macro_f1"] == found["auc"] == 1


def test_the_default_loss_is_that_of_two_labels() -> None:
    assert Stage1().loss == "bce"
