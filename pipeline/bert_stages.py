"""Stage 1 and stage 2: what a cell starts from, what it must prove about itself, and the files it leaves."""

from pathlib import Path

import numpy as np
import numpy.typing as npt

from pipeline import cells, features, folds, metrics, storage
from pipeline.backend import use_threads
from pipeline.batches import Ints, Plan
from pipeline.checkpoint import Tensors
from pipeline.config import Training, caches_features
from pipeline.errors import DivergedError, MismatchError
from pipeline.log import Clock, say
from pipeline.network import HEAD, Network, RowSource
from pipeline.run import FitCell, Run
from pipeline.tokens import TokenTable
from pipeline.training import Epoch, Fitted, Task, Trainer, fit

REPRODUCES = 1e-6  # stage 2 must find stage 1's recorded probabilities again, to this


def start_stage1(run: Run) -> FitCell:
    """Sets up stage 1 and returns the function that fits one of its cells."""
    use_threads(run.threads)
    recipe = run.config.stage1
    tensors = run.checkpoint.tensors()
    network = Network(run.checkpoint.config, run.config)
    trainer = Trainer(network, recipe, head_only=False, from_vectors=False)
    source, test_row = _joined(run)
    plan = Plan.of(run.config.tokens, source.lengths)
    size = _predict_size(run, recipe)

    def fit_cell(fold: int) -> cells.Files:
        clock = Clock()
        seed = _cell_seed(run, 1, fold)
        network.start(tensors, seed)
        task = _task(run, "stage1", fold, source, plan, size, recipe)
        fitted = fit(trainer, task, seed)
        _all_moved(tensors, fitted.last.weights, task.name)
        chosen = fitted.epoch(recipe.predict_with)
        network.load(chosen.weights)
        files: cells.Files = {f"weights_{recipe.hand_on}.safetensors": fitted.epoch(recipe.hand_on).weights,
                              f"weights_{recipe.predict_with}.safetensors": chosen.weights}
        files |= _tables(run, task, chosen, network.predict(source, test_row, plan, size), fitted)
        handed = fitted.epoch(recipe.hand_on).logit
        files["handed_on.csv"] = run.competition.task.test_table(run.competition.train.id.iloc[task.valid], handed)
        say(f"{task.name}  done in {clock}")
        return files

    return fit_cell


def start_stage2(run: Run) -> FitCell:
    """Sets up stage 2 and returns the function that fits one of its cells; stage 1 of that fold must be done."""
    use_threads(run.threads)
    recipe = run.config.stage2
    network = Network(run.checkpoint.config, run.config)
    cached = caches_features(run.config)
    trainer = Trainer(network, recipe, head_only=True, from_vectors=cached)
    source, test_row = _joined(run)
    plan = Plan.of(run.config.tokens, source.lengths)
    size = _predict_size(run, recipe)

    def fit_cell(fold: int) -> cells.Files:
        clock = Clock()
        seed = _cell_seed(run, 2, fold)
        parent = run.paths.cell("stage1", fold)
        weights = storage.read_tensors(parent / f"weights_{run.config.stage1.hand_on}.safetensors")
        network.start(weights, seed)
        network.load(weights)
        rows: RowSource = features.compute(network, source, plan, size) if cached else source
        task = _task(run, "stage2", fold, rows, plan, size, recipe)
        _reproduces(network, task, storage.read_csv(parent / "handed_on.csv").prediction.to_numpy(),
                    parent, _predict_size(run, run.config.stage1))
        fitted = fit(trainer, task, seed)
        _none_moved(weights, network.dump(), task.name)
        chosen = fitted.epoch(recipe.predict_with)
        network.load(chosen.weights)
        files: cells.Files = {"head.safetensors": chosen.weights}
        files |= _tables(run, task, chosen, network.predict(rows, test_row, plan, size), fitted)
        say(f"{task.name}  done in {clock}")
        return files

    return fit_cell


def _joined(run: Run) -> tuple[TokenTable, Ints]:
    """Training rows, then test rows, as one table; and the row numbers of the test rows."""
    train, test = run.train_tokens, run.test_tokens
    offsets = np.concatenate([train.offsets, train.offsets[-1] + test.offsets[1:]])
    table = TokenTable(np.concatenate([train.ids, test.ids]), offsets, np.concatenate([train.second, test.second]))
    return table, np.arange(len(train.lengths), len(offsets) - 1)


def _task(run: Run, stage: str, fold: int, source: RowSource, plan: Plan, size: int, recipe: Training) -> Task:
    train = np.flatnonzero(run.fold_of_row != fold)
    valid = monitor = np.flatnonzero(run.fold_of_row == fold)
    table = run.competition.train
    if recipe.monitor_on == "inner":
        rows = table.iloc[train]
        groups = (rows.group if run.config.folds.group_column else folds.normalised(rows)).to_numpy()
        method = "stratified_grouped" if run.config.folds.method == "given" else run.config.folds.method
        inner = folds.split(rows.label.to_numpy(), groups, method, 10, run.config.folds.seed) == 0
        train, monitor = train[~inner], train[inner]
    return Task(source, table.label.to_numpy(np.float32), train, valid, monitor, plan, size, f"{stage} fold {fold}")


def _tables(run: Run, task: Task, chosen: Epoch, test_logit: npt.NDArray[np.float32], fitted: Fitted) -> cells.Files:
    train, kind = run.competition.train.iloc[task.valid], run.competition.task
    fold = run.fold_of_row[task.valid]
    return {"oof.csv": kind.oof_table(train.id, fold, train.label.to_numpy(), chosen.logit),
            "test.csv": kind.test_table(run.competition.test.id, test_logit),
            "history.csv": fitted.history}


def _cell_seed(run: Run, stage: int, fold: int) -> int:
    """A seed of the cell's own, so that a cell is the same whatever was trained before it."""
    return int(np.random.SeedSequence([run.config.seed, stage, fold]).generate_state(1)[0] >> 1)


def _predict_size(run: Run, recipe: Training) -> int:
    """Random batches predict at the training size, as published: there a score depends on its batch."""
    if run.config.tokens.batches == "random" and isinstance(recipe.batch_size, int):
        return recipe.batch_size
    return run.config.hardware.predict_batch


def _all_moved(before: Tensors, after: Tensors, name: str) -> None:
    """Stage 1 trains the encoder: a kernel or LayerNorm that stands still was not trained at all."""
    still = [tensor for tensor in before if tensor.endswith(("kernel", "gamma", "beta"))
             and np.array_equal(before[tensor], after[tensor])]
    if still:
        raise DivergedError(f"{name}: {len(still)} encoder tensors did not move, for example {still[0]}; "
                            f"learning_rate may be too small for float32")


def _none_moved(before: Tensors, after: Tensors, name: str) -> None:
    """Stage 2 trains the head alone."""
    moved = [tensor for tensor in before if not tensor.startswith(HEAD)
             and not np.array_equal(before[tensor], after[tensor])]
    if moved:
        raise AssertionError(f"{name}: the frozen encoder moved: {moved[:3]}")


def _reproduces(network: Network, task: Task, recorded: npt.NDArray[np.float32], parent: Path, size: int) -> None:
    """Before the first step the network must give the probabilities recorded for the very weights it loaded."""
    now = metrics.sigmoid(network.predict(task.source, task.valid, task.plan, size))
    difference = float(np.abs(now - recorded).max())
    if not difference <= REPRODUCES:
        raise MismatchError(f"{parent}: its weights give validation predictions that differ by {difference:.2g} from "
                            f"those recorded with them (at most {REPRODUCES:g}); make it again: --redo stage1")
