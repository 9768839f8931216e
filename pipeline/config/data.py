"""[data] and [folds]: the competition's tables, and how their rows are dealt."""

from collections import Counter
from collections.abc import Iterator
from typing import Annotated, Literal

from pydantic import BeforeValidator, Field

from pipeline.config import schema
from pipeline.config.schema import LATER, Contradiction, FilePath, RandomSeed, Section

Encoding = Literal["UTF-16", "UTF-32", "GB18030", "BIG5", "SHIFT_JIS", "EUC-JP", "EUC-KR", "WINDOWS-1252",
                   "WINDOWS-1251"]


def _separator(value: object) -> object:
    if value in ("auto", "comma", "tab") or (isinstance(value, str) and len(value) == 1 and value not in '"\n\r\0'):
        return value
    raise ValueError(f"must be auto, comma, tab, or one character, got {schema.shown_value(value)}")


class Data(Section):
    """Where the competition's tables are and what their columns mean."""

    train: FilePath
    """Texts and labels, in one of the formats below."""
    test: FilePath | None = None
    """The texts to predict; labels in it are not looked at. Without it there is no submission."""
    format: Literal["auto", "table", "json", "folders", "conll", "spans"] = "auto"
    """table: CSV or TSV. json: JSON lines or an array of objects, or Parquet, as a table. folders: one folder a class
    (aclImdb's "unsup" is left out), one .txt file a text. conll: one word a line, its tag last, an empty line behind
    each text. spans: JSON lines with text and entities. auto: folders for a folder, conll for .conll, .bio, .bmes; for
    .json, .jsonl, .parquet json, or spans where words are tagged and the text is no list of words; else table."""
    encoding: Encoding | None = None
    """What the files that are not UTF-8 are written in."""
    header: Annotated[list[str], Field(min_length=1)] | None = None
    """table: names of the columns of a file that has no header line, for example ["label", "text"]."""
    sample_submission: FilePath | None = None
    """The organiser's example; its header and row order are what the submission gets."""
    id_column: str | None = None
    """Column of exact-text ids in train and test, or in test alone; without one the id is the row number from 0."""
    text_columns: Annotated[list[str], Field(min_length=1, max_length=2)] = ["text"]
    """One column, or two for sentence pairs."""
    label_column: str = "label"
    """Column of the label in train."""
    label_columns: Annotated[list[str], Field(min_length=2)] | None = None
    """multilabel: a column of 0 and 1 for each label, instead of one column of names. multioutput: one column
    per output, each of two labels or more. regression: a column of numbers for each output, instead of one."""
    bounds: Annotated[list[float] | None, Field(min_length=2, max_length=2), LATER] = None
    """regression: the least and the greatest value that a label can have. Predictions then stay between them, by a
    sigmoid, and stage 1 has the loss bce. Unset: any number."""
    label_weights: list[Annotated[float, Field(gt=0)]] | None = None
    """multioutput: how much each output's loss counts; default: all alike."""
    drop: FilePath | None = None
    """A CSV with a column id: training rows that are left out."""
    relabel: FilePath | None = None
    """A CSV with columns id and label: training rows that have this label, and not the one of their file."""
    weight_column: str | None = None
    """A column of train: how much a row counts while it is trained on, from 0; scaled to a mean of 1 over a cell's
    rows. Scores count every row alike."""
    soft_label_columns: Annotated[list[str], Field(min_length=1)] | None = None
    """Columns of train with probabilities to train on in the place of the label, which rows are still scored by.
    binary: one, of the positive label. multiclass, multilabel: one for each, in the order of the labels. Empty: the
    label."""
    extra: list[FilePath] = []
    """Further labelled files as train is, whose rows are only ever trained on. One that repeats the text of a validated
    row is refused."""
    source_column: str | None = None
    """A column of train that says where a row is from: the report has scores by source; folds.validate_on,
    stage1.train_on and stage2.train_on choose among them. Rows of a dev file have none."""
    labels: Annotated[list[str], Field(min_length=2)] | None = None
    """As written in the file; any other text is an error. binary: the negative and the positive one, default 0 and 1.
    multiclass, multilabel: the names in the order of outputs, default: those of train, sorted. ordinal: the grades from
    the least to the greatest, default: train's, which must then be numbers."""
    label_names: dict[str, str] | None = None
    """multiclass: what a label of the file is called in predictions and reports, for example { 0 = "sports" }; in this
    order, unless data.labels has another. A submission holds labels as the file has them."""
    label_separator: Annotated[str, Field(min_length=1, max_length=10)] = "|"
    """multilabel: what stands between the names of a row."""
    separator: Annotated[str, BeforeValidator(_separator)] = "auto"
    """comma, tab, or the one character itself, for example ";". auto: tab for .tsv and .txt, else comma, or what the
    file's first line has instead."""
    quoting: bool | None = None
    """Whether " encloses a field. Competition CSVs: yes. run_classifier's TSVs: no. Unset: yes, but a tab-separated
    file in which a quoted field spans lines and holds tabs is refused, since it may have swallowed rows."""
    empty_text: Literal["refuse", "keep"] = "refuse"
    """Whether a row without any text is an error or is predicted from [CLS] [SEP] alone."""

    def contradictions(self) -> Iterator[Contradiction]:
        for key in ("labels", "label_columns", "header", "label_names"):
            texts = getattr(self, key) or []
            counts = Counter(texts.values() if isinstance(texts, dict) else texts)
            again = [label for label, count in counts.items() if count > 1]
            if again:
                yield (key,), f"{key} must be different texts, got {again[0]!r} twice"
        if self.bounds and not self.bounds[0] < self.bounds[1]:
            yield ("bounds",), f"bounds must be the least and the greatest value, got {self.bounds}"
        if self.sample_submission and not self.test:
            yield ("sample_submission", "test"), "sample_submission needs test: it is about its rows"


