"""Whatever the texts and ids are: tables are read back as they were written, and no row is lost, doubled or moved."""

import contextlib
import csv
from pathlib import Path
from types import SimpleNamespace
from typing import Any, Literal, cast

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from markdown_it import MarkdownIt

from pipeline.competition import folds
from pipeline.competition.readers import delimited
from pipeline.competition.tables import Competition
from pipeline.config.run import Config
from pipeline.files import formats
from pipeline.results import predictions, report, submission
from pipeline.results.predictions import StagePredictions
from pipeline.runs.paths import Paths
from pipeline.runs.run import Run
from pipeline.stage_table import STAGE1, Cell
from pipeline.tasks.binary import Binary
from pipeline.tasks.multiclass import Multiclass
from pipeline.tasks.multilabel import Multilabel
from pipeline.tasks.multioutput import JOINT, Multioutput
from pipeline.tasks.tags import Tags

LineEnd = Literal["\n", "\r\n", "\r"]
TASK = Binary("0", "1")
NASTY = ["", " ", "NA", "007", "7", "1e3", "=1+1", '"', '""', "'", ",", "\t", "\\", "\ufeff", "\u2028", "\x1a", "\x85",
         "\x1b[31m", "\u202e", "-", "#", "香", "nan", "None", "a\nb", '"\n,', "😀", "\U0010ffff"]
CHARACTERS = st.characters(exclude_categories=["Cs"], exclude_characters="\0")
FIELDS = st.one_of(st.sampled_from(NASTY), st.text(CHARACTERS, max_size=8), st.text(st.sampled_from('",\n\r\t a'),
                                                                                    max_size=5))
IDS = FIELDS.filter(lambda text: text != "" and "\r" not in text)
FEW = settings(max_examples=60, deadline=None)


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("round_trip")


def as_one_line(fields: list[list[str]], line_end: str) -> list[list[str]]:
    """The fields without the line ends that a writer leaves unquoted, and no reader could tell from the row's end."""
    return [[field.translate({ord(c): "|" for c in "\r\n" if c not in line_end}) for field in row] for row in fields]


@given(rows=st.lists(st.tuples(FIELDS, FIELDS).map(list), min_size=1, max_size=6),
       quoting=st.sampled_from([csv.QUOTE_MINIMAL, csv.QUOTE_ALL, csv.QUOTE_NONNUMERIC]),
       line_end=st.sampled_from(["\n", "\r\n", "\r"]), separator=st.sampled_from(["comma", "tab"]),
       bom=st.booleans(), by_pandas=st.booleans())
@FEW
def test_what_a_csv_writer_wrote_is_read_back(folder: Path, rows: list[list[str]], quoting: Any, line_end: LineEnd,
                                              separator: str, bom: bool, by_pandas: bool) -> None:
    if quoting == csv.QUOTE_MINIMAL:
        rows = as_one_line(rows, line_end)
    path, delimiter = folder / "table.csv", "\t" if separator == "tab" else ","
    with path.open("w", encoding="utf-8-sig" if bom else "utf-8", newline="") as file:
        if by_pandas:
            pd.DataFrame(rows, columns=["id", "text"]).to_csv(file, index=False, sep=delimiter, quoting=quoting,
                                                              lineterminator=line_end)
        else:
            csv.writer(file, delimiter=delimiter, quoting=quoting, lineterminator=line_end).writerows(
                [["id", "text"], *rows])
    table = delimited.read_table(path, separator, quoting=True)
    assert table.columns.tolist() == ["id", "text"]
    assert table.to_numpy().tolist() == rows


@given(rows=st.lists(st.tuples(FIELDS, FIELDS).map(list), min_size=1, max_size=6),
       line_end=st.sampled_from(["\n", "\r\n", "\r"]))
