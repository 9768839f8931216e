"""Every format is read exactly as it stands, and what is wrong with a file is told with its place."""

import json
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from pipeline.competition import tables
from pipeline.competition.readers import by_format, conll, delimited, spans
from pipeline.competition.readers import folders as class_folders
from pipeline.competition.tables import Competition
from pipeline.config.model import Tokens
from pipeline.config.run import Config
from pipeline.doctor import repeated_texts
from pipeline.errors import MismatchError, UserError
from pipeline.files.snapshot import Inputs
from pipeline.tasks.tag_schemes import TAG

GOOD = "id,text,label\nr1,香,1\nr2,差,0\n"
IMDB = {"neg": {"0_2.txt": "dull\n", "10_1.txt": "weak"},
        "pos": {"0_9.txt": "\ufeffgood<br />\r\n", "1_8.txt": " fine"}, "unsup": {"0_0.txt": "unknown"}}
ODD = ["\u3000", "\xa0", "\u2028", "\x85", "\x0b", "\x1c", "\u200b", "\ufeff", "-", "#", "O", "😀", "\x1b[31m"]
CHARACTERS = st.characters(exclude_categories=["Cs"], exclude_characters="\0\n\r\t ")
FIELDS = st.one_of(st.sampled_from(ODD), st.text(CHARACTERS, min_size=1, max_size=6))


@pytest.fixture(autouse=True)
def _in_a_folder_of_its_own(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)


def config(task: str = "binary", dealt: dict[str, Any] | None = None, **data: Any) -> Config:
    """A configuration of these data, with the training file "train.csv" unless one is given."""
    fits_every_task = {"stage1": {"loss": "focal", "monitor": "f1"}, "stage2": {"monitor": "f1"},
                       "submit": {"metric": "f1"}}
    return Config.model_validate({"name": "run", "task": task, "bert": {"random": {}}, "folds": dealt or {},
                                  "data": {"train": "train.csv"} | data} | fits_every_task)


def read(task: str = "binary", dealt: dict[str, Any] | None = None, **data: Any) -> Competition:
    return tables.read(config(task, dealt, **data))


def told(action: Callable[[], object]) -> list[str]:
    """The problems that it ends with."""
    with pytest.raises(UserError) as caught:
        action()
    return caught.value.problems


def write(path: str, content: str | bytes) -> Path:
    file = Path(path)
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_bytes(content if isinstance(content, bytes) else content.encode())
    return file


def make_tree(root: str, tree: dict[str, dict[str, str]]) -> Path:
    for label, texts in tree.items():
        for name, text in texts.items():
            write(f"{root}/{label}/{name}", text)
    return Path(root)


def jsonl(*rows: object) -> str:
    return "".join(json.dumps(row, ensure_ascii=False) + "\n" for row in rows)


# Tables

def test_a_file_of_labels_and_texts_without_a_header_is_read_from_its_first_line() -> None:
    write("train.tsv", '1\t"香\n0\t差,"" 了\n')
    found = read(train="train.tsv", header=["label", "text"], quoting=False)
    assert found.train[["id", "text", "label"]].to_numpy().tolist() == [["0", '"香', 1], ["1", '差,"" 了', 0]]
    assert found.train.place.tolist() == ["line 1", "line 2"]


@pytest.mark.parametrize(("content", "problems"), [
    ("1\t香\n0\n1\ta\tb\n", [", line 2: must have 2 fields as data.header has, got 1",
                            ", line 3: must have 2 fields as data.header has, got 3"]),
    ("\n\n", [": is empty; it must have a row"]),
    ("", [": is empty; it must have a row"]),
])
def test_a_bad_file_without_a_header_is_refused_by_the_rule_of_the_config(content: str, problems: list[str]) -> None:
    write("train.tsv", content)
    assert told(lambda: read(train="train.tsv", header=["label", "text"])) == [
        f"train.tsv{problem}" for problem in problems]


def test_an_empty_line_of_a_file_of_texts_without_a_header_is_a_text() -> None:
    write("a.txt", "香\n\n差\n\n")
    table = delimited.read_table(Path("a.txt"), header=["text"])
    assert table.text.tolist() == ["香", "", "差"]
    assert table.index.tolist() == ["line 1", "line 2", "line 3"]


