"""Opening a run: its configuration settled, its tables read and validated, its folds dealt or read, its lock held."""

import contextlib
from collections.abc import Iterator
from pathlib import Path

from pipeline.checkpoints import hub
from pipeline.competition import tables
from pipeline.competition.tables import Competition
from pipeline.config import loading
from pipeline.config.run import NAME_RULE, RUN_NAME, Config
from pipeline.errors import UserError
from pipeline.files import atomic, formats
from pipeline.files.snapshot import Inputs
from pipeline.machine import console
from pipeline.runs import fitted_defaults, folds_file, lock, scheduler
from pipeline.runs.paths import Paths
from pipeline.runs.run import Run
from pipeline.stage_table import STAGES

FOLDS = "folds"  # what --redo calls the folds, from which every stage's cells follow


def read(config: Config, copy_from: str | None = None) -> Run:
    """A run to look at: reads everything, writes nothing, and holds no lock. copy_from: as ``opened`` has it.

    Raises UserError with all that is wrong with the tables, and MismatchError where the run's folds are of other rows.
    """
    config, competition, inputs, chosen = _read(config, copy_from)
    return _run(config, competition, inputs, chosen)


@contextlib.contextmanager
def opened(config: Config, redo: str | None = None, copy_from: str | None = None, seen: Run | None = None
           ) -> Iterator[Run]:
    """A run to work on: locked, its folds dealt and kept with its configuration, its log written to models/<run>/.

    redo: a stage whose cells are discarded, with those built on them, or "folds", with every cell.
    copy_from: another run, whose cells are copied where they fit this one.
    seen: the run as ``read`` gave it, of the same configuration, so that nothing is read or tokenized again.

    Raises UserError with all that is wrong with the tables before anything is written; LockedError where another
    process works on the run; UserError where rows cannot be dealt, and for a stage or a run that there is not;
    MismatchError as ``read`` does.
    """
    paths = Paths(config.name)
    if copy_from is not None and not RUN_NAME.fullmatch(copy_from):
        raise UserError(f"--from {NAME_RULE}; got {copy_from!r}")
    if redo not in (None, FOLDS, *STAGES):
        raise UserError(f"--redo {redo}: must be {FOLDS}, {', '.join(STAGES)}")
    config, competition, inputs, chosen = (
        (seen.config, seen.tables, seen.inputs, list(seen.chosen)) if seen else _read(config, copy_from))
    if config.pseudo_labels:
        _run(config, competition, inputs, chosen, redo == FOLDS)  # refused before anything is written
    with lock.lock(paths):
        console.keep_log(paths.models / "run.log")
        for folder in (paths.models, paths.oof):
            atomic.sweep(folder)
        if redo == FOLDS:
            for stage in STAGES.values():
                atomic.remove(paths.stage(stage))
            folds_file.discard(paths)
        run = _run(config, competition, inputs, chosen)
        if seen:
            run.take_over(seen)
        if redo in STAGES:
            scheduler.discard(run, STAGES[redo])
        if competition:
            folds_file.write(config, competition, run.fold_of_row)
        formats.write(paths.settings, loading.dump(config))
        if copy_from:
            scheduler.take_from(run, copy_from)
        yield run


def chosen_folds(run: Run, folds: list[int] | None) -> list[int]:
    """These folds, sorted, or all. Raises UserError for one that the run has not."""
    wrong = [fold for fold in folds or [] if fold not in run.folds]
    if wrong:
        raise UserError(f"--fold {wrong[0]}: this run has folds 0 to {len(run.folds) - 1}")
    return sorted(set(folds)) if folds else run.folds


def chosen_seeds(run: Run, seeds: list[int] | None) -> list[int] | None:
    """These seeds, in the run's order; None: all. Raises UserError for one that the run has not."""
    if wrong := [seed for seed in seeds or [] if seed not in run.config.every_seed]:
        raise UserError(f"--seed {wrong[0]}: this run has {', '.join(map(str, run.config.every_seed))}; add it to "
                        f"seeds")
    return [seed for seed in run.config.every_seed if seed in seeds] if seeds else None


def _read(config: Config, begun: str | None = None) -> tuple[Config, Competition | None, Inputs, list[str]]:
    """The settled configuration, the tables, the files as they stood before they were read, and what was chosen."""
    if config.bert.checkpoint:
        hub.opened(config.bert.checkpoint)
    inputs = Inputs.of(_input_paths(config))
    config, lines = fitted_defaults.of_encoder(config, begun)
    if not config.data:
        return config, None, inputs, lines
    competition = tables.read(config)
    config, more = fitted_defaults.of_texts(config, competition)
    return config, competition, inputs, [*lines, *more]


def _run(config: Config, competition: Competition | None, inputs: Inputs, chosen: list[str], anew: bool = False
         ) -> Run:
    dealt = None
    if competition:
        dealt = folds_file.dealt(config, competition) if anew else folds_file.dealt_or_read(config, competition)
    run = Run(config, competition, dealt, inputs, tuple(chosen))
    if competition:
        run.pseudo_labels  # noqa: B018, refused before anything is trained
    return run


def _input_paths(config: Config) -> list[Path]:
    """Every file and folder that the configuration names for reading."""
    names: list[str | Path | None] = [config.folds.dev, config.folds.file, config.bert.folder]
    if config.data:
        names += [config.data.train, config.data.test, config.data.sample_submission, *config.data.extra,
                  config.data.drop, config.data.relabel]
    if config.bert.random:
        names.append(config.bert.random.vocab)
    if config.pretrain:
        names += config.pretrain.files
    return [Path(name) for name in names if name]
