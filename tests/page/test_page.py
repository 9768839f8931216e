"""The report's page: what it holds, that it is one file which fetches and runs nothing else, and that it does not
change."""

import base64
import hashlib
import html.parser
import json
import random
import shutil
import subprocess
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from pipeline.competition import folds
from pipeline.config import loading
from pipeline.doctor import checks
from pipeline.doctor.examined import Examined
from pipeline.page import drawing, neighbours, selection, writing
from pipeline.page.selection import Predictions
from pipeline.results import predictions
from pipeline.results import report as reports
from pipeline.runs import opening
from pipeline.stage_table import STAGE2
from pipeline.tasks.binary import Binary
from pipeline.tasks.multilabel import Multilabel
from pipeline.tasks.ordinal import Ordinal
from tests.conftest import Command
from tests.inference.test_page import CHROMIUM
from tests.toy import make_tables

CONFIG = "configs/toy.toml"
PAGE = Path("oof/toy/report.html")
HOSTILE = ("</script><script>document.title='run'</script>", "<!--", "]]>", "<img src=x onerror=alert(1)>",
           "{{ 7 * 7 }}", "\u2028\u2029", "\u202eabc", "&lt;b&gt;",
           "'\"`\\", "\x00\x1b[31m", "</title><h1>", "{% raw %}",
           "javascript:alert(1)", "\ud7ff\ue000\U0010ffff", "=1+1", "<script type=application/json>")


class Parsed(html.parser.HTMLParser):
    """What a page is made of: its elements with their attributes, and what stands in styles and scripts."""

    def __init__(self, text: str):
        super().__init__()
        self.elements: list[tuple[str, dict[str, str | None]]] = []
        self.blocks: list[tuple[str, dict[str, str | None], str]] = []
        self.within: list[str] = []
        self.words: list[str] = []
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.elements.append((tag, dict(attrs)))
        if tag in ("script", "style"):
            self.blocks.append((tag, dict(attrs), ""))
            self.within.append(tag)

    def handle_endtag(self, tag: str) -> None:
        if self.within and self.within[-1] == tag:
            self.within.pop()

    def handle_data(self, data: str) -> None:
        if self.within:
            tag, attributes, content = self.blocks[-1]
            self.blocks[-1] = tag, attributes, content + data
        else:
            self.words.append(data)

    @property
    def data(self) -> dict[str, Any]:
        """The rows."""
        [content] = [content for _, attributes, content in self.blocks if attributes.get("id") == "data"]
        value: dict[str, Any] = json.loads(content)
        return value

    @property
    def policy(self) -> dict[str, str]:
        """The Content-Security-Policy, by directive."""
        [content] = [attributes["content"] for tag, attributes in self.elements
                     if attributes.get("http-equiv") == "Content-Security-Policy"]
        return dict(part.strip().split(" ", 1) for part in str(content).split(";"))


def content_of(rows: dict[str, Any], **other: Any) -> dict[str, Any]:
    """What a page is rendered from."""
    top = {"submission": "", "stage": "stage2", "score": "0.9", "interval": "–", "against": "", "best": None, "rows": 1,
           "folds": 5}
    found = {"thorough": False, "listed": [], "silent": [], "silenced": []}
    return {"run": "toy", "label": "AUC", "language": "", "top": top, "findings": found, "texts": True, "sections": [],
            "rows": rows, "static": [], "stages": ["stage2"]} | other


@pytest.mark.usefixtures("finished")
def test_the_page_has_every_row_and_the_score_of_the_report() -> None:
    page, train = Parsed(PAGE.read_text()), make_tables()[0]
    data, report = page.data, json.loads(Path("oof/toy/auc.json").read_text())
    assert data["id"] == train.id.tolist()
    assert data["text"] == train.text.tolist()
    [output] = data["outputs"]
    assert [output["names"][number] for number in output["label"]] == train.label.astype(str).tolist()
    oof = pd.read_csv("oof/toy/stage2.csv")
    own = np.where(oof.label == 1, oof.prediction, 1 - oof.prediction)
    np.testing.assert_allclose(np.array(output["number"][data["stages"].index("stage2")]) / 1e4, own, atol=6e-5)
    assert f"{report['stages']['stage2']['pooled']:.4f}" in page.words
    assert {"Findings", "Stages by fold", "What stage 2 did", "Probabilities and decisions", "Learning curves",
            "Where everything is", "Rows"} <= set(page.words)
    links = {str(attributes["href"])[1:] for tag, attributes in page.elements if tag == "a"}
    assert links <= {str(attributes.get("id")) for _, attributes in page.elements}


