"""A run's finished models in memory: loaded once, they predict any texts, without the tables they were trained on."""

from collections.abc import Iterable, Iterator
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pandas as pd

from pipeline import tasks
from pipeline.arrays import Ints
from pipeline.backend import graph, tf
from pipeline.checkpoints.checkpoint import Checkpoint
from pipeline.checkpoints.encoder_config import EncoderConfig
from pipeline.competition.folds import fold_count
from pipeline.competition.readers import by_format
from pipeline.config import loading
from pipeline.errors import UserError
from pipeline.files import formats, sealed
from pipeline.model.network import Network
from pipeline.runs import artefacts
from pipeline.runs.paths import Paths
from pipeline.stage_table import PREDICTING, STAGE1, STAGE2, Cell, Stage
from pipeline.text import tokenization
from pipeline.text.packing import Batch
from pipeline.text.token_table import TokenBatch, TokenTable
from pipeline.text.vocabulary import Vocabulary

AT_ONCE = 64  # rows a batch
ROW_A_BIN = [*[tf.TensorSpec([None, None], tf.int32)] * 3, tf.TensorSpec([None, 1, None], tf.bool),
             tf.TensorSpec([None, 1, None], tf.int32)]  # a TokenBatch of any size, with one graph for all of them
TRIED = 256  # rows that an export is tried on


