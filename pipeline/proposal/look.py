"""What one file is, told from its bytes: format, encoding, separator, quoting, header; and its rows as a table."""

import contextlib
import csv
import gzip
import json
import re
from dataclasses import dataclass, field
from pathlib import Path

import pandas as pd

from pipeline.competition.readers import conll, delimited, folders, headers, records, spans
from pipeline.competition.readers.by_format import BY_ENDING, Format
from pipeline.errors import UserError
from pipeline.files import inputs
from pipeline.tasks.tag_schemes import TAG

LINES = 500  # that a layout is told from
SEPARATORS = (",", "\t", ";", "|", "\x01", "^", "~", "#")
CONLL_LINES = 3_000


@dataclass
class Look:
    """A file as it is. Keys that are None need not stand in a configuration."""

    path: Path
    format: Format
    table: pd.DataFrame
    """The columns as they stand; of CoNLL, spans and folders id, text and label."""
    encoding: str | None = None
    separator: str | None = None
    quoting: bool | None = None
    headerless: bool = False
    """Whether the first line is a row; the columns are then called column1, column2 and so on."""
    says: list[str] = field(default_factory=list)
    """What was seen, in words."""
    list_columns: dict[str, list[int]] = field(default_factory=dict)
    """Of JSON: the columns that hold lists, and how long each is."""
    class_names: dict[str, list[str]] = field(default_factory=dict)
    """Column -> names of its classes, where the file itself gives them."""

    @property
    def by_ending(self) -> bool:
        """Whether the file's name says the format."""
        name = Path(self.path.stem) if self.path.suffix == ".gz" else self.path
        said = BY_ENDING.get(name.suffix, "folders" if self.path.is_dir() else "table")
        return said == self.format or (self.format == "spans" and said == "json")


def look(path: Path) -> Look:
    """Raises UserError for a file that cannot be read."""
    if path.is_dir():
        return _folder(path)
    inputs.check(path)
    if path.suffix == ".parquet":
        return _objects(path, None)
    raw = _begin(path)
    encoding = None if inputs.is_utf_8([_whole_characters(raw)]) else inputs.guessed_encoding(raw)
    if encoding == "UTF-8":
        encoding = None  # damaged in a few places, which reading names
    text = raw.decode(encoding or "utf-8-sig", "replace").removeprefix("\ufeff")
    says = [f"written in {encoding}"] if encoding else []
    if _is_json(text):
        seen = _objects(path, encoding)
    elif _is_conll(text):
        seen = Look(path, "conll", conll.read(path, True, encoding), encoding,
                    says=["a word and its tag on each line, an empty line behind each text"])
    else:
        seen = _delimited(path, encoding, text)
    seen.says = says + seen.says
    return seen


def read_like(path: Path, train: Look) -> Look:
    """A file without labels, read as the file of training rows is where it does not say otherwise itself."""
    if train.format == "conll":
        return Look(path, "conll", conll.read(path, False, train.encoding), train.encoding)
    seen = look(path)
    if train.headerless and not seen.headerless and seen.format == "table" and seen.table.shape[1] <= (
            train.table.shape[1]) and not headers.NAMES & {str(name).casefold() for name in seen.table}:
        seen.headerless = True
        seen.table = _headerless(seen, seen.table.shape[1])
    return seen


def _begin(path: Path) -> bytes:
    with path.open("rb") as file:
        packed = file.read(2) == inputs.GZIP
    try:
        with gzip.open(path) if packed else path.open("rb") as file:
            return file.read(inputs.SAMPLE)
    except (OSError, EOFError) as error:
        raise UserError(f"{path}: cannot be read: {error}") from None


def _whole_characters(raw: bytes) -> bytes:
    """Without a character that the sample ends inside of."""
    for cut in range(4):
        with contextlib.suppress(UnicodeDecodeError):
            raw[:len(raw) - cut].decode("utf-8")
            return raw[:len(raw) - cut]
    return raw


