"""Bad tables end with exit code 2, one line a problem, and nothing written; odd but good ones are read exactly."""

import csv
from pathlib import Path

import pandas as pd
import pytest

from pipeline.competition import tables
from pipeline.competition.readers import delimited
from pipeline.competition.tables import Competition
from pipeline.config import loading
from pipeline.errors import UserError
from pipeline.files import inputs
from tests.conftest import Command

CONFIG = "configs/toy.toml"
TRAIN, TEST, SAMPLE = Path("data/train.csv"), Path("data/test.csv"), Path("data/sample_submission.csv")
GOOD = "r1,香,1\nr2,差,0\n"


def files() -> dict[Path, int]:
    """Every file and folder below the project, with the time it was written."""
    return {path: path.stat().st_mtime_ns for path in Path().rglob("*")}


def refused(stages: Command, *settings: str) -> list[str]:
    """What ``check`` tells about tables that it refuses, writing nothing."""
    before = files()
    result = stages("check", CONFIG, *(part for setting in settings for part in ("--set", setting)))
    assert result.code == 2, result.out + result.err
    assert result.out == ""
    assert files() == before
    return result.lines


def read(*settings: str) -> Competition:
    """The tables as every stage gets them."""
    return tables.read(loading.load(Path(CONFIG), list(settings)))


def rows(*lines: str) -> str:
    """A training table of these lines."""
    return "".join(f"{line}\n" for line in ("id,text,label", *lines))


BAD_TRAIN = {
    "empty file": ("", ["data/train.csv: is empty; it must have a header line"]),
    "empty lines only": ("\n\n\n", ["data/train.csv: is empty; it must have a header line"]),
    "header only": ("id,text,label\n", ["data/train.csv: has a header and no rows"]),
    "a column is missing": ("id,txt,label\n" + GOOD, ["data/train.csv: no column 'text'; it has 'id', 'txt', 'label'"]),
    "all columns are missing": ("a\nb\n", [
        "data/train.csv: no column 'id'; it has 'a'; is data.separator what stands between its fields?",
        "data/train.csv: no column 'text'; it has 'a'; is data.separator what stands between its fields?",
        "data/train.csv: no column 'label'; it has 'a'; is data.separator what stands between its fields?"]),
    "a column stands twice": ("id,text,text,label\nr1,a,b,1\n",
                              ["data/train.csv: column 'text' stands twice in the header"]),
    "an id stands twice": (rows("a,香,1", "b,差,0", "a,好,0"),
                           ["data/train.csv, line 4: id 'a' stands twice; ids must be unique"]),
    "an id stands twice, lines counted through a text of two lines": (
        rows('a,"香\n辣",1', "b,差,0", "a,好,0"), ["data/train.csv, line 5: id 'a' stands twice; ids must be unique"]),
    "an id stands eight times": (rows(*["a,香,1", "a,差,0"] * 4), [
        *(f"data/train.csv, line {line}: id 'a' stands twice; ids must be unique" for line in range(3, 8)),
        "data/train.csv: 2 more rows like that"]),
    "an empty id": (rows("a,香,1", ",差,0"), ["data/train.csv, line 3: the id is empty"]),
    "wrong labels": (rows("a,香,1", "b,差,0", "c,好,2", "d,贵,yes", "e,咸,2", "f,淡,", "g,慢,1 ", "h,面,2"), [
        "data/train.csv, column label, line 4: label must be '0' or '1', got '2' (and on 2 more rows)",
        "data/train.csv, column label, line 5: label must be '0' or '1', got 'yes'",
        "data/train.csv, column label, line 7: label must be '0' or '1', got ''",
        "data/train.csv, column label, line 8: label must be '0' or '1', got '1 '"]),
    "as many labels as rows": (rows(*(f"r{row},香,{row}" for row in range(15))), [
        *(f"data/train.csv, column label, line {row + 2}: label must be '0' or '1', got '{row}'"
          for row in range(2, 12)),
        "data/train.csv, column label: 3 other values are wrong too; is this where the labels are?"]),
    "one class": (rows("a,香,1", "b,辣,1"),
                  ["data/train.csv, column label: no row has label '0'; training needs both classes"]),
    "a blank text": (rows("a,香,1", "b,,0", "c, 　\t,0"), [
        f"data/train.csv, line {line}: the text is empty (data.empty_text = 'keep' allows it)" for line in (3, 4)]),
    "too few and too many fields": (rows("a,香,1", "b,0", "c,好,吃,1", "", "d,贵,0"), [
        f"data/train.csv, line {line}: must have 3 fields as the header has, got {count}"
        for line, count in ((3, 2), (4, 4), (5, 0))]),
    "eight rows with too few fields": (rows(*["a,香"] * 8), [
        *(f"data/train.csv, line {line}: must have 3 fields as the header has, got 2" for line in range(2, 7)),
        "data/train.csv: 3 more rows like that"]),
    "a NUL": (rows("a,香,1", "b,\0,0"),
              ["data/train.csv, line 3: holds a NUL character; the file is damaged or not text (UTF-16?)"]),
    "the header in the middle": (rows("a,香,1", "id,text,label", "b,差,0"), [
        "data/train.csv, line 3: repeats the header; are these files put together?"]),
    "a byte order mark in the middle": (rows("a,香,1", "\ufeffb,差,0"), [
        "data/train.csv, line 3: an id holds a byte order mark, got '\\ufeffb'; are these files put together?"]),
    "labels written otherwise": (rows("a,香,True", "b,差,False"), [
        "data/train.csv, column label, line 2: label must be '0' or '1', got 'True'",
        "data/train.csv, column label, line 3: label must be '0' or '1', got 'False'",
        "data/train.csv, column label: if 'True' is the positive label: data.labels = [\"False\", \"True\"]"]),
    "a zip archive": ("PK\x03\x04 and so on", [
        "data/train.csv: is a zip archive; unpack it and name the file inside: unzip data/train.csv"]),
    "several kinds of problems": (rows("a,香,1", "a,差,3", "b,,0"), [
        "data/train.csv, line 3: id 'a' stands twice; ids must be unique",
        "data/train.csv, line 4: the text is empty (data.empty_text = 'keep' allows it)",
        "data/train.csv, column label, line 3: label must be '0' or '1', got '3'"]),
}


