"""A run opened for work: its configuration, tables, folds and checkpoint, and what each of its cells means."""

import functools
import math
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from pipeline import cells, checkpoint, competition, folds, jobs, storage, tokens
from pipeline.cells import Identity
from pipeline.checkpoint import Checkpoint
from pipeline.competition import Competition
from pipeline.config import STAGES, Config, dump, flatten
from pipeline.errors import MismatchError, UserError
from pipeline.folds import FoldOfRow
from pipeline.log import say
from pipeline.storage import Paths
from pipeline.tokens import TokenTable

FitCell = Callable[[int], cells.Files]


@dataclass
class Run:
    """What every stage works on. Build it with ``prepare``."""

    config: Config
    competition: Competition
    fold_of_row: FoldOfRow

    @property
    def paths(self) -> Paths:
        return Paths(self.config.name)

    @property
    def folds(self) -> list[int]:
        """The fold numbers of all cells of a stage."""
        return list(range(folds.fold_count(self.config.folds)))

    @functools.cached_property
    def checkpoint(self) -> Checkpoint:
        tables = (self.competition.train, self.competition.test)
        texts = (text for table in tables for name in competition.text_columns(table) for text in table[name])
        return checkpoint.prepare(self.config.bert, self.config.tokens, texts, self.config.seed)

    @functools.cached_property
    def train_tokens(self) -> TokenTable:
        return tokens.encode(self.competition.train, self.checkpoint.vocab, self.config.tokens)

    @functools.cached_property
    def test_tokens(self) -> TokenTable:
        return tokens.encode(self.competition.test, self.checkpoint.vocab, self.config.tokens)

    @functools.cached_property
    def threads(self) -> int:
        """Threads a cell: as configured or chosen, resolved when the run first trains and kept with it."""
        path = self.paths.models / "run.json"
        if path.exists():
            kept = int(storage.read_json(path)["threads_per_cell"])
            wanted = self.config.hardware.threads_per_cell
            if wanted not in (0, kept):
                raise MismatchError(f"{path}: this run's cells are made with {kept} threads each, got "
                                    f"hardware.threads_per_cell = {wanted}; give the other count another --run")
            return kept
        count = self.config.hardware.threads_per_cell or jobs.best_threads(len(self.folds), jobs.cores())
        storage.write(path, {"threads_per_cell": count})
        return count

    @functools.cached_property
    def _data_identity(self) -> Identity:
        train, test = self.competition.train, self.competition.test
        return {
            "training rows": competition.row_hash(train, ["id", *competition.text_columns(train), "label"]),
            "test rows": competition.row_hash(test, ["id", *competition.text_columns(test)]),
            "folds": competition.row_hash(train.assign(fold=self.fold_of_row), ["id", "fold"]),
        }

    def identity(self, stage: str, fold: int) -> Identity:
        """What a cell's numbers mean, key by key; two cells with the same identity are the same experiment."""
        config = self.config
        own = {"stage": stage, "fold": fold, **self._data_identity}
        if stage == "baseline":
            return own | flatten(config.baseline, "baseline")
        own["seed"] = config.seed
        if stage == "stage1":
            return (own | {"checkpoint": self.checkpoint.identity, "bert.dropout": config.bert.dropout,
                    "bert.precision": config.bert.precision}
                    | flatten(config.tokens, "tokens") | flatten(config.head, "head") | self._predicting()
                    | flatten(config.stage1, "stage1"))
        return own | {"stage 1 cell": cells.fingerprint(self.paths.cell("stage1", fold))} | flatten(
            config.stage2, "stage2")

    def _predicting(self) -> Identity:
        """The batch size of prediction changes a result only where a score depends on its batch."""
        return {} if self.config.head.masked else {"hardware.predict_batch": self.config.hardware.predict_batch}

    def done(self, stage: str) -> list[int]:
        """The folds of a stage that are finished and fit this run."""
        return cells.fitting(self.paths, stage, self.folds, lambda fold: self.identity(stage, fold))[0]

    def jobs(self, cells_to_fit: int) -> int:
        """Cells at a time, as configured or as many as this machine holds."""
        wanted = self.config.hardware.jobs
        if wanted != "auto":
            return min(wanted, cells_to_fit)
        weights = sum(math.prod(shape) for shape in checkpoint.expected_shapes(self.checkpoint.config).values())
        return jobs.best_jobs(cells_to_fit, self.threads, weights)

    def finish(self, stage: str, wanted: list[int], start: Callable[["Run"], FitCell], strict: bool = False) -> None:
        """Brings the wanted cells of a stage to done: skips valid ones, fits the others, several at a time.

        ``start``, a function of a module, sets up what all cells of a process share, and is called only for work.
        """
        done, damaged = cells.fitting(self.paths, stage, wanted, lambda fold: self.identity(stage, fold))
        for fold in damaged:
            say(f"{stage} fold {fold}: damaged or incomplete, made again")
        for fold in done:
            say(f"{stage} fold {fold}: done already")
        self._compare_provenance(stage, done, strict)
        todo = [fold for fold in wanted if fold not in done]
        if not todo:
            return
        self.threads  # noqa: B018, resolved and kept before the first cell
        at_once = 1 if stage == "baseline" else self.jobs(len(todo))
        if at_once > 1:
            say(f"{stage}: {at_once} folds at a time, {self.threads} threads each")
        jobs.each(functools.partial(_fitter, self, stage, start), todo, at_once)

    def __reduce__(self) -> tuple[Any, ...]:
        """Another process gets what a run is made of, and works out the rest."""
        return Run, (self.config, self.competition, self.fold_of_row)

    def discard(self, stage: str) -> None:
        """Deletes the cells of a stage and of the stage that is built on it."""
        for name in (stage, "stage2") if stage == "stage1" else (stage,):
            storage.remove(self.paths.models / name)

    def take_from(self, other: str) -> None:
        """Copies every cell of another run that fits this one, and its thread count."""
        old = Paths(other)
        if not old.models.is_dir():
            raise UserError(f"--from {other}: there is no such run under models/")
        if (old.models / "run.json").exists() and not (self.paths.models / "run.json").exists():
            storage.write(self.paths.models / "run.json", storage.read_json(old.models / "run.json"))
        for stage in STAGES:
            taken = [fold for fold in self.folds
                     if cells.reuse(old, self.paths, stage, fold, self.identity(stage, fold))]
            if taken:
                say(f"{stage}: folds {', '.join(map(str, taken))} taken from run {other}")

    def _compare_provenance(self, stage: str, done: list[int], strict: bool) -> None:
        now = cells.provenance(0)
        changed: dict[str, Any] = {}
        for fold in done:
            then = storage.read_json(self.paths.cell(stage, fold) / "DONE.json")["provenance"]
            changed |= {key: (then.get(key), now[key]) for key in now
                        if key != "threads" and then.get(key) != now[key]}
        if changed:
            line = (f"{stage}: finished cells were made with other {', '.join(changed)}; their numbers are kept, "
                    f"but may differ in last digits from cells made now")
            if strict:
                raise MismatchError(f"{line} (--strict)")
            say(f"warning: {line}")


