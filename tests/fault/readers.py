"""Every reader of files that others may have written or a disk may have damaged, and a project of valid ones."""

import functools
import gzip
import json
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from unittest import mock

import numpy as np
import pandas as pd

from pipeline.checkpoints import checkpoint, encoder_config, google, hugging_face
from pipeline.checkpoints.checkpoint import Checkpoint
from pipeline.competition import folds, tables
from pipeline.config import loading
from pipeline.config.model import Tokens
from pipeline.config.run import Config
from pipeline.errors import UserError
from pipeline.files import formats, hashing, sealed
from pipeline.files.snapshot import Inputs
from pipeline.results import predictions
from pipeline.runs import cells, folds_file, scheduler
from pipeline.runs.resume_file import ResumeFile
from pipeline.runs.run import Run
from pipeline.stage_table import BASELINE, STAGE1, Stage
from pipeline.text import bert_vocabulary, corpus, tokenization
from pipeline.text.vocabulary import SPECIAL, Vocabulary
from tests.toy import CHARACTERS, CONFIG, TINY, make_tables

STATE = "models/toy/stage1/.fold_0.state.safetensors"  # without the random name of an attempt
VOCAB = [*SPECIAL, *CHARACTERS]
TABLES = {  # [data] and [folds] of each kind of table
    "comma": ("id_column = 'id'", "method = 'plain'\nn = 2"),
    "tab": ("id_column = 'id'\nseparator = 'tab'\nquoting = false",
            "method = 'given'\nn = 2\nfile = 'tables/tab/folds.csv'"),
    "pair": ("text_columns = ['text', 'pair']", "method = 'given'\ndev = 'tables/pair/dev.csv'"),
}
PROGRESS = {"rng": np.random.default_rng(0).bit_generator.state, "history": [{"epoch": 1, "loss": 0.5}], "last": 1,
            "watch": {"best": 0.75, "since_best": 0}, "best": 1}
MOMENTS = {"optimizer/0": np.arange(12, dtype=np.float32).reshape(3, 4), "last logit": np.ones(5, np.float32)}


@dataclass(frozen=True)
class Reader:
    """files: patterns of those that are changed, one at a time; read: reads the project after the named one was.

    ``read`` raises AssertionError where it was given something that is not valid.
    """

    files: tuple[str, ...]
    read: Callable[[Path], object]


def _tables(path: Path) -> object:
    """The competition beside the file, through all that is made of its texts and ids."""
    settings = _settings(path.with_name("config.toml"))
    found = tables.read(settings)
    for table in (found.train, found.test):
        tables.row_hash(table, table.columns)
        tokenization.encode(table, Vocabulary(VOCAB), settings.tokens)
    folds.normalised(found.train)
    assert set(found.train.label) == {0, 1}
    return folds.deal(found.train, settings.folds)


def _configuration(path: Path) -> object:
    """A configuration, which a run writes beside its cells and must read back as the same."""
    settings = loading.load(path)
    written = path.with_suffix(".again")
    written.write_text(loading.dump(settings), encoding="utf-8")
    assert loading.load(written) == settings
    return settings


def _vocabulary(path: Path) -> object:
    """A vocabulary, with which texts are then split."""
    problems: list[str] = []
    vocab = Vocabulary(bert_vocabulary.read(path, problems))
    if problems:
        raise UserError(*problems)
    texts = pd.DataFrame({"text": ["鱼肉 abc", "x" * 200, "\u202eİ\r\n", ""]})
    for settings in (Tokens(tokenizer="characters"), Tokens(tokenizer="wordpiece")):
        ids = tokenization.encode(texts, vocab, settings).ids
        assert 0 <= ids.min() <= ids.max() < len(vocab)
    return vocab


def _opened(path: Path) -> Checkpoint:
    """The checkpoint beside the file, without its weights."""
    found = checkpoint.read(path.parent)
    encoder_config.expected_shapes(found.config)
    return found


def _weights(path: Path) -> object:
    """The checkpoint beside the file."""
    found = _opened(path)
    for tensors, shapes in ((found.tensors(), encoder_config.expected_shapes(found.config)),
                            (found.masked_lm(), encoder_config.masked_lm_shapes(found.config))):
        assert not tensors or {name: values.shape for name, values in tensors.items()} == shapes
        assert all(np.isfinite(values).all() for values in tensors.values()), "a weight is not finite"
    return found


def _texts(path: Path) -> object:
    """A file of texts to pre-train on."""
    return list(corpus.lines(path))


def _cell(path: Path) -> object:
    """A stage's predictions; where it was a table that was changed, DONE.json is made to fit."""
    done = path.with_name("DONE.json")
    kept = done.read_bytes()
    if path != done:
        value = json.loads(kept)
        value["files"][path.name] = hashing.sha256(path)
        sealed.write_done(path.parent, value)
    try:
        with mock.patch.object(scheduler, "_fitter", _made_again):
            scheduler.finish(_run(), BASELINE)
        return predictions.gather(_run(), BASELINE)
    finally:
        done.write_bytes(kept if path != done else done.read_bytes())


