"""A run's configuration: every key, its unit, its default and why. Read from TOML, strictly.

All wrong keys and values of a file are reported at once. Paths are relative to the project's root.
"""

import difflib
import re
import reprlib
import tomllib
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Annotated, Any, Literal, get_args

import tomli_w
from pydantic import (
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    ValidationError,
    ValidationInfo,
    field_validator,
    model_validator,
)
from pydantic_core import PydanticCustomError

from pipeline import sources
from pipeline.errors import UserError

RUN_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,79}")
NAME_RULE = "must be 1-80 letters, digits, '.', '_' or '-', the first a letter or digit"
MOST_BYTES = 100_000  # of a file of settings
MOST_DOTS = 500  # on a line: the time and memory that a dotted key takes to read grow with the square of its parts
SHOWN = 20  # problems that are told; the rest are counted

MOST = 2**20  # of what is counted: more than any run holds, and too few to overflow an array's size
STAGES = ("baseline", "stage1", "stage2")  # those that predict
CELLS = ("pretrain", *STAGES)  # those that leave cells


class Section(BaseModel):
    """A table of the file. An unknown key is an error, and nothing changes after reading."""

    model_config = ConfigDict(extra="forbid", frozen=True, strict=True, allow_inf_nan=False,
                              use_attribute_docstrings=True)


def _safe_path(value: object) -> object:
    if isinstance(value, str) and (not value or "\0" in value or "\n" in value):
        raise ValueError(f"must be a path on one line, got {value!r}")
    return value


def _rows_or_fold(value: object) -> object:
    if value != "fold" and (type(value) is not int or not 1 <= value <= MOST):
        raise ValueError(f"must be a whole number from 1 to {MOST:,}, or 'fold', got {_shown(value)}")
    return value


def _separator(value: object) -> object:
    if value in ("auto", "comma", "tab") or (isinstance(value, str) and len(value) == 1 and value not in '"\n\r\0'):
        return value
    raise ValueError(f"must be auto, comma, tab, or one character, got {_shown(value)}")


def _shown(value: object) -> str:
    short = reprlib.Repr()  # of what is nested deeply, too, where repr ends in a RecursionError
    short.maxstring = short.maxother = 300
    try:
        return short.repr(value)
    except ValueError:  # Python reads hexadecimals of any length, and writes no number of more than 4,300 digits
        return "a number of thousands of digits"


FilePath = Annotated[str, BeforeValidator(_safe_path)]
BatchSize = Annotated[int | Literal["fold"], BeforeValidator(_rows_or_fold)]
Count = Annotated[int, Field(ge=1, le=MOST)]
Share = Annotated[float, Field(ge=0, lt=1)]
Metric = Literal["auc", "accuracy", "f1", "loss"]
Loss = Literal["bce", "cross_entropy", "focal", "smooth_f1"]
BINARY = ("0", "1")  # labels unless others are given
LIKELIHOOD = {"binary": "bce", "multiclass": "cross_entropy", "multilabel": "bce", "multioutput": "cross_entropy",
              "tokens": "cross_entropy"}
OTHER_DEFAULTS = {"tokens": {"stage1.monitor": "f1", "stage2.monitor": "f1", "submit.metric": "f1"}}


