"""One word a line with its tag, and an empty line behind each text, as CoNLL's shared tasks have them."""

import re
from collections.abc import Callable
from pathlib import Path

import pandas as pd

from pipeline import sources
from pipeline.errors import UserError
from pipeline.tag_schemes import TAG

BETWEEN = re.compile("[ \t]+")  # and no other white space: U+3000 may be a word
DOCUMENT = "-DOCSTART-"
LONGEST_WORD = 1_000  # characters: a longer one is no word
LONGEST_TEXT = 1_000_000


def read(path: Path, labelled: bool) -> pd.DataFrame:
    """id (the text's number from 0), text (its words joined by spaces) and, where labelled, label (its tags likewise).

    Lines of comments before a text, "# id ..." or "# key = value", are passed over.
    The first column of a line is the word and the last its tag; the index is the line on which each text begins.
    Raises UserError with the problems of all lines.
    """
    texts: list[list[list[str]]] = [[]]
    places, problems = [], []
    rule: tuple[int, int] | None = None  # the number of columns, and the line that says so
    lines = sources.read_text(path).split("\n")
    is_comment = _comments(lines, labelled)
    for number, line in enumerate(lines, 1):
        if line.startswith("# ") and not texts[-1] and is_comment(line):
            continue
        fields = [field for field in BETWEEN.split(line.removesuffix("\r")) if field]
        if not fields or line.startswith(DOCUMENT):
            if texts[-1]:
                texts.append([])
            continue
        if labelled and len(fields) == 1:
            problems.append(f", line {number}: must have a word and its tag, got {fields[0][:LONGEST_WORD]!r} alone")
        elif len(fields) != (rule := rule or (len(fields), number))[0]:
            problems.append(f", line {number}: must have {rule[0]} columns as line {rule[1]} has, got {len(fields)}")
        if len(fields[0]) > LONGEST_WORD:
            problems.append(f", line {number}: a word must have at most {LONGEST_WORD:,} characters, "
                            f"got {len(fields[0]):,}; is it one word a line?")
        if not texts[-1]:
            places.append(f"line {number}")
        texts[-1].append([fields[0], fields[-1]])
    texts = [words for words in texts if words]
    joined = [" ".join(word for word, _ in words) for words in texts]
    problems += [f", {place}: a text must have at most {LONGEST_TEXT:,} characters, got {len(text):,}; an empty line "
                 f"ends a text" for place, text in zip(places, joined, strict=True) if len(text) > LONGEST_TEXT]
    if not texts:
        raise UserError(f"{path}: holds no text")
    if problems:
        raise UserError(*sources.shortened(path, problems, "lines"))
    table = pd.DataFrame({"id": [str(row) for row in range(len(texts))], "text": joined}, index=places, dtype=str)
    return table.assign(label=[" ".join(tag for _, tag in words) for words in texts]) if labelled else table


def _comments(lines: list[str], labelled: bool) -> Callable[[str], bool]:
    """Which lines that begin with "# " before a text are comments, and not the word # with its columns: those that read
    "# id ..." or hold "=", in a file of tags if they have none at their end, else if every text begins with one."""
    fields = [BETWEEN.split(line.strip(" \t\r")) for line in lines]

    def reads_so(row: list[str]) -> bool:
        return row[0] == "#" and len(row) > 1 and (row[1] == "id" or "=" in "".join(row))

    if labelled:
        last = [row[-1] for row in fields if row[0] and not row[0].startswith(("#", DOCUMENT))]
        there = 2 * sum(TAG.fullmatch(tag) is not None for tag in last) > len(last)
    else:
        there = all(reads_so(row) for before, row in zip([[""], *fields], fields, strict=False)
                    if row[0] and not before[0] and not row[0].startswith(DOCUMENT))

    def is_comment(line: str) -> bool:
        row = BETWEEN.split(line.strip(" \t\r"))
        return there and reads_so(row) and not (labelled and TAG.fullmatch(row[-1]))

    return is_comment
