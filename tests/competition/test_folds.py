"""Folds are a partition by every method, kept as they were dealt, and refused with a reason where they cannot be."""

from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pipeline.competition import folds, tables
from pipeline.competition.tables import Competition
from pipeline.config.data import Folds
from pipeline.doctor import repeated_texts
from pipeline.errors import UserError
from pipeline.files import formats
from pipeline.tasks.binary import Binary
from tests.conftest import Command

CONFIG = "configs/toy.toml"
TRAIN, DEV, GIVEN = Path("data/train.csv"), Path("data/dev.csv"), Path("data/folds.csv")
KEPT = Path("models/toy/folds.csv")
METHODS = ["plain", "stratified", "grouped", "stratified_grouped"]


def table(labels: list[int], texts: list[str] | None = None, groups: list[str] | None = None) -> pd.DataFrame:
    """A training table as ``competition.read`` gives it; without texts given, each row has its own."""
    ids = [f"r{row}" for row in range(len(labels))]
    train = pd.DataFrame({"id": ids, "text": texts or ids, "label": np.array(labels, np.int8), "stratum": labels,
                          "dev": False})
    return train if groups is None else train.assign(group=groups)


def counts(fold_of_row: np.ndarray, chosen: np.ndarray, n: int) -> list[int]:
    """How many of the chosen rows each fold has."""
    return np.bincount(fold_of_row[chosen], minlength=n).tolist()


def setting(**options: object) -> list[str]:
    return [part for key, value in options.items() for part in ("--set", f"folds.{key}={value}")]


@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize("n", [2, 5, 10])
def test_every_method_is_a_partition_into_folds_of_like_size(method: str, n: int) -> None:
    train = table([int(row % 3 == 0) for row in range(203)])
    fold_of_row = folds.deal(train, Folds(method=method, n=n))  # type: ignore[arg-type]
    assert fold_of_row.shape == (203,)
    sizes = counts(fold_of_row, np.full(203, True), n)
    assert sum(sizes) == 203
    assert max(sizes) - min(sizes) <= 1
    if method.startswith("stratified"):
        positive = counts(fold_of_row, train.label.to_numpy() == 1, n)
        assert max(positive) - min(positive) <= 1


def test_stratified_grouped_balances_groups_of_unlike_size() -> None:
    groups = [f"g{int(row ** 0.75)}" for row in range(400)]
    train = table([int(row % 4 == 0) for row in range(400)], groups=groups)
    fold_of_row = folds.deal(train, Folds(n=4, group_column="user"))
    assert train.assign(fold=fold_of_row).groupby("group").fold.nunique().max() == 1
    positive = counts(fold_of_row, train.label.to_numpy() == 1, 4)
    assert max(positive) - min(positive) <= 4


@settings(max_examples=200, deadline=None)
@given(st.lists(st.tuples(st.integers(0, 1), st.sampled_from("abcdefg")), min_size=1, max_size=60),
       st.sampled_from(METHODS), st.integers(2, 5), st.integers(0, 2**32 - 1))
def test_whatever_is_dealt_without_an_error_is_a_partition(
        rows: list[tuple[int, str]], method: str, n: int, seed: int) -> None:
    train = table([label for label, _ in rows], groups=[group for _, group in rows])
    column = "group" if "grouped" in method else None
    try:
        fold_of_row = folds.deal(train, Folds(method=method, n=n, seed=seed, group_column=column))  # type: ignore[arg-type]
    except UserError:
        return
    assert len(fold_of_row) == len(rows)
    assert set(fold_of_row) == set(range(n))
    if column:
        assert train.assign(fold=fold_of_row).groupby("group").fold.nunique().max() == 1
    if method == "stratified":
        for label in (0, 1):
            inside = counts(fold_of_row, train.label.to_numpy() == label, n)
            assert max(inside) - min(inside) <= 1
    for fold in range(n):
        assert train.label[fold_of_row != fold].nunique() == train.label.nunique()  # one: nothing to balance


def test_a_row_in_no_fold_or_beyond_the_last_is_refused() -> None:
    with pytest.raises(UserError) as stop:
        folds.verify(np.array([0, 1, -1, 0, 1, 2, -1, 0]), table([0, 1] * 4), Folds(n=2))
    assert stop.value.problems == ["folds: 2 rows are in no fold, for example id 'r2'",
                                   "folds: fold numbers must be 0 to 1 (folds.n = 2), got [2]"]


