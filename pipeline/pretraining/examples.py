"""Texts that stage 0 fills in: what a person reads to see what it has learnt."""

import itertools
from collections.abc import Iterable

import numpy as np
import pandas as pd

from pipeline.pretraining import masking
from pipeline.pretraining.masked_training import MaskedData, MaskedTrainer
from pipeline.pretraining.masking import ALL_MASKED
from pipeline.text.own_tokenizer import SPACE
from pipeline.text.packing import Batch
from pipeline.text.vocabulary import Vocabulary

EXAMPLES = 8
BLANK = "□"


def examples(trainer: MaskedTrainer, data: MaskedData, vocabulary: Vocabulary) -> pd.DataFrame:
    """Held-out texts with blanks, the words that stood there, and what the model puts there."""
    corpus, rng = data.corpus, np.random.default_rng([data.seed, 3])
    rows = rng.permutation(data.held)[:EXAMPLES]
    filled = []
    named = [*vocabulary.tokens, *["[UNK]"] * (trainer.rows_of_table - len(vocabulary))]  # rows that no token has
    named[vocabulary.mask] = BLANK

    def text_of(tokens: Iterable[int]) -> str:
        return _text([named[token] for token in tokens], vocabulary)

    for row in rows:
        batch = Batch(np.array([[row]]), int(corpus.table.lengths[row]))
        masked = masking.mask(corpus, batch, "words", max(trainer.recipe.mask_share, 3 / batch.width), rng,
                              ALL_MASKED)
        used = masked.weight > 0
        order = np.argsort(masked.place[used])
        place = masked.place[used][order]
        if not len(place):
            continue
        begins = corpus.begins[corpus.table.offsets[row] + place] | (np.diff(place, prepend=-2) > 1)
        guess = trainer.guesses(masked)[used][order]
        words = np.flatnonzero(begins)[1:]
        truth, guessed = (" | ".join(map(text_of, np.split(tokens, words))) for tokens in (masked.target[used][order],
                                                                                            guess))
        filled.append({"text": text_of(masked.seen.ids[0, 1:-1]), "truth": truth, "guess": guessed})
    return pd.DataFrame(filled, columns=["text", "truth", "guess"])


def _text(tokens: list[str], vocabulary: Vocabulary) -> str:
    if vocabulary.own is None:
        return joined(tokens)
    runs = (list(run) for _, run in itertools.groupby(tokens, BLANK.__eq__))
    return "".join("".join(run) if BLANK in run else vocabulary.own.decoded(run) for run in runs).replace(
        SPACE, " ").strip()


def joined(pieces: list[str]) -> str:
    """Tokens as a text: word pieces put together, a space between two of Latin letters or digits."""
    text = ""
    for piece in pieces:
        piece = " " if piece == "[unused1]" else piece
        if piece.startswith("##"):
            text += piece[2:]
        else:
            apart = text[-1:].isascii() and text[-1:].isalnum() and piece.isascii() and piece.isalnum()
            text += " " * (apart and len(piece) > 1) + piece
    return text
