"""Hostile input: it is refused in a line, costs little, executes nothing, and reaches nothing outside the project."""

import gzip
import os
import pickle
import re
import shutil
import signal
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, NoReturn

import numpy as np
import pandas as pd
import pytest
from markdown_it import MarkdownIt
from safetensors import SafetensorError

from pipeline.backend import keras
from pipeline.competition import tables
from pipeline.competition.readers import delimited
from pipeline.config.model import Tokens
from pipeline.files import formats, sealed
from pipeline.results import plots, report
from pipeline.runs import cells
from pipeline.tasks.binary import Binary
from pipeline.text import tokenization
from pipeline.text.vocabulary import SPECIAL, Vocabulary
from tests.conftest import ROOT, Command, Result

CONFIG = "configs/toy.toml"
TRAIN = Path("data/train.csv")
MARKER = Path("executed")
PRETRAIN = "\n[pretrain]\nepochs = 1\nmax_tokens = 16\nbatch_tokens = 64\nfiles = ['data/more.txt']\n"


@pytest.fixture(autouse=True)
def _nothing_hangs() -> Iterator[None]:
    def stop(*_: object) -> NoReturn:
        raise TimeoutError("a hostile input takes more than two minutes")

    old = signal.signal(signal.SIGALRM, stop)
    signal.alarm(120)
    yield
    signal.alarm(0)
    signal.signal(signal.SIGALRM, old)


def told(result: Result, code: int = 2) -> str:
    """The one line on standard error of a command that ended with this code."""
    assert result.code == code, result.out + result.err
    assert "Traceback" not in result.err
    line, = result.lines
    assert line.isprintable()
    assert len(line) <= 1000
    return line


def setting(*settings: str) -> list[str]:
    return [part for one in settings for part in ("--set", one)]


def files(folder: Path) -> dict[Path, bytes]:
    """Every file below a folder that is no link, and its bytes."""
    return {path: path.read_bytes() for path in folder.rglob("*") if path.is_file() and not path.is_symlink()}


# --- what lies where a file should be ---------------------------------------------------------------------------------

STAND_INS: dict[str, tuple[Callable[[Path], object], str]] = {
    "a pipe": (os.mkfifo, "must be a file, got a pipe"),
    "an endless device": (lambda path: path.symlink_to("/dev/zero"), "must be a file, got a device"),
    "a folder": (Path.mkdir, "must be a file, got a folder"),
    "a Git LFS pointer": (
        lambda path: path.write_text("version https://git-lfs.github.com/spec/v1\noid sha256:4d7a\nsize 12345\n"),
        "is a Git LFS pointer, not the file that it stands for; fetch that: git lfs pull"),
    "a web page": (
        lambda path: path.write_text("\n<!DOCTYPE html>\n<html><body>Sign in, please</body></html>\n"),
        "looks like a web page (HTML), not the file itself; download that again"),
}
GIVEN = setting("folds.method=given")
READ: dict[str, tuple[str, list[str]]] = {
    "train": ("data/train.csv", []),
    "test": ("data/test.csv", []),
    "sample": ("data/sample_submission.csv", []),
    "folds": ("data/folds.csv", [*GIVEN, *setting("folds.file=data/folds.csv")]),
    "dev": ("data/dev.csv", [*GIVEN, *setting("folds.dev=data/dev.csv")]),
    "config": (CONFIG, []),
    "Google's vocabulary": ("data/bert/vocab.txt", []),
    "Google's configuration": ("data/bert/bert_config.json", []),
    "Google's index": ("data/bert/bert_model.ckpt.index", []),
    "Google's weights": ("data/bert/bert_model.ckpt.data-00000-of-00001", []),
    "Hugging Face's configuration": ("data/hf/config.json", setting("bert.checkpoint=data/hf")),
    "Hugging Face's weights": ("data/hf/model.safetensors", setting("bert.checkpoint=data/hf")),
}