def test_without_test_data_nothing_is_read_and_there_are_no_test_rows() -> None:
    write("train.csv", GOOD)
    found = read(id_column="id")
    assert found.test.columns.tolist() == ["id", "text"]
    assert found.test.empty
    assert found.sample is None
    write("train.csv", "a,b,label\nx,y,1\nz,w,0\n")
    assert read(text_columns=["a", "b"]).test.columns.tolist() == ["id", "text", "text_pair"]


def test_columns_of_0_and_1_are_the_names_of_a_row() -> None:
    write("train.csv", "text,toxic,rude,mild\na,1,0,1\nb,0,0,0\nc,0,1,0\n")
    found = read("multilabel", label_columns=["toxic", "rude", "mild"])
    assert found.train.label.tolist() == ["toxic|mild", "", "rude"]


def test_columns_of_several_outputs_are_one_label() -> None:
    write("train.csv", "text,kind,place\na,x,1\nb,y,2\nc,x,3\n")
    found = read("multioutput", label_columns=["kind", "place"])
    assert len(found.train.label) == 3
    assert found.task.encode(["x\x1f1", "y\x1f2", "x\x1f3"]).tolist() == found.train.label.tolist()


BAD_COLUMNS = {
    "neither 0 nor 1": ("multilabel", "text,a,b\nx,1,0\ny,2,1\nz,0,\n", [
        ", column a, line 3: must be 0 or 1, got '2'", ", column b, line 4: must be 0 or 1, got ''"]),
    "neither 0 nor 1 in many rows": ("multilabel", "text,a,b\n" + "x,1,1\n" * 3 + "y,yes,1\n" * 7, [
        *(f", column a, line {line}: must be 0 or 1, got 'yes'" for line in range(5, 10)), ": 2 more rows like that"]),
    "neither 0 nor 1 in all rows": ("multilabel", "text,a,b\nx,yes,0\ny,no,1\n", [
        ", column a, line 2: must be 0 or 1, got 'yes'", ", column a, line 3: must be 0 or 1, got 'no'"]),
    "columns are missing": ("multilabel", "text,c\nx,1\n", [
        ": no column 'a'; it has 'text', 'c'", ": no column 'b'; it has 'text', 'c'"]),
    "columns of outputs are missing": ("multioutput", "text,b\nx,1\n", [": no column 'a'; it has 'text', 'b'"]),
    "a separator in a value": ("multioutput", "text,a,b\nx,1,\x1f\ny,2,2\nz,1,2\n", [
        r", column b, line 2: cannot hold the character \x1f, got '\x1f'"]),
}


@pytest.mark.parametrize(("task", "content", "problems"), BAD_COLUMNS.values(), ids=BAD_COLUMNS)
def test_bad_columns_of_labels_are_told_by_column_and_line(task: str, content: str, problems: list[str]) -> None:
    write("train.csv", content)
    found = told(lambda: read(task, label_columns=["a", "b"]))
    assert found == [f"train.csv{problem}" for problem in problems]


@pytest.mark.parametrize(("name", "separator"), [("a|b", "|"), ("", "|"), ("a, b", ", ")])
def test_a_label_whose_name_could_be_two_is_refused(name: str, separator: str) -> None:
    assert told(lambda: read("multilabel", label_columns=["c", name], label_separator=separator)) == [
        f"data.label_columns: a label's name must not be empty nor hold data.label_separator, {separator!r}; "
        f"got {name!r}"]


def test_words_and_tags_of_a_table_are_taken_as_they_stand() -> None:
    write("train.csv", "id,text,label\na,New York \u3000,B-LOC I-LOC O\nb,x,O\n")
    found = read("tags", id_column="id")
    assert found.train.text.tolist() == ["New York \u3000", "x"]
    assert found.train.label.tolist() == ["B-LOC I-LOC O", "O"]


def test_a_table_has_a_tag_for_each_word() -> None:
    write("train.csv", "id,text,label\na,New York,B-LOC\nb,x  y,O O O\nc,x,B-LOC\n")
    with pytest.raises(UserError) as refused:
        read("tags", id_column="id")
    assert refused.value.problems == [
        "train.csv, column label, line 2: must have a tag for each of its 2 words, got 1",
        "train.csv, column label, line 3: words must have one space between them and none around them"]


# Folders

