"""The texts themselves: encoding debris, empty ones, what max_tokens cuts, what the vocabulary does not know."""

import re

import numpy as np
import pandas as pd

from pipeline.doctor.examined import Examined
from pipeline.doctor.finding import EXAMPLES, Finding, Severity, shown

DEBRIS = {
    "a replacement character": "\N{REPLACEMENT CHARACTER}",
    "mojibake of UTF-8": r"[ÃÂ][\x80-\xbf]|â€[™œ\x9d\x93\x94¦]|ï»¿|锟斤拷|烫烫烫|å[\x80-\xbf]",
    "an HTML entity": r"&(?:amp|lt|gt|quot|nbsp|#\d{2,5}|#x[0-9a-fA-F]{2,4});",
    "an HTML tag": r"</?(?:br|p|div|span|a|b|i)\b[^<>]*>",
    "an escape that was written out": r"\\u[0-9a-fA-F]{4}|\\x[0-9a-fA-F]{2}|\\[nrt](?=\W|$)",
    "a control character": r"[\x00-\x08\x0b\x0c\x0e-\x1f\x7f]",
}
CUT = 0.05  # share of a label's rows that are cut, from which it is told
APART = 2.0  # how many times more often one label is cut than another
UNKNOWN = 0.01  # share of unknown tokens, and how much larger test's is, from which it is told


def debris(seen: Examined) -> Finding | None:
    """Texts in which an encoding, HTML or an escape was not undone."""
    kinds, rows = dict[str, int](), np.zeros(len(seen.texts), bool)
    examples = list[str]()
    for name, pattern in DEBRIS.items():
        has = seen.texts.str.contains(pattern, regex=True).to_numpy(bool)
        if count := int(has.sum()):
            kinds[name] = count
            first = re.search(pattern, seen.texts.iloc[int(has.argmax())])
            at = max(0, first.start() - 15) if first else 0
            examples.append(f"{name} in {count:,}: {shown(seen.texts.iloc[int(has.argmax())][at:])}")
        rows |= has
    if not kinds:
        return None
    return Finding(Severity.note, f"{int(rows.sum()):,} texts hold {', '.join(kinds)}", int(rows.sum()),
                   tuple(sorted(examples, key=lambda line: -len(line))[:EXAMPLES]),
                   "an encoder has seldom seen them, and they take the place of tokens that say something",
                   "undo them in the files, in train and test alike; data.encoding reads another encoding",
                   {name: float(count) for name, count in kinds.items()})


def empty(seen: Examined) -> Finding | None:
    """Texts of nothing, or of one character."""
    short = np.flatnonzero(seen.normalised.str.len() < 2)
    if not len(short):
        return None
    return Finding(Severity.note, f"{len(short):,} texts are empty or one character", len(short),
                   tuple(shown(seen.id_and_text(int(row))) for row in short[:EXAMPLES]),
                   "nothing can be learnt from them, and their prediction is about the share of the label",
                   "look whether the text is in another column: data.text_columns")


def cut(seen: Examined) -> Finding | None:
    """Labels whose texts max_tokens cuts more often than others'."""
    full = seen.run.train_tokens.lengths >= seen.run.config.tokens.max_tokens
    table = pd.DataFrame({"label": seen.task.strata(seen.train.label), "full": full})
    by_label = table.groupby("label").full.agg(["mean", "size"])
    by_label = by_label[by_label["size"] >= 20]
    if len(by_label) < 2 or by_label["mean"].max() < CUT or by_label["mean"].max() < APART * by_label["mean"].min():
        return None
    names = {label: seen.task.label_text(seen.train.label.iloc[int((table.label == label).to_numpy().argmax())])
             for label in by_label.index}
    ranked = by_label["mean"].sort_values(ascending=False)
    lines = [f"{names[label]}: {share:.1%} of its texts" for label, share in ranked.items()]
    return Finding(Severity.warning, f"tokens.max_tokens = {seen.run.config.tokens.max_tokens} cuts the texts of some "
                   f"labels more often than those of others", int(full.sum()), (*lines[:2], lines[-1]),
                   "what is cut cannot be read, and that it was cut may itself tell the label",
                   f"--set tokens.max_tokens={2 * seen.run.config.tokens.max_tokens}")


def unknown(seen: Examined) -> Finding | None:
    """Whether test has more unknown tokens than train."""
    mark = seen.run.checkpoint.vocab.unknown
    shares = [float(np.mean(table.ids == mark)) if len(table.ids) else 0.0
              for table in (seen.run.train_tokens, seen.run.test_tokens)]
    if shares[1] < UNKNOWN or shares[1] < shares[0] + UNKNOWN:
        return None
    return Finding(Severity.warning, f"{shares[1]:.1%} of test's tokens are unknown to the vocabulary, {shares[0]:.1%} "
                   f"of train's", round(shares[1] * len(seen.run.test_tokens.ids)), (),
                   "test rows are read worse than the rows that are scored out of fold",
                   "look at what differs: another language, another encoding; or take an encoder that knows it")
