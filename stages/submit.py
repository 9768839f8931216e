"""Write the submission: test probabilities averaged over all folds, in the sample submission's form.

Example: python -m stages submit configs/example.toml
"""

from pipeline import submission
from pipeline.log import say
from stages import options


def submit(config: options.ConfigPath, overrides: options.Set = None, run: options.RunName = None) -> None:
    with options.opened(config, overrides, run) as work:
        found = options.finished(work)
        paths = submission.write(work, found)
        metric = work.config.submit.metric
        if metric != "auc":
            say(f"labels at threshold {submission.threshold(found[work.config.submit.stage], metric):.4f}, "
                f"the best for {metric} out of fold")
        say(f"submission: {', '.join(paths)}")
