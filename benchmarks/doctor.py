"""What the doctor finds where faults are planted, how often it speaks where there are none, and how long it takes.

    .venv/bin/python -m benchmarks.doctor planted configs/boyu.toml
    .venv/bin/python -m benchmarks.doctor silent configs/boyu.toml --draws 100 --rows 2000
    .venv/bin/python -m benchmarks.doctor large --rows 100000 --characters 100
    .venv/bin/python -m benchmarks.doctor advice configs/boyu.toml

planted: near copies, turned labels, a token of one source and copies in test are put into the tables in memory.
silent: labels, the order of rows and what is train and what is test are drawn anew, each text kept once; whatever is
found then is found by chance, but for what texts themselves hold. large: made-up texts of characters as frequent as
those of a language. advice: what tf-idf scores on the other rows when texts with unlike labels, or the first suspects,
are dropped.
"""

import argparse
import dataclasses
import random
import resource
import tempfile
import time
from pathlib import Path

import numpy as np
import pandas as pd

from pipeline.competition import folds, near_copies
from pipeline.config import loading
from pipeline.doctor import checks, examined, label_suspects
from pipeline.doctor.examined import Examined
from pipeline.runs import opening
from pipeline.runs.run import Run

OF_TEXTS = ("B006", "B008", "B013", "B014", "B016")  # what a text holds stays in it however rows are drawn
CHECK = {check.code: check for check in checks.CHECKS}
CHARACTERS = 3_000


def with_tables(run: Run, train: pd.DataFrame, test: pd.DataFrame) -> Run:
    """The run with other tables in memory, its folds dealt again."""
    train = train.reset_index(drop=True)
    tables = dataclasses.replace(run.competition, train=train, test=test.reset_index(drop=True), sample=None)
    return dataclasses.replace(run, tables=tables, dealt=folds.deal(train, run.config.folds))


