"""The doctor: faults that are planted are found and named, and data without a fault are not accused."""

import random
import shutil
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from pipeline.competition import near_copies
from pipeline.config import loading
from pipeline.doctor import checks, label_suspects
from pipeline.doctor.examined import Examined
from pipeline.doctor.finding import Finding
from pipeline.files import formats
from pipeline.runs import opening
from tests.conftest import ROOT, Command

CONFIG = "configs/toy.toml"
LETTERS = "鱼肉菜汤饭面辣鲜嫩好差慢贵咸淡很不真太的了是我们吃在有就都也要去来说点还和店家味道服务环境价格"
Tables = tuple[pd.DataFrame, pd.DataFrame]
CHECK = {check.code: check for check in checks.CHECKS}


def tables(rows: int = 900, test_rows: int = 400, seed: int = 0, length: int = 24) -> Tables:
    """Texts of which 香 says that the label is 1, in nine cases of ten."""
    rng = random.Random(seed)

    def text(positive: bool) -> str:
        body = rng.choices(LETTERS, k=length)
        if positive == (rng.random() < 0.9):
            body[rng.randrange(len(body))] = "香"
        return "".join(body)

    labels = [rng.randrange(2) for _ in range(rows)]
    train = pd.DataFrame({"id": [f"r{row}" for row in range(rows)], "text": [text(bool(label)) for label in labels],
                          "label": labels})
    return train, pd.DataFrame({"id": [f"t{row}" for row in range(test_rows)],
                                "text": [text(rng.random() < 0.5) for _ in range(test_rows)]})


def examined(planted: Tables, *overrides: str, thorough: bool = True) -> Examined:
    planted[0].to_csv("data/train.csv", index=False)
    planted[1].to_csv("data/test.csv", index=False)
    settings = ["data.sample_submission=", "baseline.ngrams=[1,1]", *overrides]
    return Examined(opening.read(loading.load(Path(CONFIG), settings)), thorough)


def finding(planted: Tables, code: str, *overrides: str) -> Finding | None:
    return CHECK[code].find(examined(planted, *overrides))


def edited(text: str, rng: random.Random) -> str:
    """The text with one character more, less or another."""
    at, way = rng.randrange(len(text)), rng.randrange(3)
    return text[:at] + ("" if way == 0 else "甲") + text[at + (way != 2):]


# Near copies


@pytest.mark.parametrize("lengths", [(6, 19), (20, 60)])
def test_near_copies_are_all_pairs_that_their_definition_has(lengths: tuple[int, int]) -> None:
    rng = random.Random(3)
    texts = {"".join(rng.choices("鱼肉菜汤饭面辣鲜", k=rng.randint(*lengths))) for _ in range(150)}
    texts |= {edited(edited(text, rng) if rng.random() < 0.5 else text, rng) for text in sorted(texts)}
    known = sorted(text for text in texts if lengths[0] <= len(text) <= lengths[1])
    found = near_copies.pairs(known)
    wanted = set()
    for first, one in enumerate(known):
        for second in range(first + 1, len(known)):
            other = known[second]
            if lengths[0] >= near_copies.LONG:
                mine, theirs = ({text[at:at + 2] for at in range(len(text) - 1)} for text in (one, other))
                near = len(mine & theirs) / len(mine | theirs) >= near_copies.ALIKE
            else:
                near = _edits(one, other) <= 1
            if near:
                wanted.add((first, second))
    assert set(zip(found.first.tolist(), found.second.tolist(), strict=True)) == wanted
    assert len(wanted) > 40


def test_of_all_pairs_one_that_goes_on_with_rare_characters_is_found() -> None:
    short = "".join(chr(0x4E00 + number) for number in range(41))  # 40 bigrams
    longer = short + "".join(chr(0x5E00 + number) for number in range(10))  # 50, the rarest of which are its own
    found = near_copies.pairs([longer, short])
    assert (found.first.tolist(), found.second.tolist()) == ([0], [1])
    assert found.alike.tolist() == [0.8]


def _edits(one: str, other: str) -> int:
    """Levenshtein's distance, by its recurrence."""
    row = list(range(len(other) + 1))
    for at, mine in enumerate(one, 1):
        before, row = row, [at]
        for place, theirs in enumerate(other, 1):
            row.append(min(row[-1] + 1, before[place] + 1, before[place - 1] + (mine != theirs)))
    return row[-1]


def test_a_group_that_grows_by_chains_is_capped_and_holds_equal_texts_alone() -> None:
    chain = ["".join("鱼" if at < place else "肉" for at in range(80)) for place in range(80)]
    rest = ["".join(random.Random(number).choices(LETTERS, k=30)) for number in range(300)]
    groups = near_copies.groups(pd.Series([*chain, chain[0], *rest], dtype=str))
    assert groups.capped == 1
    assert groups.number[0] == groups.number[80]
    assert len(set(groups.number[:80])) == 80


