"""JSON and Parquet as tables, other encodings where they are named, and spans as CLUENER nests them."""

import json
import shutil
from pathlib import Path

import pandas as pd
import pytest

from pipeline.competition.readers import conll, delimited, records, spans
from pipeline.config import loading
from pipeline.config.model import Tokens
from pipeline.errors import UserError
from pipeline.files import inputs
from pipeline.runs import opening
from tests.conftest import Command

ROWS = [{"id": 7, "text": "香辣", "label": ["a", "b"], "flag": True, "none": None, "x": 0.5},
        {"id": 8, "text": "好", "label": []}]


@pytest.fixture(autouse=True)
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)


def told(path: str, text: str) -> list[str]:
    Path(path).write_text(text, encoding="utf-8")
    with pytest.raises(UserError) as caught:
        records.read_table(Path(path))
    return caught.value.problems


@pytest.mark.parametrize("shape", ["lines", "array", "wrapped", "indented", "parquet"])
def test_the_same_rows_are_the_same_table_in_every_shape(shape: str) -> None:
    path = Path("a.json" if shape != "parquet" else "a.parquet")
    if shape == "lines":
        path.write_text("".join(json.dumps(row) + "\n" for row in ROWS))
    elif shape == "parquet":
        pd.DataFrame(ROWS).to_parquet(path)
    else:
        path.write_text(json.dumps({"data": ROWS} if shape == "wrapped" else ROWS,
                                   indent=2 if shape == "indented" else None))
    table = records.read_table(path, lambda column: "|" if column == "label" else " ")
    assert table[["id", "text", "label"]].to_numpy().tolist() == [["7", "香辣", "a|b"], ["8", "好", ""]]
    if shape != "parquet":
        assert table[["flag", "none", "x"]].to_numpy().tolist() == [["true", "", "0.5"], ["", "", ""]]


def test_what_is_no_row_is_told_with_its_place() -> None:
    assert told("a.json", '{"a": 1}\n[1]\n{"a": \n') == [
        "a.json, line 2: must be a JSON object, {...}, got a list",
        "a.json, line 3: not valid JSON: Expecting value at character 7"]
    assert told("a.json", "[1, {}]") == ["a.json, object 1: must be a JSON object, {...}, got a number"]
    assert told("a.json", "") == ["a.json: holds no row"]
    [problem] = told("a.json", '{\n"text": {"0": "a"},\n"label": {"0": "1"}\n}')
    assert "is written by column" in problem
    assert "orient='records'" in problem
    [problem] = told("a.json", '{"text": "a\\u0000"}')
    assert problem == r"a.json, line 1, text: cannot hold the character \u0000"
    [problem] = told("a.json", '{"text": ["a b", "c"]}')
    assert "holds ' ', by which the items are joined" in problem
    Path("a.parquet").write_bytes(b"PAR1 and no more")
    with pytest.raises(UserError, match=r"^a.parquet: not a readable Parquet file"):
        records.read_table(Path("a.parquet"))


@pytest.mark.parametrize("encoding", ["GB18030", "BIG5", "UTF-16", "UTF-32", "SHIFT_JIS"])
def test_another_encoding_is_read_where_it_is_named_and_told_where_not(encoding: str) -> None:
    text = "id,text\n" + "".join(f"{row},味道很好日本{row}\n" for row in range(30))
    Path("a.csv").write_bytes(text.encode(encoding))
    table = delimited.read_table(Path("a.csv"), encoding=encoding)
    assert table.text.tolist()[:2] == ["味道很好日本0", "味道很好日本1"]
    with pytest.raises(UserError, match=r"data.encoding = '"):
        delimited.read_table(Path("a.csv"))


def test_a_file_in_utf8_is_read_as_it_is_whatever_is_named() -> None:
    for content in ("id,text\n1,好\n", "\ufeffid,text\n1,好\n"):
        Path("a.csv").write_text(content, encoding="utf-8")
        assert delimited.read_table(Path("a.csv"), encoding="GB18030").to_numpy().tolist() == [["1", "好"]]


def test_a_file_in_neither_encoding_is_refused_with_its_line() -> None:
    Path("a.csv").write_bytes(b"id,text\n1,\xff\xff\xff\n")
    with pytest.raises(UserError, match=r"^a.csv, line 2: must be UTF-8 or GB18030, as data.encoding says"):
        delimited.read_table(Path("a.csv"), encoding="GB18030")


def test_utf8_is_told_from_its_bytes_wherever_a_part_ends() -> None:
    raw = "味道".encode()
    assert all(inputs.is_utf_8([raw[:at], raw[at:]]) for at in range(len(raw)))
    assert not inputs.is_utf_8([raw[:-1]])
    assert not inputs.is_utf_8(["味道".encode("gb18030")])
    assert not inputs.is_utf_8([b"a\0b"])


def test_spans_as_cluener_nests_them_include_both_ends() -> None:
    Path("a.json").write_text(json.dumps({"text": "张三在北京", "label": {
        "name": {"张三": [[0, 1]]}, "address": {"北京": [[3, 4]]}}}) + "\n")
    assert spans.read(Path("a.json"), Tokens(), True).label.tolist() == ["B-name I-name O B-address I-address"]
    Path("a.json").write_text(json.dumps({"text": "张三", "label": {"name": {"张三": [[0]]}}}) + "\n")
    with pytest.raises(UserError, match=r"line 1: label 'name', '张三': must be a list of \[first, last\] characters"):
        spans.read(Path("a.json"), Tokens(), True)


def test_words_with_a_digit_behind_each_character_are_remarked_on() -> None:
    remarks: list[str] = []
    Path("a.conll").write_text("科0\tB-PER\n技1\tI-PER\n\n好0\tO\n", encoding="utf-8")
    conll.read(Path("a.conll"), True, remarks=remarks)
    assert len(remarks) == 1
    assert "'科0'" in remarks[0]
    Path("a.conll").write_text("科\tB-PER\n技1\tI-PER\n", encoding="utf-8")
    conll.read(Path("a.conll"), True, remarks=remarks)
    assert len(remarks) == 1


def test_a_label_without_a_name_is_told(finished_once: Path, stages: Command) -> None:
    shutil.copytree(finished_once / "data", "data")
    shutil.copytree(finished_once / "configs", "configs")
    refused = stages("check", "configs/toy.toml", "--set", "task=multiclass", "--set", 'data.label_names={"0" = "1"}',
                     "--set", "data.sample_submission=")
    assert refused.code == 2
    assert "label '1' has no name in data.label_names" in refused.err


def test_labels_have_names_everywhere_and_a_submission_has_the_files_own(finished_once: Path, stages: Command,
                                                                        monkeypatch: pytest.MonkeyPatch) -> None:
    shutil.copytree(finished_once / "data", "data")
    shutil.copytree(finished_once / "configs", "configs")
    names = ["--set", "task=multiclass", "--set", 'data.label_names={"0" = "差", "1" = "好"}', "--run", "named",
             "--set", "submit.stage=baseline", "--set", "submit.form=labels"]
    assert stages("baseline", "configs/toy.toml", *names).code == 0
    assert stages("submit", "configs/toy.toml", *names).code == 0
    assert set(pd.read_csv("oof/named/baseline.csv").label) == {"差", "好"}
    assert set(pd.read_csv("submissions/named.csv", dtype=str).iloc[:, 1]) <= {"0", "1"}
    run = opening.read(loading.load(Path("configs/toy.toml"), [names[1], names[3], names[9]]))
    assert run.competition.task.output_names == ("差", "好")