def _folder(path: Path) -> Look:
    labelled = any(entry.is_dir() for entry in path.iterdir())
    encoding = None
    for text in sorted(path.rglob("*.txt"))[:LINES]:
        raw = text.read_bytes()[:inputs.SAMPLE]
        if not inputs.is_utf_8([_whole_characters(raw)]) and (encoding := inputs.guessed_encoding(raw)) != "UTF-8":
            break
    table = folders.read(path, labelled, encoding)
    return Look(path, "folders", table, encoding, says=["a folder for each class, a .txt file for each text"])


def _is_json(text: str) -> bool:
    begin = text.lstrip()
    if not begin.startswith(("{", "[")):
        return False
    with contextlib.suppress(ValueError, RecursionError):
        return isinstance(json.loads(begin.partition("\n")[0]), (dict, list))
    return bool(re.match(r"[\[{]\s*[\[{\"]", begin))


def _objects(path: Path, encoding: str | None) -> Look:
    """JSON or Parquet; lists of words and tags are joined by spaces, other lists by |."""
    first = records.first(path, encoding) if path.suffix != ".parquet" else {}
    entities = [name for name in spans.KEYS if isinstance(first.get(name), list)
                and all(isinstance(item, (dict, list)) for item in first[name])]
    nested = isinstance(first.get("label"), dict)
    if isinstance(first.get("text"), str) and (entities or nested):
        rows = [row for _, row in records.objects(path, encoding)]
        table = pd.DataFrame({"text": [str(row.get("text", "")) for row in rows]}, dtype=str)
        shape = "label: {name: {words: [[first, last]]}}" if nested else f"{entities[0]}: [start, end, label]"
        return Look(path, "spans", table, encoding, says=[f"JSON lines with text and {shape}"])
    lists = _list_columns(path, encoding)
    words = {name for name, lengths in lists.items() if sum(lengths) > 4 * len(lengths)}
    table = records.read_table(path, lambda name: " " if name in words else "|", encoding)
    kind = "Parquet" if path.suffix == ".parquet" else "JSON, an object a row"
    return Look(path, "json", table, encoding, says=[kind], list_columns=lists, class_names=_class_names(path))


def _list_columns(path: Path, encoding: str | None) -> dict[str, list[int]]:
    if path.suffix == ".parquet":
        import pyarrow.parquet

        rows = pyarrow.parquet.read_table(path).slice(0, LINES).to_pylist()
    else:
        rows = [row for _, row in records.objects(path, encoding)[:LINES]]
    names = dict.fromkeys(name for row in rows for name, value in row.items() if isinstance(value, list))
    return {name: [len(row.get(name) or []) for row in rows] for name in names}


def _class_names(path: Path) -> dict[str, list[str]]:
    """What the hub's Parquet files say of their class labels."""
    if path.suffix != ".parquet":
        return {}
    import pyarrow.parquet

    described = (pyarrow.parquet.read_schema(path).metadata or {}).get(b"huggingface", b"{}")
    with contextlib.suppress(ValueError, AttributeError):
        features = json.loads(described).get("info", {}).get("features", {})
        of_items = {name: feature.get("feature", feature) for name, feature in features.items()
                    if isinstance(feature, dict)}
        return {name: feature["names"] for name, feature in of_items.items()
                if isinstance(feature, dict) and isinstance(feature.get("names"), list)}
    return {}


def _is_conll(text: str) -> bool:
    """Whether nearly every line that is not empty ends in a tag, and empty lines stand between texts."""
    lines = [line.strip() for line in text.splitlines()[:CONLL_LINES]]
    rows = [re.split("[ \t]+", line) for line in lines if line and not line.startswith(("# ", "-DOCSTART-"))]
    if len(rows) < 2 or not any(not line for line in lines[1:-1]):
        return False
    tags = [row[-1] for row in rows if len(row) > 1]
    legal = sum(TAG.fullmatch(tag) is not None for tag in tags)
    return legal >= 0.95 * len(rows) and len(set(tags)) > 1 and max(map(len, rows)) <= 12


