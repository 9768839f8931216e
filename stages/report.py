"""Score what is finished: AUC by fold and pooled, what stage 2 changed, plots. Trains nothing.

With --fold only those folds are shown, and no file is written. Example: python -m stages report configs/example.toml
"""

from pipeline.machine.console import console, say
from pipeline.results import plots, predictions
from pipeline.results import report as reports
from pipeline.runs import opening
from stages import options


def report(config: options.ConfigPath, fold: options.Folds = None, overrides: options.Set = None,
           name: options.NewName = None) -> None:
    with options.opened(config, overrides, name) as run:
        parts = predictions.of_all_stages(run, opening.chosen_folds(run, fold))
        task, result = run.competition.task, reports.build(run, parts)
        console.print(reports.console_table(task, result))
        for line in reports.summary(task, result):
            say(line)
        if fold:
            return
        tables = [path for part in parts.values() for path in predictions.write(run, part)]
        say("report: " + ", ".join(map(str, [*reports.write(run, result), *tables])))
        say("plots: " + ", ".join(map(str, plots.write(run, parts, result["stages"]))))
