"""Every kind of label goes through the whole pipeline, and its report says what scikit-learn says of its OOF table."""

from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from seqeval import metrics as seqeval
from sklearn import metrics as sk

from pipeline import tasks
from pipeline.backend import tf
from pipeline.checkpoints import checkpoint, hugging_face
from pipeline.config import kinds
from pipeline.config.training import Stage1
from pipeline.files import formats
from pipeline.metrics import names, registry
from pipeline.model.losses import LOSSES
from pipeline.tasks import tag_schemes
from pipeline.tasks.binary import Binary
from pipeline.tasks.multiclass import Multiclass
from pipeline.tasks.multilabel import Multilabel
from pipeline.tasks.multioutput import Multioutput
from tests.conftest import ROOT, Command

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
    train, report = pd.read_csv(TRAIN, dtype=str), formats.read_json(Path("oof/toy/accuracy.json"))
    for stage in ("baseline", "stage1", "stage2"):
        oof = formats.read_csv(Path(f"oof/toy/{stage}.csv"), "str")
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
    test = formats.read_csv(Path("oof/toy/stage2_test.csv"))
    of_folds = np.stack([of(test, f"prediction_{fold}", names) for fold in range(3)])
    np.testing.assert_allclose(of(test, "prediction", names), of_folds.mean(axis=0), atol=1e-6)
    submission = pd.read_csv("submissions/toy.csv")
    assert submission.columns.tolist() == ["ID", *names]
    np.testing.assert_allclose(submission[names], of(test, "prediction", names), atol=1e-7)
    assert stages("submit", CONFIG, "--set", "metric=accuracy").code == 0
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
    refused = stages("submit", CONFIG, *sample, "--set", "metric=macro_f1")
    assert refused.code == 2
    assert "metric = 'macro_f1' gives one; probabilities of each: submit.form = 'probabilities'" in refused.lines[0]
    pd.DataFrame({"row": test.id, "x": 0, "y": 0}).to_csv("data/sample.csv", index=False)
    unknown = stages("check", CONFIG, *sample)
    assert unknown.code == 2
    assert "data/sample.csv: there is no label for column 'x'; the labels are" in unknown.lines[0]
    pd.DataFrame({"row": test.id} | dict.fromkeys([f"class_{name}" for name in CLASSES], 0)).to_csv(
        "data/sample.csv", index=False)
    advice = stages("check", CONFIG, *sample).lines[0].partition("submit.columns = ")[2]
    assert stages("submit", CONFIG, *sample, "--set", f"submit.columns={advice}").code == 0
    assert pd.read_csv("submissions/toy.csv").columns.tolist() == ["row", *(f"class_{name}" for name in CLASSES)]
    pd.DataFrame({"row": test.id, "label": 0}).to_csv("data/sample.csv", index=False)
    assert "submit.form = 'probabilities' gives 3; labels: submit.form = 'labels'" in stages(
        "check", CONFIG, *sample).lines[0]


@pytest.mark.usefixtures("multilabel")
def test_many_labels_at_once_go_through_the_whole_run(stages: Command) -> None:
    run_all(stages, "--set", "metric=macro_f1")
    names = sorted(LABELS)
    train, report = pd.read_csv(TRAIN, dtype=str, keep_default_na=False), formats.read_json(
        Path("oof/toy/macro_f1.json"))
    there = np.array([[LABELS[name] in text for name in names] for text in train.text])
    for stage in ("baseline", "stage1", "stage2"):
        oof = formats.read_csv(Path(f"oof/toy/{stage}.csv"), "str")
        assert oof.id.tolist() == train.id.tolist()
        assert [set(label.split("|")) for label in oof.label] == [set(label.split("|")) for label in train.label]
        probability, logit = of(oof, "prediction", names), of(oof, "logit", names)
        part = report["stages"][stage]
        for average, key in (("macro", "pooled"), ("micro", "micro_f1")):
            assert part[key] == pytest.approx(sk.f1_score(there, probability >= 0.5, average=average, zero_division=0))
        assert part["mean_auc"] == pytest.approx(sk.roc_auc_score(there, logit, average="macro"))
        assert part["hamming_loss"] == pytest.approx(sk.hamming_loss(there, probability >= 0.5))
        for number, one in enumerate(part["classes"]):
            assert one["f1_in_sample"] == pytest.approx(sk.f1_score(
                there[:, number], probability[:, number] >= np.float32(one["threshold"])))
            assert one["f1_in_sample"] >= one["f1"]
    for change in report["comparisons"]:
        old, new = (report["stages"][change[name]] for name in ("old", "new"))
        assert change["delta_macro_f1"] == pytest.approx(new["pooled"] - old["pooled"])
        assert change["delta_cross_fitted"] == pytest.approx(
            {name: new["cross_fitted"][name] - old["cross_fitted"][name] for name in new["cross_fitted"]})
    submission = pd.read_csv("submissions/toy.csv", dtype=str, keep_default_na=False)
    test = formats.read_csv(Path("oof/toy/stage2_test.csv"))
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
    folds = formats.read_json(Path("oof/toy/macro_f1.json"))["stages"]["baseline"]["folds"]
    assert sorted(len(fold["labels_without_rows"]) for fold in folds) == [0, 0, 1]