@pytest.mark.parametrize(("content", "problems"), BAD_TRAIN.values(), ids=BAD_TRAIN)
def test_a_bad_training_table_is_refused_line_by_line(
        project: Path, stages: Command, content: str, problems: list[str]) -> None:
    TRAIN.write_text(content, newline="")
    assert refused(stages) == problems


def test_thousands_of_wrong_columns_are_told_in_a_few_lines_of_a_thousand_characters(
        project: Path, stages: Command) -> None:
    names = [f"{'x' * 2_000}{number}" for number in range(2_000)]
    TRAIN.write_text(",".join(names * 2))
    lines = refused(stages)
    assert len(lines) == 7
    assert max(map(len, lines)) <= 1_000
    assert lines[0].startswith("data/train.csv: column 'xxx")
    assert lines[0].endswith("xxx0' stands twice in the header")
    assert lines[5:] == ["data/train.csv: 1995 more columns like that", "data/train.csv: has a header and no rows"]


@pytest.mark.parametrize("path", [TRAIN, TEST, SAMPLE])
def test_a_missing_table_is_refused(project: Path, stages: Command, path: Path) -> None:
    path.unlink()
    assert refused(stages) == [f"{path}: no such file; put it there, or link the folder that holds it"]


@pytest.mark.parametrize(("path", "problem"), [
    (TRAIN, "must be a file, got a folder"), (TEST, "must be a file, got a folder"),
    (SAMPLE, "must be a file, got a folder")])
def test_an_empty_directory_in_place_of_a_table_is_refused(
        project: Path, stages: Command, path: Path, problem: str) -> None:
    path.unlink()
    path.mkdir()
    assert refused(stages) == [f"{path}: {problem}"]


def test_a_path_that_no_file_can_have_is_refused(project: Path, stages: Command) -> None:
    problem, = refused(stages, f"data.train={'x' * 5000}")
    assert problem.startswith("xxx")
    assert problem.endswith("File name too long")


