"""From a competition's files to a configuration: one choice after the other, each with its reason."""

import math
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pandas as pd

from pipeline.checkpoints import checkpoint, hub
from pipeline.config.data import Folds
from pipeline.config.kinds import KINDS
from pipeline.config.run import RUN_NAME
from pipeline.errors import UserError
from pipeline.metrics import names as metric_names
from pipeline.proposal import columns, files, labels, look
from pipeline.proposal.choices import Choices, Question
from pipeline.proposal.files import Files
from pipeline.proposal.look import Look
from pipeline.runs.fitted_defaults import ENOUGH_STEPS, MANY_EPOCHS
from pipeline.text.own_tokenizer import SPACE
from pipeline.text.scripts import encoder_for, has_spaced_words

BOX = Path("data/bert/small_chinese")
ENCODERS = Path("data/bert")
BATCH = 32
KNOWN = 0.9  # share of the texts' characters that a vocabulary must have


def propose(paths: Sequence[Path], name: str | None, metric: str | None, choices: Choices) -> str:
    """Looks at the files and makes the choices of a configuration; returns the run's name.

    Raises UserError with what cannot be read or told.
    """
    if name is not None and not RUN_NAME.fullmatch(name):
        raise UserError(f"--name must be 1-80 letters, digits, '.', '_' or '-', the first a letter or digit; got "
                        f"{name!r}")
    looked_at, name = files.unpacked(paths, name)
    sorted_files = files.sorted_out(looked_at, choices)
    train = look.look(sorted_files.train)
    if not len(train.table):
        raise UserError(f"{sorted_files.train}: holds no row")
    test = look.read_like(sorted_files.test, train) if sorted_files.test else None
    sample = _sample(sorted_files, test, choices)
    _choose_files(sorted_files, train, test, choices)
    if train.format in ("conll", "spans"):
        choices.choose("task", "tags", f"{sorted_files.train.name} has {train.says[-1]}")
        texts = train.table.text
    elif train.format == "folders":
        texts = train.table.text
        _choose_labels_of(train.table.label, train, sorted_files, metric, choices)
    else:
        texts = _choose_columns(train, test, sample, sorted_files, metric, choices)
    task = str(choices.get("task", "binary"))
    _choose_metric(task, metric, sample, train, choices)
    _choose_folds(sorted_files, choices)
    _choose_encoder(texts, test, choices)
    _choose_epochs(len(train.table), choices)
    return name


def _sample(found: Files, test: Look | None, choices: Choices) -> Look | None:
    """The sample submission, where there is one and it is of the test file's rows; else a person is asked."""
    if found.sample is None or test is None or choices.given.get("data.sample_submission") == "":
        found.sample = None
        return None
    seen = look.look(found.sample)
    if seen.format != "table" or seen.table.shape[1] < 2:
        choices.choose("data.sample_submission", "", f"{found.sample.name} has one column and no ids, and a submission "
                       f"here has ids first: delete that column before you upload, the rows are in test's order")
        found.sample = None
        return None
    ids, rows = set(seen.table.iloc[:, 0]), test.table
    counted = {str(row) for row in range(len(rows))}
    if ids == counted or any(ids == set(rows[name]) for name in rows) or "data.sample_submission" in choices.given:
        return seen
    nearest = max([counted, *(set(rows[name]) for name in rows)], key=lambda known: len(ids & known))
    if choices.answer(Question(
            "data.sample_submission", f"{found.sample} has {len(ids):,} ids, and {found.test} has {len(rows):,} rows, "
            f"of which {len(ids & nearest):,} have one of these ids; is one of them of another competition?",
            (("", "leave the sample out: the submission has test's own ids, under ID and Prediction"),
             (str(found.sample), "use it all the same: check says which ids are missing")))) == "":
        found.sample = None
        return None
    return seen