class Data(Section):
    """Where the competition's tables are and what their columns mean."""

    train: FilePath
    """Texts and labels, in one of the formats below."""
    test: FilePath | None = None
    """The texts to predict; labels in it are not looked at. Without it there is no submission."""
    format: Literal["auto", "table", "folders", "conll", "spans"] = "auto"
    """table: CSV or TSV. folders: one folder a class (aclImdb's "unsup" is left out), one .txt file a text. conll: one
    word a line, its tag last, an empty line behind each text. spans: JSON lines with text and entities. auto: folders
    for a folder, conll for .conll, .bio, .bmes, spans for .jsonl, else table."""
    header: Annotated[list[str], Field(min_length=1)] | None = None
    """table: names of the columns of a file that has no header line, for example ["label", "text"]."""
    sample_submission: FilePath | None = None
    """The organiser's example; its header and row order are what the submission gets."""
    id_column: str | None = None
    """Column of exact-text ids in train and test; without one the id is the row number from 0."""
    text_columns: Annotated[list[str], Field(min_length=1, max_length=2)] = ["text"]
    """One column, or two for sentence pairs."""
    label_column: str = "label"
    """Column of the label in train."""
    label_columns: Annotated[list[str], Field(min_length=2)] | None = None
    """multilabel: a column of 0 and 1 for each label, instead of one column of names. multioutput: a column an output,
    each of two labels or more."""
    label_weights: list[Annotated[float, Field(gt=0)]] | None = None
    """multioutput: how much each output's loss counts; default: all alike."""
    labels: Annotated[list[str], Field(min_length=2)] | None = None
    """As written in the file; any other text is an error. binary: the negative and the positive one, default 0 and 1.
    multiclass, multilabel: the names in the order of outputs, default: those of train, sorted."""
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

    @model_validator(mode="after")
    def _labels_differ(self) -> "Data":
        for key in ("labels", "label_columns", "header"):
            again = [label for label, count in Counter(getattr(self, key) or []).items() if count > 1]
            if again:
                raise ValueError(f"{key} must be different texts, got {again[0]!r} twice")
        if self.sample_submission and not self.test:
            raise ValueError("sample_submission needs test: it is about its rows")
        return self


class Folds(Section):
    """How rows are dealt to folds. Made once per run and kept in models/<run>/folds.csv."""

    method: Literal["plain", "stratified", "grouped", "stratified_grouped", "given"] = "stratified_grouped"
    """Grouped by identical text by default: a repeated text on both sides flatters the score."""
    n: Annotated[int, Field(ge=2, le=100)] = 5
    """Number of folds (not for given)."""
    seed: Annotated[int, Field(ge=0, lt=2**32)] = 2020
    """The published seed."""
    group_column: str | None = None
    """Column whose equal values stay together, instead of identical text."""
    column: str | None = None
    """given: column of train that holds the fold number, 0 to n-1."""
    file: FilePath | None = None
    """given: a folds.csv with columns id,fold."""
    dev: FilePath | None = None
    """given: a labelled table that is the one validation fold; every row of train is trained on."""

    @model_validator(mode="after")
    def _given_names_its_source(self) -> "Folds":
        sources = [name for name in ("column", "file", "dev") if getattr(self, name)]
        if self.method == "given" and len(sources) != 1:
            raise ValueError(f"method = 'given' needs exactly one of column, file, dev; got {sources or 'none'}")
        if self.method != "given" and sources:
            raise ValueError(f"{', '.join(sources)} needs method = 'given'; got {self.method!r}")
        if self.group_column and "grouped" not in self.method:
            raise ValueError(f"group_column needs a grouped method; got {self.method!r}")
        return self


class RandomBert(Section):
    """A randomly initialised encoder, for when no pretrained weights are at hand."""

    layers: Annotated[int, Field(ge=1, le=48)] = 4
    hidden: Annotated[int, Field(ge=2, le=4096)] = 256
    heads: Annotated[int, Field(ge=1, le=64)] = 4
    intermediate: Annotated[int, Field(ge=2, le=65_536)] = 1024
    vocab: FilePath | None = None
    """A vocab.txt; without one the vocabulary is made from the train and test texts."""
    vocab_size: Annotated[int, Field(ge=16, le=MOST)] = 8000
    """Size of a made WordPiece vocabulary, more if there are more characters."""
    min_count: Count = 1
    """How often a character must occur to be in a made vocabulary of characters."""

    @model_validator(mode="after")
    def _heads_divide(self) -> "RandomBert":
        if self.hidden % self.heads:
            raise ValueError(f"heads must divide hidden, got {self.heads} and {self.hidden}")
        return self


class Bert(Section):
    """The encoder that stage 1 starts from: a checkpoint folder, or random weights."""

    checkpoint: FilePath | None = None
    """Folder in Google's format (bert_config.json, vocab.txt, bert_model.ckpt.*) or Hugging Face's
    (config.json, vocab.txt, model.safetensors)."""
    random: RandomBert | None = None
    """Used instead of a checkpoint."""
    dropout: Share = 0.1
    """On the embeddings and on each sub-layer's output, as BERT was trained; keras-bert has none on attention."""

    precision: Literal["float32", "bfloat16"] = "float32"
    """Of the encoder's matrix products. bfloat16 is for GPUs that have it, about twice as fast there (not run here)."""

    @model_validator(mode="after")
    def _one_source(self) -> "Bert":
        if (self.checkpoint is None) == (self.random is None):
            raise ValueError("give exactly one of bert.checkpoint and [bert.random]")
        return self


