"""Train the head alone on the smooth F1 loss, from each fold's stage 1, with BERT frozen.

Example: python -m stages stage2 configs/example.toml --set stage2.learning_rate=1e-5
"""

from pipeline.runs.run import FitCell, Run
from stages import options


def stage2(config: options.ConfigPath, fold: options.Folds = None, overrides: options.Set = None,
           run: options.RunName = None, other: options.From = None, redo: options.Redo = None,
           strict: options.Strict = False) -> None:
    with options.opened(config, overrides, run, other, redo) as work:
        wanted = options.chosen_folds(work, fold)
        options.require(work, "stage1", wanted, config)
        work.finish("stage2", wanted, _start, strict)
        options.tell(work, "stage2")


def _start(work: Run) -> FitCell:
    from pipeline.training import bert_stages  # imports TensorFlow: only where there is a cell to fit

    return bert_stages.start_stage2(work)