def _choose_files(found: Files, train: Look, test: Look | None, choices: Choices) -> None:
    def relative(path: Path) -> str:
        root, own = Path.cwd().resolve(), path.absolute()
        return str(own.relative_to(root) if own.is_relative_to(root) else own)

    others = f"there is {', '.join(path.name for path in found.others[:6])} too" if found.others else ""
    choices.choose("data.train", relative(found.train), "; ".join(train.says), others)
    others = others if not found.test else ""
    choices.choose("data.test", relative(found.test) if found.test else "", "the texts to predict" if found.test else
                   "no file is called so: the run ends with its report", others)
    if found.sample:
        choices.choose("data.sample_submission", relative(found.sample), "header and order of the submission")
    if found.dev:
        choices.choose("folds.method", "given", "the organiser gives a validation set",
                       "leave [folds] out for five folds of train alone")
        choices.choose("folds.dev", relative(found.dev), "the one validation fold")
    if not train.by_ending or (test and not test.by_ending):
        choices.choose("data.format", train.format, f"its name does not say so: {'; '.join(train.says)}")
    if train.encoding or (test and test.encoding):
        encoding = train.encoding or (test.encoding if test else None)
        choices.choose("data.encoding", encoding, "told from its bytes; files in UTF-8 are read as they are")
    if train.separator:
        choices.choose("data.separator", train.separator, "what makes equally many fields of every line")
    if train.quoting is not None:
        choices.choose("data.quoting", train.quoting, 'with " around fields the rows do not fit')


def _choose_columns(train: Look, test: Look | None, sample: Look | None, found: Files, metric: str | None,
                    choices: Choices) -> pd.Series:
    rows, test_rows = train.table, test.table if test else None
    if train.headerless:
        rows, test_rows = _named(train, test, choices)
    words = _tagged_words(train)
    if words and "task" not in choices.given:
        choices.choose("task", "tags", f"{words[0]!r} and {words[1]!r} are lists of equal length")
        choices.choose("data.text_columns", [words[0]], "the list of words")
        choices.choose("data.label_column", words[1], "the list of tags")
        return rows[words[0]]
    id_column = columns.choose_id(rows, test_rows, sample.table if sample else None, choices)
    names = columns.choose_labels(rows, test_rows, sample.table if sample else None, id_column, choices)
    if missing := [name for name in names if name not in rows]:
        raise UserError(f"{train.path}: no column {missing[0]!r}; it has {', '.join(map(repr, rows))}")
    if len(names) > 1:
        labels.choose_kind(rows, names, metric, choices)
    else:
        train.table = rows
        _choose_labels_of(rows[names[0]], train, found, metric, choices)
    texts = columns.choose_texts(rows, test_rows, [*names, *([id_column] if id_column else [])], choices)
    joined = rows[texts[0]]
    blank = int(rows[texts].apply(lambda column: column.str.strip() == "").all(axis=1).sum())
    if test_rows is not None and set(texts) <= set(test_rows):
        blank += int(test_rows[texts].apply(lambda column: column.str.strip() == "").all(axis=1).sum())
    if blank:
        choices.choose("data.empty_text", "keep", f"{blank:,} rows have no text", '"refuse" names them')
    if sample is not None and len(names) == 1:
        _choose_submission(rows[names[0]], sample.table, choices)
    return joined


def _choose_labels_of(values: pd.Series, train: Look, found: Files, metric: str | None, choices: Choices) -> None:
    name = str(values.name)
    task = labels.choose_kind(pd.DataFrame({name: values}), [name], metric, choices)
    if train.format != "folders" or task == "multiclass":
        labels.choose_order(values, task, found.classes, train.class_names.get(name, []), choices)
    elif task == "binary":
        labels.choose_order(values, task, None, [], choices)


def _choose_submission(values: pd.Series, sample: pd.DataFrame, choices: Choices) -> None:
    predicted, wanted = list(map(str, sample.columns[1:])), set(values)
    if len(predicted) > 1 and set(predicted) != wanted:
        pattern = columns.pattern_of(predicted, sorted(wanted))
        if pattern and pattern != "{label}":
            choices.choose("submit.columns", pattern, "how the sample submission names its columns")


