"""What gives the label away without being a reason for it: a phrase of one label alone, a column or prefix of a source.
"""

from pathlib import Path

import numpy as np
import numpy.typing as npt
import pandas as pd

from pipeline.competition.readers import by_format
from pipeline.doctor.examined import Examined
from pipeline.doctor.finding import EXAMPLES, Finding, Severity
from pipeline.lazy import lazily
from pipeline.tasks import links
from pipeline.text import scripts

text_features = lazily("sklearn.feature_extraction.text")
stats = lazily("scipy.stats")

INSIDE, OUTSIDE = 0.95, 0.05  # shares of a label's rows, and of all others, that hold a phrase which gives it away
TRIED = 5  # rows of a label whose phrases are looked for in the others
FEWEST = 20  # rows of a label that is looked at
VALUES = 20  # of a column that may be a source
STRONG = 0.15  # Cramér's V from which a column and the label belong together
CHANCE = 1e-6
PREFIX = 4  # characters, or one word, at a text's beginning or end
COMMON = 0.05  # share of rows with the same prefix from which it is one


def label_in_text(seen: Examined) -> Finding | None:
    """Phrases that nearly all rows of a label hold and hardly any other."""
    if seen.task.by_word or seen.task.has_values:
        return None
    texts, target = seen.texts[:len(seen.train)], links.targets(seen.task, seen.train.label)
    target = np.hstack([target, 1 - target]) if target.shape[1] == 1 else target
    rows = target.sum(axis=0)
    if not (wanted := np.flatnonzero((rows >= FEWEST) & (rows <= len(target) - FEWEST))).size:
        return None
    words = scripts.has_spaced_words(texts[:1_000])
    settings = {"analyzer": "word" if words else "char", "ngram_range": (1, 3), "binary": True, "dtype": np.int32}
    try:
        candidates = text_features.CountVectorizer(**settings).fit(texts.iloc[_tried(target[:, wanted])])
    except ValueError:  # these texts have no phrase
        return None
    vectorizer = text_features.CountVectorizer(**settings, vocabulary=candidates.vocabulary_)
    table = vectorizer.transform(texts)
    held = np.asarray((table.T @ target[:, wanted]), np.float64)
    every = np.asarray(table.sum(axis=0), np.float64).reshape(-1, 1)
    inside, outside = held / rows[wanted], (every - held) / (len(target) - rows[wanted])
    gives, label = np.nonzero((inside > INSIDE) & (outside < OUTSIDE))
    if not len(gives):
        return None
    names = vectorizer.get_feature_names_out()
    order = np.argsort(outside[gives, label] - inside[gives, label], kind="stable")[:EXAMPLES]
    examples = tuple(f"{names[gives[at]]!r}: in {inside[gives[at], label[at]]:.1%} of the rows of "
                     f"{_label_name(seen, wanted[label[at]])}, in {outside[gives[at], label[at]]:.1%} of the others"
                     for at in order)
    return Finding(Severity.warning, f"{len(gives):,} phrases give a label away", len(gives), examples,
                   "the score may be of finding the phrase; rows of test that lack it will score as if nothing was "
                   "learnt", "look whether test has it as often; else take it out of the texts")


def _tried(target: npt.NDArray[np.float64]) -> npt.NDArray[np.int64]:
    """int64: the numbers of some rows of each label; a phrase that more than INSIDE of a label's rows hold is missing
    in all of them once in three million. target: [rows, labels]."""
    rows = [np.flatnonzero(column > 0.5) for column in target.T]
    return np.unique(np.concatenate([own[np.linspace(0, len(own) - 1, TRIED).astype(np.int64)] for own in rows
                                     if len(own)]))


def sources(seen: Examined) -> Finding | None:
    """Columns, prefixes of ids, and beginnings or ends of texts that part rows with unlike shares of labels."""
    label = np.asarray(seen.task.strata(seen.train.label), np.int64)[seen.of_train_file]
    lines = list[tuple[float, str, pd.Series]]()
    for name, values in _candidates(seen).items():
        if (strength := _association(values, label)) is not None:
            lines.append((strength, name, values))
    if not lines:
        return None
    lines.sort(key=lambda line: -line[0])
    examples = tuple(f"{name}: {', '.join(map(repr, values.value_counts().index[:3]))}; Cramér's V with the label "
                     f"{strength:.2f}" for strength, name, values in lines[:EXAMPLES])
    of_text = all(name.endswith("of the text") for _, name, _ in lines)  # which may be a phrase that says the label
    return Finding(Severity.note if of_text else Severity.warning,
                   f"{len(lines):,} columns or prefixes part rows with other shares of labels", len(lines), examples,
                   "rows may be from sources that were labelled differently, and a model learns the source and not the "
                   "text; or the phrase says what the label asks",
                   "data.source_column gives the score of each; folds.validate_on, and stage2.train_on, choose one")


def _candidates(seen: Examined) -> dict[str, pd.Series]:
    data = seen.run.config.competition
    used = {data.id_column, data.label_column, data.weight_column, data.source_column, seen.run.config.folds.column,
            seen.run.config.folds.group_column, *data.text_columns, *(data.label_columns or []),
            *(data.soft_label_columns or [])}
    found, own = dict[str, pd.Series](), seen.of_train_file
    ids, texts = seen.train.id.iloc[own].reset_index(drop=True), seen.texts.iloc[own].reset_index(drop=True)
    if Path(data.train).is_file() and not seen.task.by_word:
        table = by_format.read(Path(data.train), seen.run.config, True).reset_index(drop=True)
        known = table[data.id_column].astype(str) if data.id_column in table else pd.Series(
            [str(row) for row in range(len(table))], dtype=str)
        place = pd.Index(known).get_indexer(pd.Index(ids.str.removeprefix("train-")))  # as beside a dev file
        if (place >= 0).all():
            found |= {f"column {name}": table[name].astype(str).iloc[place].reset_index(drop=True)
                      for name in map(str, table) if name not in used}
    found["prefix of the id"] = ids.str.extract(r"^([^\W\d_]+|[^-_/:]+(?=[-_/:]))", expand=False).fillna("")
    words = scripts.has_spaced_words(texts[:1_000])
    for name, end in (("beginning", 0), ("end", -1)):
        part = texts.str.split().str[end].fillna("") if words else (
            texts.str[:PREFIX] if end == 0 else texts.str[-PREFIX:])
        common = part.value_counts(normalize=True)
        found[f"{name} of the text"] = part.where(part.isin(common.index[common >= COMMON]), "another")
    return found


def _association(values: pd.Series, label: npt.NDArray[np.int64]) -> float | None:
    """Cramér's V of a column of few values and the label; None where it is weak, or may be chance."""
    counts = values.value_counts()
    if not 2 <= len(counts) <= VALUES or counts.iloc[1] < FEWEST:
        return None
    table = pd.crosstab(values.to_numpy(), label)
    if table.shape[1] < 2:
        return None
    result = stats.chi2_contingency(table.to_numpy())
    strength = float(np.sqrt(result.statistic / (table.to_numpy().sum() * (min(table.shape) - 1))))
    return strength if result.pvalue < CHANCE and strength >= STRONG else None


def _label_name(seen: Examined, number: int) -> str:
    names = seen.task.output_names
    return names[number] if names else ("label 1", "label 0")[number]
