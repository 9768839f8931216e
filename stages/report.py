"""Score what is finished: AUC by fold and pooled, what stage 2 changed, plots. Trains nothing.

With --fold or --seed only those are shown, and no file is written.
Example: python -m stages report configs/example.toml
"""

from pipeline.machine.console import console, say
from pipeline.results import predictions, verdict
from pipeline.results import report as reports
from pipeline.runs import opening
from pipeline.runs.invocation import Invocation
from pipeline.runs.run import Run
from stages import options


def report(config: options.ConfigPath, fold: options.Folds = None, seed: options.Seeds = None,
           overrides: options.Set = None, name: options.NewName = None) -> None:
    with options.opened(config, overrides, name) as run:
        write_report(run, opening.chosen_folds(run, fold), opening.chosen_seeds(run, seed),
                     options.call(config, overrides, name), whole=not fold and not seed)


def write_report(run: Run, folds: list[int], seeds: list[int] | None, call: Invocation, whole: bool) -> None:
    """Shows what the finished cells of these folds and seeds score; of the whole run it writes the report's files too.
    """
    parts = predictions.of_all_stages(run, folds, seeds)
    task, result = run.competition.task, reports.build(run, parts)
    console.print(reports.console_table(task, result))
    for line in reports.summary(task, result):
        say(line)
    if whole:
        from pipeline.results import plots  # imports Matplotlib

        tables = [path for part in parts.values() for path in predictions.write(run, part)]
        say("report: " + ", ".join(map(str, [*reports.write(run, result), *tables])))
        say("plots: " + ", ".join(map(str, plots.write(run, parts, result["stages"]))))
    for line in verdict.lines(run, result, parts, call) if whole else ():
        say(line, always=True)
