"""Write the submission: test probabilities averaged over all folds, in the sample submission's form.

With --fold or --seed the mean is over those and goes to a file that says so, to probe a leaderboard early.
Example: python -m stages submit configs/example.toml
"""

from pipeline.machine.console import say
from pipeline.results import predictions, submission
from pipeline.runs import opening
from pipeline.runs.run import Run
from stages import options


def submit(config: options.ConfigPath, fold: options.Folds = None, seed: options.Seeds = None,
           overrides: options.Set = None, name: options.NewName = None) -> None:
    with options.opened(config, overrides, name) as run:
        write_submission(run, opening.chosen_folds(run, fold), opening.chosen_seeds(run, seed))


def write_submission(run: Run, folds: list[int], seeds: list[int] | None = None) -> None:
    """Writes the submissions of all finished stages over these folds and seeds, and says where they are."""
    if not run.competition.test.size:
        say("submission: none, the config names no data.test")
        return
    parts = predictions.of_all_stages(run, folds, seeds)
    paths = submission.write(run, parts, folds, seeds)
    if submission.holds_labels(run):
        say(run.competition.task.describe_decision(parts[run.config.submit.stage].oof, run.config.metric))
        if none := submission.without_label(run.paths.submission()) if folds == run.folds and not seeds else 0:
            say(f"{none:,} rows have no label; submit.no_label says what stands there for none")
    say(f"submission: {', '.join(paths)}")
