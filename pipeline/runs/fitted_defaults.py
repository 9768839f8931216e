"""Settings that follow from the encoder and the texts where the configuration does not give them."""

import re
from collections.abc import Iterable
from pathlib import Path
from typing import Any, Literal

import numpy as np
import pandas as pd

from pipeline.checkpoints import checkpoint, tokenizer_settings
from pipeline.competition.tables import Competition
from pipeline.config import loading
from pipeline.config.run import Config
from pipeline.errors import UserError
from pipeline.runs.paths import Paths
from pipeline.stage_table import STAGE1
from pipeline.text import columns, tokenization, vocabulary

SHARE = 95  # percentile of the texts' lengths that max_tokens is
LOOKED_AT = 20_000  # rows of each table that lengths are told from
LONGEST = 512
UNSPACED = re.compile("[\u0e00-\u0eff\u1000-\u109f\u1780-\u17ff\u2e80-\u312f\u3400-\u9fff\uf900-\ufaff"
                      "\U00020000-\U0003ffff]")  # Thai, Lao, Burmese, Khmer; Chinese and Japanese
ENOUGH_STEPS = 300  # of stage 1 on a fold, to move an encoder
MANY_EPOCHS = 20  # from which more would be learning by heart
RATES = ((1024, 2e-5), (768, 3e-5), (512, 1e-4), (256, 3e-4), (0, 5e-4))  # least hidden size -> stage 1's rate


def of_encoder(config: Config, begun: str | None = None) -> tuple[Config, list[str]]:
    """The configuration with the tokenizer and the learning rate as the encoder has them, where they are not given; and
    what was chosen, a line each. Raises UserError where the checkpoint's folder cannot be read.

    begun: the run whose choices are taken over; None: this one, where it was begun before.

    A vocabulary with ## pieces is for WordPiece (Devlin et al. 2019). The rates of small encoders are measured in
    docs/results.md, those of larger ones are BERT's own.
    """
    if (kept := _kept(config, begun or config.name)) is not None:
        config = kept
    config, lines = tokenizer_settings.settled(config)
    folder, random = config.bert.folder, config.bert.random
    given = {key for section in (config.tokens, config.stage1) for key in section.model_fields_set}
    if {"tokenizer", "learning_rate"} <= given:
        return config, lines
    bert, vocab = checkpoint.described(folder) if folder else (None, None)
    if random and random.vocab:
        vocab = vocabulary.read(Path(random.vocab), [])
    if "tokenizer" not in given and vocab:
        source = folder or (random.vocab if random else None)
        pieces = sum(token.startswith("##") for token in vocab)
        config = _with(config, "tokens", tokenizer=tokenizer_of(vocab))
        lines.append(f"tokens.tokenizer = {config.tokens.tokenizer!r}, since the vocabulary of {source} has "
                     + (f"{pieces:,} pieces that begin with ##" if pieces else "no piece that begins with ##"))
    size = bert or random
    if "learning_rate" not in given and size:
        hidden = size.hidden
        config = _with(config, str(STAGE1), learning_rate=rate(hidden))
        lines.append(f"stage1.learning_rate = {config.stage1.learning_rate:g}, for an encoder of hidden size {hidden}")
    return config, lines


def of_texts(config: Config, competition: Competition) -> tuple[Config, list[str]]:
    """The same of tokens.max_tokens, which 95 % of the texts fit in (of words to tag: all), and of the tokenizer of a
    vocabulary that is still to be made."""
    lines = []
    tables = [table.iloc[::-(-len(table) // LOOKED_AT)] for table in (competition.train, competition.test)
              if len(table)]
    if "tokenizer" not in config.tokens.model_fields_set:
        spaced = has_spaced_words(text for table in tables for text in table.text[:1_000])
        config = _with(config, "tokens", tokenizer="wordpiece" if spaced else "characters")
        lines.append(f"tokens.tokenizer = {config.tokens.tokenizer!r}, since the texts are "
                     f"{'words with spaces between them' if spaced else 'in a script without spaces'}")
    if "max_tokens" not in config.tokens.model_fields_set:
        lengths, positions = _lengths(config, competition, tables)
        share = 100 if competition.task.by_word else SHARE
        needed = int(np.percentile(lengths, share, method="higher"))
        most = min(LONGEST, positions)
        config = _with(config, "tokens", max_tokens=max(3, min(needed, most)))
        lines.append(f"tokens.max_tokens = {config.tokens.max_tokens}"
                     + (f", which {share} % of the texts fit in" if needed <= most else
                        f", all that the encoder takes; {np.mean(lengths > most):.0%} of the texts are longer"))
    return config, lines


def tokenizer_of(vocab: list[str]) -> Literal["characters", "wordpiece"]:
    """The tokenizer that a vocabulary is for."""
    return "wordpiece" if any(token.startswith("##") for token in vocab) else "characters"


def rate(hidden: int) -> float:
    """Stage 1's learning rate for an encoder of that hidden size."""
    return next(value for least, value in RATES if hidden >= least)


def has_spaced_words(texts: Iterable[str]) -> bool:
    """Whether most characters are of a script that puts spaces between words, as English, Russian, Arabic and Korean do
    and Chinese, Japanese and Thai do not, and the texts have spaces."""
    some = "".join(f"{text}\n" for text in texts)
    unspaced = len(UNSPACED.findall(some))
    visible = sum(not character.isspace() for character in some)
    return 2 * unspaced < visible and 40 * some.count(" ") > visible


def _lengths(config: Config, competition: Competition, tables: list[pd.DataFrame]) -> tuple[Any, int]:
    """int [rows]: tokens of the texts with [CLS] and [SEP], as far as 512; and how many the encoder takes."""
    texts = (text for table in (competition.train, competition.test)
             for name in columns.text_columns(table) for text in table[name])
    uncut = config.tokens.model_copy(update={"max_tokens": LONGEST})
    if config.bert.random:
        vocab = checkpoint.prepare(config.bert, uncut, texts, config.seed).vocab
        positions = LONGEST
    else:
        assert config.bert.folder
        described, vocab = checkpoint.described(config.bert.folder)
        positions = described.positions
    tokens = [tokenization.encode(table, vocab, uncut, competition.task.by_word) for table in tables]
    return np.concatenate([table.lengths for table in tokens]), positions


def _with(config: Config, section: str, **chosen: Any) -> Config:
    return config.model_copy(update={section: getattr(config, section).model_copy(update=chosen)})


def _kept(config: Config, run: str) -> Config | None:
    """The configuration with what was chosen when a run was begun, if it was for the same encoder and files: a run goes
    on as it was begun, and cells that are taken from another fit."""
    path = Paths(run).settings
    if not path.is_file():
        return None
    try:
        kept = loading.load(Path(path))
    except UserError:
        return None
    same = (kept.bert, kept.data, kept.task) == (config.bert, config.data, config.task)
    if not same:
        return None
    for section, key in (("tokens", "tokenizer"), ("tokens", "max_tokens"), (str(STAGE1), "learning_rate")):
        if key not in getattr(config, section).model_fields_set:
            config = _with(config, section, **{key: getattr(getattr(kept, section), key)})
    return config
