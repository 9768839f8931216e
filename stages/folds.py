"""Deal the training rows to folds, once, and keep them by id.

Example: python -m stages folds configs/example.toml
"""

from pipeline.doctor import inspection
from pipeline.machine.console import say
from pipeline.runs import opening
from stages import options


def folds(config: options.ConfigPath, fold: options.Folds = None, overrides: options.Set = None,
          run: options.NewName = None, redo: options.Redo = None) -> None:
    with options.opened(config, overrides, run, redo=redo) as work:
        of_folds = inspection.fold_lines(work, opening.chosen_folds(work, fold))
        for line in (*work.competition.remarks, *of_folds, *inspection.audit_lines(work)):
            say(line)
        say(f"folds: {work.paths.folds}")
