"""Labels made from a table of texts, to measure numbers and grades on where no competition's data are at hand.

    .venv/bin/python -m benchmarks.made_labels data/boyu/train.csv --column content --rows 4000

Writes data/made/score.csv, whose label is a number, and data/made/stars.csv, whose label is 1 to 5 stars. The score
is length (in characters) / 10 + the table's own label + a normal draw of sd 0.25, so that its best R² is known and
printed; stars are the score's fifths. The last tenth of the rows is the test table, data/made/test.csv.
"""

import argparse
from pathlib import Path

import numpy as np
import pandas as pd

from pipeline.competition.readers import delimited

NOISE = 0.25


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("table", type=Path)
    parser.add_argument("--column", default="text")
    parser.add_argument("--label", default="label")
    parser.add_argument("--rows", type=int, default=4000)
    options = parser.parse_args()
    table = delimited.read_table(options.table).drop_duplicates(options.column).sample(options.rows, random_state=2020)
    length, label = table[options.column].str.len(), table[options.label].astype(float)
    known = length / 10 + label
    score = known + np.random.default_rng(2020).normal(0, NOISE, len(table))
    stars = pd.qcut(score, 5, labels=False) + 1
    made = pd.DataFrame({"id": [f"m{row}" for row in range(len(table))], "text": table[options.column].tolist()})
    folder = Path("data/made")
    folder.mkdir(parents=True, exist_ok=True)
    rest = len(made) // 10
    for name, values in (("score", [f"{value:.4f}" for value in score]), ("stars", stars.astype(str).tolist())):
        made.assign(label=values)[:-rest].to_csv(folder / f"{name}.csv", index=False)
    made[-rest:].to_csv(folder / "test.csv", index=False)
    print(f"{len(made) - rest:,} rows; score: mean {score.mean():.3f}, sd {score.std():.3f}, R² at best "
          f"{1 - NOISE**2 / score.var():.3f}; stars: {np.bincount(stars)[1:].tolist()}")


if __name__ == "__main__":
    main()
