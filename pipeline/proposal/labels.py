"""What kind of label a competition has, and in which order its labels are: told from the values and their names."""

import json
import re
from collections import Counter
from dataclasses import dataclass
from pathlib import Path

import pandas as pd

from pipeline.competition.readers import records
from pipeline.config.kinds import KINDS
from pipeline.errors import UserError
from pipeline.files import inputs
from pipeline.metrics import names as metric_names
from pipeline.proposal.choices import Choices, Question
from pipeline.proposal.columns import BINARY
from pipeline.tasks.label_names import is_number

NEGATIVE = ("negative", "neg", "no", "false", "n", "f", "ham", "0", "-1", "not_entailment", "other", "non", "none",
            "normal", "clean", "real", "human", "off", "差评", "负面", "否", "消极", "不是")
GRADES = re.compile(r"(.*[_ ])?(scores?|stars?|rating|grade|quality|level|rank|points)", re.IGNORECASE)
SEPARATORS = ("|", ", ", ",", "; ", ";", "、", "，", "/", " ")
MOST_BYTES = 1_000_000  # of a list of classes
SPLITS = ("train", "training", "valid", "validation", "val", "dev", "test", "unsup")
MOST_GRADES = 20
MOST_CLASSES = 1_000


@dataclass(frozen=True)
class Kind:
    """A kind of label and why it is that one."""

    task: str
    reason: str


def choose_kind(train: pd.DataFrame, labels: list[str], metric: str | None, choices: Choices) -> str:
    """The kind of label and the order of the labels; adds to the choices. Raises UserError for labels of no kind."""
    kind = (_of_columns(train[labels]) if len(labels) > 1 else
            _of_column(train[labels[0]], labels[0], metric, choices))
    task: str = choices.choose("task", kind.task, kind.reason)
    if len(labels) > 1:
        choices.choose("data.label_columns", labels, f"{len(labels)} columns, as the sample or the values have them")
    return task


def choose_order(values: pd.Series, task: str, classes: Path | None, names: list[str], choices: Choices) -> None:
    """data.labels, where their order is not the usual one or a list beside the data gives it."""
    labels = sorted(set(values))
    if task == "binary" and set(labels) != {"0", "1"} and len(labels) == 2:
        negative = [label for label in labels if label.strip().casefold() in NEGATIVE or re.match(
            r"(not|non|no|neg|un)[_ -]?", label.casefold())]
        counts = values.value_counts()
        if len(negative) == 1:
            reason, first = "the second is the positive one, by its name", negative[0]
        elif all(is_number(label) for label in labels):
            reason, first = "the greater is the positive one", min(labels, key=float)
        else:
            reason, first = "the rarer is taken for the positive one", str(counts.index[0])
        order = [first, *(label for label in labels if label != first)]
        choices.choose("data.labels", order, reason, json.dumps(order[::-1], ensure_ascii=False))
    elif task == "multiclass" and (listed := names_of(labels, names, classes)):
        where = classes.name if classes else "the file itself"
        choices.choose("data.label_names", listed, f"what {where} calls them; a submission has the file's own labels")
    elif task == "multiclass" and set(labels) <= set(order := list(_listed(classes).values())):
        choices.choose("data.labels", order, f"in the order of {classes}")


def names_of(labels: list[str], names: list[str], classes: Path | None) -> dict[str, str]:
    """Label -> name in the list's order, where the file itself or a list beside it names every label by its number."""
    listed = dict(zip(map(str, range(len(names))), names, strict=True)) or _listed(classes)
    if set(labels) == {str(number) for number in range(1, len(listed) + 1)}:  # counted from 1
        listed = dict(zip(map(str, range(1, len(listed) + 1)), listed.values(), strict=True))
    return listed if listed and set(labels) <= set(listed) and len(set(listed.values())) == len(listed) else {}


def _of_columns(columns: pd.DataFrame) -> Kind:
    if all(set(columns[name]) <= BINARY for name in columns):
        each = columns.isin(["1", "1.0", "True", "true"]).sum(axis=1)
        if (each == 1).all():
            return Kind("multilabel", "columns of 0 and 1, of which each row has exactly one: classes, which are taken "
                        "as labels of their own; one column of names would make them classes: task = 'multiclass'")
        return Kind("multilabel", "columns of 0 and 1: any number of labels at once")
    numbers = columns.apply(pd.to_numeric, errors="coerce")
    many = max(columns[name].nunique() for name in columns)
    if numbers.notna().all(axis=None) and (many > MOST_GRADES or (numbers % 1 != 0).any(axis=None)):
        return Kind("regression", "columns of numbers")
    return Kind("multioutput", "columns of labels, each of two or more")


