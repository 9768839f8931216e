"""The report as one HTML page: what to submit, findings, pictures, and every row to look at. One file, no network."""

import base64
import hashlib
import re
from collections.abc import Sequence
from importlib import resources
from pathlib import Path
from typing import Any

import jinja2

from pipeline.blending import members
from pipeline.blending import stage as blending
from pipeline.competition import folds
from pipeline.doctor import checks
from pipeline.doctor.examined import Examined
from pipeline.files import formats
from pipeline.page import rows, sections, selection
from pipeline.page.rows import Attention
from pipeline.page.selection import Predictions
from pipeline.results import report as reports
from pipeline.results import stage_scores
from pipeline.results.predictions import StagePredictions
from pipeline.runs.run import Run
from pipeline.stage_table import BASELINE, BLEND, PREDICTING
from pipeline.tasks import Report, format_score
from pipeline.tasks.report_parts import between
from pipeline.text import scripts

NAME = "report.html"
STATIC = 50  # rows that can be read without a script
UNSEEN = re.compile("[\x00-\x08\x0b-\x1f\x7f-\x9f\xad\u061c\u200b\u200e\u200f\u2028-\u202e\u2060-\u206f\ufeff"
                    "\ufff9-\ufffb\U000e0000-\U000e0fff]")  # characters that steer what is shown, or show nothing


def write(run: Run, report: Report, parts: dict[str, StagePredictions], beside: Sequence[str] = (), texts: bool = True,
          attention: Attention | None = None) -> Path:
    """Writes oof/<run>/report.html; the same bytes every time. Returns the path.

    Args:
        report, parts: as ``results.report.build`` takes and gives them.
        beside: what other runs predict of these rows, as members of a blend are named.
        texts: whether texts, and what is made of them, may stand in it; without, the page can be shown to others.
        attention: by id, tokens and how much the head's [CLS] attended to each.

    Raises UserError where what is beside does not predict these rows.
    """
    task, metric = run.competition.task, run.config.metric
    predictors = [selection.from_oof(task, stage, part.oof, metric) for stage, part in parts.items()]
    for text in dict.fromkeys([*beside, *_of_blend(run, parts)]):
        name, oof = members.out_of_fold(run, text)
        taken = {part.name for part in predictors}
        predictors.append(selection.from_oof(task, f"{name} (beside)" if name in taken else name, oof, metric))
    stage = run.config.submit.stage if run.config.submit.stage in parts else report["best_oof"] or list(parts)[-1]
    leading = [part.name for part in predictors].index(stage)
    seen = Examined(run, thorough=False)
    record = rows.record(run, predictors, leading, seen, report["hashes"]["scored rows"], texts, attention)
    content = {
        "run": run.config.name, "label": reports.label(task, report), "language": _language(run),
        "top": _top(run, report, parts, stage), "findings": findings(run, seen, texts), "texts": texts,
        "sections": sections.sections(run, report, parts, predictors[:len(parts)], leading, seen),
        "rows": record, "static": _first(record, predictors), "stages": [part.name for part in predictors],
    }
    path = run.paths.oof / NAME
    formats.write(path, render(content))
    return path


def render(content: dict[str, Any]) -> str:
    """The page of its content. Its style and script stand in it, and its Content-Security-Policy has their hashes: a
    browser runs and fetches nothing else, whatever stands in a text."""
    own = resources.files("pipeline.page")
    style, script = (own.joinpath(name).read_text(encoding="utf-8") for name in ("page.css", "page.js"))
    environment = jinja2.Environment(loader=jinja2.PackageLoader("pipeline.page", ""), autoescape=True,
                                     undefined=jinja2.StrictUndefined, trim_blocks=True, lstrip_blocks=True)
    environment.filters["seen"] = seen_text
    environment.policies["json.dumps_kwargs"] = {"ensure_ascii": False, "separators": (",", ":"), "allow_nan": False}
    policy = (f"default-src 'none'; style-src {_hash(style)}; script-src {_hash(script)}; base-uri 'none'; "
              f"form-action 'none'")
    return environment.get_template("page.html").render(content, style=style, script=script, policy=policy)


def seen_text(text: object) -> str:
    """A text with the characters that steer what is shown, or show nothing, as their numbers: ⟨U+202E⟩."""
    return UNSEEN.sub(lambda match: f"⟨U+{ord(match[0]):04X}⟩", str(text))


