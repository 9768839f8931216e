"""Wrong keys and values are all told at once, with the key and what came; what is listed and shipped is right."""

import json
import re
from pathlib import Path

import pytest

from pipeline.config import loading, problems, schema
from pipeline.config.kinds import KINDS
from pipeline.config.run import Config
from stages.command import NAMES
from tests.conftest import ROOT, Command

CONFIG = "configs/toy.toml"
TEXTS = {path.relative_to(ROOT): path.read_text(encoding="utf-8")
         for pattern in ("*.md", "*/README.md", "docs/*.md", "stages/*.py", "pipeline/**/*.py", "configs/*.toml",
                         "*.sh")
         for path in sorted(ROOT.glob(pattern))}
KEYS = [key for key, _, _ in problems.describe()]


def refused(stages: Command, *arguments: str) -> list[str]:
    """What ``check`` tells about a configuration that it refuses, without the file's name."""
    result = stages("check", CONFIG, *arguments)
    assert result.code == 2, result.out + result.err
    assert not Path("models").exists()
    return [line.removeprefix(f"{CONFIG}: ") for line in result.lines]


def setting(*settings: str) -> list[str]:
    return [part for one in settings for part in ("--set", one)]


@pytest.mark.parametrize(("key", "meant"), [
    ("stage1.learningrate", "stage1.learning_rate"), ("tokens.maxtokens", "tokens.max_tokens"),
    ("data.text_column", "data.text_columns"), ("bert.hidden", "bert.random.hidden"), ("sead", "seed"),
    ("stage2.hand_on", "stage1.hand_on"), ("stage3.epochs", "stage2"),
    ("epochs", "pretrain.epochs or stage1.epochs or stage2.epochs"),
    ("zzzz", None),
])
def test_an_unknown_key_is_refused_with_the_nearest_known_one(
        project: Path, stages: Command, key: str, meant: str | None) -> None:
    section = key if meant != "stage2" else "stage3"
    hint = f"; did you mean {meant}?" if meant else ""
    assert refused(stages, *setting(f"{key}=1")) == [f"unknown key {section}{hint}"]


def test_all_wrong_keys_and_values_are_told_at_once(project: Path, stages: Command) -> None:
    lines = refused(stages, *setting("stage1.epoch=3", "tokens.max_tokens=2", "stage2.plateau=2", "stage2.decay=linear",
                                     "data.labels=['1', '1']", "sead=1", "head.parts=[]"))
    assert len(lines) == 6
    assert {"unknown key stage1.epoch; did you mean stage1.epochs?", "unknown key sead; did you mean seed?",
            "data: labels must be different texts, got '1' twice",
            "stage2: plateau sets the rate itself: it needs warmup = 0 and decay = 'none'"} <= set(lines)
    assert any(line.startswith("tokens.max_tokens: ") and line.endswith("; got 2") for line in lines)
    assert any(line.startswith("head.parts: ") and line.endswith("; got []") for line in lines)


