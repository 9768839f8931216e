"""Settings that do not suit the texts or the encoder: a warning for each, with the line that mends it."""

import math
import shlex
from collections.abc import Iterator
from pathlib import Path

import numpy as np

from pipeline.checkpoints import families
from pipeline.proposal import files, labels
from pipeline.runs import fitted_defaults
from pipeline.runs.fitted_defaults import ENOUGH_STEPS, MANY_EPOCHS
from pipeline.runs.run import Run
from pipeline.stage_table import STAGE1
from pipeline.text import scripts, tokenization
from pipeline.text.columns import characters, text_columns

CASED = 0.05  # share of a vocabulary that begins with a capital in cased checkpoints alone
MUCH = 0.05  # share of unknown tokens, or of rows and words that are cut, from which a warning is due
MANY_PIECES = 1.2  # tokens for a character: a tokenizer falls to pieces of its bytes
FEW_STEPS = 200  # of stage 1 on a fold
FAR = 4.0  # how many times a rate may be another than the encoder's


def warnings(run: Run) -> Iterator[str]:
    """A line for each, without the word warning; what mends it stands behind it as an option of every stage."""
    yield from _letters(run)
    yield from _unknown(run)
    yield from _cut(run)
    yield from _steps(run)
    yield from _rate(run)
    yield from _pooler(run)
    yield from _numbers_for_names(run)


def _letters(run: Run) -> Iterator[str]:
    config, vocab = run.config.tokens, run.checkpoint.vocab
    spaced = scripts.has_spaced_words(run.competition.train.text[:1_000])
    if config.tokenizer == "characters" and spaced:
        yield ("the texts are words with spaces between them, and tokens.tokenizer = 'characters' takes each letter "
               "for a token of its own; for English and its like: --set tokens.tokenizer=wordpiece")
    capitals = np.mean([token.removeprefix("##")[:1].isupper() for token in vocab.tokens])
    if vocab.own is None and config.lowers and capitals > CASED:
        yield (f"{capitals:.0%} of the vocabulary begins with a capital, which tokens.lowercase = true never finds; a "
               f"cased checkpoint has --set tokens.lowercase=false")


def _unknown(run: Run) -> Iterator[str]:
    unknown, known = run.checkpoint.vocab.unknown, scripts.encoder_for(run.competition.train.text[:1_000])
    if known == run.config.bert.checkpoint:
        return
    for name, table in (("train", run.train_tokens), ("test", run.test_tokens)):
        if len(table.ids) and (share := float(np.mean(table.ids == unknown))) > MUCH:
            yield (f"{share:.0%} of the tokens of {name} are unknown to the vocabulary of {run.checkpoint.source}, "
                   f"which was made for other texts; one that knows them: --set bert.checkpoint={known}")
            return
    names = text_columns(run.competition.train)
    pieces = run.train_tokens.lengths.sum() - len(run.train_tokens.lengths) * run.checkpoint.vocab.frame.special(
        len(names))
    written = int(characters(run.competition.train).sum())
    if pieces > MANY_PIECES * written:
        yield (f"the tokenizer of {run.checkpoint.source} takes {pieces / written:.1f} tokens for each character of "
               f"train: it was made for other texts; one that knows them: --set bert.checkpoint={known}")


def _cut(run: Run) -> Iterator[str]:
    config, train = run.config.tokens, run.competition.train
    if run.train_tokens.words is not None:
        words, kept = sum(text.count(" ") + 1 for text in train.text), int((run.train_tokens.words >= 0).sum())
        cut, what = 1 - kept / words, "words of train, each of which is then decided to be O,"
    else:
        cut, what = float(np.mean(run.train_tokens.lengths == config.max_tokens)), "texts of train"
    if cut <= MUCH:
        return
    most = min(fitted_defaults.LONGEST, run.checkpoint.config.most_tokens if run.config.bert.checkpoint else
               fitted_defaults.LONGEST)
    uncut = config.model_copy(update={"max_tokens": fitted_defaults.LONGEST})
    lengths = tokenization.encode(train, run.checkpoint.vocab, uncut, run.competition.task.by_word).lengths
    share = float(np.mean(lengths > config.max_tokens)) if run.train_tokens.words is None else cut
    needed = min(most, int(np.percentile(lengths, fitted_defaults.SHARE, method="higher")))
    if share > MUCH and needed > config.max_tokens:
        yield (f"tokens.max_tokens = {config.max_tokens} cuts {share:.0%} of the {what} short; 95 % would fit in "
               f"--set tokens.max_tokens={needed}")


def _steps(run: Run) -> Iterator[str]:
    stage = run.config.stage1
    rows = len(run.competition.train)
    trained_on = rows - int(np.bincount(run.fold_of_row[run.fold_of_row >= 0]).max())
    per_epoch = 1 if stage.batch_size == "fold" else math.ceil(trained_on / stage.batch_size)
    if not stage.frozen and stage.epochs < MANY_EPOCHS and stage.epochs * per_epoch < FEW_STEPS:
        yield (f"{STAGE1} takes {stage.epochs * per_epoch:,} steps on a fold; fewer than {FEW_STEPS} leave an encoder "
               f"nearly where it was: --set stage1.epochs={min(MANY_EPOCHS, math.ceil(ENOUGH_STEPS / per_epoch))}")


def _rate(run: Run) -> Iterator[str]:
    stage, encoder = run.config.stage1, run.config.bert.random or run.checkpoint.config
    usual = fitted_defaults.rate(encoder)
    if not stage.frozen and not 1 / FAR < stage.learning_rate / usual < FAR:
        kind = "far below" if stage.learning_rate < usual else "far above"
        yield (f"stage1.learning_rate = {stage.learning_rate:g} is {kind} what {fitted_defaults.shown(encoder)} "
               f"takes: --set stage1.learning_rate={usual:g}")


def _pooler(run: Run) -> Iterator[str]:
    family = run.checkpoint.config.family
    if "pooler" in run.config.head.parts and not families.OF_NAME[family].has_pooler:
        yield (f"head.parts has the pooler, which an encoder of the family {family} was trained without, so that it "
               f"starts from random weights: --set 'head.parts=[\"cls\"]'")


def _numbers_for_names(run: Run) -> Iterator[str]:
    data = run.config.competition
    names = list(run.competition.task.output_names)
    if run.config.task != "multiclass" or data.label_names or not all(name.isdigit() for name in names):
        return
    for path in files.class_lists(Path(data.train).parent):
        if listed := labels.names_of(names, [], path):
            table = ", ".join(f'"{label}" = "{name}"' for label, name in listed.items())
            setting = shlex.quote(f"data.label_names={{{table}}}")
            yield f"the labels are numbers, and {path} names them: --set {setting}"
            return