def findings(run: Run, seen: Examined, texts: bool = True) -> dict[str, Any]:
    """What the doctor found: of all checks where it has looked at these very rows, else of the quick ones. texts:
    whether examples, which are texts, may stand in it."""
    path, thorough = run.paths.oof / checks.FILE, False
    record: dict[str, Any] = {}
    if path.exists():
        record = formats.read_json(path)
        thorough = record.get("of") == checks.examined_rows(run)
    if not thorough:
        record = checks.record(run, list(checks.examine(seen)))
    listed = [finding if texts else finding | {"examples": []} for finding in record["findings"]]
    return {"thorough": thorough, "listed": listed, "silent": record["silent"], "silenced": record["silenced"]}


def _of_blend(run: Run, parts: dict[str, StagePredictions]) -> list[str]:
    """The members of the run's blend, where it is finished; none where it has none."""
    if str(BLEND) not in parts:
        return []
    names = {member["name"] for member in blending.read_report(run)["members"]}
    return [text for text in blending.given(run) if members.name_of(text) in names]


def _top(run: Run, report: Report, parts: dict[str, StagePredictions], stage: str) -> dict[str, Any]:
    """What to submit, what it scores, and what that is worth against the baseline."""
    task, metric = run.competition.task, run.config.metric
    lead = stage_scores.leading(report["stages"][stage])
    top: dict[str, Any] = {
        "submission": _there(run.paths.submission()) if report["submitted"] == stage and lead["pooled"] is not None
        else "", "stage": stage,
        "score": format_score(lead["pooled"]), "interval": between(lead.get("pooled_interval")), "against": "",
        "best": report["best_oof"], "rows": int((run.fold_of_row >= 0).sum()), "folds": report["folds"]["count"]}
    if report["best_oof"] and report["best_oof"] != stage:
        best = str(report["best_oof"])
        top["other"] = _there(run.paths.submission(PREDICTING[best]))
        top["other_score"] = format_score(stage_scores.leading(report["stages"][best])["pooled"])
    if (beaten := parts.get(str(BASELINE))) is not None and stage != str(BASELINE):
        old, new = (folds.grouped(part.oof, run.competition.train.id, run.groups) for part in (beaten, parts[stage]))
        if not set(old.id).isdisjoint(new.id):
            top["against"] = task.describe_lead_change(task.lead_change(old, new, metric)) or ""
    return top


def _there(path: Path) -> str:
    """The path where there is such a file, else nothing."""
    return str(path) if path.exists() else ""


def _first(record: dict[str, Any], predictors: Sequence[Predictions]) -> list[dict[str, Any]]:
    """The rows with most loss, as they can be read without a script."""
    output = record["outputs"][0]
    order = sorted(range(len(record["id"])), key=lambda row: (-output["loss"][row], row))[:STATIC]

    def shown(value: Any) -> str:
        if record["words"]:
            return ", ".join(f"{output['names'][kind]} {first + 1}-{last + 1}" for kind, first, last in value) or "none"
        return f"{value:g}" if not record["decides"] else output["names"][value] or "(none)"

    return [{"id": record["id"][row], "fold": record["fold"][row], "label": shown(output["label"][row]),
             "predicted": [_predicted(record, output, stage, row, shown) for stage in range(len(predictors))],
             "text": record["text"][row] if "text" in record else "",
             "pair": record["pair"][row] if "pair" in record else ""} for row in order]


def _predicted(record: dict[str, Any], output: dict[str, Any], stage: int, row: int, shown: Any) -> str:
    number = output["number"][stage][row]
    if number is None:
        return "–"
    number_text = f"{number:.4g}" if record["values"] else f"{number / 10_000:.3f}"
    return f"{shown(output['decided'][stage][row])} ({number_text})" if record["decides"] else number_text


def _language(run: Run) -> str:
    """What the texts are marked as, so that Han characters are drawn as Chinese ones; empty where it is not known."""
    return "zh-Hans" if scripts.encoder_for(run.competition.train.text[:1_000]) == scripts.CHINESE else ""


def _hash(content: str) -> str:
    """A source expression of Content Security Policy Level 3 for an element of that content."""
    digest = hashlib.sha256(content.encode()).digest()
    return f"'sha256-{base64.b64encode(digest).decode()}'"