class Predictor:
    """The networks of a stage's finished cells; a prediction is the mean of theirs.

    Args:
        run: its name.
        stage: stage 1 or stage 2, or its name; None: stage 2 where it is finished, else stage 1.
        folds: None: all that are finished.
        seeds: None: all that have these folds.

    Raises UserError where there is no such run or cell, or a file of it is damaged.
    """

    def __init__(self, run: str, stage: Stage | str | None = None, folds: Iterable[int] | None = None,
                 seeds: Iterable[int] | None = None):
        self.paths = Paths.of_existing(run)
        self.config = loading.load(self.paths.settings)
        named = PREDICTING[stage] if isinstance(stage, str) else stage
        self.stage = named or (STAGE2 if self._finished(STAGE2) else STAGE1)
        wanted = self._cells(None if folds is None else sorted(set(folds)), None if seeds is None else list(seeds))
        self._read_model(wanted)
        self.networks = {cell: self._network(cell) for cell in wanted}
        networks = list(self.networks.values())
        self._logits = graph(lambda *batch: [network.logit_of_tokens(*batch) for network in networks],
                             signature=ROW_A_BIN)
        self._cls_attention = graph(
            lambda *batch: tf.add_n([network.cls_attention(*batch) for network in networks]) / len(networks),
            signature=ROW_A_BIN[:4])
        self._vectors = graph(networks[0].encoder, signature=ROW_A_BIN[:4])

    @property
    def folds(self) -> list[int]:
        """Whose networks are loaded."""
        return sorted({cell.fold for cell in self.networks})

    @property
    def described(self) -> str:
        """What a prediction is, in words."""
        seeds = dict.fromkeys(cell.seed for cell in self.networks)
        return f"the mean of folds {', '.join(map(str, self.folds))}" + (
            f" and seeds {', '.join(map(str, seeds))}" if len(self.config.every_seed) > 1 else "")

    def table(self, texts: Iterable[str], second: Iterable[str] | None = None, ids: Iterable[str] | None = None
              ) -> pd.DataFrame:
        """Texts, or pairs of them, as rows with their numbers for ids where there are none.

        Where words are labelled, a text without a space is taken character by character if the run's tokens are
        characters.
        """
        columns = {"text": list(map(self._spaced, texts) if self.task.by_word else texts)}
        if second is not None:
            columns["text_pair"] = list(second)
        rows = pd.DataFrame(columns, dtype=str)
        rows.insert(0, "id", list(map(str, range(len(rows)) if ids is None else ids)))
        return rows

    def _spaced(self, text: str) -> str:
        words = text.split()
        if len(words) == 1 and self.config.tokens.tokenizer == "characters":
            words = list(words[0])
        return " ".join(words)

    def predict(self, rows: pd.DataFrame) -> pd.DataFrame:
        """The task's table of predictions of rows with id, text (, text_pair): the mean over folds and seeds."""
        return tasks.mean_of(self.task, [self.task.test_table(rows, logit) for logit in self.logits(rows).values()])

    def logits(self, rows: pd.DataFrame) -> dict[Cell, npt.NDArray[np.float32]]:
        """By each cell's network, as Network.predict gives them."""
        table = tokenization.encode(rows, self.vocab, self.config.tokens, self.task.by_word)
        some, by_batch = zip(*((some, self._logits(*map(tf.constant, batch)))
                               for some, batch in batches(table, np.unique(table.first_equal_row))), strict=True)
        order, place = np.concatenate(some), np.zeros(len(rows), np.int64)
        place[order] = np.arange(len(order))
        return {cell: np.concatenate(logits)[place[table.first_equal_row]]
                for cell, logits in zip(self.networks, zip(*by_batch, strict=True), strict=True)}

    @property
    def attends(self) -> bool:
        """Whether the head has a [CLS] attention, so that ``cls_attention`` can say what it looked at."""
        return not self.task.by_word and "attention" in self.config.head.parts and len(self.task.outputs) == 1

    def cls_attention(self, rows: pd.DataFrame) -> list[list[tuple[str, float]]]:
        """For each row its tokens, each with how much the head's [CLS] attention looked at it, the mean of folds."""
        table = tokenization.encode(rows, self.vocab, self.config.tokens)
        attention = np.zeros([len(rows), int(table.lengths.max())])
        for some, batch in batches(table, np.arange(len(rows))):
            weights = self._cls_attention(*map(tf.constant, batch[:4])).numpy()[:, 0]
            attention[some, :weights.shape[1]] = weights
        return [[(self.vocab.shown(token), float(weight)) for token, weight in
                 zip(table.ids[start:end], attention[row], strict=False)]
                for row, (start, end) in enumerate(zip(table.offsets, table.offsets[1:], strict=False))]

    def vectors(self, rows: pd.DataFrame) -> npt.NDArray[np.float32]:
        """float32 [rows, size]: the mean of each text's token vectors, by the first fold's encoder."""
        table = tokenization.encode(rows, self.vocab, self.config.tokens)
        means = np.zeros([len(rows), self._first.encoder.size], np.float32)
        for some, batch in batches(table, np.arange(len(rows))):
            there = batch.member[:, 0, :, None]
            vectors = self._vectors(*map(tf.constant, batch[:4])).numpy()
            means[some] = (vectors * there).sum(axis=1) / there.sum(axis=1)
        return means

    def thresholds(self) -> pd.DataFrame | None:
        """The out-of-fold predictions of the loaded folds, which decisions are made by where the competition scores
        them, as ``submit`` makes them; None: at 0.5."""
        if not self.task.decides(self.config.metric):
            return None
        of_fold: dict[int, list[pd.DataFrame]] = {}
        for cell in self.networks:
            of_fold.setdefault(cell.fold, []).append(
                formats.read_csv(self.paths.cell(cell) / artefacts.OOF, self.task.label_dtype))
        return pd.concat([tasks.mean_of(self.task, by_seed) if len(by_seed) > 1 else by_seed[0]
                          for by_seed in of_fold.values()], ignore_index=True)

    def some_rows(self) -> pd.DataFrame:
        """Texts to try the model on: of the run's test or train table where it is there, else a few made of the
        vocabulary."""
        data = self.config.competition
        for name in (data.test, data.train):
            if name and Path(name).exists():
                table = by_format.read(Path(name), self.config, False)[:TRIED]
                in_table = by_format.is_table(name, self.config)
                names = data.text_columns if in_table else ["text"]
                texts = {key: table[name].tolist() for key, name in zip(("text", "text_pair"), names, strict=False)}
                return pd.DataFrame({"id": list(map(str, range(len(table)))), **texts}, dtype=str)
        rng = np.random.default_rng(0)
        made = [[" ".join(rng.choice(list(self.vocab.tokens), 9)) for _ in range(TRIED)] for _ in data.text_columns]
        return self.table(*made)

    def encoder(self) -> Checkpoint:
        """The fine-tuned encoder of the first fold, as a checkpoint."""
        weights = self._first.encoder.dump()
        return Checkpoint(self.bert, self.vocab, "", f"run {self.paths.run}", "run", lambda: weights, dict, dict,
                          self.config.tokens.lowers, self.config.tokens.strip_accents)

    def warm(self) -> None:
        """Asks once for everything there is, so that no first request waits for a graph."""
        row = self.table(["a"], [""] if self.pairs else None)
        self.predict(row)
        self.vectors(row)
        if self.attends:
            self.cls_attention(row)

    @property
    def pairs(self) -> bool:
        """Whether a row has two texts."""
        return len(self.config.competition.text_columns) == 2

    @property
    def _first(self) -> Network:
        return next(iter(self.networks.values()))

    def _finished(self, stage: Stage, seed: int | None = None) -> list[int]:
        """The folds of which the stage has a cell of that seed (None: the first)."""
        seed = self.config.seed if seed is None else seed
        return [fold for fold in range(fold_count(self.config.folds))
                if (self.paths.cell(self._cell(stage, fold, seed)) / sealed.DONE).exists()]

    def _cell(self, stage: Stage, fold: int, seed: int) -> Cell:
        return Cell(stage, fold, seed, seed != self.config.seed)

    def _cells(self, folds: list[int] | None, seeds: list[int] | None) -> list[Cell]:
        """The cells whose mean is asked for: of each seed the same folds. Raises UserError for a seed that the run has
        not."""
        if wrong := [seed for seed in seeds or [] if seed not in self.config.every_seed]:
            raise UserError(f"--seed {wrong[0]}: run {self.paths.run!r} has "
                            f"{', '.join(map(str, self.config.every_seed))}")
        done = {seed: self._finished(self.stage, seed) for seed in seeds or self.config.every_seed}
        if folds is None:
            folds = max(done.values(), key=len)
        wanted = seeds or [seed for seed in done if set(folds) <= set(done[seed])] or self.config.every_seed[:1]
        return [self._cell(self.stage, fold, seed) for seed in wanted for fold in folds]

    def _read_model(self, wanted: list[Cell]) -> None:
        """Encoder, vocabulary and task as the first stage-1 cell has them."""
        if not wanted:
            raise UserError(f"{self.paths.stage(self.stage)}: has no finished fold; run it first")
        for cell in wanted:
            for stage in dict.fromkeys((STAGE1, self.stage)):
                folder = self.paths.cell(self._cell(stage, cell.fold, cell.seed))
                if sealed.read_done(folder) is None:
                    raise UserError(f"{folder}: is not finished, or damaged; run it first")
        first = self.paths.cell(self._cell(STAGE1, wanted[0].fold, wanted[0].seed))
        model = formats.read_json(first / artefacts.MODEL)
        self.bert, self.task = EncoderConfig(**model["bert"]), tasks.restored(model["task"])
        self.vocab = Vocabulary.kept_in(first)

    def _network(self, cell: Cell) -> Network:
        stage1 = self.paths.cell(self._cell(STAGE1, cell.fold, cell.seed))
        network = Network(self.bert, self.config, np.arange(self.bert.vocab_size), self.task)
        if self.stage == STAGE1:
            network.load(formats.read_tensors(stage1 / artefacts.weights(self.config.stage1.predict_with)))
        else:
            weights = formats.read_tensors(stage1 / artefacts.weights(self.config.stage1.hand_on))
            network.load(weights | formats.read_tensors(self.paths.cell(cell) / artefacts.HEAD))
        return network


def batches(table: TokenTable, rows: Ints) -> Iterator[tuple[Ints, TokenBatch]]:
    """The rows by length, some at a time, one row per bin: their numbers and their tokens, padded to the longest."""
    rows = rows[np.argsort(table.lengths[rows], kind="stable")]
    for at in range(0, len(rows), AT_ONCE):
        some = rows[at:at + AT_ONCE]
        yield some, table.batch(Batch(some[:, None], int(table.lengths[some].max())))
