"""Stage 0: what a cell starts from, and the files it leaves."""

import functools

import numpy as np
import pandas as pd

from pipeline.backend import memory_told, use_threads
from pipeline.checkpoints import checkpoint, encoder_config, google, hugging_face
from pipeline.checkpoints.encoder_config import MASKED_LM
from pipeline.machine.console import Clock, say
from pipeline.pretraining.examples import examples
from pipeline.pretraining.masked_lm import MaskedLanguageModel
from pipeline.pretraining.masked_training import MaskedData, MaskedTrainer, MaskedTraining
from pipeline.runs import artefacts
from pipeline.runs.cells import Files, FitCell
from pipeline.runs.resume_file import ResumeFile
from pipeline.runs.run import Run
from pipeline.stage_table import ALL_FOLDS, PRETRAIN, Cell
from pipeline.training import epochs


def start(run: Run) -> FitCell:
    """Sets up stage 0 and returns the function that fits one of its cells."""
    recipe = run.config.pretrain
    assert recipe is not None
    use_threads(run.made_with.threads(PRETRAIN))
    base, corpus = run.checkpoint, run.corpus
    model = MaskedLanguageModel(base.config, recipe.dropout, run.config.bert.precision)
    head = base.masked_lm()
    if not head:
        fresh = encoder_config.random_tensors(base.config, run.config.seed, with_masked_lm=True)
        head = {name: values for name, values in fresh.items() if name.startswith(MASKED_LM)}
        if run.config.bert.folder and checkpoint.has_own_output(run.config.bert.folder):
            say(f"warning: {base.source} has an output product of its own, which stage 0 has not: its head starts "
                f"afresh")
    weights, tokens = base.tensors() | head, run.config.tokens
    trainer = MaskedTrainer(model, recipe, run.made_with.xla)

    def fit_cell(cell: Cell) -> Files:
        clock, name = Clock(), str(cell)
        rows = corpus.training_rows(None if cell.fold == ALL_FOLDS else cell.fold)
        data = MaskedData(corpus, rows, np.flatnonzero(corpus.held), cell.random_seed, name)
        resume = ResumeFile(run.paths.cell(cell), run.identity(cell) | run.made_with.of(cell.stage))
        with memory_told(name, f"{recipe.batch_tokens} tokens", "halve pretrain.batch_tokens"):
            course = MaskedTraining(trainer, data, weights)
            say(f"{name}: {course.size}")
            history = pd.DataFrame(epochs.train(course, resume))
        files: Files = {artefacts.HISTORY: history, artefacts.EXAMPLES: examples(trainer, data, base.vocab)}
        trained = model.dump()
        files[artefacts.HUGGING_FACE] = functools.partial(
            hugging_face.write, config=base.config, vocab=base.vocab, weights=trained, stored=recipe.storage,
            lowercase=tokens.lowers, strip_accents=tokens.strip_accents)
        if not google.unwritable(base.config, base.vocab):
            files[artefacts.GOOGLE] = functools.partial(
                google.write, config=base.config, vocab=base.vocab, weights=trained, lowercase=tokens.lowers,
                strip_accents=tokens.strip_accents)
        say(f"{name}  done in {clock}")
        return files

    return fit_cell