def test_rows_are_others_where_text_only_moved_from_one_column_to_the_next() -> None:
    one, other = (pd.DataFrame([row], columns=["id", "text"]) for row in (["r1", "2香"], ["r12", "香"]))
    assert tables.row_hash(one, ["id", "text"]) != tables.row_hash(other, ["id", "text"])
    assert tables.row_hash(one, ["id", "text"]) == tables.row_hash(one.copy(), ["id", "text"])


SAME = [
    ("香辣ABC", "香辣abc"), ("ＡＢＣ，１２", "abc,12"), ("香　辣", "香 辣"), (" 香辣\n", "香辣"),
    ("Straße", "STRASSE"), ("e\u0301", "É"),
    ("香  辣", "香 辣"), ("香\t辣", "香 辣"), ("香 \n　辣", "香 辣"),
]


@pytest.mark.parametrize(("one", "other"), SAME)
@pytest.mark.parametrize("method", ["grouped", "stratified_grouped"])
def test_grouped_never_splits_a_text_by_width_case_or_space(method: str, one: str, other: str) -> None:
    texts = [one, other, *(f"文{row}" for row in range(18))]
    for seed in range(5):
        fold_of_row = folds.deal(table([0, 1] * 10, texts), Folds(method=method, n=5, seed=seed))  # type: ignore[arg-type]
        assert fold_of_row[0] == fold_of_row[1]


@pytest.mark.parametrize(("one", "other"), [
    (["香辣", "好"], ["香", "辣好"]), (["香 辣", "好"], ["香", "辣 好"]), (["香", "辣"], ["辣", "香"]),
    (["香", ""], ["", "香"]),
])
def test_pairs_are_the_same_only_where_both_texts_are(one: list[str], other: list[str]) -> None:
    pairs = pd.DataFrame([one, other, [f" {text.upper()}" for text in one]], columns=["text", "text_pair"])
    first, second, again = folds.normalised(pairs)
    assert first != second
    assert first == again


def test_the_audit_counts_texts_that_repeat_and_contradict(project: Path) -> None:
    train = table([0, 1, 1, 0, 0], ["香", "香 ", "差", "好", "好"])
    test = pd.DataFrame({"text": ["ＸＸ", "差", "好"]})
    tables = Competition(train, test, None, Binary("0", "1"))
    assert repeated_texts.audit(tables, np.array([0, 1, 0, 1, 1])) == {
        "rows": 5, "distinct texts": 3, "texts in more than one fold": 1, "rows of texts in more than one fold": 2,
        "texts with both labels": 1, "test rows": 3, "test rows that repeat a training text": 2}