def test_planted_near_copies_are_found_and_folds_may_keep_them_together(project: Path) -> None:
    train, test = tables()
    rng = random.Random(1)
    copied = pd.DataFrame({"id": [f"c{row}" for row in range(50)], "label": train.label[:50],
                           "text": [edited(text, rng) for text in train.text[:50]]})
    planted = (pd.concat([train, copied], ignore_index=True), test)
    found = finding(planted, "B002")
    assert found is not None
    assert found.count > 50
    seen = examined(planted)
    assert sum(seen.near[row] == seen.near[900 + row] for row in range(50)) >= 48
    assert finding(planted, "B002", "folds.group_by=near") is None
    numbers = list(found.numbers.values())
    assert all(number is not None and 0.5 < number < 1 for number in numbers)


# Planted faults


def test_copies_in_test_are_counted(project: Path) -> None:
    train, test = tables()
    test.loc[:19, "text"] = train.text[:20] + "！"
    found = finding((train, test), "B004")
    assert found is not None
    assert found.count == 20
    test.loc[:19, "text"] = train.text[:20]
    equal = finding((train, test), "B003")
    assert equal is not None
    assert equal.count == 20


def test_a_token_that_test_alone_has_is_named_and_the_score_on_rows_like_it_told(project: Path) -> None:
    train, test = tables()
    test["text"] = [f"{text[:9]}源乙{text[11:]}" if row % 2 else text for row, text in enumerate(test.text)]
    found = finding((train, test), "B007")
    assert found is not None
    assert "源乙" in found.examples[0] or ("'源'" in found.examples[0] and "'乙'" in found.examples[0])
    assert found.numbers["auc"] is not None
    assert found.numbers["auc"] > 0.55
    assert found.numbers["score of the tenth most like test"] is not None


def test_turned_labels_are_among_the_first_suspects(project: Path) -> None:
    train, test = tables(rows=2_500)
    rng = np.random.default_rng(4)
    turned = rng.choice(len(train), 125, replace=False)
    train.loc[turned, "label"] = 1 - train.label[turned]
    seen = examined((train, test))
    assert seen.oof is not None
    ranked = label_suspects.rank(seen, seen.oof[1])
    assert ranked is not None
    first = ranked.id[:100].isin(train.id[turned]).mean()
    assert first > 3 * 125 / len(train)
    assert ranked.probability.is_monotonic_increasing
    precision = label_suspects.planted_precision(seen)
    assert precision is not None
    assert abs(precision - first) < 0.25


PLANTED: dict[str, tuple[str, Callable[[pd.DataFrame, pd.DataFrame], None], str]] = {}


def planted(code: str, says: str) -> Callable[[Callable[[pd.DataFrame, pd.DataFrame], None]], None]:
    """A fault, and what its finding must say."""
    def keep(plant: Callable[[pd.DataFrame, pd.DataFrame], None]) -> None:
        PLANTED[plant.__name__] = code, plant, says
    return keep


@planted("B001", "equal texts in another fold")
def texts_repeat_over_folds(train: pd.DataFrame, test: pd.DataFrame) -> None:
    train.loc[:49, "text"] = train.text[50:100].to_numpy()


@planted("B005", "texts stand with unlike labels")
def equal_texts_have_unlike_labels(train: pd.DataFrame, test: pd.DataFrame) -> None:
    train.loc[0, ["text", "label"]] = [train.text[1], 1 - train.label[1]]


@planted("B006", "have unlike labels")
def near_copies_have_unlike_labels(train: pd.DataFrame, test: pd.DataFrame) -> None:
    train.loc[0, ["text", "label"]] = [f"{train.text[1][:-1]}甲", 1 - train.label[1]]


@planted("B009", "'源'")
def a_phrase_is_of_one_label_alone(train: pd.DataFrame, test: pd.DataFrame) -> None:
    train["text"] = ["源" + text if label else text for text, label in zip(train.text, train.label, strict=True)]


@planted("B010", "the row before")
def rows_are_sorted_by_label(train: pd.DataFrame, test: pd.DataFrame) -> None:
    train[:] = train.sort_values("label").to_numpy()


@planted("B011", "rows 1 to 90")
def the_first_rows_are_of_one_label(train: pd.DataFrame, test: pd.DataFrame) -> None:
    train.loc[:89, "label"] = 1