class Tokens(Section):
    """How a text becomes token ids, and rows become batches."""

    tokenizer: Literal["characters", "wordpiece"] = "characters"
    """characters: one token each, as published for short Chinese texts. wordpiece: BERT's own."""
    lowercase: bool | None = None
    """Unset: as the checkpoint's tokenizer_config.json says, else true. Google's Chinese and uncased vocabularies hold
    no capitals: without this each is [UNK]."""
    strip_accents: bool | None = None
    """wordpiece: whether é becomes e. Unset: as the checkpoint's tokenizer_config.json says, else as lowercase."""
    max_tokens: Annotated[int, Field(ge=3, le=512)] = 22
    """[CLS] and [SEP] included; 22 is the published 20 characters. Pairs lose tokens of the longer text first."""
    batches: Literal["packed", "random"] = "packed"
    """packed: several short rows share one sequence, each attending to itself. random: as published, padded."""

    @property
    def lowers(self) -> bool:
        """Whether texts are lower-cased."""
        return self.lowercase is not False


class Head(Section):
    """What stands between the encoder's token vectors and the logits."""

    layers: Annotated[int, Field(ge=1, le=48)] = 1
    """The encoder's last layers whose token vectors are put end to end; 4 is common where words are labelled."""
    parts: Annotated[list[Literal["average", "max", "attention", "cls", "pooler"]], Field(min_length=1)] = [
        "average", "max", "attention"]
    """Concatenated in this order; attention is the [CLS] row of additive self-attention, cls its vector as it is,
    pooler that vector through the checkpoint's tanh layer, as run_classifier uses it. Of no use where words are
    labelled."""
    dropout: Share = 0.0
    """Before the output layer, in a stage whose dropout is on; run_classifier's is 0.1."""
    masked: bool = True
    """Whether padding is left out. The published head reads it, so a score depends on the batch."""
    attention_activation: Literal["none", "softmax"] = "none"
    """softmax, as published, is a second softmax inside the layer's own: weights differ by at most a factor e."""
    attention_units: Annotated[int, Field(ge=1, le=4096)] = 32
    """Width of the additive attention; keras-self-attention's default."""
    recurrent: Literal["none", "lstm", "gru"] = "none"
    """tokens: a layer over the words' vectors, in both directions."""
    recurrent_units: Annotated[int, Field(ge=1, le=4096)] = 64
    """Of each direction."""

    @model_validator(mode="after")
    def _pooler_reads_one_layer(self) -> "Head":
        if "pooler" in self.parts and self.layers > 1:
            raise ValueError(f"the pooler reads the last layer alone: it needs layers = 1, got {self.layers}")
        return self


class Recipe(Section):
    """How weights are moved."""

    epochs: Annotated[int, Field(ge=1, le=1000)]
    optimizer: Literal["adamw", "adam"] = "adamw"
    learning_rate: Annotated[float, Field(gt=0, lt=10)]
    """Peak rate."""
    weight_decay: Annotated[float, Field(ge=0, lt=1)] = 0.01
    """adamw only; never on biases, LayerNorm and embedding tables."""
    warmup: Share = 0.1
    """Share of all steps over which the rate rises from 0."""
    decay: Literal["linear", "none"] = "linear"
    """linear: falls by the same amount each step, to 0 behind the last."""
    clip_norm: Annotated[float, Field(ge=0)] = 1.0
    """Largest global norm of the gradients; 0: no clipping."""

    @model_validator(mode="after")
    def _adam_does_not_decay(self) -> "Recipe":
        if self.optimizer == "adam" and self.weight_decay:
            raise ValueError(f"adam takes no weight decay: set weight_decay = 0, got {self.weight_decay}")
        return self


