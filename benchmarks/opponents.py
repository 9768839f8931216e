"""What the benchmarks measure this project against: the published loop on keras-bert, and Hugging Face on PyTorch.

No command of its own: benchmarks/throughput.py and benchmarks/end_to_end.py run it. Nothing here uses the project's
batches or network.
"""

import itertools
from collections.abc import Callable, Iterator, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from pipeline.arrays import Tensors
from pipeline.checkpoints.encoder_config import EncoderConfig
from pipeline.text.token_table import TokenTable

BATCH, PREDICT_BATCH, WIDTHS = 16, 64, 4
STAGE2_EPOCHS = 8
WARM_UP = 8 * BATCH  # rows; nothing is compiled for a shape here
SIZES = {
    "base": EncoderConfig(21128, 768, 12, 12, 3072, 32, 2, "gelu_tanh"),
    "small": EncoderConfig(21128, 256, 4, 4, 1024, 32, 2, "gelu_tanh"),
}
Ints = npt.NDArray[np.int64]
Floats = npt.NDArray[np.float32]
Passes = dict[str, Callable[[], Any]]  # "warm_up" and what is measured after it: "train" and "predict", or "stage2"


def published(bert: EncoderConfig, table: TokenTable, label: Floats, threads: int, used: Ints) -> Passes:
    """Stage 1 as the published script runs it; on all cores, TensorFlow's default, whatever ``threads`` is."""
    model = published_model(bert)
    compile_stage1(model, 1e-5)
    rows = np.arange(len(table.lengths))

    def train(rows: Ints = rows) -> None:
        published_fit(model, table, label, rows)

    def predict(rows: Ints = rows) -> None:
        published_predict(model, table, rows)

    def warm_up() -> None:
        train(rows[:WARM_UP])
        predict(rows[:WARM_UP])

    return {"warm_up": warm_up, "train": train, "predict": predict}


def published_stage2(bert: EncoderConfig, table: TokenTable, label: Floats, threads: int, used: Ints) -> Passes:
    """Stage 2 as the published script runs it, on all cores: every epoch runs the frozen encoder again."""
    model = published_model(bert)
    compile_stage2(model)
    train, valid = one_fold(table)
    return {"warm_up": lambda: published_fit(model, table, label, train[:WARM_UP], valid[:WARM_UP]),
            "stage2": lambda: published_fit(model, table, label, train, valid, STAGE2_EPOCHS)}