def _named(train: Look, test: Look | None, choices: Choices) -> tuple[pd.DataFrame, pd.DataFrame | None]:
    """The tables of files without headers, with names for their columns; adds data.header to the choices."""
    rows = train.table
    texts = sorted((name for name in rows if columns.is_text(rows[name])), key=lambda name: -columns.length(rows[name]))
    ids = [name for name in rows if name not in texts and rows[name].is_unique and len(rows) > 2]
    few = [name for name in rows if name not in texts and name not in ids]
    if not texts:  # short texts: the column of most different values
        texts = [max(rows, key=lambda name: rows[name].nunique())]
        ids, few = ([name for name in group if name not in texts] for group in (ids, few))
    named = dict(zip(texts, ("text", "text_pair", *(f"text{number}" for number in range(3, 99))), strict=False))
    named |= dict(zip(ids[:1], ["id"], strict=False))
    few = [name for name in few if rows[name].nunique() > 1]
    if len(few) > 1:
        shown = [(str(name), columns.shown_values(rows[name])) for name in few]
        label = str(choices.answer(Question(
            "data.label_column", "the file has no header; which column is the label?", tuple(shown))))
        if label not in rows:
            raise UserError(f"--set data.label_column={label}: must be {', '.join(name for name, _ in shown)}")
        choices.given["data.label_column"], few = "label", [label]
    if few:
        named[few[0]] = "label"
    header = [named.get(name, str(name)) for name in rows]
    choices.choose("data.header", header, "the file has no header; these names are made up")
    rows = rows.set_axis(header, axis=1)
    if test is None:
        return rows, None
    width = test.table.shape[1]
    for names in (header, [name for name in header if name != "label"]):
        if test.headerless and width == len(names):
            return rows, test.table.set_axis(names, axis=1)
    if test.headerless:
        raise UserError(f"{test.path}: has {width} columns without names, and {train.path} has {len(header)}; give "
                        f"both a header line")
    return rows, test.table


def _tagged_words(train: Look) -> tuple[str, str] | None:
    """Two columns of lists that are equally long row by row: words and their tags."""
    names = list(train.list_columns)
    pairs = [(first, second) for first in names for second in names if first != second
             and train.list_columns[first] == train.list_columns[second] and max(train.list_columns[first]) > 2]
    for first, second in pairs:
        tags = {tag for value in train.table[second] for tag in value.split()}
        words = {word for value in train.table[first][:1_000] for word in value.split()}
        if len(tags) < min(200, len(words)):
            if all(tag.isdigit() for tag in tags):
                names = train.class_names.get(second, [])
                named = ", ".join(f"{number} {name}" for number, name in enumerate(names)) or "elsewhere"
                raise UserError(f"{train.path}: the tags in {second!r} are numbers, whose names are {named}; write the "
                                f"names in place of the numbers")
            return first, second
    return None


def _choose_metric(task: str, metric: str | None, sample: Look | None, train: Look, choices: Choices) -> None:
    known = ", ".join(metric_names.of_kind(task))
    if metric is not None:
        if not metric_names.is_one(task, metric):
            kinds = ", ".join(kind for kind in KINDS if metric_names.is_one(kind, metric))
            raise UserError(f"--metric {metric}: must be {known} for task = {task!r}, as the labels are; {metric} is "
                            f"of {kinds}: --set task={kinds.partition(',')[0]}")
        choices.choose("metric", metric, "as you said", known)
        return
    value, reason = DEFAULT_METRICS[task], "the usual one of its kind"
    if sample is not None and sample.table.shape[1] == 2 and task == "binary":
        decisions = set(sample.table.iloc[:, 1]) <= {"0", "1", *choices.get("data.labels", [])}
        value, reason = (("f1", "the sample submission holds labels, so decisions are scored") if decisions else
                         ("auc", "the sample submission holds numbers, so a ranking is scored"))
    elif sample is not None and sample.table.shape[1] > 2 and task in ("multiclass", "multilabel"):
        value = "log_loss" if task == "multiclass" or "exactly one" in choices.made["task"].reason else "auc"
        reason = "the sample submission has a column of numbers for each label"
    choices.choose("metric", value, f"{reason}; the organiser's page says what it is", known)