@pytest.mark.parametrize(("content", "line", "byte", "encoding"), [
    (rows("a,香,1", "b,差,0").encode("gb18030"), 2, "0xcf", "GB18030"),
    (rows("a,味道不错,1", "b,it is 差,0").encode("gb18030"), 2, "0xb5", "GB18030"),
    (rows("a,x,1").encode("utf-16"), 1, "0xff", "UTF-16"),
    (rows("a,x,1").encode() + b"b,\xe9t\xe9,0\n", 3, "0xe9", "WINDOWS-1252"),
    (rows("a,it’s “fine”,1").encode("cp1252"), 2, "0x92", "WINDOWS-1252"),
    (b"\xef\xbb\xbf" + rows("a,x,1").encode() + b"b,\xe9t\xe9,0\n", 3, "0xe9", "WINDOWS-1252"),
], ids=["GBK", "GBK among letters", "UTF-16", "Latin-1", "Windows' quotes", "Latin-1 after a BOM"])
def test_bytes_that_are_not_utf8_are_refused_with_the_way_to_convert_them(
        project: Path, stages: Command, content: bytes, line: int, byte: str, encoding: str) -> None:
    TRAIN.write_bytes(content)
    assert refused(stages) == [f"data/train.csv, line {line}: must be UTF-8, got byte {byte}; it looks like "
                               f"{encoding}: iconv -f {encoding} -t UTF-8 data/train.csv > NEW, or "
                               f"data.encoding = {encoding!r}"]


@pytest.mark.parametrize(("content", "line"), [
    (rows("a,香,1", 'b,"差"了,0', "c,好,1"), 3),
    (rows("a,香,1", 'b,"差,0', "c,好,1", "d,贵,0"), 3),
], ids=["text after a closing quote", "a quote that is never closed"])
def test_quotes_that_do_not_balance_are_refused_where_they_stand(
        project: Path, stages: Command, content: str, line: int) -> None:
    TRAIN.write_text(content)
    problem, = refused(stages)
    assert problem.startswith(f"data/train.csv, line {line}: not valid CSV: ")
    assert "a quote inside a quoted field is written twice (data.quoting = false reads quotes as text)" in problem


@pytest.mark.parametrize(("path", "separator"), [
    ("data/train.csv", "\t"), ("data/train.csv", ";"), ("data/train.csv", "|"), ("data/train.tsv", ","),
    ("data/train.txt", ";"),
])
def test_another_separator_than_the_files_name_says_is_told_by_its_first_line(
        project: Path, stages: Command, path: str, separator: str) -> None:
    other = "," if separator != "," else ";"
    pd.read_csv(TRAIN, dtype=str).assign(text=lambda table: table.text + other).to_csv(path, sep=separator, index=False)
    result = stages("check", CONFIG, "--set", f"data.train={path}")
    assert result.code == 0, result.err
    assert "rows: 48" in result.out


@pytest.mark.parametrize(("path", "given", "is_not", "is_it"), [
    ("data/train.csv", "comma", "a comma", "a tab"), ("data/train.tsv", "tab", "a tab", "a comma"),
    ("data/train.csv", ";", "';'", "'|'"),
])
def test_the_wrong_separator_is_named_and_so_is_the_right_one(
        project: Path, stages: Command, path: str, given: str, is_not: str, is_it: str) -> None:
    right = {"a tab": "\t", "a comma": ",", "'|'": "|"}[is_it]
    header = right.join(["id", "text", "label"])
    Path(path).write_text(f"{header}\n{right.join('a香1')}\n")
    assert refused(stages, f"data.train={path}", f"data.separator='{given}'")[:1] == [
        f"{path}: one column named {header!r}: the separator is not {is_not} but {is_it}; set data.separator"]


def test_rows_that_a_quote_swallows_are_told(project: Path, stages: Command) -> None:
    table = pd.read_csv(TRAIN, dtype=str)
    lines = ["\t".join(row) for row in [list(table.columns), *table.to_numpy().tolist()]]
    lines[4], lines[7] = lines[4].replace("\t", '\t"', 1), lines[7].replace("\t", '"\t', 2).replace('"\t', "\t", 1)
    Path("data/train.tsv").write_text("\n".join(lines) + "\n")
    told, = refused(stages, "data.train=data/train.tsv")
    assert told == ("data/train.tsv, line 5: a quoted field spans lines and holds a tab, as rows do (1 such rows); "
                    "data.quoting = false reads quotes as text, true takes the field as it is")
    tabs = ("--set", "data.train=data/train.tsv", "--set")
    assert "rows: 48" in stages("check", CONFIG, *tabs, "data.quoting=false").out
    assert "rows: 45" in stages("check", CONFIG, *tabs, "data.quoting=true").out
    Path("data/train.tsv").rename("data/tabs.csv")
    commas = Path("data/tabs.csv").read_text().replace("\t", ",")
    TRAIN.write_text(commas)
    shown = stages("check", CONFIG)
    assert shown.code == 0
    assert "data/train.csv, line 5: a quoted field spans lines and holds a comma, as rows do (1 such rows)" in shown.out