@pytest.mark.usefixtures("project")
@pytest.mark.filterwarnings("error::pandas.errors.PerformanceWarning")
def test_dozens_of_labels_are_gathered_without_a_warning(stages: Command) -> None:
    names = [f"label {number}" for number in range(60)]
    make("multilabel", ["|".join(names[row % 3::3]) for row in range(len(texts()))])
    for stage in ("baseline", "report"):
        result = stages(stage, CONFIG)
        assert result.code == 0, result.err


@pytest.fixture
def multioutput(project: Path) -> None:
    train = pd.read_csv(TRAIN, dtype=str)
    train.assign(hot=["yes" if "辣" in text else "no" for text in train.text],
                 place=[CLASSES[len(text) % 3] for text in train.text]).drop(columns="label").to_csv(TRAIN, index=False)
    config = Path(CONFIG)
    config.write_text('task = "multioutput"\n' + config.read_text().replace(
        'sample_submission = "data/sample_submission.csv"\n', 'label_columns = ["hot", "place"]\n'))


@pytest.mark.usefixtures("multioutput")
def test_several_outputs_go_through_the_whole_run(stages: Command) -> None:
    options = ["--set", "stage1.class_weights=balanced", "--set", "data.label_weights=[1.0, 0.5]"]
    run_all(stages, *options)
    train, report = pd.read_csv(TRAIN, dtype=str), formats.read_json(Path("oof/toy/mean_score.json"))
    names = sorted(CLASSES)
    for stage in ("baseline", "stage1", "stage2"):
        oof, part = formats.read_csv(Path(f"oof/toy/{stage}.csv")), report["stages"][stage]
        assert oof.id.tolist() == train.id.tolist()
        assert oof["label:place"].tolist() == train.place.tolist()
        probability = of(oof, "prediction:place", names)
        np.testing.assert_allclose(probability.sum(axis=1), 1, atol=1e-6)
        right = np.mean(np.array(names)[probability.argmax(axis=1)] == train.place)
        area = sk.roc_auc_score(train.hot == "yes", oof["logit:hot"])
        assert part["outputs"]["place"]["pooled"] == pytest.approx(right)
        assert part["outputs"]["hot"]["pooled"] == pytest.approx(area)
        assert part["pooled"] == pytest.approx((right + area) / 2)
        own = formats.read_csv(Path(f"oof/toy/{stage}_hot.csv"))
        assert own.columns.tolist() == ["id", "fold", "label", "logit", "prediction"]
        assert own.label.tolist() == (train.hot == "yes").astype(int).tolist()
        assert formats.read_csv(Path(f"oof/toy/{stage}_place.csv"), "str").label.tolist() == train.place.tolist()
    submission = pd.read_csv("submissions/toy.csv")
    assert submission.columns.tolist() == ["ID", "hot", *(f"place:{name}" for name in names)]
    assert stages("submit", CONFIG, "--set", "metric=accuracy", *options).code == 0
    decided = pd.read_csv("submissions/toy.csv", dtype=str)
    assert decided.columns.tolist() == ["ID", "hot", "place"]
    assert set(decided.hot) <= {"yes", "no"}
    assert decided.place.tolist() == np.array(names)[
        submission[[f"place:{name}" for name in names]].to_numpy().argmax(axis=1)].tolist()


def tagged(text: str) -> list[str]:
    """香 and what follows it is a taste, 辣 alone another."""
    return ["B-taste" if character == "香" else "S-hot" if character == "辣"
            else "E-taste" if place and text[place - 1] == "香" else "O" for place, character in enumerate(text)]


@pytest.fixture
def words(project: Path) -> None:
    train, test = (pd.read_csv(f"data/{name}.csv", dtype=str).text for name in ("train", "test"))
    Path("data/train.conll").write_text("\n".join(
        "".join(f"{word}\t{tag}\n" for word, tag in zip(text, tagged(text), strict=True)) for text in train))
    Path("data/test.conll").write_text("\n".join("".join(f"{word}\n" for word in text) for text in test))
    config = Path(CONFIG)
    config.write_text('task = "tags"\n' + config.read_text().replace(
        'sample_submission = "data/sample_submission.csv"\nid_column = "id"\n', "").replace(".csv", ".conll"))


def legal_tags(table: pd.DataFrame, tags: list[str]) -> np.ndarray:
    """What a table of predictions is decided to be."""
    probability = table[[f"prediction:{tag}" for tag in tags]].to_numpy(np.float64)
    first = (table.word == 0).to_numpy()
    return np.array(tags)[tag_schemes.decode(np.log(probability), first, tag_schemes.legal(tags))]


@pytest.mark.usefixtures("words")
@pytest.mark.parametrize("options", [["head.layers=2", "stage1.frozen=true", "tokens.max_tokens=8"],
                                     pytest.param([], marks=pytest.mark.long)])
