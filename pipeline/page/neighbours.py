"""The training rows whose texts are most like a row's, among those that its own fold's models were trained on."""

from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd

from pipeline.lazy import lazily
from pipeline.runs.run import Run
from pipeline.text import scripts
from pipeline.text.columns import documents, text_columns

text_features = lazily("sklearn.feature_extraction.text")
neighbors = lazily("sklearn.neighbors")

NEAREST = 3
FEATURES = 2**20  # n-grams are hashed to so many: a table of them all takes minutes to build of 100,000 long texts
LEAST = 0.1  # cosine below which a text is like no other

Ints = npt.NDArray[np.int64]


def nearest(run: Run, rows: Ints) -> Ints:
    """int64 [rows, NEAREST]: numbers of training rows of other folds, the most alike first, by the cosine of tf-idf of
    words, or of two and three characters where texts have no spaces; -1 where there is none. Of equal texts with equal
    labels the first stands for all. rows: numbers of training rows."""
    train = run.competition.train
    near = np.full((len(rows), NEAREST), -1, np.int64)
    vectors = _vectors(train)
    if vectors is None:
        return near
    for fold in run.folds:
        asked = np.flatnonzero(run.fold_of_row[rows] == fold)
        outside = train[run.fold_of_row != fold]
        first = ~outside.duplicated([*text_columns(train), "label"]).to_numpy()
        others = np.flatnonzero(run.fold_of_row != fold)[first]
        if not len(asked) or not len(others):
            continue
        index = neighbors.NearestNeighbors(n_neighbors=min(NEAREST, len(others)), metric="cosine", algorithm="brute")
        distance, number = index.fit(vectors[others]).kneighbors(vectors[rows[asked]])
        near[asked, :number.shape[1]] = np.where(distance <= 1 - LEAST, others[number], -1)
    return near


def _vectors(train: pd.DataFrame) -> Any:
    """Sparse [rows, n-grams]; None where no text has one."""
    texts = list(documents(train))
    words = scripts.has_spaced_words(texts[:1_000])
    hashed = text_features.HashingVectorizer(analyzer="word" if words else "char", n_features=FEATURES, norm=None,
                                             ngram_range=(1, 1) if words else (2, 3), alternate_sign=False,
                                             dtype=np.float32)
    counts = hashed.transform(texts)
    return text_features.TfidfTransformer(sublinear_tf=True).fit_transform(counts) if counts.nnz else None
