"""What was trained answers from memory, without its tables, as it answered out of fold."""

import json
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from scipy import special

from pipeline import tasks
from pipeline.config.run import Config
from pipeline.files import atomic, formats
from pipeline.inference.predictor import Predictor
from pipeline.tasks.multiclass import Multiclass
from tests.conftest import ROOT, Command

CLOSE = 1e-5


@pytest.fixture
def alone(finished: Path) -> Path:
    """The finished project without the data that it was trained on."""
    for name in ("train.csv", "test.csv"):
        shutil.move(f"data/{name}", f"{name}")
    shutil.rmtree("data")
    return finished


@pytest.mark.usefixtures("alone")
@pytest.mark.parametrize("stage", ["stage1", "stage2"])
def test_out_of_fold_rows_are_predicted_again_by_their_own_folds_model(stages: Command, stage: str) -> None:
    oof = formats.read_csv(Path(f"oof/toy/{stage}.csv"))
    for fold in range(3):
        result = stages("predict", "toy", "train.csv", "--stage", stage, "--fold", str(fold), "--format", "csv",
                        "--output", f"again_{fold}.csv")
        assert result.code == 0, result.err
        again = formats.read_csv(Path(f"again_{fold}.csv")).set_index("id")
        inside = oof[oof.fold == fold]
        np.testing.assert_allclose(again.loc[inside.id].prediction, inside.prediction, atol=CLOSE)


@pytest.mark.usefixtures("alone")
def test_the_mean_of_folds_is_that_of_the_test_table(stages: Command) -> None:
    test = formats.read_csv(Path("oof/toy/stage2_test.csv"))
    result = stages("predict", "toy", "test.csv")
    assert result.code == 0, result.err
    found = [json.loads(line) for line in result.out.splitlines()]
    assert [one["id"] for one in found] == test.id.tolist()
    np.testing.assert_allclose([one["probability"] for one in found], test.prediction, atol=CLOSE)
    assert [one["label"] for one in found] == [str(int(one >= 0.5)) for one in test.prediction]


@pytest.mark.usefixtures("alone")
def test_lines_and_standard_input_are_a_text_each(stages: Command, monkeypatch: pytest.MonkeyPatch) -> None:
    texts = pd.read_csv("test.csv", dtype=str).text.tolist()
    Path("lines.txt").write_text("\n".join(texts) + "\n", encoding="utf-8")
    from_file = stages("predict", "toy", "lines.txt", "--fold", "1").out
    with Path("lines.txt").open("rb") as file:
        monkeypatch.setattr(sys, "stdin", file)
        from_input = stages("predict", "toy", "--fold", "1").out
    assert from_file == from_input
    found = [json.loads(line) for line in from_file.splitlines()]
    assert [one["text"] for one in found] == texts
    assert [one["id"] for one in found] == [str(row) for row in range(len(texts))]
    predicted = formats.read_csv(Path("oof/toy/stage2_test.csv")).prediction_1
    np.testing.assert_allclose([one["probability"] for one in found], predicted, atol=CLOSE)


@pytest.mark.usefixtures("alone")
def test_a_program_that_writes_a_line_gets_its_answer_before_the_next() -> None:
    with subprocess.Popen([sys.executable, "-m", "stages", "predict", "toy", "--fold", "0"], stdin=subprocess.PIPE,
                          stdout=subprocess.PIPE, env={"PYTHONPATH": str(ROOT), "PATH": "/usr/bin:/bin"}) as process:
        assert process.stdin
        assert process.stdout
        for number, text in enumerate(["香", "很好", "", "辣" * 500]):
            process.stdin.write(f"{text}\n".encode())
            process.stdin.flush()
            answer = json.loads(process.stdout.readline())
            assert (answer["id"], answer["text"]) == (str(number), text)
        process.stdin.close()
        assert process.wait(60) == 0


@pytest.mark.usefixtures("alone")
def test_decisions_are_made_at_the_threshold_chosen_out_of_fold() -> None:
    config = Path("models/toy/config.toml")
    config.write_text(config.read_text().replace('task = "binary"', 'task = "binary"\nmetric = "f1"'))
    model = Predictor("toy")
    from pipeline.inference.answers import answers
    from pipeline.metrics import registry, thresholds

    oof = model.thresholds()
    assert oof is not None
    of_confusion = registry.named("binary", "f1").of_confusion
    assert of_confusion is not None
    least = thresholds.best_threshold(oof.label.to_numpy(), oof.prediction.to_numpy(), of_confusion)
    rows = model.table(pd.read_csv("train.csv", dtype=str).text)
    found = model.predict(rows)
    decided = [one["label"] for one in answers(model.task, rows, found, oof, "f1")]
    assert decided == [str(int(one >= least)) for one in found.prediction]