@pytest.mark.parametrize(("key", "value", "got"), [
    ("stage1.epochs", "3.5", "3.5"), ("stage1.epochs", "0", "0"), ("stage1.epochs", "many", "'many'"),
    ("stage1.epochs", '""', "''"), ("stage1.epochs", "[3]", "[3]"), ("stage1.batch_size", "fold", "'fold'"),
    ("stage1.learning_rate", "nan", "nan"), ("stage1.learning_rate", "inf", "inf"),
    ("stage1.learning_rate", "0", "0"), ("stage1.warmup", "1.0", "1.0"), ("bert.dropout", "-0.1", "-0.1"),
    ("stage1.loss", "f1", "'f1'"), ("tokens.tokenizer", "Characters", "'Characters'"),
    ("data.text_columns", "text", "'text'"), ("data.text_columns", "['a', 'b', 'c']", "['a', 'b', 'c']"),
    ("data.separator", "'::'", "'::'"), ("folds.n", "1", "1"), ("folds.seed", "-1", "-1"),
    ("folds.seed", "2020-01-01", "datetime.date(2020, 1, 1)"), ("data.train", "5", "5"), ("stage1", "3", "3"),
    ("stage1.epochs", "true", "True"), ("stage1.epochs", "'3'", "'3'"), ("stage1.learning_rate", "'1e-3'", "'1e-3'"),
    ("hardware.xla", "'no'", "'no'"), ("data.quoting", "0", "0"), ("seed", "07", "'07'"),
    ("data.train", '""', "''"), ("data.test", '"a\\nb"', r"'a\nb'"),
    ("stage2.batch_size", "0", "0"), ("stage2.batch_size", "all", "'all'"),
    *((key, str(2**62), str(2**62)) for key in (
        "stage1.batch_size", "stage2.batch_size", "hardware.predict_batch", "head.attention_units", "baseline.min_rows",
        "stage1.early_stopping", "bert.random.vocab_size", "bert.random.intermediate", "pretrain.batch_tokens")),
    ("hardware.feature_cache", "inf", "inf"), ("baseline.strength", "inf", "inf"), ("stage1.clip_norm", "nan", "nan"),
    *((key, f"0x{'f' * 5_000}", "a number of thousands of digits") for key in (
        "stage1.epochs", "stage1", "stage2.batch_size", "folds.method")),
])
def test_a_wrong_value_is_one_line_with_its_key_and_what_came(
        project: Path, stages: Command, key: str, value: str, got: str) -> None:
    line, = refused(stages, *setting(f"{key}={value}"))
    assert line.startswith(f"{key}: ")
    assert line.endswith(f"got {got}")


CONTRADICTIONS = {
    "checkpoint and random": (['bert={checkpoint = "a", random = {layers = 2}}'],
                              "bert: give exactly one of bert.checkpoint and [bert.random]"),
    "heads that do not divide": (["bert.random.heads=3"], "bert.random: heads must divide hidden, got 3 and 256"),
    "plateau with warmup": (["stage1.plateau=2", "stage1.decay=none"],
                            "stage1: plateau sets the rate itself: it needs warmup = 0 and decay = 'none'"),
    "plateau with decay": (["stage1.plateau=2", "stage1.warmup=0"],
                           "stage1: plateau sets the rate itself: it needs warmup = 0 and decay = 'none'"),
    "adam with decay": (["stage1.optimizer=adam"],
                        "stage1: adam takes no weight decay: set weight_decay = 0, got 0.01"),
    "given without a source": (["folds.method=given"],
                               "folds: method = 'given' needs exactly one of column, file, dev; got none"),
    "given with two sources": (["folds.method=given", "folds.file=f.csv", "folds.dev=d.csv"],
                               "folds: method = 'given' needs exactly one of column, file, dev; got ['file', 'dev']"),
    "n-grams from long to short": (["baseline.ngrams=[3, 1]"],
                                   "baseline: ngrams must be the shortest and the longest n-gram, got [3, 1]"),
    "a source without given": (["folds.column=fold"], "folds: column needs method = 'given'; got 'stratified_grouped'"),
    "groups that are not used": (["folds.method=stratified", "folds.group_column=user"],
                                 "folds: group_column needs a grouped method; got 'stratified'"),
    "a fold in one batch under a head that reads padding": (
        ["head.masked=false"],
        "stage2.batch_size = 'fold' needs head.masked = true and stage2.dropout = false"),
    "a fold in one batch with dropout": (
        ["stage2.dropout=true"],
        "stage2.batch_size = 'fold' needs head.masked = true and stage2.dropout = false"),
}


@pytest.mark.parametrize(("settings", "problem"), CONTRADICTIONS.values(), ids=CONTRADICTIONS)
def test_settings_that_contradict_each_other_are_refused(
        project: Path, stages: Command, settings: list[str], problem: str) -> None:
    assert problem in refused(stages, *setting(*settings))


