"""A run opened for work: its configuration, tables, folds and checkpoint, and what each of its cells means."""

import functools
import hashlib
import itertools
import json
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from pipeline.arrays import Tensors
from pipeline.checkpoints import bert_config, checkpoint
from pipeline.checkpoints.bert_config import POOLER
from pipeline.checkpoints.checkpoint import Checkpoint
from pipeline.competition import folds, tables
from pipeline.competition.folds import FoldOfRow
from pipeline.competition.readers import delimited
from pipeline.competition.tables import Competition
from pipeline.config.loading import dump, flatten
from pipeline.config.run import CELLS, STAGES, Config
from pipeline.config.schema import MOST
from pipeline.config.training import Training
from pipeline.errors import MismatchError, UserError
from pipeline.files import atomic, formats, hashing, room, sealed
from pipeline.files.snapshot import Inputs
from pipeline.machine import resources
from pipeline.machine.console import say
from pipeline.runs import cells, processes
from pipeline.runs.cells import Files, Identity
from pipeline.runs.paths import ALL_FOLDS, Paths
from pipeline.text import columns, corpus, tokenization
from pipeline.text.corpus import Corpus, Text
from pipeline.text.token_table import TokenTable

KEPT = {"threads_per_cell": int, "pretrain_threads": int, "predict_batch": int, "xla": bool}  # the keys of run.json
FitCell = Callable[[int], Files]


