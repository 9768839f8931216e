"""Labels that are numbers or grades go through the whole pipeline, scored as scikit-learn and SciPy score their tables;
any metric leads, and what is submitted is what it scores."""

from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from scipy import special, stats
from sklearn import metrics as sk

from pipeline import tasks
from pipeline.backend import tf
from pipeline.config.model import Head
from pipeline.config.run import Config
from pipeline.files import formats
from pipeline.inference.answers import answers
from pipeline.inference.predictor import Predictor
from pipeline.metrics import thresholds
from pipeline.model import heads, losses
from pipeline.tasks.ordinal import Ordinal
from pipeline.tasks.regression import Regression
from tests.conftest import Command
from tests.tasks.test_tasks import CONFIG, TRAIN, run_all

SAMPLE = 'sample_submission = "data/sample_submission.csv"\n'
GRADES = ["1", "2", "3", "4"]


def make(task: str, columns: dict[str, list[str]], data: str = "", top: str = "") -> None:
    """Turns the toy into another task, with such columns instead of its label, and a sample submission of them."""
    train = pd.read_csv(TRAIN, dtype=str).drop(columns="label").assign(**columns)
    train.to_csv(TRAIN, index=False)
    test = pd.read_csv("data/test.csv", dtype=str)
    pd.DataFrame({"id": test.id} | dict.fromkeys(columns, columns[next(iter(columns))][0])).to_csv(
        "data/sample_submission.csv", index=False)
    config = Path(CONFIG)
    config.write_text(f'task = "{task}"\n{top}' + config.read_text().replace("[data]\n", f"[data]\n{data}"))


def lengths() -> np.ndarray:
    return pd.read_csv(TRAIN, dtype=str).text.str.len().to_numpy()


@pytest.fixture
def numbers(project: Path) -> None:
    make("regression", {"label": [f"{100 + 7.5 * length:g}" for length in lengths()]})


@pytest.fixture
def columns(project: Path) -> None:
    length = lengths()
    make("regression", {"size": [f"{one / 10:g}" for one in length], "rest": [f"{1 - one / 20:g}" for one in length]},
         'label_columns = ["size", "rest"]\nbounds = [0, 1]\n')


