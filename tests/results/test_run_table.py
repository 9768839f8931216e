"""The table of runs: what is compared with what, what is told of each, and that no run can break it."""

import json
import shutil
import sys
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from pipeline.files import formats
from pipeline.metrics.intervals import auc_difference
from pipeline.results import best_of_many, run_table, run_table_text
from tests.conftest import Command, shell

CONFIG = "configs/toy.toml"


def copied(name: str, change: str = "", to: str = "") -> None:
    """The finished toy under another name, with a line of its configuration changed."""
    for folder in ("models", "oof"):
        shutil.copytree(f"{folder}/toy", f"{folder}/{name}")
    settings = Path(f"models/{name}/config.toml")
    settings.write_text(settings.read_text().replace('name = "toy"', f'name = "{name}"').replace(change, to))


def test_runs_that_cannot_be_compared_stand_apart_and_settings_that_are_alike_are_not_told(
        finished: Path, stages: Command) -> None:
    copied("faster", "learning_rate = 0.001", "learning_rate = 0.002")
    copied("longer", "epochs = 2", "epochs = 3")
    assert stages("baseline", CONFIG, "--run", "others", "--set", "folds.seed=3").code == 0
    assert stages("report", CONFIG, "--run", "others", "--set", "folds.seed=3").code == 0
    Path("models/empty").mkdir()
    blocks = run_table.read()
    assert [sorted(line.name for line in block.lines) for block in blocks if block.lines[0].alike] in (
        [["faster", "longer", "toy"], ["others"]], [["others"], ["faster", "longer", "toy"]])
    [alike] = [block for block in blocks if len(block.lines) == 3]
    assert alike.differing == ["stage1.epochs", "stage1.learning_rate", "stage2.epochs"]
    told = {line.name: run_table_text.settings(alike, line) for line in alike.lines}
    assert told == {"toy": "", "faster": "stage1.learning_rate=0.002", "longer": "stage1.epochs=3 stage2.epochs=3"}
    report = formats.read_json(Path("oof/toy/auc.json"))["stages"]["stage2"]
    assert {line.score for line in alike.lines} == {report["pooled"]}
    [last] = blocks[-1].lines
    assert (last.name, last.score) == ("empty", None)
    shown = stages("runs", "--csv", "runs.csv", "--json", "runs.json", "--html", "runs.html")
    assert shown.code == 0
    table = pd.read_csv("runs.csv").set_index("run")
    assert table.score["toy"] == pytest.approx(report["pooled"])
    assert table["stage1.epochs"].dropna().to_dict() == {"toy": 2, "faster": 2, "longer": 3}
    assert [record["run"] for record in json.loads(Path("runs.json").read_text())] == table.index.tolist()
    assert "<script" not in Path("runs.html").read_text()


def test_a_reference_is_compared_on_the_same_rows(finished: Path, stages: Command) -> None:
    copied("again")
    [block] = run_table.read("again:baseline")
    gained = {line.name: block.gained[line.name] for line in block.lines}
    new, old = (formats.read_csv(Path(f"oof/toy/{stage}.csv")) for stage in ("stage2", "baseline"))
    text = pd.read_csv("data/train.csv", dtype=str).text
    expected = auc_difference(new.label.to_numpy(), new.logit.to_numpy(), old.logit.to_numpy(),
                              pd.factorize(text, sort=True)[0].astype(np.int64))
    assert expected is not None
    assert gained["toy"].delta == pytest.approx(expected[0])
    assert gained["toy"].interval == pytest.approx([expected[1].low, expected[1].high])
    assert stages("runs", "--against", "again:stage1").code == 0
    for wrong, line in (("nobody", "models/nobody/config.toml: no such run"),
                        ("toy:stage9", "--against toy:stage9: the stage is one of")):
        result = stages("runs", "--against", wrong)
        assert result.code == 2
        assert result.err.startswith(line)


@pytest.mark.parametrize("content", ["", "{", "[]", '{"stages": {}}', '{"stages": {"stage1": 3}}', '{"stages": []}',
                                     '{"stages": {"stage1": {"folds": [], "pooled": "high"}}, "submitted": "stage1"}'])
def test_a_damaged_run_is_a_line(finished: Path, stages: Command, content: str) -> None:
    copied("broken")
    Path("oof/broken/auc.json").write_text(content)
    result = stages("runs")
    assert result.code == 0, result.err
    assert "broken" in result.out
    Path("models/broken/config.toml").write_text("= no TOML")
    assert stages("runs").code == 0


def test_names_and_settings_cannot_become_mark_up(finished: Path, stages: Command) -> None:
    copied("marked")
    settings = Path("models/marked/config.toml")
    settings.write_text(settings.read_text().replace("[baseline]", "[baseline]\nnote = \"[red]<b>x</b>\"", 1))
    result = stages("runs", "--html", "runs.html")
    assert result.code == 0
    assert "[red" in "".join(result.out.split())
    page = Path("runs.html").read_text()
    assert "&lt;b&gt;x" in page
    assert "<b>" not in page


def test_the_table_imports_no_tensorflow(finished: Path) -> None:
    code = ("import sys; sys.argv = ['stages', 'runs']; from stages.command import main\n"
            "try: main()\nfinally: sys.exit(any(name.startswith(('tensorflow', 'keras')) for name in sys.modules))")
    assert shell(sys.executable, "-c", code, cwd=finished).code == 0


def test_no_run_is_one_line(project: Path, stages: Command) -> None:
    result = stages("runs")
    assert (result.code, result.lines) == (2, ["models/: there is no run yet; begin one: ./run_all.sh"])


def test_a_fitted_stage_adds_to_the_runs_time(project: Path, stages: Command) -> None:
    assert stages("baseline", CONFIG, "--fold", "0").code == 0
    first = formats.read_json(Path("models/toy/seconds.json"))["baseline"]
    assert stages("baseline", CONFIG, "--fold", "1").code == 0
    assert formats.read_json(Path("models/toy/seconds.json"))["baseline"] >= first


@pytest.mark.parametrize("sign", [1, -1])
@pytest.mark.parametrize(("runs", "worth"), [(8, 0.0), (8, 2e-3), (20, 2e-3), (20, 1e-2)])
def test_what_choosing_the_best_flatters_is_said_on_average(runs: int, worth: float, sign: int) -> None:
    rng, noise, folds = np.random.default_rng(4), 4e-3, 5
    true, said = [], []
    for _ in range(400):
        own = rng.normal(0, worth, runs)
        scores = 0.9 + sign * own[:, None] + rng.normal(0, 1e-2, folds) + rng.normal(0, noise, (runs, folds))
        best = int(np.argmax(sign * scores.mean(axis=1)))
        excess = sign * (scores.mean(axis=1) - scores.mean()) - (own - own.mean())
        true.append(excess[best])
        estimate = best_of_many.flattered(scores.tolist(), sign)
        assert estimate is not None
        said.append(estimate)
    assert np.mean(said) == pytest.approx(np.mean(true), rel=0.4)


def test_of_three_runs_nothing_is_said() -> None:
    assert best_of_many.flattered([[0.9, 0.8], [0.8, 0.9], [0.7, 0.9]], 1) is None
    assert best_of_many.flattered([[0.9, 0.8]] * 5, 1) == pytest.approx(0, abs=1e-12)
