"""The bundle's script says what the run's submission says, whatever the kind of label; a bundle that says anything else
is not kept."""

import json
import subprocess
import sys
import types
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from pipeline.config import loading
from pipeline.metrics import names
from pipeline.results import predictions, submission
from pipeline.runs import opening
from pipeline.stage_table import BASELINE
from pipeline.text import tokenization
from pipeline.text.own_tokenizer import Frame
from pipeline.text.vocabulary import Vocabulary
from tests.conftest import Command
from tests.tasks.test_every_metric import make

CONFIG = Path("configs/toy.toml")


@pytest.fixture
def script(monkeypatch: pytest.MonkeyPatch) -> Any:
    """The script as a module; where onnxruntime is not installed, without it."""
    try:
        import onnxruntime  # noqa: F401
    except ImportError:
        monkeypatch.setitem(sys.modules, "onnxruntime", types.ModuleType("onnxruntime"))
    from pipeline.export import bundled_score

    return bundled_score


@pytest.mark.parametrize("kind", ["binary", "multiclass", "multilabel", "regression", "ordinal"])
def test_the_script_decides_as_the_submission_does_by_every_metric(
        project: Path, stages: Command, script: Any, kind: str) -> None:
    from pipeline.export import bundle

    make(kind)
    assert stages("baseline", str(CONFIG)).code == 0
    for metric in (None, *names.of_kind(kind)):
        for form in (None, "probabilities", "labels"):
            options = [f"metric={metric}"] * bool(metric) + [f"submit.form={form}"] * bool(form)
            run = opening.read(loading.load(CONFIG, [*options, "submit.stage=baseline"]))
            part = predictions.gather(run, BASELINE)
            assert part is not None
            predicted = part.test[[name for name in map(str, part.test) if name.partition(":")[0] == "prediction"]]
            own = submission.build(run, part).iloc[:, 1:]
            theirs = script.answers(predicted.to_numpy(np.float32), {"rule": bundle._rule(run, part)})
            if all(pd.api.types.is_numeric_dtype(own[name]) for name in own):
                np.testing.assert_allclose(np.array(theirs, np.float64), own.to_numpy(np.float64), atol=1e-6)
            else:
                assert theirs == own.to_numpy().tolist(), (metric, form)


def test_the_script_cuts_texts_and_pairs_as_the_run_does(script: Any) -> None:
    from tokenizers import Tokenizer, models, pre_tokenizers

    from pipeline.config.model import Tokens

    vocab = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", *"abcdefghij"]
    number_of = {token: number for number, token in enumerate(vocab)}
    library = Tokenizer(models.WordPiece(number_of, unk_token="[UNK]"))
    library.pre_tokenizer = pre_tokenizers.Split("", "isolated")
    rng = np.random.default_rng(0)

    def text() -> str:
        return "".join(rng.choice(list("abcdefghij"), rng.integers(0, 14)))

    for turn in range(200):
        longest, between, segment = int(rng.integers(5, 16)), (3,) * (1 + turn % 2), 1 - turn % 2
        described = {"max_tokens": longest, "before": [2], "between": between, "after": [3], "second_segment": segment}
        made = Vocabulary(vocab)
        vars(made)["frame"] = Frame((2,), between, (3,), segment)
        for row in ([text()], [text(), text()]):
            table = pd.DataFrame([row], columns=["text", "text_pair"][:len(row)], dtype=str)
            own = tokenization.encode(table, made, Tokens(max_tokens=longest))
            ids, second = script.tokens(library, described, row)
            assert (ids, second) == (own.ids.tolist(), own.second[0])


@pytest.mark.parametrize(("name", "content", "described"), [
    ("a.csv", "id,text\n7,\"x, y\"\n8,\n", {}),
    ("a.csv", "\ufeffid,text\n7,\"x, y\"\n8,\n", {}),
    ("a.tsv", "id\ttext\n7\tx, y\n8\t\n", {"separator": "\t", "quoting": False}),
    ("a.txt", "7\tx, y\n8\t\n", {"separator": "\t", "header_of_test": ["id", "text"]}),
    ("a.jsonl", '{"id": 7, "text": "x, y"}\n{"id": "8", "text": null}\n', {}),
    ("a.json", '[{"id": 7, "text": "x, y"}, {"id": "8", "text": ""}]', {}),
])
def test_the_script_reads_what_the_run_reads(script: Any, tmp_path: Path, name: str, content: str,
                                             described: dict[str, Any]) -> None:
    (tmp_path / name).write_text(content, encoding="utf-8")
    plain = {"id_column": "id", "text_columns": ["text"], "separator": ",", "quoting": True, "header_of_test": None,
             "encoding": None}
    assert script.read(tmp_path / name, plain | described) == (["7", "8"], [["x, y"], [""]])


def test_an_empty_text_of_a_one_column_file_keeps_its_number(script: Any, tmp_path: Path) -> None:
    (tmp_path / "a.csv").write_text("text\nfirst\n\nthird\n\n", encoding="utf-8")
    described = {"id_column": None, "text_columns": ["text"], "separator": ",", "quoting": True, "header_of_test": None,
                 "encoding": None}
    assert script.read(tmp_path / "a.csv", described) == (["0", "1", "2"], [["first"], [""], ["third"]])


@pytest.mark.parametrize("kind", ["tags", "multioutput"])
def test_a_kind_that_the_script_cannot_decide_is_refused_by_name(project: Path, stages: Command, script: Any, kind: str
                                                                ) -> None:
    from pipeline.export import bundle

    make(kind)
    run = opening.read(loading.load(CONFIG))
    with pytest.raises(Exception, match=f"bundle: task = '{kind}' has .*--to onnx"):
        bundle.write(run, None, None)  # type: ignore[arg-type]


@pytest.mark.usefixtures("finished")
def test_a_bundle_gives_the_runs_submission_and_refuses_to_give_another(stages: Command) -> None:
    for name in ("tf2onnx", "onnx", "onnxruntime"):
        pytest.importorskip(name)
    result = stages("bundle", "toy")
    assert (result.code, result.err) == (0, "")
    folder = Path("models/toy/bundle")
    assert {path.name for path in folder.iterdir()} == {
        "model.onnx", "tokenizer.json", "bundle.json", "selftest.json", "score.py", "score.ipynb", "SHA256SUMS"}

    def score(*arguments: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run([sys.executable, str(folder / "score.py"), *arguments], capture_output=True, text=True,
                              check=False)

    assert score("data/test.csv", "own.csv", "data/sample_submission.csv").returncode == 0
    own, theirs = (pd.read_csv(path) for path in ("submissions/toy.csv", "own.csv"))
    assert own.ID.tolist() == theirs.ID.tolist()
    np.testing.assert_allclose(own.Prediction, theirs.Prediction, atol=1e-5)
    Path("empty.csv").write_text("id,text\n")
    assert score("empty.csv", "none.csv").returncode == 0
    assert Path("none.csv").read_text() == "ID,Prediction\n"
    known = json.loads((folder / "selftest.json").read_text())
    known["probabilities"][3][0] += 1e-3
    (folder / "selftest.json").write_text(json.dumps(known))
    wrong = score("data/test.csv", "wrong.csv")
    assert wrong.returncode == 1
    assert "self-test failed" in wrong.stderr
    assert not Path("wrong.csv").exists()
    assert "exists already" in stages("bundle", "toy").lines[0]