@pytest.mark.parametrize(("name", "settings"), READ.values(), ids=READ)
def test_what_is_no_file_or_another_files_stand_in_is_told_as_such(
        project: Path, stages: Command, name: str, settings: list[str]) -> None:
    shutil.copytree(ROOT / "tests/golden/hf_tiny", "data/hf")
    path = Path(name)
    for put, problem in STAND_INS.values():
        path.unlink(missing_ok=True)
        put(path)
        assert told(stages("check", CONFIG, *settings)) == f"{name}: {problem}"
        assert not Path("models").exists()
        if path.is_dir():
            path.rmdir()


@pytest.mark.parametrize("kind", STAND_INS)
def test_so_are_texts_to_pretrain_on_and_what_a_new_checkpoint_is_made_of(
        project: Path, stages: Command, kind: str) -> None:
    put, problem = STAND_INS[kind]
    put(Path("data/more.txt"))
    for option in ("--vocab", "--texts"):
        assert told(stages("new-checkpoint", "data/new", option, "data/more.txt")) == f"data/more.txt: {problem}"
    config = Path(CONFIG)
    config.write_text(config.read_text() + PRETRAIN)
    assert told(stages("pretrain", CONFIG)) == f"data/more.txt: {problem}"
    config.write_text(config.read_text().replace('checkpoint = "data/bert"', 'random = {vocab = "data/more.txt"}'))
    assert told(stages("check", CONFIG)) == f"data/more.txt: {problem}"


def test_all_stand_ins_are_told_at_once(project: Path, stages: Command) -> None:
    paths = [Path(READ[name][0]) for name in ("train", "test", "sample")]
    for path in paths:
        path.write_text("version https://git-lfs.github.com/spec/v1\n")
    assert stages("check", CONFIG).lines == [f"{path}: {STAND_INS['a Git LFS pointer'][1]}" for path in paths]


def test_standard_input_is_no_table_and_no_config(project: Path, stages: Command) -> None:
    reader, writer = os.pipe()
    for name in (f"/dev/fd/{reader}", "/dev/null"):
        kind = "a device" if name == "/dev/null" else "a pipe"
        assert told(stages("check", name)) == f"{name}: must be a file, got {kind}"
        assert told(stages("check", CONFIG, *setting(f"data.train={name}"))) == f"{name}: must be a file, got {kind}"
    os.close(reader)
    os.close(writer)


# --- what would be executed -------------------------------------------------------------------------------------------

class Payload:
    """Leaves a marker where it is unpickled."""

    def __reduce__(self) -> tuple[Any, ...]:
        return os.system, (f"touch {MARKER}",)


def keras_file(name: str) -> bytes:
    """A Keras model whose Lambda leaves a marker when the model is loaded."""
    model = keras.Sequential([keras.layers.Lambda(lambda values: __import__("pathlib").Path("executed").touch()
                                                  or values, input_shape=(1,))])
    MARKER.unlink()  # making it ran it
    model.save(name)
    MARKER.unlink(missing_ok=True)
    return Path(name).read_bytes()


@pytest.mark.parametrize("payload", ["pickle", "pickle.gz", "lambda.h5", "lambda.keras"])
def test_a_file_that_would_run_code_is_refused_and_runs_none(project: Path, stages: Command, payload: str) -> None:
    made = {"pickle": pickle.dumps(Payload()), "pickle.gz": gzip.compress(pickle.dumps(Payload()))}
    content = made[payload] if payload in made else keras_file(payload)
    shutil.copytree(ROOT / "tests/golden/hf_tiny", "data/hf")
    for name in ("data/hf/model.safetensors", "data/bert/bert_model.ckpt.data-00000-of-00001",
                 "data/bert/bert_model.ckpt.index", "data/bert/bert_config.json", "data/bert/vocab.txt",
                 "data/train.csv", CONFIG):
        good = Path(name).read_bytes()
        Path(name).write_bytes(content)
        checked = stages("check", CONFIG, *setting("bert.checkpoint=data/hf") * ("hf" in name))
        assert told(checked).startswith(name.partition(".ckpt")[0])
        assert not MARKER.exists()
        Path(name).write_bytes(good)