DEFAULT_METRICS = {"binary": "auc", "multiclass": "accuracy", "multilabel": "macro_f1",
                   "multioutput": "macro_f1", "tags": "entity_f1",
                   "regression": "rmse", "ordinal": "qwk"}


def _choose_folds(found: Files, choices: Choices) -> None:
    if not found.dev:
        choices.choose("folds.n", Folds().n, "stratified by label, equal texts kept together (folds.method)")


def _choose_encoder(texts: pd.Series, test: Look | None, choices: Choices) -> None:
    if any(key.startswith("bert.") for key in choices.given):
        return
    some = "".join(texts[:2_000])
    letters = [character for character in some if character.isalpha()]
    han = sum("\u3400" <= character <= "\u9fff" for character in letters) / max(1, len(letters))
    fitting, named = _fitting(letters), encoder_for(texts[:1_000])
    own = [hub.name_of(folder) for folder in fitting if folder != BOX]
    others = f"there is {', '.join(own[1:4])} too" if len(own) > 1 else ""
    if own:
        choices.choose("bert.checkpoint", own[0], "its vocabulary knows the texts' characters", others)
    elif han > 0.3 and BOX in fitting:
        choices.choose("bert.checkpoint", str(BOX), f"{han:.0%} of the letters are Chinese; the small encoder in the "
                       f"box, 4 layers", f'a pretrained BERT-Base scores higher and takes a GPU: "{named}"')
    else:
        choices.choose("bert.random.layers", 2, "no pretrained encoder under data/bert/ knows the language of these "
                       "texts, so a small one starts from random weights and scores about as tf-idf does",
                       f'name a pretrained one: [bert] checkpoint = "{named}"')
        for key, value in (("hidden", 128), ("heads", 2), ("intermediate", 512)):
            choices.choose(f"bert.random.{key}", value, "")
    if has_spaced_words(texts[:1_000]):
        choices.choose("baseline.analyzer", "word", "words have spaces between them", '"char"')
        choices.choose("baseline.ngrams", [1, 2], "words and pairs of words")


def _fitting(letters: list[str]) -> list[Path]:
    """The checkpoints under data/bert/ whose vocabulary has nearly all of the texts' letters, the best first."""
    shares: dict[Path, float] = {}
    fetched = [path.parent for path in sorted(ENCODERS.glob(f"*/*/{hub.RECORD}"))]
    for folder in [*sorted({*ENCODERS.glob("*")} - {path.parent for path in fetched}), *fetched]:
        try:
            vocab = checkpoint.described(folder).vocab
        except (UserError, OSError):
            continue
        known = {token.removeprefix("##").removeprefix(SPACE) for token in vocab.tokens}
        has = [letter in known or letter.lower() in known for letter in letters]
        share = float(np.mean(has)) if has else 0.0
        latin = np.mean([letter < "\u0250" for letter in letters]) if letters else 0.0
        words = sum(token.isascii() and token.isalpha() and len(token) > 3
                    for token in (token.removeprefix(SPACE) for token in vocab.tokens))
        if share >= KNOWN and not (latin > 0.5 and words < 1_000):  # a Chinese vocabulary has letters, but no words
            shares[folder] = share
    return sorted(shares, key=lambda folder: -shares[folder])


def _choose_epochs(rows: int, choices: Choices) -> None:
    folds = int(choices.get("folds.n", 5))
    trained_on = rows if choices.get("folds.dev") else rows * (folds - 1) // folds
    steps = max(1, math.ceil(trained_on / BATCH))
    small = choices.get("bert.checkpoint") in (None, str(BOX))
    epochs = min(MANY_EPOCHS, max(4 if small else 3, math.ceil(ENOUGH_STEPS / steps)))
    choices.choose("stage1.epochs", epochs, f"{epochs * steps:,} steps of {BATCH} rows on each fold; fewer than "
                   f"{ENOUGH_STEPS} leave an encoder where it was" if epochs * steps < 2 * ENOUGH_STEPS else
                   f"{epochs * steps:,} steps of {BATCH} rows on each fold")