class Pretrain(Recipe):
    """Stage 0: masked-language-model training of the encoder, before fine-tuning. Looks at no label."""

    texts: list[Literal["train", "test"]] = ["train", "test"]
    """The competition's own texts to train on."""
    fold_texts: Literal["all", "training"] = "all"
    """all: the folds' validation texts too, as the test texts; one encoder for all folds. training: an encoder a fold,
    which has not seen its validation texts, not in test, in files or in another fold either."""
    files: list[FilePath] = []
    """Further texts: UTF-8 files with one a line, gzipped where named .gz."""
    masking: Literal["words", "tokens"] = "words"
    """words: all tokens of a word are masked together (Chinese: jieba's words). tokens: each alone."""
    mask_share: Annotated[float, Field(gt=0, lt=1)] = 0.15
    """Share of a batch's tokens that must be guessed, padding not among them."""
    max_tokens: Annotated[int, Field(ge=3, le=512)] = 128
    """[CLS] and [SEP] included; longer texts are cut into pieces, none is lost."""
    batch_tokens: Annotated[int, Field(ge=8, le=MOST)] = 4096
    """Tokens a step, about."""
    epochs: Annotated[int, Field(ge=1, le=1000)] = 3
    learning_rate: Annotated[float, Field(gt=0, lt=10)] = 1e-4
    """1e-4 goes on with a pretrained BERT-Base; a small encoder from random weights takes 1e-3."""
    warmup: Share = 0.06
    dropout: Share = 0.1
    """As bert.dropout, in this stage."""
    held_out: Annotated[float, Field(gt=0, lt=1)] = 0.01
    """Share of the texts that are never trained on: masked loss and accuracy are measured on them."""
    storage: Literal["float32", "float16"] = "float32"
    """Of the weights in huggingface/; float16 halves the file."""

    @model_validator(mode="after")
    def _reads_something(self) -> "Pretrain":
        if not self.texts and not self.files:
            raise ValueError("needs texts or files to train on")
        if self.fold_texts == "training" and "train" not in self.texts:
            raise ValueError("fold_texts = 'training' needs 'train' among texts")
        return self


class Training(Recipe):
    """One stage's training recipe."""

    batch_size: BatchSize
    """Rows a step. "fold": all training rows of the cell in one step (stage 2 with a masked head only)."""
    accumulate: Annotated[int, Field(ge=1, le=1024)] = 1
    """Parts that a step's rows are taken in, one after the other, where memory does not hold them together."""
    loss: Loss
    class_weights: Literal["none", "balanced"] = "none"
    """balanced: a row counts in inverse proportion to how many training rows of the fold have its label; 1 on average
    over them all, whatever a batch holds."""
    dropout: bool = True
    """Whether bert.dropout and head.dropout are active while this stage trains."""
    monitor: Metric = "auc"
    """What epochs are compared by; always exact, never from batches."""
    monitor_on: Literal["fold", "inner"] = "fold"
    """fold: the fold that is reported (makes the OOF score optimistic where an epoch is chosen by it).
    inner: a tenth of the training rows, held out by the same rule as the folds."""
    early_stopping: Count | None = None
    """Epochs without improvement after which training stops."""
    plateau: Count | None = None
    """Epochs without improvement after which the rate is halved; excludes warmup and decay."""
    predict_with: Literal["last", "best"] = "last"
    """Which epoch predicts the fold and the test rows."""

    @model_validator(mode="after")
    def _recipe_is_consistent(self) -> "Training":
        if self.plateau and (self.warmup or self.decay != "none"):
            raise ValueError("plateau sets the rate itself: it needs warmup = 0 and decay = 'none'")
        if self.accumulate > 1 and (self.loss == "smooth_f1" or self.batch_size == "fold"
                                    or self.batch_size % self.accumulate):
            raise ValueError(f"accumulate needs a loss whose parts add up, not smooth_f1, and must divide batch_size; "
                             f"got {self.accumulate} with loss = {self.loss!r}, batch_size = {self.batch_size!r}")
        return self


class Stage1(Training):
    """Fine-tuning of encoder and head."""

    epochs: Annotated[int, Field(ge=1, le=1000)] = 3
    batch_size: Count = 32
    loss: Loss = "bce"
    """The likelihood, bce of binary labels and cross_entropy of classes, unless one is given; or focal, smooth_f1."""
    learning_rate: Annotated[float, Field(gt=0, lt=10)] = 3e-5
    """3e-5 suits a pretrained BERT-Base; a small encoder from random weights needs about 3e-4."""
    hand_on: Literal["last", "best"] = "last"
    """Which epoch stage 2 starts from."""
    frozen: bool = False
    """Whether the encoder stays as it was: its outputs are computed once, without dropout, and the head is trained."""