def _fitter(run: Run, stage: str, start: Callable[[Run], FitCell]) -> Callable[[int], None]:
    fit = start(run)

    def fit_and_publish(fold: int) -> None:
        identity = run.identity(stage, fold)
        cells.publish(run.paths.cell(stage, fold), identity, fit(fold), cells.provenance(run.threads))

    return fit_and_publish


def prepare(config: Config, tables: Competition) -> Run:
    """Deals the folds of validated tables, or reads those the run has. Writes nothing.

    Raises UserError where the rows cannot be dealt and MismatchError where kept folds are of other rows or settings.
    """
    return Run(config, tables, _folds(config, tables))


def _fold_source(config: Config, tables: Competition) -> Identity:
    source = flatten(config.folds, "folds")
    if config.folds.file and Path(config.folds.file).is_file():
        source["folds.file"] = storage.sha256(Path(config.folds.file))
    columns = [name for name in ("id", "text", "text_pair", "label", "group", "fold") if name in tables.train]
    return source | {"training rows": competition.row_hash(tables.train, columns)}


def _folds(config: Config, tables: Competition) -> FoldOfRow:
    path = Paths(config.name).folds
    record = path.with_suffix(".json")
    if not path.exists() or not record.exists():
        return folds.deal(tables.train, config.folds)
    try:
        kept = storage.read_json(record)
        source, digest = dict(kept["source"]), str(kept["sha256"])
    except (ValueError, KeyError, TypeError):
        raise MismatchError(f"{record}: damaged; deal the folds again and discard every cell: --redo folds") from None
    new = _fold_source(config, tables)
    if changed := cells.differences(source, new):
        raise MismatchError(f"{path}: the folds were dealt from other rows or settings:",
                            *(f"  {line}" for line in changed),
                            "  go on under a new name: --run NEW, or deal again and discard every cell: --redo folds")
    if storage.sha256(path) != digest:
        raise MismatchError(f"{path}: was changed after the folds were dealt; put it back, or --redo folds")
    table = competition.read_table(path)
    fold_of_row = np.asarray(table["fold"], dtype=np.int64)
    folds.verify(fold_of_row, tables.train, config.folds)
    return fold_of_row


def keep(run: Run) -> None:
    """Writes the run's folds, once, and its resolved configuration."""
    path = run.paths.folds
    if not (path.exists() and path.with_suffix(".json").exists()):
        storage.write(path, run.competition.train[["id"]].assign(fold=run.fold_of_row))
        storage.write(path.with_suffix(".json"), {"sha256": storage.sha256(path),
                                                  "source": _fold_source(run.config, run.competition)})
    storage.write(run.paths.models / "config.toml", dump(run.config))
