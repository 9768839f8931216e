"""Train one more model, a seed each, on all rows, and put its share, submit.full_fit, into the submission.

It has no out-of-fold score: no row is left to score it on. The folds must be finished first.
Example: python -m stages full-fit configs/example.toml --set submit.full_fit=0.5
"""

from pipeline.errors import UserError
from pipeline.machine.console import say
from pipeline.results import full_fit as results
from pipeline.runs import scheduler
from pipeline.runs.run import Run
from pipeline.stage_table import ALL_ROWS, STAGES, leading_to
from stages import options
from stages.submit import write_submission


def full_fit(config: options.ConfigPath, overrides: options.Set = None, name: options.NewName = None,
             from_run: options.From = None, strict: options.Strict = False) -> None:
    with options.opened(config, overrides, name, from_run) as run:
        if run.config.submit.full_fit is None:
            raise UserError(f"{config}: submit.full_fit is unset; it is the share of the submission that the model of "
                            f"all rows predicts, from 0 to 1: --set submit.full_fit=0.5")
        make(run, strict)
        write_submission(run, run.folds)


def make(run: Run, strict: bool = False, whole_run: bool = False) -> None:
    """Brings the cells of all rows to done, and writes what they predict."""
    submitted = STAGES[run.config.submit.stage]
    for stage in leading_to(submitted):
        if run.cells(stage, [ALL_ROWS]):
            scheduler.finish(run, stage, [ALL_ROWS], strict, whole_run)
    predicted = results.predicted(run)
    assert predicted is not None
    say(f"full fit: {submitted} on all {len(run.competition.train):,} rows; it has no out-of-fold score, and "
        f"{run.config.submit.full_fit:.0%} of the submission are its predictions: {results.write(run, predicted)}")