@FEW
def test_without_quoting_every_character_is_text(folder: Path, rows: list[list[str]], line_end: str) -> None:
    rows = [[field.translate({ord(c): "|" for c in "\t\r\n"}) for field in row] for row in rows]
    path = folder / "table.tsv"
    path.write_bytes("".join("\t".join(row) + line_end for row in [["id", "text"], *rows]).encode())
    assert delimited.read_table(path, quoting=False).to_numpy().tolist() == rows


@given(ids=st.lists(IDS, min_size=6, max_size=12, unique=True), data=st.data())
@settings(max_examples=25, deadline=None)
def test_every_id_is_predicted_once_and_in_the_order_promised(folder: Path, ids: list[str], data: st.DataObject
                                                              ) -> None:
    train, test = (pd.DataFrame({"id": part, "text": "", "label": np.int8(0)})
                   for part in (data.draw(st.permutations(ids)), data.draw(st.permutations(ids))))
    fold_of_row = np.array(data.draw(st.lists(st.integers(0, 2), min_size=len(ids), max_size=len(ids))))
    wanted = np.unique(fold_of_row).tolist()
    sample = pd.DataFrame({"=ID()": data.draw(st.permutations(ids)), "P": "0"})
    header = data.draw(st.sampled_from([None, sample]))
    value = dict(zip(ids, np.linspace(-9, 9, len(ids), dtype=np.float32), strict=True))
    with contextlib.chdir(folder):
        found, run = gathered(train, test, header, fold_of_row, wanted, value)
        assert found.oof.id.tolist() == train.id.tolist()
        assert found.oof.fold.tolist() == fold_of_row.tolist()
        assert found.oof.logit.tolist() == [value[one] for one in train.id]
        assert found.test.id.tolist() == test.id.tolist()
        assert found.test.logit.tolist() == [value[one] for one in test.id]
        oof, tests = map(Path, predictions.write(run, found))
        assert formats.read_csv(oof).equals(found.oof)
        assert formats.read_csv(tests).equals(found.test)
        path = Path("submission.csv")
        formats.write(path, submission.build(run, found))
        written = delimited.read_table(path)
    assert written.columns.tolist() == (["ID", "Prediction"] if header is None else ["=ID()", "P"])
    assert written.iloc[:, 0].tolist() == (test.id if header is None else sample.iloc[:, 0]).tolist()
    expected = found.test.set_index("id").prediction
    assert [np.float32(text) for text in written.iloc[:, 1]] == expected[written.iloc[:, 0]].tolist()


def gathered(train: pd.DataFrame, test: pd.DataFrame, sample: pd.DataFrame | None, fold_of_row: np.ndarray,
             wanted: list[int], value: dict[str, np.float32]) -> tuple[StagePredictions, Run]:
    """The predictions of made-up cells, each giving an id its value, and a run that is enough to gather them."""
    run = SimpleNamespace(
        competition=Competition(train, test, sample, TASK), fold_of_row=fold_of_row, folds=wanted,
        paths=Paths("run"), seeds=lambda stage: [0], finished=lambda stage: [Cell(stage, fold, 0) for fold in wanted],
        config=Config.model_validate({"name": "run", "bert": {"random": {}}, "data": {"train": "a", "test": "b"}}))
    for fold in wanted:
        cell, rows = run.paths.cell(Cell(STAGE1, fold, 0)), train[fold_of_row == fold]
        formats.write(cell / "oof.csv", TASK.oof_table(rows, fold_of_row[fold_of_row == fold],
                                                       np.array([value[one] for one in rows.id], np.float32)))
        formats.write(cell / "test.csv", TASK.test_table(test, np.array([value[one] for one in test.id], np.float32)))
    found = predictions.gather(cast(Run, run), STAGE1)
    assert found is not None
    return found, cast(Run, run)


