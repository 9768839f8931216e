"""Predicts a competition's test file with this bundle and writes the submission. Needs onnxruntime and tokenizers.

    python score.py TEST SUBMISSION [SAMPLE]

TEST is read as the run's own test file was; the rows of the submission are in its order, or in that of SAMPLE, the
organiser's sample submission. First the bundle predicts the rows of selftest.json, and stops where it does not say what
the run said of them.
"""

import csv
import io
import json
import sys
import time
from pathlib import Path
from typing import Any

import numpy as np
import onnxruntime
from tokenizers import Tokenizer

HERE = Path(__file__).resolve().parent
ROWS_AT_ONCE = 64
TOLERANCE = 1e-5
csv.field_size_limit(1_000_000)
LONGEST_WORD = 100  # characters a token, beyond which a text is never read


def main(arguments: list[str]) -> None:
    if len(arguments) not in (2, 3):
        sys.exit(__doc__)
    bundle = json.loads((HERE / "bundle.json").read_text(encoding="utf-8"))
    session = onnxruntime.InferenceSession(str(HERE / "model.onnx"), providers=["CPUExecutionProvider"])
    tokenizer = Tokenizer.from_file(str(HERE / "tokenizer.json"))
    tokenizer.no_padding()
    tokenizer.encode_special_tokens = True
    tokenizer.no_truncation()
    self_test(session, tokenizer, bundle)
    ids, texts = read(Path(arguments[0]), bundle)
    predictions = answers(probabilities(session, tokenizer, bundle, texts, show=True), bundle)
    order = list(range(len(ids)))
    if len(arguments) == 3:
        place = {name: row for row, name in enumerate(ids)}
        wanted = [row[0] for row in rows_of(Path(arguments[2]), None, None, True)[1:]]
        if missing := [name for name in wanted if name not in place]:
            sys.exit(f"{arguments[2]}: {len(missing)} ids are not in {arguments[0]}, for example {missing[0]!r}")
        order = [place[name] for name in wanted]
    with Path(arguments[1]).open("w", encoding="utf-8", newline="") as file:
        writer = csv.writer(file, lineterminator="\n")
        writer.writerow(bundle["header"])
        writer.writerows([ids[row], *predictions[row]] for row in order)
    print(f"{arguments[1]}: {len(order):,} rows", file=sys.stderr)


def self_test(session: Any, tokenizer: Any, bundle: dict[str, Any]) -> None:
    """Stops the program where the bundle predicts other probabilities than the run did."""
    known = json.loads((HERE / "selftest.json").read_text(encoding="utf-8"))
    own = probabilities(session, tokenizer, bundle, known["texts"])
    difference = float(np.abs(own - np.array(known["probabilities"], np.float32)).max())
    if not difference <= TOLERANCE:
        sys.exit(f"self-test failed: probabilities of {len(known['texts'])} known texts differ by {difference:.2g} "
                 f"from the run's; this bundle must not be used here")
    print(f"self-test: {len(known['texts'])} known texts agree to {difference:.1g}", file=sys.stderr)


def read(path: Path, bundle: dict[str, Any]) -> tuple[list[str], list[list[str]]]:
    """The ids and the texts of a table, JSON lines or a JSON array."""
    columns = bundle["text_columns"]
    if path.suffix in (".json", ".jsonl"):
        text = path.read_text(encoding="utf-8-sig")
        rows = json.loads(text) if text.lstrip().startswith("[") else [
            json.loads(line) for line in text.splitlines() if line.strip()]
        table = [{name: "" if value is None else str(value) for name, value in row.items()} for row in rows]
    else:
        header, *rows = rows_of(path, bundle["header_of_test"], bundle["separator"], bundle["quoting"],
                                bundle["encoding"]) or [columns]
        if missing := [name for name in columns if name not in header]:
            sys.exit(f"{path}: no column {missing[0]!r}; it has {header}")
        table = [dict(zip(header, row, strict=True)) for row in rows]
    name = bundle["id_column"]
    ids = [row[name] if name else str(number) for number, row in enumerate(table)]
    return ids, [[row[column] for column in columns] for row in table]


def rows_of(path: Path, header: list[str] | None, separator: str | None, quoting: bool, encoding: str | None = None
            ) -> list[list[str]]:
    """The header and the rows of a table."""
    raw = path.read_bytes()
    try:
        text = raw.decode("utf-8-sig")
    except UnicodeDecodeError:
        text = raw.decode(encoding or "utf-8")
    first = text.partition("\n")[0]
    reader = csv.reader(io.StringIO(text, newline=""), delimiter=separator or max(",\t;|", key=first.count),
                        quoting=csv.QUOTE_MINIMAL if quoting else csv.QUOTE_NONE)
    rows = list(reader)
    while rows and not rows[-1]:
        rows.pop()
    width = len(header or (rows[0] if rows else []))
    rows = [row or [""] for row in rows] if width == 1 else [row for row in rows if row]  # an empty line is a text
    return [header, *rows] if header else rows


