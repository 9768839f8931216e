"""Fine-tune BERT and the head on each fold, under binary cross-entropy.

Example: python -m stages stage1 configs/example.toml --fold 2
"""

from pipeline.runs import opening, scheduler
from pipeline.stage_table import STAGE1
from stages import options


def stage1(config: options.ConfigPath, fold: options.Folds = None, seed: options.Seeds = None,
           overrides: options.Set = None, name: options.NewName = None, from_run: options.From = None,
           redo: options.Redo = None, strict: options.Strict = False) -> None:
    with options.opened(config, overrides, name, from_run, redo) as run:
        scheduler.finish(run, STAGE1, opening.chosen_folds(run, fold), strict,
                         seeds=opening.chosen_seeds(run, seed))
        options.say_where(run, STAGE1)
