"""One word a line with its tag, and an empty line behind each text, as CoNLL's shared tasks have them."""

import re
from pathlib import Path

import pandas as pd

from pipeline.errors import UserError
from pipeline.files import inputs
from pipeline.tasks.tag_schemes import TAG

LINE_END = re.compile(r"\r*\n|\r")
BETWEEN = re.compile("[ \t]+")  # and no other white space: U+3000 may be a word
DOCUMENT = "-DOCSTART-"
NUMBERED = re.compile(r".[0-9]{1,2}", re.DOTALL)  # a character and its place in a word
LONGEST_WORD = 1_000  # characters: a longer one is no word
LONGEST_TEXT = 1_000_000


def read(path: Path, labelled: bool, encoding: str | None = None, remarks: list[str] | None = None) -> pd.DataFrame:
    """id (the text's number from 0), text (its words joined by spaces) and, where labelled, label (its tags likewise).

    Lines of comments before a text, "# id ..." or "# key = value", are passed over.
    The first column of a line is the word and the last its tag; the index is the line on which each text begins.
    Raises UserError with the problems of all lines.
    """
    texts: list[list[list[str]]] = [[]]
    places, problems = [], []
    rule: tuple[int, int] | None = None  # the number of columns, and the line that says so
    lines = LINE_END.split(inputs.read_text(path, encoding=encoding))
    comments = _comments(lines, labelled)
    for number, line in enumerate(lines, 1):
        if number in comments:
            continue
        fields = [field for field in BETWEEN.split(line) if field]
        if len(fields) == 1 and not line.strip() and "\u3000" not in line:
            problems.append(f", line {number}: holds white space that is no space or tab, {line[:9]!r}; an empty line "
                            f"ends a text")
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
    long = [words for words in texts if len(words) > 2]
    if long and all(word == str(place) for words in long for place, (word, _) in enumerate(words, 1)):
        problems.append(": its first column counts the words of each text, 1, 2, 3; it must be the word: cut -f2-")
    if problems:
        raise UserError(*inputs.shortened(path, problems, "lines"))
    words = [word for text in texts for word, _ in text]
    if remarks is not None and all(NUMBERED.fullmatch(word) for word in words):
        remarks.append(f"{path}: every word ends in a digit behind its character, such as {words[0]!r}, as Weibo's "
                       f"files count a word's characters; the model reads the digit too: sed -E 's/^(.)[0-9]+/\\1/'")
    table = pd.DataFrame({"id": [str(row) for row in range(len(texts))], "text": joined}, index=places, dtype=str)
    return table.assign(label=[" ".join(tag for _, tag in words) for words in texts]) if labelled else table


def _comments(lines: list[str], labelled: bool) -> set[int]:
    """Numbers, from 1, of the lines that are comments and not the word # with its columns. They begin with # and stand
    before a text: "# id ...", "# key = value" or an address; else in a file of tags what has none at its end, and in a
    file without tags the one line that every text begins with, or the block that the file begins with."""
    fields = [BETWEEN.split(line.strip(" \t")) for line in lines]
    tagged = [row[-1] for row in fields if row[0] and not row[0].startswith(("#", DOCUMENT))]
    tags = labelled and 2 * sum(TAG.fullmatch(tag) is not None for tag in tagged) > len(tagged)

    def begins_so(row: list[str]) -> bool:
        return row[0] == "#" and len(row) > 1

    def reads_so(row: list[str]) -> bool:
        plain = row[1] == "id" or row[2:3] == ["="] or row[1].startswith("http")
        return plain or ("=" in "".join(row[1:]) and not (labelled and TAG.fullmatch(row[-1])))

    firsts = [row for before, row in zip([[""], *fields], fields, strict=False)
              if row[0] and not before[0] and not row[0].startswith(DOCUMENT)]
    every = len(firsts) > 1 and all(map(begins_so, firsts))
    comments: set[int] = set()
    at_start = first_block = True
    for number, row in enumerate(fields, 1):
        if not row[0]:
            first_block, at_start = first_block and not comments and number == 1, True
            continue
        if at_start and begins_so(row) and (not labelled or tags):
            alone = first_block and (number >= len(fields) or not fields[number][0])
            if reads_so(row) or (tags and not TAG.fullmatch(row[-1])) or (not labelled and (
                    alone or (every and number - 1 not in comments))):
                comments.add(number)
                continue
        at_start = first_block = False
    return comments
