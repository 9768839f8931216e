"""Stage 1 and stage 2: what a cell starts from, what it must prove about itself, and the files it leaves."""

import dataclasses

import numpy as np

from pipeline import tasks
from pipeline.backend import memory_told
from pipeline.config.run import caches_features
from pipeline.files import formats
from pipeline.machine.console import Clock, say
from pipeline.runs import artefacts, cells, identity
from pipeline.runs.cells import Files, FitCell
from pipeline.runs.run import Run
from pipeline.stage_table import STAGE1, STAGE2, Cell
from pipeline.training import proofs
from pipeline.training.cell_inputs import CellInputs
from pipeline.training.fine_tuning import CellData, Epoch, Fitted, Trainer, fit


def start_stage1(run: Run) -> FitCell:
    """Sets up stage 1 and returns the function that fits one of its cells."""
    inputs = CellInputs(run, STAGE1)
    recipe, network = run.config.stage1, inputs.network
    trainer = Trainer(network, recipe, head_only=recipe.frozen, from_vectors=recipe.frozen, shares=inputs.shares)

    def fit_cell(cell: Cell) -> Files:
        clock, seed = Clock(), cell.random_seed
        inputs.lay_out_for(cell)
        tensors = run.encoder_weights(cell.fold)
        network.start(tensors, seed)
        rows = inputs.features(identity.start_of_stage1(run, cell.fold)) if recipe.frozen else inputs.tokens
        data = inputs.data(cell, rows)
        network.fit_scale(data.target[data.train])
        with memory_told(data.name, f"{recipe.batch_size} rows, {inputs.shape}",
                         "halve stage1.batch_size, or take a batch in parts: stage1.accumulate"):
            fitted = fit(trainer, data, seed, inputs.resume_file(cell))
        if recipe.frozen:
            proofs.none_moved(tensors, network.dump(), data.name)
        else:
            proofs.all_moved(tensors, fitted.last.weights, data.name)
        chosen, handed = fitted.epoch(recipe.predict_with), fitted.epoch(recipe.hand_on)
        network.load(chosen.weights)
        files: Files = {artefacts.weights(recipe.hand_on): tensors | handed.weights,
                        artefacts.weights(recipe.predict_with): tensors | chosen.weights}
        files |= _tables(inputs, data, chosen, fitted)
        files |= {artefacts.MODEL: {"bert": dataclasses.asdict(run.checkpoint.config), "task": tasks.saved(data.task)}}
        name, content = run.checkpoint.vocab.file
        files[name] = content
        if len(data.valid):
            files[artefacts.HANDED_ON] = data.task.test_table(run.competition.train.iloc[data.valid], handed.logit)
        say(f"{data.name}  done in {clock}")
        return files

    return fit_cell


def start_stage2(run: Run) -> FitCell:
    """Sets up stage 2 and returns the function that fits one of its cells; stage 1 of that fold must be done."""
    inputs = CellInputs(run, STAGE2)
    recipe, network, cached = run.config.stage2, inputs.network, caches_features(run.config)
    trainer = Trainer(network, recipe, head_only=True, from_vectors=cached, shares=inputs.shares)

    def fit_cell(cell: Cell) -> Files:
        clock, seed = Clock(), cell.random_seed
        inputs.lay_out_for(cell)
        parent = run.paths.cell(run.cell(STAGE1, cell.fold, cell.seed))
        weights = formats.read_tensors(parent / artefacts.weights(run.config.stage1.hand_on))
        network.start(weights, seed)
        rows = inputs.features(cells.fingerprint(parent)) if cached else inputs.tokens
        data = inputs.data(cell, rows)
        if len(data.valid):
            proofs.reproduces(inputs, data, parent)
        with memory_told(data.name, f"{inputs.predict_size} rows, {inputs.shape}", "halve hardware.predict_batch"):
            fitted = fit(trainer, data, seed, inputs.resume_file(cell))
        proofs.none_moved(weights, network.dump(), data.name)
        chosen = fitted.epoch(recipe.predict_with)
        network.load(chosen.weights)
        files: Files = {artefacts.HEAD: chosen.weights}
        files |= _tables(inputs, data, chosen, fitted)
        say(f"{data.name}  done in {clock}")
        return files

    return fit_cell


def _tables(inputs: CellInputs, data: CellData, chosen: Epoch, fitted: Fitted) -> Files:
    """The history, and the predictions by the network's present weights, which are the chosen epoch's."""
    run, task = inputs.run, data.task
    tables: Files = {artefacts.TEST: task.test_table(run.competition.test, inputs.predict(data.source, inputs.test)),
                     artefacts.HISTORY: fitted.history}
    if len(data.valid):
        train, fold = run.competition.train.iloc[data.valid], run.fold_of_row[data.valid]
        tables[artefacts.OOF] = task.oof_table(train, fold, chosen.logit)
    if len(others := np.flatnonzero(run.only_trained_on)):
        tables[artefacts.OTHERS] = task.test_table(run.competition.train.iloc[others],
                                                   inputs.predict(data.source, others))
    return tables