@pytest.mark.usefixtures("finished")
def test_evaluate_knows_the_baseline_too(stages: Command) -> None:
    """Fitted again, it says of a fold's own rows what it said of them out of fold."""
    oof = pd.read_csv("oof/toy/baseline.csv")
    train = pd.read_csv("data/train.csv", dtype=str)
    train[(oof.fold == 1).to_numpy()].to_csv("fold_1.csv", index=False)
    result = stages("evaluate", "toy", "fold_1.csv", "--stage", "baseline", "--fold", "1", "--output", "scores.json")
    assert (result.code, result.err) == (0, "")
    part = formats.read_json(Path("scores.json"))["models"]["fold 1"]
    own = next(row for row in formats.read_json(Path("oof/toy/auc.json"))["stages"]["baseline"]["folds"]
               if row["fold"] == 1)
    assert part["pooled"] == pytest.approx(own["auc"], abs=1e-12)
    assert "mean of folds" in stages("evaluate", "toy", "fold_1.csv", "--stage", "baseline").out


@pytest.mark.usefixtures("alone")
def test_evaluate_says_what_scikit_learn_says(stages: Command) -> None:
    result = stages("evaluate", "toy", "train.csv", "--output", "scores.json")
    assert result.code == 0, result.err
    found = formats.read_json(Path("scores.json"))["models"]
    assert list(found) == ["fold 0", "fold 1", "fold 2", "mean of folds"]
    from sklearn.metrics import log_loss, roc_auc_score

    train, model = pd.read_csv("train.csv", dtype=str), Predictor("toy")
    together = model.predict(model.table(train.text))
    mean, label = found["mean of folds"], train.label.astype(int)
    assert mean["pooled"] == pytest.approx(roc_auc_score(label, together.prediction))
    assert mean["log_loss"] == pytest.approx(log_loss(label, together.prediction))
    decided = formats.read_json(Path("scores.json"))["decisions"]
    assert decided["accuracy"] == np.mean((together.prediction >= 0.5) == (train.label == "1"))
    pd.read_csv("train.csv", dtype=str).assign(label="2").to_csv("wrong.csv", index=False)
    refused = stages("evaluate", "toy", "wrong.csv")
    assert refused.code == 2
    assert "wrong.csv, column label, line 2: label must be '0' or '1', got '2'" in refused.lines[0]


@pytest.mark.usefixtures("alone")
@pytest.mark.parametrize(("run", "message"), [("nowhere", "no such run. There is: toy"), ("../toy", "run must be")])
def test_a_run_that_is_not_there_is_refused_by_every_command_alike(stages: Command, run: str, message: str) -> None:
    for command in (["evaluate", run, "data/train.csv", "--stage", "baseline"], ["bundle", run], ["predict", run]):
        result = stages(*command)
        assert result.code == 2
        assert message in result.err


@pytest.mark.usefixtures("alone")
@pytest.mark.parametrize(("arguments", "message"), [
    (["nowhere"], "models/nowhere/config.toml: no such run. There is: toy"),
    (["../toy"], "run must be 1-80 letters"),
    (["toy", "missing.csv"], "missing.csv: no such file"),
    (["toy", "other.csv"], "other.csv: no column 'text'; it has 'id', 'content'"),
    (["toy", "twice.csv"], "twice.csv, line 3: id 'a' stands twice; ids must be unique"),
    (["toy", "train.csv", "--fold", "7"], "models/toy/stage1/fold_7: is not finished, or damaged"),
    (["toy", "latin.txt"], "latin.txt, line 2: must be UTF-8"),
])
def test_what_cannot_be_predicted_is_refused_in_one_line(stages: Command, arguments: list[str], message: str) -> None:
    Path("other.csv").write_text("id,content\na,b\n")
    Path("twice.csv").write_text("id,text\na,b\na,c\n")
    Path("latin.txt").write_bytes(b"a\n\xff\n")
    refused = stages("predict", *arguments, "--output", "answers.jsonl")
    assert refused.code == 2
    assert message in refused.lines[0]
    assert not Path("answers.jsonl").exists()


@pytest.mark.usefixtures("alone")
def test_a_damaged_cell_is_never_used(stages: Command) -> None:
    weights = Path("models/toy/stage2/fold_1/head.safetensors")
    raw = bytearray(weights.read_bytes())
    raw[-1] ^= 1
    weights.write_bytes(raw)
    refused = stages("predict", "toy", "test.csv")
    assert refused.code == 2
    assert "models/toy/stage2/fold_1: is not finished, or damaged" in refused.lines[0]