class Stage2(Training):
    """Training of the head alone on the frozen encoder of the same fold's stage 1."""

    epochs: Annotated[int, Field(ge=1, le=1000)] = 8
    batch_size: BatchSize = "fold"
    loss: Loss = "smooth_f1"
    optimizer: Literal["adamw", "adam"] = "adam"
    weight_decay: Annotated[float, Field(ge=0, lt=1)] = 0.0
    learning_rate: Annotated[float, Field(gt=0, lt=10)] = 1e-4
    """The published 1e-7 changes 0-1 of 4,000 decisions."""
    warmup: Share = 0.0
    decay: Literal["linear", "none"] = "none"
    dropout: bool = False
    """Off: the encoder's outputs are computed once, not once an epoch. The published stage trains with it on."""


class Baseline(Section):
    """Character or word n-gram tf-idf with logistic regression: the number to beat, in seconds."""

    analyzer: Literal["char", "char_wb", "word"] = "char"
    ngrams: Annotated[list[Annotated[int, Field(ge=1, le=10)]], Field(min_length=2, max_length=2)] = [1, 3]
    """Shortest and longest n-gram."""
    min_rows: Count = 2
    """Training rows an n-gram must occur in; 2 instead of 1 is worth 0.002 AUC on boyu."""
    strength: Annotated[float, Field(gt=0)] = 3.0
    """Inverse of the L2 penalty (scikit-learn's C)."""

    @model_validator(mode="after")
    def _ngrams_in_order(self) -> "Baseline":
        if self.ngrams[0] > self.ngrams[1]:
            raise ValueError(f"ngrams must be the shortest and the longest n-gram, got {self.ngrams}")
        return self


class Submit(Section):
    """What the competition wants to receive."""

    stage: Literal["baseline", "stage1", "stage2"] = "stage2"
    """Whose predictions become submissions/<run>.csv."""
    metric: Literal["auc", "f1", "accuracy"] = "auc"
    """The competition's metric. f1 and accuracy score decisions: their threshold is chosen on OOF."""
    columns: dict[str, str] | None = None
    """The sample submission's columns of probabilities where they are not named as the labels: { class1 = "1" }."""
    no_label: str = ""
    """multilabel: what stands in a submission of labels for a row that has none."""
    id_header: str = "ID"
    """Header without a sample submission."""
    prediction_header: str = "Prediction"
    """Header without a sample submission."""

    @model_validator(mode="after")
    def _headers_differ(self) -> "Submit":
        if self.id_header == self.prediction_header:
            raise ValueError(f"id_header and prediction_header must differ, got {self.id_header!r} twice")
        return self


class Hardware(Section):
    """How a cell uses the machine. Recorded, not part of what a number means."""

    threads_per_cell: Annotated[int, Field(ge=0, le=1024)] = 0
    """0: chosen for the number of folds and cores at a run's first cell, and kept, because it changes last bits."""
    jobs: Literal["auto"] | Annotated[int, Field(ge=1, le=256)] = "auto"
    """Cells at a time, each in a process of its own. Changes no number."""
    xla: bool = True
    """Compile each batch shape with XLA."""
    predict_batch: Count = 64
    """Rows a prediction step; random batches predict with stage 1's batch size instead."""
    feature_cache: Annotated[float, Field(ge=0)] = 8.0
    """GiB on disk, under models/.features, for the frozen encoder's outputs, which stage 2 reads again."""


