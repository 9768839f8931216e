"""Stage 0: train the encoder on the competition's texts and on files, as a masked language model, if configured.

Looks at no label. Example: python -m stages pretrain configs/boyu_adapted.toml
"""

from pipeline.machine.console import say
from pipeline.runs import opening, scheduler
from pipeline.stage_table import PRETRAIN
from stages import options


def pretrain(config: options.ConfigPath, fold: options.Folds = None, overrides: options.Set = None,
             name: options.NewName = None, from_run: options.From = None, redo: options.Redo = None,
             strict: options.Strict = False) -> None:
    with options.opened(config, overrides, name, from_run, redo) as run:
        if run.config.pretrain is None:
            say(f"pretrain: {config} has no [pretrain], so there is no stage 0")
            return
        finished = scheduler.finish(run, PRETRAIN, opening.chosen_folds(run, fold), strict)
        from pipeline.results import pretraining  # imports Matplotlib

        paths = [*map(run.paths.cell, finished), *pretraining.write(run, finished)]
        say(f"pretrain: {', '.join(map(str, paths))}")