def test_words_go_through_the_whole_run(stages: Command, options: list[str]) -> None:
    run_all(stages, *(part for option in options for part in ("--set", option)))
    train, test = (pd.read_csv(f"data/{name}.csv", dtype=str).text for name in ("train", "test"))
    true, report = [tagged(text) for text in train], formats.read_json(Path("oof/toy/entity_f1.json"))
    tags = ["O", "B-taste", "E-taste", "S-hot"]
    for stage in ("baseline", "stage1", "stage2"):
        oof, part = formats.read_csv(Path(f"oof/toy/{stage}.csv"), "str"), report["stages"][stage]
        assert [(row.id, row.word, row.text, row.label) for row in oof.itertuples()] == [
            (str(row), place, word, tag) for row, text in enumerate(train)
            for place, (word, tag) in enumerate(zip(text, true[row], strict=True))]
        decided = legal_tags(oof, tags)
        predicted = [decided[(oof.id == str(row)).to_numpy()].tolist() for row in range(len(train))]
        assert part["pooled"] == pytest.approx(seqeval.f1_score(true, predicted, zero_division=0))
        assert part["precision"] == pytest.approx(seqeval.precision_score(true, predicted, zero_division=0))
        assert part["accuracy"] == pytest.approx(np.mean(decided == np.concatenate(true)))
        by_type = seqeval.classification_report(true, predicted, output_dict=True, zero_division=0)
        for one in part["classes"]:
            assert one["f1"] == pytest.approx(by_type[one["class"]]["f1-score"])
            assert one["rows"] == by_type[one["class"]]["support"]
    if options:  # six words fit
        assert (oof[oof.word >= 6]["prediction:O"] > 0.999).all()
    lost = sum(max(0, len(text) - 6) for text in train) if options else 0
    assert f"words of train that max_tokens cuts off: {lost:,} of {sum(map(len, train)):,}" in stages(
        "check", CONFIG, *(part for option in options for part in ("--set", option))).out
    for stage in ("stage1", "stage2"):  # an epoch's score is that of the report, cut off words included
        history = pd.read_csv(f"models/toy/{stage}/fold_0/history.csv")
        assert history.valid_entity_f1.iloc[-1] == pytest.approx(report["stages"][stage]["folds"][0]["entity_f1"])
        cell = formats.read_csv(Path(f"models/toy/{stage}/fold_0/oof.csv"), "str")
        assert history.valid_accuracy.iloc[-1] == pytest.approx(np.mean(cell.label == legal_tags(cell, tags)))
    submission = pd.read_csv("submissions/toy.csv", dtype=str)
    assert submission.ID.tolist() == [str(row) for row in range(len(test))]
    table = formats.read_csv(Path("oof/toy/stage2_test.csv"))
    decided = legal_tags(table, tags)
    assert submission.Prediction.tolist() == [" ".join(decided[table.id == row]) for row in submission.ID]
    assert [len(row.split(" ")) for row in submission.Prediction] == [len(text) for text in test]
    # a SavedModel takes words with a space between them, and gives each word's probabilities
    assert stages("export", "toy", "--to", "savedmodel").code == 0
    served = tf.saved_model.load("models/toy/export/savedmodel/toy/1").signatures["serving_default"]
    found = served(texts=tf.constant([" ".join(text) for text in test]))["probabilities"].numpy()
    assert found.shape == (len(test), max(map(len, test)), len(tags))
    np.testing.assert_allclose(np.concatenate([row[:len(text)] for row, text in zip(found, test, strict=True)]),
                               table[[f"prediction:{tag}" for tag in tags]], atol=1e-5)


@pytest.mark.usefixtures("words")
@pytest.mark.parametrize("recurrent", ["none", pytest.param("lstm", marks=pytest.mark.long)])
def test_words_go_through_onnx(stages: Command, recurrent: str) -> None:
    for name in ("tf2onnx", "onnx", "onnxruntime"):
        pytest.importorskip(name)
    assert stages("stage1", CONFIG, "--fold", "0", "--set", f"head.recurrent={recurrent}").code == 0
    result = stages("export", "toy", "--to", "onnx", "--target", "new")
    assert result.code == 0, result.err
    assert "reloaded, its probabilities of 12 texts differ" in result.out
    session = pytest.importorskip("onnxruntime").InferenceSession("new/model.onnx")
    assert {one.name: one.shape for one in session.get_inputs()}["word_starts"] == ["rows", "words"]
    assert session.get_outputs()[0].shape == ["rows", "words", 4]


@pytest.mark.usefixtures("multiclass")
def test_pairs_go_through_the_whole_run(stages: Command) -> None:
    for name in ("train", "test"):
        table = pd.read_csv(f"data/{name}.csv", dtype=str)
        table.assign(other=table.text.to_numpy()[::-1]).to_csv(f"data/{name}.csv", index=False)
    pair = ["--set", "data.text_columns=['text', 'other']"]
    run_all(stages, *pair)
    shown = stages("check", CONFIG, *pair).out
    first = pd.read_csv(TRAIN, dtype=str).iloc[0]
    assert f"[CLS] {' '.join(first.text)} [SEP] {' '.join(first.other)} [SEP]" in shown
    assert formats.read_csv(Path("oof/toy/stage2.csv"), "str").id.tolist() == pd.read_csv(TRAIN).id.tolist()
    swapped = ["--set", "data.text_columns=['other', 'text']", "--run", "swapped"]
    assert stages("stage1", CONFIG, *swapped, "--fold", "0").code == 0
    one, other = (pd.read_csv(f"models/{run}/stage1/fold_0/oof.csv") for run in ("toy", "swapped"))
    merged = one.merge(other, on="id")
    column = f"logit:{CLASSES[1]}"
    assert (merged[f"{column}_x"] != merged[f"{column}_y"]).any()