def test_the_logit_of_a_mean_is_that_of_the_mean_probability() -> None:
    tasks_ = tasks.from_config(Config.model_validate({"name": "x", "bert": {"random": {}}, "data": {"train": "x"}}), [])
    logits = [np.array([[40.0], [-3.0], [0.5]]), np.array([[60.0], [1.0], [-90.0]])]
    mean = tasks.mean_logit(tasks_, logits)
    assert np.isfinite(mean).all()  # where the mean of float32 probabilities is 1, its logit would be infinite
    np.testing.assert_allclose(special.expit(mean[1:]), np.mean([special.expit(one[1:]) for one in logits], axis=0),
                               rtol=1e-6)
    classes = Multiclass(("a", "b", "c"))
    three = [np.array([[4.0, 0, -9]]), np.array([[-1, 0.5, -9]]), np.array([[-1, 0.5, -9]])]
    mean = tasks.mean_logit(classes, three)
    np.testing.assert_allclose(special.softmax(mean, axis=1), np.mean([special.softmax(one, axis=1) for one in three],
                                                                      axis=0), rtol=1e-6)
    assert mean.argmax() != np.mean(three, axis=0).argmax()


@pytest.mark.usefixtures("finished")
@pytest.mark.parametrize("folds", [(), ("--fold", "0"), ("--fold", "0", "--fold", "2")])
def test_predict_evaluate_and_submit_decide_alike_while_folds_are_missing(stages: Command, folds: tuple[str, ...]
                                                                          ) -> None:
    f1 = ("--set", "metric=f1")
    if folds:
        atomic.remove(Path("models/toy/stage2/fold_1"))
    submitted = stages("submit", "configs/toy.toml", *folds, *f1)
    assert submitted.code == 0, submitted.err
    name = "toy.csv" if not folds else f"toy_stage2_folds_{'-'.join(folds[1::2])}.csv"
    table = pd.read_csv(f"submissions/{name}", dtype=str).set_index("ID").Prediction
    answered = stages("predict", "toy", "data/test.csv", *folds)
    answers = list(map(json.loads, answered.out.splitlines()))
    assert {answer["id"]: answer["label"] for answer in answers} == table.to_dict()
    if folds != ("--fold", "0"):  # the others' threshold is not 0.5
        assert any((answer["probability"] >= 0.5) != (answer["label"] == "1") for answer in answers)
    test = pd.read_csv("data/test.csv", dtype=str)
    test.assign(label=test.id.map(table)).to_csv("labelled.csv", index=False)
    assert stages("evaluate", "toy", "labelled.csv", *folds, "--output", "scores.json").code == 0
    assert formats.read_json(Path("scores.json"))["decisions"]["f1"] == 1


@pytest.mark.usefixtures("finished")
def test_predict_reads_a_file_as_the_run_does(stages: Command) -> None:
    test = pd.read_csv("data/test.csv", dtype=str)
    plain = [json.loads(line) for line in stages("predict", "toy", "data/test.csv").out.splitlines()]
    config = Path("models/toy/config.toml")
    settings = config.read_text()
    config.write_text(settings.replace('separator = "auto"', 'separator = ";"'))
    test.to_csv("other.csv", sep=";", index=False)
    assert [json.loads(line) for line in stages("predict", "toy", "other.csv").out.splitlines()] == plain
    config.write_text(settings.replace('separator = "auto"', 'separator = "tab"\nheader = ["id", "text"]'))
    test.to_csv("headless.csv", sep="\t", index=False, header=False)
    assert [json.loads(line) for line in stages("predict", "toy", "headless.csv").out.splitlines()] == plain
    config.write_text(settings)
    test.to_json("lines.jsonl", orient="records", lines=True, force_ascii=False)
    assert [json.loads(line) for line in stages("predict", "toy", "lines.jsonl").out.splitlines()] == plain
    Path("lines.conll").write_text("香\n")
    refused = stages("predict", "toy", "lines.conll")
    assert refused.code == 2
    assert "is read as conll, which is for task = 'tags'" in refused.lines[0]
    Path("lines.txt").write_text("\n".join(test.text) + "\n")
    lines = [json.loads(line) for line in stages("predict", "toy", "lines.txt").out.splitlines()]
    assert [line["probability"] for line in lines] == [line["probability"] for line in plain]
    test.drop(columns="id").to_csv("no_ids.csv", index=False)
    numbered = [json.loads(line) for line in stages("predict", "toy", "no_ids.csv").out.splitlines()]
    assert [line["id"] for line in numbered] == [str(row) for row in range(len(test))]
