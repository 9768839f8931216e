"""Which tokens a masked language model must guess, and what it sees in their place."""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from pipeline.text.corpus import Corpus
from pipeline.text.packing import Batch
from pipeline.text.token_table import TokenBatch

MASKED, REPLACED = 0.8, 0.1  # of the chosen tokens; the rest stays as it is, so that every token must be understood
ALL_MASKED = (1.0, 0.0)


@dataclass(frozen=True)
class MaskedBatch:
    """What the model sees, and what was there.

    seen: the batch with its masks; place: int32 [guesses], indices into the flattened [bins * width];
    target: int32 [guesses], the tokens that stood there; weight: float32 [guesses], 0 where a place is not used.
    """

    seen: TokenBatch
    place: npt.NDArray[np.int32]
    target: npt.NDArray[np.int32]
    weight: npt.NDArray[np.float32]


def guesses(batch: Batch, share: float) -> int:
    """How many places a masked batch has room for; the same for every batch of one shape, however full it is."""
    return max(1, round(share * batch.rows.shape[0] * batch.width))


def mask(corpus: Corpus, batch: Batch, by: str, share: float, rng: np.random.Generator,
         fates: tuple[float, float] = (MASKED, REPLACED)) -> MaskedBatch:
    """Draws whole words, or with by = "tokens" single tokens, until a share of the batch's tokens is chosen; padding
    is none of them.

    Of the chosen tokens 80 % become [MASK], 10 % any token and 10 % stay (BERT, https://arxiv.org/abs/1810.04805);
    whole words after https://arxiv.org/abs/1906.08101. Special tokens, spaces and padding are never chosen.
    """
    layout = corpus.table.layout(batch)
    seen = corpus.table.placed(batch, layout)
    free = np.flatnonzero(layout.real & ~np.isin(seen.ids, corpus.special))
    begins = np.ones(len(free), bool) if by == "tokens" else corpus.begins[layout.source.ravel()[free]]
    # After a token that is never chosen a new word begins, whatever the segmentation says.
    begins = begins | (np.diff(free, prepend=-2) > 1)
    word = np.cumsum(begins) - 1
    size = np.bincount(word)
    order = rng.permutation(len(size))
    wanted, room = max(1, round(share * int(layout.real.sum()))), guesses(batch, share)
    chosen = np.zeros(len(size), bool)
    chosen[order[np.cumsum(size[order]) <= wanted]] = True
    picked = free[chosen[word]] if len(size) else free
    place, target, weight = np.zeros(room, np.int32), np.zeros(room, np.int32), np.zeros(room, np.float32)
    place[:len(picked)], target[:len(picked)], weight[:len(picked)] = picked, seen.ids.ravel()[picked], 1
    ids = seen.ids.ravel().copy()
    fate = rng.random(len(picked))
    masked, replaced = fates
    ids[picked[fate < masked]] = corpus.mask
    other = picked[(fate >= masked) & (fate < masked + replaced)]
    ids[other] = rng.choice(corpus.ordinary, len(other))
    return MaskedBatch(seen._replace(ids=ids.reshape(seen.ids.shape)), place, target, weight)