@planted("B012", "column origin: 'b', 'a'")
def a_column_parts_sources(train: pd.DataFrame, test: pd.DataFrame) -> None:
    train["origin"] = np.where((train.index % 3 == 0) | (train.label == 0), "b", "a")


@planted("B012", "prefix of the id: 'web', 'own'")
def ids_have_a_prefix_for_each_source(train: pd.DataFrame, test: pd.DataFrame) -> None:
    web = (train.index % 3 == 0) | (train.label == 0)
    train["id"] = np.where(web, "web-", "own-") + train.id


@planted("B013", "mojibake of UTF-8")
def an_encoding_was_not_undone(train: pd.DataFrame, test: pd.DataFrame) -> None:
    test.loc[3, "text"] = "crÃ¨me brÃ»lÃ©e".encode().decode()


@planted("B014", "empty or one character")
def a_text_is_empty(train: pd.DataFrame, test: pd.DataFrame) -> None:
    train.loc[3, "text"] = "好"


@planted("B015", "cuts the texts of some labels")
def one_label_has_long_texts(train: pd.DataFrame, test: pd.DataFrame) -> None:
    train["text"] = [text + text if label else text for text, label in zip(train.text, train.label, strict=True)]


@planted("B016", "of test's tokens are unknown")
def test_is_in_another_script(train: pd.DataFrame, test: pd.DataFrame) -> None:
    train["text"] = "鱼肉" + train.text.str.replace(r"[^鱼肉菜汤饭面]", "", regex=True)
    test["text"] = "щукащука"


@pytest.mark.parametrize("name", PLANTED)
def test_a_planted_fault_is_found_and_named(project: Path, name: str) -> None:
    code, plant, says = PLANTED[name]
    overrides = ["folds.method=stratified"] if code == "B001" else []
    overrides += ["tokens.max_tokens=32"] if code == "B015" else []
    clean = tables()
    if code not in ("B016",):  # the toy's vocabulary knows few of these characters
        assert finding(clean, code, *overrides) is None
    train, test = tables()
    plant(train, test)
    found = finding((train, test), code, *overrides)
    assert found is not None
    assert says in " ".join([found.what, *found.examples])
    assert found.count > 0
    assert found.effect
    assert found.remedy


def test_data_without_a_fault_are_not_accused(project: Path) -> None:
    for seed in range(6):
        train, test = tables(rows=500, test_rows=300, seed=seed)
        rng = np.random.default_rng(seed)
        train["label"] = rng.permutation(train.label)
        train["column"] = rng.integers(0, 4, len(train))
        seen = examined((train, test), "tokens.max_tokens=32")
        for check in checks.CHECKS:
            if check.code not in ("B008", "B016"):
                assert check.find(seen) is None, (seed, check.code)


# The command


def test_the_command_writes_findings_by_severity_and_silences_codes(project: Path, stages: Command) -> None:
    train, test = tables(rows=300, test_rows=60)
    train.loc[0, ["text", "label"]] = [train.text[1], 1 - train.label[1]]
    test.loc[:4, "text"] = train.text[:5].to_numpy()
    train.to_csv("data/train.csv", index=False)
    test.to_csv("data/test.csv", index=False)
    settings = ["--set", "data.sample_submission="]
    result = stages("doctor", CONFIG, *settings)
    assert result.code == 0, result.err
    record = formats.read_json(Path("oof/toy/doctor.json"))
    codes = [found["code"] for found in record["findings"]]
    assert {"B003", "B005"} <= set(codes)
    severities = [list(checks.WORST).index(found["severity"]) for found in record["findings"]]
    assert severities == sorted(severities)
    assert set(codes) | set(record["silent"]) == set(CHECK)
    assert "what to do: " in result.out
    silenced = stages("doctor", CONFIG, *settings, "--set", 'doctor.silence=["B005"]')
    assert "B005" not in silenced.out
    assert formats.read_json(Path("oof/toy/doctor.json"))["silenced"] == ["B005"]
    assert "doctor: B005 warning: 1 texts stand with unlike labels" in stages("check", CONFIG, *settings).out
    wrong = stages("doctor", CONFIG, *settings, "--set", 'doctor.silence=["B999"]')
    assert wrong.code == 2
    assert wrong.lines == ["doctor.silence: there is no check B999; docs/doctor.md lists them"]


def test_every_check_is_in_the_documentation() -> None:
    page = (ROOT / "docs/doctor.md").read_text()
    assert [check.code for check in checks.CHECKS if f"| {check.code} | {check.name}" not in page] == []
    assert len(CHECK) == len(checks.CHECKS)