def test_a_folder_a_class_is_read_by_class_and_name_without_the_unlabelled() -> None:
    root = make_tree("aclImdb/train", IMDB)
    write("aclImdb/train/urls_neg.txt", "http://a\n")
    write("aclImdb/train/labeledBow.feat", "9 0:9\n")
    write("aclImdb/train/pos/notes.md", "no text")
    write("aclImdb/train/pos/._1_8.txt", b"\x00\xff")
    write("aclImdb/train/.cache/x.txt", "hidden")
    table = class_folders.read(root, labelled=True)
    assert table.to_numpy().tolist() == [["neg/0_2.txt", "dull", "neg"], ["neg/10_1.txt", "weak", "neg"],
                                         ["pos/0_9.txt", "good<br />", "pos"], ["pos/1_8.txt", " fine", "pos"]]
    assert table.columns.tolist() == ["id", "text", "label"]
    assert table.index.tolist() == table.id.tolist()


def test_test_texts_lie_in_class_folders_or_in_the_folder_itself() -> None:
    root = make_tree("test", IMDB)
    write("test/urls_neg.txt", "http://a\n")
    table = class_folders.read(root, labelled=False)
    assert table.id.tolist() == ["neg/0_2.txt", "neg/10_1.txt", "pos/0_9.txt", "pos/1_8.txt"]
    assert table.columns.tolist() == ["id", "text"]
    write("flat/2.txt", "b")
    write("flat/10.txt", "a")
    assert class_folders.read(Path("flat"), labelled=False).to_numpy().tolist() == [["10.txt", "a"], ["2.txt", "b"]]


def test_folders_are_a_whole_competition() -> None:
    make_tree("train", IMDB)
    make_tree("test", IMDB)
    make_tree("dev", IMDB)
    found = read(train="train", test="test", labels=["neg", "pos"], dealt={"method": "given", "dev": "dev"},
                 id_column="ignored", label_column="ignored")
    assert found.train.id.tolist()[3:5] == ["train-pos/1_8.txt", "dev-neg/0_2.txt"]
    assert found.train.label.tolist() == [0, 0, 1, 1] * 2
    assert found.test.id.tolist() == ["neg/0_2.txt", "neg/10_1.txt", "pos/0_9.txt", "pos/1_8.txt"]


def test_a_label_or_text_that_the_task_refuses_is_told_with_its_file() -> None:
    make_tree("train", {"neg": {"1.txt": "a"}, "odd": {"1.txt": "b", "2.txt": " \u3000\n"}, "pos": {"1.txt": "c"}})
    assert told(lambda: read(train="train", labels=["neg", "pos"])) == [
        "train, odd/2.txt: the text is empty (data.empty_text = 'keep' allows it)",
        "train, odd/1.txt: label must be 'neg' or 'pos', got 'odd' (and on 1 more rows)"]


def test_links_to_files_and_folders_are_followed() -> None:
    make_tree("kept", {"a": {"1.txt": "x"}})
    write("train/b/1.txt", "y")
    Path("train/a").symlink_to("../kept/a")
    Path("train/b/2.txt").symlink_to("../../kept/a/1.txt")
    assert class_folders.read(Path("train"), labelled=True).text.tolist() == ["x", "y", "x"]


def a_pipe() -> None:
    write("train/a/0.txt", "x")
    os.mkfifo("train/a/1.txt")


def a_link_to_nothing() -> None:
    write("train/a/1.txt", "x")
    Path("train/a/2.txt").symlink_to("none")


def a_name_that_is_not_utf8() -> None:
    write("train/a/1.txt", "x")
    Path(os.fsdecode(b"train/a/\xe9.txt")).touch()