class Folds(Section):
    """How rows are dealt to folds. Made once per run and kept in models/<run>/folds.csv."""

    method: Literal["plain", "stratified", "grouped", "stratified_grouped", "given"] = "stratified_grouped"
    """Grouped by identical text by default: a repeated text on both sides flatters the score."""
    n: Annotated[int, Field(ge=2, le=100)] = 5
    """Number of folds (not for given)."""
    seed: RandomSeed = 2020
    """The published seed."""
    group_column: str | None = None
    """Column whose equal values stay together, instead of identical text."""
    group_by: Annotated[Literal["text", "near"], LATER] = "text"
    """Which rows a grouped method keeps in one fold: those of the same text, or of nearly the same, too."""
    column: str | None = None
    """given: column of train that holds the fold number, 0 to n-1."""
    file: FilePath | None = None
    """given: a folds.csv with columns id,fold."""
    dev: FilePath | None = None
    """given: a labelled table that is the one validation fold; every row of train is trained on."""
    validate_on: Annotated[list[str] | None, Field(min_length=1), LATER] = None
    """The sources (data.source_column) whose rows are validated; the others are only trained on, and refused where they
    repeat a validated text. Unset: all."""

    def contradictions(self) -> Iterator[Contradiction]:
        sources = ("column", "file", "dev")
        inputs = [name for name in sources if getattr(self, name)]
        if self.method == "given" and len(inputs) != 1:
            yield ("method", *sources), (f"method = 'given' needs exactly one of column, file, dev; got "
                                         f"{inputs or 'none'}")
        if self.method != "given" and inputs:
            yield ("method", *inputs), f"{', '.join(inputs)} needs method = 'given'; got {self.method!r}"
        if self.dev and self.validate_on:
            yield ("dev", "validate_on"), "validate_on is for rows of train, and dev is validated as a whole"
        if self.group_column and self.group_by != "text":
            yield ("group_by", "group_column"), "group_by = 'near' and group_column are two ways to group; give one"
        if self.group_by != "text" and "grouped" not in self.method:
            yield ("method", "group_by"), f"group_by = {self.group_by!r} needs a grouped method; got {self.method!r}"
        if self.group_column and "grouped" not in self.method:
            yield ("method", "group_column"), f"group_column needs a grouped method; got {self.method!r}"


class PseudoLabels(Section):
    """Rows whose label is what a finished run predicts. A fold's cells are given the predictions of that run's models
    of the same fold alone, which have not seen the rows that the fold validates."""

    of: str
    """The run: "RUN" or "RUN:STAGE", of the same rows and folds."""
    test: bool = True
    """Whether test rows are trained on, with the probabilities that are predicted for them."""
    relabel: bool = False
    """Whether rows that are only trained on (data.extra, folds.validate_on) have theirs in the place of their label."""
    share: Annotated[float, Field(gt=0, le=1)] = 0.5
    """How many of the test rows of each predicted label are taken: the surest first."""
    floor: Annotated[float, Field(ge=0, le=1)] = 0.8
    """The least probability of the predicted label that a test row is taken with."""
    weight: Annotated[float, Field(gt=0)] = 1.0
    """How much a test row counts beside a training row."""
    forced: bool = False
    """Whether to do so where the run predicts fewer than 0.8 of its validated rows rightly."""

    def contradictions(self) -> Iterator[Contradiction]:
        if not self.test and not self.relabel:
            yield ("test", "relabel"), "test and relabel are both false: nothing would have a pseudo-label"
