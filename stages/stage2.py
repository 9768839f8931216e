"""Train the head alone on the smooth F1 loss, from each fold's stage 1, with BERT frozen.

Example: python -m stages stage2 configs/example.toml --set stage2.learning_rate=1e-5
"""

from pipeline.runs import opening, scheduler
from pipeline.stage_table import STAGE2
from stages import options


def stage2(config: options.ConfigPath, fold: options.Folds = None, seed: options.Seeds = None,
           overrides: options.Set = None, name: options.NewName = None, from_run: options.From = None,
           redo: options.Redo = None, strict: options.Strict = False) -> None:
    with options.opened(config, overrides, name, from_run, redo) as run:
        scheduler.finish(run, STAGE2, opening.chosen_folds(run, fold), strict,
                         seeds=opening.chosen_seeds(run, seed))
        options.say_where(run, STAGE2)