@pytest.mark.parametrize("settings", [["baseline.min_rows=48"], ["baseline.ngrams=[10, 10]"],
                                      ["baseline.analyzer=word", "baseline.min_rows=9"]])
def test_a_baseline_without_any_ngram_is_refused(project: Path, stages: Command, settings: list[str]) -> None:
    result = stages("baseline", CONFIG, *setting(*settings))
    assert result.code == 2
    assert len(result.lines) == 1
    assert result.lines[0].startswith("baseline fold 0: no n-gram is in baseline.min_rows = ")


def test_an_encoder_needs_a_source(project: Path, stages: Command) -> None:
    Path(CONFIG).write_text(Path(CONFIG).read_text().replace('checkpoint = "data/bert"', ""))
    assert refused(stages) == ["bert: give exactly one of bert.checkpoint and [bert.random]"]


def test_required_sections_are_named(project: Path, stages: Command) -> None:
    Path(CONFIG).write_text("")
    assert refused(stages) == ["data is missing: it must be given", "bert is missing: it must be given"]
    Path(CONFIG).write_text('[data]\ntest = "t.csv"\n[bert.random]\n')
    assert refused(stages) == ["data.train is missing: it must be given"]


@pytest.mark.parametrize(("text", "value"), [
    ("stage1.learning_rate=3e-4", 3e-4), ("stage1.learning_rate = 1", 1.0), ("stage1.loss=smooth_f1", "smooth_f1"),
    ("stage1.loss='smooth_f1'", "smooth_f1"), ("hardware.xla=true", True), ("head.parts=['max']", ["max"]),
    ("stage2.batch_size=fold", "fold"), ("stage2.batch_size=4", 4), ("data.id_column=a=b", "a=b"),
    ("folds.group_column=用户", "用户"),
])
def test_set_takes_toml_and_bare_words(project: Path, text: str, value: object) -> None:
    found = schema.flatten(loading.load(Path(CONFIG), [text]), "")[f".{text.partition('=')[0].strip()}"]
    assert found == value
    assert type(found) is type(value)


@pytest.mark.parametrize("text", ["stage1.epochs", "=3", " =3", ""])
def test_set_without_a_key_and_a_value_is_refused_with_an_example(project: Path, stages: Command, text: str) -> None:
    assert refused(stages, "--set", text) == [
        f"--set {text}: must be section.key=value, for example stage1.learning_rate=3e-4"]


def test_set_below_a_value_is_refused(project: Path, stages: Command) -> None:
    assert refused(stages, "--set", "data.train.x=3") == ["--set data.train.x=3: train is a value, not a section"]


def test_the_last_of_two_equal_set_keys_counts(project: Path) -> None:
    assert loading.load(Path(CONFIG), ["stage1.epochs=4", "stage1.epochs=5"]).stage1.epochs == 5


@pytest.mark.parametrize("name", ["../x", "a/b", "", ".hidden", "-x", "a\nb", "a\n", "a b", "饭", "a" * 81, "a" * 300])
def test_a_run_name_that_is_no_plain_file_name_is_refused(project: Path, stages: Command, name: str) -> None:
    assert refused(stages, f"--run={name}") == [
        f"name must be 1-80 letters, digits, '.', '_' or '-', the first a letter or digit; got {name!r}"]


def test_a_run_is_named_by_the_command_line_else_the_file_else_the_file_name(project: Path) -> None:
    assert loading.load(Path(CONFIG)).name == "toy"
    assert loading.load(Path(CONFIG), ["name=mine"]).name == "mine"
    assert loading.load(Path(CONFIG), ["name=mine"], "a" * 80).name == "a" * 80


def test_a_missing_config_is_refused_with_those_that_there_are(project: Path, stages: Command) -> None:
    result = stages("check", "configs/tyo.toml")
    assert result.code == 2
    assert result.lines == ["configs/tyo.toml: no such config. There is: configs/toy.toml"]


