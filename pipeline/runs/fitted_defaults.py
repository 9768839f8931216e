"""Settings that follow from the encoder and the texts where the configuration does not give them."""

from pathlib import Path
from typing import Any, Literal

import numpy as np
import pandas as pd

from pipeline.checkpoints import checkpoint, tokenizer_settings
from pipeline.checkpoints.encoder_config import EncoderConfig
from pipeline.competition.tables import Competition
from pipeline.config import loading
from pipeline.config.model import RandomBert, Tokens
from pipeline.config.run import Config
from pipeline.errors import UserError
from pipeline.runs.paths import Paths
from pipeline.stage_table import STAGE1
from pipeline.text import bert_vocabulary, columns, tokenization
from pipeline.text.scripts import has_spaced_words
from pipeline.text.vocabulary import Vocabulary

SHARE = 95  # percentile of the texts' lengths that max_tokens is
LOOKED_AT = 20_000  # rows of each table that lengths are told from
LONGEST = 512
ENOUGH_STEPS = 300  # of stage 1 on a fold, to move an encoder
MANY_EPOCHS = 20  # from which more would be learning by heart
RATES = {"": ((1024, 2e-5), (768, 3e-5), (512, 1e-4), (256, 3e-4), (0, 5e-4)),  # least hidden size -> rate
         "electra": ((1024, 5e-5), (768, 1e-4), (0, 3e-4)),  # Clark et al. 2020, https://arxiv.org/abs/2003.10555
         "albert": ((0, 2e-5),),  # Lan et al. 2020, https://arxiv.org/abs/1909.11942
         "deberta": ((1024, 1e-5), (0, 2e-5))}  # He et al. 2021, https://arxiv.org/abs/2111.09543
DEEP, RATE_OF_DEEP = 6, 5e-5  # layers from which a small pretrained encoder was distilled or trained at length


def of_encoder(config: Config, begun: str | None = None) -> tuple[Config, list[str]]:
    """The configuration with the tokenizer and the learning rate as the encoder has them, where they are not given; and
    what was chosen, a line each. Raises UserError where the checkpoint's folder cannot be read.

    begun: the run whose choices are taken over; None: this one, where it was begun before.

    A vocabulary with ## pieces is for WordPiece (Devlin et al. 2019). The rates of small encoders are measured, those
    of larger ones are of their papers: docs/encoders.md.
    """
    folder, random = config.bert.folder, config.bert.random
    described = checkpoint.described(folder) if folder else None
    own = described is not None and described.vocab.own is not None
    check_tokenizer(config.tokens, own, config.bert.checkpoint or "[bert.random]")
    config, lines = _kept(config, begun or config.name, own)
    lines += described.notes if described else ()
    given = {key for section in (config.tokens, config.stage1) for key in section.model_fields_set}
    vocab = described.vocab if described else None
    if "tokenizer" not in given and random and random.vocab:
        vocab = Vocabulary(bert_vocabulary.read(Path(random.vocab), []))
    if "tokenizer" not in given and vocab:
        source = folder or (random.vocab if random else None)
        pieces = sum(token.startswith("##") for token in vocab.tokens)
        config = _with(config, "tokens", tokenizer=tokenizer_of(vocab))
        lines.append(f"tokens.tokenizer = {config.tokens.tokenizer!r}, since " + (
            f"{source} brings a tokenizer of its own" if vocab.own else f"the vocabulary of {source} has " + (
                f"{pieces:,} pieces that begin with ##" if pieces else "no piece that begins with ##")))
    if not own:  # which says both itself
        config, told = tokenizer_settings.settled(config, described.tokenizer if described else {})
        lines += told
    size = described.config if described else random
    if "learning_rate" not in given and size:
        config = _with(config, str(STAGE1), learning_rate=rate(size))
        lines.append(f"stage1.learning_rate = {config.stage1.learning_rate:g}, for {shown(size)}")
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


def tokenizer_of(vocab: Vocabulary) -> Literal["characters", "wordpiece", "checkpoint"]:
    """The tokenizer that a vocabulary is for."""
    if vocab.own:
        return "checkpoint"
    return "wordpiece" if vocab.has_pieces else "characters"


def rate(encoder: EncoderConfig | RandomBert) -> float:
    """Stage 1's learning rate for an encoder; docs/encoders.md has what it was measured on, or whose it is."""
    if not isinstance(encoder, EncoderConfig):
        rates = RATES[""]
    elif encoder.family not in RATES and encoder.hidden < 768 and encoder.layers >= DEEP:
        return RATE_OF_DEEP
    else:
        rates = RATES.get(encoder.family, RATES[""])
    return next(value for least, value in rates if encoder.hidden >= least)


def shown(encoder: EncoderConfig | RandomBert) -> str:
    """What the rate follows from, in words."""
    family = encoder.family if isinstance(encoder, EncoderConfig) else "bert"
    kind = {"bert": "an encoder"}.get(family, f"an encoder of the family {family}")
    return f"{kind} of {encoder.layers} layers and hidden size {encoder.hidden}"


def check_tokenizer(tokens: Tokens, own: bool, source: str, prefix: str = "tokens.") -> None:
    """Raises UserError where settings of the tokenizer are given that the encoder's cannot have. own: whether the
    checkpoint brings one along; prefix: what stands before the settings' names where they were given."""
    if "tokenizer" in tokens.model_fields_set and (tokens.tokenizer == "checkpoint") != own:
        whose = "brings a tokenizer of its own" if own else "has BERT's vocabulary"
        raise UserError(f"{prefix}tokenizer = {tokens.tokenizer!r}: {source} {whose}; leave it out")
    if own and any(getattr(tokens, name) is not None for name in ("lowercase", "strip_accents")):
        raise UserError(f"{prefix}lowercase and strip_accents: {source} brings a tokenizer of its own, which says "
                        f"both; leave them out")


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
        described = checkpoint.described(config.bert.folder)
        vocab, positions = described.vocab, described.config.most_tokens
    tokens = [tokenization.encode(table, vocab, uncut, competition.task.by_word) for table in tables]
    return np.concatenate([table.lengths for table in tokens]), positions


def _with(config: Config, section: str, **chosen: Any) -> Config:
    return config.model_copy(update={section: getattr(config, section).model_copy(update=chosen)})


def _kept(config: Config, run: str, own: bool) -> tuple[Config, list[str]]:
    """The configuration with what a run was begun with, if it was for the same encoder and files, and a line for each
    such key: a run goes on as it was begun, and cells that are taken from another fit. own: whether the checkpoint now
    brings a tokenizer along; where it did not, it is another one, which the cells' identities tell."""
    path, lines = Paths(run).settings, list[str]()
    try:
        kept = loading.load(Path(path)) if path.is_file() else None
    except UserError:
        kept = None
    if kept is None or (kept.bert, kept.data, kept.task) != (config.bert, config.data, config.task) or (
            kept.tokens.tokenizer == "checkpoint") != own:
        return config, lines
    for section, key in (("tokens", "tokenizer"), ("tokens", "max_tokens"), (str(STAGE1), "learning_rate")):
        if key not in getattr(config, section).model_fields_set:
            value = getattr(getattr(kept, section), key)
            config = _with(config, section, **{key: value})
            lines.append(f"{section}.{key} = {value!r}, as the run {run} was begun with")
    return config, lines
