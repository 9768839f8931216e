"""Labels that are too rare to be scored in every fold, and a sample submission that asks for something else."""

from pipeline.competition import sample_submission
from pipeline.doctor.examined import Examined
from pipeline.doctor.finding import EXAMPLES, Finding, Severity


def rare(seen: Examined) -> Finding | None:
    """Labels with fewer rows than there are folds."""
    validated = seen.train[seen.validated]
    counts = validated.stratum.value_counts()
    few = counts[counts < len(seen.run.folds)]
    if not len(few) or len(counts) < 2 or seen.task.has_values:
        return None
    examples = []
    for stratum in few.index[::-1][:EXAMPLES]:
        label = validated.label[validated.stratum == stratum].iloc[0]
        examples.append(f"{seen.task.label_text(label)[:60]}: {few[stratum]} rows")
    return Finding(Severity.warning, f"{len(few):,} of {len(counts):,} labels have fewer rows than there are folds, "
                   f"{len(seen.run.folds)}", len(few), tuple(examples),
                   "some fold is trained or scored without them: a macro score takes them for 0 or leaves them out",
                   "fewer folds, rare labels put together, or more rows of them: data.extra")


def sample(seen: Examined) -> Finding | None:
    """A sample submission whose columns do not fit what would be submitted."""
    given = seen.run.competition.sample
    if given is None:
        return None
    problems = sample_submission.column_problems(seen.run.config, seen.task, given)
    if not problems:
        return None
    return Finding(Severity.error, "the sample submission asks for something else", len(problems),
                   tuple(problems[:EXAMPLES]), "the submission would be refused, or scored as something else",
                   "submit.columns, submit.form or metric say what is asked for")