BAD_FOLDERS = {
    "nothing there": (lambda: None, ["train: no such folder; put it there, or link the one that holds it"]),
    "a file": (lambda: write("train", "x"), ["train: must be a folder that holds a folder for each class"]),
    "an empty folder": (lambda: Path("train").mkdir(), ["train: must hold a folder for each class, got none"]),
    "no class": (lambda: write("train/1.txt", "x"), ["train: must hold a folder for each class, got none"]),
    "nothing but unlabelled": (lambda: write("train/unsup/1.txt", "x"),
                               ["train: must hold a folder for each class, got none"]),
    "classes without texts": (lambda: [write(f"train/{name}/1.md", "x") for name in "ab"],
                              ["train, a: holds no .txt file", "train, b: holds no .txt file"]),
    "Latin-1": (lambda: (write("train/a/1.txt", "x"), write("train/a/2.txt", b"x\ny\xe9")),
                ["train, a/2.txt, line 2: must be UTF-8, got byte 0xe9; "
                 "it looks like WINDOWS-1252: iconv -f WINDOWS-1252 -t UTF-8 train/a/2.txt > NEW, or "
                 "data.encoding = 'WINDOWS-1252'"]),
    "a NUL": (lambda: write("train/a/1.txt", "\n\0"),
              ["train, a/1.txt, line 2: holds a NUL character; the file is damaged or not text (UTF-16?)"]),
    "a pipe": (a_pipe, ["train, a/1.txt: must be a file, got a pipe"]),
    "a folder as a text": (lambda: Path("train/a/1.txt").mkdir(parents=True),
                           ["train, a/1.txt: must be a file, got a folder"]),
    "a link to nothing": (a_link_to_nothing,
                          ["train, a/2.txt: no such file; put it there, or link the folder that holds it"]),
    "a text too long": (lambda: write("train/a/1.txt", "香" * 1_000_001),
                        ["train, a/1.txt: must have at most 1,000,000 characters, got 1,000,001"]),
    "a file too large": (lambda: write("train/a/1.txt", "x" * 4_000_001),
                         ["train, a/1.txt: must have at most 4,000,000 bytes, got 4,000,001; is it the right file?"]),
    "a name that is not UTF-8": (a_name_that_is_not_utf8, ["train, a/\udce9.txt: its name must be UTF-8"]),
    "seven bad texts": (lambda: [write(f"train/a/{name}.txt", "\0") for name in range(7)], [
        *(f"train, a/{name}.txt, line 1: holds a NUL character; the file is damaged or not text (UTF-16?)"
          for name in range(5)), "train: 2 more files or folders like that"]),
}


@pytest.mark.parametrize(("make", "problems"), BAD_FOLDERS.values(), ids=BAD_FOLDERS)
def test_bad_folders_are_told_file_by_file(make: Callable[[], object], problems: list[str]) -> None:
    make()
    assert told(lambda: class_folders.read(Path("train"), labelled=True)) == problems


def test_a_folder_of_test_data_without_texts_is_refused() -> None:
    write("test/1.md", "x")
    assert told(lambda: class_folders.read(Path("test"), labelled=False)) == ["test: holds no .txt file"]


# Words with tags

CONLL = "-DOCSTART- -X- -X- O\n\nEU NNP B-NP B-ORG\nrejects VBZ B-VP O\n\n\n# # O O\n \n"


def test_words_and_tags_are_the_first_and_last_column() -> None:
    table = conll.read(write("a.conll", CONLL), labelled=True)
    assert table.to_numpy().tolist() == [["0", "EU rejects", "B-ORG O"], ["1", "#", "O"]]
    assert table.index.tolist() == ["line 3", "line 7"]
    assert conll.read(Path("a.conll"), labelled=False).columns.tolist() == ["id", "text"]


@pytest.mark.parametrize("content", [
    "\ufeff香\tO\n辣\tB-X\n\n\u3000\tO\n\xa0\tO", "香 O\r\n辣 B-X\r\n\r\n\u3000 O\r\n\xa0 O\r\n",
    "\n\n香  O \n辣 \tB-X\n\t\n\u3000 O\n\xa0 O\n"],
    ids=["BOM and tabs", "CRLF", "more spaces and lines"])
def test_words_of_odd_white_space_are_words(content: str) -> None:
    table = conll.read(write("a.bio", content), labelled=True)
    assert table.text.tolist() == ["香 辣", "\u3000 \xa0"]
    assert table.label.tolist() == ["O B-X", "O O"]


def test_test_data_may_have_words_alone() -> None:
    assert conll.read(write("a.conll", "香\n辣\n\n好\n"), labelled=False).to_numpy().tolist() == [
        ["0", "香 辣"], ["1", "好"]]


