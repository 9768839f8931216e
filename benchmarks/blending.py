"""How honest a blend's nested score is: members are simulated, so that what the blend is truly worth is known.

    .venv/bin/python -m benchmarks.blending --rows 2000 --members 5 --sets 50
    .venv/bin/python -m benchmarks.blending --rows 100000 --members 20 --sets 1 --time

Each member's score is the label times a strength, which differs a little from member to member, plus noise that all
share and noise of their own; the truth is the AUC of 100,000 further rows. Numbers are against those of the plain mean
on the same rows, since they vary far less. The last lines say by how much the best member is flattered for being the
best, and by how much ``stages runs`` would say that it is.
"""

import argparse
import time
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import pandas as pd

from pipeline.blending import estimate
from pipeline.blending.estimate import Blend
from pipeline.blending.member import Member, Model, Rows
from pipeline.metrics import scores
from pipeline.results.best_of_many import flattered
from pipeline.tasks.binary import Binary

POPULATION = 100_000
D_PRIME = 1.987  # distance of the classes in standard deviations: an AUC of 0.92
SHARED = 0.85  # of a member's noise
UNLIKE = 0.03  # standard deviation of the members' strengths, as a share
POSITIVE = 1 / 3
METHODS = ("mean", "logit", "rank", "greedy", "half greedy", "nnls", "vote")


@dataclass(frozen=True)
class Simulated:
    """Members' logits, float64 [members, rows], and the rows' labels."""

    logits: npt.NDArray[np.float64]
    label: npt.NDArray[np.int64]


def simulated(rng: np.random.Generator, rows: int, strengths: npt.NDArray[np.float64]) -> Simulated:
    label = (rng.random(rows) < POSITIVE).astype(np.int64)
    own = rng.normal(size=(len(strengths), rows))
    noise = np.sqrt(SHARED) * rng.normal(size=rows) + np.sqrt(1 - SHARED) * own
    score = strengths[:, None] * label + noise
    prior = np.log(POSITIVE / (1 - POSITIVE))
    return Simulated(strengths[:, None] * (score - strengths[:, None] / 2) + prior, label)


def blend(known: Simulated, further: Simulated, shrink: float) -> Blend:
    """The product's own blend of simulated members on five folds."""
    rows = len(known.label)
    fold = _folds(known.label)
    keys = pd.DataFrame({"id": np.arange(rows).astype(str), "fold": fold, "label": known.label})
    members = [Member(f"member {number:02d}", tuple(
        Model(np.flatnonzero(fold == own), logits[fold == own, None], test[:, None]) for own in range(5)), str(number))
        for number, (logits, test) in enumerate(zip(known.logits, further.logits, strict=True))]
    test_keys = pd.DataFrame({"id": np.arange(len(further.label)).astype(str)})
    group = np.arange(rows)
    return Blend(Rows(Binary("0", "1"), keys, test_keys), members, None, shrink, pd.Series(known.label), group,
                 known.label)


def one_set(rng: np.random.Generator, rows: int, members: int) -> tuple[dict[str, dict[str, float]], float, float]:
    """Of each method: optimism, nested minus truth, and gain over the plain mean, all against the plain mean's; by how
    much the best member is flattered, against the mean of them, and by how much it is said to be."""
    strengths = D_PRIME * (1 + UNLIKE * rng.normal(size=members))
    known, further = simulated(rng, rows, strengths), simulated(rng, POPULATION, strengths)
    found: dict[str, tuple[float, float, float]] = {}
    for name in METHODS:
        made = blend(known, further, 0.5 if name.startswith("half") else 0.0)
        part = made.estimate(name.rpartition(" ")[2])
        assert part.nested is not None
        assert part.in_sample is not None
        found[name] = part.nested, part.in_sample, _auc(further.label, made.test_table(part).logit.to_numpy())
    nested, in_sample, truth = found["mean"]
    alone = [_auc(known.label, logits) for logits in known.logits]
    best = int(np.argmax(alone))
    truths = [_auc(further.label, logits) for logits in further.logits]
    found["best member"] = alone[best], alone[best], truths[best]
    excess = np.array(alone) - truths
    fold = _folds(known.label)
    said = flattered([[_auc(known.label[fold == own], logits[fold == own]) for own in range(5)]
                      for logits in known.logits], 1)
    assert said is not None
    return {name: {"in sample - truth": (own[1] - in_sample) - (own[2] - truth),
                   "nested - truth": (own[0] - nested) - (own[2] - truth), "true gain": own[2] - truth}
            for name, own in found.items()}, float(excess[best] - excess.mean()), said


def _folds(label: npt.NDArray[np.int64]) -> npt.NDArray[np.int64]:
    """Five, stratified."""
    fold = np.zeros(len(label), np.int64)
    fold[np.argsort(label, kind="stable")] = np.arange(len(label)) % 5
    return fold


def _auc(label: npt.NDArray[np.int64], score: npt.NDArray[np.floating]) -> float:
    area = scores.auc(label, score)
    assert area is not None
    return area


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rows", type=int, default=2000)
    parser.add_argument("--members", type=int, default=5)
    parser.add_argument("--sets", type=int, default=50)
    parser.add_argument("--time", action="store_true", help="the time of the default, all candidates, on one set")
    options = parser.parse_args()
    rng = np.random.default_rng(2020)
    if options.time:
        strengths = D_PRIME * (1 + UNLIKE * rng.normal(size=options.members))
        made = blend(simulated(rng, options.rows, strengths), simulated(rng, 10_000, strengths), 0.5)
        group = pd.Series(np.arange(options.rows), index=made.rows.keys.id)
        begin = time.perf_counter()
        best, _, why = estimate.chosen(made, "auto", group)
        print(f"{options.members} members, {options.rows:,} rows: {time.perf_counter() - begin:.1f} s; {best.method}: "
              f"{why}")
        return
    results = [one_set(rng, options.rows, options.members) for _ in range(options.sets)]
    sets = [made for made, _, _ in results]
    print(f"{options.rows:,} rows, {options.members} members, {options.sets} sets; x 1e-4 AUC, mean (standard error)\n")
    columns = list(next(iter(sets[0].values())))
    print("| method | " + " | ".join(columns) + " |\n|---|" + "---|" * len(columns))
    for name in sets[0]:
        values = {column: 1e4 * np.array([made[name][column] for made in sets]) for column in columns}
        print(f"| {name} | " + " | ".join(
            f"{own.mean():+.1f} ({own.std(ddof=1) / np.sqrt(len(own)):.1f})" for own in values.values()) + " |")
    for what, number in (("is flattered", 1), ("is said to be flattered", 2)):
        own = 1e4 * np.array([result[number] for result in results])
        print(f"\nthe best member {what} by {own.mean():.1f} ({own.std(ddof=1) / np.sqrt(len(own)):.1f})")


if __name__ == "__main__":
    main()