def probabilities(session: Any, tokenizer: Any, bundle: dict[str, Any], texts: list[list[str]], show: bool = False
                  ) -> Any:
    """float32 [rows, outputs]: the mean of the folds, texts of about one length at a time."""
    encoded = [tokens(tokenizer, bundle, row) for row in texts]
    order = sorted(range(len(encoded)), key=lambda row: len(encoded[row][0]))
    result = np.zeros((len(encoded), bundle["outputs"]), np.float32)
    begin = told = time.monotonic()
    for at in range(0, len(order), ROWS_AT_ONCE):
        some = order[at:at + ROWS_AT_ONCE]
        width = max(len(encoded[row][0]) for row in some)
        ids, mask, segments = (np.zeros((len(some), width), np.int32) for _ in range(3))
        ids[:] = bundle["pad"]
        for place, row in enumerate(some):
            own, second = encoded[row]
            ids[place, :len(own)], mask[place, :len(own)], segments[place, second:len(own)] = own, 1, 1
        inputs = {"input_ids": ids, "input_mask": mask, "segment_ids": segments}
        result[some] = session.run(["probabilities"], inputs)[0]
        if show and time.monotonic() - told > 5:
            told, done = time.monotonic(), at + len(some)
            pace = done / (told - begin)
            print(f"{done:,} of {len(order):,} rows, {pace:,.0f} rows/s, about {(len(order) - done) / pace:.0f} s left",
                  file=sys.stderr, flush=True)
    return result


def tokens(tokenizer: Any, bundle: dict[str, Any], texts: list[str]) -> tuple[list[int], int]:
    """The ids of a text or of a pair with their special tokens, cut as the run cuts; and where the second begins."""
    before, between, after = bundle["before"], bundle["between"], bundle["after"]
    room = bundle["max_tokens"] - len(before) - len(between) * (len(texts) - 1) - len(after)
    begun = [text[:LONGEST_WORD * bundle["max_tokens"]] for text in texts]
    parts = [tokenizer.encode(text, add_special_tokens=False).ids for text in begun]
    if len(parts) == 1:
        row = [*before, *parts[0][:room], *after]
        return row, len(row)
    first, second = map(len, parts)
    excess = max(0, first + second - room)
    level = min(excess, abs(first - second))
    cut = (level if first > second else 0) + (excess - level) // 2
    kept = parts[0][:first - cut], parts[1][:second - (excess - cut)]
    row = [*before, *kept[0], *between, *kept[1], *after]
    return row, len(before) + len(kept[0]) + len(between) if bundle["second_segment"] else len(row)


def answers(probability: Any, bundle: dict[str, Any]) -> list[list[Any]]:
    """What the submission says of each row, by the rule that the run's own follows."""
    rule, kind = bundle["rule"], bundle["rule"]["kind"]
    labels = rule.get("labels", [])
    if kind == "columns":
        values = np.concatenate([1 - probability, probability], axis=1) if rule["both"] else probability
        return [[float(values[row, number]) for number in rule["take"]] for row in range(len(values))]
    if kind == "values":
        values = rule["from"] + rule["step"] * (probability.sum(axis=1, keepdims=True) if rule["sum"] else probability)
        if rule["round_to"]:
            values = np.round(np.rint(values.astype(np.float64) / rule["round_to"]) * rule["round_to"], 10)
            values = values if rule["limits"] is None else values.clip(*rule["limits"])
        return values[:, rule["take"]].tolist()
    if kind == "threshold":
        return [[labels[int(p[0] >= np.float32(rule["at"]))]] for p in probability]
    if kind == "likeliest":
        best = np.argsort(-probability, axis=1, kind="stable")[:, :rule["count"]]
        return [[" ".join(labels[number] for number in row)] for row in best]
    if kind == "thresholds":
        over = probability >= np.array(rule["at"])
        return [[rule["separator"].join(np.array(labels)[row]) or rule["none"]] for row in over]
    grade = np.searchsorted(rule["at"], (probability.sum(axis=1) if rule["sum"] else probability[:, 0]).astype(
        np.float64), side="right")
    return [[labels[number]] for number in grade]


if __name__ == "__main__":
    main(sys.argv[1:])