@dataclass
class Run:
    """What every stage works on. Build it with ``prepare``."""

    config: Config
    tables: Competition | None
    dealt: FoldOfRow | None
    inputs: Inputs

    @property
    def competition(self) -> Competition:
        """The tables. Raises UserError in a run that only pre-trains on files."""
        if self.tables is None:
            raise UserError(f"run {self.config.name!r} has no [data]: all it can do is pretrain")
        return self.tables

    @property
    def fold_of_row(self) -> FoldOfRow:
        """int64 [rows]: each training row's fold."""
        if self.dealt is None:
            raise UserError(f"run {self.config.name!r} has no [data]: all it can do is pretrain")
        return self.dealt

    @property
    def paths(self) -> Paths:
        return Paths(self.config.name)

    @property
    def folds(self) -> list[int]:
        """The numbers of all folds."""
        return list(range(folds.fold_count(self.config.folds)))

    def cells_of(self, stage: str, wanted: list[int] | None = None) -> list[int]:
        """The numbers of the stage's cells that belong to the wanted folds (None: all)."""
        if stage == "pretrain":
            if self.config.pretrain is None:
                return []
            if self.config.pretrain.fold_texts == "all":
                return [ALL_FOLDS]
        return self.folds if wanted is None else wanted

    @functools.cached_property
    def checkpoint(self) -> Checkpoint:
        """What the run starts from, before stage 0."""
        texts: Iterator[str] = (text for text, _ in self._texts(("train", "test"))) if self.tables else iter(())
        positions = 0
        if pretrain := self.config.pretrain:
            texts = itertools.chain(texts, *(corpus.lines(Path(name)) for name in pretrain.files))
            positions = pretrain.max_tokens
        found = checkpoint.prepare(self.config.bert, self.config.tokens, texts, self.config.seed, positions)
        problems = []
        if self.config.head.layers > found.config.layers:
            problems.append(f"head.layers = {self.config.head.layers} cannot be greater than the encoder's layers: "
                            f"{found.config.layers} ({found.source})")
        if self.tables and "text_pair" in self.tables.train and found.config.segments < 2:
            problems.append(f"data.text_columns: pairs of texts need a type_vocab_size of 2 at least, the checkpoint "
                            f"has {found.config.segments} ({found.source})")
        if self.config.tokens.batches == "random" and found.vocab[0] != "[PAD]":
            problems.append(f"tokens.batches = 'random' needs [PAD] first in the vocabulary, since keras-bert pads "
                            f"with token id 0, which is {found.vocab[0]!r} ({found.source}); 'packed' does not")
        if problems:
            raise UserError(*problems)
        return found

    def encoder_weights(self, fold: int) -> Tensors:
        """The encoder that stage 1 of a fold starts from: stage 0's, where there is one; and the checkpoint's pooler,
        where the head uses it and there is one."""
        head = {}
        if "pooler" in self.config.head.parts:
            head = {name.replace(POOLER, "head/pooler/"): values
                    for name, values in self.checkpoint.pooler().items()}
        if self.config.pretrain is None:
            return self.checkpoint.tensors() | head
        [cell] = self.cells_of("pretrain", [fold])
        return checkpoint.read(self.paths.cell("pretrain", cell) / "huggingface").tensors() | head

    @functools.cached_property
    def corpus(self) -> Corpus:
        """What stage 0 trains on, as tokens; made where it is not there."""
        pretrain = self.config.pretrain
        assert pretrain is not None
        of_files = itertools.chain.from_iterable(corpus.lines(Path(name)) for name in pretrain.files)
        texts = itertools.chain(self._texts(pretrain.texts), ((line, self._withheld_from(line)) for line in of_files))
        meaning = [self._corpus_identity, self.checkpoint.vocab, flatten(self.config.tokens, "tokens"),
                   pretrain.max_tokens, pretrain.held_out, *map(sorted, self._withheld[0])]
        made_of = hashlib.sha256(json.dumps(meaning, sort_keys=True).encode()).hexdigest()
        return corpus.build(self.paths.corpus, made_of, texts, self.checkpoint.vocab, self.config,
                            tuple(self._withheld[0]))

    @functools.cached_property
    def _withheld(self) -> tuple[dict[frozenset[int], int], dict[str, int]]:
        """The sets of folds that validate a text, numbered, and the number of each text as it is compared; nothing but
        the empty set where stage 0 reads the validation texts too."""
        sets: dict[frozenset[int], int] = {frozenset(): 0}
        if self.config.pretrain is None or self.config.pretrain.fold_texts != "training":
            return sets, {}
        validating: dict[str, set[int]] = {}
        for column in columns.text_columns(self.competition.train):
            for text, fold in zip(self.competition.train[column], self.fold_of_row.tolist(), strict=True):
                if fold >= 0:
                    validating.setdefault(folds.plain(text), set()).add(fold)
        return sets, {text: sets.setdefault(frozenset(own), len(sets)) for text, own in validating.items()}

    def _withheld_from(self, text: str) -> int:
        _, by_text = self._withheld
        return by_text.get(folds.plain(text), 0) if by_text else 0

    def _texts(self, names: Iterable[str]) -> Iterator[Text]:
        """The competition's texts, each with the number of the folds that it is withheld from."""
        for name in names:
            table = getattr(self.competition, name)
            for column in columns.text_columns(table):
                yield from ((text, self._withheld_from(text)) for text in table[column])

    @functools.cached_property
    def train_tokens(self) -> TokenTable:
        return self._encoded(self.competition.train)

    @functools.cached_property
    def test_tokens(self) -> TokenTable:
        return self._encoded(self.competition.test)

    def _encoded(self, table: pd.DataFrame) -> TokenTable:
        return tokenization.encode(table, self.checkpoint.vocab, self.config.tokens, self.competition.task.by_word)

    @functools.cached_property
    def groups(self) -> FoldOfRow:
        """int64 [rows]: which training rows are one case, as folds and intervals take them."""
        return folds.groups(self.competition.train, self.config.folds)

    @functools.cached_property
    def threads(self) -> int:
        """Threads a cell: as configured or chosen, resolved when the run first trains and kept with it."""
        return int(self._kept("threads_per_cell", resources.best_threads(len(self.folds), resources.cores())))

    @functools.cached_property
    def pretrain_threads(self) -> int:
        """Threads of stage 0: all cores where it has one cell for all folds."""
        if self.cells_of("pretrain") != [ALL_FOLDS]:
            return self.threads
        return int(self._kept("pretrain_threads", resources.cores()))

    @functools.cached_property
    def predict_batch(self) -> int:
        """Rows a prediction step, kept with the run as threads are."""
        return int(self._kept("predict_batch", self.config.hardware.predict_batch))

    @functools.cached_property
    def xla(self) -> bool:
        """Whether steps are compiled with XLA, kept with the run as threads are."""
        return bool(self._kept("xla", self.config.hardware.xla))

    def made_with(self, stage: str) -> dict[str, int]:
        """What changes the last bits of a stage's cells without changing what they mean; recorded with each."""
        threads = self.pretrain_threads if stage == "pretrain" else self.threads
        return {"threads": threads, "predict_batch": self.predict_batch, "xla": self.xla}

    def _kept(self, key: str, otherwise: int) -> int:
        """A value of run.json: what finished cells were made with; before there are any, what the configuration asks
        for, what was kept, or else ``otherwise``. Raises MismatchError where the configuration asks for another."""
        path, made_with = self.paths.models / "run.json", self._values_made_with(key)
        try:
            known: dict[str, int] = dict(formats.read_json(path)) if path.exists() else {}
            if not all(type(value) is KEPT[name] and (name == "xla" or 0 < value <= MOST)
                       for name, value in known.items()):
                raise ValueError
        except (ValueError, TypeError, KeyError):
            if len(made_with) != 1:
                raise MismatchError(
                    f"{path}: damaged; it holds the threads and batch size that this run's cells are made with: go on "
                    f"under a new name: --run NEW --from {self.config.name}") from None
            known = {}
        asked = self._asked(key)
        if len(made_with) == 1:
            kept = min(made_with)
        elif made_with or asked is None:
            kept = known.get(key, otherwise if asked is None else asked)
        else:
            kept = asked
        if known.get(key) != kept:
            if made_with:
                say(f"{path}: {key} = {json.dumps(kept)}, as the finished cells were made with")
            formats.write(path, dict(sorted((known | {key: kept}).items())))
        if asked not in (None, kept):
            name = "threads_per_cell" if key == "pretrain_threads" else key
            raise MismatchError(f"{path}: this run's cells are made with hardware.{name} = {json.dumps(kept)}, got "
                                f"{json.dumps(asked)}; give the other value another --run")
        return kept

    def _asked(self, key: str) -> int | None:
        """What the configuration says of it, where it says something."""
        hardware = self.config.hardware
        if key in ("threads_per_cell", "pretrain_threads"):
            return hardware.threads_per_cell or None
        return getattr(hardware, key) if key in hardware.model_fields_set else None

    def _values_made_with(self, key: str) -> set[int]:
        """The values of that key of run.json that finished cells record."""
        apart = self.cells_of("pretrain") == [ALL_FOLDS]
        stages = ["pretrain"] if key == "pretrain_threads" else [*STAGES, *["pretrain"] * (
            not apart or key not in ("threads_per_cell", "pretrain_threads"))]
        done = (sealed.read_done(folder.parent) for stage in stages
                for folder in (self.paths.models / stage).glob("*/DONE.json"))
        recorded = "threads" if key in ("threads_per_cell", "pretrain_threads") else key
        return {found["provenance"][recorded] for found in done if found and recorded in found["provenance"]}

    @functools.cached_property
    def _data_identity(self) -> Identity:
        train, test = self.competition.train, self.competition.test
        return {
            "training rows": tables.row_hash(train, ["id", *columns.text_columns(train), "label"]),
            "test rows": tables.row_hash(test, ["id", *columns.text_columns(test)]),
            "folds": tables.row_hash(train.assign(fold=self.fold_of_row), ["id", "fold"]),
        } | self.competition.task.identity

    def identity(self, stage: str, fold: int) -> Identity:
        """What a cell's numbers mean, key by key; two cells with the same identity are the same experiment."""
        config = self.config
        if stage == "pretrain":
            assert config.pretrain is not None
            return {"stage": stage, "fold": fold, "texts": self._corpus_identity,
                    "checkpoint": self.checkpoint.identity, "seed": config.seed,
                    "bert.precision": config.bert.precision, "tokens.tokenizer": config.tokens.tokenizer,
                    "tokens.lowercase": config.tokens.lowers,
                    "tokens.strip_accents": config.tokens.strip_accents} | {
                        key: value for key, value in flatten(config.pretrain, "pretrain").items()
                        if key not in ("pretrain.texts", "pretrain.files")}
        own = {"stage": stage, "fold": fold, **self._data_identity}
        if stage == "baseline":
            return own | flatten(config.baseline, "baseline")
        own["seed"] = config.seed
        if config.data and config.data.label_weights:
            own["data.label_weights"] = config.data.label_weights
        if stage == "stage1":
            return (own | {"checkpoint": self.start_identity(fold), "bert.dropout": config.bert.dropout,
                    "bert.precision": config.bert.precision}
                    | flatten(config.tokens, "tokens") | flatten(config.head, "head") | self._predicting()
                    | flatten(config.stage1, "stage1") | self._compared_by(config.stage1, fold))
        return own | {"stage 1 cell": cells.fingerprint(self.paths.cell("stage1", fold))} | flatten(
            config.stage2, "stage2") | self._compared_by(config.stage2, fold)

    def _compared_by(self, recipe: Training, fold: int) -> Identity:
        """The rows that a cell's epochs are compared by, where they are not the fold's: how they are dealt follows from
        keys that mean nothing else once the folds are there."""
        return {} if recipe.monitor_on == "fold" else {"inner rows": self._inner_rows(fold)}

    @functools.cached_property
    def _inner_rows(self) -> Callable[[int], str]:
        @functools.cache
        def of_fold(fold: int) -> str:
            rows = self.competition.train[self.fold_of_row != fold]
            return tables.row_hash(rows[folds.inner(rows, self.config.folds)], ["id"])

        return of_fold

    def start_identity(self, fold: int) -> str:
        """What names the encoder that stage 1 of a fold starts from."""
        if self.config.pretrain is None:
            return self.checkpoint.identity
        [cell] = self.cells_of("pretrain", [fold])
        return cells.fingerprint(self.paths.cell("pretrain", cell))

    @functools.cached_property
    def _corpus_identity(self) -> str:
        """A hash of every text that stage 0 may read, and of its group."""
        pretrain = self.config.pretrain
        assert pretrain is not None
        corpus.check_files(pretrain.files)
        digest = hashlib.sha256("".join(hashing.sha256(Path(name)) for name in pretrain.files).encode())
        sets = [sorted(folds) for folds in self._withheld[0]]
        for text, group in self._texts(pretrain.texts):
            digest.update(json.dumps([text, sets[group] or 0]).encode())
        return digest.hexdigest()

    def _predicting(self) -> Identity:
        """The batch size of prediction changes a result only where a score depends on its batch."""
        return {} if self.config.head.masked else {"hardware.predict_batch": self.predict_batch}

    def done(self, stage: str) -> list[int]:
        """The folds of a stage that are finished and fit this run."""
        return cells.fitting(self.paths, stage, self.cells_of(stage), lambda fold: self.identity(stage, fold))[0]

    def jobs(self, cells_to_fit: int) -> int:
        """Cells of a stage at a time, as configured or as many as this machine holds."""
        wanted = self.config.hardware.jobs
        if wanted != "auto":
            return min(wanted, cells_to_fit)
        return resources.best_jobs(cells_to_fit, self.threads, bert_config.size(self.checkpoint.config))

    def require_room(self, stage: str, todo: list[int], at_once: int = 1) -> None:
        """Raises DiskError where the weights that a stage will write cannot fit; what else it writes is small."""
        each_cell = {"pretrain": 2, "stage1": len({self.config.stage1.hand_on, self.config.stage1.predict_with})}
        if stage not in each_cell or not todo:
            return
        weights = 4 * bert_config.size(self.checkpoint.config)
        states = 2 * 4 * weights * at_once  # the weights, two moments, the best epoch's; and the next state beside it
        kept = [cells.unfinished(self.paths.cell(stage, fold)) for fold in todo]
        there = sum(path.stat().st_size for path in kept if path.exists())
        room.require_room(self.paths.models, each_cell[stage] * weights * len(todo) + states - there,
                             f"{stage}'s weights and the states of its training")

    def finish(self, stage: str, wanted: list[int], start: Callable[["Run"], FitCell], strict: bool = False) -> None:
        """Brings the wanted cells of a stage to done: skips valid ones, fits the others, several at a time.

        ``start``, a function of a module, sets up what all cells of a process share, and is called only for work.
        """
        done, damaged = cells.fitting(self.paths, stage, wanted, lambda fold: self.identity(stage, fold))
        for fold in damaged:
            say(f"{cells.cell_name(stage, fold)}: damaged or incomplete, made again")
        for fold in done:
            say(f"{cells.cell_name(stage, fold)}: done already")
            cells.unfinished(self.paths.cell(stage, fold)).unlink(missing_ok=True)  # killed just before it was deleted
        self._compare_provenance(stage, done, strict)
        self.made_with(stage)  # resolved and kept before the first cell
        todo = [fold for fold in wanted if fold not in done]
        if todo:
            self._fit(stage, todo, start)
        if stage == "pretrain":
            atomic.remove(self.paths.corpus)

    def _fit(self, stage: str, todo: list[int], start: Callable[["Run"], FitCell]) -> None:
        if stage == "pretrain":
            self.corpus  # noqa: B018, made before several processes read it
        at_once = 1 if stage == "baseline" else self.jobs(len(todo))
        self.require_room(stage, todo, at_once)
        if at_once > 1:
            say(f"{stage}: {at_once} folds at a time, {self.made_with(stage)['threads']} threads each")
        processes.each(functools.partial(_fitter, self, stage, start), todo, at_once)

    def __reduce__(self) -> tuple[Any, ...]:
        """Another process gets what a run is made of, and works out the rest."""
        return Run, (self.config, self.tables, self.dealt, self.inputs)

    def discard(self, stage: str) -> None:
        """Deletes the cells of a stage and of the stages that are built on it."""
        built_on = {"pretrain": ["stage1", "stage2"], "stage1": ["stage2"]}
        for name in (stage, *built_on.get(stage, [])):
            atomic.remove(self.paths.models / name)

    def take_from(self, other: str) -> None:
        """Copies every cell of another run that fits this one; their number of threads becomes this run's."""
        old = Paths(other)
        if not old.models.is_dir():
            raise UserError(f"--from {other}: there is no such run under models/")
        atomic.refuse_links(old.models.rglob("*"))
        for stage in CELLS:
            taken = [fold for fold in self.cells_of(stage)
                     if cells.reuse(old, self.paths, stage, fold, self.identity(stage, fold))]
            if taken:
                say(f"{', '.join(cells.cell_name(stage, fold) for fold in taken)} taken from run {other}")

    def _compare_provenance(self, stage: str, done: list[int], strict: bool) -> None:
        now = cells.provenance({})
        changed: dict[str, Any] = {}
        for fold in done:
            then = formats.read_json(self.paths.cell(stage, fold) / "DONE.json").get("provenance", {})
            changed |= {key: (then.get(key), now[key]) for key in now if then.get(key) != now[key]}
        if changed:
            line = (f"{stage}: finished cells were made with other {', '.join(changed)}; their numbers are kept, "
                    f"but may differ in last digits from cells made now")
            if strict:
                raise MismatchError(f"{line} (--strict)")
            say(f"warning: {line}")


