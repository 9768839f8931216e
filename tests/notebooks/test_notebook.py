"""The example notebook runs as it stands, in a kernel of its own; results show themselves, and progress is drawn."""

from pathlib import Path
from typing import Any

import nbformat
import pandas as pd
import pytest
from nbclient import NotebookClient

from pipeline.errors import UserError
from pipeline.machine import console, notebook_bars
from pipeline.notebook import Competition, Shown
from tests.conftest import ROOT

PATH = ROOT / "examples/first_competition.ipynb"


@pytest.mark.long
def test_the_example_notebook_runs_through_and_shows_its_results(tmp_path: Path) -> None:
    for name in ("pipeline", "configs", "data"):
        (tmp_path / name).symlink_to(ROOT / name)
    (tmp_path / "examples").mkdir()
    book = nbformat.read(PATH, as_version=4)
    NotebookClient(book, timeout=300, kernel_name="python3",
                   resources={"metadata": {"path": str(tmp_path / "examples")}}).execute()
    shown = ["".join(output.get("data", {}).get("text/html", "") for output in cell.get("outputs", []))
             for cell in book.cells]
    assert sum("<progress" in text or "<ul>" in text or "<table" in text for text in shown) >= 6
    report = next(text for cell, text in zip(book.cells, shown, strict=True) if "stage2(fold=0)" in cell.source)
    assert "verdict: " in report or "stage1" in report
    assert (tmp_path / "models/first_competition/stage2/fold_0/DONE.json").exists()


def test_the_example_notebook_is_kept_without_its_outputs() -> None:
    book = nbformat.read(PATH, as_version=4)
    assert not [cell for cell in book.cells if cell.get("outputs")]
    nbformat.validate(book)


def test_a_result_is_html_that_data_cannot_break() -> None:
    shown = Shown(pd.DataFrame({"text": ["<script>"]}), ["a < b"])
    assert "<script>" not in shown._repr_html_()
    assert "<li>a &lt; b</li>" in shown._repr_html_()
    assert "a < b" in repr(shown)


@pytest.mark.usefixtures("finished")
def test_a_finished_run_is_reported_and_predicts() -> None:
    competition = Competition("configs/toy.toml")
    report = competition.report()
    assert report.table is not None
    assert list(report.table.index) == ["baseline", "stage1", "stage2"]
    assert any(line.startswith("verdict: ") for line in report.lines)
    own = competition.submission()
    pd.testing.assert_series_equal(own.Prediction, pd.read_csv("submissions/toy.csv").Prediction, check_dtype=False)
    assert len(competition.oof()) == 48
    assert {"text", "prediction"} <= set(competition.oof("stage2"))
    assert len(competition.predict(["香", "贵"])) == 2
    assert any("baseline: 3 of 3 cells done" in line for line in competition.check().lines)


def test_progress_is_drawn_where_a_kernel_runs_the_process(monkeypatch: pytest.MonkeyPatch) -> None:
    drawn: list[str] = []

    class Handle:
        def update(self, content: Any) -> None:
            drawn.append(content.data)

    def display(content: Any, display_id: bool) -> Handle:
        drawn.append(content.data)
        return Handle()

    import IPython.display

    monkeypatch.setattr(IPython.display, "display", display)
    monkeypatch.setattr(notebook_bars, "EVERY", 0)
    monkeypatch.setattr(console, "in_notebook", lambda: True)
    with console.together("stage1", 2), console.progress("stage1 fold <0>", 4) as advance:
        for _ in range(4):
            advance()
    assert any("4 of 8" in text and "left" in text for text in drawn)
    assert any("stage1 fold &lt;0&gt;" in text for text in drawn)
    assert drawn[-1] == ""


def test_what_is_not_finished_or_not_there_is_a_line(project: Path) -> None:
    config = Path("configs/toy.toml")
    config.write_text(config.read_text().replace('test = "data/test.csv"\n', "").replace(
        'sample_submission = "data/sample_submission.csv"\n', ""))
    competition = Competition(str(config))
    competition.baseline()
    with pytest.raises(UserError, match="stage1: has no finished fold yet; there is baseline"):
        competition.oof()
    with pytest.raises(UserError, match=r"toy has no data\.test"):
        competition.submission()
