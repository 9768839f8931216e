"""The doctor's checks, each with its code, and examining a run by all of them."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import asdict, dataclass
from typing import Any

from pipeline.doctor import copies, label_suspects, labels_and_files, leaks, order, texts, train_against_test
from pipeline.doctor.examined import Examined
from pipeline.doctor.finding import Finding, Severity
from pipeline.errors import UserError
from pipeline.runs.run import Run


@dataclass(frozen=True)
class Check:
    """code: never given to another check. quick: whether ``check`` runs it too, before every run."""

    code: str
    name: str
    find: Callable[[Examined], Finding | None]
    quick: bool = True


CHECKS = (
    Check("B001", "equal texts in more than one fold", copies.equal_across_folds),
    Check("B002", "near copies in more than one fold", copies.near_across_folds, quick=False),
    Check("B003", "training texts in test", copies.equal_in_test),
    Check("B004", "near copies between train and test", copies.near_in_test, quick=False),
    Check("B005", "equal texts with unlike labels", copies.equal_with_unlike_labels),
    Check("B006", "near copies with unlike labels", copies.near_with_unlike_labels, quick=False),
    Check("B007", "train and test differ", train_against_test.differ, quick=False),
    Check("B008", "suspect labels", label_suspects.suspects, quick=False),
    Check("B009", "a phrase gives the label away", leaks.label_in_text, quick=False),
    Check("B010", "the order of rows tells the label", order.order_tells_label),
    Check("B011", "labels differ between parts of the file", order.shares_by_block),
    Check("B012", "a column or prefix parts sources", leaks.sources, quick=False),
    Check("B013", "debris of encodings and HTML", texts.debris),
    Check("B014", "empty texts", texts.empty),
    Check("B015", "max_tokens cuts some labels more", texts.cut),
    Check("B016", "test has more unknown tokens", texts.unknown),
    Check("B017", "labels with too few rows", labels_and_files.rare),
    Check("B018", "the sample submission asks for something else", labels_and_files.sample),
)
WORST = tuple(Severity)
FILE = "doctor.json"  # under oof/<run>/


def examine(seen: Examined) -> Iterator[tuple[Check, Finding | None]]:
    """Each check that the run does not silence, and what it finds: all of them, or the quick ones where models may not
    be fitted.

    Raises UserError where doctor.silence has a code that there is not.
    """
    silenced = seen.run.config.doctor.silence
    if wrong := [code for code in silenced if code not in {check.code for check in CHECKS}]:
        raise UserError(f"doctor.silence: there is no check {', '.join(wrong)}; docs/doctor.md lists them")
    for check in CHECKS:
        if check.code not in silenced and (seen.thorough or check.quick):
            yield check, check.find(seen)


def by_severity(found: Sequence[tuple[Check, Finding]]) -> list[tuple[Check, Finding]]:
    """The worst first."""
    return sorted(found, key=lambda pair: (WORST.index(pair[1].severity), pair[0].code))


def examined_rows(run: Run) -> dict[str, str]:
    """Hashes of what is looked at: what was found of other rows, or folds, is of no use."""
    return {name: run.data_identity[name] for name in ("training rows", "test rows", "folds")}


def record(run: Run, results: Sequence[tuple[Check, Finding | None]]) -> dict[str, Any]:
    """All of it as a JSON value."""
    found = [(check, finding) for check, finding in results if finding is not None]
    return {"run": run.config.name, "of": examined_rows(run),
            "findings": [{"code": check.code, "name": check.name} | asdict(finding)
                         for check, finding in by_severity(found)],
            "silent": [check.code for check, finding in results if finding is None],
            "silenced": list(run.config.doctor.silence)}


def lines(found: Sequence[tuple[Check, Finding]]) -> Iterator[str]:
    """The findings in words, the worst first."""
    for check, finding in by_severity(found):
        yield f"{check.code} {finding.severity}: {finding.what}"
        yield from (f"  {example}" for example in finding.examples)
        yield f"  what it does: {finding.effect}"
        yield f"  what to do: {finding.remedy}"


def short_lines(run: Run) -> Iterator[str]:
    """What the quick checks find, a line each."""
    found = [(check, finding) for check, finding in examine(Examined(run, thorough=False)) if finding is not None]
    for check, finding in by_severity(found):
        yield f"{check.code} {finding.severity}: {finding.what}; {finding.remedy}"
