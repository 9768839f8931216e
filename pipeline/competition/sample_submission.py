"""The organiser's example of a submission: what form it shows, which column is whose, and what of it a run could not
answer, told before hours are spent."""

import json
from collections import Counter
from collections.abc import Iterator, Sequence
from pathlib import Path

import pandas as pd

from pipeline.competition.readers import by_format
from pipeline.competition.readers.delimited import read_table
from pipeline.config.run import Config
from pipeline.errors import UserError
from pipeline.files.inputs import shortened
from pipeline.metrics.metric import Form
from pipeline.tasks import Task
from pipeline.tasks.label_names import is_number

FORMS = {"probabilities": Form.PROBABILITIES, "labels": Form.DECISIONS, "lists": Form.LISTS}
NAMES = {form: name for name, form in FORMS.items()}
HOLDS = {Form.PROBABILITIES: "numbers", Form.DECISIONS: "labels", Form.LISTS: "lists of labels"}
LOOKED_AT = 1_000  # cells of a column


def read(config: Config, test: pd.DataFrame, task: Task, problems: list[str], remarks: list[str]
         ) -> pd.DataFrame | None:
    """The sample submission; what the run's own submission could not answer is added to the problems, and what a person
    should compare to the remarks."""
    data, path = config.competition, Path(str(config.competition.sample_submission))
    try:
        alike = path.suffix == Path(data.train).suffix
        sample = read_table(path, data.separator if alike else "auto", data.quoting if alike else None,
                            encoding=data.encoding)
    except UserError as error:
        problems += error.problems
        return None
    if sample.shape[1] < 2:
        problems.append(f"{path}: must have a column of ids and one of predictions or more; got "
                        f"{', '.join(map(repr, sample.columns))}")
        return None
    if unlike := column_problems(config, task, sample):
        problems += unlike
        return None
    remarks += _unlike_cells(config, task, sample)
    ids = sample.iloc[:, 0]
    problems += shortened(path, [f": id {name!r} stands twice" for name in ids[ids.duplicated()]])
    if len(test):
        unknown, absent = set(ids) - set(test.id), set(test.id) - set(ids)
        if unknown:
            problems.append(f"{path}: {len(unknown)} ids are not in {data.test}, for example {min(unknown)!r}")
        if absent:
            problems.append(f"{path}: {len(absent)} ids of {data.test} are missing, for example {min(absent)!r}")
        if (unknown or absent) and not data.id_column and by_format.is_table(str(data.test), config):
            problems.append(f"{path}: without data.id_column a test id is its row number from 0")
    return sample


def form_of(config: Config, task: Task, sample: pd.DataFrame | None) -> Form:
    """What a submission holds: as submit.form says, else what the metric scores, else what the sample shows."""
    if config.submit.form and not (config.submit.form == "labels" and not task.has_labels):
        return FORMS[config.submit.form]
    if config.metric:
        form = task.named_metric(config.metric).form
        return form if form in NAMES else Form.PROBABILITIES
    if task.submits == Form.DECISIONS:
        return task.submits
    if sample is not None and sample.shape[1] == 2 and len(task.submission_columns(Form.PROBABILITIES)) > 1 and (
            len(task.submission_columns(Form.DECISIONS)) == 1):
        shown = _shown(config, task, sample)
        return Form.DECISIONS if shown is None or Form.DECISIONS in shown else Form.PROBABILITIES
    return Form.PROBABILITIES


def form_problems(config: Config, task: Task) -> list[str]:
    """Why the labels could not be told apart in what the run will submit."""
    names = [name for name in task.output_names if " " in name] if form_of(config, task, None) == Form.LISTS else []
    return [f"metric = {config.metric!r}: a list has spaces between its labels, and the label {names[0]!r} holds one; "
            f"write it otherwise in {config.competition.train}"] if names else []


def label_of_column(config: Config, given: Sequence[str], wanted: Sequence[str]) -> dict[str, str]:
    """Column of the sample -> the label that it is said to be of, for those that are not named as their label."""
    columns, names = config.submit.columns, config.competition.label_names or {}
    if isinstance(columns, str):
        own = {name: label for label, name in names.items()}
        made = {columns.replace("{label}", own.get(name, name)): name for name in given}
        return {column: made[column] for column in wanted if column in made}
    if columns:
        return dict(columns)
    return {column: names[column] for column in wanted if column in names}