@pytest.mark.parametrize("content", [
    b"[data\n", b"a = 1\na = 2\n", b"name = '\xff'\n", b"a = " + b"[" * 50_000,
    b"seed = " + b"9" * 5000,
], ids=["bracket", "key twice", "not UTF-8", "nested too deep", "number too long"])
def test_broken_toml_is_refused_in_one_line(project: Path, stages: Command, content: bytes) -> None:
    Path(CONFIG).write_bytes(content)
    line, = refused(stages)
    assert line.startswith("not a readable TOML file: ")


def test_a_directory_for_a_config_is_refused(project: Path, stages: Command) -> None:
    result = stages("check", "configs")
    assert result.code == 2
    assert result.lines == ["configs: must be a file, got a folder"]


def test_a_config_may_begin_with_a_bom_and_have_dos_line_ends(project: Path) -> None:
    plain = loading.load(Path(CONFIG))
    Path(CONFIG).write_bytes(b"\xef\xbb\xbf" + Path(CONFIG).read_bytes().replace(b"\n", b"\r\n"))
    assert loading.load(Path(CONFIG)) == plain


def test_every_key_is_listed_with_a_meaning_or_a_default(project: Path, stages: Command) -> None:
    result = stages("keys")
    assert result.code == 0
    cells = [line.split("│")[1].strip() for line in result.out.splitlines() if line.startswith("│")]
    assert [cell for cell in cells if cell] == KEYS
    assert [key for key, default, meaning in problems.describe() if not meaning and default is None] == []


def test_every_listed_default_is_valid_for_its_key(project: Path) -> None:
    defaults = [f"{key}={json.dumps(default)}" for key, default, _ in problems.describe()
                if default not in (None, "required") and not key.startswith((
                    "bert.random.", "pretrain.", "blend.", "pseudo_labels."))]
    Path(CONFIG).write_text('[data]\ntrain = "a"\ntest = "b"\n[bert]\ncheckpoint = "c"\n')
    assert loading.load(Path(CONFIG), defaults) == loading.load(Path(CONFIG))


def test_a_written_config_reads_back_as_the_same(project: Path) -> None:
    found = loading.load(Path(CONFIG), ["stage1.early_stopping=3", "data.labels=['no \"\\n', '好']"], "other")
    Path("configs/again.toml").write_text(loading.dump(found), encoding="utf-8")
    assert loading.load(Path("configs/again.toml")) == found


@pytest.mark.parametrize("path", sorted((ROOT / "configs").glob("*.toml")), ids=lambda path: path.stem)
def test_every_shipped_config_is_valid(path: Path) -> None:
    assert loading.load(path).name == path.stem


@pytest.mark.parametrize("path", TEXTS, ids=str)
def test_every_command_and_key_that_a_text_mentions_exists(path: Path) -> None:
    commands = {name.replace("_", "-") for name in NAMES}
    assert set(re.findall(r"python -m stages +([\w-]+)", TEXTS[path])) <= {*commands, "STAGE"}
    assert set(re.findall(r"--set[ =]['\"]?([a-z_0-9.]+)=", TEXTS[path])) <= {*KEYS, "section.key"}