@given(ids=st.lists(IDS, min_size=2, max_size=12, unique=True), data=st.data())
@FEW
def test_kept_folds_are_read_back_by_the_ids_they_were_dealt_to(folder: Path, ids: list[str], data: st.DataObject
                                                                ) -> None:
    fold = data.draw(st.lists(st.integers(0, 4), min_size=len(ids), max_size=len(ids)))
    path = folder / "folds.csv"
    formats.write(path, pd.DataFrame({"id": ids, "fold": fold}))
    table = delimited.read_table(path)
    assert table.id.tolist() == ids
    assert folds._numbers(table["fold"], "folds").tolist() == fold


NAMES = st.lists(FIELDS.filter(bool), min_size=2, max_size=4, unique=True)


def read_back(path: Path, table: pd.DataFrame, kind: str = "str") -> None:
    """Writes a table of predictions and expects the same, by our reader and by the strict one for a user's files."""
    formats.write(path, table)
    again = formats.read_csv(path, kind)
    assert formats.read_header(path) == list(table)
    assert again.columns.tolist() == table.columns.tolist()
    for name in table:
        assert again[name].tolist() == table[name].tolist()
    assert delimited.read_table(path, "comma", quoting=True).shape == table.shape


@given(names=NAMES, seed=st.integers(0, 99))
@FEW
def test_classes_labels_and_outputs_with_names_of_any_kind_read_back(folder: Path, names: list[str], seed: int) -> None:
    rng, rows = np.random.default_rng(seed), 5
    ids = pd.DataFrame({"id": [str(row) for row in range(rows)]})
    picked = [names[number] for number in rng.integers(len(names), size=rows)]
    logit = rng.normal(size=(rows, len(names))).astype(np.float32)
    classes, fold = Multiclass(tuple(names)), np.zeros(rows, np.int64)
    read_back(folder / "oof.csv", classes.oof_table(ids.assign(label=picked), fold, logit))
    read_back(folder / "test.csv", classes.test_table(ids, logit))
    labels = Multilabel(tuple(names), "\x00")
    read_back(folder / "oof.csv", labels.oof_table(ids.assign(label=picked), fold, logit))
    plain = [name.replace(JOINT, "") or "x" for name in names]
    if len(set(plain)) == len(plain):
        outputs = Multioutput({name: Binary("0", "1") for name in plain}, (1.0,) * len(plain))
        joined = JOINT.join(["1"] * len(plain))
        table = outputs.oof_table(ids.assign(label=[joined] * rows), fold, logit)
        formats.write(folder / "oof.csv", table)
        assert formats.read_csv(folder / "oof.csv").columns.tolist() == table.columns.tolist()


@given(words=st.lists(FIELDS.map(lambda text: text.replace(" ", "_") or "_"), min_size=1, max_size=6))
@FEW
def test_words_and_tags_with_names_of_any_kind_read_back(folder: Path, words: list[str]) -> None:
    kinds = ["x", "y\rz", "a,b"]
    tags = Tags(("O", *(f"B-{kind}" for kind in kinds)))
    rows = pd.DataFrame({"id": ["0"], "text": [" ".join(words)], "label": [" ".join(["B-y\rz"] * len(words))]})
    logit = np.zeros((1, len(words), 4), np.float32)
    read_back(folder / "oof.csv", tags.oof_table(rows, np.zeros(1, np.int64), logit))


@given(text=FIELDS)
@settings(max_examples=300, deadline=None)
def test_a_text_in_a_markdown_table_is_one_cell_and_nothing_but_text(text: str) -> None:
    inside = f"a{text}z"
    parsed = MarkdownIt("commonmark").enable("table").parse(f"| b | c |\n|---|---|\n| {report.plain(inside)} | d |\n")
    cells = [token for token in parsed if token.type == "inline"]
    assert [token.content for token in cells][::3] == ["b", "d"]
    [shown] = [token.children or [] for token in cells[2:3]]
    assert {token.type for token in shown} == {"text"}
    assert "".join(token.content for token in shown) == "".join(c if c.isprintable() else " " for c in inside)