@pytest.mark.usefixtures("multilabel")
def test_a_column_a_label_is_the_same_as_one_of_names(stages: Command) -> None:
    assert stages("baseline", CONFIG).code == 0
    train = pd.read_csv(TRAIN, dtype=str, keep_default_na=False)
    names = sorted(LABELS)
    train.drop(columns="label").assign(**{name: [str(int(name in label.split("|"))) for label in train.label]
                                          for name in names}).to_csv(TRAIN, index=False)
    columns = ["--set", f"data.label_columns={names}", "--run", "columns"]
    assert stages("baseline", CONFIG, *columns).code == 0
    one, other = (Path(f"models/{run}/baseline/fold_0/oof.csv").read_bytes() for run in ("toy", "columns"))
    assert one == other


@pytest.mark.usefixtures("multilabel")
def test_without_test_rows_a_run_ends_with_its_report(stages: Command) -> None:
    config = Path(CONFIG)
    config.write_text(config.read_text().replace('test = "data/test.csv"\n', ""))
    run_all(stages)
    assert stages("submit", CONFIG).out.strip() == "submission: none, the config names no data.test"
    assert not Path("submissions").exists()
    assert "submissions/" not in Path("oof/toy/macro_f1.md").read_text()
    assert formats.read_json(Path("oof/toy/macro_f1.json"))["stages"]["stage2"]["pooled"] is not None


@pytest.mark.usefixtures("multiclass")
def test_the_documented_kind_runs_as_it_stands(monkeypatch: pytest.MonkeyPatch, stages: Command) -> None:
    code = (ROOT / "docs" / "new_kind.md").read_text(encoding="utf-8").partition("```python\n")[2].partition("```")[0]
    module: dict[str, object] = {"__name__": "stars"}
    exec(compile(code, "new_kind.md", "exec"), module)
    kind: Any = module["Stars"]
    monkeypatch.setitem(kinds.KINDS, "stars", kinds.Kind("cross_entropy", monitor="qwk"))
    monkeypatch.setitem(names.BY_KIND, "stars", ("qwk", *(metric.name for metric in registry.OF_CLASSES)))
    monkeypatch.setitem(registry._BY_KIND, "stars", {
        metric.name: metric for metric in (registry.ORDINAL[0], *registry.OF_CLASSES)})
    monkeypatch.setitem(tasks.KINDS, "stars", kind)
    config = Path(CONFIG)
    config.write_text(config.read_text().replace('task = "multiclass"', 'task = "stars"'))
    run_all(stages)
    part = formats.read_json(Path("oof/toy/qwk.json"))["stages"]["stage2"]
    oof, classes = formats.read_csv(Path("oof/toy/stage2.csv"), "str"), sorted(CLASSES)
    decided = np.array(classes)[of(oof, "prediction", classes).argmax(axis=1)]
    expected = sk.cohen_kappa_score(oof.label, decided, labels=classes, weights="quadratic")
    assert part["pooled"] == pytest.approx(np.nan_to_num(expected))
    assert "QWK" in Path("oof/toy/qwk.md").read_text()


def test_a_pooler_starts_from_the_checkpoints(project: Path, stages: Command) -> None:
    """Stage 1 with a rate that moves nothing far leaves it where it was."""
    found = checkpoint.read(Path("data/bert"))
    pooler = {"bert/pooler/dense/kernel": np.full((16, 16), 0.25, np.float32),
              "bert/pooler/dense/bias": np.full(16, 0.5, np.float32)}
    hugging_face.write(Path("data/pooled"), found.config, found.vocab, found.tensors() | pooler)
    options = ["head.parts=['pooler']", "bert.checkpoint=data/pooled", "stage1.learning_rate=1e-5"]
    result = stages("stage1", CONFIG, "--fold", "0", *(part for one in options for part in ("--set", one)))
    assert result.code == 0, result.err
    weights = formats.read_tensors(Path("models/toy/stage1/fold_0/weights_last.safetensors"))
    assert np.abs(weights["head/pooler/kernel"] - 0.25).max() < 1e-3
    assert np.abs(weights["head/pooler/bias"] - 0.5).max() < 1e-3
    assert (weights["head/pooler/kernel"] != 0.25).any()


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


@pytest.mark.parametrize(("task", "column", "label", "message"), [
    ("multiclass", "label", "", "data/train.csv, column label, line 2: label must be one of 3 classes, got ''"),
    ("multioutput", "place", "", "data/train.csv, column place, line 2: label must be one of 3 classes, got ''"),
    ("multioutput", "hot", "", "data/train.csv, column hot, line 2: label must be 'no' or 'yes', got ''"),
    ("multioutput", "hot", None, "data/train.csv: no column 'hot'; it has 'id', 'text', 'place'"),
])
def test_a_label_that_is_missing_is_told(request: pytest.FixtureRequest, stages: Command, task: str, column: str,
                                         label: str | None, message: str) -> None:
    request.getfixturevalue(task)
    train = pd.read_csv(TRAIN, dtype=str)
    if label is None:
        train = train.drop(columns=column)
    else:
        train.loc[0, column] = label
    train.to_csv(TRAIN, index=False)
    refused = stages("check", CONFIG)
    assert (refused.code, refused.lines[0]) == (2, message)


