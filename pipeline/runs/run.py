"""A run: its configuration, tables, folds and checkpoint, and what follows from them. Writes nothing but the corpus of
stage 0 and run.json, which settles what cells are made with."""

import functools
import itertools
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd

from pipeline.arrays import Tensors
from pipeline.checkpoints import checkpoint, hugging_face
from pipeline.checkpoints.checkpoint import Checkpoint
from pipeline.checkpoints.encoder_config import POOLER
from pipeline.competition import folds, row_columns, tables
from pipeline.competition.folds import FoldOfRow
from pipeline.competition.tables import Competition
from pipeline.config.run import Config, no_data
from pipeline.errors import UserError
from pipeline.files.snapshot import Inputs
from pipeline.runs import artefacts, cells
from pipeline.runs.cells import Identity
from pipeline.runs.made_with import MadeWith
from pipeline.runs.paths import Paths
from pipeline.runs.pretraining_texts import PretrainingTexts
from pipeline.runs.pseudo_labels import PseudoLabels
from pipeline.stage_table import ALL_ROWS, PRETRAIN, STAGES, Cell, Stage, imported, leading_to
from pipeline.text import columns, corpus, tokenization
from pipeline.text.corpus import Corpus
from pipeline.text.token_table import TokenTable


@dataclass
class Run:
    """What every stage works on: see ``opening`` for how one is opened."""

    config: Config
    tables: Competition | None
    """The validated tables; None without [data]."""
    dealt: FoldOfRow | None
    """The fold of each training row; None without [data]."""
    inputs: Inputs
    """The files that the configuration names, as they stood before they were read."""
    chosen: tuple[str, ...] = ()
    """What was chosen since the configuration does not give it, a line each."""

    @property
    def competition(self) -> Competition:
        """The tables. Raises UserError in a run that only pre-trains on files."""
        if self.tables is None:
            raise no_data(self.config.name)
        return self.tables

    @property
    def fold_of_row(self) -> FoldOfRow:
        """int64 [rows]: each training row's fold."""
        if self.dealt is None:
            raise no_data(self.config.name)
        return self.dealt

    @property
    def paths(self) -> Paths:
        return Paths(self.config.name)

    @functools.cached_property
    def made_with(self) -> MadeWith:
        """Threads, batch size of prediction and compilation."""
        return MadeWith(self.config, self.folds)

    # Cells

    @property
    def folds(self) -> list[int]:
        """The numbers of all folds."""
        return list(range(folds.fold_count(self.config.folds)))

    def seeds(self, stage: Stage) -> list[int]:
        """The seeds that the stage has cells of, the run's first in front."""
        return self.config.every_seed if stage.with_each_seed else [self.config.seed]

    def cells(self, stage: Stage, of_folds: list[int] | None = None, of_seeds: list[int] | None = None) -> list[Cell]:
        """The stage's cells that belong to these folds and seeds (None: all), those of one seed after the other."""
        numbers = stage.folds(stage.settings(self.config), self.folds if of_folds is None else of_folds)
        return [Cell(stage, number, seed, seed != self.config.seed) for seed in self.seeds(stage)
                if of_seeds is None or not stage.with_each_seed or seed in of_seeds for number in numbers]

    def every_cell(self, stage: Stage) -> list[Cell]:
        """The stage's cells, and those that are trained on all rows, where submit.full_fit wants them."""
        full = self.config.submit.full_fit is not None and stage in leading_to(STAGES[self.config.submit.stage])
        return list(dict.fromkeys([*self.cells(stage), *(self.cells(stage, [ALL_ROWS]) if full else [])]))

    def cell(self, stage: Stage, fold: int, seed: int | None = None) -> Cell:
        """The stage's cell that belongs to this fold and seed (None: the first)."""
        [cell] = self.cells(stage, [fold], [self.config.seed if seed is None else seed])
        return cell

    def start_of(self, cell: Cell) -> Cell | None:
        """The cell that a cell starts from, of its fold and, where that stage has one of each, of its seed; None where
        it starts from none."""
        if cell.stage.starts_from is None:
            return None
        start = self.cells(STAGES[cell.stage.starts_from], [cell.fold], [cell.seed])
        return start[0] if start else None

    def identity(self, cell: Cell) -> Identity:
        """What the cell's numbers follow from, key by key."""
        identity: Identity = imported(cell.stage.identity)(self, cell)
        return identity

    def finished(self, stage: Stage) -> list[Cell]:
        """The stage's cells that are done. Raises MismatchError where one was made from other data or settings."""
        return cells.finished(self.paths, self.cells(stage), self.identity)[0]

    # Rows

    @functools.cached_property
    def data_identity(self) -> Identity:
        """What every cell that reads the tables follows from: rows, folds, kind of label."""
        train, test = self.competition.train, self.competition.test
        return {
            "training rows": tables.row_hash(train, ["id", *columns.text_columns(train), "label",
                                                     *row_columns.present(train)]),
            "test rows": tables.row_hash(test, ["id", *columns.text_columns(test)]),
            "folds": tables.row_hash(train.assign(fold=self.fold_of_row), ["id", "fold"]),
        } | self.competition.task.identity

    @functools.cached_property
    def groups(self) -> FoldOfRow:
        """int64 [rows]: which training rows are one case, as folds and intervals take them."""
        return folds.groups(self.competition.train, self.config.folds)

    @functools.cached_property
    def only_trained_on(self) -> npt.NDArray[np.bool_]:
        """bool [rows]: which training rows are of data.extra, or of a source that no fold validates."""
        return folds.only_trained_on(self.competition.train, self.config.folds)

    @functools.cached_property
    def pseudo_labels(self) -> PseudoLabels | None:
        """The pseudo-labels, where there are some. Raises UserError where they cannot be had."""
        settings = self.config.pseudo_labels
        if settings is None:
            return None
        return PseudoLabels(settings, self.competition, self.fold_of_row, self.data_identity, self.only_trained_on)

    def inner_rows(self, fold: int) -> str:
        """A hash of the ids of the training rows of a fold that epochs are compared by, with monitor_on = "inner"."""
        if fold not in self._inner_rows:
            rows = self.competition.train[self.fold_of_row != fold]
            self._inner_rows[fold] = tables.row_hash(rows[folds.inner(rows, self.config.folds)], ["id"])
        return self._inner_rows[fold]

    @functools.cached_property
    def _inner_rows(self) -> dict[int, str]:
        return {}

    # Encoder, tokens and corpus

    @functools.cached_property
    def checkpoint(self) -> Checkpoint:
        """The encoder that the run starts from, before stage 0. Raises UserError where it does not suit the run."""
        texts: Iterator[str] = iter(())
        if self.tables:
            both = (self.tables.train, self.tables.test)
            texts = (text for table in both for column in columns.text_columns(table) for text in table[column])
        positions = 0
        if pretrain := self.config.pretrain:
            texts = itertools.chain(texts, *(corpus.lines(Path(name)) for name in pretrain.files))
            positions = pretrain.max_tokens
        read = checkpoint.prepare(self.config.bert, self.config.tokens, texts, self.config.seed, positions)
        problems = []
        if self.config.head.layers > read.config.layers:
            problems.append(f"head.layers = {self.config.head.layers} cannot be greater than the encoder's layers: "
                            f"{read.config.layers} ({read.source})")
        pairs = self.tables is not None and "text_pair" in self.tables.train
        least = read.vocab.frame.special(1 + pairs) + (1 if read.vocab.own else 0)
        if self.config.tokens.max_tokens < least:
            problems.append(f"tokens.max_tokens = {self.config.tokens.max_tokens} must be at least {least}: "
                            f"{read.source} puts tokens of its own around {'two texts' if pairs else 'a text'}")
        if pairs and read.vocab.frame.second_segment >= read.config.segments and not read.config.relative_positions:
            problems.append(f"data.text_columns: pairs of texts need a type_vocab_size of 2 at least, the checkpoint "
                            f"has {read.config.segments} ({read.source})")
        if self.config.tokens.batches == "random" and read.config.family != "bert":
            problems.append(f"tokens.batches = 'random' is keras-bert's graph, which is a BERT; {read.source} is a "
                            f"{read.config.family}: use 'packed'")
        elif self.config.tokens.batches == "random" and read.vocab.pad != 0:
            problems.append(f"tokens.batches = 'random' needs [PAD] first in the vocabulary, since keras-bert pads "
                            f"with token id 0, which is {read.vocab.tokens[0]!r} ({read.source}); 'packed' does not")
        if pretrain and (problem := hugging_face.unwritable(read.config)):
            problems.append(f"[pretrain]: {problem}, so that what it learns could not be kept ({read.source})")
        if pretrain and pretrain.max_tokens > read.config.most_tokens:
            problems.append(f"pretrain.max_tokens = {pretrain.max_tokens} cannot be greater than the checkpoint's "
                            f"position embeddings: {read.config.most_tokens} ({read.source})")
        if problems:
            raise UserError(*problems)
        return read

    def encoder_weights(self, fold: int) -> Tensors:
        """The encoder that stage 1 of a fold starts from: stage 0's, where there is one; and the checkpoint's pooler,
        where the head uses it and there is one."""
        head = {}
        if "pooler" in self.config.head.parts:
            head = {name.replace(POOLER, "head/pooler/"): values
                    for name, values in self.checkpoint.pooler().items()}
        if self.config.pretrain is None:
            return self.checkpoint.tensors() | head
        pretrained = self.paths.cell(self.cell(PRETRAIN, fold)) / artefacts.HUGGING_FACE
        return checkpoint.read(pretrained).tensors() | head

    @functools.cached_property
    def train_tokens(self) -> TokenTable:
        return self._encoded(self.competition.train)

    @functools.cached_property
    def test_tokens(self) -> TokenTable:
        return self._encoded(self.competition.test)

    def take_over(self, other: "Run") -> None:
        """Takes the encoder and the tokens that another object of the same run has read."""
        for name in ("checkpoint", "train_tokens", "test_tokens"):
            if name in vars(other):
                vars(self)[name] = vars(other)[name]

    def _encoded(self, table: pd.DataFrame) -> TokenTable:
        return tokenization.encode(table, self.checkpoint.vocab, self.config.tokens, self.competition.task.by_word)

    @functools.cached_property
    def pretraining_texts(self) -> PretrainingTexts:
        """What stage 0 may read, where there is a [pretrain]."""
        return PretrainingTexts(self.config, self.tables, self.dealt)

    @functools.cached_property
    def corpus(self) -> Corpus:
        """What stage 0 trains on, as tokens in files."""
        return self.pretraining_texts.corpus(self.checkpoint.vocab)

    def __reduce__(self) -> tuple[Any, ...]:
        """Another process gets what a run is made of, and works out the rest."""
        return Run, (self.config, self.tables, self.dealt, self.inputs, self.chosen)