BAD_CONLL = {
    "empty": ("", [": holds no text"]),
    "empty lines and documents only": ("\n-DOCSTART- O\n\n \n", [": holds no text"]),
    "words without tags": ("a O\nb\n\nc\nd X O\n", [", line 2: must have a word and its tag, got 'b' alone",
                                                   ", line 4: must have a word and its tag, got 'c' alone",
                                                   ", line 5: must have 2 columns as line 1 has, got 3"]),
    "a tag without its word": ("a\tO\n\tO\n", [", line 2: must have a word and its tag, got 'O' alone"]),
    "another number of columns": ("a X O\nb O\n\nc X Y O\n", [", line 2: must have 3 columns as line 1 has, got 2",
                                                             ", line 4: must have 3 columns as line 1 has, got 4"]),
    "Latin-1": (b"a O\n\xe9 O\n", [", line 2: must be UTF-8, got byte 0xe9; "
                                   "it looks like WINDOWS-1252: iconv -f WINDOWS-1252 -t UTF-8 a.conll > NEW, or "
                                   "data.encoding = 'WINDOWS-1252'"]),
    "a NUL": ("a O\n\0 O\n", [", line 2: holds a NUL character; the file is damaged or not text (UTF-16?)"]),
    "a word too long": ("a O\n" + "x" * 1_001 + " O\n", [
        ", line 2: a word must have at most 1,000 characters, got 1,001; is it one word a line?"]),
    "a text too long": ("\n" + ("x" * 999 + " O\n") * 1_001, [
        ", line 2: a text must have at most 1,000,000 characters, got 1,000,999; an empty line ends a text"]),
    "seven words without tags": ("a O\n" + "b\n" * 7, [
        *(f", line {line}: must have a word and its tag, got 'b' alone" for line in range(2, 7)),
        ": 2 more lines like that"]),
}


@pytest.mark.parametrize(("content", "problems"), BAD_CONLL.values(), ids=BAD_CONLL)
def test_bad_words_and_tags_are_told_line_by_line(content: str | bytes, problems: list[str]) -> None:
    path = write("a.conll", content)
    assert told(lambda: conll.read(path, labelled=True)) == [f"a.conll{problem}" for problem in problems]


def test_columns_of_test_data_must_be_alike_too() -> None:
    path = write("a.conll", "a\nb c\n")
    assert told(lambda: conll.read(path, labelled=False)) == [
        "a.conll, line 2: must have 1 columns as line 1 has, got 2"]


@given(texts=st.lists(st.lists(st.tuples(FIELDS, FIELDS), min_size=1, max_size=5), min_size=1, max_size=4),
       between=st.sampled_from(["\t", " ", " X\t"]), line_end=st.sampled_from(["\n", "\r\n"]), bom=st.booleans())
@settings(max_examples=150, deadline=None)
def test_any_words_and_tags_are_read_back(tmp_path_factory: pytest.TempPathFactory, between: str, line_end: str,
                                          texts: list[list[tuple[str, str]]], bom: bool) -> None:
    assume(not any(word.startswith("-DOCSTART-") for text in texts for word, _ in text))
    assume(bom or not texts[0][0][0].startswith("\ufeff"))
    assume(not any(word == "#" and not TAG.fullmatch(tag) for text in texts for word, tag in text))  # may be a comment
    content = (line_end * 2).join(line_end.join(word + between + tag for word, tag in text) for text in texts)
    path = write(str(tmp_path_factory.getbasetemp() / "words.conll"), ("\ufeff" if bom else "") + content)
    table = conll.read(path, labelled=True)
    assert table.text.tolist() == [" ".join(word for word, _ in text) for text in texts]
    assert table.label.tolist() == [" ".join(tag for _, tag in text) for text in texts]
    assert [len(text.split(" ")) for text in table.text] == [len(text) for text in texts]


# Spans

def entity(start: object, end: object, label: object = "LOC") -> dict[str, object]:
    return {"start": start, "end": end, "label": label}


@pytest.mark.parametrize(("tokenizer", "text", "found", "words", "tags"), [
    ("characters", "在纽约 吃", [entity(1, 3)], "在 纽 约 吃", "O B-LOC I-LOC O"),
    ("characters", "纽\u3000约", [entity(0, 3)], "纽 约", "B-LOC I-LOC"),
    ("wordpiece", "in New York, now.", [entity(3, 11), entity(13, 16, "T")], "in New York , now .",
     "O B-LOC I-LOC O B-T O"),
    ("wordpiece", " New  York ", [entity(0, 11)], "New York", "B-LOC I-LOC"),
    ("wordpiece", "a在纽约b😀", [entity(2, 4)], "a 在 纽 约 b😀", "O O B-LOC I-LOC O"),
    ("wordpiece", "a\xa0😀\u2028b", [entity(2, 3)], "a 😀 b", "O B-LOC O"),
    ("wordpiece", "a b", [entity(2, 3, "B"), entity(0, 1, "A")], "a b", "B-A B-B"),
])
def test_spans_are_tags_of_words(tokenizer: str, text: str, found: list[object], words: str, tags: str) -> None:
    path = write("a.jsonl", jsonl({"text": text, "entities": found}))
    table = spans.read(path, Tokens.model_validate({"tokenizer": tokenizer}), labelled=True)
    assert table.to_numpy().tolist() == [["0", words, tags]]