@pytest.mark.usefixtures("finished")
def test_the_page_fetches_nothing_and_runs_its_own_script_alone() -> None:
    text = PAGE.read_text()
    page = Parsed(text)
    assert not [attributes for tag, attributes in page.elements for name in attributes
                if name in ("src", "srcset", "style", "action", "background") or name.startswith("on")]
    assert {tag for tag, _ in page.elements} & {"link", "iframe", "object", "embed", "img", "base"} == set()
    assert "http://" not in text
    assert "https://" not in text
    hashes = {tag: "'sha256-" + base64.b64encode(hashlib.sha256(content.encode()).digest()).decode() + "'"
              for tag, attributes, content in page.blocks if attributes.get("type") != "application/json"}
    policy = page.policy
    assert policy["default-src"] == "'none'"
    assert policy["script-src"] == hashes["script"]
    assert policy["style-src"] == hashes["style"]
    assert len(page.blocks) == 3


@pytest.mark.usefixtures("finished")
def test_the_page_is_the_same_every_time(stages: Command) -> None:
    before = PAGE.read_bytes()
    PAGE.unlink()
    done = stages("report", CONFIG)
    assert done.code == 0, done.err
    assert f"page: {PAGE}" in done.out
    assert PAGE.read_bytes() == before


@pytest.mark.usefixtures("finished")
def test_a_page_without_texts_holds_none(stages: Command) -> None:
    train = pd.read_csv("data/train.csv", dtype=str)
    run = opening.read(loading.load(Path(CONFIG)))
    record = {"of": checks.examined_rows(run), "silent": [], "silenced": [], "findings": [{
        "code": "B005", "severity": "note", "what": "two texts", "examples": [f"r001: {train.text[1]}"],
        "effect": "none", "remedy": "none"}]}
    Path("oof/toy/doctor.json").write_text(json.dumps(record))
    assert any(text in PAGE.read_text() for text in train.text)
    assert stages("report", CONFIG, "--no-texts").code == 0
    page = PAGE.read_text()
    assert not [text for text in train.text if len(text) > 3 and text in page]
    assert not {"text", "pair", "why", "grams", "near", "others", "attention"} & Parsed(page).data.keys()
    assert Parsed(page).data["id"] == train.id.tolist()


@pytest.mark.usefixtures("finished")
def test_no_page_is_written_where_it_is_not_wanted(stages: Command) -> None:
    PAGE.unlink()
    assert stages("report", CONFIG, "--no-html").code == 0
    assert not PAGE.exists()
    assert stages("report", CONFIG, "--fold", "1").code == 0
    assert not PAGE.exists()


@pytest.mark.usefixtures("finished")
def test_another_run_and_the_attention_stand_in_the_page(stages: Command) -> None:
    shutil.copytree("models/toy", "models/other")
    done = stages("report", CONFIG, "--beside", "other:stage1", "--attention")
    assert done.code == 0, done.err
    data = Parsed(PAGE.read_text()).data
    assert data["stages"] == ["baseline", "stage1", "stage2", "other:stage1"]
    [output] = data["outputs"]
    assert output["number"][3] == output["number"][1]
    assert output["decided"][3] == output["decided"][1]
    assert all(len(levels) == len(text) + 2 for [levels], text in zip(data["attention"], data["text"], strict=True))
    refused = stages("report", CONFIG, "--beside", "nowhere")
    assert refused.code == 2
    assert "nowhere" in refused.lines[-1]


@pytest.mark.usefixtures("finished")
def test_what_the_doctor_found_of_these_rows_stands_on_top(stages: Command) -> None:
    assert "The quick checks alone; " in Parsed(PAGE.read_text()).words
    assert stages("doctor", CONFIG).code == 0
    found = json.loads(Path("oof/toy/doctor.json").read_text())["findings"]
    assert stages("report", CONFIG).code == 0
    page = PAGE.read_text()
    assert "All checks of <code>stages doctor</code>" in page
    assert all(finding["code"] in page for finding in found)
    train = pd.read_csv("data/train.csv", dtype=str)
    train["text"] = train.text.where(train.index > 0, train.text + "鱼")
    train.to_csv("data/train.csv", index=False)
    shutil.rmtree("models/toy")
    run = opening.read(loading.load(Path(CONFIG)))
    seen = Examined(run, thorough=False)
    assert not writing.findings(run, seen)["thorough"], "what was found of other rows is of no use"


