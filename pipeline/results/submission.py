"""The submission: test probabilities averaged over all folds, joined by id, refused where a row is not right."""

from pathlib import Path

import pandas as pd

from pipeline.competition.readers import delimited
from pipeline.competition.tables import sample_problems
from pipeline.config.results import Submit
from pipeline.errors import UserError
from pipeline.files import formats
from pipeline.results.predictions import StagePredictions
from pipeline.runs.run import Run


def build(run: Run, part: StagePredictions) -> pd.DataFrame:
    """id and prediction under the sample submission's header and in its order, else in the order of the test table.

    The prediction is the mean of the folds' probabilities; where submit.metric scores decisions, the label at the
    threshold chosen on OOF. Raises UserError where folds are missing or the guard finds a wrong row.
    """
    if part.missing:
        raise UserError(f"submission of {part.stage}: folds {', '.join(map(str, part.missing))} are not finished; "
                        f"run them first, or average over some folds only: --fold {part.folds[0]}")
    config, sample = run.config.submit, run.competition.sample
    values = run.competition.task.submission_values(part.oof, part.test, config.metric)
    if config.no_label:
        values = values.replace("", config.no_label)
    if sample is not None:
        columns = list(map(str, sample.columns))
        where = str(run.config.data.sample_submission if run.config.data else "")
        if problems := sample_problems(columns, config, run.competition.task, where):
            raise UserError(*problems)
        if len(columns) > 2:
            names = config.columns or {}
            values = values[[f"prediction:{names.get(column, column)}" for column in columns[1:]]]
    order = run.competition.test.id if sample is None else sample.iloc[:, 0]
    missing = order[~order.isin(values.index)]
    if len(missing):
        raise UserError(f"submission: {len(missing)} ids have no prediction, for example {missing.iloc[0]!r}")
    submission = values.loc[order]
    submission.insert(0, "id", order.to_numpy(), allow_duplicates=True)
    submission.columns = pd.Index(_header(config, list(map(str, values))) if sample is None else sample.columns)
    guard(submission, run.competition.test.id)
    return submission


def without_label(path: Path) -> int:
    """How many rows of a written submission hold nothing."""
    table = delimited.read_table(path, "comma", True)
    return int((table.iloc[:, 1:] == "").all(axis=1).sum())


def _header(config: Submit, columns: list[str]) -> list[str]:
    """Without a sample submission: a column of predictions has its configured name, several are named by class."""
    if len(columns) == 1:
        return [config.id_header, config.prediction_header]
    return [config.id_header, *(column.partition(":")[2] for column in columns)]


def guard(submission: pd.DataFrame, test_ids: pd.Series) -> None:
    """Each test id exactly once and every prediction a number or a label. Raises UserError with all that is wrong."""
    ids, values = submission.iloc[:, 0], submission.iloc[:, 1:]
    numbers = values.select_dtypes("number")
    problems = []
    if len(again := ids[ids.duplicated()]):
        problems.append(f"submission: {len(again)} ids stand twice, for example {again.iloc[0]!r}")
    if extra := set(ids) - set(test_ids):
        problems.append(f"submission: {len(extra)} ids are not in the test table, for example {min(extra)!r}")
    if absent := set(test_ids) - set(ids):
        problems.append(f"submission: {len(absent)} test ids are missing, for example {min(absent)!r}")
    if wrong := int(values.isna().to_numpy().sum()):
        problems.append(f"submission: {wrong} predictions are not a number")
    if ((numbers < 0) | (numbers > 1)).to_numpy().any():
        problems.append("submission: probabilities must lie between 0 and 1")
    if problems:
        raise UserError(*problems)


def write(run: Run, parts: dict[str, StagePredictions], folds: list[int]) -> list[str]:
    """Writes submissions/<run>_<stage>.csv for every finished stage and submissions/<run>.csv for submit.stage.

    Of some folds only, it writes submissions/<run>_<stage>_folds_<k>-<k>.csv instead.
    """
    chosen = run.config.submit.stage
    if chosen not in parts:
        raise UserError(f"submission: stage {chosen} (submit.stage) has no finished fold; run it first, or choose "
                        f"another: --set submit.stage=stage1")
    build(run, parts[chosen])  # refused before anything is written
    paths = []
    for stage, part in parts.items():
        if not part.missing:
            table = build(run, part)
            if folds != run.folds:
                targets = [run.paths.submission(part.stage, folds)]
            else:
                targets = [run.paths.submission(part.stage)] + [run.paths.submission()] * (stage == chosen)
            for path in targets:
                formats.write(path, table)
                paths.append(str(path))
    return paths