@pytest.mark.usefixtures("multioutput")
def test_an_output_of_one_label_is_refused(stages: Command) -> None:
    pd.read_csv(TRAIN, dtype=str).assign(hot="yes").to_csv(TRAIN, index=False)
    refused = stages("check", CONFIG)
    assert refused.code == 2
    assert refused.lines[0] == "data/train.csv, column hot: an output needs two labels or more, got 'yes'"


@pytest.mark.usefixtures("words")
@pytest.mark.parametrize(("tag", "message"), [
    ("X-taste", "label must be O, B-LOC, I-LOC or the like (BIO, BIOES, BMES or BILOU), got 'X-taste'"),
    (None, "no row has an entity, every tag is O"),
])
def test_a_tag_that_is_none_is_refused(stages: Command, tag: str | None, message: str) -> None:
    path = Path("data/train.conll")
    lines = [line.partition("\t") for line in path.read_text().splitlines()]
    path.write_text("".join(f"{word}{tab}{tab and ((tag if not row else old) if tag else 'O')}\n"
                            for row, (word, tab, old) in enumerate(lines)))
    refused = stages("check", CONFIG)
    assert refused.code == 2
    assert refused.lines[0].startswith("data/train.conll")
    assert refused.lines[0].endswith(message)


@pytest.mark.parametrize(("task", "settings", "message"), [
    ("binary", ["data.label_columns=['a','b']"], "data.label_columns is for task = 'multilabel' or 'multioutput'"),
    ("multioutput", [], "task = 'multioutput' needs data.label_columns"),
    ("multioutput", ["data.label_columns=['a','b']", "data.label_weights=[1.0]"], "a weight for each"),
    ("tags", ["data.labels=['a','b']"], "data.labels is for one column of labels"),
    ("tags", ["data.text_columns=['a','b']"], "labels the words of one text"),
    ("tags", ["stage1.monitor=auc"], "stage1.monitor must be accuracy, f1, loss, entity_f1, entity_macro_f1 for task"),
    ("tags", ["head.masked=false", "stage2.batch_size=4"], "needs head.masked = true"),
    ("binary", ["head.recurrent=gru"], "head.recurrent is for task = 'tags'"),
    ("binary", ["data.format=conll"], "data.format = 'conll' is for task = 'tags'"),
    ("binary", ["head.layers=2", "head.parts=['pooler']"], "the pooler reads the last layer alone"),
    ("binary", ["stage1.frozen=true", "head.masked=false", "stage2.batch_size=4"], "stage1.frozen = true needs"),
])
def test_settings_that_do_not_go_with_the_kind_of_label_are_refused(
        project: Path, stages: Command, task: str, settings: list[str], message: str) -> None:
    refused = stages("check", CONFIG, *(part for one in [f"task={task}", *settings] for part in ("--set", one)))
    assert refused.code == 2
    assert message in refused.lines[0]


def test_more_layers_than_the_encoder_has_are_refused(project: Path, stages: Command) -> None:
    refused = stages("check", CONFIG, "--set", "head.layers=3")
    assert refused.code == 2
    assert "head.layers = 3 cannot be greater than the encoder's layers: 2" in refused.lines[0]


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
    from pipeline.competition import folds

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
    target, weight = (rng.random((6, 3)) < 0.5).astype(np.float32), np.ones((6, 3), np.float32)
    for name in ("bce", "focal", "smooth_f1"):
        single = [float(LOSSES[name](target[:, label], logit[:, label], weight[:, label])) for label in range(3)]
        assert float(LOSSES[name](target, logit, weight)) == pytest.approx(np.mean(single), abs=1e-6)


def test_macro_scores_leave_out_what_is_nowhere() -> None:
    task = Multiclass(("a", "b", "c"))
    logit = np.array([[2, 0, -9], [0, 2, -9], [2, 0, -9]], np.float32)
    scores = task.epoch_scores(np.array([0, 1, 0], np.int32), logit)
    assert scores["f1"] == scores["accuracy"] == scores["auc"] == 1
    many = Multilabel(("a", "b"), "|")
    found = many.epoch_scores(np.array([[1, 0], [0, 0]], np.float32), np.array([[3, -3], [-3, -3]], np.float32))
    assert found["macro_f1"] == found["auc"] == 1


def test_the_default_loss_is_that_of_two_labels() -> None:
    assert Stage1().loss == "bce"


def test_a_label_that_no_training_row_has_or_every_one_is_told_so_by_the_baseline() -> None:
    vectors, target = np.eye(6), np.zeros((6, 3), np.float32)
    target[:, 1], target[::2, 2] = 1, 1
    task = Multilabel(("never", "always", "some"), "|")
    probability = task.prediction(task.linear(vectors, target, 1.0)(vectors))
    assert (probability[:, 0] < 1e-8).all()
    assert (probability[:, 1] > 1 - 1e-6).all()
    assert np.ptp(probability[:, 2]) > 0.1