def test_ids_are_those_of_the_file_or_the_rows_number() -> None:
    path = write("a.jsonl", "\ufeff" + jsonl({"text": "a b", "spans": []}).replace("\n", "\r\n") + "\n" + jsonl(
        {"text": "b\u2028", "id": 7, "spans": [], "other": 1}, {"id": "007", "text": "c", "entities": []},
        {"text": "d", "id": None, "entities": []}))
    table = spans.read(path, Tokens(), labelled=True)
    assert table.to_numpy().tolist() == [["0", "a b", "O O"], ["7", "b", "O"], ["007", "c", "O"], ["3", "d", "O"]]
    assert table.index.tolist() == ["line 1", "line 3", "line 4", "line 5"]


def test_test_data_need_no_entities() -> None:
    path = write("a.jsonl", jsonl({"text": "ab"}, {"text": "c", "entities": "not looked at"}))
    assert spans.read(path, Tokens(), labelled=False).to_numpy().tolist() == [["0", "a b"], ["1", "c"]]


BAD_SPANS = {
    "cut off": ('{"text": "a"', "not valid JSON: Expecting ',' delimiter at character 13"),
    "nested without end": ("[" * 100_000, "not JSON that can be read: a number or a nesting is too long"),
    "a number without end": ("1" * 5_000, "not JSON that can be read: a number or a nesting is too long"),
    "a list": ([1], "must be a JSON object, {...}, got a list"),
    "no text": ({"entities": []}, "no text"),
    "a text of another type": ({"text": 5, "entities": []}, "text must be a string, got a number"),
    "an id of another type": ({"text": "a", "id": 1.5, "entities": []}, "id must be a string, got a decimal number"),
    "a true id": ({"text": "a", "id": True, "entities": []}, "id must be a string, got true or false"),
    "a NUL": ('{"text": "a\\u0000", "entities": []}', r"text cannot hold the character \u0000"),
    "half a character": ('{"text": "\\ud83d", "entities": []}', r"text cannot hold the character \ud83d"),
    "no entities": ({"text": "a"}, 'no entities; a text without any has "entities": []'),
    "entities of another type": ({"text": "a", "entities": {}}, "entities must be a list, got an object"),
    "spans of another type": ({"text": "a", "spans": None}, "spans must be a list, got null"),
    "an entity of another type": ({"text": "a", "entities": [[0, 1]]},
                                  "entity number 1: must be a JSON object, {...}, got a list"),
    "no start": ({"text": "a", "entities": [{"end": 1, "label": "X"}]}, "entity number 1: no start"),
    "a start of another type": ({"text": "a", "entities": [entity("0", 1)]},
                                "entity number 1: start must be a whole number, got a string"),
    "a true end": ({"text": "a", "entities": [entity(0, True)]},
                   "entity number 1: end must be a whole number, got true or false"),
    "no label": ({"text": "a", "entities": [{"start": 0, "end": 1}]}, "entity number 1: no label"),
    "a label of another type": ({"text": "a", "entities": [entity(0, 1, 3)]},
                                "entity number 1: label must be a string, got a number"),
    "an empty label": ({"text": "a", "entities": [entity(0, 1, "")]},
                       "entity number 1: label must be a name without white space, got ''"),
    "white space in a label": ({"text": "a", "entities": [entity(0, 1, "a b")]},
                               "entity number 1: label must be a name without white space, got 'a b'"),
    "outside": ({"text": "0123456789", "entities": [entity(12, 15)]},
                "entity 12-15 lies outside of the text, which has 10 characters"),
    "across the end": ({"text": "ab", "entities": [entity(1, 3)]},
                       "entity 1-3 lies outside of the text, which has 2 characters"),
    "before the begin": ({"text": "ab", "entities": [entity(-1, 2)]},
                         "entity -1-2 lies outside of the text, which has 2 characters"),
    "empty": ({"text": "ab", "entities": [entity(1, 1)]}, "entity 1-1 must end behind its start"),
    "reversed": ({"text": "ab", "entities": [entity(2, 1)]}, "entity 2-1 must end behind its start"),
    "white space": ({"text": "a b", "entities": [entity(1, 2)]}, "entity 1-2 holds nothing but white space"),
    "overlapping": ({"text": "ab cd ef", "entities": [entity(3, 8), entity(0, 5)]}, "entity 3-8 overlaps entity 0-5"),
    "twice": ({"text": "ab", "entities": [entity(0, 2, "A"), entity(0, 2, "B")]}, "entity 0-2 overlaps entity 0-2"),
    "cut at its start": ({"text": "is New", "entities": [entity(4, 6)]}, "entity 4-6 cuts the word 'New'"),
    "cut at its end": ({"text": "is New", "entities": [entity(3, 5)]}, "entity 3-5 cuts the word 'New'"),
}