def _delimited(path: Path, encoding: str | None, text: str) -> Look:
    lines = text.splitlines(keepends=True)[:LINES]
    complete = lines[:-1] if len(lines) == LINES or len(text) >= inputs.SAMPLE else lines
    complete = complete or lines
    if complete[0].lower().startswith("sep=") and len(complete[0].strip()) == 5:
        raise UserError(f"{path}, line 1: is Excel's {complete[0].strip()!r}, and no header; delete it")
    if sum(line.startswith("__label__") for line in complete) > 0.9 * len(complete):
        raise UserError(f"{path}: is in fastText's format, __label__NAME and the text; write it as a table: "
                        f"sed -E 's/^__label__([^ ]+) /\\1\\t/' {path} > train.tsv")
    name = path.name.removesuffix(".gz")
    usual = "\t" if name.endswith((".tsv", ".txt")) else ","
    if multiple := re.search(r"_!_|\|\|\|?|\$\$|@@|<SEP>|\t\t", complete[0]):
        mark = multiple[0]
        if all(line.count(mark) == complete[0].count(mark) for line in complete):
            raise UserError(f"{path}: its fields stand apart by {mark!r}, and a separator is one character: "
                            f"sed 's/{mark}/\\t/g' {path} > train.tsv")
    csv.field_size_limit(delimited.LONGEST_FIELD)
    order = [usual, *(separator for separator in SEPARATORS if separator != usual)]
    separator, quotes = _layout(complete, order, '"' in text)
    seen = Look(path, "table", pd.DataFrame(), encoding)
    if separator is None:
        separator = usual
    if delimited.delimiter(path, "auto", None, quotes is not False, encoding) != separator:
        seen.separator = {",": "comma", "\t": "tab"}.get(separator, separator)
    shown = {",": "commas", "\t": "tabs"}.get(separator, repr(separator))
    seen.says.append(f"a table with {shown} between its fields")
    if quotes is False:
        seen.quoting = False
        seen.says.append('quotes are part of the text, since with " around fields the rows do not fit')
    reader = csv.reader(complete, delimiter=separator, quoting=csv.QUOTE_NONE if quotes is False else csv.QUOTE_MINIMAL)
    try:
        rows = [row for row in reader if row]
    except csv.Error as error:
        raise UserError(f"{path}: not valid CSV: {error}") from None
    seen.headerless = headers.is_missing(rows)
    if seen.headerless:
        seen.table = _headerless(seen, len(rows[0]))
        seen.says.append("no header: the first line is a row")
    else:
        seen.table = delimited.read_table(path, seen.separator or "auto", seen.quoting, None, [], encoding)
    return seen


def _headerless(seen: Look, width: int) -> pd.DataFrame:
    """A file without a header, its columns called column1 and so on."""
    names = [f"column{number}" for number in range(1, width + 1)]
    return delimited.read_table(seen.path, seen.separator or "auto", seen.quoting, names, [], seen.encoding)


def _layout(lines: list[str], order: list[str], has_quotes: bool) -> tuple[str | None, bool | None]:
    """The separator with which rows have one number of fields, two at least, and whether quotes enclose fields; None:
    there is no such separator, and nothing to say of quotes."""
    for quotes in (True, False) if has_quotes else (True,):
        for separator in order:
            if _fits(lines, separator, quotes):
                other = has_quotes and quotes and _fits(lines, separator, False)
                rows = [_rows(lines, separator, way) for way in (True, False)] if other else []
                if rows and len(rows[0]) < len(rows[1]) and separator == "\t":
                    return separator, False  # a quote swallows rows
                return separator, None if quotes else False
    return None, None


def _fits(lines: list[str], separator: str, quotes: bool) -> bool:
    try:
        rows = _rows(lines, separator, quotes)
    except csv.Error:
        return False
    counts = {len(row) for row in rows[:-1] or rows}
    return len(counts) == 1 and counts != {1} and counts != {0}


def _rows(lines: list[str], separator: str, quotes: bool) -> list[list[str]]:
    reader = csv.reader(lines, delimiter=separator, strict=True,
                        quoting=csv.QUOTE_MINIMAL if quotes else csv.QUOTE_NONE)
    return [row for row in reader if row]
