"""The rows that the page shows, as a JSON value: texts, labels, what each stage says of them, and what may say why."""

from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd

from pipeline.competition import row_columns
from pipeline.doctor import label_suspects
from pipeline.doctor.examined import Examined
from pipeline.files import formats
from pipeline.page import neighbours
from pipeline.page.selection import USUAL, Predictions, chosen
from pipeline.runs import artefacts
from pipeline.runs.run import Run
from pipeline.stage_table import BASELINE
from pipeline.tasks import Task
from pipeline.tasks.tags import entities
from pipeline.text.columns import characters, text_columns

PUSHED = 4  # n-grams of a row, of the six that the baseline keeps
WORDS = 3  # wrong words of a text whose n-grams are shown
LEVELS = 35  # of attention
NEIGHBOUR = 120  # characters of the text of one that is not shown itself

Ints = npt.NDArray[np.int64]
Attention = Mapping[str, list[tuple[str, float]]]  # by id: tokens, each with how much [CLS] attended to it


def record(run: Run, predictors: Sequence[Predictions], leading: int, seen: Examined, identity: str, texts: bool = True,
           attention: Attention | None = None) -> dict[str, Any]:
    """The rows as a JSON value of columns, each a list of the same length.

    Args:
        identity: what names the rows, so that marks are not taken for those of others.
        predictors: what the stages say, of which the leading one orders the rows.
        texts: whether the texts, and what is made of them, may stand in it.
    """
    task, train = run.competition.task, run.competition.train
    place = pd.Series(np.arange(len(train)), index=train.id.to_numpy())
    own = place[predictors[leading].ids].to_numpy()
    length = characters(train)
    numbers = chosen(task, predictors[leading], length[own])
    rows = own[numbers]
    ids = train.id.iloc[rows]
    result: dict[str, Any] = {
        "all": len(own), "validated": int((run.fold_of_row >= 0).sum()), "rows": identity,
        "values": task.has_values, "decides": task.has_labels, "words": task.by_word,
        "marks": run.config.folds.dev is None, "relabel": run.config.competition.label_columns is None,
        "stages": [part.name for part in predictors], "leading": leading, "id": ids.tolist(),
        "fold": run.fold_of_row[rows].tolist(), "length": length[rows].tolist(),
        **_copies(seen, rows),
        "outputs": [_output(task, predictors, number, leading, pd.Index(ids))
                    for number in range(len(predictors[leading].views))]}
    if row_columns.SOURCE in train:
        result["source"] = train[row_columns.SOURCE].iloc[rows].tolist()
    if not texts:
        return result
    result["text"] = train[text_columns(train)[0]].iloc[rows].tolist()
    if len(text_columns(train)) > 1:
        result["pair"] = train[text_columns(train)[1]].iloc[rows].tolist()
    if (why := _contributions(run, pd.Index(ids))) is not None:
        result |= why
    if attention is not None:
        result["attention"] = [_attention(text, attention.get(key, [])) for key, text in
                               zip(ids, result["text"], strict=True)]
    return result | _neighbours(run, rows)


def _copies(seen: Examined, rows: Ints) -> dict[str, Any]:
    """How many other training rows have the text, whether test has it, and whether the label is doubted."""
    text = seen.normalised
    train, test = text[:len(seen.train)], set(text[len(seen.train):])
    others = train.map(train.value_counts()).to_numpy() - 1
    own = train.iloc[rows]
    parts: dict[str, Any] = {"copies": others[rows].tolist(), "test": [int(one in test) for one in own]}
    known = seen.oof
    ranked = label_suspects.rank(seen, known[1]) if known else None
    doubted = set() if ranked is None else set(ranked.id[ranked.probability < label_suspects.DOUBTED])
    return parts | {"suspect": [int(key in doubted) for key in seen.train.id.iloc[rows]]}


