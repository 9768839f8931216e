"""``stages new``: each layout of a competition is told from its files, what they do not say is one question, and
nothing that is there is written over."""

import contextlib
import json
import os
import random
import subprocess
import sys
import tomllib
import zipfile
from pathlib import Path

import pytest

from pipeline.config import loading
from pipeline.errors import UserError
from pipeline.proposal import configuration
from pipeline.proposal.choices import Choices, Question
from pipeline.runs import opening
from tests.conftest import ROOT, Command
from tests.proposal.layouts import LAYOUTS, chinese, jsonl, lines, with_ids, without_ids

BOX = ROOT / "data/bert/small_chinese"


@pytest.fixture(autouse=True)
def empty(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty project with the encoder in the box."""
    monkeypatch.chdir(tmp_path)
    Path("data/bert").mkdir(parents=True)
    Path("data/bert/small_chinese").symlink_to(BOX)
    return tmp_path


@pytest.mark.parametrize("name", LAYOUTS)
def test_a_layout_is_told_from_its_files_and_passes_every_check(name: str) -> None:
    expected = LAYOUTS[name](Path("data") / name)
    path = Path("data") / name
    written = configuration.write([path if path.exists() else path.with_suffix(".zip")])
    config = loading.load(written.path)
    for key, value in expected.items():
        section, _, last = key.rpartition(".")
        table = config
        for part in filter(None, section.split(".")):
            table = getattr(table, part)
        assert (key, getattr(table, last)) == (key, value)
    run = opening.read(config)
    assert len(run.competition.train) >= 60
    assert config.name == name


def test_every_choice_stands_in_the_file_with_its_reason() -> None:
    with_ids(Path("data/fire"))
    path = configuration.write([Path("data/fire")]).path
    given = path.read_text().splitlines()
    for number, line in enumerate(given):
        if " = " in line and not line.startswith("#") and line.split(" = ")[0] not in ("hidden", "heads",
                                                                                      "intermediate"):
            assert given[number - 1].startswith("# "), line
    assert tomllib.loads(path.read_text())["data"]["label_column"] == "target"


def test_nothing_that_exists_is_written_over() -> None:
    without_ids(Path("data/snippets"))
    path = configuration.write([Path("data/snippets")]).path
    path.write_text("mine")
    with pytest.raises(UserError, match="is there already"):
        configuration.write([Path("data/snippets")])
    assert path.read_text() == "mine"
    assert configuration.write([Path("data/snippets")], name="second").path == Path("configs/second.toml")


def test_a_sample_that_disagrees_is_a_question_with_two_answers(stages: Command) -> None:
    without_ids(Path("data/odd"))
    lines(Path("data/odd/sample_submission.csv"), ["ID,Prediction", *(f"{row},0.5" for row in range(7))])
    result = stages("new", "data/odd")
    assert result.code == 2
    [line] = result.lines
    assert "--set data.sample_submission= (leave the sample out" in line
    assert not Path("configs/odd.toml").exists()
    assert stages("new", "data/odd", "--set", "data.sample_submission=").code == 0
    assert loading.load(Path("configs/odd.toml")).competition.sample_submission is None


def test_grades_classes_and_quantities_are_asked_for_and_a_metric_says_it() -> None:
    lines(Path("data/stars/train.csv"), ["text,stars", *(f"{'好' * (row % 7 + 2)}吃的鱼,{row % 5 + 1}"
                                                         for row in range(60))])
    with pytest.raises(UserError, match=r"grades, classes or quantities\?.*--set task=ordinal"):
        configuration.write([Path("data/stars")])
    assert loading.load(configuration.write([Path("data/stars")], metric="qwk").path).task == "ordinal"
    assert loading.load(configuration.write([Path("data/stars")], "two", "accuracy").path).task == "multiclass"
    assert loading.load(configuration.write([Path("data/stars")], "three", "rmse").path).task == "regression"


def test_a_person_is_asked_once_and_the_answer_stands_in_the_file() -> None:
    asked: list[str] = []

    def ask(question: Question) -> object:
        asked.append(question.key)
        return question.values[1][0]

    choices = Choices({}, ask)
    question = Question("data.label_column", "which?", (("a", "one"), ("b", "other")))
    assert [choices.answer(question), choices.answer(question)] == ["b", "b"]
    assert asked == ["data.label_column"]
    assert choices.tree() == {"data": {"label_column": "b"}}


def test_two_candidates_for_the_label_are_a_question(stages: Command) -> None:
    lines(Path("data/two/train.csv"), ["text,mood,place", *(
        f"今天的鱼{'很' * (row % 5)}好吃{row},{'ab'[row % 2]},{'xyz'[row % 3]}" for row in range(60))])
    result = stages("new", "data/two")
    assert result.code == 2
    assert "--set data.label_column=mood" in result.err
    assert "--set data.label_column=place" in result.err
    assert stages("new", "data/two", "--set", "data.label_column=place").code == 0
    assert loading.load(Path("configs/two.toml")).task == "multiclass"


def test_an_archive_whose_paths_lead_out_of_it_is_refused_and_leaves_nothing() -> None:
    with zipfile.ZipFile("evil.zip", "w") as archive:
        archive.writestr("../outside.csv", "text,label\na,1\n")
    with pytest.raises(UserError, match="leads out of it"):
        configuration.write([Path("evil.zip")])
    assert not Path("../outside.csv").exists()
    assert [path.name for path in Path("data").iterdir()] == ["bert"]


def test_an_encoder_that_knows_the_letters_is_found_and_the_box_is_not_taken_for_english() -> None:
    with_ids(Path("data/fire"))
    config = loading.load(configuration.write([Path("data/fire")]).path)
    assert config.bert.random is not None
    assert config.baseline.analyzer == "word"


def test_labels_without_an_order_of_their_own_say_which_is_positive() -> None:
    lines(Path("data/spam/train.csv"), ["text,label", *(f"这是第{row}条短信内容,{'spam' if row % 4 == 0 else 'ham'}"
                                                        for row in range(60))])
    path = configuration.write([Path("data/spam")]).path
    assert loading.load(path).competition.labels == ["ham", "spam"]


def test_a_file_that_is_no_table_is_named_for_what_it_is(stages: Command) -> None:
    lines(Path("data/fast/train.txt"), [f"__label__{row % 2} 今天的鱼很好{row}" for row in range(20)])
    result = stages("new", "data/fast")
    assert result.code == 2
    assert "fastText" in result.err
    assert "sed" in result.err


def test_new_ends_with_the_file_and_the_next_command(stages: Command) -> None:
    without_ids(Path("data/snippets"))
    result = stages("new", "data/snippets")
    assert result.code == 0
    assert result.out.splitlines()[-1] == "new: configs/snippets.toml; next: ./run_all.sh configs/snippets.toml"


def test_rows_in_json_are_a_table_whatever_its_shape() -> None:
    rng = random.Random(3)
    rows = [{"id": row, "text": chinese(rng, row % 2 == 0), "label": row % 2} for row in range(60)]
    jsonl(Path("data/a/train.json"), rows)
    lines(Path("data/b/train.json"), [json.dumps(rows)])
    lines(Path("data/c/train.json"), [json.dumps({"version": 1, "data": rows}, indent=1, ensure_ascii=False)])
    tables = [opening.read(loading.load(configuration.write([Path("data") / name]).path)).competition.train
              for name in "abc"]
    for table in tables[1:]:
        assert table.drop(columns="place").equals(tables[0].drop(columns="place"))


def test_a_folder_beside_the_one_that_is_given_is_not_taken_for_the_test_set() -> None:
    for name in ("news/good/1.txt", "news/good/2.txt", "news/bad/1.txt", "news/bad/2.txt", "test/1.txt"):
        lines(Path("data") / name, [f"这是{name}"])
    path = configuration.write([Path("data/news")]).path
    assert loading.load(path).competition.test is None
    assert "No test: no file is called so" in path.read_text()


@pytest.mark.parametrize(("rows", "message"), [
    (["text,label", *(f"鱼{row}很好,{'ab'[row % 2] if row % 9 else ''}" for row in range(60))], "rows have no label"),
    (["text,labels", *(f"鱼{row}很好,\"['a', '{'bc'[row % 2]}']\"" for row in range(60))], "as Python writes them"),
    (["text,split", *(f"鱼{row}很好,{('train', 'test')[row % 2]}" for row in range(60))], "of train and which of test"),
    (["text", *(f"鱼{row}很好" for row in range(60))], "no column of labels"),
    (["text,label", *(f"鱼{row}很好,1" for row in range(60))], "no column of labels"),
])
def test_what_cannot_be_trained_on_is_named(rows: list[str], message: str, stages: Command) -> None:
    lines(Path("data/odd/train.csv"), rows)
    result = stages("new", "data/odd")
    assert result.code == 2
    assert message in result.err


@pytest.mark.parametrize(("setting", "message"), [
    ("data.text_columns=nosuch", "no column 'nosuch'"), ("data.text_columns=5", "must be a column or a list"),
    ("data.label_column=nosuch", "no column 'nosuch'"), ("task=nosuch", "must be binary, multiclass"),
])
def test_a_wrong_answer_is_one_line(setting: str, message: str, stages: Command) -> None:
    without_ids(Path("data/snippets"))
    result = stages("new", "data/snippets", "--set", setting)
    assert result.code == 2
    assert message in result.err
    assert len(result.lines) == 1


def test_a_metric_of_another_kind_or_of_none_is_told_before_anything_else(stages: Command) -> None:
    without_ids(Path("data/snippets"))
    assert "entity_f1 is of tags: --set task=tags" in stages("new", "data/snippets", "--metric", "entity_f1").err
    assert "--metric kappa2: must be auc" in stages("new", "data/snippets", "--metric", "kappa2").err


def test_a_person_at_a_terminal_chooses_by_number(tmp_path: Path) -> None:
    """On a terminal of its own: the prompt is asked again until the number is one of those that are offered."""
    lines(Path("data/stars/train.csv"), ["text,stars", *(f"{'好' * (row % 7 + 2)}吃的鱼,{row % 5 + 1}"
                                                         for row in range(60))])
    master, slave = os.openpty()
    environment = dict(os.environ, PYTHONPATH=str(ROOT), TERM="dumb")
    command = [sys.executable, "-m", "stages", "new", "data/stars"]
    with subprocess.Popen(command, stdin=slave, stdout=slave, stderr=slave, env=environment) as process:
        os.close(slave)
        os.write(master, b"7\n2\n")
        shown = b""
        with contextlib.suppress(OSError):  # how a terminal says that nobody writes to it any more
            while part := os.read(master, 65_536):
                shown += part
    assert process.returncode == 0, shown.decode()
    assert loading.load(Path("configs/stars.toml")).task == "multiclass"


def test_a_zip_that_was_unpacked_is_looked_at_as_it_stands(stages: Command) -> None:
    assert LAYOUTS["label_columns"](Path("data/toxic"))
    assert stages("new", "data/toxic.zip").code == 0
    Path("configs/toxic.toml").unlink()
    again = stages("new", "data/toxic.zip")
    assert again.code == 0
    assert "data/toxic is there already and is looked at as it stands" in again.out


def test_archives_inside_a_folder_are_unpacked_beside_themselves() -> None:
    with_ids(Path("data/fire"))
    for name in ("train", "test"):
        with zipfile.ZipFile(f"data/fire/{name}.csv.zip", "w") as archive:
            archive.write(f"data/fire/{name}.csv", f"{name}.csv")
        Path(f"data/fire/{name}.csv").unlink()
    assert loading.load(configuration.write([Path("data/fire")]).path).competition.test == "data/fire/test.csv"


def test_a_sample_without_ids_is_left_out_and_said_so() -> None:
    without_ids(Path("data/one"))
    lines(Path("data/one/sample_submission.csv"), ["label", *("0" for _ in range(40))])
    path = configuration.write([Path("data/one")]).path
    assert loading.load(path).competition.sample_submission is None
    assert "delete that column before you upload" in path.read_text().replace("\n# ", " ")


def test_ids_that_repeat_in_train_are_told(stages: Command) -> None:
    without_ids(Path("data/twice"))
    lines(Path("data/twice/train.csv"), ["id,content,label", *(
        f"c{row // 2},鱼{row}很好吃,{row % 2}" for row in range(60))])
    lines(Path("data/twice/test.csv"), ["id,content", *(f"t{row},鱼{row}很好吃" for row in range(20))])
    Path("data/twice/sample_submission.csv").unlink()
    assert "repeats itself in train" in stages("new", "data/twice").err
