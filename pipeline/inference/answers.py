"""Predictions as a person or a program asks for them: one JSON value a text."""

from collections.abc import Iterator
from typing import Any

import pandas as pd

from pipeline.tasks import Task, probability_columns
from pipeline.tasks.tags import entities

Answer = dict[str, Any]


def answers(task: Task, rows: pd.DataFrame, predicted: pd.DataFrame, oof: pd.DataFrame | None, metric: str | None
            ) -> Iterator[Answer]:
    """For each row its id, text, label and probabilities, or values in place of these; of tags, the words' and the
    entities they make.

    predicted: the task's table of predictions of the rows; oof: what thresholds are chosen on for the metric; None:
    0.5.
    """
    label = task.decisions(oof, predicted, metric)
    table = task.probabilities(predicted) if task.has_values else predicted
    columns = list(map(str, table)) if task.has_values else probability_columns(task)
    names = [column.removeprefix("prediction").removeprefix(":") for column in columns]
    numbers = None if task.by_word else table[columns].to_numpy()
    by_text = {str(name): words for name, words in predicted.groupby("id", sort=False)} if task.by_word else {}
    for place, (row, decided) in enumerate(zip(rows.itertuples(), label.itertuples(index=False), strict=True)):
        answer: Answer = {"id": row.id, "text": row.text}
        if "text_pair" in rows:
            answer["text_pair"] = row.text_pair
        if numbers is None:
            answer |= _tagged(by_text[str(row.id)], decided[0].split(" "), columns)
        elif task.has_labels and label.shape[1] > 1:
            answer["labels"] = {str(column).removeprefix("prediction:"): decision
                                for column, decision in zip(label, decided, strict=True)}
        elif task.has_labels:
            answer["label"] = decided[0]
        if numbers is not None:
            shown = [round(float(value), 6) for value in numbers[place]]
            what = "value" if task.has_values else "probability"
            answer[what] = shown[0] if names == [""] else dict(zip(names, shown, strict=True))
        yield answer


def _tagged(words: pd.DataFrame, tags: list[str], probability: list[str]) -> Answer:
    text = words.text.tolist()
    sure = words[probability].to_numpy().max(axis=1)
    return {"tags": tags, "probability": [round(float(value), 6) for value in sure],
            "entities": [{"label": kind, "first_word": first, "last_word": last, "text": " ".join(text[first:last + 1])}
                         for kind, first, last in entities(tags)]}