def test_a_gzipped_table_is_read(project: Path, stages: Command) -> None:
    import gzip

    plain = stages("check", CONFIG).out
    Path("data/train.csv.gz").write_bytes(gzip.compress(TRAIN.read_bytes()))
    packed = stages("check", CONFIG, "--set", "data.train=data/train.csv.gz")
    assert packed.code == 0, packed.err
    assert packed.out.replace(" --set data.train=data/train.csv.gz", "") == plain
    Path("data/train.csv.gz").write_bytes(gzip.compress(TRAIN.read_bytes())[:-20])
    assert refused(stages, "data.train=data/train.csv.gz")[0].startswith("data/train.csv.gz: cannot be read: ")


BAD_SAMPLE = {
    "unknown and missing id": (lambda text: text.replace("t003,", "zzz,"), [
        "data/sample_submission.csv: 1 ids are not in data/test.csv, for example 'zzz'",
        "data/sample_submission.csv: 1 ids of data/test.csv are missing, for example 't003'"]),
    "missing ids": (lambda text: "ID,P\nt000,0\nt001,0\n", [
        "data/sample_submission.csv: 10 ids of data/test.csv are missing, for example 't002'"]),
    "id twice": (lambda text: text + "t003,0.5\n", ["data/sample_submission.csv: id 't003' stands twice"]),
    "three columns": (lambda text: "ID,P,Q\nt000,0,0\n", [
        "data/sample_submission.csv: there is no label for column 'P'; the labels are '0', '1'; say which column is "
        'whose, for example submit.columns = { "P" = "0", "Q" = "1" }']),
    "four columns": (lambda text: "ID,P,Q,R\nt000,0,0,0\n", [
        "data/sample_submission.csv: there is no label for column 'P'; the labels are '0', '1'; submit.columns says "
        "which column is whose"]),
    "one column": (lambda text: "ID\nt000\n", [
        "data/sample_submission.csv: must have a column of ids and one of predictions or more; got 'ID'"]),
    "header only": (lambda text: "ID,P\n", ["data/sample_submission.csv: has a header and no rows"]),
}


@pytest.mark.parametrize(("edit", "problems"), BAD_SAMPLE.values(), ids=BAD_SAMPLE)
def test_a_sample_submission_that_does_not_fit_the_test_table_is_refused(  # type: ignore[no-untyped-def]
        project: Path, stages: Command, edit, problems: list[str]) -> None:
    SAMPLE.write_text(edit(SAMPLE.read_text()))
    assert refused(stages) == problems


def test_a_sample_submission_of_ids_for_a_test_table_without_them_says_what_an_id_is(
        project: Path, stages: Command) -> None:
    Path(CONFIG).write_text(Path(CONFIG).read_text().replace('id_column = "id"\n', ""))
    assert refused(stages) == [
        "data/sample_submission.csv: 12 ids are not in data/test.csv, for example 't000'",
        "data/sample_submission.csv: 12 ids of data/test.csv are missing, for example '0'",
        "data/sample_submission.csv: without data.id_column a test id is its row number from 0"]


def test_problems_of_all_tables_are_told_at_once(project: Path, stages: Command) -> None:
    TRAIN.write_text(rows("a,香,1", "b,,2"))
    TEST.write_text("id,content\nt1,x\n")
    SAMPLE.write_text("ID,P\nt1,0\nt1,0\n")
    assert refused(stages) == [
        "data/train.csv, line 3: the text is empty (data.empty_text = 'keep' allows it)",
        "data/train.csv, column label, line 3: label must be '0' or '1', got '2'",
        "data/test.csv: no column 'text'; it has 'id', 'content'",
        "data/sample_submission.csv: id 't1' stands twice"]


def test_control_characters_of_a_table_do_not_reach_the_terminal(project: Path, stages: Command) -> None:
    TRAIN.write_text(rows("a\x1b[31m,香,1", "a\x1b[31m,差,0\u202e"))
    assert refused(stages) == [r"data/train.csv, line 3: id 'a\x1b[31m' stands twice; ids must be unique",
                               r"data/train.csv, column label, line 3: label must be '0' or '1', got '0\u202e'"]
    assert refused(stages, r'data.train="data/\u001b[31m.csv"') == [
        r"data/\x1b[31m.csv: no such file; put it there, or link the folder that holds it"]