class Config(Section):
    """A whole run."""

    name: str
    """Names models/<name>/, oof/<name>/ and submissions/<name>.csv; default: the file's name."""
    seed: Annotated[int, Field(ge=0, lt=2**32)] = 2020
    """Head weights, dropout and row order of each cell follow from this, the stage and the fold."""
    task: Literal["binary", "multiclass", "multilabel", "multioutput", "tokens"] = "binary"
    """What a label is: one of two, one of several classes, any number of names at once, several labels of the kinds one
    of two or of several, or a tag for each word."""
    pretrain: Pretrain | None = None
    """Without this table there is no stage 0."""
    data: Annotated[Data | None, Field(validate_default=True)] = None
    """May be left out where stage 0 trains on files alone and nothing else is to be run."""
    folds: Folds = Folds()
    bert: Bert
    tokens: Tokens = Tokens()
    head: Head = Head()
    stage1: Stage1 = Stage1()
    stage2: Stage2 = Stage2()
    baseline: Baseline = Baseline()
    submit: Submit = Submit()
    hardware: Hardware = Hardware()

    @field_validator("data")
    @classmethod
    def _data_where_it_is_read(cls, value: Data | None, others: ValidationInfo) -> Data | None:
        pretrain = others.data.get("pretrain")
        if value is None and (pretrain is None or pretrain.texts):
            raise PydanticCustomError("missing", "Field required")
        return value

    @model_validator(mode="after")
    def _whole_is_consistent(self) -> "Config":
        if not RUN_NAME.fullmatch(self.name):
            raise ValueError(f"name {NAME_RULE}; got {self.name!r}")
        if self.data and self.task == "binary" and len(self.data.labels or BINARY) != 2:
            raise ValueError(f"data.labels must be the negative and the positive label, got {self.data.labels}; "
                             f"of more classes: task = 'multiclass'")
        problems = list(self._label_problems())
        if problems:
            raise ValueError("; ".join(problems))
        losses = LIKELIHOOD[self.task], "focal", "smooth_f1"
        for name, loss in (("stage1", self.stage1.loss), ("stage2", self.stage2.loss)):
            if loss not in losses:
                raise ValueError(f"{name}.loss must be {', '.join(losses)} for task = {self.task!r}, got {loss!r}")
        if self.stage1.frozen and not self.head.masked:
            raise ValueError("stage1.frozen = true needs head.masked = true: its outputs may not depend on padding")
        if self.stage2.batch_size == "fold" and not caches_features(self):
            raise ValueError("stage2.batch_size = 'fold' needs head.masked = true and stage2.dropout = false")
        if self.bert.precision != "float32" and self.tokens.batches == "random":
            raise ValueError("bert.precision = 'bfloat16' needs tokens.batches = 'packed': keras-bert is float32")
        return self


    def _label_problems(self) -> Iterator[str]:
        """What of [data] does not go with the kind of label."""
        data = self.data
        if data is None:
            return
        columns = data.label_columns
        if columns and self.task not in ("multilabel", "multioutput"):
            yield f"data.label_columns is for task = 'multilabel' or 'multioutput', got {self.task!r}"
        if self.task == "multioutput" and not columns:
            yield "task = 'multioutput' needs data.label_columns"
        if data.labels and (columns or self.task == "tokens"):
            yield "data.labels is for one column of labels"
        if data.label_weights and (self.task != "multioutput" or len(data.label_weights) != len(columns or [])):
            yield "data.label_weights needs task = 'multioutput' and a weight for each of data.label_columns"
        if self.task == "tokens" and len(data.text_columns) > 1:
            yield f"task = 'tokens' labels the words of one text, got data.text_columns = {data.text_columns}"
        if self.task == "tokens" and data.format == "folders":
            yield "data.format = 'folders' has no tags of words"
        if self.task == "tokens" and "auc" in (self.stage1.monitor, self.stage2.monitor, self.submit.metric):
            yield "task = 'tokens' has no auc: monitor and submit.metric must be f1 or accuracy"
        if self.task != "tokens" and self.head.recurrent != "none":
            yield f"head.recurrent is for task = 'tokens', got {self.task!r}"
        if self.task == "tokens" and not self.head.masked:
            yield "task = 'tokens' needs head.masked = true"
        if self.task != "tokens" and data.format in ("conll", "spans"):
            yield f"data.format = {data.format!r} is for task = 'tokens', got {self.task!r}"


def caches_features(config: Config) -> bool:
    """Whether stage 2 may compute the encoder's outputs once: they must not change with dropout or padding."""
    return config.head.masked and not config.stage2.dropout


