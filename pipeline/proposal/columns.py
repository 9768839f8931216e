"""Which column is the id, the text and the label: told from names, from what test lacks, and from the values."""

import re
from collections.abc import Iterable, Sequence
from typing import Any

import pandas as pd

from pipeline.errors import UserError
from pipeline.proposal.choices import Choices, Question

IDS = re.compile(r"(.*[_ ])?(id|ids|idx|index|guid|uuid|no|nr|number)|[a-z]*id|unnamed: ?0|编号|序号|", re.IGNORECASE)
TEXTS = ("text", "content", "comment_text", "sentence", "review", "comment", "tweet", "review_body", "question_text",
         "full_text", "excerpt", "essay", "body", "document", "message", "question", "query", "abstract", "description",
         "sms", "news", "article", "headline", "title", "文本", "内容", "评论", "正文")
LABELS = ("label", "labels", "target", "class", "category", "y", "标签", "类别", "label_id", "sentiment", "polarity",
          "is_duplicate", "gold_label", "quality", "score", "stars", "rating", "grade", "topic", "intent", "emotion",
          "tag", "tags", "ner_tags", "insult", "spam", "cat", "label_desc", "target_label")
PAIRS = (("premise", "hypothesis"), ("query", "title"), ("question", "sentence"), ("question", "answer"),
         ("anchor", "target"), ("query", "document"), ("text", "aspect"), ("source", "target"), ("query", "doc"),
         ("question", "passage"), ("query", "passage"), ("prompt", "response"), ("query", "reply"), ("q", "a"),
         ("问题", "回答"), ("问题", "答案"), ("句子1", "句子2"), ("文本1", "文本2"), ("查询", "标题"))
SIDES = ("1 2", "a b", "first second", "left right", "0 1", "one two", "x y")
BINARY = {"0", "1", "0.0", "1.0", "True", "False", "true", "false"}
SOME = 20_000  # rows that a column is told from


def choose_id(train: pd.DataFrame, test: pd.DataFrame | None, sample: pd.DataFrame | None, choices: Choices
              ) -> str | None:
    """The column of ids, or None where rows are counted; adds to the choices."""
    if test is None:
        ids = [name for name in map(str, train) if IDS.fullmatch(name) and name and _unique(train[name])]
        found = ids[0] if ids else None
        return _chosen_id(choices, found, "its values are unique" if found else "no column of unique ids: rows are "
                          "counted from 0", ids[1:])
    if sample is not None:
        first = str(sample.columns[0])
        wanted = set(sample[first])
        named = [name for name in map(str, test) if set(test[name]) == wanted and _unique(test[name])]
        if named and first in named and first in train and not _unique(train[first]):
            raise UserError(f"column {first!r} holds the ids of test, and repeats itself in train, where ids must be "
                            f"unique; take it out of the train file: its rows are then counted from 0")
        if named:
            found = first if first in named else named[0]
            return _chosen_id(choices, found, f"the ids of the sample submission are those of test's column {found!r}")
        if wanted == {str(row) for row in range(len(test))}:
            return _chosen_id(choices, None, "the ids of the sample submission count test's rows from 0")
    both = [name for name in map(str, test) if _unique(test[name]) and IDS.fullmatch(name) and name]
    if both and not any(name not in train or _unique(train[name]) for name in both):
        raise UserError(f"column {both[0]!r} holds the ids of test, and repeats itself in train, where ids must be "
                        f"unique; take it out of the train file: its rows are then counted from 0")
    both = [name for name in both if name not in train or _unique(train[name])]
    shared = [name for name in both if name in train] or both
    found = shared[0] if shared else None
    return _chosen_id(choices, found, f"test's column {found!r} has unique values" if found else
                      "test has no column of unique ids: rows are counted from 0", shared[1:])


def _chosen_id(choices: Choices, name: str | None, reason: str, others: Sequence[str] = ()) -> str | None:
    value: str | None = choices.choose("data.id_column", name, reason, _or(others))
    return value or None


