"""Texts that stage 0 fills in: what a person reads to see what it has learnt."""

from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd

from pipeline.pretraining import masking
from pipeline.pretraining.masked_training import MaskedData, MaskedTrainer
from pipeline.pretraining.masking import ALL_MASKED
from pipeline.text.packing import Batch

EXAMPLES = 8


def examples(trainer: MaskedTrainer, data: MaskedData, vocab: list[str]) -> pd.DataFrame:
    """Held-out texts with blanks, the words that stood there, and what the model puts there."""
    corpus, rng = data.corpus, np.random.default_rng([data.seed, 3])
    rows = rng.permutation(data.held)[:EXAMPLES]
    filled = []
    vocab = vocab + ["[UNK]"] * (trainer.rows_of_table - len(vocab))  # rows that no token has
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
        shown = [vocab[token] for token in masked.seen.ids[0, 1:-1]]
        guess = trainer.guesses(masked)[used][order]
        filled.append({"text": joined(["□" if token == "[MASK]" else token for token in shown]),
                       "truth": _words(masked.target[used][order], begins, vocab),
                       "guess": _words(guess, begins, vocab)})
    return pd.DataFrame(filled, columns=["text", "truth", "guess"])


def _words(tokens: npt.NDArray[Any], begins: npt.NDArray[np.bool_], vocab: list[str]) -> str:
    parts = np.split(tokens, np.flatnonzero(begins)[1:])
    return " | ".join(joined([vocab[token] for token in part]) for part in parts)


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
