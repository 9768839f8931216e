"""Write the submission: test probabilities averaged over all folds, in the sample submission's form.

With --fold the mean is over those folds and goes to a file that says so, to probe a leaderboard early.
Example: python -m stages submit configs/example.toml
"""

from pipeline.machine.console import say
from pipeline.results import predictions, submission
from pipeline.runs import opening
from stages import options


def submit(config: options.ConfigPath, fold: options.Folds = None, overrides: options.Set = None,
           run: options.NewName = None) -> None:
    with options.opened(config, overrides, run) as work:
        if not work.competition.test.size:
            say("submission: none, the config names no data.test")
            return
        folds = opening.chosen_folds(work, fold)
        found = predictions.of_all_stages(work, folds)
        paths = submission.write(work, found, folds)
        metric = work.config.submit.metric
        if metric != "auc":
            say(work.competition.task.describe_decision(found[work.config.submit.stage].oof, metric))
            if none := submission.without_label(work.paths.submission()) if not fold else 0:
                say(f"{none:,} rows have no label; submit.no_label says what stands there for none")
        say(f"submission: {', '.join(paths)}")