def choose_labels(train: pd.DataFrame, test: pd.DataFrame | None, sample: pd.DataFrame | None, id_column: str | None,
                  choices: Choices) -> list[str]:
    """The column of the label, or several columns of labels; adds to the choices where it is one. Raises UserError
    where train has no column for it."""
    if given := choices.given.get("data.label_columns"):
        return list(given)
    if "data.label_column" in choices.given:
        return [str(choices.given["data.label_column"])]
    columns = [str(name) for name in train if name != id_column]
    lacking = [name for name in columns if test is not None and (name not in test or (test[name] == "").all())]
    found, reason = _by_sample(train, sample, lacking or columns)
    if found is None:
        found, reason = _by_values(train, lacking or columns, bool(lacking))
    if not found:
        candidates = [name for name in lacking or columns if not is_text(train[name]) and train[name].nunique() > 1]
        if not candidates:
            raise UserError(f"train has no column of labels: {', '.join(map(repr, train))} are ids, texts or one value "
                            f"throughout; are the labels in another file, to be joined by id?")
        answer = choices.answer(Question(
            "data.label_column", f"which column is the label? Train has {', '.join(map(repr, columns[:12]))}",
            tuple((name, shown_values(train[name])) for name in candidates[:12])))
        return [str(answer)]
    if len(found) == 1:
        others = [name for name in lacking or columns if name not in found and not is_text(train[name])]
        choices.choose("data.label_column", found[0], reason, _or(others))
    return found


def _by_sample(train: pd.DataFrame, sample: pd.DataFrame | None, candidates: list[str]
               ) -> tuple[list[str] | None, str]:
    """The columns that the sample submission predicts, by name or since its columns are a column's values."""
    if sample is None:
        return None, ""
    predicted = list(map(str, sample.columns[1:]))
    if all(name in candidates for name in predicted):
        return predicted, f"the sample submission predicts {', '.join(predicted[:6])}"
    if len(predicted) > 1:
        for name in candidates:
            values = set(train[name])
            if len(values) == len(predicted) and pattern_of(predicted, values) is not None:
                return [name], f"the columns of the sample submission are the values of {name!r}"
    return None, ""


def pattern_of(columns: Sequence[str], labels: Iterable[str]) -> str | None:
    """What makes the columns' names from the labels, such as "class{label}"; None: nothing does."""
    wanted = set(columns)
    for label in labels:
        for column in columns:
            before, inside, behind = column.partition(label)
            if inside and {f"{before}{other}{behind}" for other in labels} == wanted:
                return f"{before}{{label}}{behind}"
    return None


