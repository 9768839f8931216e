"""Score what is finished: AUC by fold and pooled, what stage 2 changed, plots. Trains nothing.

With --fold only those folds are shown, and no file is written. Example: python -m stages report configs/example.toml
"""

from pipeline import plots, predictions, storage
from pipeline import report as auc_report
from pipeline.log import console, say
from stages import options


def report(config: options.ConfigPath, fold: options.Folds = None, overrides: options.Set = None,
           run: options.RunName = None) -> None:
    with options.opened(config, overrides, run) as work:
        found = options.finished(work, options.chosen_folds(work, fold))
        result = auc_report.build(work, found)
        console.print(auc_report.console_table(result))
        for line in auc_report.summary(result):
            say(line)
        if fold:
            return
        paths = [path for part in found.values() for path in predictions.write(work, part)]
        storage.write(work.paths.oof / "auc.json", result)
        storage.write(work.paths.oof / "auc.md", auc_report.markdown(result))
        pictures = plots.write(work, found)
        say("report: " + ", ".join(map(str, [work.paths.oof / "auc.md", work.paths.oof / "auc.json", *paths])))
        say("plots: " + ", ".join(map(str, pictures)))