def test_contradictions_are_told_all_at_once_and_beside_wrong_values(project: Path, stages: Command) -> None:
    contradictory = {
        "stage1.plateau=2": "stage1: plateau sets the rate itself: it needs warmup = 0 and decay = 'none'",
        "stage2.weight_decay=0.1": "stage2: adam takes no weight decay: set weight_decay = 0, got 0.1",
        "baseline.ngrams=[3, 1]": "baseline: ngrams must be the shortest and the longest n-gram, got [3, 1]",
        "folds.column='fold'": "folds: column needs method = 'given'; got 'stratified_grouped'",
        "submit.id_header='Prediction'": "submit: id_header and prediction_header must differ, got 'Prediction' twice",
        "head.recurrent='gru'": "head.recurrent is for task = 'tags', got 'binary'",
        "data.format='conll'": "data.format = 'conll' is for task = 'tags', got 'binary'",
        "stage1.loss='cross_entropy'": "stage1.loss must be bce, focal, smooth_f1 for task = 'binary', got "
                                       "'cross_entropy'",
        "data.label_weights=[1.0]": "data.label_weights needs task = 'multioutput' and a weight for each of "
                                    "data.label_columns",
    }
    assert set(refused(stages, *setting(*contradictory))) == set(contradictory.values())
    lines = refused(stages, *setting(*contradictory, "tokens.max_tokens=0", "stage2.epoch=1"))
    assert set(contradictory.values()) < set(lines)
    assert len(lines) == len(contradictory) + 2


def test_a_rule_about_a_wrong_value_is_not_told(project: Path, stages: Command) -> None:
    line, = refused(stages, *setting("task=multioutputs", "data.label_columns=['a','b']"))
    assert line == ("task: must be binary, multiclass, multilabel, multioutput, tags, regression, ordinal, got "
                    "'multioutputs'")
    line, = refused(stages, *setting("task=multioutput", "data.label_colums=['a','b']"))
    assert line == "unknown key data.label_colums; did you mean data.label_columns?"
    line, = refused(stages, *setting("task=multioutput", "data.label_columns=3"))
    assert line.startswith("data.label_columns: ")


@pytest.mark.parametrize("kind", KINDS)
def test_the_defaults_of_a_kind_are_those_of_a_config_made_in_code(kind: str) -> None:
    columns = {"label_columns": ["a", "b"]} if KINDS[kind].label_columns == "outputs" else {}
    made = Config.model_validate({"name": "run", "task": kind, "bert": {"random": {}},
                                  "data": {"train": "train.csv"} | columns})
    assert made.stage1.loss == KINDS[kind].likelihood
    assert made.stage1.monitor == made.stage2.monitor == KINDS[kind].monitor


def test_keys_shows_the_defaults_of_every_kind() -> None:
    assert problems.shown_default("stage1.loss", "bce") == (
        "bce; cross_entropy for multiclass, multioutput, tags; mse for regression, ordinal")
    assert problems.shown_default("stage1.monitor", "auc") == "auc; f1 for tags; rmse for regression; qwk for ordinal"
    assert problems.shown_default("seed", 2020) == "2020"


def test_the_page_of_keys_is_what_the_command_writes(stages: Command) -> None:
    assert (ROOT / "docs/keys.md").read_text(encoding="utf-8") == stages("keys", "--markdown").out, (
        "write it again: python -m stages keys --markdown > docs/keys.md")


def test_a_former_name_of_a_kind_is_read_with_a_line(project: Path, stages: Command) -> None:
    result = stages("check", CONFIG, "--set", "task=tokens")
    assert result.lines[0] == f"{CONFIG}: task = 'tokens' is now called 'tags'; the former name is still read"
    assert result.lines[1].startswith("data/train.csv, ")  # read as tags, whatever else is wrong


@pytest.mark.parametrize("path", [path for path in TEXTS if str(path).endswith(".md")], ids=str)
def test_every_file_that_a_text_mentions_exists(path: Path) -> None:
    files = re.findall(r"`((?:pipeline|stages|tests|benchmarks|configs|docs)/[\w/.]+\.(?:py|md|toml))`", TEXTS[path])
    ours = {"pipeline/tasks/stars.py", "configs/mine.toml"}  # examples of what a reader writes
    assert [file for file in files if not (ROOT / file).exists() and file not in ours] == []
    links = re.findall(r"\]\(([^)#:]+)(?:#[\w-]+)?\)", TEXTS[path])
    assert [link for link in links if not (ROOT / path).parent.joinpath(link).exists()] == []