@pytest.mark.parametrize(("row", "problem"), BAD_SPANS.values(), ids=BAD_SPANS)
def test_bad_spans_are_told_with_their_line(row: object, problem: str) -> None:
    path = write("a.jsonl", jsonl({"text": "a", "entities": []}) + "\n" + (row if isinstance(row, str) else jsonl(row)))
    assert told(lambda: spans.read(path, Tokens(tokenizer="wordpiece"), labelled=True)) == [
        f"a.jsonl, line 3: {problem}"]


def test_all_problems_of_a_file_of_spans_are_told_at_once() -> None:
    path = write("a.jsonl", jsonl({"text": "a", "entities": [entity(0, 0), entity(0, 9)]}, {}, 5) + "{\n" * 3)
    assert told(lambda: spans.read(path, Tokens(), labelled=True)) == [
        "a.jsonl, line 1: entity 0-0 must end behind its start",
        "a.jsonl, line 1: entity 0-9 lies outside of the text, which has 1 characters",
        "a.jsonl, line 2: no text", "a.jsonl, line 3: must be a JSON object, {...}, got a number",
        "a.jsonl, line 4: not valid JSON: Expecting property name enclosed in double quotes at character 2",
        "a.jsonl: 2 more problems like that"]


@pytest.mark.parametrize(("content", "problem"), [
    ("\n \n", ": holds no text"),
    (b'{"text": "\xe9"}', ", line 1: must be UTF-8, got byte 0xe9; it looks like WINDOWS-1252: iconv -f WINDOWS-1252 "
                          "-t UTF-8 a.jsonl > NEW, or data.encoding = 'WINDOWS-1252'")])
def test_a_file_without_spans_or_in_another_encoding_is_refused(content: str | bytes, problem: str) -> None:
    path = write("a.jsonl", content)
    assert told(lambda: spans.read(path, Tokens(), labelled=True)) == [f"a.jsonl{problem}"]


# Formats

@pytest.mark.parametrize(("path", "form", "found"), [
    ("a.csv", "auto", "table"), ("a.txt", "auto", "table"), ("a", "auto", "table"), ("a.conll", "auto", "conll"),
    ("a.bio", "auto", "conll"), ("a.bmes", "auto", "conll"), ("a.jsonl", "auto", "spans"),
    ("folder", "auto", "folders"), ("a.txt", "conll", "conll"), ("a.jsonl", "table", "table"),
    ("folder", "table", "table"), ("x" * 5_000, "auto", "table")])
def test_the_format_is_the_configured_one_or_that_of_the_file(path: str, form: str, found: str) -> None:
    Path("folder").mkdir()
    assert by_format.format_of(Path(path), config("tags", train=path, format=form)) == found


def test_each_file_has_a_format_of_its_own() -> None:
    write("train.conll", CONLL)
    write("test.csv", "key,words\na,x y\n")
    write("dev.jsonl", jsonl({"id": "d", "text": "EU", "entities": [entity(0, 2, "ORG")]}))
    found = tables.read(config("tags", train="train.conll", test="test.csv", id_column="key",
                                    text_columns=["words"], dealt={"method": "given", "dev": "dev.jsonl"}).model_copy(
                                        update={"tokens": Tokens(tokenizer="wordpiece")}))
    assert found.train[["id", "text", "label", "place"]].to_numpy().tolist() == [
        ["train-0", "EU rejects", "B-ORG O", "line 3"], ["train-1", "#", "O", "line 7"],
        ["dev-d", "EU", "B-ORG", "line 1"]]
    assert found.test[["id", "text"]].to_numpy().tolist() == [["a", "x y"]]


def test_ids_that_a_file_of_spans_has_twice_are_refused() -> None:
    write("train.jsonl", jsonl(*[{"id": "a", "text": "b", "entities": [entity(0, 1)]}] * 2))
    assert told(lambda: read("tags", train="train.jsonl")) == [
        "train.jsonl, line 2: id 'a' stands twice; ids must be unique"]