def _by_values(train: pd.DataFrame, candidates: list[str], test_lacks: bool) -> tuple[list[str] | None, str]:
    why = "test has it not" if test_lacks else "its name says so"
    usable = [name for name in candidates if train[name].nunique() > 1]
    if test_lacks and len(usable) == 1:
        return usable, "it is the column that test has not"
    plain = [name for name in usable if not (is_text(train[name]) or (_unique(train[name]) and not _numeric(
        train[name])))]
    named = sorted((name for name in plain if name.lower().strip("#_ ") in LABELS),
                   key=lambda name: LABELS.index(name.lower().strip("#_ ")))
    if named:
        return named[:1], f"of the columns that may be labels its name says so{'; test has it not' * test_lacks}"
    alike = [set(train[name][:SOME]) for name in plain]
    if test_lacks and len(plain) > 1 and all(values == alike[0] for values in alike) and 2 < len(alike[0]) <= 20:
        return plain, f"they hold the same {len(alike[0])} values, and test has them not"
    flags = [name for name in plain if set(train[name][:SOME]) <= BINARY]
    if len(flags) > 1 and (len(flags) == len(plain) or test_lacks):
        return flags, "they hold 0 and 1"
    few = [name for name in plain if train[name].nunique() <= max(2, min(200, len(train) // 5))]
    few = _without_renamed(train, few)
    if len(few) == 1:
        return few, f"it is the one column with few values; {why}" if test_lacks else "it is the one with few values"
    if len(plain) == 1:
        return plain, "no other column may be it"
    return None, ""


def _without_renamed(train: pd.DataFrame, names: list[str]) -> list[str]:
    """The columns but for those that are others in other words, value by value."""
    kept: list[str] = []
    for name in names:
        same = any(train[[name, other]].drop_duplicates().shape[0] == train[name].nunique() == train[other].nunique()
                   for other in kept)
        if not same:
            kept.append(name)
    return kept


def choose_texts(train: pd.DataFrame, test: pd.DataFrame | None, taken: list[str], choices: Choices) -> list[str]:
    """The column of the text, or the two of a pair; adds to the choices."""
    if "data.text_columns" in choices.given:
        return _given_texts(train, choices)
    shared = [str(name) for name in train if name not in taken and (test is None or name in test)]
    texts = [name for name in shared if is_text(train[name])]
    pair = _pair(texts) or _pair([name for name in shared if _is_short_text(train[name])])
    body = [name for name in texts if name not in (pair or []) and _rank(name) < 3]
    if pair and not body:
        further = [name for name in texts if name not in pair]
        return list(choices.choose("data.text_columns", pair, "two texts that belong together, by their names",
                                   "one of them alone" + (f"; there is {_or(further)} too" if further else "")))
    if not texts:
        texts = [name for name in shared if _is_short_text(train[name])]
    if not texts:
        if not shared:
            both = "; ".join(f"{name} has {', '.join(map(repr, table))}" for name, table in
                             (("train", train), ("test", test)) if table is not None)
            raise UserError(f"train and test share no column of texts: {both}")
        if len(shared) == 1:
            return list(choices.choose("data.text_columns", shared, "the only column that is left for a text"))
        answer = choices.answer(Question(
            "data.text_columns", f"which column is the text? There are {', '.join(map(repr, shared[:12]))}",
            tuple(([name], shown_values(train[name])) for name in shared[:12])))
        return [answer] if isinstance(answer, str) else list(answer)
    lengths = {name: length(train[name]) for name in texts}
    main = min(texts, key=lambda name: (_rank(name), -lengths[name]))
    longest = max(texts, key=lambda name: lengths[name])
    if _rank(main) >= len(TEXTS) or lengths[longest] > 4 * lengths[main]:
        main = longest
    others = [name for name in texts if name != main]
    alternatives = f'["{others[0]}", "{main}"] takes both as a pair' if others else ""
    if len(others) > 1:
        alternatives += f"; there is {_or(others[1:])} too"
    reason = "the only column of texts" if not others else "the main text, by name and length"
    chosen = choices.choose("data.text_columns", [main], reason, alternatives)
    return [chosen] if isinstance(chosen, str) else list(chosen)


def _given_texts(train: pd.DataFrame, choices: Choices) -> list[str]:
    """What a person gave, a name or a list of names. Raises UserError where train has not these columns."""
    value = choices.given["data.text_columns"]
    names = [value] if isinstance(value, str) else value
    if not isinstance(names, list) or not names or not all(isinstance(name, str) for name in names):
        raise UserError(f"--set data.text_columns: must be a column or a list of two, got {value!r}")
    if unknown := [name for name in names if name not in train]:
        raise UserError(f"--set data.text_columns: no column {unknown[0]!r}; train has {', '.join(map(repr, train))}")
    choices.given["data.text_columns"] = names
    choices.choose("data.text_columns", names, "as you said")
    return names


def _pair(names: list[str]) -> list[str] | None:
    """Two names that differ in their side alone, or are known to go together; of several the shortest."""
    pairs: list[list[str]] = []
    lower = {name.lower().strip(): name for name in names}
    for first, second in PAIRS:
        if first in lower and second in lower:
            return [lower[first], lower[second]]
    for sides in SIDES:
        first, second = sides.split()
        for name in lower:
            for match in re.finditer(re.escape(first), name):
                other = name[:match.start()] + second + name[match.end():]
                if other in lower and other != name:
                    pairs.append([lower[name], lower[other]])
    return min(pairs, key=lambda pair: len(pair[0]), default=None)


def _rank(name: str) -> int:
    return TEXTS.index(name.lower()) if name.lower() in TEXTS else len(TEXTS)


def length(values: Any) -> float:
    """Mean number of characters."""
    return float(values[:SOME].str.len().mean())


def is_text(values: pd.Series) -> bool:
    """Whether most values are texts of several words or characters, and most of them different ones."""
    some = values[:SOME]
    filled = some[some.str.strip() != ""]
    if len(filled) < 0.7 * len(some) or not len(filled):
        return False
    some = filled
    lettered = some.str.contains(r"[^\W\d_]", regex=True).mean()
    address = some.str.fullmatch(r"(https?://\S+|[\w./-]+\.(jpg|png|txt))").mean()
    several = some.str.contains(r"\s|[\u3040-\u9fff\uac00-\ud7a3]{2}", regex=True).mean()
    return bool(lettered > 0.7 and address < 0.5 and several > 0.5 and some.nunique() > min(0.3 * len(some), 1_000)
                and some.str.len().mean() >= 4)


def _is_short_text(values: pd.Series) -> bool:
    """Whether the values are words at least, as queries and phrases are."""
    some = values[:SOME]
    return bool(some.str.contains(r"[^\W\d_]{2}", regex=True).mean() > 0.7 and some.nunique() > min(
        0.02 * len(some), 1_000) and some.str.len().mean() >= 3)


def _numeric(values: pd.Series) -> bool:
    return bool(pd.to_numeric(values[:SOME], errors="coerce").notna().all())


def _unique(values: pd.Series) -> bool:
    return bool(values.is_unique and (values != "").all())


def shown_values(values: pd.Series) -> str:
    """How many values there are, and the first few, for a question."""
    counts = values[:SOME].value_counts()
    shown = ", ".join(repr(str(value)[:20]) for value in counts.index[:3])
    return f"{len(counts):,} values such as {shown}"


def _or(names: Sequence[str]) -> str:
    return ", ".join(map(repr, names[:6]))
