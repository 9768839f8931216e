"""What each stage says of the validated rows, and which of them the page shows."""

from collections import Counter
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import pandas as pd

from pipeline.tasks import Task
from pipeline.tasks.row_views import RowView

MOST_ROWS, MOST_CHARACTERS = 20_000, 600_000  # of all rows together up to which each is shown
WRONG, OF_LABEL, RIGHT = 2_000, 500, 500  # rows of more: wrong ones, those of a label with most loss, right ones
LABELS = 20  # whose rows with most loss are shown
USUAL = 0.9  # quantile of the loss above which a predicted number counts as wrong
ALWAYS = 100  # rows that are shown however long they are
SEED = 2020

Ints = npt.NDArray[np.int64]


@dataclass(frozen=True)
class Predictions:
    """What one stage, or one run, says of the validated rows. views: of each output, in the order of ``ids``; decided:
    its columns are the outputs' decisions, each fold's by what is best on the others."""

    name: str
    ids: pd.Index
    views: dict[str, RowView]
    decided: pd.DataFrame

    def view(self, output: int) -> RowView:
        """That of one output, by its number."""
        return list(self.views.values())[output]


def from_oof(task: Task, name: str, oof: pd.DataFrame, metric: str | None) -> Predictions:
    """Of an out-of-fold table. Of one fold alone decisions are in sample, as its score is."""
    parts = []
    for fold in np.unique(oof.fold):
        inside, others = oof[oof.fold == fold], oof[oof.fold != fold]
        cut_on = (others if len(others) else inside) if task.decides(metric) else None  # as the score is
        parts.append(task.decisions(cut_on, inside.reset_index(drop=True), metric))
    ids = pd.Index(oof.id.drop_duplicates())
    return Predictions(name, ids, task.row_views(oof), pd.concat(parts).loc[ids])


def right(task: Task, predictions: Predictions, output: int) -> npt.NDArray[np.bool_]:
    """bool [rows]: whether the decision is the label; of values, whether the loss is not among the greatest tenth."""
    view = predictions.view(output)
    if not task.has_labels:
        return view.loss <= np.quantile(view.loss, USUAL)
    decided = predictions.decided.iloc[:, output].to_numpy()
    hit: npt.NDArray[np.bool_] = decided == np.array(view.label, dtype=object)
    return hit


def chosen(task: Task, predictions: Predictions, length: Ints) -> Ints:
    """int64: the numbers of the rows that are shown, in order: all, or those that there is most to learn from. length:
    characters of each text."""
    if len(predictions.ids) <= MOST_ROWS and length.sum() <= MOST_CHARACTERS:
        return np.arange(len(predictions.ids))
    ranked = list[Ints]()
    for output, view in enumerate(predictions.views.values()):
        order = np.argsort(-view.loss, kind="stable")
        good = right(task, predictions, output)[order]
        ranked.append(order[~good][:WRONG])
        label = np.array(view.label, dtype=object)[order]
        ranked += [order[label == name][:OF_LABEL] for name, _ in Counter(label).most_common(LABELS)
                   if not task.by_word and task.has_labels]
        drawn = np.random.default_rng(SEED).permutation(order[good])
        ranked.append(drawn[:RIGHT])
    rows = pd.unique(np.concatenate([part[place:place + 1] for place in range(max(map(len, ranked)))
                                     for part in ranked]))
    room = np.cumsum(length[rows]) <= 2 * MOST_CHARACTERS
    return np.sort(rows[room | (np.arange(len(rows)) < ALWAYS)][:MOST_ROWS])