@pytest.mark.parametrize("stage", ["folds", "baseline", "stage1", "stage2", "submit", "report"])
def test_a_stage_that_refuses_its_tables_makes_no_run(project: Path, stages: Command, stage: str) -> None:
    TRAIN.write_text("")
    result = stages(stage, CONFIG)
    assert result.code == 2
    assert result.lines == ["data/train.csv: is empty; it must have a header line"]
    assert not Path("models").exists()


ODD_TRAIN = {
    "BOM": ("\ufeff" + rows("a,香,1", "b,差,0"), ["a", "b"], ["香", "差"]),
    "CRLF": (rows("a,香,1", "b,差,0").replace("\n", "\r\n"), ["a", "b"], ["香", "差"]),
    "no newline at the end": (rows("a,香,1", "b,差,0").rstrip("\n"), ["a", "b"], ["香", "差"]),
    "empty lines at the end": (rows("a,香,1", "b,差,0", "", ""), ["a", "b"], ["香", "差"]),
    "quoted newlines, commas and quotes": (
        rows('a,"香,\n""辣""\r\n ",1', '"b,""",差,0'), ["a", 'b,"'], ['香,\n"辣"\r\n ', "差"]),
    "a quote inside an unquoted field": (rows('a,5" 大,1', "b,差,0"), ["a", "b"], ['5" 大', "差"]),
    "what looks like a number or a missing value": (
        rows("007,NA,1", "1e3,null,0", "NA,1.0,1", "nan,0x1F,0", "None,True,0"),
        ["007", "1e3", "NA", "nan", "None"], ["NA", "null", "1.0", "0x1F", "True"]),
    "spaces around": (rows(" a, 香 ,1", "a,差,0"), [" a", "a"], [" 香 ", "差"]),
    "other line separators than newlines": (
        rows("a,香\u2028辣\x85,1", "b,\x0b差\x1e,0"), ["a", "b"], ["香\u2028辣\x85", "\x0b差\x1e"]),
    "columns in another order and more of them": (
        "label,line,text,,id\n1,x,香,y,a\n0,x,差,y,b\n", ["a", "b"], ["香", "差"]),
}


@pytest.mark.parametrize(("content", "ids", "texts"), ODD_TRAIN.values(), ids=ODD_TRAIN)
def test_an_odd_but_good_table_is_read_exactly(project: Path, content: str, ids: list[str], texts: list[str]) -> None:
    TRAIN.write_text(content, encoding="utf-8", newline="")
    train = read().train
    assert train.id.tolist() == ids
    assert train.text.tolist() == texts


def test_tab_separated_tables_without_quoting_keep_every_quote(project: Path, stages: Command) -> None:
    path = Path("data/train.tsv")
    path.write_text('id\ttext\tlabel\na\t"香\t1\nb\t差,"" 了\t0\n')
    train = read("data.train=data/train.tsv", "data.quoting=false", f"data.test={TEST}").train
    assert train.text.tolist() == ['"香', '差,"" 了']
    assert "not valid CSV" in "".join(refused(stages, "data.train=data/train.tsv"))


def test_blank_texts_are_kept_where_the_config_says_so(project: Path, stages: Command) -> None:
    train = pd.read_csv(TRAIN).assign(text=lambda table: table.text.where(table.index != 2, " 　"))
    train.to_csv(TRAIN, index=False)
    assert stages("check", CONFIG, "--set", "data.empty_text=keep").code == 0
    assert read("data.empty_text=keep").train.text[2] == " 　"


def test_an_empty_line_of_a_one_column_table_is_a_text_so_that_row_numbers_do_not_shift(
        project: Path, stages: Command) -> None:
    Path(CONFIG).write_text(Path(CONFIG).read_text().replace('id_column = "id"\n', ""))
    TEST.write_text("text\n香\n\n差\n")
    SAMPLE.write_text("ID,P\n2,0\n0,0\n1,0\n")
    assert refused(stages) == ["data/test.csv, line 3: the text is empty (data.empty_text = 'keep' allows it)"]
    found = read("data.empty_text=keep")
    assert found.test.id.tolist() == ["0", "1", "2"]
    assert found.test.text.tolist() == ["香", "", "差"]
    assert found.train.id.tolist() == [str(row) for row in range(48)]


