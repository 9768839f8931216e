"""The submission: test probabilities averaged over all folds, joined by id, refused where a row is not right."""

from pathlib import Path

import numpy as np
import pandas as pd

from pipeline.competition import sample_submission
from pipeline.competition.readers import delimited
from pipeline.config.run import Config
from pipeline.errors import UserError
from pipeline.files import formats
from pipeline.metrics import registry
from pipeline.metrics.metric import Form
from pipeline.results import full_fit
from pipeline.results.predictions import StagePredictions
from pipeline.runs.run import Run

DECIMALS = 10  # of a rounded prediction, so that 0.3 is not written as 0.30000000000000004


def build(run: Run, part: StagePredictions) -> pd.DataFrame:
    """id and prediction under the sample submission's header and in its order, else in the order of the test table.

    A prediction is the mean of the folds' probabilities, or values; where the metric scores decisions, the label, at
    what is best for it out of fold; where it scores lists, the likeliest labels. Raises UserError where folds are
    missing or the guard finds a wrong row.
    """
    if part.missing:
        raise UserError(f"submission of {part.stage}: folds {', '.join(map(str, part.missing))} are not finished; "
                        f"run them first, or average over some folds only: --fold {part.folds[0]}")
    if part.missing_seeds:
        raise UserError(f"submission of {part.stage}: seeds {', '.join(map(str, part.missing_seeds))} are not "
                        f"finished; run them first, or average over some seeds only: --seed {part.seeds[0]}")
    sample = run.competition.sample
    if sample is not None and (problems := sample_submission.column_problems(
            run.config, run.competition.task, sample)):
        raise UserError(*problems)
    values = _values(run, part)
    if sample is not None and sample.shape[1] > 2:
        columns = list(map(str, sample.columns))[1:]
        given = [column.partition(":")[2] for column in map(str, values)]
        whose = sample_submission.label_of_column(run.config, given, columns)
        values = values[[f"prediction:{whose.get(column, column)}" for column in columns]]
    order = run.competition.test.id if sample is None else sample.iloc[:, 0]
    missing = order[~order.isin(values.index)]
    if len(missing):
        raise UserError(f"submission: {len(missing)} ids have no prediction, for example {missing.iloc[0]!r}")
    submission = values.loc[order]
    submission.insert(0, "id", order.to_numpy(), allow_duplicates=True)
    submission.columns = pd.Index(_header(run.config, list(map(str, values))) if sample is None else sample.columns)
    guard(submission, run.competition.test.id, run.competition.task.limits)
    return submission


def holds_labels(run: Run) -> bool:
    """Whether the run's submission holds decided labels, and no probabilities, values or lists."""
    return run.competition.task.has_labels and _form(run) == Form.DECISIONS


def _form(run: Run) -> Form:
    return sample_submission.form_of(run.config, run.competition.task, run.competition.sample)


def _values(run: Run, part: StagePredictions) -> pd.DataFrame:
    """What the submission holds for each test row, by id."""
    task, form, submit = run.competition.task, _form(run), run.config.submit
    own = {name: label for label, name in (run.config.competition.label_names or {}).items()}
    if form == Form.DECISIONS:
        labels = task.decisions(part.oof, part.test, run.config.metric).replace(own)
        return labels.replace("", submit.no_label) if submit.no_label else labels
    sample = run.competition.sample
    values = task.probabilities(part.test, each=sample is not None and sample.shape[1] > 2)
    if form == Form.LISTS:
        names = np.array([own.get(name, name) for name in (str(column).partition(":")[2] for column in values)],
                         dtype=object)
        depth = int(str(run.config.metric).partition("@")[2])
        best = names[registry.likeliest(values.to_numpy(), depth)]
        return pd.DataFrame({"prediction": [" ".join(row) for row in best]}, index=values.index)
    if submit.round_to:
        steps = np.rint(values.to_numpy(np.float64) / submit.round_to)
        rounded = np.round(steps * submit.round_to, DECIMALS)
        values = pd.DataFrame(rounded if task.limits is None else rounded.clip(*task.limits), values.index,
                              values.columns)
    return values


def without_label(path: Path) -> int:
    """How many rows of a written submission hold nothing."""
    table = delimited.read_table(path, "comma", True)
    return int((table.iloc[:, 1:] == "").all(axis=1).sum())


def _header(config: Config, columns: list[str]) -> list[str]:
    """Without a sample submission: a column of predictions has its configured name, several are named by class."""
    if len(columns) == 1:
        return [config.submit.id_header, config.submit.prediction_header]
    if isinstance(template := config.submit.columns, str):
        return [config.submit.id_header, *(template.replace("{label}", column.partition(":")[2]) for column in columns)]
    return [config.submit.id_header, *(column.partition(":")[2] for column in columns)]


def guard(submission: pd.DataFrame, test_ids: pd.Series, limits: tuple[float, float] | None = (0, 1)) -> None:
    """Each test id exactly once and every prediction a number between the limits, or a label. Raises UserError with
    all that is wrong."""
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
    # predictions are float32, and so must the limits be: the nearest number to 0.7 lies above it
    if limits and ((numbers < np.float32(limits[0])) | (numbers > np.float32(limits[1]))).to_numpy().any():
        problems.append(f"submission: predictions must lie between {limits[0]:g} and {limits[1]:g}")
    if problems:
        raise UserError(*problems)


def write(run: Run, parts: dict[str, StagePredictions], folds: list[int], seeds: list[int] | None = None) -> list[str]:
    """Writes submissions/<run>_<stage>.csv for every finished stage and submissions/<run>.csv for submit.stage.

    Of some folds or seeds (None: all) only, it writes submissions/<run>_<stage>_folds_<k>-<k>_seeds_<n>.csv instead.
    """
    chosen = run.config.submit.stage
    if chosen not in parts:
        raise UserError(f"submission: stage {chosen} (submit.stage) has no finished fold; run it first, or choose "
                        f"another: --set submit.stage=stage1")
    whole_run = folds == run.folds and not seeds
    submitted = build(run, _with_full_fit(run, parts[chosen]) if whole_run else parts[chosen])  # before any is written
    paths = []
    for stage, part in parts.items():
        if part.whole:
            tables = {run.paths.submission(part.stage, None if folds == run.folds else folds, seeds): build(run, part)}
            if whole_run and stage == chosen:
                tables[run.paths.submission()] = submitted
            for path, table in tables.items():
                formats.write(path, table)
                paths.append(str(path))
    return paths


def _with_full_fit(run: Run, part: StagePredictions) -> StagePredictions:
    """The predictions that are submitted: those of the stage, and the share of the full fit, where it is wanted. Raises
    UserError where it is wanted and not finished."""
    share = run.config.submit.full_fit
    if share is None:
        return part
    if (full := full_fit.predicted(run)) is None:
        raise UserError(f"submission: submit.full_fit = {share:g}, and the model of all rows is not finished: "
                        f"python -m stages full-fit {run.paths.settings}")
    return full_fit.joined(run, part, full, share)
