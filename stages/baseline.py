"""Fit n-gram tf-idf with logistic regression on the same folds: the number to beat, in seconds.

Example: python -m stages baseline configs/example.toml
"""

from pipeline import baseline as tfidf
from stages import options


def baseline(config: options.ConfigPath, fold: options.Folds = None, overrides: options.Set = None,
             run: options.RunName = None, other: options.From = None, redo: options.Redo = None,
             strict: options.Strict = False) -> None:
    with options.opened(config, overrides, run, other, redo) as work:
        work.finish("baseline", options.chosen_folds(work, fold), tfidf.start, strict)
        options.tell(work, "baseline")