def planted(run: Run) -> None:
    rng, generator = np.random.default_rng(1), random.Random(1)
    train, test = run.competition.train, run.competition.test
    long = train[train.text.str.len() >= near_copies.SHORT + 1]
    chosen = long.sample(50, random_state=1)
    copies = chosen.assign(id=[f"copy-{row}" for row in range(50)],
                           text=[_edited(text, generator) for text in chosen.text])
    seen = Examined(with_tables(run, pd.concat([train, copies]), test))
    number = {key: place for place, key in enumerate(seen.train.id)}
    found = sum(seen.near[number[own]] == seen.near[number[copy]]
                for own, copy in zip(chosen.id, copies.id, strict=True))
    print(f"50 near copies: {found} found, recall {found / 50:.2f}")

    turned = rng.choice(len(train), len(train) // 20, replace=False)
    label = train.label.copy()
    label.iloc[turned] = 1 - label.iloc[turned]
    task = run.competition.task
    seen = Examined(with_tables(run, train.assign(label=label, stratum=task.strata(label)), test))
    assert seen.baseline_oof is not None
    ranked = label_suspects.rank(seen, seen.baseline_oof)
    assert ranked is not None
    first = ranked.id[:100].isin(train.id.iloc[turned]).mean()
    print(f"{len(turned):,} labels turned: {first:.2f} of the first 100 suspects are among them; contradictions stand "
          f"apart")

    marked = test.assign(text=[f"源{text}" if row % 2 else text for row, text in enumerate(test.text)])
    finding = CHECK["B007"].find(Examined(with_tables(run, train, marked)))
    print("a token in half of test: " + (f"{finding.what}; {finding.examples[0]}" if finding else "NOT FOUND"))

    known = set(folds.normalised(train))
    new = test[~folds.normalised(test).isin(known)]
    with_copies = pd.concat([new, train.sample(20, random_state=2).assign(id=[f"copy-{row}" for row in range(20)])])
    finding = CHECK["B003"].find(Examined(with_tables(run, train, with_copies[list(test)])))
    print("20 copies in test: " + (finding.what if finding else "NOT FOUND"))


def silent(run: Run, draws: int, rows: int) -> None:
    both = pd.concat([run.competition.train, run.competition.test], ignore_index=True)
    both = both[~pd.Series(Examined(run).near).duplicated().to_numpy()]
    task, accused = run.competition.task, dict.fromkeys(CHECK, 0)
    quiet = 0
    for draw in range(draws):
        rng = np.random.default_rng(draw)
        drawn = both.iloc[rng.permutation(len(both))[:rows]].reset_index(drop=True)
        half = len(drawn) * 2 // 3
        train, test = drawn[:half].copy(), drawn[half:][["id", "text"]].copy()
        train["id"], test["id"] = rng.permutation(half).astype(str), [f"t{row}" for row in range(len(test))]
        train["label"] = rng.permutation(np.resize(run.competition.train.label.to_numpy(), half))
        train = train.assign(stratum=task.strata(train.label), dev=False)
        seen = Examined(with_tables(run, train, test))
        spoke = [check.code for check in checks.CHECKS if check.code not in (*OF_TEXTS, "B012") and check.find(seen)]
        for code in spoke:
            accused[code] += 1
        quiet += not spoke
    told = ", ".join(f"{code} {count}" for code, count in accused.items() if count)
    print(f"{quiet} of {draws} draws of {rows:,} rows without a finding" + (f"; findings: {told}" if told else ""))


def large(rows: int, characters: int) -> None:
    rng = np.random.default_rng(0)
    alphabet = np.array([chr(0x4E00 + number) for number in range(CHARACTERS)])
    frequency = 1 / np.arange(1, CHARACTERS + 1)
    drawn = rng.choice(alphabet, (rows + rows // 4, characters), p=frequency / frequency.sum())
    texts = ["".join(row) for row in drawn]
    with tempfile.TemporaryDirectory() as folder:
        paths = Path(folder, "train.csv"), Path(folder, "test.csv")
        pd.DataFrame({"text": texts[:rows], "label": rng.integers(0, 2, rows)}).to_csv(paths[0], index=False)
        pd.DataFrame({"text": texts[rows:]}).to_csv(paths[1], index=False)
        settings = [f"data.train={paths[0]}", f"data.test={paths[1]}", "data.sample_submission=",
                    'data.text_columns=["text"]', "tokens.max_tokens=128"]
        run = opening.read(loading.load(Path("configs/boyu.toml"), settings, "large"))
        begin = time.monotonic()
        seen = Examined(run)
        for check in checks.CHECKS:
            start = time.monotonic()
            check.find(seen)
            print(f"{check.code} {check.name}: {time.monotonic() - start:.1f} s, {_peak():.2f} GiB so far", flush=True)
        print(f"{rows:,} rows and {rows // 4:,} of test, {characters} characters: {time.monotonic() - begin:.0f} s, "
              f"{_peak():.2f} GiB")


def _peak() -> float:
    """The most memory that this process has held, in GiB."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**20


def advice(run: Run) -> None:
    seen, train, task = Examined(run), run.competition.train, run.competition.task
    whole = seen.baseline_oof
    assert whole is not None
    ranked = label_suspects.rank(seen, whole)
    label = train.label.astype(str).groupby(seen.normalised[:len(train)].to_numpy())
    drops = {"texts with unlike labels": label.transform("nunique").to_numpy() > 1}
    if ranked is not None:
        drops |= {f"the first {first} suspects": train.id.isin(ranked.id[:first]).to_numpy()
                  for first in (50, 100, 200)}
    for name, dropped in drops.items():
        tables = dataclasses.replace(run.competition, train=train[~dropped].reset_index(drop=True))
        rest = examined.baseline_oof(dataclasses.replace(run, tables=tables, dealt=run.fold_of_row[~dropped]))
        assert rest is not None
        before = whole[whole.id.isin(rest.id)].reset_index(drop=True)
        old, new = (folds.grouped(table, train.id, run.groups) for table in (before, rest))
        change = task.describe_lead_change(task.lead_change(old, new, run.config.metric))
        print(f"{name}, {int(dropped.sum())} rows dropped; on the others {change}")


def _edited(text: str, generator: random.Random) -> str:
    at, way = generator.randrange(len(text)), generator.randrange(3)
    return text[:at] + ("" if way == 0 else "甲") + text[at + (way != 2):]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("what", choices=("planted", "silent", "large", "advice"))
    parser.add_argument("config", nargs="?", default="configs/boyu.toml")
    parser.add_argument("--draws", type=int, default=100)
    parser.add_argument("--rows", type=int, default=2_000)
    parser.add_argument("--characters", type=int, default=100)
    arguments = parser.parse_args()
    if arguments.what == "large":
        large(arguments.rows, arguments.characters)
        return
    run = opening.read(loading.load(Path(arguments.config)))
    if arguments.what == "planted":
        planted(run)
    elif arguments.what == "advice":
        advice(run)
    else:
        silent(run, arguments.draws, arguments.rows)


if __name__ == "__main__":
    main()
