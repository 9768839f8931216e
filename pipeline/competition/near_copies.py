"""Texts that say nearly the same: pairs of near copies, found exactly, and the groups that they form."""

import itertools
import unicodedata
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import pandas as pd

from pipeline.lazy import lazily

text_features = lazily("sklearn.feature_extraction.text")
sparse = lazily("scipy.sparse")
graphs = lazily("scipy.sparse.csgraph")

ALIKE = 0.8  # Jaccard similarity of character bigrams from which two texts are near copies
LONG = 20  # characters from which texts are compared so; of shorter ones a bigram is too much
SHORT = 6  # characters of the shortest texts of which one edit makes a near copy
LARGEST = 0.01  # share of all texts that one group may hold
FEW = 50  # texts that it may hold whatever that share is
AT_ONCE = 2_000  # rows whose candidates are held in memory

Ints = npt.NDArray[np.int64]


@dataclass(frozen=True)
class Pairs:
    """Pairs of near copies among distinct texts. first, second: int64, their numbers, first below second; alike:
    float64, Jaccard similarity of bigrams, or the share of a short text's characters that one edit leaves."""

    first: Ints
    second: Ints
    alike: npt.NDArray[np.float64]

    def __len__(self) -> int:
        return len(self.first)


@dataclass(frozen=True)
class Groups:
    """number: int64 [texts], equal for texts that are near copies of each other, directly or by way of others. capped:
    how many groups were larger than allowed, and hold equal texts alone instead."""

    number: Ints
    capped: int


def stripped(text: str) -> str:
    """A normalised text without punctuation, symbols and spaces: what near copies are told by."""
    return "".join(character for character in text if unicodedata.category(character)[0] not in "PZSC")


def distinct(normalised: pd.Series) -> tuple[Ints, list[str]]:
    """int64 [rows]: the number of each row's text as ``stripped`` gives it (one of punctuation alone stays as it is);
    and these texts. normalised: each row's text, as ``folds.normalised`` has it."""
    number, texts = pd.factorize(pd.Series([stripped(text) or text for text in normalised], dtype=str))
    return number.astype(np.int64), texts.tolist()


def pairs(texts: Sequence[str]) -> Pairs:
    """All pairs of distinct texts that are near copies: of 20 characters or more, with a Jaccard similarity of bigrams
    of 0.8; of shorter ones, from 6 characters on, one edit apart.

    texts: distinct, as ``stripped`` gives them; an empty one is a copy of none.
    """
    length = np.array([len(text) for text in texts], np.int64)
    found = [_one_edit(texts, np.flatnonzero((length >= SHORT) & (length <= LONG)))]
    found += list(_alike(texts, np.flatnonzero(length >= LONG)))
    first, second, alike = (np.concatenate(part) for part in zip(*found, strict=True))
    order = np.lexsort((second, first))
    return Pairs(first[order], second[order], alike[order])


def groups(normalised: pd.Series) -> Groups:
    """The groups of near copies among the texts of some rows. normalised: each row's text, as ``folds.normalised`` has
    it."""
    number, texts = distinct(normalised)
    found = pairs(texts)
    group = joined(len(texts), found.first, found.second)
    most, size = max(FEW, int(LARGEST * len(texts))), np.bincount(group)
    large = size[group] > most
    group[large] = len(texts) + np.flatnonzero(large)
    return Groups(pd.factorize(group[number])[0].astype(np.int64), int((size > most).sum()))


def joined(count: int, first: Ints, second: Ints) -> Ints:
    """int64 [count]: the number of the connected component of each of so many nodes."""
    edges = sparse.coo_matrix((np.ones(len(first), np.bool_), (first, second)), shape=(count, count))
    return graphs.connected_components(edges, directed=False)[1].astype(np.int64)


def _one_edit(texts: Sequence[str], which: Ints) -> tuple[Ints, Ints, npt.NDArray[np.float64]]:
    """Pairs of which one becomes the other by one character more, less or another. Both lose a character to the same
    text then (Mor and Fraenkel 1982, doi:10.1145/358728.358752), which is how they meet."""
    left, owner = list[str](), list[int]()
    for number in which:
        text = texts[number]
        variants = {text, *(text[:at] + text[at + 1:] for at in range(len(text)))}
        left += variants
        owner += [int(number)] * len(variants)
    code = pd.factorize(pd.Series(left, dtype=str))[0]
    order = np.argsort(code, kind="stable")
    ends = np.flatnonzero(np.diff(code[order], append=-1)) + 1
    met = set[tuple[int, int]]()
    for start, end in zip(np.concatenate([[0], ends])[:-1], ends, strict=True):
        if end - start >= 2:
            own = sorted({owner[at] for at in order[start:end]})
            met.update(itertools.combinations(own, 2))
    kept = sorted(pair for pair in met if _is_one_edit(texts[pair[0]], texts[pair[1]]))
    table = np.array(kept, np.int64).reshape(-1, 2)
    longest = np.array([max(len(texts[first]), len(texts[second])) for first, second in kept], np.float64)
    return table[:, 0], table[:, 1], 1 - 1 / longest if len(kept) else longest


def _is_one_edit(one: str, other: str) -> bool:
    if len(one) > len(other):
        one, other = other, one
    at = next((at for at, (mine, theirs) in enumerate(zip(one, other, strict=False)) if mine != theirs), len(one))
    return one[at + 1:] == other[at + 1:] if len(one) == len(other) else one[at:] == other[at + 1:]


def _alike(texts: Sequence[str], which: Ints) -> Iterator[tuple[Ints, Ints, npt.NDArray[np.float64]]]:
    """Pairs by the Jaccard similarity of bigrams, exactly: of two sets that are so alike, each has one of the other's
    rarest bigrams among its own rarest, so that only texts that share one of those are compared (prefix filtering:
    Bayardo, Ma and Srikant 2007, doi:10.1145/1242572.1242591)."""
    if len(which) < 2:
        return
    vectorizer = text_features.CountVectorizer(analyzer="char", ngram_range=(2, 2), binary=True, lowercase=False,
                                               dtype=np.int32)
    table = vectorizer.fit_transform([texts[number] for number in which]).tocsr()
    table = table[:, np.argsort(np.asarray(table.sum(axis=0)).ravel(), kind="stable")]  # the rarest first
    table.sort_indices()
    size = np.diff(table.indptr)
    kept = size - np.ceil(ALIKE * size - 1e-9).astype(np.int64) + 1
    place = np.arange(table.nnz) - np.repeat(table.indptr[:-1], size)
    rare = table.copy()
    rare.data = (place < np.repeat(kept, size)).astype(np.int32)
    rare.eliminate_zeros()
    across = rare.T.tocsr()
    for start in range(0, len(which), AT_ONCE):
        met = (rare[start:start + AT_ONCE] @ across).tocoo()
        first, second = met.row + start, met.col
        small, large = np.minimum(size[first], size[second]), np.maximum(size[first], size[second])
        fits = (first < second) & (small >= ALIKE * large)
        first, second = first[fits].astype(np.int64), second[fits].astype(np.int64)
        for at in range(0, max(len(first), 1), 100 * AT_ONCE):
            mine, theirs = first[at:at + 100 * AT_ONCE], second[at:at + 100 * AT_ONCE]
            both = np.asarray(table[mine].multiply(table[theirs]).sum(axis=1)).ravel()
            alike = both / (size[mine] + size[theirs] - both)
            near = alike >= ALIKE
            yield which[mine[near]], which[theirs[near]], alike[near].astype(np.float64)