def test_odd_ids_reach_the_submission_exactly(project: Path, stages: Command) -> None:
    ids = ["007", "7", "1e3", "1000", "NA", "nan", "None", " x", "a,b", 'a"b', "a\nb", "x" * 300]
    train, test = pd.read_csv(TRAIN), pd.read_csv(TEST)
    train.assign(id=[*ids, *train.id[len(ids):]]).to_csv(TRAIN, index=False, quoting=csv.QUOTE_ALL)
    test.assign(id=ids).to_csv(TEST, index=False, quoting=csv.QUOTE_ALL)
    pd.DataFrame({"ID": ids[::-1], "P": 0}).to_csv(SAMPLE, index=False, quoting=csv.QUOTE_ALL)
    for stage in ("baseline", "submit", "report"):
        for _ in ("dealt", "read back"):
            result = stages(stage, CONFIG, "--set", "submit.stage=baseline")
            assert result.code == 0, result.err
    submission = delimited.read_table(Path("submissions/toy.csv"))
    assert submission.ID.tolist() == ids[::-1]
    assert delimited.read_table(Path("models/toy/folds.csv")).id.tolist()[:len(ids)] == ids


def test_an_id_with_a_carriage_return_is_refused(project: Path, stages: Command) -> None:
    TRAIN.write_text(rows('"a\rb",香,1', "c,差,0"), newline="")
    problem, = refused(stages)
    assert problem.startswith("data/train.csv, line 2: ")
    assert r"'a\rb'" in problem


def test_two_text_columns_are_a_pair_of_which_one_may_be_blank(project: Path, stages: Command) -> None:
    columns = "data.text_columns=['question', 'answer']"
    TRAIN.write_text("id,question,answer,label\na,香?,香!,1\nb,,差,0\nc,好,,0\n")
    TEST.write_text("id,answer,question\n" + "".join(f"t{row:03d},答,问\n" for row in range(12)))
    found = read(columns)
    assert found.train[["text", "text_pair"]].to_numpy().tolist() == [["香?", "香!"], ["", "差"], ["好", ""]]
    assert found.test.text.tolist() == ["问"] * 12
    assert found.test.text_pair.tolist() == ["答"] * 12
    TRAIN.write_text("id,question,answer,label\na,香?,香!,1\nb, ,,0\n")
    assert refused(stages, columns) == [
        "data/train.csv, line 3: the text is empty (data.empty_text = 'keep' allows it)"]


@pytest.mark.parametrize("tokenizer", ["characters", "wordpiece"])
@pytest.mark.parametrize("unit", ["香", "a", "a "])
def test_a_text_of_a_million_characters_does_not_hang(
        project: Path, stages: Command, tokenizer: str, unit: str) -> None:
    train = pd.read_csv(TRAIN)
    train.loc[0, "text"] = (unit * 1_000_000)[:1_000_000]
    train.to_csv(TRAIN, index=False)
    result = stages("check", CONFIG, "--set", f"tokens.tokenizer={tokenizer}")
    assert result.code == 0, result.err


def test_a_damaged_character_in_utf8_is_told_as_one(project: Path, stages: Command) -> None:
    TRAIN.write_bytes(rows("a,味道很好,1", "b,差,0").encode().replace("差".encode(), "差".encode()[:2]))
    assert refused(stages) == ["data/train.csv, line 3: must be UTF-8, got byte 0xe5; the rest is UTF-8, so the file "
                               "is damaged there: mend that line"]


@pytest.mark.parametrize("header", ["id;text;label", 'id;"text, cleaned";label'])
def test_a_separator_is_told_by_what_all_lines_hold(project: Path, stages: Command, header: str) -> None:
    lines = [header, *(f"{row.id};{row.text}, so{', so' * (number % 2)};{row.label}"
                       for number, row in enumerate(pd.read_csv(TRAIN, dtype=str).itertuples()))]
    TRAIN.write_text("\n".join(lines) + "\n")
    name = "text, cleaned" if "," in header else "text"
    Path("data/test.csv").write_text(Path("data/test.csv").read_text().replace("text", f'"{name}"'))
    result = stages("check", CONFIG, "--set", f'data.text_columns=["{name}"]')
    assert result.code == 0, result.err