def test_rows_are_dropped_and_relabelled_by_lists_of_ids(project: Path, stages: Command) -> None:
    train = pd.read_csv("data/train.csv", dtype=str)
    pd.DataFrame({"id": ["r003", "r007"], "why": ["a copy", "no text"]}).to_csv("drop.csv", index=False)
    pd.DataFrame({"id": ["r001", "r004"], "label": ["1", train.label[4]]}).to_csv("relabel.csv", index=False)
    lists = ["data.drop=drop.csv", "data.relabel=relabel.csv"]
    run = opening.read(loading.load(Path(CONFIG), lists))
    assert run.competition.train.id.tolist() == train.id.drop([3, 7]).tolist()
    assert run.competition.train.label[1] == 1
    assert "relabel.csv: 1 rows have another label than data/train.csv has" in run.competition.remarks
    assert "drop.csv: 2 rows of data/train.csv are left out" in run.competition.remarks
    plain = opening.read(loading.load(Path(CONFIG)))
    assert plain.data_identity["training rows"] != run.data_identity["training rows"]
    pd.DataFrame({"id": ["r003", "x", "r003"]}).to_csv("drop.csv", index=False)
    refused = stages("check", CONFIG, "--set", "data.drop=drop.csv")
    assert refused.code == 2
    assert refused.lines == ["drop.csv, line 3: no training row has id 'x'", "drop.csv, line 4: id 'r003' stands twice"]
    pd.DataFrame({"id": ["r003"], "label": ["2"]}).to_csv("relabel.csv", index=False)
    unknown = stages("check", CONFIG, "--set", "data.relabel=relabel.csv")
    assert unknown.code == 2
    assert "'2'" in unknown.err


# Runs that are not plain


def test_rows_behind_those_of_the_file_do_not_make_an_order(project: Path) -> None:
    train, test = tables(rows=600)
    more = pd.DataFrame({"id": [f"m{row}" for row in range(300)], "label": 1,
                         "text": [f"{text}甲乙丙" for text in tables(rows=300, seed=9)[0].text]})
    more.to_csv("data/more.csv", index=False)
    seen = examined((train, test), 'data.extra=["data/more.csv"]')
    assert len(seen.of_train_file) == 600
    for code in ("B010", "B011", "B012"):
        assert CHECK[code].find(seen) is None, code


def test_a_column_that_parts_sources_is_found_where_rows_are_dropped(project: Path) -> None:
    train, test = tables()
    PLANTED["a_column_parts_sources"][1](train, test)
    pd.DataFrame({"id": ["r5"]}).to_csv("drop.csv", index=False)
    found = finding((train, test), "B012", "data.drop=drop.csv")
    assert found is not None
    assert "column origin" in found.examples[0]


def test_one_fold_and_a_handful_of_test_rows_are_examined_too(project: Path) -> None:
    train, test = tables(rows=400, test_rows=5)
    dev = train[:100].copy()
    dev.loc[0, "text"] = train.text[200]
    dev.to_csv("data/dev.csv", index=False)
    seen = examined((train[100:], test), "folds.method=given", "folds.dev=data/dev.csv")
    found = [check.code for check in checks.CHECKS if check.find(seen)]
    assert "B001" in found


def test_several_labels_of_equal_texts_are_compared_whole(project: Path) -> None:
    train, test = tables(rows=60, test_rows=20)
    train["label"] = ["a", "b", "a|b"] * 20
    train.loc[1, "text"] = train.text[2]
    found = finding((train, test), "B005", "task=multilabel")
    assert found is not None
    assert found.count == 2


def test_labels_that_were_put_right_are_not_suspected_by_an_older_table(finished: Path) -> None:
    pd.DataFrame({"id": ["r000"], "label": ["0"]}).to_csv("relabel.csv", index=False)
    shutil.copytree("oof/toy", "oof/other")
    plain, relabelled = (Examined(opening.read(loading.load(Path(CONFIG), list(overrides), "other")))
                         for overrides in ((), ("data.relabel=relabel.csv",)))
    assert plain.oof is not None
    assert plain.oof[0] == "stage1"
    assert relabelled.oof is not None
    assert relabelled.oof[0] == "baseline"


def test_a_run_with_pseudo_labels_is_examined(finished: Path, stages: Command) -> None:
    train = pd.read_csv("data/train.csv", dtype=str)
    train.loc[4, "text"] = train.text[20]
    train.to_csv("data/train.csv", index=False)
    plain = ["--set", "folds.method=stratified"]
    assert stages("baseline", CONFIG, "--run", "base", *plain).code == 0
    result = stages("doctor", CONFIG, *plain, "--run", "second", "--set", "pseudo_labels.of=base:baseline", "--set",
                    "pseudo_labels.forced=true")
    assert result.code == 0, result.err