def _output(task: Task, predictors: Sequence[Predictions], number: int, leading: int, ids: pd.Index) -> dict[str, Any]:
    """One output: names, labels and decisions as numbers of names, and what each stage says. A probability is in
    ten-thousandths. What a stage has not predicted is null; of entities, whose decisions are lists of (name, first
    word, last word), too."""
    name, view = list(predictors[leading].views.items())[number]
    at = predictors[leading].ids.get_indexer(ids).tolist()
    label = [view.label[row] for row in at]
    decided, numbers, losses, usual = list[list[Any]](), list[list[float | None]](), list[list[float | None]](), []
    for part in predictors:
        own, other = part.ids.get_indexer(ids).tolist(), part.view(number)
        numbers.append([None if row < 0 else _rounded(other.number[row]) if task.has_values else
                        round(10_000 * float(other.number[row])) for row in own])
        losses.append([None if row < 0 else _rounded(other.loss[row]) for row in own])
        usual.append(_rounded(np.quantile(other.loss, USUAL)))
        column = part.decided.iloc[:, number].tolist()
        decided.append([None if row < 0 else column[row] for row in own])
    result: dict[str, Any] = {"name": name, "claims": view.positive, "number": numbers, "loss": losses[leading]}
    if task.has_values or task.by_word:  # elsewhere it follows from the probability
        result |= {"losses": losses, "usual": usual}
    if not task.has_labels:
        return result | {"names": [], "label": [float(value) for value in label], "decided": []}
    if task.by_word:
        return result | _entities(label, decided)
    names = view.in_order([*label, *(value for part in decided for value in part if value is not None)])
    at_name: dict[str | None, int | None] = {**{value: number for number, value in enumerate(names)}, None: None}
    return result | {"names": names, "label": [at_name[value] for value in label],
                     "decided": [[at_name[value] for value in part] for part in decided]}


def _entities(label: list[str], decided: list[list[str | None]]) -> dict[str, Any]:
    texts = [*label, *(tags for part in decided for tags in part if tags)]
    kinds = sorted({kind for tags in texts for kind, _, _ in entities(tags.split(" "))})
    at_kind = {kind: place for place, kind in enumerate(kinds)}

    def spans(tags: str | None) -> list[list[int]] | None:
        return None if tags is None else [[at_kind[kind], first, last]
                                          for kind, first, last in entities(tags.split(" "))]

    return {"names": kinds, "label": [spans(tags) for tags in label],
            "decided": [[spans(tags) for tags in part] for part in decided]}


def _rounded(value: float) -> float:
    """A number to five significant digits."""
    return float(f"{float(value):.5g}")


def _contributions(run: Run, ids: pd.Index) -> dict[str, Any] | None:
    """Of each row the n-grams that moved the baseline most, in hundredths of a logit; None where there is none."""
    paths = [run.paths.cell(cell) / artefacts.CONTRIBUTIONS for cell in run.finished(BASELINE)]
    if not paths or not all(path.exists() for path in paths):
        return None
    table = pd.concat([formats.read_csv(path) for path in paths], ignore_index=True)
    table = table[table.id.isin(ids)].reset_index(drop=True)
    grams, pushes = ([table[f"{what}_{place}"].tolist() for place in range(1, PUSHED + 1)]
                     for what in ("ngram", "push"))
    counts = Counter(gram for column in grams for gram in column if gram)
    names = sorted(counts, key=lambda gram: (-counts[gram], gram))
    number = {gram: place for place, gram in enumerate(names)}
    outputs = sorted({*table.towards, *table.instead_of})
    at_output = {name: place for place, name in enumerate(outputs)}
    of_row: dict[str, list[list[int]]] = {}
    words = table.word.tolist() if "word" in table else [-1] * len(table)
    for row, (key, towards, instead) in enumerate(zip(table.id, table.towards, table.instead_of, strict=True)):
        entries = of_row.setdefault(key, [])
        if len(entries) < WORDS:
            entries.append([words[row], at_output[towards], at_output[instead], *(
                value for gram, push in zip(grams, pushes, strict=True) if gram[row]
                for value in (number[gram[row]], round(100 * float(push[row]))))])
    return {"grams": names, "outputs_pushed": outputs, "why": [of_row.get(key, []) for key in ids]}


def _attention(text: str, tokens: list[tuple[str, float]]) -> list[Any]:
    """Levels of attention, a letter or digit a token; and the tokens, where they are not the text's characters between
    [CLS] and [SEP]."""
    most = max((weight for _, weight in tokens), default=0.0)
    levels = "".join(np.base_repr(round(LEVELS * weight / most), 36) for _, weight in tokens) if most > 0 else ""
    names = [name for name, _ in tokens]
    return [levels] if names[1:-1] == list(text)[:len(names) - 2] else [levels, names]


def _neighbours(run: Run, rows: Ints) -> dict[str, Any]:
    """Of each row the numbers of the nearest ones, among the rows shown or, beyond their count, among ``others``."""
    train, task = run.competition.train, run.competition.task
    near = neighbours.nearest(run, rows)
    place = {int(row): number for number, row in enumerate(rows)}
    further = [int(row) for row in dict.fromkeys(near[near >= 0].tolist()) if row not in place]
    place |= {row: len(rows) + number for number, row in enumerate(further)}
    others = train.iloc[further]
    columns = text_columns(train)
    return {"near": [[place[row] for row in line if row >= 0] for line in near.tolist()],
            "others": {"id": others.id.tolist(), "label": [task.label_text(label) for label in others.label],
                       "text": [" | ".join(texts)[:NEIGHBOUR] for texts in others[columns].itertuples(index=False)]}}