def test_nothing_in_the_project_can_unpickle_or_evaluate() -> None:
    words = r"\b(pickle|marshal|shelve|joblib|dill|yaml|eval|exec|load_model|allow_pickle|os\.system|subprocess)\b"
    for path in [*ROOT.glob("pipeline/*.py"), *ROOT.glob("stages/*.py")]:
        code = re.sub(r'""".*?"""|#.*|"[^"\n]*"', "", path.read_text(encoding="utf-8"), flags=re.DOTALL)
        assert not re.findall(words, code), path


# --- names and links that lead elsewhere ------------------------------------------------------------------------------

NAMES = ["../x", "/tmp/x", "a\nb", "", ".", "..", "a" * 300, "-x", "😀", "\x1b[31mred", "a/../b", "con\0", "a b",
         "$(touch executed)", "a\udcff"]
RULE = "must be 1-80 letters, digits, '.', '_' or '-', the first a letter or digit; got "


@pytest.mark.parametrize("name", NAMES)
def test_a_run_name_that_leads_elsewhere_is_refused_wherever_it_is_given(
        project: Path, stages: Command, name: str) -> None:
    before = files(project.parent)
    assert told(stages("baseline", CONFIG, f"--run={name}")) == f"{CONFIG}: name {RULE}{name!r}"
    assert told(stages("baseline", CONFIG, f"--from={name}")) == f"--from {RULE}{name!r}"
    assert files(project.parent) == before
    if "/" not in name and "\0" not in name and len(name) < 250:
        Path(CONFIG).rename(f"configs/{name}.toml")
        assert RULE in told(stages("baseline", f"configs/{name}.toml"))
    assert not Path("models").exists()


@pytest.fixture
def outside(project: Path) -> Path:
    """A folder beside the project's own, with a file that no run may touch."""
    folder = project / "outside"
    folder.mkdir()
    (folder / "precious").write_text("precious")
    return folder


LINKS = ["models/toy", "models/toy/baseline", "models/toy/baseline/fold_0", "models/toy/.lock", "models/toy/run.log",
         "models/toy/folds.csv", "models/toy/.folds.csv.writing", "models/toy/baseline/.fold_0.state.safetensors",
         "models/toy/baseline/.fold_0.building", "oof/toy", "oof/toy/baseline.csv", "oof/toy/.auc.md.writing",
         "submissions/toy.csv", "submissions/.toy.csv.writing", "submissions/toy_baseline.csv"]


@pytest.mark.parametrize("name", LINKS)
def test_a_link_in_place_of_what_a_run_owns_is_refused(
        project: Path, stages: Command, outside: Path, name: str) -> None:
    path = Path(name)
    path.parent.mkdir(parents=True, exist_ok=True)
    for target in ("outside", "outside/precious", "outside/none"):
        path.symlink_to(project / target)
        for options in (["baseline", CONFIG], ["baseline", CONFIG, "--redo", "baseline"], ["submit", CONFIG]):
            assert told(stages(*options), 5).startswith(f"{name}: must be a file or folder of the run's own")
        assert files(outside) == {outside / "precious": b"precious"}
        path.unlink()


def test_a_pipe_in_place_of_what_a_run_owns_is_refused(project: Path, stages: Command) -> None:
    Path("models/toy").mkdir(parents=True)
    for path in (Path("models/toy/run.log"), Path("models/toy/.lock"), Path("models/toy/run.json")):
        path.unlink(missing_ok=True)
        os.mkfifo(path)
        for options in ([], ["--run", "new", "--from", "toy"]):
            assert told(stages("baseline", CONFIG, *options), 5).startswith(f"{path}: must be a file")
        path.unlink()


def test_the_folders_of_all_runs_may_be_links(project: Path, stages: Command, outside: Path) -> None:
    for name in ("models", "oof", "submissions", "data"):
        if Path(name).exists():
            Path(name).rename(outside / name)
        (outside / name).mkdir(exist_ok=True)
        Path(name).symlink_to(outside / name)
    for stage in ("baseline", "submit", "report"):
        result = stages(stage, CONFIG, *setting("submit.stage=baseline"))
        assert result.code == 0, result.err
    assert (outside / "submissions/toy.csv").exists()


