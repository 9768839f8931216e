"""Copies: equal and nearly equal texts across folds, between train and test, and with unlike labels."""

import numpy as np
import numpy.typing as npt
import pandas as pd

from pipeline.competition import folds
from pipeline.doctor import examined as examining
from pipeline.doctor.examined import Examined, Ints
from pipeline.doctor.finding import EXAMPLES, Finding, Severity, shown
from pipeline.errors import UserError

GROUP = "--set folds.method=stratified_grouped"
NEAR = "--set folds.group_by=near"


def equal_across_folds(seen: Examined) -> Finding | None:
    """Equal texts that one fold validates and another is trained on."""
    return _across_folds(seen, seen.normalised[:len(seen.train)], "equal texts", GROUP, Severity.error)


def near_across_folds(seen: Examined) -> Finding | None:
    """The same of near copies, beyond the equal ones."""
    return _across_folds(seen, pd.Series(seen.near[:len(seen.train)]), "near copies", NEAR, Severity.warning)


def equal_in_test(seen: Examined) -> Finding | None:
    """Test rows whose text is in train."""
    return _in_test(seen, seen.repeats_train, "repeat a text")


def near_in_test(seen: Examined) -> Finding | None:
    """Test rows that nearly repeat a training text, and do not repeat one."""
    near = np.isin(seen.near[len(seen.train):], seen.near[:len(seen.train)])
    return _in_test(seen, near & ~seen.repeats_train, "nearly repeat a text")


def equal_with_unlike_labels(seen: Examined) -> Finding | None:
    """Equal training texts with unlike labels: one is certainly wrong, or the label is not of the text alone."""
    return _unlike_labels(seen, seen.normalised[:len(seen.train)], "texts stand with unlike labels",
                          "one of each is wrong, or the label is not of the text alone: no model scores both right")


def near_with_unlike_labels(seen: Examined) -> Finding | None:
    """Near copies with unlike labels, beyond the equal ones."""
    number, texts = seen.distinct
    label = _codes(seen)
    of_text = pd.Series(label).groupby(number[:len(seen.train)]).agg(["min", "max"]).reindex(range(len(texts)))
    clear = (of_text["min"] == of_text["max"]).to_numpy()
    first, second = seen.pairs.first, seen.pairs.second
    unlike = clear[first] & clear[second] & (of_text["min"].to_numpy()[first] != of_text["min"].to_numpy()[second])
    if not unlike.any():
        return None
    rows = pd.Series(np.arange(len(seen.train))).groupby(number[:len(seen.train)]).first()
    examples = tuple(" / ".join(_with_label(seen, rows[text]) for text in pair)
                     for pair in zip(first[unlike][:EXAMPLES], second[unlike][:EXAMPLES], strict=True))
    return Finding(Severity.note, f"{int(unlike.sum()):,} pairs of near copies have unlike labels", int(unlike.sum()),
                   examples, "some are right, since one character can turn a meaning; the others are labelling errors",
                   "look at them; data.relabel and data.drop take a list of ids")


def _codes(seen: Examined) -> Ints:
    """int64 [training rows]: equal for equal labels."""
    return pd.factorize(seen.train.label.astype(str))[0].astype(np.int64)


def _label(seen: Examined, row: int) -> str:
    return seen.task.label_text(seen.train.label.iloc[row])


def _with_label(seen: Examined, row: int) -> str:
    return f"{shown(seen.texts.iloc[row], 40)} [{_label(seen, row)}]"


def _across_folds(seen: Examined, key: pd.Series, what: str, option: str, severity: Severity) -> Finding | None:
    fold, validated = seen.run.fold_of_row, seen.validated
    of_key = pd.DataFrame({"key": key.to_numpy(), "fold": fold}).groupby("key").fold
    spread = pd.Series(key.to_numpy()).map(of_key.nunique()).to_numpy() > 1
    rows = np.flatnonzero(spread & validated)
    if not len(rows):
        return None
    examples = tuple(shown(" / ".join(dict.fromkeys(seen.texts.iloc[np.flatnonzero(key.to_numpy() == value)[:4]])), 120)
                     for value in list(dict.fromkeys(key.to_numpy()[rows]))[:EXAMPLES])
    numbers, effect = _flattered(seen, key)
    method = seen.run.config.folds.method
    if GROUP not in option and "grouped" not in method and method != "given":
        option = f"{GROUP} {option}"
    return Finding(severity, f"{len(rows):,} validated rows have {what} in another fold", len(rows), examples,
                   f"a model has seen the text that it is scored on; {effect}", f"keep them together: {option}",
                   numbers)


def _flattered(seen: Examined, key: pd.Series) -> tuple[dict[str, float | None], str]:
    """What copies across folds are worth to the baseline: its score on these folds, and on folds that keep them
    together."""
    if not seen.fits:
        return {}, ("what that is worth is not measured for so many labels" if seen.thorough else
                    "stages doctor measures what that is worth")
    unknown = dict[str, float | None](), "what that is worth cannot be told here"
    run, config = seen.sample, seen.run.config.folds
    if len(run.folds) < 2:
        return unknown
    validated = run.fold_of_row >= 0
    group = pd.factorize(key.to_numpy()[seen.sampled])[0].astype(np.int64)
    dealt: Ints = np.full(len(validated), -1)
    try:
        dealt[validated] = folds.split(run.competition.train.stratum.to_numpy(np.int64)[validated], group[validated],
                                       "stratified_grouped", len(run.folds), config.seed)
    except UserError:
        return unknown
    tables = seen.baseline_oof, examining.baseline_oof(examining.with_folds(run, dealt))
    as_it_is, together = (None if table is None else seen.score(table) for table in tables)
    if as_it_is is None or together is None:
        return unknown
    numbers: dict[str, float | None] = {"baseline, these folds": as_it_is, "baseline, copies together": together}
    return numbers, (f"tf-idf scores {seen.metric_label} {as_it_is:.4f} on these folds and {together:.4f} where they "
                     f"are kept together" + (f", of {len(seen.sampled):,} rows" if len(seen.sampled) < len(seen.train)
                                             else ""))


def _in_test(seen: Examined, again: npt.NDArray[np.bool_], what: str) -> Finding | None:
    rows = np.flatnonzero(again)
    if not len(rows):
        return None
    examples = tuple(shown(seen.id_and_text(len(seen.train) + int(row))) for row in rows[:EXAMPLES])
    return Finding(Severity.note, f"{len(rows):,} of {len(seen.test):,} test rows {what} of train", len(rows),
                   examples, "their labels are known or nearly so: the leaderboard may be above the out-of-fold score, "
                   "whose rows are kept from their copies", "nothing; the rules say whether their label may be used",
                   {"share of test": len(rows) / len(seen.test)})


def _unlike_labels(seen: Examined, key: pd.Series, what: str, effect: str) -> Finding | None:
    label = pd.Series(_codes(seen))
    kinds = label.groupby(key.to_numpy()).nunique()
    unlike = kinds.index[kinds > 1]
    if not len(unlike):
        return None
    rows = np.isin(key, unlike)
    examples = []
    for value in unlike[:EXAMPLES]:
        own = np.flatnonzero(key.to_numpy() == value).tolist()
        labels = ", ".join(dict.fromkeys(_label(seen, row) for row in own))
        examples.append(f"{shown(seen.texts.iloc[own[0]])} [{labels}]")
    return Finding(Severity.warning, f"{len(unlike):,} {what}, {int(rows.sum()):,} rows in all", int(rows.sum()),
                   tuple(examples), effect, "data.relabel and data.drop take a list of ids")