@pytest.mark.usefixtures("finished")
def test_an_unfinished_run_has_a_page_too(stages: Command) -> None:
    shutil.rmtree("models/toy/stage2")
    shutil.rmtree("models/toy/stage1/fold_2")
    shutil.rmtree("models/toy/baseline/fold_1")
    done = stages("report", CONFIG)
    assert done.code == 0, done.err
    data = Parsed(PAGE.read_text()).data
    assert data["stages"] == ["baseline", "stage1"]
    assert None in data["outputs"][0]["number"][0]
    assert None in data["outputs"][0]["decided"][0]
    assert "Submit " not in PAGE.read_text(), "of a stage that has no score of all rows"


@pytest.mark.usefixtures("finished")
def test_stages_that_share_no_row_and_a_blend_that_is_not_made_have_a_page(stages: Command) -> None:
    for fold in (0, 1):
        shutil.rmtree(f"models/toy/baseline/fold_{fold}")
        shutil.rmtree(f"models/toy/stage2/fold_{fold}")
    shutil.rmtree("models/toy/stage1/fold_2")
    shutil.rmtree("models/toy/stage2/fold_2")
    done = stages("report", CONFIG, "--set", "metric=f1", "--set", 'blend.of=["toy:stage1", "nowhere"]')
    assert done.code == 0, done.err
    assert Parsed(PAGE.read_text()).data["stages"] == ["baseline", "stage1"]


def test_a_row_without_labels_is_right_where_none_is_decided() -> None:
    task = Multilabel(("hot", "cheap"), "|")
    frame = pd.DataFrame({"id": ["a", "b", "c"], "label": task.encode(["", "hot", "cheap|hot"])})
    target = task.target(frame.label)
    said = selection.from_oof(task, "stage1", task.oof_table(frame, np.arange(3), 20 * target - 10), None)
    assert selection.right(task, said, 0).all()


def test_grades_stand_in_their_order_and_in_their_unit() -> None:
    grades = tuple(map(str, range(1, 13)))
    task = Ordinal(grades)
    frame = pd.DataFrame({"id": list(grades), "label": list(grades)})
    logit = np.arange(12, dtype=np.float32)
    [view] = task.row_views(task.oof_table(frame, np.arange(12) % 3, logit)).values()
    np.testing.assert_allclose(view.number, np.arange(1, 13))
    assert (view.loss == 0).all()
    assert view.in_order(["12", "2", "10", "1"]) == ["1", "2", "10", "12"]


def test_100_000_hostile_texts_end_no_block() -> None:
    generator = random.Random(0)
    texts = ["".join(generator.choices(HOSTILE, k=generator.randint(1, 3))) for _ in range(100_000)]
    names = list(HOSTILE)
    rows = {"id": texts, "text": texts, "all": len(texts), "validated": len(texts), "outputs": [{"names": names}],
            "decides": True, "values": False, "words": False}
    finding = {"code": "B001", "severity": "error", "what": texts[0], "examples": texts[:3], "effect": texts[1],
               "remedy": texts[2]}
    static = [{"id": text, "fold": 0, "label": text, "predicted": [text], "text": text, "pair": text}
              for text in HOSTILE]
    page = Parsed(writing.render(content_of(rows, run=HOSTILE[0], label=HOSTILE[1], static=static, findings={
        "thorough": True, "listed": [finding], "silent": [], "silenced": []})))
    assert page.data["text"] == texts
    assert len(page.blocks) == 3
    assert not [attributes for _, attributes in page.elements if "onerror" in attributes]
    assert len([tag for tag, _ in page.elements if tag in ("title", "h1")]) == 2
    assert "\u202e" not in "".join(page.words)


@pytest.mark.skipif(CHROMIUM is None, reason="no Chromium on this machine")
def test_a_browser_shows_rows_by_a_filter_and_runs_no_text(finished: Path, stages: Command) -> None:
    train = pd.read_csv("data/train.csv", dtype=str)
    train["text"] = [f"{text} {HOSTILE[row % len(HOSTILE)]}".replace("\x00", "") for row, text in enumerate(train.text)]
    train.to_csv("data/train.csv", index=False)
    shutil.rmtree("models/toy")
    assert stages("baseline", CONFIG).code == 0
    assert stages("report", CONFIG).code == 0
    address = f"{(finished / PAGE).as_uri()}#rows?label=%3D1"
    shown = subprocess.run([str(CHROMIUM), "--headless", "--no-sandbox", "--disable-gpu", "--virtual-time-budget=5000",
                            "--dump-dom", address], capture_output=True, text=True, timeout=120, check=True).stdout
    assert "<title>toy: out-of-fold report</title>" in shown
    assert shown.count("data-row=") == int((train.label == "1").sum())
    assert "<img" not in shown