@pytest.fixture
def grades(project: Path) -> None:
    make("ordinal", {"label": [GRADES[min((length - 3) // 2, 3)] for length in lengths()]})


@pytest.mark.usefixtures("numbers")
def test_numbers_go_through_the_whole_run(stages: Command) -> None:
    run_all(stages, "--set", "stage1.epochs=3", "--set", "stage1.learning_rate=1e-2")
    report, train = formats.read_json(Path("oof/toy/rmse.json")), pd.read_csv(TRAIN, dtype=str)
    for stage in ("baseline", "stage1", "stage2"):
        oof, part = formats.read_csv(Path(f"oof/toy/{stage}.csv"), "str"), report["stages"][stage]
        assert list(oof) == ["id", "fold", "label", "logit", "prediction"]
        assert oof.label.tolist() == train.label.tolist()
        truth = oof.label.astype(float)
        assert part["lead"]["pooled"] == pytest.approx(sk.root_mean_squared_error(truth, oof.prediction))
        assert part["pearson"] == pytest.approx(stats.pearsonr(truth, oof.prediction).statistic)
        assert part["spearman"] == pytest.approx(stats.spearmanr(truth, oof.prediction).statistic)
        assert [row["rmse"] for row in part["lead"]["folds"]] == pytest.approx([sk.root_mean_squared_error(
            rows.label.astype(float), rows.prediction) for _, rows in oof.groupby("fold")])
    # near the labels' own unit from the first step on, and better than their mean
    assert report["stages"]["stage1"]["lead"]["pooled"] < truth.std()
    test, submission = formats.read_csv(Path("oof/toy/stage2_test.csv")), pd.read_csv("submissions/toy.csv")
    np.testing.assert_allclose(submission.label, test.set_index("id").prediction.loc[submission.id], rtol=1e-6)
    assert {path.name for path in Path("oof/toy").glob("*.png")} == {
        "truth_and_prediction.png", "training_stage1.png", "training_stage2.png"}


@pytest.mark.usefixtures("numbers")
def test_targets_are_scaled_by_the_rows_that_the_fold_trains_on(stages: Command) -> None:
    assert stages("stage1", CONFIG).code == 0
    fold, label = (pd.read_csv(path, dtype=str) for path in ("models/toy/folds.csv", TRAIN))
    for number in range(3):
        weights = formats.read_tensors(Path(f"models/toy/stage1/fold_{number}/weights_last.safetensors"))
        seen = label.label[(fold.fold != str(number)).to_numpy()].astype(float)
        assert weights["head/shift"] == pytest.approx(seen.mean(), rel=1e-6)
        assert weights["head/scale"] == pytest.approx(seen.std(ddof=0), rel=1e-6)


@pytest.mark.long
@pytest.mark.usefixtures("columns")
def test_several_columns_between_bounds_go_through_the_whole_run(stages: Command) -> None:
    run_all(stages, "--set", "metric=mcrmse")
    report = formats.read_json(Path("oof/toy/mcrmse.json"))
    for stage in ("baseline", "stage1", "stage2"):
        oof, part = formats.read_csv(Path(f"oof/toy/{stage}.csv"), "str"), report["stages"][stage]
        truth = oof[["label:size", "label:rest"]].astype(float).to_numpy()
        value = oof[["prediction:size", "prediction:rest"]].to_numpy()
        assert ((value > 0) & (value < 1)).all()
        np.testing.assert_allclose(value, special.expit(oof[["logit:size", "logit:rest"]].to_numpy(float)), atol=1e-6)
        by_column = [sk.root_mean_squared_error(*pair) for pair in zip(truth.T, value.T, strict=True)]
        assert part["lead"]["pooled"] == pytest.approx(np.mean(by_column))
        assert [row["rmse"] for row in part["columns"]] == pytest.approx(by_column)
    assert Config.model_validate({"name": "x", "task": "regression", "bert": {"random": {}}, "data": {
        "train": "x", "bounds": [0.0, 1.0]}}).stage1.loss == "bce"
    assert pd.read_csv("submissions/toy.csv").columns.tolist() == ["id", "size", "rest"]
    assert stages("submit", CONFIG, "--set", "submit.round_to=0.25").code == 0
    rounded = pd.read_csv("submissions/toy.csv")[["size", "rest"]].to_numpy()
    assert set(np.unique(rounded * 4)) <= {0, 1, 2, 3, 4}


@pytest.mark.usefixtures("grades")
@pytest.mark.parametrize("form", ["value", pytest.param("cumulative", marks=pytest.mark.long)])
def test_grades_go_through_the_whole_run(stages: Command, form: str) -> None:
    run_all(stages, "--set", f"head.ordinal={form}", "--set", "stage1.learning_rate=1e-2")
    report = formats.read_json(Path("oof/toy/qwk.json"))
    for stage in ("baseline", "stage1", "stage2"):
        oof, part = formats.read_csv(Path(f"oof/toy/{stage}.csv"), "str"), report["stages"][stage]
        names = [column for column in map(str, oof) if column.startswith("prediction")]
        assert names == (["prediction"] if form == "value" else [f"prediction:{grade}+" for grade in GRADES[1:]])
        value, truth = oof[names].to_numpy(np.float32).sum(axis=1), np.asarray(oof.label, np.int64) - 1
        task = Ordinal(tuple(GRADES), form == "cumulative")
        decided = np.zeros(len(oof), int)
        for number in range(3):
            others = (oof.fold != number).to_numpy()
            cuts = task.cut(truth[others], value[others], task.named_metric("qwk"))
            decided[~others] = thresholds.graded(value[~others], cuts)
        assert part["lead"]["pooled"] == pytest.approx(
            sk.cohen_kappa_score(truth, decided, weights="quadratic", labels=range(4)))
        assert part["accuracy"] == pytest.approx(sk.accuracy_score(truth, decided))
        assert part["confusion"] == sk.confusion_matrix(truth, decided, labels=range(4)).tolist()
        if form == "cumulative":
            reached = oof[names].to_numpy()
            assert (np.diff(reached, axis=1) <= 0).mean() > 0.99 or stage == "baseline"
    submitted = pd.read_csv("submissions/toy.csv", dtype=str)
    assert set(submitted.label) <= set(GRADES)
    test = formats.read_csv(Path("oof/toy/stage2_test.csv"))
    means = [column for column in map(str, test) if column.partition(":")[0] == "prediction"]
    mean = test[means].to_numpy().sum(axis=1)
    own = np.array(GRADES)[thresholds.graded(mean, report["stages"]["stage2"]["cut_points"])]
    assert submitted.set_index("id").label.loc[test.id].tolist() == own.tolist()
    assert {path.name for path in Path("oof/toy").glob("*.png")} == {
        "truth_and_prediction.png", "confusion.png", "training_stage1.png", "training_stage2.png"}


@pytest.mark.parametrize("kind", ["numbers", pytest.param("grades", marks=pytest.mark.long)])
def test_predict_evaluate_and_export_know_them(request: pytest.FixtureRequest, stages: Command, kind: str) -> None:
    request.getfixturevalue(kind)
    assert stages("stage1", CONFIG).code == 0
    test = pd.read_csv("data/test.csv", dtype=str)
    model = Predictor("toy")
    rows = model.table(test.text, ids=test.id)
    predicted = model.predict(rows)
    one = next(answers(model.task, rows, predicted, model.thresholds(), None))
    assert one["value"] == pytest.approx(float(model.task.probabilities(predicted).prediction.iloc[0]), abs=1e-6)
    assert ("label" in one) == (kind == "grades")
    assert kind == "numbers" or one["label"] in GRADES
    result = stages("evaluate", "toy", str(TRAIN))
    assert result.code == 0, result.err
    assert ("RMSE of run toy" if kind == "numbers" else "QWK of run toy") in result.out
    exported = stages("export", "toy", "--to", "savedmodel")
    assert exported.code == 0, exported.err
    assert stages("submit", CONFIG, "--set", "submit.stage=stage1").code == 0
    submitted = pd.read_csv("submissions/toy.csv", dtype={"label": str}).set_index("id").label
    given = [answer.get("label", answer["value"]) for answer in
             answers(model.task, rows, predicted, model.thresholds(), None)]
    if kind == "grades":
        assert submitted.loc[test.id].tolist() == given
    else:
        np.testing.assert_allclose(submitted.loc[test.id].astype(float), np.array(given, float), rtol=1e-5)


@pytest.mark.parametrize(("label", "message"), [
    ("much", "data/train.csv, column label, line 2: label must be a number, got 'much'"),
    ("nan", "data/train.csv, column label, line 2: label must be a number, got 'nan'"),
    ("1e999", "data/train.csv, column label, line 2: label must be a number, got '1e999'"),
    ("", "data/train.csv, column label, line 2: label must be a number, got ''"),
])
@pytest.mark.usefixtures("numbers")
def test_a_label_that_is_no_number_is_refused(stages: Command, label: str, message: str) -> None:
    train = pd.read_csv(TRAIN, dtype=str)
    train.loc[0, "label"] = label
    train.to_csv(TRAIN, index=False)
    refused = stages("check", CONFIG)
    assert (refused.code, refused.lines) == (2, [message])


@pytest.mark.usefixtures("columns")
def test_a_number_beyond_its_bounds_and_a_column_of_one_value_are_refused(stages: Command) -> None:
    train = pd.read_csv(TRAIN, dtype=str)
    train.loc[3, "size"] = "1.5"
    train.assign(rest="0.5").to_csv(TRAIN, index=False)
    assert stages("check", CONFIG).lines == [
        "data/train.csv, column size, line 5: label must be a number from 0 to 1 (data.bounds), got '1.5'",
        "data/train.csv, column rest: every row has the label 0.5; there is nothing to learn"]


@pytest.mark.usefixtures("grades")
def test_grades_that_are_no_numbers_need_their_order(stages: Command) -> None:
    names = dict(zip(GRADES, ["bad", "fair", "good", "great"], strict=True))
    train = pd.read_csv(TRAIN, dtype=str)
    train.assign(label=train.label.map(names)).to_csv(TRAIN, index=False)
    Path("data/sample_submission.csv").write_text(Path("data/sample_submission.csv").read_text().replace(",1", ",bad"))
    line, = stages("check", CONFIG).lines
    assert line == ("data/train.csv, column label: the order of grades that are no numbers must be given, from the "
                    "least to the greatest: data.labels; got 'bad', 'fair', 'good', 'great'")
    assert stages("check", CONFIG, "--set", "data.labels=['bad', 'fair', 'good', 'great']").code == 0


def test_whole_numbers_that_no_row_has_are_grades_too() -> None:
    config = Config.model_validate({"name": "x", "task": "ordinal", "bert": {"random": {}}, "data": {"train": "x"}})
    assert tasks.from_config(config, ["1", "2", "5"]) == Ordinal(("1", "2", "3", "4", "5"))
    assert tasks.from_config(config, ["0.5", "0.25", "1.0"]) == Ordinal(("0.25", "0.5", "1.0"))


@pytest.mark.parametrize("name", ["mse", "mae", "huber", "rmse", "correlation", "smooth_qwk"])
def test_a_loss_of_numbers_is_its_formula_and_padding_does_not_count(name: str) -> None:
    rng = np.random.default_rng(0)
    target = rng.normal(size=40).astype(np.float32)
    value = (target + rng.normal(size=40)).astype(np.float32)
    error = np.abs(target - value)
    pairs = np.mean((target[:, None] - value[None]) ** 2)
    expected = {"mse": np.mean(error**2), "mae": np.mean(error), "rmse": np.sqrt(np.mean(error**2)),
                "huber": np.mean(np.where(error < 1, error**2 / 2, error - 0.5)),
                "correlation": 1 - np.corrcoef(target, value)[0, 1], "smooth_qwk": np.mean(error**2) / pairs}[name]
    padded = [np.concatenate([part, np.full(7, 9, np.float32)]) for part in (target, value)]
    weight = np.concatenate([np.ones(40), np.zeros(7)]).astype(np.float32)
    loss = losses.LOSSES[name](tf.constant(padded[0]), tf.constant(padded[1]), tf.constant(weight))
    assert float(loss) == pytest.approx(expected, rel=1e-5)


def test_smooth_qwk_of_whole_grades_is_one_minus_their_kappa() -> None:
    rng = np.random.default_rng(1)
    grade = rng.integers(0, 5, 300)
    other = np.clip(grade + rng.integers(-1, 2, 300), 0, 4)
    loss = losses.smooth_qwk(*(tf.constant(part.astype(np.float32)) for part in (grade, other, np.ones(300))))
    assert 1 - float(loss) == pytest.approx(sk.cohen_kappa_score(grade, other, weights="quadratic"), abs=1e-5)


def test_losses_see_numbers_in_standard_deviations_and_shares_of_a_range() -> None:
    task = Regression((), None)
    head = heads.build(Head(), task, 8)
    head.scale.assign(4.0)
    head.shift.assign(100.0)
    target, value, weight = (tf.constant(part, tf.float32) for part in ([104.0, 96.0], [100.0, 100.0], [1.0, 1.0]))
    assert float(losses.by_name("mse", task, head)(target, value, weight)) == pytest.approx(1)
    bounded = Regression((), (10.0, 20.0))
    logit = tf.constant([0.0, 0.0])
    share = losses.by_name("bce", bounded)(tf.constant([15.0, 15.0]), logit, weight)
    assert float(share) == pytest.approx(np.log(2))
    assert float(losses.by_name("mae", bounded)(tf.constant([20.0, 10.0]), logit, weight)) == pytest.approx(0.5)


# metrics, forms and sample submissions

@pytest.mark.usefixtures("finished")
def test_a_metric_may_be_named_when_cells_are_there(stages: Command) -> None:
    assert Path("oof/toy/auc.json").exists()
    own = pd.read_csv("submissions/toy.csv")
    for stage in ("stage1", "stage2"):
        again = stages(stage, CONFIG, "--set", "metric=mcc")
        assert again.code == 0, again.err
        assert "to do" not in again.out
    assert stages("submit", CONFIG, "--set", "metric=mcc").code == 0
    assert set(pd.read_csv("submissions/toy.csv").Prediction) <= {0, 1}
    assert len(pd.read_csv("submissions/toy.csv")) == len(own)
    report = stages("report", CONFIG, "--set", "metric=mcc")
    assert report.code == 0
    assert "Out-of-fold MCC" in report.out
    assert {path.name for path in Path("oof/toy").glob("*.json")} == {"mcc.json"}, "one report, that of the metric"
    part = formats.read_json(Path("oof/toy/mcc.json"))["stages"]["stage2"]
    oof, decided = formats.read_csv(Path("oof/toy/stage2.csv")), np.zeros(48, int)
    for number in range(3):
        inside = (oof.fold == number).to_numpy()
        rest = oof[~inside]
        best = max(np.unique(rest.prediction), key=lambda least, rest=rest: (  # type: ignore[misc]
            round(sk.matthews_corrcoef(rest.label, rest.prediction >= least), 9), -least))
        below = rest.prediction[rest.prediction < best].max()
        least = np.float32((float(best) + (0.0 if np.isnan(below) else float(below))) / 2)
        decided[inside] = oof.prediction[inside] >= least
    assert part["lead"]["pooled"] == pytest.approx(sk.matthews_corrcoef(oof.label, decided))


@pytest.mark.usefixtures("project")
def test_the_metric_is_the_first_score_that_is_told(stages: Command) -> None:
    options = ("--set", "metric=mcc", "--fold", "0")
    assert "baseline fold 0  valid MCC " in stages("baseline", CONFIG, *options).out
    told = stages("stage1", CONFIG, *options).out
    history = pd.read_csv("models/toy/stage1/fold_0/history.csv")
    assert f"valid MCC {history.valid_mcc[0]:.4f}  AUC " in told.replace("\n", " ")


@pytest.mark.usefixtures("project")
def test_epochs_are_compared_by_the_metric_in_its_direction(stages: Command) -> None:
    options = [part for one in ("metric=brier", "stage1.predict_with=best", "stage1.hand_on=best", "stage1.epochs=4")
               for part in ("--set", one)]
    assert stages("stage1", CONFIG, "--fold", "0", *options).code == 0
    history = pd.read_csv("models/toy/stage1/fold_0/history.csv")
    assert history.best.idxmax() == history.valid_brier.idxmin()
    refused = stages("stage1", CONFIG, *options, "--set", "metric=mcc")
    assert refused.code == 4, "what chose an epoch is part of what a cell is"


@pytest.mark.parametrize(("setting", "message"), [
    ("metric=qwk", "metric must be auc, average_precision, log_loss, brier, f1, accuracy, balanced_accuracy, macro_f1, "
                   "weighted_f1, mcc, kappa, f2 for task = 'binary', got 'qwk'"),
    ("submit.form=lists", "submit.form = 'lists' needs metric = 'map@k', for as many labels as a row may list; "
                          "got None"),
    ("stage1.loss=mse", "stage1.loss must be bce, focal, smooth_f1 for task = 'binary', got 'mse'"),
    ("stage2.monitor=rmse", "stage2.monitor must be auc, accuracy, f1, loss, average_precision"),
    ("data.bounds=[0,1]", "data.bounds is for task = 'regression', got 'binary'"),
    ("head.ordinal=cumulative", "head.ordinal is for task = 'ordinal', got 'binary'"),
    ("submit.round_to=0.5", "submit.round_to is for task = 'regression', got 'binary'"),
    ("submit.columns=class", "submit: columns must be a table, or a text that holds {label} once; got 'class'"),
])
@pytest.mark.usefixtures("project")
def test_a_key_that_does_not_fit_the_kind_is_refused(stages: Command, setting: str, message: str) -> None:
    refused = stages("check", CONFIG, "--set", setting)
    assert refused.code == 2
    assert refused.lines[0].startswith(f"{CONFIG}: {message}")
    assert len(refused.lines) == 1


def classes_of_the_toy() -> None:
    make("multiclass", {"label": ["abc"[length % 3] for length in lengths()]})


@pytest.mark.usefixtures("project")
def test_what_the_sample_submission_shows_is_submitted(stages: Command) -> None:
    classes_of_the_toy()
    assert stages("baseline", CONFIG).code == 0
    by_baseline = ("--set", "submit.stage=baseline")
    test = pd.read_csv("data/test.csv", dtype=str)

    def submitted(*options: str) -> pd.DataFrame:
        result = stages("submit", CONFIG, *by_baseline, *options)
        assert result.code == 0, result.err
        return pd.read_csv("submissions/toy.csv")

    assert set(submitted().label) <= set("abc"), "one column that holds labels"
    sample = Path("data/sample_submission.csv")
    pd.DataFrame({"id": test.id} | {f"p_{name}": 0.3 for name in "bca"}).to_csv(sample, index=False)
    advice = stages("check", CONFIG).lines[0]
    assert advice.endswith('say which column is whose: submit.columns = "p_{label}"')
    table = submitted("--set", "submit.columns=p_{label}")
    assert table.columns.tolist() == ["id", "p_b", "p_c", "p_a"]
    oof = formats.read_csv(Path("models/toy/baseline/fold_0/test.csv"))
    assert len(table) == len(oof)
    pd.DataFrame({"id": test.id, "answer": "a b"}).to_csv(sample, index=False)
    lists = submitted("--set", "metric=map@2")
    assert all(len(set(row.split(" "))) == len(row.split(" ")) == 2 for row in lists.answer)
    told = stages("check", CONFIG, "--set", "metric=accuracy")
    line = ("data/sample_submission.csv: holds lists of labels, such as 'a b', and this run will submit labels, as "
            "metric = 'accuracy' scores; submit.form = 'lists' would submit lists of labels")
    assert line in told.out.replace("\n", " ")


@pytest.mark.usefixtures("project")
def test_both_labels_of_two_may_have_a_column(stages: Command) -> None:
    test = pd.read_csv("data/test.csv", dtype=str)
    pd.DataFrame({"id": test.id, "class1": 0.5, "class0": 0.5}).to_csv("data/sample_submission.csv", index=False)
    assert stages("baseline", CONFIG, "--set", "submit.columns=class{label}").code == 0
    result = stages("submit", CONFIG, "--set", "submit.columns=class{label}", "--set", "submit.stage=baseline")
    assert result.code == 0, result.err
    table = pd.read_csv("submissions/toy.csv")
    assert table.columns.tolist() == ["id", "class1", "class0"]
    np.testing.assert_allclose(table.class0 + table.class1, 1, atol=1e-6)
    assert table.class1.between(0, 1).all()
    wrong = stages("check", CONFIG, "--set", "submit.columns=klass{label}")
    assert wrong.code == 2
    assert "by submit.columns = 'klass{label}', which makes 'klass0' of label '0'" in wrong.lines[0]


@pytest.mark.usefixtures("project")
def test_the_former_key_of_the_metric_is_read_with_a_line(stages: Command) -> None:
    Path(CONFIG).write_text(Path(CONFIG).read_text() + '\n[submit]\nmetric = "f1"\n')
    result = stages("baseline", CONFIG)
    assert result.code == 0
    assert (f"{CONFIG}: submit.metric is now called metric, at the top of the file: metric = 'f1'; the former key is "
            f"still read") in result.err.replace("\n", " ")
    assert 'metric = "f1"' in Path("models/toy/config.toml").read_text()
    assert formats.read_json(Path("models/toy/baseline/fold_0/DONE.json"))


# what a reviewer found

@pytest.mark.usefixtures("numbers")
def test_large_numbers_go_through_stage_2_and_export(stages: Command) -> None:
    train = pd.read_csv(TRAIN, dtype=str)
    train.assign(label=[f"{250_000 + 1_000 * float(label):.0f}" for label in train.label]).to_csv(TRAIN, index=False)
    one = ("--fold", "0")
    for command in (("stage1", CONFIG, *one), ("stage2", CONFIG, *one), ("export", "toy", "--to", "savedmodel", *one)):
        result = stages(*command)
        assert result.code == 0, result.err


def test_grades_are_cut_where_the_metric_scores_no_decisions_too() -> None:
    task, rng = Ordinal(tuple(GRADES)), np.random.default_rng(0)
    grade = rng.integers(0, 4, 200)
    rows = pd.DataFrame({"id": np.arange(200).astype(str), "label": np.array(GRADES)[grade]})
    oof = task.oof_table(rows, np.arange(200) % 4, (7 + 0.2 * grade).astype(np.float32))  # as a correlation leaves them
    decided = task.decisions(oof, oof, "pearson").prediction.loc[rows.id]
    assert decided.tolist() == rows.label.tolist()


def test_new_rows_are_decided_by_what_the_run_chose() -> None:
    task, rng = Ordinal(tuple(GRADES)), np.random.default_rng(0)
    rows = pd.DataFrame({"id": np.arange(40).astype(str), "label": np.array(GRADES)[rng.integers(0, 4, 40)]})
    table = task.oof_table(rows, np.zeros(40, int), rng.normal(1.5, 1, 40).astype(np.float32)).assign(group=range(40))
    own, given = task.evaluate(table, [], None), task.evaluate(table, [], None, [0.5, 1.5, 2.5])
    assert given["cut_points"] == [0.5, 1.5, 2.5]
    decided = thresholds.graded(task.deciding(table), [0.5, 1.5, 2.5])
    assert given["accuracy"] == sk.accuracy_score(task.truth(table), decided) < own["accuracy"]


def test_a_cut_point_beyond_all_values_is_where_they_would_be_rounded() -> None:
    grade, value = np.array([0, 0, 1, 1]), np.array([0.1, 0.2, 0.8, 0.9])
    task = Ordinal(tuple(GRADES))
    assert task.cut(grade, value.astype(np.float32), task.named_metric("qwk")) == pytest.approx([0.5, 1.5, 2.5])


@pytest.mark.usefixtures("grades")
def test_a_baseline_of_the_other_form_is_another_cell(stages: Command) -> None:
    assert stages("baseline", CONFIG).code == 0
    assert stages("baseline", CONFIG, "--set", "head.ordinal=cumulative").code == 4


@pytest.mark.usefixtures("project")
def test_stages_without_a_common_fold_are_not_compared(stages: Command) -> None:
    assert stages("baseline", CONFIG, "--fold", "0").code == 0
    assert stages("stage1", CONFIG, "--fold", "1").code == 0
    for metric in ("auc", "f1"):
        report = stages("report", CONFIG, "--set", f"metric={metric}")
        assert report.code == 0, report.err
        assert "against" not in report.out
    assert "stage1: decided by what is best on the very rows" in report.out.replace("\n", " ")


@pytest.mark.usefixtures("project")
def test_labels_with_spaces_are_not_listed(stages: Command) -> None:
    classes_of_the_toy()
    train = pd.read_csv(TRAIN, dtype=str)
    train.assign(label=train.label.replace("a", "New York")).to_csv(TRAIN, index=False)
    assert stages("check", CONFIG, "--set", "metric=map@2").lines[0] == (
        "metric = 'map@2': a list has spaces between its labels, and the label 'New York' holds one; write it "
        "otherwise in data/train.csv")


def test_the_former_key_leaves_monitors_as_they_were() -> None:
    tree = {"name": "x", "bert": {"random": {}}, "data": {"train": "x"}}
    former = Config.model_validate(tree | {"submit": {"metric": "f1"}})
    assert (former.metric, former.stage1.monitor) == ("f1", "auc")
    assert Config.model_validate(tree | {"metric": "f1"}).stage1.monitor == "f1"
