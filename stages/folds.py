"""Deal the training rows to folds, once, and keep them by id.

Example: python -m stages folds configs/example.toml
"""

from pipeline import folds as fold_rules
from pipeline.log import say
from stages import options


def folds(config: options.ConfigPath, fold: options.Folds = None, overrides: options.Set = None,
          run: options.RunName = None, redo: options.Redo = None) -> None:
    with options.opened(config, overrides, run, redo=redo) as work:
        for one in options.chosen_folds(work, fold):
            inside = work.competition.train.label[work.fold_of_row == one]
            say(f"fold {one}: {len(inside):,} rows, {int(inside.sum()):,} positive ({inside.mean():.1%})")
        for name, count in fold_rules.audit(work.competition.train, work.competition.test, work.fold_of_row).items():
            say(f"{name}: {count:,}")
        say(f"folds: {work.paths.folds}")