@pytest.mark.parametrize(("name", "code"), [("x" * 300, 5), ("data/train.csv/x", 5), ("dangling", 2), (".", 2)])
def test_a_checkpoint_is_made_in_a_new_folder_only(project: Path, stages: Command, name: str, code: int) -> None:
    Path("dangling").symlink_to("elsewhere")
    assert told(stages("new-checkpoint", name, "--vocab", "data/bert/vocab.txt"), code).startswith(name)
    assert not Path("elsewhere").exists()


# --- what is too large, or too deep -----------------------------------------------------------------------------------

DEEP = ".".join("a" * 10_000)
LARGE: dict[str, str] = {
    "a comment without end": "# " + "x" * 50_000_000,
    "a list without end": f"seed = [{'1,' * 1_000_000}]",
    "10,000 brackets": f"seed = {'[' * 10_000}{']' * 10_000}",
    "10,000 tables in each other": f"seed = {'{a=' * 10_000}1{'}' * 10_000}",
    "a key of 10,000 parts": f"seed.{DEEP} = 1",
    "a key of 10,000 quoted parts": 'seed."a' + '"."a' * 10_000 + '" = 1',
    "a section of 10,000 parts": f"[{DEEP}]",
    "500 tables deep": f"seed.{DEEP[:999]} = 1",
    "a number of 4,000 digits": f"seed = {'9' * 4_000}",
}


@pytest.mark.parametrize("content", LARGE.values(), ids=LARGE)
def test_a_config_too_large_or_too_deep_is_refused(project: Path, stages: Command, content: str) -> None:
    Path(CONFIG).write_text(f"{content}\n{Path(CONFIG).read_text()}")
    line = told(stages("check", CONFIG))
    assert line.startswith(f"{CONFIG}: ")
    if content.count(".") > 1_000:  # which takes gigabytes to read where the parts are some ten thousands
        assert line.endswith("more than 500 dots on line 1; write a list over several lines")


def test_of_thousands_of_wrong_keys_some_are_told(project: Path, stages: Command) -> None:
    Path(CONFIG).write_text("\n".join(f"k{number} = 1" for number in range(9_000)) + Path(CONFIG).read_text())
    lines = stages("check", CONFIG).lines
    assert lines[0] == f"{CONFIG}: unknown key k0"
    assert len(lines) == 21
    assert re.fullmatch(rf"{CONFIG}: 89\d\d more wrong keys or values", lines[-1])


@pytest.mark.parametrize("value", ["[" * 50_000, "{a=" * 20_000, DEEP, "'" + "x" * 100_000])
def test_a_setting_too_large_or_too_deep_is_refused(project: Path, stages: Command, value: str) -> None:
    assert told(stages("check", CONFIG, *setting(f"seed={value}"))).startswith(f"{CONFIG}: seed: ")
    assert "unknown key a" in told(stages("check", CONFIG, *setting(f"{DEEP}={value}")))
    assert told(stages("check", CONFIG, *setting(f"seed.{DEEP}=1"))).startswith(f"{CONFIG}: seed: ")


def test_a_table_of_very_many_columns_is_refused(project: Path, stages: Command) -> None:
    TRAIN.write_text(",".join(f"c{number}" for number in range(200_000)) + "\n")
    assert told(stages("check", CONFIG)) == (
        "data/train.csv: must have at most 10,000 columns, got 200,000; is it the right file, and data.separator what "
        "stands between its fields?")
    TRAIN.write_text(",".join(f"c{number}" for number in range(5_000)) + "\n")
    lines = stages("check", CONFIG).lines
    assert lines[0].startswith("data/train.csv: has a header and no rows")


def test_a_field_that_has_swallowed_a_file_is_refused(project: Path, stages: Command) -> None:
    TRAIN.write_text('id,text,label\na,香,1\nb,"' + "差,0\nc,香\n" * 150_000 + '",0\n')
    line = told(stages("check", CONFIG))
    assert line.startswith("data/train.csv, line 3: not valid CSV: field larger than field limit (1000000); a quote ")