def _fitter(run: Run, stage: str, start: Callable[[Run], FitCell]) -> Callable[[int], None]:
    fit = start(run)

    def fit_and_publish(fold: int) -> None:
        run.inputs.verify()
        identity = run.identity(stage, fold)
        cells.publish(run.paths.cell(stage, fold), identity, fit(fold),
                      cells.provenance(run.made_with(stage)))

    return fit_and_publish


def prepare(config: Config, tables: Competition | None, inputs: Inputs) -> Run:
    """Deals the folds of validated tables (None: a run without), or reads those the run has. Writes nothing.

    inputs: the files of ``input_paths`` as they stood before the tables were read.

    Raises UserError where the rows cannot be dealt and MismatchError where kept folds are of other rows or settings.
    """
    return Run(config, tables, _folds(config, tables) if tables else None, inputs)


def input_paths(config: Config) -> list[Path]:
    """Every file and folder that the configuration names for reading."""
    names: list[str | None] = [config.folds.dev, config.folds.file, config.bert.checkpoint]
    if config.data:
        names += [config.data.train, config.data.test, config.data.sample_submission]
    if config.bert.random:
        names.append(config.bert.random.vocab)
    if config.pretrain:
        names += config.pretrain.files
    return [Path(name) for name in names if name]


def _fold_source(config: Config, contest: Competition) -> Identity:
    source = flatten(config.folds, "folds")
    if config.folds.file and Path(config.folds.file).is_file():
        source["folds.file"] = hashing.sha256(Path(config.folds.file))
    columns = [name for name in ("id", "text", "text_pair", "label", "group", "fold") if name in contest.train]
    return source | {"training rows": tables.row_hash(contest.train, columns)}


