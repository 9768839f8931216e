"""The members of a blend, read: finished stages of runs, whose cells are verified, and other people's tables."""

from collections.abc import Sequence

import numpy as np
import pandas as pd

from pipeline.blending import foreign
from pipeline.blending.member import Member, Model, Rows, rows_index
from pipeline.errors import UserError
from pipeline.files import formats
from pipeline.runs import artefacts
from pipeline.runs.finished_stage import FinishedStage
from pipeline.runs.run import Run
from pipeline.tasks import links


def read(run: Run, given: Sequence[str], other_folds: bool) -> tuple[Rows, list[Member], list[str]]:
    """The rows of a run, and the members that are named: "RUN", "RUN:STAGE", or a table or two of other people's,
    "[NAME=]OOF.csv[,TEST.csv]". A member with the predictions of another is left out, with a remark.

    other_folds: take members that were validated on other folds too.
    Raises UserError with what is wrong with all of them: not finished, damaged, other rows, labels, classes or folds.
    """
    rows = _rows(run)
    members, problems, remarks = list[Member](), list[str](), list[str]()
    for text in given:
        try:
            member = _member(run, rows, text, other_folds)
        except UserError as error:
            problems += error.problems
            continue
        if twin := next((known for known in members if member.alike(known)), None):
            remarks.append(f"{member.name} predicts what {twin.name} does and is left out")
            continue
        if any(known.name == member.name for known in members):
            problems.append(f"{member.name}: two members have this name; give one another: NAME={text}")
        members.append(member)
        remarks += member.remarks
    if not problems and len(members) < 2:
        problems.append(f"a blend needs two members that differ, got {', '.join(member.name for member in members)}")
    if problems:
        raise UserError(*problems)
    return rows, sorted(members, key=lambda member: member.name), remarks


def out_of_fold(run: Run, text: str) -> tuple[str, pd.DataFrame]:
    """The name of a member and its out-of-fold predictions of this run's rows, whichever folds it was validated on.
    Raises UserError as ``read`` does."""
    rows = _rows(run)
    member = _member(run, rows, text, other_folds=True)
    logits = links.logits_by(rows.task, member.predicted(rows.task)[0])
    return member.name, links.with_logits(rows.task, rows.keys, logits)[rows.task.oof_columns]


def name_of(text: str) -> str:
    """What a member is called: RUN:STAGE, or the given name of a table, or its file's."""
    if foreign.is_table(text):
        return foreign.name_of(text)
    return str(FinishedStage.named(text))


def fingerprint_of(text: str) -> str:
    """What names the numbers of a member: hashes of its cells' tables, or of its files. Raises UserError."""
    if foreign.is_table(text):
        return foreign.fingerprint(text)
    return FinishedStage.named(text).fingerprint


def _rows(run: Run) -> Rows:
    task, train, test = run.competition.task, run.competition.train, run.competition.test
    validated = run.fold_of_row >= 0
    return Rows(task, links.keys(task, train[validated], run.fold_of_row[validated]), task.key_rows(test))


def _member(run: Run, rows: Rows, text: str, other_folds: bool) -> Member:
    return foreign.read(rows, text) if foreign.is_table(text) else _of_run(run, rows, text, other_folds)


def _of_run(run: Run, rows: Rows, text: str, other_folds: bool) -> Member:
    finished = FinishedStage.named(text)
    task, name = rows.task, str(finished)
    if finished.config.task != run.config.task:
        raise UserError(f"{name}: is of task = {finished.config.task!r}, the blend of {run.config.task!r}")
    position = pd.Series(np.arange(len(rows.keys)), index=rows_index(task, rows.keys))
    models, problems, seen, unlike = [], [], np.zeros(len(rows.keys), np.int64), 0
    fixed = [column for column in rows.keys if column != "fold"]
    for cell in finished.cells:
        folder, done = finished.paths.cell(cell), finished.done(cell)
        if formats.read_header(folder / artefacts.OOF) != task.oof_columns:
            raise UserError(f"{folder / artefacts.OOF}: has other classes or columns than this run's: "
                            f"{', '.join(task.oof_columns)}")
        oof = formats.read_csv(folder / artefacts.OOF, task.label_dtype)
        test = formats.read_csv(folder / artefacts.TEST)
        place = position.reindex(rows_index(task, oof)).to_numpy()
        if np.isnan(place).any():
            missing = oof.id[np.isnan(place)].iloc[0]
            raise UserError(f"{name}: predicts rows that are none of this run's, for example id {missing!r} ({folder})")
        number = place.astype(np.int64)
        own = rows.keys.iloc[number].reset_index(drop=True)
        if oof[fixed].to_numpy().tolist() != own[fixed].to_numpy().tolist():
            problems.append(f"{name}: has other labels or words than this run in {folder / artefacts.OOF}")
        unlike += int((oof.fold.to_numpy() != own.fold.to_numpy()).sum())
        if test[task.key_columns].to_numpy().tolist() != rows.test_keys.to_numpy().tolist():
            problems.append(f"{name}: has other test rows than this run in {folder / artefacts.TEST}")
        if problems:
            raise UserError(*problems)
        if sum(done["identity"].get(key) != value for key, value in task.identity.items()):
            raise UserError(f"{name}: has other classes than this run, or in another order")
        models.append(Model(number, links.logits_of(task, oof), links.logits_of(task, test)))
        seen[number] += 1
    if not seen.all():
        raise UserError(f"{name}: does not predict {int((seen == 0).sum())} of this run's rows out of fold, for "
                        f"example id {rows.keys.id[seen == 0].iloc[0]!r}")
    if unlike and not other_folds:
        raise UserError(f"{name}: was validated on other folds ({unlike:,} of {len(rows.keys):,} rows): its models "
                        f"have seen rows that others are scored on, so that weights may look better than they are; "
                        f"--other-folds takes it all the same, and the report says so")
    remarks = (f"{name}: was validated on other folds, so that the second level's rows are not strictly unseen: its "
               f"nested score may be optimistic",) if unlike else ()
    return Member(name, tuple(models), finished.fingerprint, remarks)