@pytest.mark.parametrize("metric", [None, "macro_f1", "hamming_loss"])
def test_the_report_of_many_labels_cross_fits_the_rule_that_is_submitted(metric: str | None) -> None:
    rng = np.random.default_rng(4)
    task = Multilabel(("a", "b", "c"), "|")
    there = rng.random((600, 3)) < [0.05, 0.2, 0.4]
    logit = (rng.normal(size=(600, 3)) + 1.2 * there - [2, 1, 0]).astype(np.float32)
    rows = pd.DataFrame({"id": np.arange(600).astype(str), "label": [
        "|".join(np.array(task.labels)[row]) for row in there]})
    fold = np.arange(600) % 4
    oof = task.oof_table(rows, fold, logit).assign(group=np.arange(600))
    submitted: pd.DataFrame = pd.concat([
        task.decisions(oof[fold != number], oof[fold == number], metric or "macro_f1") for number in range(4)])
    part = task.evaluate(oof, [], metric)
    assert part["cross_fitted"] == pytest.approx(task.decision_scores(oof, submitted))
    assert part["thresholds_for"] == ("accuracy" if metric == "hamming_loss" else "f1")
    one = task.evaluate(oof.assign(fold=0), [], metric)
    assert one["cross_fitted"] is None
    assert one["cross_fitted_reason"] == "there are no other folds to choose a threshold on"


@pytest.mark.parametrize("kind", ["binary", "multiclass", "multilabel"])
def test_numbers_over_all_rows_wait_for_the_folds_that_are_missing(
        request: pytest.FixtureRequest, stages: Command, kind: str) -> None:
    request.getfixturevalue("project" if kind == "binary" else kind)
    assert stages("baseline", CONFIG, "--fold", "0", "--fold", "1").code == 0
    assert stages("report", CONFIG).code == 0
    [path] = Path("oof/toy").glob("*.md")
    [row] = [line for line in path.read_text().splitlines() if line.startswith("| baseline |")]
    cells = [cell.strip() for cell in row.strip("|").split("|")]
    assert cells[3] == "–"  # the fold that is missing
    assert "±" in cells[4]
    assert set(cells[5:]) == {"–"}, cells


@pytest.mark.parametrize(("settings", "notes"), [
    ([], []),
    (["stage1.predict_with=best"], ["stage1 chooses its epoch by the fold"]),
    (["stage1.hand_on=best"], ["stage2 starts from a stage 1 that chose its epoch by the fold"]),
    (["stage1.plateau=1", "stage1.warmup=0", "stage1.decay=none"], [
        "stage1 chooses its rate by the fold", "stage2 starts from a stage 1 that chose its rate by the fold"]),
    (["stage2.early_stopping=2"], ["stage2 chooses when to stop by the fold"]),
    (["stage1.hand_on=best", "stage1.monitor_on=inner"], []),
])
def test_what_the_reported_fold_chose_is_noted_beside_the_score_that_it_flatters(
        project: Path, stages: Command, settings: list[str], notes: list[str]) -> None:
    sets = [part for setting in settings for part in ("--set", setting)]
    assert stages("baseline", CONFIG, *sets).code == 0
    assert stages("report", CONFIG, *sets).code == 0
    told = formats.read_json(Path("oof/toy/auc.json"))["notes"]
    assert [note[:len(start)] for note, start in zip(told, notes, strict=True)] == notes


def test_intervals_say_what_they_are_of(project: Path, stages: Command) -> None:
    train = pd.read_csv(TRAIN, dtype=str)
    train.loc[:9, "text"] = train.text[9]
    train.assign(label=["1" if row < 10 or row % 4 == 0 else "0" for row in range(48)]).to_csv(TRAIN, index=False)
    assert stages("baseline", CONFIG).code == 0
    result = stages("report", CONFIG)
    assert "intervals are 95 %, of the rows, 48 in 39 groups by identical text" in result.out.replace("\n", " ")
    report = formats.read_json(Path("oof/toy/auc.json"))
    assert report["intervals"]["groups"] == 39
    low, high = report["stages"]["baseline"]["pooled_interval"]
    assert stages("report", CONFIG, "--run", "toy").code == 0
    oof = formats.read_csv(Path("oof/toy/baseline.csv"))
    from pipeline.metrics import intervals

    by_rows = intervals.auc_interval(oof.label.to_numpy(), oof.logit.to_numpy(), np.arange(48))
    assert by_rows is not None
    assert (low, high) != (by_rows.low, by_rows.high)


