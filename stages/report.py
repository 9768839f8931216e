"""Score what is finished: AUC by fold and pooled, what stage 2 changed, plots. Trains nothing.

With --fold only those folds are shown, and no file is written. Example: python -m stages report configs/example.toml
"""

from pipeline.files import formats
from pipeline.machine.console import console, say
from pipeline.results import plots, predictions
from pipeline.results import report as scores
from pipeline.runs import opening
from stages import options


def report(config: options.ConfigPath, fold: options.Folds = None, overrides: options.Set = None,
           run: options.NewName = None) -> None:
    with options.opened(config, overrides, run) as work:
        found = predictions.of_all_stages(work, opening.chosen_folds(work, fold))
        task, result = work.competition.task, scores.build(work, found)
        console.print(scores.console_table(task, result))
        for line in scores.summary(task, result):
            say(line)
        if fold:
            return
        paths = [path for part in found.values() for path in predictions.write(work, part)]
        written = [work.paths.oof / f"{task.metric}{ending}" for ending in (".md", ".json")]
        formats.write(written[0], scores.markdown(task, result))
        formats.write(written[1], result)
        pictures = plots.write(work, found, result["stages"])
        say("report: " + ", ".join(map(str, [*written, *paths])))
        say("plots: " + ", ".join(map(str, pictures)))
