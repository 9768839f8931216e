"""The three sides that benchmarks/throughput.py measures, each in a process of its own.

    python -m benchmarks.sides SIDE SIZE ROWS.json      prints one JSON line

published: keras-bert, ``fit`` on a Python generator, random batches padded to their longest, the unmasked head.
project: this project's step on its own batches. hugging_face: BertModel on PyTorch, fused AdamW, length buckets (needs
torch and transformers). All: random weights, batch 16, both cores, the same rows; training is measured over whole
passes after a warm-up that compiles every shape.
"""

import json
import resource
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np

from pipeline.batches import Plan, bucket_widths
from pipeline.checkpoint import BertConfig
from pipeline.tokens import TokenTable

BATCH, PREDICT_BATCH, BUCKETS = 16, 64, 4
SIZES = {
    "base": BertConfig(21128, 768, 12, 12, 3072, 32, 2, "gelu_tanh"),
    "small": BertConfig(21128, 256, 4, 4, 1024, 32, 2, "gelu_tanh"),
}
Pass = Callable[[], Any]


def published(bert: BertConfig, table: TokenTable, label: np.ndarray) -> tuple[Pass, Pass]:
    """Training and prediction pass as the published script does them."""
    from pipeline.backend import SeqSelfAttention, keras, keras_bert

    inputs, sequence = keras_bert.get_model(
        token_num=bert.vocab_size, pos_num=bert.positions, seq_len=None, embed_dim=bert.hidden,
        transformer_num=bert.layers, head_num=bert.heads, feed_forward_dim=bert.intermediate, training=False,
        trainable=True)
    sequence = keras.layers.Lambda(lambda x: x[:, :])(sequence)
    attention = SeqSelfAttention(attention_activation="softmax")(sequence)
    pooled = keras.layers.Concatenate()([
        keras.layers.GlobalAveragePooling1D()(sequence), keras.layers.GlobalMaxPooling1D()(sequence),
        keras.layers.Lambda(lambda x: x[:, 0])(attention)])
    model = keras.Model(inputs, keras.layers.Dense(1, activation="sigmoid")(pooled))
    model.compile(loss="binary_crossentropy", optimizer=keras.optimizers.Adam(1e-5), metrics=["accuracy"])
    rng = np.random.default_rng(0)
    rows = len(table.lengths)
    steps = -(-rows // BATCH)

    def batches(shuffle: bool) -> Iterator[tuple[tuple[np.ndarray, np.ndarray], np.ndarray]]:
        while True:
            order = rng.permutation(rows) if shuffle else np.arange(rows)
            for at in range(0, rows, BATCH):
                part = order[at:at + BATCH]
                yield table.batch(part, int(table.lengths[part].max())), label[part, None]

    return (lambda: model.fit(batches(True), steps_per_epoch=steps, epochs=1, verbose=0),
            lambda: model.predict(((x,) for x, _ in batches(False)), steps=steps, verbose=0))


def project(bert: BertConfig, table: TokenTable, label: np.ndarray) -> tuple[Pass, Pass]:
    """Training and prediction pass of this project's stage 1."""
    from pipeline.config import Bert, Config, Data, Stage1
    from pipeline.network import Network
    from pipeline.training import Trainer, pad_rows

    recipe = Stage1(batch_size=BATCH, learning_rate=1e-5)
    config = Config(name="bench", data=Data(train="-", test="-"), bert=Bert(checkpoint="-"), stage1=recipe)
    network = Network(bert, config)
    trainer = Trainer(network, recipe, head_only=False, from_vectors=False)
    plan = Plan(bucket_widths(table.lengths, BUCKETS))
    rng = np.random.default_rng(0)
    rows = np.arange(len(table.lengths))

    def train() -> None:
        for batch in plan.shuffled(table.lengths, rows, BATCH, rng):
            padded, weight = pad_rows(batch, BATCH)
            loss = trainer.step(table.batch(padded, batch.width), label[padded], weight, 1e-5)
        float(loss)

    return train, lambda: network.predict(table, rows, plan, PREDICT_BATCH)


def hugging_face(bert: BertConfig, table: TokenTable, label: np.ndarray) -> tuple[Pass, Pass]:
    """Training and prediction pass of BertModel with a linear head on average, max and [CLS]."""
    import torch
    from transformers import BertConfig as HfConfig
    from transformers import BertModel

    config = HfConfig(vocab_size=bert.vocab_size, hidden_size=bert.hidden, num_hidden_layers=bert.layers,
                      num_attention_heads=bert.heads, intermediate_size=bert.intermediate,
                      max_position_embeddings=bert.positions, attention_probs_dropout_prob=0.0)
    model, head = BertModel(config, add_pooling_layer=False), torch.nn.Linear(3 * bert.hidden, 1)
    optimizer = torch.optim.AdamW([*model.parameters(), *head.parameters()], lr=1e-5, fused=True)
    plan = Plan(bucket_widths(table.lengths, BUCKETS))
    rng = np.random.default_rng(0)
    rows = np.arange(len(table.lengths))

    def logit_of(part: np.ndarray, width: int) -> Any:
        ids, segments = (torch.from_numpy(values).long() for values in table.batch(part, width))
        mask = ids > 0
        sequence = model(input_ids=ids, token_type_ids=segments, attention_mask=mask.long()).last_hidden_state
        real = mask[:, :, None].float()
        pooled = torch.cat([(sequence * real).sum(1) / real.sum(1),
                            sequence.masked_fill(~mask[:, :, None], -1e9).amax(1), sequence[:, 0]], dim=-1)
        return head(pooled)[:, 0]

    def train() -> None:
        model.train()
        for batch in plan.shuffled(table.lengths, rows, BATCH, rng):
            optimizer.zero_grad(set_to_none=True)
            target = torch.from_numpy(label[batch.rows])
            loss = torch.nn.functional.binary_cross_entropy_with_logits(logit_of(batch.rows, batch.width), target)
            loss.backward()
            torch.nn.utils.clip_grad_norm_([*model.parameters(), *head.parameters()], 1.0)
            optimizer.step()

    def predict() -> None:
        model.eval()
        with torch.inference_mode():
            for batch in plan.ordered(table.lengths, rows, PREDICT_BATCH):
                logit_of(batch.rows, batch.width).numpy()

    return train, predict


def main() -> None:
    side, size, path = sys.argv[1:]
    raw = json.loads(Path(path).read_text())
    lengths = np.array([len(row) for row in raw["rows"]])
    table = TokenTable(np.concatenate(raw["rows"]).astype(np.int32), np.concatenate([[0], np.cumsum(lengths)]),
                       lengths.astype(np.int32))
    label = np.array(raw["label"], np.float32)
    started = time.perf_counter()
    train, predict = {"published": published, "project": project, "hugging_face": hugging_face}[side](
        SIZES[size], table, label)
    train()
    predict()
    warm = time.perf_counter() - started
    result = {"side": side, "size": size, "first_pass_seconds": warm}
    for name, one in (("train", train), ("predict", predict)):
        begin = time.perf_counter()
        one()
        result[name] = len(lengths) / (time.perf_counter() - begin)
    result["peak_mb"] = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    print(json.dumps(result))


if __name__ == "__main__":
    main()
