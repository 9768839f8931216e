"""A run as a folder for a kernel without internet: model, tokenizer, decision rule, a script, wheels, a self-test."""

import csv
import json
import shutil
import subprocess
import sys
from collections.abc import Sequence
from importlib import metadata
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from pipeline.competition import sample_submission
from pipeline.competition.readers import delimited
from pipeline.errors import UserError
from pipeline.export import onnx_model
from pipeline.files import atomic, formats, hashing
from pipeline.inference.predictor import Predictor
from pipeline.machine.console import say
from pipeline.metrics.metric import Form
from pipeline.results import submission
from pipeline.results.predictions import StagePredictions
from pipeline.runs.run import Run
from pipeline.tasks.ordinal import Ordinal

KNOWN_TEXTS = 20
TOLERANCE = 1e-5
PLATFORMS = (*(f"manylinux_2_{minor}_x86_64" for minor in range(28, 16, -1)), "manylinux2014_x86_64")
PACKAGES = ("onnxruntime", "tokenizers")
TRIED = 256  # test rows of which the script must say what the run's submission says
NOT_YET = {"tags": "words", "multioutput": "several outputs"}


def write(run: Run, model: Predictor, part: StagePredictions, target: Path | None = None, pythons: Sequence[str] = ()
          ) -> str:
    """Writes the bundle under ``target`` (None: models/RUN/bundle/), lets its script predict the run's own test rows in
    a process of its own, and publishes it only where the submission is the run's; returns a line that says where.

    part: the predictions of the stage that is bundled, all folds. pythons: versions as "3.11" whose wheels of
    onnxruntime and tokenizers are put beside it, for x86-64 Linux.

    Raises UserError for a kind of label that a bundle cannot hold, without test data, where the target is there, where
    a package or its wheels cannot be had, and where the script says anything else than the run.
    """
    task, config = run.competition.task, run.config
    if task.kind in NOT_YET:
        raise UserError(f"bundle: task = {task.kind!r} has {NOT_YET[task.kind]}, which score.py cannot decide; use "
                        f"python -m stages export {config.name} --to onnx")
    if not len(run.competition.test):
        raise UserError(f"bundle: {config.name} has no data.test, so there is no submission to make")
    target = target or model.paths.models / "bundle"
    if target.exists():
        raise UserError(f"{target}: exists already; choose another folder: --target")
    with atomic.publishing(target) as folder:
        onnx_model.export(model, folder)
        (folder / "vocab.txt").unlink(missing_ok=True)  # tokenizer.json holds it
        formats.write(folder / "bundle.json", _described(run, model, part))
        rows = run.competition.test.iloc[:KNOWN_TEXTS].reset_index(drop=True)
        formats.write(folder / "selftest.json", {"texts": _texts(rows), "probabilities": _probabilities(model, rows)})
        shutil.copyfile(Path(__file__).with_name("bundled_score.py"), folder / "score.py")
        formats.write(folder / "score.ipynb", (json.dumps(_notebook(config.name), indent=1) + "\n").encode())
        for version in pythons:
            _fetch_wheels(folder / "wheels", version)
        _try(run, part, folder)
        sums = {path.relative_to(folder): hashing.sha256(path) for path in sorted(folder.rglob("*")) if path.is_file()}
        formats.write(folder / "SHA256SUMS", "".join(f"{digest}  {path}\n" for path, digest in sums.items()).encode())
        size = sum(path.stat().st_size for path in folder.rglob("*") if path.is_file())
    if config.submit.full_fit is not None:
        say(f"warning: the bundle holds the folds' models; the share of the submission that submit.full_fit = "
            f"{config.submit.full_fit:g} gives to the model of all rows is not in it")
    wheels = f", wheels for Python {', '.join(pythons)}" if pythons else ", no wheels (--for 3.11)"
    return (f"{target}: {size / 1e6:,.0f} MB{wheels}; its submission of {min(TRIED, len(run.competition.test))} test "
            f"rows is the run's; there: python score.py TEST.csv submission.csv")


