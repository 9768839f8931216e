"""What a configuration does not give follows from the encoder and the texts, is told, kept with the run, and stands in
the identity of its cells."""

import dataclasses
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from pipeline.checkpoints import encoder_config, google
from pipeline.config import loading
from pipeline.config.model import RandomBert
from pipeline.config.run import Config
from pipeline.runs import fitted_defaults, opening
from pipeline.text.vocabulary import SPECIAL, Vocabulary
from tests.conftest import Command
from tests.toy import CHARACTERS, TINY

CONFIG = Path("configs/toy.toml")


def settled() -> Config:
    return opening.read(loading.load(CONFIG)).config


def bare() -> None:
    """The toy's configuration without the rate."""
    CONFIG.write_text(CONFIG.read_text().replace("learning_rate = 1e-3\n", ""))


def test_the_length_is_what_95_percent_of_the_texts_fit_in(project: Path) -> None:
    texts = pd.concat([pd.read_csv(f"data/{name}.csv").text for name in ("train", "test")])
    lengths = texts.str.len() + 2
    assert settled().tokens.max_tokens == int(np.percentile(lengths, 95, method="higher"))
    assert np.mean(lengths > settled().tokens.max_tokens) <= 0.05


def test_the_tokenizer_is_what_the_vocabulary_is_for(project: Path) -> None:
    assert settled().tokens.tokenizer == "characters"
    vocab = [*SPECIAL, *CHARACTERS[:-1], "##a"]
    google.write(Path("data/bert"), TINY, Vocabulary(vocab), encoder_config.random_tensors(TINY, 1))
    assert settled().tokens.tokenizer == "wordpiece"


@pytest.mark.parametrize(("hidden", "rate"), [(1024, 2e-5), (768, 3e-5), (512, 1e-4), (312, 3e-4), (256, 3e-4),
                                              (128, 5e-4)])
def test_the_rate_follows_from_the_encoders_size(project: Path, hidden: int, rate: float) -> None:
    assert fitted_defaults.rate(RandomBert(layers=1, hidden=hidden, heads=2)) == rate
    bare()
    text = CONFIG.read_text().replace('[bert]\ncheckpoint = "data/bert"',
                                      f"[bert.random]\nlayers = 1\nhidden = {hidden}\nheads = 2")
    CONFIG.write_text(text)
    assert settled().stage1.learning_rate == rate


@pytest.mark.parametrize(("family", "layers", "hidden", "rate"), [
    ("bert", 6, 384, 5e-5), ("bert", 4, 256, 3e-4), ("bert", 12, 768, 3e-5), ("roberta", 12, 768, 3e-5),
    ("electra", 12, 256, 3e-4), ("electra", 12, 768, 1e-4), ("albert", 12, 768, 2e-5), ("deberta", 12, 768, 2e-5),
    ("deberta", 24, 1024, 1e-5)])
def test_the_rate_of_a_checkpoint_is_its_familys(family: str, layers: int, hidden: int, rate: float) -> None:
    shape = dataclasses.replace(TINY, family=family, layers=layers, hidden=hidden)
    assert fitted_defaults.rate(shape) == rate


def test_what_is_given_is_left_alone(project: Path) -> None:
    CONFIG.write_text(CONFIG.read_text() + '[tokens]\nmax_tokens = 22\ntokenizer = "wordpiece"\n')
    config = settled()
    assert (config.tokens.max_tokens, config.tokens.tokenizer, config.stage1.learning_rate) == (22, "wordpiece", 1e-3)
    assert opening.read(loading.load(CONFIG)).chosen == ()


def test_each_choice_is_told_with_its_reason(project: Path, stages: Command) -> None:
    bare()
    out = stages("check", str(CONFIG)).out
    assert "tokens.tokenizer = 'characters', since the vocabulary of data/bert has no piece that begins with ##" in out
    assert "stage1.learning_rate = 0.0005, for an encoder of 2 layers and hidden size 16" in out
    assert "which 95 % of the texts fit in" in out


def test_a_run_goes_on_with_what_was_chosen_when_it_began(project: Path, stages: Command) -> None:
    assert stages("stage1", str(CONFIG), "--fold", "0").code == 0
    kept = loading.load(Path("models/toy/config.toml"))
    assert kept.tokens.max_tokens == settled().tokens.max_tokens
    other = Path("models/toy/config.toml")
    other.write_text(other.read_text().replace(f"max_tokens = {kept.tokens.max_tokens}", "max_tokens = 9"))
    assert settled().tokens.max_tokens == 9  # as an earlier version may have chosen
    assert opening.read(loading.load(CONFIG, ["bert.dropout=0.2"])).config.tokens.max_tokens == kept.tokens.max_tokens


def test_what_was_chosen_is_part_of_the_identity(project: Path, stages: Command) -> None:
    assert stages("stage1", str(CONFIG), "--fold", "0").code == 0
    refused = stages("stage1", str(CONFIG), "--fold", "0", "--set", "tokens.max_tokens=7")
    assert refused.code == 4
    assert "tokens.max_tokens" in refused.err


def test_cells_of_a_run_that_was_begun_otherwise_fit_the_run_that_takes_them(project: Path, stages: Command) -> None:
    settings = ["--set", "tokens.max_tokens=9", "--run", "old", "--fold", "0"]
    assert stages("stage1", str(CONFIG), *settings).code == 0
    taken = stages("stage1", str(CONFIG), "--run", "new", "--from", "old", "--fold", "0")
    assert taken.code == 0, taken.err
    assert "stage1 fold 0 taken from run old" in taken.out
    assert loading.load(Path("models/new/config.toml")).tokens.max_tokens == 9