def test_a_group_column_keeps_its_values_together(project: Path, stages: Command) -> None:
    train = pd.read_csv(TRAIN).assign(user=lambda rows: rows.index // 4)
    train.to_csv(TRAIN, index=False)
    assert stages("folds", CONFIG, *setting(group_column="user")).code == 0
    kept = pd.read_csv(KEPT)
    assert kept.id.tolist() == train.id.tolist()
    assert kept.groupby(train.user).fold.nunique().max() == 1


def test_the_seed_and_nothing_else_decides_the_folds(project: Path, stages: Command) -> None:
    dealt = {}
    for name, options in {"a": [], "b": ["--set", "seed=7"], "c": setting(seed=7)}.items():
        assert stages("folds", CONFIG, "--run", name, *options).code == 0
        dealt[name] = Path(f"models/{name}/folds.csv").read_bytes()
    assert dealt["a"] == dealt["b"] != dealt["c"]


@pytest.mark.parametrize(("options", "problem"), [
    ({"method": "plain", "n": 49}, "folds.n = 49 cannot be greater than the number of training rows: 48"),
    ({"method": "stratified", "n": 17}, "folds.n = 17 cannot be greater than the rows of the rarer class: 16"),
    ({"method": "stratified_grouped", "n": 17}, "folds.n = 17 cannot be greater than the rows of the rarer class: 16"),
    ({"method": "grouped", "n": 48}, "folds.n = 48 cannot be greater than the number of groups: 47"),
    ({"method": "grouped", "n": 4, "group_column": "shop"},
     "folds.n = 4 cannot be greater than the number of groups: 3"),
    ({"group_column": "user"}, "data/train.csv: no column 'user'; it has 'id', 'text', 'label', 'shop'"),
])
def test_more_folds_than_there_is_to_deal_are_refused(
        project: Path, stages: Command, options: dict[str, object], problem: str) -> None:
    pd.read_csv(TRAIN).assign(shop=lambda rows: rows.index % 3).to_csv(TRAIN, index=False)
    result = stages("folds", CONFIG, *setting(**options))
    assert result.code == 2
    assert result.lines == [problem]
    assert not KEPT.exists()


def test_folds_whose_training_rows_have_one_class_are_refused(project: Path, stages: Command) -> None:
    pd.read_csv(TRAIN).assign(shop=lambda rows: rows.label).to_csv(TRAIN, index=False)
    result = stages("folds", CONFIG, *setting(group_column="shop", n=2))
    assert result.code == 2
    assert result.lines == [f"folds: the training rows of fold {fold} have one class only; deal them otherwise: "
                            f"folds.seed, folds.n or folds.method" for fold in (0, 1)]


def rotating(train: pd.DataFrame) -> pd.DataFrame:
    """A fold file that deals the rows in turn, with both classes in each of three folds."""
    return train[["id"]].assign(fold=train.index // 3 % 3)


def test_a_given_column_is_taken_as_it_is(project: Path, stages: Command) -> None:
    train = pd.read_csv(TRAIN)
    train.assign(part=rotating(train).fold).to_csv(TRAIN, index=False)
    assert stages("folds", CONFIG, *setting(method="given", column="part")).code == 0
    assert pd.read_csv(KEPT).fold.tolist() == rotating(train).fold.tolist()


def test_a_given_file_is_joined_by_id(project: Path, stages: Command) -> None:
    wanted = rotating(pd.read_csv(TRAIN))
    wanted.assign(note="x")[["note", "fold", "id"]].sample(frac=1, random_state=0).to_csv(GIVEN, index=False)
    assert stages("folds", CONFIG, *setting(method="given", file=GIVEN)).code == 0
    pd.testing.assert_frame_equal(pd.read_csv(KEPT), wanted)


BAD_FILES = {
    "missing ids": (lambda rows: rows[3:], ["data/folds.csv: 3 ids of train are missing, for example 'r000'"]),
    "unknown ids": (lambda rows: pd.concat([rows, pd.DataFrame({"id": ["y", "x"], "fold": 0})]),
                    ["data/folds.csv: 2 ids are not in train, for example 'x'"]),
    "ids twice": (lambda rows: pd.concat([rows, rows[4:6]]),
                  ["data/folds.csv: 2 ids stand twice, for example 'r004'"]),
    "all three": (lambda rows: rows.assign(id=["x", "x", *rows.id[2:]]), [
        "data/folds.csv: 1 ids stand twice, for example 'x'",
        "data/folds.csv: 1 ids are not in train, for example 'x'",
        "data/folds.csv: 2 ids of train are missing, for example 'r000'"]),
    "no column fold": (lambda rows: rows[["id"]], ["data/folds.csv: no column 'fold'; a fold file has id,fold"]),
    "numbers from 1": (lambda rows: rows.assign(fold=rows.fold + 1), [
        "folds: fold numbers must be 0 to 2 (folds.n = 3), got [3]", "folds: fold 0 of 3 has no rows"]),
    "too few folds": (lambda rows: rows.assign(fold=rows.fold % 2), ["folds: fold 2 of 3 has no rows"]),
    "a fraction": (lambda rows: rows.assign(fold=rows.fold + 0.5),
                   ["data/folds.csv: a fold is a whole number from 0, got '0.5' (48 rows)"]),
    "a negative number": (lambda rows: rows.assign(fold=rows.fold.where(rows.index != 7, -1)),
                          ["data/folds.csv: a fold is a whole number from 0, got '-1' (1 rows)"]),
    "nothing": (lambda rows: rows.assign(fold=rows.fold.astype(object).where(rows.index != 7, "")),
                ["data/folds.csv: a fold is a whole number from 0, got '' (1 rows)"]),
}


@pytest.mark.parametrize(("edit", "problems"), BAD_FILES.values(), ids=BAD_FILES)
def test_a_given_file_that_is_no_partition_is_refused(  # type: ignore[no-untyped-def]
        project: Path, stages: Command, edit, problems: list[str]) -> None:
    edit(rotating(pd.read_csv(TRAIN))).to_csv(GIVEN, index=False)
    result = stages("folds", CONFIG, *setting(method="given", file=GIVEN))
    assert result.code == 2
    assert result.lines == problems
    assert not KEPT.exists()


@pytest.mark.parametrize(("options", "problem"), [
    ({"file": "data/none.csv"}, "data/none.csv: no such file; put it there, or link the folder that holds it"),
    ({"dev": "data/none.csv"}, "data/none.csv: no such file; put it there, or link the folder that holds it"),
    ({"column": "part"}, "data/train.csv: no column 'part'; it has 'id', 'text', 'label'"),
])
def test_a_given_source_that_is_not_there_is_refused(
        project: Path, stages: Command, options: dict[str, object], problem: str) -> None:
    result = stages("folds", CONFIG, *setting(method="given", **options))
    assert result.code == 2
    assert result.lines == [problem]


def test_a_dev_file_is_the_one_validation_fold(project: Path, stages: Command) -> None:
    train = pd.read_csv(TRAIN)
    train[36:].to_csv(DEV, index=False)
    train[:36].to_csv(TRAIN, index=False)
    dev = setting(method="given", dev=DEV)
    for stage in ("folds", "baseline", "submit", "report"):
        result = stages(stage, CONFIG, *dev, "--set", "submit.stage=baseline")
        assert result.code == 0, result.err
    kept = pd.read_csv(KEPT)
    assert kept.id.tolist() == train.id.tolist()
    assert kept.fold.tolist() == [-1] * 36 + [0] * 12
    oof = formats.read_csv(Path("oof/toy/baseline.csv"))
    assert oof.id.tolist() == train.id[36:].tolist()
    assert oof.label.tolist() == train.label[36:].tolist()
    assert [path.name for path in Path("models/toy/baseline").iterdir()] == ["fold_0"]
    assert stages("baseline", CONFIG, *dev, "--fold", "1").lines == ["--fold 1: this run has folds 0 to 0"]


def test_rows_of_a_dev_file_without_ids_are_told_apart_from_those_of_train(project: Path, stages: Command) -> None:
    Path(CONFIG).write_text("".join(line for line in Path(CONFIG).read_text().splitlines(keepends=True)
                                    if not line.startswith(("id_column", "sample"))))
    pd.read_csv(TRAIN)[:6].to_csv(DEV, index=False)
    assert stages("folds", CONFIG, *setting(method="given", dev=DEV)).code == 0
    assert pd.read_csv(KEPT).id.tolist() == [f"train-{row}" for row in range(48)] + [f"dev-{row}" for row in range(6)]


def test_ids_that_train_and_dev_file_share_are_told_apart(project: Path, stages: Command) -> None:
    pd.read_csv(TRAIN)[3:6].to_csv(DEV, index=False)
    result = stages("folds", CONFIG, *setting(method="given", dev=DEV))
    assert result.code == 0
    assert ("data/dev.csv: 3 ids stand in data/train.csv too, so the predictions' ids begin with train- and dev-"
            in result.out)
    table = pd.read_csv("models/toy/folds.csv")
    assert table.id.tolist()[-3:] == ["dev-r003", "dev-r004", "dev-r005"]
    assert table.fold.tolist() == [-1] * 48 + [0] * 3


def test_an_id_that_stands_twice_in_train_is_told_once_beside_a_dev_file(project: Path, stages: Command) -> None:
    train = pd.read_csv(TRAIN)
    train[36:].to_csv(DEV, index=False)
    train[:36].assign(id=["r000", "r000", *train.id[2:36]]).to_csv(TRAIN, index=False)
    assert stages("folds", CONFIG, *setting(method="given", dev=DEV)).lines == [
        "data/train.csv, line 3: id 'r000' stands twice; ids must be unique"]


def test_a_dev_file_may_have_one_class(project: Path, stages: Command) -> None:
    train = pd.read_csv(TRAIN)
    train[(train.index >= 36) & (train.label == 0)].to_csv(DEV, index=False)
    train[:36].to_csv(TRAIN, index=False)
    result = stages("baseline", CONFIG, *setting(method="given", dev=DEV))
    assert result.code == 0, result.err
    assert "baseline fold 0  valid AUC undefined" in result.out


def edited(text: str) -> str:
    """The fold file with the folds of two rows exchanged."""
    rows = text.splitlines()
    first, second = 1, next(row for row in range(2, len(rows)) if rows[row][-1] != rows[1][-1])
    rows[first], rows[second] = rows[first][:-1] + rows[second][-1], rows[second][:-1] + rows[first][-1]
    return "\n".join(rows) + "\n"


@pytest.mark.parametrize("edit", [edited, lambda text: text[:-6], lambda text: text + "\n"])
def test_kept_folds_that_were_edited_by_hand_stop_the_run(  # type: ignore[no-untyped-def]
        project: Path, stages: Command, edit) -> None:
    assert stages("folds", CONFIG).code == 0
    good = KEPT.read_text()
    KEPT.write_text(edit(good))
    for stage in ("check", "folds", "baseline"):
        result = stages(stage, CONFIG)
        assert result.code == 4
        assert result.lines == [
            f"{KEPT}: was changed after the folds were dealt; put it back, or --redo folds"]
    assert stages("folds", CONFIG, "--redo", "folds").code == 0
    assert KEPT.read_text() == good


@pytest.mark.parametrize(("options", "change"), [
    ({"seed": 7}, "folds.seed: 2020 -> 7"), ({"n": 4}, "folds.n: 3 -> 4"),
    ({"method": "plain"}, 'folds.method: "stratified_grouped" -> "plain"'),
])
def test_kept_folds_of_other_settings_stop_the_run(
        project: Path, stages: Command, options: dict[str, object], change: str) -> None:
    assert stages("folds", CONFIG).code == 0
    before = KEPT.read_bytes()
    result = stages("folds", CONFIG, *setting(**options))
    assert result.code == 4
    assert f"  {change}" in result.lines
    assert KEPT.read_bytes() == before


def test_a_given_file_that_changes_later_stops_the_run(project: Path, stages: Command) -> None:
    wanted = rotating(pd.read_csv(TRAIN))
    wanted.to_csv(GIVEN, index=False)
    given = setting(method="given", file=GIVEN)
    assert stages("folds", CONFIG, *given).code == 0
    wanted.assign(fold=(wanted.fold + 1) % 3).to_csv(GIVEN, index=False)
    result = stages("folds", CONFIG, *given)
    assert result.code == 4
    assert any(line.startswith("  folds.file: ") for line in result.lines)


def test_folds_without_their_record_are_not_trusted(project: Path, stages: Command) -> None:
    assert stages("folds", CONFIG).code == 0
    good = KEPT.read_text()
    KEPT.write_text(edited(good))
    KEPT.with_suffix(".json").unlink()
    assert stages("folds", CONFIG).code == 4 or KEPT.read_text() == good
    assert KEPT.with_suffix(".json").exists()


@pytest.mark.parametrize("content", ["", "{", "{}", "[]"])
def test_a_damaged_record_of_the_folds_stops_the_run(project: Path, stages: Command, content: str) -> None:
    assert stages("folds", CONFIG).code == 0
    KEPT.with_suffix(".json").write_text(content)
    result = stages("folds", CONFIG)
    assert result.code == 4
    line, = result.lines
    assert line.startswith("models/toy/folds.json: ")


def test_a_record_that_lost_an_unset_key_is_mended(project: Path, stages: Command) -> None:
    assert stages("folds", CONFIG).code == 0
    record = KEPT.with_suffix(".json")
    good = record.read_text()
    record.write_text(good.replace('"folds.dev": null', '"folds.deW": null'))
    assert record.read_text() != good
    assert stages("folds", CONFIG).code == 0
    assert record.read_text() == good


def test_texts_that_look_alike_to_a_reader_are_one_group() -> None:
    same = ["caf\u00e9 au lait", "cafe\u0301 au lait", "Cafe\u200b au\u00a0 lait", "ＣＡＦＥ au\u2060 l\u00adait",
            "\ufeffcafe au lait "]
    groups = folds.groups(pd.DataFrame({"text": [*same, "cafe au lai"]}), Folds())
    assert len(set(groups[:5].tolist())) == 1
    assert groups[5] != groups[0]
