"""How the table of runs is shown: cells and remarks for a screen, records for programs, a page for a browser."""

import html
import json
from collections import Counter
from collections.abc import Iterable, Sequence
from typing import Any

from pipeline.errors import visible
from pipeline.results.run_table import Block, Gain, Line
from pipeline.tasks import format_score
from pipeline.tasks.report_parts import between

STYLE = """<style>body{font:15px system-ui,sans-serif;margin:2rem;color-scheme:light dark}
table{border-collapse:collapse}th,td{padding:.3rem .7rem;border-bottom:1px solid #8886;text-align:left}
td:nth-child(n+3):nth-child(-n+7){text-align:right;font-variant-numeric:tabular-nums}</style>"""
HEADER = ("run", "stage", "score", "95 %", "folds", "seeds", "time")


def header(block: Block) -> list[str]:
    """The columns of a block."""
    return [*HEADER, *(["against"] if block.gained else []), "settings"]


def cells(block: Block, line: Line) -> list[str]:
    """A run's cells under all columns but the last."""
    minutes = f"{line.seconds / 60:.1f} min" if line.seconds else "–"
    return [line.name, line.stage or "–", format_score(line.score), between(line.interval), line.done or "–",
            str(line.seeds), minutes, *([_gained(block.gained[line.name])] if block.gained else [])]


def _gained(gain: Gain) -> str:
    if gain.delta is None:
        return gain.note
    return f"{gain.delta:+.4f}" + (f" ({gain.interval[0]:+.4f} to {gain.interval[1]:+.4f}"
                                   f"{f', rows and {gain.of}' if gain.of else ''})" if gain.interval else "")


def _gain(block: Block, line: Line) -> dict[str, Any]:
    if not block.gained:
        return {}
    gain = block.gained[line.name]
    low, high = gain.interval or (None, None)
    return {"gain": gain.delta, "gain_low": low, "gain_high": high}


def settings(block: Block, line: Line) -> str:
    """The settings that differ within the block, but for what more than half of its runs have; a table that most have
    not is named alone. Of a run without a score, why it has none."""
    if line.note:
        return line.note
    told = []
    for key in block.differing:
        table = f"[{key.partition('.')[0]}]"
        if "." in key and 2 * sum(_has(other, table) for other in block.lines) <= len(block.lines):
            if _has(line, table) and table not in told:
                told.append(table)
            continue
        counts = Counter(json.dumps(other.settings.get(key), ensure_ascii=False) for other in block.lines)
        own = json.dumps(line.settings.get(key), ensure_ascii=False)
        if 2 * counts[own] <= len(block.lines):
            told.append(f"{key}={'unset' if own == 'null' else own}")
    return " ".join(told)


def _has(line: Line, table: str) -> bool:
    return any(key.startswith(f"{table[1:-1]}.") for key in line.settings)


def remarks(block: Block) -> list[str]:
    """What to keep in mind of a block."""
    told = []
    if block.flattered and format_score(block.flattered) != format_score(0.0):
        first = block.lines[0]
        told.append(f"choosing the best of {len(block.lines)} by these scores flatters it by about "
                    f"{block.flattered:.4f}: expect about "
                    f"{format_score((first.score or 0.0) - first.sign * block.flattered)} of {first.name}, or blend "
                    f"them: python -m stages blend NAME --of RUN --of RUN")
    return told


def records(blocks: Iterable[Block]) -> list[dict[str, Any]]:
    """Every run as a flat record, for CSV and JSON: its numbers, and the settings in which its block differs."""
    rows = []
    for number, block in enumerate(blocks):
        for line in block.lines:
            low, high = line.interval or (None, None)
            rows.append({"run": line.name, "block": number, "metric": line.metric, "stage": line.stage,
                         "score": line.score, "low": low, "high": high, "folds": line.done, "seed_count": line.seeds,
                         "seconds": line.seconds} | _gain(block, line) | {"note": line.note}
                        | {key: line.settings.get(key) for key in block.differing})
    return rows


def page(blocks: Sequence[Block]) -> str:
    """The same as one HTML page that needs no network and no script."""
    parts = ["<!doctype html>", '<html lang="en"><meta charset="utf-8"><title>Runs</title>', STYLE, "<h1>Runs</h1>"]
    for block in blocks:
        parts.append(f"<h2>{_safe(block.title)}</h2><table><tr>"
                     + "".join(f"<th scope=col>{_safe(name)}</th>" for name in header(block)) + "</tr>")
        for line in block.lines:
            own = [*cells(block, line), settings(block, line)]
            parts.append("<tr>" + "".join(f"<td>{_safe(cell)}</td>" for cell in own) + "</tr>")
        parts.append("</table>" + "".join(f"<p>{_safe(line)}</p>" for line in remarks(block)))
    return "\n".join([*parts, "</html>"]) + "\n"


def _safe(text: str) -> str:
    return html.escape(visible(text))