@pytest.mark.parametrize(("path", "task", "problem"), [
    ("a.conll", "binary", "is read as conll, which is for task = 'tags', got 'binary'; "
                          "set data.format = 'table' if it is a table"),
    (".", "tags", "must be a file, got a folder; a folder of texts has no tags of words"),
])
def test_a_format_that_cannot_hold_the_tasks_labels_is_refused(path: str, task: str, problem: str) -> None:
    assert told(lambda: read(task, train=path)) == [f"{path}: {problem}"]


NO_TABLE = "such a file has id, text and label alone"


def test_a_column_that_only_a_table_has_is_told_of_other_files() -> None:
    write("train.conll", CONLL)
    make_tree("train", IMDB)
    assert told(lambda: read("tags", train="train.conll", dealt={"method": "grouped", "group_column": "user"})) == [
        f"train.conll: no column 'user', which folds.group_column names; {NO_TABLE}"]
    assert told(lambda: read(train="train", dealt={"method": "given", "column": "fold"})) == [
        f"train: no column 'fold', which folds.column names; {NO_TABLE}"]
    assert told(lambda: read(train="train", text_columns=["a", "b"])) == [
        f"train: no column 'b', which data.text_columns names; {NO_TABLE}"]
    assert told(lambda: read("multilabel", train="train", label_columns=["a", "b"])) == [
        f"train: no column 'a', which data.label_columns names; {NO_TABLE}",
        f"train: no column 'b', which data.label_columns names; {NO_TABLE}"]


# Inputs

def edit() -> None:
    write("train/pos/0_9.txt", "another text")


@pytest.mark.parametrize(("change", "name"), [
    (edit, "train/pos/0_9.txt"),
    (lambda: write("train/pos/2.txt", "new"), "train/pos/2.txt"),
    (lambda: write("train/new/1.txt", "new"), "train/new/1.txt"),
    (lambda: Path("train/neg/0_2.txt").unlink(), "train/neg/0_2.txt"),
    (lambda: write("test.csv", "new"), "test.csv"),
    (lambda: write("train.csv", "new"), "train.csv"),
], ids=["edited", "added", "a class added", "removed", "made", "a table edited"])
def test_a_change_of_a_file_in_a_folder_is_noticed(change: Callable[[], object], name: str) -> None:
    make_tree("train", IMDB)
    write("train.csv", GOOD)
    inputs = Inputs.of([Path("train"), Path("train.csv"), Path("test.csv")])
    inputs.verify()
    change()
    with pytest.raises(MismatchError, match=f"^{name}: was changed while the run was going on"):
        inputs.verify()


def test_a_folder_that_holds_itself_is_looked_at_once() -> None:
    make_tree("train", IMDB)
    Path("train/again").symlink_to(".")
    Path("train/loop").symlink_to("loop")
    inputs = Inputs.of([Path("train")])
    inputs.verify()
    assert len(inputs.states) < 20


def test_a_competition_without_test_rows_can_be_audited() -> None:
    write("train.csv", GOOD)
    found = read(id_column="id")
    assert repeated_texts.audit(found, np.arange(2))["test rows"] == 0


@pytest.mark.parametrize(("content", "labelled", "found"), [
    ("a\rb\r\rc\r", False, ["a b", "c"]),
    ("a\r\r\nb\r\r\n\r\r\nc\r\r\n", False, ["a b", "c"]),
    ("# doc number 0\na _ _ _\n\n# doc number 1\n# _ _ _\n", False, ["a", "#"]),
    ("# My test file v2\n\na\nb\n\nc\n", False, ["a b", "c"]),
    ("# text = O\na _ _ O\n\n# text = O\n# _ _ O\n", True, ["a", "#"]),
    ("#\thttp://x\na\tO\n", True, ["a"]),
])
def test_line_ends_and_comments_of_every_kind_leave_the_texts_alone(content: str, labelled: bool, found: list[str]
                                                                    ) -> None:
    assert conll.read(write("a.conll", content), labelled).text.tolist() == found


@pytest.mark.parametrize(("content", "problem"), [
    ("a\n\u00a0\nb\n", ", line 2: holds white space that is no space or tab, '\\xa0'; an empty line ends a text"),
    ("1\ta\n2\tb\n3\tc\n", ": its first column counts the words of each text, 1, 2, 3; it must be the word: cut -f2-"),
])
def test_what_is_no_word_is_told(content: str, problem: str) -> None:
    assert told(lambda: conll.read(write("a.conll", content), labelled=False)) == [f"a.conll{problem}"]