def _described(run: Run, model: Predictor, part: StagePredictions) -> dict[str, Any]:
    """What the script must know: how the test file is read, how texts become tokens, how probabilities answers."""
    data, test = run.config.competition, Path(str(run.config.competition.test))
    frame = model.vocab.frame
    table = test.suffix not in (".json", ".jsonl", ".parquet") and test.is_file()
    quoting = data.quoting is not False
    return {
        "run": run.config.name, "stage": str(part.stage), "folds": model.folds,
        "header": submission.build(run, part).columns.tolist(),
        "id_column": data.id_column, "text_columns": data.text_columns, "encoding": data.encoding,
        "separator": delimited.delimiter(test, data.separator, data.header, quoting, data.encoding) if table else None,
        "quoting": quoting, "header_of_test": data.header,
        "max_tokens": model.config.tokens.max_tokens, "outputs": sum(model.task.outputs),
        "before": frame.before, "between": frame.between, "after": frame.after,
        "second_segment": frame.second_segment, "pad": model.vocab.pad,
        "rule": _rule(run, part)}


def _rule(run: Run, part: StagePredictions) -> dict[str, Any]:
    """How a row's probabilities become its answer, as ``submission`` does it."""
    config, task, sample = run.config, run.competition.task, run.competition.sample
    form = sample_submission.form_of(config, task, sample)
    own = {name: label for label, name in (config.competition.label_names or {}).items()}
    labels = [own.get(name, name) for name in task.output_names]
    cut: Any = task.cut_of(part.oof, config.metric) if form == Form.DECISIONS and task.has_labels else None
    several = sample is not None and sample.shape[1] > 2
    if not task.has_labels or (task.kind == "ordinal" and form != Form.DECISIONS):
        wanted = list(map(str, sample.columns))[1:] if sample is not None and several else [""]
        given = task.submission_columns(form)
        whose = sample_submission.label_of_column(config, given, wanted)
        low, step = _scale(run)
        return {"kind": "values", "take": [given.index(whose.get(name, name)) if several else 0 for name in wanted],
                "from": low, "step": step, "sum": task.kind == "ordinal" and sum(task.outputs) > 1,
                "round_to": config.submit.round_to, "limits": task.limits}
    if form == Form.LISTS:
        return {"kind": "likeliest", "labels": labels, "count": int(str(config.metric).partition("@")[2])}
    if form != Form.DECISIONS:
        given = task.submission_columns(Form.PROBABILITIES, each=several)
        wanted = list(map(str, sample.columns))[1:] if sample is not None and len(given) > 1 else given
        whose = sample_submission.label_of_column(config, given, wanted)
        return {"kind": "columns", "both": task.kind == "binary" and len(given) > 1,
                "take": [given.index(whose.get(name, name)) for name in wanted]}
    if task.kind == "binary":
        both = [task.label_text(number) for number in (0, 1)]
        return {"kind": "threshold", "labels": both, "at": float(cut)}
    if task.kind == "multiclass":
        return {"kind": "likeliest", "labels": labels, "count": 1}
    if task.kind == "multilabel":
        return {"kind": "thresholds", "labels": labels, "at": np.asarray(cut, np.float64).tolist(),
                "separator": config.competition.label_separator, "none": config.submit.no_label}
    assert isinstance(task, Ordinal)
    return {"kind": "cuts", "labels": list(task.grades), "at": [float(point) for point in np.atleast_1d(cut)],
            "sum": sum(task.outputs) > 1}


def _scale(run: Run) -> tuple[float, float]:
    """What makes a grade's number the label's value: its lowest and the step between grades; of numbers 0 and 1."""
    task = run.competition.task
    if task.kind != "ordinal":
        return 0.0, 1.0
    ends = pd.DataFrame({"id": ["0", "1"], **{name: [0.0, 1.0] for name in task.test_columns if name != "id"}})
    low, high = task.probabilities(ends).prediction
    parts = sum(task.outputs)
    return float(low), float(high - low) / parts


def _texts(rows: pd.DataFrame) -> list[list[str]]:
    return rows[[name for name in ("text", "text_pair") if name in rows]].to_numpy().tolist()


def _probabilities(model: Predictor, rows: pd.DataFrame) -> list[list[float]]:
    table = model.predict(rows)
    names = [name for name in table if str(name).startswith("prediction")]
    values = table[names].to_numpy(np.float64)
    return values.tolist()


