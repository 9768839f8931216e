"""Every kind of label, by every metric that it has, from its baseline to the report and the submission."""

from pathlib import Path

import pandas as pd
import pytest

from pipeline.config.kinds import KINDS
from pipeline.files import formats
from pipeline.metrics import names
from tests.conftest import Command
from tests.tasks.test_numbers_and_grades import GRADES
from tests.tasks.test_tasks import CONFIG, TRAIN


def make(kind: str) -> None:
    """The toy as a competition of that kind, without a sample submission."""
    train = pd.read_csv(TRAIN, dtype=str)
    config = Path(CONFIG).read_text().replace('sample_submission = "data/sample_submission.csv"\n', "")
    length = train.text.str.len()
    if kind == "multioutput":
        train = train.assign(hot=["yes" if "辣" in text else "no" for text in train.text],
                             size=["abc"[one % 3] for one in length])
        config = config.replace("[folds]", 'label_columns = ["hot", "size"]\n[folds]')
    elif kind == "tags":
        train["label"] = [" ".join("B-x" if c in "香辣" else "O" for c in text) for text in train.text]
        train["text"] = train.text.map(" ".join)
        test = pd.read_csv("data/test.csv", dtype=str)
        test.assign(text=test.text.map(" ".join)).to_csv("data/test.csv", index=False)
    elif kind != "binary":
        train["label"] = {
            "multiclass": ["abc"[one % 3] for one in length],
            "multilabel": ["|".join(name for name in "香辣慢" if name in text) for text in train.text],
            "regression": [f"{one / 2:g}" for one in length],
            "ordinal": [GRADES[min((one - 3) // 2, 3)] for one in length],
        }[kind]
    train.to_csv(TRAIN, index=False)
    Path(CONFIG).write_text(f'task = "{kind}"\n{config}')


@pytest.mark.parametrize("kind", [kind if kind in ("binary", "tags") else
                                  pytest.param(kind, marks=pytest.mark.long) for kind in KINDS])
@pytest.mark.usefixtures("project")
def test_every_metric_leads_the_report_and_has_its_submission(stages: Command, kind: str) -> None:
    make(kind)
    assert stages("baseline", CONFIG).code == 0
    baseline = ("--set", "submit.stage=baseline")
    for metric in names.of_kind(kind):
        named = ("--set", f"metric={metric}")
        assert stages("baseline", CONFIG, *named).code == 0, "the cells are valid"
        report = stages("report", CONFIG, *named, *([] if metric == names.of_kind(kind)[-1] else ["--no-html"]))
        assert report.code == 0, report.err
        part = formats.read_json(Path(f"oof/toy/{metric}.json"))
        own = part["stages"]["baseline"]
        lead = own.get("lead", own)
        assert part["metric"] == metric
        assert isinstance(lead["pooled"], float) or lead["pooled_reason"], metric
        assert len(list(Path("oof/toy").glob("*.json"))) == 1
        submit = stages("submit", CONFIG, *named, *baseline)
        assert submit.code == 0, submit.err
        assert len(pd.read_csv("submissions/toy.csv")) == 12
        assert stages("report", CONFIG, *named, "--fold", "0", "--fold", "2").code == 0


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("form", ["probabilities", "labels"])
@pytest.mark.usefixtures("project")
def test_a_submission_may_be_of_either_form(stages: Command, kind: str, form: str) -> None:
    make(kind)
    assert stages("baseline", CONFIG).code == 0
    result = stages("submit", CONFIG, "--set", "submit.stage=baseline", "--set", f"submit.form={form}")
    assert result.code == 0, result.err
    assert len(pd.read_csv("submissions/toy.csv")) == 12


@pytest.mark.parametrize("kind", [kind if kind == "binary" else pytest.param(kind, marks=pytest.mark.long)
                                  for kind in KINDS if not KINDS[kind].of_words])
@pytest.mark.usefixtures("project")
def test_one_fold_alone_is_scored(stages: Command, kind: str) -> None:
    """A labelled table that is the one validation fold leaves no other fold to choose on."""
    make(kind)
    train = pd.read_csv(TRAIN, dtype=str)
    train[:16].assign(id=lambda rows: "d" + rows.id).to_csv("data/dev.csv", index=False)
    dev = ("--set", "folds.method=given", "--set", "folds.dev=data/dev.csv")
    assert stages("baseline", CONFIG, *dev).code == 0
    for metric in names.of_kind(kind):
        report = stages("report", CONFIG, *dev, "--set", f"metric={metric}")
        assert report.code == 0, report.err
        assert stages("submit", CONFIG, *dev, "--set", f"metric={metric}", "--set", "submit.stage=baseline").code == 0