@pytest.mark.usefixtures("project")
def test_outputs_whose_names_make_one_file_name_have_files_of_their_own(stages: Command) -> None:
    names = ["test", "side effect", "side-effect", "Side_effect", "side/effect"]
    train = pd.read_csv(TRAIN, dtype=str).drop(columns="label")
    for number, name in enumerate(names):
        train[name] = [str(row // (number + 1) % 2) for row in range(len(train))]
    train.to_csv(TRAIN, index=False)
    config = Path(CONFIG)
    columns = f"label_columns = {names}\n[folds]"
    config.write_text('task = "multioutput"\n' + config.read_text().replace("[folds]", columns).replace(
        'sample_submission = "data/sample_submission.csv"\n', ""))
    assert stages("baseline", CONFIG).code == 0
    written = {path.name for path in Path("oof/toy").glob("*.csv")}
    assert len({name.casefold() for name in written}) == len(names) + 2
    assert "fold" not in formats.read_csv(Path("oof/toy/baseline_test.csv"))


@pytest.mark.usefixtures("project")
def test_labels_that_differ_in_white_space_alone_are_told(stages: Command) -> None:
    make("multilabel", ["a, b" if row % 2 else "b" for row in range(48)])
    refused = stages("check", CONFIG, "--set", "data.label_separator=,")
    assert refused.code == 2
    assert refused.lines == ["data/train.csv, column label: ' b' and 'b' look alike; if there is "
                             'white space behind each separator: data.label_separator = ", "']
    assert stages("check", CONFIG, "--set", "data.label_separator=', '").code == 0


@pytest.mark.usefixtures("project")
def test_rare_classes_are_dealt_as_well_as_can_be_and_told(stages: Command) -> None:
    make("multiclass", ["other"] * 40 + ["x", "x", "y", "y", "z", "z", "w", "w"])
    result = stages("check", CONFIG)
    assert result.code == 0, result.err
    assert "4 labels, of 5 that folds balance, have fewer rows than folds.n = 3, for example" in result.out
    assert stages("baseline", CONFIG, "--fold", "0").code == 0
    train = pd.read_csv(TRAIN, dtype=str)
    train.assign(label=[str(row // 2) for row in range(48)]).to_csv(TRAIN, index=False)
    assert stages("check", CONFIG, "--run", "other").code == 0


@pytest.mark.usefixtures("multilabel")
def test_rows_without_a_label_are_counted_and_can_be_named(stages: Command) -> None:
    assert "rows have none" in stages("check", CONFIG).out
    sure = ["--set", "submit.stage=baseline", "--set", "metric=hamming_loss"]
    assert stages("baseline", CONFIG).code == 0
    told = stages("submit", CONFIG, *sure).out
    count = int(pd.read_csv("submissions/toy.csv", keep_default_na=False).Prediction.eq("").sum())
    assert count
    assert f"{count} rows have no label; submit.no_label says what stands there for none" in told
    assert "rows have no label" not in stages("submit", CONFIG, *sure, "--set", "submit.no_label=nothing").out
    assert pd.read_csv("submissions/toy.csv", keep_default_na=False).Prediction.eq("nothing").sum() == count


@pytest.mark.usefixtures("project")
def test_columns_of_0_0_and_1_0_are_columns_of_0_and_1(stages: Command) -> None:
    train = pd.read_csv(TRAIN, dtype=str).drop(columns="label")
    whole = train.assign(a=[str(row % 2) for row in range(48)], b=[str(row % 3 // 2) for row in range(48)])
    config = Path(CONFIG)
    columns = 'label_columns = ["a", "b"]\n[folds]'
    config.write_text('task = "multilabel"\n' + config.read_text().replace("[folds]", columns).replace(
        'sample_submission = "data/sample_submission.csv"\n', ""))
    whole.to_csv(TRAIN, index=False)
    plain = stages("check", CONFIG).out
    whole.assign(a=whole.a + ".0").to_csv(TRAIN, index=False)
    assert stages("check", CONFIG).out == plain


def test_a_dev_file_in_another_scheme_of_tags_is_told(project: Path, stages: Command) -> None:
    lines = ["香\tI-x", "菜\tO", "", "鱼\tI-x", "肉\tB-x", "汤\tO", ""] * 6
    Path("data/train.conll").write_text("\n".join(lines))
    Path("data/dev.conll").write_text("\n".join(["香\tB-y", "菜\tO", ""] * 3))
    config = Path(CONFIG)
    config.write_text('task = "tags"\n' + config.read_text().replace("train.csv", "train.conll").replace(
        'id_column = "id"\n', "").replace('sample_submission = "data/sample_submission.csv"\n', "").replace(
        'test = "data/test.csv"\n', ""))
    refused = stages("check", CONFIG, "--set", "folds.method=given", "--set", "folds.dev=data/dev.conll")
    assert refused.code == 2
    assert refused.lines == [
        "data/dev.conll, line 1: label must be one of those that train has, O, B-x, I-x, got 'B-y' "
        "(and on 2 more rows)",
        "data/dev.conll: train's tags are IOB1, where an entity begins with I; if these are IOB2 (BIO), where each "
        "begins with B, write both files in one scheme"]


def test_comments_of_conll_files_are_passed_over(project: Path, stages: Command) -> None:
    text = ["# id 1 domain=en", "香 _ _ B-x", "# _ _ O", "", "# id 2 domain=en", "# _ _ O", "菜 _ _ O", ""]
    Path("data/train.conll").write_text("\n".join(text * 8))
    Path("data/test.conll").write_text("\n".join(line.rsplit(" ", 1)[0] for line in text))
    from pipeline.competition.readers import conll

    for labelled, name in ((True, "train"), (False, "test")):
        table = conll.read(Path(f"data/{name}.conll"), labelled)
        assert table.text.tolist()[:2] == ["香 #", "# 菜"]


def test_letters_taken_one_by_one_are_told(project: Path, stages: Command) -> None:
    assert "warning: the texts are words with spaces" not in stages("check", CONFIG).out
    train = pd.read_csv(TRAIN, dtype=str)
    train.assign(text="an English text " + train.text).to_csv(TRAIN, index=False)
    assert "warning: the texts are words with spaces between them, and tokens.tokenizer = 'characters'" in stages(
        "check", CONFIG).out


@pytest.mark.usefixtures("multioutput")
def test_a_fold_that_trains_on_one_class_of_an_output_has_a_baseline_all_the_same(stages: Command) -> None:
    train = pd.read_csv(TRAIN, dtype=str)
    train.assign(hot=["yes"] + ["no"] * 47).to_csv(TRAIN, index=False)
    result = stages("baseline", CONFIG)
    assert result.code == 0, result.err
    assert stages("report", CONFIG).code == 0


@pytest.mark.parametrize(("columns", "problem"), [
    ("{ c1 = 'a', c2 = 'a', c3 = 'c' }", "label 'a' stands under 2 columns"),
    ("{ c1 = 'a', c2 = 'b', c3 = 'd' }", "there is no label 'd', which 'c3' is said to be of"),
    ("{ c1 = 'a', c2 = 'b', c3 = 'c', c4 = 'c' }", "has no column 'c4'"),
])
def test_which_column_is_whose_is_checked(project: Path, stages: Command, columns: str, problem: str) -> None:
    make("multiclass", ["abc"[row % 3] for row in range(48)])
    test = pd.read_csv("data/test.csv", dtype=str)
    pd.DataFrame({"id": test.id, "c1": 0, "c2": 0, "c3": 0}).to_csv("data/sample.csv", index=False)
    refused = stages("check", CONFIG, "--set", "data.sample_submission=data/sample.csv", "--set",
                     f"submit.columns={columns}".replace("'", '"'))
    assert refused.code == 2
    assert problem in refused.lines[0]


@pytest.mark.usefixtures("words")
def test_words_of_a_file_are_predicted_as_they_stand(stages: Command) -> None:
    assert stages("stage1", CONFIG, "--fold", "0").code == 0
    Path("new.conll").write_text("北京大学\n\n我\n\u3000\n好\n\nNew\u00a0York\n好\n")
    table = stages("predict", "toy", "new.conll", "--format", "csv", "--output", "answers.csv")
    assert table.code == 0, table.err
    assert formats.read_csv(Path("answers.csv")).text.tolist() == [
        "北京大学", "我", "\u3000", "好", "New\u00a0York", "好"]


@pytest.mark.usefixtures("project")
@pytest.mark.parametrize(("first", "second"), [("film", "film\u200b"), ("café", "cafe\u0301"), ("a b", "a\u00a0b"),
                                               ("A", "Ａ"), ("x", " x")])
def test_classes_that_look_alike_are_told(stages: Command, first: str, second: str) -> None:
    make("multiclass", [first if row % 2 else second if row % 3 else "else" for row in range(48)])
    refused = stages("check", CONFIG)
    assert refused.code == 2
    assert "look alike" in refused.lines[0]


@pytest.mark.usefixtures("project")
@pytest.mark.parametrize(("labels", "doubt"), [
    (["Sport", "sport"], "'Sport', 'sport' differ in case"), (["1", "1.0"], "'1', '1.0' differ in case or in how"),
    (["a", "a;b"], "label 'a;b' holds ';' and another label's name"),
    (["nan", "x"], "label 'nan' is what is written"),
])
def test_labels_that_may_be_a_mistake_are_pointed_out(stages: Command, labels: list[str], doubt: str) -> None:
    make("multilabel", [labels[row % 2] for row in range(48)])
    result = stages("check", CONFIG)
    assert result.code == 0, result.err
    assert doubt in result.out


@pytest.mark.usefixtures("project")
def test_outputs_that_would_share_a_column_are_refused(stages: Command) -> None:
    train = pd.read_csv(TRAIN, dtype=str).drop(columns="label")
    train["a"], train["a:b"] = ["x" if row % 3 else "b:c" if row % 2 else "y" for row in range(48)], [
        "c" if row % 3 else "d" if row % 2 else "e" for row in range(48)]
    train.to_csv(TRAIN, index=False)
    config = Path(CONFIG)
    config.write_text('task = "multioutput"\n' + config.read_text().replace(
        "[folds]", 'label_columns = ["a", "a:b"]\n[folds]').replace(
        'sample_submission = "data/sample_submission.csv"\n', ""))
    refused = stages("check", CONFIG)
    assert refused.code == 2
    assert "two outputs would share the column 'logit:a:b:c'" in refused.lines[0]


def test_files_of_outputs_have_short_names_of_their_own() -> None:
    names = ["side_effect_3", "side effect", "side/effect", "很" * 200, "很" * 201]
    task = Multioutput({name: Binary("0", "1") for name in names}, (1.0,) * 5)
    files = list(task.tables(pd.DataFrame({"id": ["0"], "fold": [0]} | {f"label:{name}": ["1"] for name in names})))
    assert len({name.casefold() for name in files}) == 5
    assert max(len(name.encode()) for name in files) < 150