def load(path: Path, overrides: list[str] | None = None, run: str | None = None) -> Config:
    """Reads a TOML file, applies "section.key=value" overrides, and validates the whole.

    Raises UserError with one line a problem.
    """
    known = ", ".join(sorted(map(str, Path("configs").glob("*.toml")))) or "none under configs/"
    raw = sources.read(path, f"no such config. There is: {known}", MOST_BYTES)
    try:
        for number, line in enumerate(raw.splitlines(), 1):
            if line.count(b".") > MOST_DOTS:
                raise ValueError(f"more than {MOST_DOTS} dots on line {number}; write a list over several lines")
        tree = tomllib.loads(raw.decode("utf-8-sig"))
    except (ValueError, RecursionError) as error:
        raise UserError(f"{path}: not a readable TOML file: {error}") from None
    for override in overrides or []:
        _apply(tree, override)
    tree.setdefault("name", path.stem)
    if isinstance(task := tree.get("task"), str):
        for key, value in {"stage1.loss": LIKELIHOOD.get(task, "bce"), **OTHER_DEFAULTS.get(task, {})}.items():
            section, _, name = key.partition(".")
            if isinstance(table := tree.setdefault(section, {}), dict):
                table.setdefault(name, value)
    if run is not None:
        tree["name"] = run
    try:
        return Config.model_validate(tree)
    except ValidationError as error:
        raise UserError(*(f"{path}: {line}" for line in explain(error))) from None


def dump(config: Config) -> str:
    """The resolved configuration as TOML; keys that are unset are left out."""
    return tomli_w.dumps(config.model_dump(exclude_none=True))


def flatten(section: Section, prefix: str) -> dict[str, Any]:
    """Dotted key -> plain value, for comparing two configurations key by key."""
    flat: dict[str, Any] = {}
    for key, value in section:
        if isinstance(value, Section):
            flat |= flatten(value, f"{prefix}.{key}")
        else:
            flat[f"{prefix}.{key}"] = value
    return flat


def describe(section: type[Section] = Config, prefix: str = "") -> list[tuple[str, Any, str]]:
    """Every key as (dotted name, default, meaning), in the order of definition."""
    rows: list[tuple[str, Any, str]] = []
    for name, field in section.model_fields.items():
        kinds = [field.annotation, *get_args(field.annotation)]
        inner = next((kind for kind in kinds if isinstance(kind, type) and issubclass(kind, Section)), None)
        if inner:
            rows += describe(inner, f"{prefix}{name}.")
        else:
            default = "required" if field.is_required() else field.default
            rows.append((prefix + name, default, " ".join((field.description or "").split())))
    return rows


def explain(error: ValidationError) -> list[str]:
    """One line for each wrong key or value, with its dotted name, the rule, and what came."""
    found = error.errors()
    return ([_explain(problem) for problem in found[:SHOWN]]
            + [f"{len(found) - SHOWN} more wrong keys or values"] * (len(found) > SHOWN))


def _apply(tree: dict[str, Any], override: str) -> None:
    key, equals, text = override.partition("=")
    if not equals or not key.strip():
        raise UserError(f"--set {override}: must be section.key=value, for example stage1.learning_rate=3e-4")
    try:
        parsed = tomllib.loads(f"value = {text}")
    except (ValueError, RecursionError):
        parsed = {}
    value = parsed["value"] if len(parsed) == 1 else text  # an unquoted word is a string
    *sections, last = key.strip().split(".")
    for section in sections:
        tree = tree.setdefault(section, {})
        if not isinstance(tree, dict):
            raise UserError(f"--set {override}: {section} is a value, not a section")
    tree[last] = value


def _explain(problem: Any) -> str:
    where = ".".join(str(part) for part in problem["loc"])
    if problem["type"] == "extra_forbidden":
        known = [key for key, _, _ in describe()]
        known += sorted({key.rpartition(".")[0] for key in known if "." in key})
        section, _, last = where.rpartition(".")
        elsewhere = [key for key in known if key.rpartition(".")[2] == last]
        siblings = {key.rpartition(".")[2]: key for key in known if key.rpartition(".")[0] == section}
        near = [siblings[name] for name in difflib.get_close_matches(last, siblings, n=1)]
        found = near or elsewhere or difflib.get_close_matches(where, known, n=1)
        return f"unknown key {where}" + (f"; did you mean {' or '.join(found)}?" if found else "")
    if problem["type"] == "missing":
        return f"{where} is missing: it must be given"
    if problem["type"] == "model_type":
        return f"{where}: must be a table, [{where}]; got {_shown(problem['input'])}"
    message = problem["msg"].removeprefix("Value error, ")
    if problem["type"] == "value_error":
        return f"{where}: {message}" if where else message
    return f"{where}: {message[0].lower() + message[1:]}; got {_shown(problem['input'])}"