def test_only_the_beginning_of_a_long_text_is_cut_into_word_pieces() -> None:
    vocab = [*SPECIAL, "a", "##a", "b", "香"]
    config = Tokens(tokenizer="wordpiece", max_tokens=22)
    texts = ["a" * 1_000_000, "ab " * 300_000, "香" * 1_000_000, "b" + " " * 1_000_000 + "b"]
    begun = [text[:2_200] for text in texts]
    whole, part = (tokenization.encode(pd.DataFrame({"text": group}), Vocabulary(vocab), config)
                   for group in (texts * 30, begun * 30))
    np.testing.assert_array_equal(whole.ids, part.ids)
    assert len(texts * 30) == len(whole.lengths)


def test_long_ids_labels_and_column_names_are_cut_where_they_are_told(project: Path, stages: Command) -> None:
    train, long = pd.read_csv(TRAIN, dtype=str), "x" * 500_000
    train.assign(id=[long, long, *train.id[2:]]).to_csv(TRAIN, index=False)
    assert told(stages("check", CONFIG)).endswith("x' stands twice; ids must be unique")
    train.assign(label=[long, *train.label[1:]]).to_csv(TRAIN, index=False)
    assert told(stages("check", CONFIG)).startswith("data/train.csv, column label, line 2: label must be '0' or '1'")
    train.rename(columns={"text": long}).to_csv(TRAIN, index=False)
    assert told(stages("check", CONFIG)).startswith("data/train.csv: no column 'text'; it has 'id', 'xxx")


def test_a_text_file_that_unpacks_without_end_is_refused(project: Path, stages: Command) -> None:
    Path("data/more.gz").write_bytes(gzip.compress(b"a" * 30_000_000))
    Path(CONFIG).write_text(Path(CONFIG).read_text() + PRETRAIN.replace("more.txt", "more.gz"))
    assert told(stages("pretrain", CONFIG)) == (
        "data/more.gz, line 1: must be shorter than 1,000,000 bytes; write one text a line")


# --- what would be rendered -------------------------------------------------------------------------------------------

RENDERED = ["<script>alert(1)</script>", "[a](http://b.c)", "![a](http://b.c/d.png)", "[red]a[/red]", ":skull:",
            "[link=http://b.c]a[/link]", "\x1b[31mred\x1b[0m", "\x1b]8;;http://b.c\x1b\\a", "\x07\x08",
            "a\u202eb\u2066", "| a | b |", "`a`", "**a** __b__", "http://b.c www.b.c", "&lt;b&gt;", "\u200b\x9b31m",
            "$\\frac{1}{2}$",
            "=cmd|'/C calc'!A0", "+1", "-1", "@SUM(1)", "\t=1", "a\nb", "# a", "%s %(a)s {0}"]


def unrendered(text: str) -> None:
    """No control or formatting character of the data, and none of its words replaced by what they mean."""
    assert not [c for c in text if not c.isprintable() and c != "\n"]
    assert "\N{SKULL}" not in text


def test_nothing_in_the_data_is_rendered_or_changed(project: Path, stages: Command) -> None:
    negative, positive = "<b>[red]:skull:\x1b[1m", "$\\frac{1}{2}$ | `x` \u202e" + "x" * 10_000
    names = {"id": "<i>id\x1b[1m|", "text": "[link=http://b.c]:skull:", "label": "\u202elabel"}
    train, test = pd.read_csv(TRAIN, dtype=str), pd.read_csv("data/test.csv", dtype=str)
    ids = (RENDERED * 2)[:len(test)]
    hostile = [f"{text} {row}" for row, text in enumerate(RENDERED)]
    train["id"] = [*hostile, *train.id[len(hostile):]]
    train["text"] = [*(f"{text}{mark}" for text, mark in zip(train.text, RENDERED, strict=False)),
                     *train.text[len(RENDERED):]]
    train["label"] = train.label.map({"0": negative, "1": positive})
    test["id"] = ids
    train.rename(columns=names).to_csv(TRAIN, index=False)
    test.rename(columns=names).to_csv("data/test.csv", index=False)
    pd.DataFrame({"=ID()": ids[::-1], "<script>": 0}).to_csv("data/sample_submission.csv", index=False)
    settings = setting(f"data.id_column={quoted(names['id'])}", f"data.text_columns=[{quoted(names['text'])}]",
                       f"data.label_column={quoted(names['label'])}",
                       f"data.labels=[{quoted(negative)}, {quoted(positive)}]", "submit.stage=baseline")
    shown = ""
    for stage in ("check", "folds", "baseline", "submit", "report"):
        result = stages(stage, CONFIG, *settings)
        assert result.code == 0, result.err
        shown += result.out
    log = Path("models/toy/run.log").read_text()
    for text in (shown, log, Path("oof/toy/auc.md").read_text()):
        unrendered(text)
    parsed = MarkdownIt("commonmark").enable("table").parse(Path("oof/toy/auc.md").read_text())
    assert not {part.type for token in parsed for part in (token, *(token.children or []))} & {
        "link_open", "image", "html_inline", "html_block"}
    for seen in ("<script>alert(1)</script> 0", "[red]a[/red] 3", ":skull: 4"):
        assert f"  id {seen}, label " in shown
    assert delimited.read_table(Path("submissions/toy.csv"), quoting=True).to_numpy()[:, 0].tolist() == ids[::-1]
    assert delimited.read_table(Path("oof/toy/baseline.csv")).id.tolist() == train.id.tolist()
    refused = stages("check", CONFIG, *settings, *setting("data.id_column=no"))
    unrendered(refused.err)
    assert r"<i>id\x1b[1m|" in refused.err


