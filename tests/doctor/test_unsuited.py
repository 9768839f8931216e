"""``check`` warns where settings do not suit the texts or the encoder, each time with the option that mends it; with
that option the warning is gone."""

import re
import shlex
from pathlib import Path

import pandas as pd
import pytest

from pipeline.checkpoints import encoder_config, google
from pipeline.checkpoints.encoder_config import EncoderConfig
from pipeline.text.vocabulary import SPECIAL, Vocabulary
from tests.conftest import Command
from tests.toy import CHARACTERS

CONFIG = "configs/toy.toml"
ENOUGH = ["--set", "stage1.epochs=60", "--set", "stage1.learning_rate=1e-3"]


def told(stages: Command, *options: str) -> list[str]:
    result = stages("check", CONFIG, *options)
    assert result.code == 0, result.err
    return [line.removeprefix("warning: ") for line in result.out.splitlines() if line.startswith("warning: ")]


def mended(stages: Command, warning: str, *options: str) -> list[str]:
    """The warnings that are left with the option that a warning ends with."""
    setting = re.search(r"--set (.+)$", warning)
    assert setting is not None, warning
    return told(stages, *options, "--set", shlex.split(setting[1])[0])


def with_encoder(hidden: int, tokens: list[str]) -> None:
    shape = EncoderConfig(vocab_size=len(tokens), hidden=hidden, layers=2, heads=2, intermediate=32, positions=32,
                       segments=2, activation="gelu_tanh")
    google.write(Path("data/bert"), shape, Vocabulary(tokens), encoder_config.random_tensors(shape, 1))


def test_nothing_is_told_where_everything_suits(project: Path, stages: Command) -> None:
    assert told(stages, *ENOUGH) == []
    assert "everything checked is in order" in stages("check", CONFIG, *ENOUGH).out


def test_few_steps_are_told_with_the_epochs_that_make_enough(project: Path, stages: Command) -> None:
    [warning] = told(stages, "--set", "stage1.learning_rate=1e-3")
    assert "takes 8 steps on a fold" in warning
    assert mended(stages, warning, "--set", "stage1.learning_rate=1e-3") == []


def test_a_rate_far_from_the_encoders_is_told(project: Path, stages: Command) -> None:
    for wrong in ("1e-5", "1e-1"):
        options = ["--set", "stage1.epochs=60", "--set", f"stage1.learning_rate={wrong}"]
        [warning] = told(stages, *options)
        assert "what an encoder of 2 layers and hidden size 16 takes" in warning
        assert mended(stages, warning, *options) == []


def test_cut_rows_are_told_with_the_length_that_95_percent_fit_in(project: Path, stages: Command) -> None:
    [warning] = told(stages, *ENOUGH, "--set", "tokens.max_tokens=6")
    assert re.search(r"tokens.max_tokens = 6 cuts \d+% of the texts of train short", warning)
    assert mended(stages, warning, *ENOUGH) == []


def test_unknown_tokens_are_told_once_and_the_check_does_not_end_in_order(project: Path, stages: Command) -> None:
    with_encoder(16, [*SPECIAL, *CHARACTERS[:12]])
    [warning] = told(stages, *ENOUGH)
    assert re.search(r"\d+% of the tokens of train are unknown to the vocabulary of data/bert", warning)
    assert "in order" not in stages("check", CONFIG, *ENOUGH).out


def test_letters_for_a_vocabulary_of_characters_are_told(project: Path, stages: Command) -> None:
    train, test = (pd.read_csv(f"data/{name}.csv", dtype=str) for name in ("train", "test"))
    for table, name in ((train, "train"), (test, "test")):
        table.assign(text=[f"abc cab {'ab' * (row % 3)} {row % 4}" for row in range(len(table))]).to_csv(
            f"data/{name}.csv", index=False)
    with_encoder(16, [*SPECIAL, *"abc0123", "##a", "##b", "##c"])
    warnings = told(stages, *ENOUGH, "--set", "tokens.tokenizer=characters")
    assert any("takes each letter for a token of its own" in warning for warning in warnings)
    left = mended(stages, next(line for line in warnings if "of its own" in line), *ENOUGH)
    assert not any("of its own" in line for line in left)


def test_numbers_with_a_list_of_names_beside_them_are_told_with_the_table(project: Path, stages: Command) -> None:
    Path("data/class.txt").write_text("差\n好\n", encoding="utf-8")
    options = [*ENOUGH, "--set", "task=multiclass", "--set", "data.sample_submission="]
    [warning] = told(stages, *options)
    assert "data/class.txt names them" in warning
    assert mended(stages, warning, *options) == []


@pytest.mark.parametrize(("given", "gone"), [("bert.checkpoint=data/bert", "random"), ("bert.random.layers=1",
                                                                                      "checkpoint")])
def test_an_override_takes_the_place_of_its_alternative(project: Path, stages: Command, given: str, gone: str) -> None:
    text = Path(CONFIG).read_text()
    if gone == "random":
        Path(CONFIG).write_text(text.replace('[bert]\ncheckpoint = "data/bert"', "[bert.random]\nlayers = 1"))
    assert stages("check", CONFIG, "--set", given).code == 0


def test_an_empty_override_unsets_a_key_and_a_table(project: Path, stages: Command) -> None:
    Path(CONFIG).write_text(Path(CONFIG).read_text() + "[pretrain]\nepochs = 1\n")
    result = stages("check", CONFIG, "--set", "pretrain=", "--set", "data.sample_submission=")
    assert result.code == 0
    assert "pretrain:" not in result.out


def test_the_check_ends_with_what_will_be_submitted_and_three_commands(project: Path, stages: Command) -> None:
    lines = stages("check", CONFIG).out.splitlines()
    at = next(number for number, line in enumerate(lines) if line.startswith("submission: submissions/toy.csv"))
    sample = Path("data/sample_submission.csv").read_text().splitlines()
    assert [line.strip() for line in lines[at + 1:at + 5]] == sample[:4]
    assert [line.partition(" ")[0] for line in lines[-3:]] == ["next:"] * 3
    assert not Path("models").exists()


def test_time_and_memory_are_told_for_each_stage_that_trains(project: Path, stages: Command) -> None:
    told = stages("check", CONFIG).out
    for stage in ("stage1", "stage2"):
        assert re.search(rf"^{stage}: 3 cells, 1 at a time, about \d+ s, by the speed of a matrix product here; "
                         rf"1.0 GB of memory each$", told, re.MULTILINE)
    assert stages("stage1", CONFIG).code == 0
    assert "as it was here before" in stages("check", CONFIG, "--run", "other").out