def test_a_column_whose_name_holds_a_comma_is_read(project: Path) -> None:
    path = Path("data/one.csv")
    pd.DataFrame({"text, cleaned": ["香", "菜, 鱼"]}).to_csv(path, index=False)
    assert delimited.read_table(path)["text, cleaned"].tolist() == ["香", "菜, 鱼"]


def test_rows_with_carriage_returns_for_ends_are_not_swallowed_either(project: Path) -> None:
    path = Path("data/train.tsv")
    path.write_bytes(b'id\ttext\r1\t"abc\r2\tdef\r3\tghi"\r')
    with pytest.raises(UserError, match="line 2: a quoted field spans lines and holds a tab"):
        delimited.read_table(path)


@pytest.mark.parametrize(("text", "codec", "name"), [
    ("この店のラーメンはとてもおいしい", "shift_jis", "SHIFT_JIS"),
    ("この店のラーメンはとてもおいしい", "euc_jp", "EUC-JP"),
    ("이 식당은 정말 맛있어요 또 올게요", "euc_kr", "EUC-KR"), ("這家餐廳的味道很好，下次還會再來", "big5", "BIG5"),
    ("这家餐厅的味道很好，下次还会再来", "gb18030", "GB18030"), ("очень вкусно и быстро", "cp1251", "WINDOWS-1251"),
    ("it’s “fine” – really", "cp1252", "WINDOWS-1252"),
])
def test_an_encoding_is_told_by_the_common_characters_of_its_language(text: str, codec: str, name: str) -> None:
    assert inputs.guessed_encoding(f"id,text,label\na,{text},1\n".encode(codec)) == name


@pytest.mark.parametrize(("begin", "what"), [
    (b"PAR1", "a Parquet file"), (b"BZh9", "packed with bzip2"), (b"\xd0\xcf\x11\xe0", "an Excel workbook"),
    (b"PK\x03\x04....xl/workbook.xml", "an Excel workbook"),
])
def test_a_container_is_told_as_what_it_is(project: Path, stages: Command, begin: bytes, what: str) -> None:
    TRAIN.write_bytes(begin + b"\0\1\2")
    assert refused(stages)[0].startswith(f"data/train.csv: is {what}; ")


@pytest.mark.parametrize(("header", "line", "columns"), [
    ("id,label,text,left|right", 'a,1,"x, y",p|q', 4), ("label,text", 'a|b,"soup, x, x"', 2),
    ("id;text, cleaned;label", "a;x;1", 3),
])
def test_a_separator_is_told_by_fields_and_not_by_signs_in_quotes(project: Path, header: str, line: str, columns: int
                                                                  ) -> None:
    path = Path("data/some.csv")
    path.write_text("\n".join([header, *[line] * 30]) + "\n")
    assert delimited.read_table(path).shape == (30, columns)


def test_a_quote_in_a_file_of_one_column_is_told(project: Path, stages: Command) -> None:
    path = Path("data/lines.csv")
    path.write_text('text\na\n"b\nc\nd"\ne\n')
    remarks: list[str] = []
    assert len(delimited.read_table(path, remarks=remarks)) == 3
    assert remarks == ["data/lines.csv, line 3: a quoted field spans lines, as rows do (1 such rows); if quotes are "
                       "text in this file: data.quoting = false"]


@pytest.mark.parametrize("header", ["ID,Text,Label", "label,text,id", " id ,text,label "])
def test_a_header_in_the_middle_is_told_however_it_is_written(project: Path, stages: Command, header: str) -> None:
    TRAIN.write_text(rows("a,香,1", header, "b,差,0"))
    assert refused(stages) == ["data/train.csv, line 3: repeats the header; are these files put together?"]


@pytest.mark.parametrize(("labels", "hint"), [("spam ham", '["ham", "spam"]'), ("yes no", '["no", "yes"]'),
                                              ("-1 1", '["-1", "1"]'), ("True False", '["False", "True"]')])
def test_two_other_labels_are_named_with_the_key_that_takes_them(project: Path, stages: Command, labels: str, hint: str
                                                                 ) -> None:
    train = pd.read_csv(TRAIN, dtype=str)
    train.assign(label=[labels.split()[row % 2] for row in range(len(train))]).to_csv(TRAIN, index=False)
    last = refused(stages)[-1]
    assert last.endswith(f"is the positive label: data.labels = {hint}")
    assert stages("check", CONFIG, "--set", f"data.labels={hint}").code == 0