def _folds(config: Config, contest: Competition) -> FoldOfRow:
    path = Paths(config.name).folds
    record = path.with_suffix(".json")
    if not path.exists() or not record.exists():
        return folds.deal(contest.train, config.folds)
    try:
        kept = formats.read_json(record)
        source, digest = dict(kept["source"]), str(kept["sha256"])
    except (ValueError, KeyError, TypeError):
        raise MismatchError(f"{record}: damaged; deal the folds again and discard every cell: --redo folds") from None
    new = _fold_source(config, contest)
    if changed := cells.differences(source, new):
        raise MismatchError(f"{path}: the folds were dealt from other rows or settings:",
                            *(f"  {line}" for line in changed),
                            "  go on under a new name: --run NEW, or deal again and discard every cell: --redo folds")
    if hashing.sha256(path) != digest:
        raise MismatchError(f"{path}: was changed after the folds were dealt; put it back, or --redo folds")
    table = delimited.read_table(path)
    fold_of_row = np.asarray(table["fold"], dtype=np.int64)
    folds.verify(fold_of_row, contest.train, config.folds)
    return fold_of_row


def keep(run: Run) -> None:
    """Writes the run's folds, once, and its resolved configuration."""
    path = run.paths.folds
    if run.tables:
        record = path.with_suffix(".json")
        if not (path.exists() and record.exists()):
            formats.write(path, run.competition.train[["id"]].assign(fold=run.fold_of_row))
        known = {"sha256": hashing.sha256(path), "source": _fold_source(run.config, run.competition)}
        if not record.exists() or formats.read_json(record) != known:
            formats.write(record, known)
    formats.write(run.paths.models / "config.toml", dump(run.config))
