"""Makes competitions of the other kinds of label out of one of event labels, and the configurations to run them.

    python -m benchmarks.kinds data/event-multilabel/train.csv data/made
    ./run_all.sh data/made/multiclass.toml        # pair, multioutput, tags

multiclass: sentences of one event, its class what stands before "-". pair: two sentences each, whether they are of the
same class. multioutput: that class, and whether there are several events. tags: where words begin and end (BMES) as
jieba segments them, so the encoder has to learn a dictionary and a model.
"""

import random
from pathlib import Path
from typing import Annotated, Any

import pandas as pd
import tomli_w
import typer

from pipeline.text.word_starts import word_starts

ROWS = 4_000
TEST = 500
BASE: dict[str, Any] = {"folds": {"n": 2}, "bert": {"checkpoint": "data/bert/small_chinese"},
                        "tokens": {"max_tokens": 64}, "stage1": {"epochs": 4, "learning_rate": 5e-4}}


def kinds(source: Annotated[Path, typer.Argument(help="label,content with labels joined by |")],
          target: Annotated[Path, typer.Argument(help="folder for the tables and configurations")]) -> None:
    """Writes <kind>.csv, <kind>_test.csv and <kind>.toml for each of four kinds."""
    table = pd.read_csv(source, dtype=str).sample(frac=1, random_state=0)
    coarse = table.label.str.extract(r"^([^-|]*)")[0].to_numpy()
    several = table.label.str.contains("|", regex=False).astype(int).to_numpy()
    texts = table.content.str.replace(r"\s+", "", regex=True).to_numpy()
    rng, single = random.Random(0), [row for row in range(len(table)) if not several[row]]

    def partner(row: int) -> int:
        same = rng.random() < 0.5
        return next(other for other in iter(lambda: rng.choice(single), None)
                    if (coarse[other] == coarse[row]) == same and other != row)

    pairs = [(row, partner(row)) for row in single]
    made: dict[str, tuple[pd.DataFrame, dict[str, Any]]] = {
        "multiclass": (pd.DataFrame({"text": texts[single], "label": coarse[single]}), {}),
        "pair": (pd.DataFrame({"text": [texts[one] for one, _ in pairs], "other": [texts[two] for _, two in pairs],
                               "label": [str(int(coarse[one] == coarse[two])) for one, two in pairs]}),
                 {"data": {"text_columns": ["text", "other"]}, "tokens": {"max_tokens": 96}}),
        "multioutput": (pd.DataFrame({"text": texts, "class": coarse, "several": several}),
                        {"data": {"label_columns": ["class", "several"]}}),
        "tags": (pd.DataFrame({"text": [" ".join(text) for text in texts],
                               "label": [" ".join(bmes(text)) for text in texts]}),
                 {"tokens": {"max_tokens": 128}}),
    }
    target.mkdir(parents=True, exist_ok=True)
    for kind, (rows, settings) in made.items():
        train, test = rows[:ROWS], rows[ROWS:ROWS + TEST]
        train.to_csv(target / f"{kind}.csv", index=False)
        test.to_csv(target / f"{kind}_test.csv", index=False)
        data = {"train": str(target / f"{kind}.csv"), "test": str(target / f"{kind}_test.csv")}
        task = "binary" if kind == "pair" else kind
        config = {"task": task, **BASE, **settings, "data": data | settings.get("data", {})}
        (target / f"{kind}.toml").write_text(tomli_w.dumps(config), encoding="utf-8")
        print(f"{target / kind}.toml: {len(train):,} rows")


def bmes(text: str) -> list[str]:
    """B, M, E and S of a text's characters, by the words that jieba finds."""
    starts = word_starts(text).tolist()
    ends = [*starts[1:], True]
    return ["S" if begin and end else "B" if begin else "E" if end else "M"
            for begin, end in zip(starts, ends, strict=True)]


if __name__ == "__main__":
    typer.run(kinds)