def one_fold(table: TokenTable) -> tuple[Ints, Ints]:
    """Training rows, the first four fifths, and validation rows."""
    rows = np.arange(len(table.lengths))
    return rows[:len(rows) * 4 // 5], rows[len(rows) * 4 // 5:]


def published_model(bert: EncoderConfig, tensors: Tensors | None = None) -> Any:
    """The published network, int32 [rows, tokens] twice -> probability [rows, 1]; random weights without ``tensors``.

    The Lambda drops the mask, so poolings and attention read padding.
    """
    from pipeline.backend import SeqSelfAttention, keras, keras_bert, tf

    activations = {"gelu_tanh": "gelu", "gelu_erf": tf.nn.gelu, "relu": "relu"}
    inputs, sequence = keras_bert.get_model(
        token_num=bert.vocab_size, pos_num=bert.positions, seq_len=None, embed_dim=bert.hidden,
        transformer_num=bert.layers, head_num=bert.heads, feed_forward_dim=bert.intermediate,
        feed_forward_activation=activations[bert.activation], training=False, trainable=True)
    sequence = keras.layers.Lambda(lambda x: x[:, :])(sequence)
    attention = SeqSelfAttention(attention_activation="softmax", name="head_attention")(sequence)
    pooled = keras.layers.Concatenate()([
        keras.layers.GlobalAveragePooling1D()(sequence), keras.layers.GlobalMaxPooling1D()(sequence),
        keras.layers.Lambda(lambda x: x[:, 0])(attention)])
    model = keras.Model(inputs, keras.layers.Dense(1, activation="sigmoid", name="head_dense")(pooled))
    if tensors is not None:
        from pipeline.model.encoders.keras_bert import keras_bert_variables

        for name, variable in keras_bert_variables(model, bert).items():
            variable.assign(tensors[name])
    return model


def compile_stage1(model: Any, learning_rate: float) -> None:
    """Encoder and head under binary cross-entropy."""
    from pipeline.backend import keras

    model.compile(loss="binary_crossentropy", optimizer=keras.optimizers.Adam(learning_rate), metrics=["accuracy"])


def compile_stage2(model: Any) -> None:
    """The head alone on smooth F1; the frozen encoder's dropout stays on, as Keras has it."""
    from pipeline.backend import keras, tf

    def minus_f1(label: Any, probability: Any) -> Any:
        small = keras.backend.epsilon()
        both, either = tf.reduce_sum(label * probability), tf.reduce_sum(label + probability)
        return -(2 * both + small) / (either + small)

    for layer in model.layers:
        layer.trainable = layer.name.startswith("head_")
    model.compile(loss=minus_f1, optimizer=keras.optimizers.Adam(1e-7), metrics=["accuracy"])


def published_fit(model: Any, table: TokenTable, label: Floats, train: Ints, valid: Ints | None = None,
                  epochs: int = 1, callbacks: Sequence[Any] = ()) -> None:
    """``fit`` on a generator, reshuffled every epoch; with ``valid``, validation after each."""
    validation = {} if valid is None else {"validation_data": _batches(table, label, valid),
                                           "validation_steps": _steps(valid)}
    model.fit(_batches(table, label, train, np.random.default_rng(0)), steps_per_epoch=_steps(train), epochs=epochs,
              callbacks=list(callbacks), verbose=0, **validation)


def published_predict(model: Any, table: TokenTable, rows: Ints) -> Floats:
    """Probabilities, float32 [rows], in the order of ``rows``."""
    inputs = ((x,) for x, _ in _batches(table, np.zeros(len(table.lengths), np.float32), rows))
    return model.predict(inputs, steps=_steps(rows), verbose=0)[:, 0]


def _batches(table: TokenTable, label: Floats, rows: Ints, rng: np.random.Generator | None = None
             ) -> Iterator[tuple[tuple[Any, Any], Floats]]:
    """Batches without end, each padded to its longest row; in random order with an ``rng``."""
    lengths = table.lengths
    while True:
        order = rows if rng is None else rng.permutation(rows)
        for at in range(0, len(order), BATCH):
            part = order[at:at + BATCH]
            yield pad(table, part, int(lengths[part].max())), label[part, None]


def _steps(rows: Ints) -> int:
    return -(-len(rows) // BATCH)


def hugging_face(bert: EncoderConfig, table: TokenTable, label: Floats, threads: int, used: Ints) -> Passes:
    """BertModel with a linear head on average, max and [CLS]; fused AdamW, clipping, length buckets."""
    import torch
    from transformers import BertModel
    from transformers import EncoderConfig as HfConfig

    torch.set_num_threads(threads)
    config = HfConfig(vocab_size=bert.vocab_size, hidden_size=bert.hidden, num_hidden_layers=bert.layers,
                      num_attention_heads=bert.heads, intermediate_size=bert.intermediate,
                      max_position_embeddings=bert.positions, attention_probs_dropout_prob=0.0)
    model, head = BertModel(config, add_pooling_layer=False), torch.nn.Linear(3 * bert.hidden, 1)
    parameters = [*model.parameters(), *head.parameters()]
    optimizer = torch.optim.AdamW(parameters, lr=1e-5, fused=True)
    widths = bucket_widths(table.lengths)
    rng = np.random.default_rng(0)

    def logit_of(part: Ints, width: int) -> Any:
        ids, segments = (torch.from_numpy(values).long() for values in pad(table, part, width))
        mask = ids > 0
        sequence = model(input_ids=ids, token_type_ids=segments, attention_mask=mask.long()).last_hidden_state
        real = mask[:, :, None].float()
        pooled = torch.cat([(sequence * real).sum(1) / real.sum(1),
                            sequence.masked_fill(~mask[:, :, None], -1e9).amax(1), sequence[:, 0]], dim=-1)
        return head(pooled)[:, 0]

    def train(most: int | None = None) -> None:
        model.train()
        for part, width in bucketed(widths, table.lengths, BATCH, rng)[:most]:
            optimizer.zero_grad(set_to_none=True)
            target = torch.from_numpy(label[part])
            loss = torch.nn.functional.binary_cross_entropy_with_logits(logit_of(part, width), target)
            loss.backward()
            torch.nn.utils.clip_grad_norm_(parameters, 1.0)
            optimizer.step()

    def predict() -> None:
        model.eval()
        with torch.inference_mode():
            for part, width in bucketed(widths, table.lengths, PREDICT_BATCH):
                logit_of(part, width).numpy()

    def warm_up() -> None:
        train(WARM_UP // BATCH)
        predict()

    return {"warm_up": warm_up, "train": train, "predict": predict}


def pad(table: TokenTable, rows: Ints, width: int) -> tuple[npt.NDArray[np.int32], npt.NDArray[np.int32]]:
    """Token ids and segment ids of some rows, int32 [rows, width], 0 after a row's end."""
    position = np.arange(width)
    real = position < table.lengths[rows, None]
    ids = table.ids[np.where(real, table.offsets[rows, None] + position, 0)] * real
    return ids, (real & (position >= table.second[rows, None])).astype(np.int32)


def bucket_widths(lengths: Ints) -> Ints:
    """The ``WIDTHS`` widths among the lengths that occur, the longest one of them, that leave the fewest padding."""
    occurring, rows = np.unique(lengths, return_counts=True)
    narrower = itertools.combinations(occurring[:-1], min(WIDTHS, len(occurring)) - 1)
    choices = (np.array([*some, occurring[-1]]) for some in narrower)
    return min(choices, key=lambda widths: int(rows @ widths[np.searchsorted(widths, occurring)]))


def bucketed(widths: Ints, lengths: Ints, size: int, rng: np.random.Generator | None = None
             ) -> list[tuple[Ints, int]]:
    """(row numbers, width) of each batch: rows of one bucket, the last batch of a bucket as long as it comes.

    With an ``rng`` rows are shuffled inside their bucket, and then the batches.
    """
    batches = []
    bucket_of_row = np.searchsorted(widths, lengths)
    for bucket, width in enumerate(widths):
        inside = np.flatnonzero(bucket_of_row == bucket)
        if rng is not None:
            inside = rng.permutation(inside)
        batches += [(inside[at:at + size], int(width)) for at in range(0, len(inside), size)]
    if rng is not None:
        rng.shuffle(batches)
    return batches