def _run_files(path: Path) -> object:
    """What a run keeps beside its cells."""
    run = _run()
    again = Run(run.config, run.tables, folds_file.dealt_or_read(run.config, run.competition), run.inputs)
    assert again.made_with.threads(STAGE1) > 0
    return again


def _kept_state(path: Path) -> object:
    """Where a cell in training stands: as it was kept, or nothing."""
    found = _state().take_over()
    for taken in cells.unfinished(_run().paths.cell(_run().cell(STAGE1, 0))):
        taken.unlink()  # or the next attempt would find it
    assert found is None or (found[0] == PROGRESS and found[1].keys() == MOMENTS.keys() and all(
        np.array_equal(found[1][name], values) for name, values in MOMENTS.items()))
    return found


READERS = {
    "tables": Reader(("tables/*/*.csv",), _tables),
    "config": Reader(("configs/*.toml",), _configuration),
    "vocab": Reader(("huggingface/vocab.txt",), _vocabulary),
    "google-config": Reader(("google/bert_config.json",), _opened),
    "huggingface-config": Reader(("huggingface/config.json",), _weights),
    "safetensors": Reader(("huggingface/model.safetensors",), _weights),
    "texts": Reader(("texts/*",), _texts),
    "cell": Reader(("models/toy/baseline/fold_0/DONE.json", "models/toy/baseline/fold_0/*t*.csv",
                    "models/toy/baseline/fold_0/oof.csv"), _cell),
    "run": Reader(("models/toy/folds.*", "models/toy/run.json"), _run_files),
    "state": Reader((STATE,), _kept_state),
    "google-weights": Reader(("google/bert_model.ckpt.*",), _weights),  # the one that needs TensorFlow
}


@functools.cache
def _settings(path: Path) -> Config:
    return loading.load(path)


@functools.cache
def _run() -> Run:
    settings = _settings(Path("configs/toy.toml"))
    competition = tables.read(settings)
    return Run(settings, competition, folds_file.dealt_or_read(settings, competition), Inputs({}))


def _state() -> ResumeFile:
    cell = _run().cell(STAGE1, 0)
    return ResumeFile(_run().paths.cell(cell), {"stage": "stage1", "fold": 0})


def _made_again(run: Run, stage: Stage) -> None:
    raise UserError("made again")


def make_project(with_tensorflow: bool) -> None:
    """Valid files of every kind, in the present folder."""
    from stages.baseline import baseline

    for kind in TABLES:
        _make_tables(kind)
    Path("configs").mkdir()
    toy = CONFIG.replace("data/bert", "huggingface").replace("data/", "tables/comma/").replace("n = 3", "n = 2")
    Path("configs/toy.toml").write_text(toy)
    Path("configs/all_keys.toml").write_text(loading.dump(loading.load(Path("tables/pair/config.toml"))))
    drawn = encoder_config.random_tensors(TINY, 1, with_masked_lm=True)
    hugging_face.write(Path("huggingface"), TINY, Vocabulary(VOCAB), drawn)
    if with_tensorflow:
        google.write(Path("google"), TINY, Vocabulary(VOCAB), drawn)
    else:  # what is read of a checkpoint before its weights
        formats.write(Path("google/vocab.txt"), Path("huggingface/vocab.txt").read_bytes())
        formats.write(Path("google/bert_config.json"), formats.read_json(Path("huggingface/config.json")) | {
            "hidden_act": "gelu"})
        formats.write(Path("google/bert_model.ckpt.index"), b"")
    lines = "\ufeff鱼肉\r\n\n  abc \n嫩\u2028好" * 20
    formats.write(Path("texts/plain.txt"), lines.encode())
    formats.write(Path("texts/packed.gz"), gzip.compress(lines.encode(), mtime=0))
    baseline(Path("configs/toy.toml"))
    state = _state()
    state.write(PROGRESS, MOMENTS)
    state.path.rename(STATE)


def _make_tables(kind: str) -> None:
    train, test = make_tables(24, 6)
    train.loc[3, "text"] = 'a, "b"\nc' if kind == "comma" else 'a, "b"'
    tables = {"train": train.assign(pair=train.text), "test": test.assign(pair="b"),
              "sample_submission": pd.DataFrame({"ID": range(6) if kind == "pair" else test.id, "Prediction": 0.5})}
    extra = {"tab": ("folds", pd.DataFrame({"id": train.id, "fold": [row % 2 for row in range(24)]})),
             "pair": ("dev", tables["train"].head(6))}
    folder = Path("tables", kind)
    names = "".join(f"{name} = '{folder}/{name}.csv'\n" for name in tables)
    data, dealt = TABLES[kind]
    formats.write(folder / "config.toml", f"[data]\n{names}{data}\n[bert.random]\n[folds]\n{dealt}\n")
    for name, table in [*tables.items(), *([extra[kind]] if kind in extra else [])]:
        rows = [list(table), *table.values.tolist()]
        unquoted = "".join("\t".join(map(str, row)) + "\n" for row in rows)
        text = unquoted if kind == "tab" and name != "folds" else table.to_csv(index=False)
        formats.write(folder / f"{name}.csv", text.encode())
