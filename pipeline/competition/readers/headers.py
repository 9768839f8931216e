"""Whether a table's first line holds the columns' names, or is one of the rows."""

import re
from collections.abc import Sequence

from pipeline.tasks.label_names import is_number

LONG = 40  # characters: a longer field is no column's name
SENTENCE = re.compile(r"[。，！？!?]|\w [a-z]+ [a-z]+ ")
NAMES = frozenset((
    "id", "text", "label", "labels", "target", "class", "content", "sentence", "sentence1", "sentence2", "review",
    "comment", "comment_text", "tweet", "title", "question1", "question2", "sentiment", "category", "qid", "guid",
    "quality", "index", "text_a", "text_b", "premise", "hypothesis", "score", "rating", "stars", "source", "query",
    "标签", "内容", "文本", "评论", "类别", "标题"))


def is_missing(rows: Sequence[Sequence[str]]) -> bool:
    """Whether the first row is one of the rows: it has a number where the column has numbers, a label of its column, a
    text as long as theirs, or one field twice."""
    first, others = [field.strip() for field in rows[0]], [row for row in rows[1:] if len(row) == len(rows[0])]
    named = [field for field in first if field]
    if not others or any(field.casefold() in NAMES for field in named):
        return False
    if len(set(named)) < len(named):
        return True
    for number, field in enumerate(first):
        column = [row[number].strip() for row in others]
        if field and all(map(is_number, column)):
            return is_number(field)  # a header's name is no number, and a row's number is one
        if field in column and field and len(set(column)) <= max(2, len(column) // 5):
            return True
    return any(len(field) > LONG or SENTENCE.search(field) for field in named)