def quoted(text: str) -> str:
    """The text as a TOML string."""
    return '"' + "".join(f"\\u{ord(c):04x}" if c in '"\\' or not c.isprintable() else c for c in text) + '"'


def test_a_class_name_fits_its_legend_and_is_no_formula() -> None:
    assert plots._short("x" * 1_000_000, 0) == "x" * 23 + "…"
    assert plots._short("a$\\frac$\x1b\n", 0) == r"a\$\frac\$\x1b\x0a"
    assert plots._short("𓀀", 3) == "no. 3"  # no font for it


def test_a_bug_shows_no_control_characters_either(project: Path, stages: Command, monkeypatch: pytest.MonkeyPatch
                                                  ) -> None:
    def broken(*_: object) -> NoReturn:
        raise RuntimeError("\x1b[31mred\u202e")

    monkeypatch.setattr(tables, "read", broken)
    result = stages("check", CONFIG)
    assert result.code == 7
    unrendered(result.err)
    assert r"RuntimeError: \x1b[31mred\x202e" in result.err


def test_a_run_is_named_in_a_report_as_it_is_written(project: Path) -> None:
    built = {"run": "a__b.c_", "metric": "auc", "folds": {"method": "plain", "count": 0}, "data": {"rows": 0},
             "stages": {}, "comparisons": [], "best_oof": "stage1", "submitted": "stage1", "notes": [],
             "intervals": {"groups": 0, "grouped_by": "identical text"}}
    assert "`submissions/a__b.c_.csv` is made from stage1" in report.summary(Binary("0", "1"), built)[0]
    assert report.markdown(Binary("0", "1"), built).startswith("# Out-of-fold report of run `a__b.c_`\n")


def test_weights_of_a_cell_that_were_exchanged_for_a_pickle_are_not_read(project: Path, stages: Command) -> None:
    cell, name = Path("models/toy/stage1/fold_0"), "weights_last.safetensors"
    cells.publish(cell, {"stage": "stage1"}, {name: {"a": np.zeros(3, np.float32)}}, {})
    assert sealed.read_done(cell)
    (cell / name).write_bytes(pickle.dumps(Payload()))
    result = stages("stage2", CONFIG, "--fold", "0")
    assert result.code == 2
    assert result.lines[0].startswith("stage1 fold 0 is not done")
    with pytest.raises(SafetensorError):
        formats.read_tensors(cell / name)
    assert not MARKER.exists()


def test_a_checkpoint_folder_may_have_an_odd_name(project: Path, stages: Command) -> None:
    for name in ("data/gs:", "data/-x $(touch executed) \"'", "data/\x1b[31m"):
        Path("data/bert").rename(name)
        assert stages("check", CONFIG, *setting(f"bert.checkpoint={quoted(name)}")).code == 0, name
        Path(name).rename("data/bert")
    assert not MARKER.exists()