def _fetch_wheels(folder: Path, version: str) -> None:
    """Puts the wheels of the script's packages, and of what they need, beside it. Raises UserError."""
    pinned = [f"{package}=={metadata.version(package)}" for package in PACKAGES]
    command = [sys.executable, "-m", "pip", "download", "--quiet", "--disable-pip-version-check", "--only-binary",
               ":all:", *(f"--platform={platform}" for platform in PLATFORMS), "--python-version", version, "--dest",
               str(folder / f"py{version.replace('.', '')}"), *pinned]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode:
        last = (done.stderr.strip().splitlines() or ["no word from pip"])[-1]
        raise UserError(f"--for {version}: pip cannot fetch {', '.join(pinned)}: {last}; without --for the bundle has "
                        f"no wheels, which a kernel that has these packages does not need")


def _try(run: Run, part: StagePredictions, folder: Path) -> None:
    """Lets the script predict test rows in a process of its own. Raises UserError where its submission is another."""
    test = run.competition.test.iloc[:TRIED]
    data = run.config.competition
    given, made = folder / ".test.csv", folder / ".submission.csv"
    names = dict(zip(("text", "text_pair"), data.text_columns, strict=False))
    described = json.loads((folder / "bundle.json").read_text(encoding="utf-8"))
    own_ids = {data.id_column: test.id} if data.id_column else {}
    test.rename(columns=names).assign(**own_ids).to_csv(given, index=False, quoting=csv.QUOTE_ALL)
    _require_same_reading(run, described)
    formats.write(folder / "bundle.json", described | {"separator": ",", "quoting": True, "header_of_test": None})
    try:
        done = subprocess.run([sys.executable, str(folder / "score.py"), str(given), str(made)], capture_output=True,
                              text=True, check=False)
        if done.returncode:
            raise UserError(f"{folder.name}: score.py fails: {(done.stderr.strip().splitlines() or [''])[-1]}")
        own = submission.build(run, part).set_index(described["header"][0]).loc[test.id if data.id_column else [
            str(number) for number in range(len(test))]]
        theirs = delimited.read_table(made, "comma", True).set_index(described["header"][0])
        for name in own:
            column, other = own[name], theirs[str(name)]
            if pd.api.types.is_numeric_dtype(column):
                same = np.abs(column.to_numpy(np.float64) - other.astype(float).to_numpy()) <= TOLERANCE
            else:
                same = column.to_numpy() == other.to_numpy()
            if not same.all() and (pd.api.types.is_numeric_dtype(column) or np.mean(~same) > 0.01):
                raise UserError(f"bundle: score.py's submission differs from the run's in {int((~same).sum())} of "
                                f"{len(same)} rows of column {name!r}; nothing was kept")
    finally:
        formats.write(folder / "bundle.json", described)
        given.unlink(missing_ok=True)
        made.unlink(missing_ok=True)


def _require_same_reading(run: Run, described: dict[str, Any]) -> None:
    """Raises UserError where the script would read other ids or texts from the run's test file than the run did."""
    from pipeline.export import bundled_score  # imports onnxruntime

    path, test = Path(str(run.config.competition.test)), run.competition.test
    try:
        ids, texts = bundled_score.read(path, described)
    except (Exception, SystemExit) as error:  # noqa: BLE001, whatever the script would end with
        raise UserError(f"bundle: score.py cannot read {path}, a test file as this: {error}; write it as CSV in UTF-8 "
                        f"with a header, and name that as data.test") from None
    if ids != test.id.tolist() or texts != _texts(test):
        raise UserError(f"bundle: score.py reads other ids or texts from {path} than the run does; write it as CSV in "
                        f"UTF-8 with a header, and name that as data.test")


def _notebook(run: str) -> dict[str, Any]:
    """Three cells: install, predict, look."""
    cells = [
        "# The folder of this bundle, and the competition's data\nBUNDLE = '/kaggle/input/BUNDLE'\n"
        "TEST = '/kaggle/input/COMPETITION/test.csv'\n"
        "import sys\nwheels = f'{BUNDLE}/wheels/py{sys.version_info[0]}{sys.version_info[1]}'\n"
        "!pip install --quiet --no-index --find-links $wheels onnxruntime tokenizers",
        "!python $BUNDLE/score.py $TEST submission.csv", "!head -4 submission.csv; wc -l submission.csv"]
    return {"cells": [{"cell_type": "code", "execution_count": None, "id": f"cell{number}", "metadata": {},
                       "outputs": [], "source": text} for number, text in enumerate(cells)],
            "metadata": {"kernelspec": {"display_name": "Python 3", "language": "python", "name": "python3"},
                         "title": run}, "nbformat": 4, "nbformat_minor": 5}
