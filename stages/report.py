"""Score what is finished: AUC by fold and pooled, what stage 2 changed, plots. Trains nothing.

With --fold only those folds are shown, and no file is written. Example: python -m stages report configs/example.toml
"""

from pipeline.machine.console import console, say
from pipeline.results import plots, predictions
from pipeline.results import report as reports
from pipeline.runs import opening
from stages import options


def report(config: options.ConfigPath, fold: options.Folds = None, overrides: options.Set = None,
           run: options.NewName = None) -> None:
    with options.opened(config, overrides, run) as work:
        parts = predictions.of_all_stages(work, opening.chosen_folds(work, fold))
        task, result = work.competition.task, reports.build(work, parts)
        console.print(reports.console_table(task, result))
        for line in reports.summary(task, result):
            say(line)
        if fold:
            return
        tables = [path for part in parts.values() for path in predictions.write(work, part)]
        say("report: " + ", ".join(map(str, [*reports.write(work, result), *tables])))
        say("plots: " + ", ".join(map(str, plots.write(work, parts, result["stages"]))))
