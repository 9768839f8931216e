"""Fit n-gram tf-idf with logistic regression on the same folds: the number to beat, in seconds.

Example: python -m stages baseline configs/example.toml
"""

from pipeline.runs import opening, scheduler
from pipeline.stage_table import BASELINE
from stages import options


def baseline(config: options.ConfigPath, fold: options.Folds = None, overrides: options.Set = None,
             name: options.NewName = None, from_run: options.From = None, redo: options.Redo = None,
             strict: options.Strict = False) -> None:
    with options.opened(config, overrides, name, from_run, redo) as run:
        scheduler.finish(run, BASELINE, opening.chosen_folds(run, fold), strict)
        options.say_where(run, BASELINE)
