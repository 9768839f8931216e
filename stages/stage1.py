"""Fine-tune BERT and the head on each fold, under binary cross-entropy.

Example: python -m stages stage1 configs/example.toml --fold 2
"""

from pipeline.runs.run import FitCell, Run
from stages import options


def stage1(config: options.ConfigPath, fold: options.Folds = None, overrides: options.Set = None,
           run: options.RunName = None, other: options.From = None, redo: options.Redo = None,
           strict: options.Strict = False) -> None:
    with options.opened(config, overrides, run, other, redo) as work:
        wanted = options.chosen_folds(work, fold)
        options.require(work, "pretrain", wanted, config)
        work.finish("stage1", wanted, _start, strict)
        options.tell(work, "stage1")


def _start(work: Run) -> FitCell:
    from pipeline.training import bert_stages  # imports TensorFlow: only where there is a cell to fit

    return bert_stages.start_stage1(work)
