"""A tiny competition and a BERT to go with it, made in the present folder."""

import random
from pathlib import Path

import pandas as pd

from pipeline.checkpoints import encoder_config, google
from pipeline.checkpoints.encoder_config import EncoderConfig
from pipeline.text.vocabulary import SPECIAL, Vocabulary

CHARACTERS = "鱼肉菜汤饭面香辣鲜嫩好差慢贵咸淡很不真太abc123"
TINY = EncoderConfig(vocab_size=len(SPECIAL) + len(CHARACTERS), hidden=16, layers=2, heads=2, intermediate=32,
                  positions=32, segments=2, activation="gelu_tanh")

CONFIG = """
[data]
train = "data/train.csv"
test = "data/test.csv"
sample_submission = "data/sample_submission.csv"
id_column = "id"

[folds]
n = 3

[bert]
checkpoint = "data/bert"

[stage1]
epochs = 2
batch_size = 8
learning_rate = 1e-3

[stage2]
epochs = 2
learning_rate = 1e-2

[hardware]
threads_per_cell = 1
jobs = 1
xla = false
"""


def make_tables(rows: int = 48, test_rows: int = 12, seed: int = 0) -> tuple[pd.DataFrame, pd.DataFrame]:
    """A learnable toy: texts with 香 are positive. One in three is; some texts repeat."""
    rng = random.Random(seed)

    def text(positive: bool) -> str:
        others = [c for c in CHARACTERS if c != "香"]
        body = rng.choices(others, k=rng.randint(3, 9))
        if positive:
            body[rng.randrange(len(body))] = "香"
        return "".join(body)

    labels = [int(row % 3 == 0) for row in range(rows)]
    texts = [text(bool(label)) for label in labels]
    texts[-1] = texts[1]
    train = pd.DataFrame({"id": [f"r{row:03d}" for row in range(rows)], "text": texts, "label": labels})
    test = pd.DataFrame({"id": [f"t{row:03d}" for row in range(test_rows)],
                         "text": [text(row % 3 == 0) for row in range(test_rows)]})
    return train, test


def make_project(bert: EncoderConfig = TINY) -> None:
    """Writes the tiny competition, with a random encoder of that shape, into the present folder."""
    train, test = make_tables()
    Path("data").mkdir()
    Path("configs").mkdir()
    train.to_csv("data/train.csv", index=False)
    test.to_csv("data/test.csv", index=False)
    shuffled = test.sample(frac=1, random_state=1)
    pd.DataFrame({"ID": shuffled.id, "Prediction": 0.5}).to_csv("data/sample_submission.csv", index=False)
    vocab = [*SPECIAL, *CHARACTERS]
    google.write(Path("data/bert"), bert, Vocabulary(vocab), encoder_config.random_tensors(bert, 1))
    Path("configs/toy.toml").write_text(CONFIG)