def test_of_many_rows_the_wrong_ones_and_those_of_each_label_are_shown(monkeypatch: pytest.MonkeyPatch) -> None:
    rows, rng = 30_000, np.random.default_rng(0)
    label = rng.integers(0, 2, rows)
    logit = (4 * label - 2 + rng.normal(0, 1.2, rows)).astype(np.float32)
    frame = pd.DataFrame({"id": [f"r{row}" for row in range(rows)], "label": label})
    task = Binary("0", "1")
    said = selection.from_oof(task, "stage2", task.oof_table(frame, np.arange(rows) % 5, logit), None)
    length = np.full(rows, 10)
    kept = selection.chosen(task, said, length)
    wrong = np.flatnonzero(~selection.right(task, said, 0))
    assert len(kept) < selection.MOST_ROWS
    assert set(wrong[np.argsort(-said.views[""].loss[wrong])][:selection.WRONG]) <= set(kept)
    assert len(set(kept) - set(wrong)) >= selection.RIGHT
    assert (np.diff(kept) > 0).all()
    few = selection.chosen(task, said, np.full(rows, 10_000))
    assert selection.ALWAYS <= len(few) < 2 * selection.MOST_CHARACTERS / 10_000 + 1
    assert len(selection.chosen(task, part_of(said, 100), length[:100])) == 100


def part_of(said: Predictions, rows: int) -> Predictions:
    """The first rows of what a stage says."""
    view = said.views[""]
    short = type(view)(list(view.label)[:rows], view.number[:rows], view.loss[:rows])
    return Predictions(said.name, said.ids[:rows], {"": short}, said.decided.iloc[:rows])


@pytest.mark.usefixtures("finished")
def test_a_decision_is_made_by_the_other_folds_rows() -> None:
    run = opening.read(loading.load(Path(CONFIG), ["metric=f1"]))
    part = predictions.gather(run, STAGE2)
    assert part is not None
    task, oof = run.competition.task, part.oof
    said = selection.from_oof(task, "stage2", oof, "f1")
    grouped = folds.grouped(oof, run.competition.train.id, run.groups)
    decided = (said.decided.prediction == "1").to_numpy(np.int64)
    metric = task.named_metric("f1")
    assert metric.value(oof.label.to_numpy(), decided) == task.lead(grouped, [], "f1")["pooled"]


@pytest.mark.usefixtures("finished")
def test_neighbours_are_of_other_folds_and_the_most_alike_first() -> None:
    run = opening.read(loading.load(Path(CONFIG)))
    train, dealt = run.competition.train, run.fold_of_row.copy()
    train["text"] = train.text.where(train.index != 3, train.text[7] + "鱼")
    dealt[[3, 7]] = 0, 1
    run.dealt = dealt
    near = neighbours.nearest(run, np.arange(len(train)))
    for row, line in enumerate(near):
        assert (run.fold_of_row[line[line >= 0]] != run.fold_of_row[row]).all()
        texts = [(train.text.iloc[other], train.label.iloc[other]) for other in line if other >= 0]
        assert len(set(texts)) == len(texts)
    assert near[3, 0] == 7
    train["text"] = train.text.where(train.index != 3, train.text[7])
    train["label"] = train.label.where(train.index != 3, train.label[7])
    near = neighbours.nearest(run, np.arange(len(train)))
    assert near[3, 0] == 7, "a copy in another fold"
    assert near[7, 0] == 3


def test_ticks_stand_at_round_numbers_and_say_them_apart() -> None:
    for low, high in ((0, 1), (0.9512, 0.9533), (-0.003, 0.0007), (0, 12_777), (1, 1), (0.94999, 0.95001)):
        texts = [text for _, text in drawing.axis("", low, high).ticks]
        assert 2 <= len(texts) <= 8
        assert len(set(texts)) == len(texts), (low, high, texts)
    for last in range(2, 9):
        texts = [text for _, text in drawing.axis("epoch", 1, last, 0).ticks]
        assert len(set(texts)) == len(texts) >= 2, texts


def test_a_character_that_steers_what_is_shown_is_shown_as_its_number() -> None:
    assert writing.seen_text("a\u202eb\x00c\ufeff") == "a⟨U+202E⟩b⟨U+0000⟩c⟨U+FEFF⟩"
    assert writing.seen_text("家\u200d庭\n👩\u200d👧 é\u3000") == "家\u200d庭\n👩\u200d👧 é\u3000"


@pytest.mark.usefixtures("finished")
def test_the_report_says_nothing_that_the_page_does_not() -> None:
    run = opening.read(loading.load(Path(CONFIG)))
    parts = predictions.of_all_stages(run)
    words = "\n".join(Parsed(PAGE.read_text()).words)
    for line in reports.summary(run.competition.task, reports.build(run, parts)):
        assert line.replace("`", "") in words
