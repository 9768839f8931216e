"""Deal the training rows to folds, once, and keep them by id.

Example: python -m stages folds configs/example.toml
"""

from pipeline.doctor import inspection
from pipeline.machine.console import say
from pipeline.runs import opening
from stages import options


def folds(config: options.ConfigPath, fold: options.Folds = None, overrides: options.Set = None,
          name: options.NewName = None, redo: options.Redo = None) -> None:
    with options.opened(config, overrides, name, redo=redo) as run:
        of_folds = inspection.fold_lines(run, opening.chosen_folds(run, fold))
        for line in (*run.competition.remarks, *of_folds, *inspection.audit_lines(run)):
            say(line)
        say(f"folds: {run.paths.folds}")