def column_problems(config: Config, task: Task, sample: pd.DataFrame) -> list[str]:
    """What the columns of a sample submission, the first of them ids, ask that the run will not give."""
    path, submit = config.competition.sample_submission, config.submit
    form, columns = form_of(config, task, sample), list(map(str, sample.columns))
    wanted = columns[1:]
    given = task.submission_columns(form, each=len(wanted) > 1)
    why = f"metric = {config.metric!r}" if config.metric and not submit.form else f"submit.form = {NAMES[form]!r}"
    if len(given) == 1 and len(wanted) == 1:
        return []
    if len(given) == 1:
        several = len(task.submission_columns(Form.PROBABILITIES, each=True)) > 1
        return [f"{path}: has {len(wanted)} columns of predictions, {why} gives one; probabilities of each: "
                f"submit.form = 'probabilities'"] if several else [
                f"{path}: must have two columns, id and prediction; got {', '.join(map(repr, columns))}"]
    if len(wanted) == 1:
        return [f"{path}: has one column of predictions, {wanted[0]!r}, {why} gives {len(given)}"
                + ("; labels: submit.form = 'labels'" if len(task.submission_columns(Form.DECISIONS)) == 1 else
                   f", one for each of {', '.join(map(repr, given[:20]))}")]
    return _wrong_names(config, given, wanted)


def _wrong_names(config: Config, given: list[str], wanted: list[str]) -> list[str]:
    path, columns = config.competition.sample_submission, config.submit.columns
    known = label_of_column(config, given, wanted)
    wrong = [f"submit.columns: {path} has no column {column!r}" for column in known if column not in wanted]
    wrong += [f"submit.columns: there is no label {name!r}, which {column!r} is said to be of; the labels are "
              f"{', '.join(map(repr, given[:20]))}" for column, name in known.items() if name not in given]
    wrong += [f"submit.columns: label {name!r} stands under {count} columns of {path}" for name, count in
              Counter(known.get(column, column) for column in wanted).items() if count > 1]
    if wrong:
        return wrong
    unknown = [column for column in wanted if known.get(column, column) not in given]
    if not unknown:
        return []
    example = columns.replace("{label}", given[0]) if isinstance(columns, str) else ""
    if example:
        return [f"{path}: there is no label for column {unknown[0]!r}, by submit.columns = {columns!r}, which makes "
                f"{example!r} of label {given[0]!r}; the labels are {', '.join(map(repr, given[:20]))}"]
    return [f"{path}: there is no label for column {unknown[0]!r}; the labels are {', '.join(map(repr, given[:20]))}"
            + _advice(given, wanted, unknown)]


def _advice(given: list[str], wanted: list[str], unknown: list[str]) -> str:
    """How submit.columns would say which column is whose, as far as the names show it."""
    for name in given:
        for column in unknown:
            template = column.replace(name, "{label}", 1) if name in column else ""
            if template and {template.replace("{label}", other) for other in given} == set(wanted):
                return f"; say which column is whose: submit.columns = {json.dumps(template)}"
    free = [name for name in given if name not in wanted]
    likely = {column: [name for name in free if column.casefold().endswith(name.casefold())] for column in unknown}
    whose = {column: max(names, key=len) for column, names in likely.items() if names}
    if len(set(whose.values())) < len(unknown):
        whose = dict(zip(unknown, free, strict=False)) if len(unknown) == len(free) else {}
    table = ", ".join(f"{json.dumps(column)} = {json.dumps(name)}" for column, name in whose.items())
    return (f"; say which column is whose, for example submit.columns = {{ {table} }}" if whose else
            "; submit.columns says which column is whose")


def _shown(config: Config, task: Task, sample: pd.DataFrame) -> set[Form] | None:
    """The forms that the cells of the columns of predictions could be; None where they do not say."""
    if task.by_word:
        return None
    cells = [cell for column in range(1, sample.shape[1]) for cell in sample.iloc[:LOOKED_AT, column].tolist() if cell]
    if not cells:
        return None
    named = config.competition.label_names or {}
    cells = [named.get(cell, cell) for cell in cells] if set(cells) <= set(named) else cells
    forms = set[Form]()
    if all(map(is_number, cells)) or (named and set(cells) <= set(named.values()) and all(map(is_number, named))):
        forms.add(Form.PROBABILITIES)
    if not task.problems(pd.DataFrame({"text": "", "label": cells, "place": ""}), "", False):
        forms.add(Form.DECISIONS)
    names = set(task.output_names)
    if names and all(set(cell.split(" ")) <= names for cell in cells):
        forms.add(Form.LISTS)
    return forms or None


def _unlike_cells(config: Config, task: Task, sample: pd.DataFrame) -> Iterator[str]:
    """A line where the cells show another form than the run will give."""
    form, columns = form_of(config, task, sample), task.submission_columns
    placeholder = len(set(sample.iloc[:, 1])) == 1
    if (task.has_values and placeholder) or len(columns(Form.DECISIONS)) > 1:
        return
    shown = _shown(config, task, sample)
    if shown is None or form in shown:
        return
    cell = next(cell for cell in sample.iloc[:, 1] if cell)
    other = next(iter(sorted(shown)))
    why = f", as metric = {config.metric!r} scores" if config.metric and not config.submit.form else ""
    yield (f"{config.competition.sample_submission}: holds {HOLDS[other]}, such as {cell[:40]!r}, and this run will "
           f"submit {HOLDS[form]}{why}; submit.form = {NAMES[other]!r} would submit {HOLDS[other]}")