def _of_column(values: pd.Series, name: str, metric: str | None, choices: Choices) -> Kind:
    if "task" in choices.given:
        task = str(choices.given["task"])
        if task not in KINDS:
            raise UserError(f"--set task={task}: must be {', '.join(KINDS)}")
        if task == "multilabel":
            _separated(values, choices)
        return Kind(task, "as you said")
    filled = values[values.str.strip() != ""]
    distinct = filled.nunique()
    if filled.str.fullmatch(r"\[.*\]").mean() > 0.5:
        raise UserError(f"column {name!r} holds lists as Python writes them, such as {filled.iloc[0][:60]!r}; write "
                        f"the names with | between them")
    if filled.isin(SPLITS).all():
        raise UserError(f"column {name!r} says which rows are of train and which of test; write each part to a file of "
                        f"its own, or name the label: --set data.label_column=NAME")
    if distinct < 2:
        raise UserError(f"column {name!r} holds {distinct} labels; two at least are needed: is it the label?")
    numbers = pd.to_numeric(filled, errors="coerce")
    by_metric = [task for task in ("binary", "multiclass", "ordinal", "regression", "multilabel")
                 if metric and metric_names.is_one(task, metric)]
    if distinct == 2 and len(filled) == len(values) and (not by_metric or "binary" in by_metric):
        return Kind("binary", f"column {name!r} has two labels: {', '.join(map(repr, sorted(set(filled))))}")
    separator = _separator(filled)
    if separator and (not by_metric or "multilabel" in by_metric):
        choices.choose("data.label_separator", separator, f"{separator!r} stands between the names of a row, and the "
                       f"same names stand alone in others")
        return Kind("multilabel", f"column {name!r} has several names a row")
    if blank := len(values) - len(filled):
        first = int((values.str.strip() == "").to_numpy().argmax()) + 1
        raise UserError(f"{blank:,} of {len(values):,} rows have no label in column {name!r}, the first of them row "
                        f"{first:,}; delete them, or move them to the texts to predict")
    if numbers.notna().all():
        return _of_numbers(numbers, name, distinct, by_metric, choices)
    if distinct > min(MOST_CLASSES, len(filled) / 2):
        raise UserError(f"column {name!r} holds {distinct:,} different texts in {len(filled):,} rows, which are no "
                        f"labels; say which column is: --set data.label_column=NAME")
    return Kind("multiclass", f"column {name!r} has {distinct:,} labels")


def _of_numbers(numbers: pd.Series, name: str, distinct: int, by_metric: list[str], choices: Choices) -> Kind:
    whole = bool((numbers % 1 == 0).all())
    if not whole and by_metric != ["ordinal"]:
        return Kind("regression", f"column {name!r} has numbers with decimals")
    if distinct > MOST_GRADES and not by_metric:
        if not GRADES.fullmatch(name) and distinct <= MOST_CLASSES and distinct < len(numbers) / 5:
            return Kind("multiclass", f"column {name!r} has {distinct:,} numbers that stand for classes")
        return Kind("regression", f"column {name!r} has {distinct:,} different numbers")
    for task in ("multiclass", "regression", "ordinal"):
        if task in by_metric:
            return Kind(task, f"the metric is of that kind, and column {name!r} has {distinct} numbers")
    if not GRADES.fullmatch(name):
        return Kind("multiclass", f"column {name!r} has {distinct} numbers that stand for classes")
    answer = choices.answer(Question(
        "task", f"column {name!r} has {distinct} numbers from {numbers.min():g} to {numbers.max():g}: are they grades, "
        f"classes or quantities?", (("ordinal", "grades, scored by quadratic weighted kappa"),
                                    ("multiclass", "classes, scored by accuracy or F1"),
                                    ("regression", "quantities, scored by RMSE or correlation"))))
    return Kind(str(answer), "as you said")


def _separated(values: pd.Series, choices: Choices) -> None:
    if separator := _separator(values):
        choices.choose("data.label_separator", separator, f"{separator!r} stands between the names of a row")


def _separator(values: pd.Series) -> str | None:
    """What stands between the names of a row: the parts are few, occur again and again, and some stand alone."""
    values = values[values != ""]
    for separator in SEPARATORS:
        joined = values.str.contains(separator, regex=False)
        if joined.mean() < 0.02:
            continue
        parts = [value.split(separator) for value in values]
        if any(part != part.strip() for row in parts for part in row):
            continue
        count = Counter(part for row in parts for part in row)
        alone = {row[0] for row in parts if len(row) == 1}
        within = {part for row in parts if len(row) > 1 for part in row}
        different = values.nunique()
        if "" in count or any(len(set(row)) < len(row) for row in parts) or len(count) >= different:
            continue
        if separator == " " and not (within <= alone and all(re.fullmatch(r"[\w.:-]+", part) for part in count)):
            continue  # "very good" has a word that is no label
        if len(alone & within) >= 0.2 * len(within) and len(within) < 0.5 * len(values):
            return separator
    return None


def _listed(path: Path | None) -> dict[str, str]:
    """Label or number -> name, of a list of classes: one a line, JSON lines as CLUE has them, a JSON list, or names by
    number and numbers by name."""
    if path is None:
        return {}
    try:
        text = inputs.read_text(path, MOST_BYTES).strip()
        if text.startswith("{") and "\n" in text and (rows := [row for _, row in records.objects(path)]):
            keys = [key for key in rows[0] if key.startswith("label")][:2]
            return {str(row.get(keys[0])): str(row.get(keys[-1])) for row in rows} if len(keys) == 2 else {}
        value = json.loads(text) if text.startswith(("{", "[")) else text.splitlines()
    except (UserError, ValueError, RecursionError):
        return {}
    if isinstance(value, dict) and all(type(number) is int for number in value.values()):
        return {str(number): name for name, number in sorted(value.items(), key=lambda item: item[1])}
    if isinstance(value, dict):
        return {key: str(name) for key, name in value.items()}
    names = [str(item).strip() for item in value if str(item).strip()]
    return dict(zip(map(str, range(len(names))), names, strict=True))
