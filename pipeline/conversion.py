"""A checkpoint from one format into the other, proved by its tensors and by a forward pass of both."""

import dataclasses
from pathlib import Path

import numpy as np

from pipeline import checkpoint, storage
from pipeline.batches import Batch
from pipeline.bert_config import BertConfig, Tensors
from pipeline.checkpoint import Checkpoint
from pipeline.errors import UserError
from pipeline.tokens import TokenTable

CLOSE = 1e-5  # how far outputs of the same weights may be apart
ROWS = 8  # that go through both


def convert(source: Path, target: Path, to: str | None, tanh_gelu: bool = False) -> str:
    """Writes the checkpoint of ``source`` in another format; see ``write``. to: None: the format that it is not in."""
    found = checkpoint.read(source, pickled=True)
    return write(found, target, to or ("huggingface" if found.kind == "google" else "google"), tanh_gelu)


def write(found: Checkpoint, target: Path, to: str, tanh_gelu: bool = False) -> str:
    """Writes the encoder, with its pooler and masked-language-model head where it has them, to the folder ``target``,
    which must not exist; returns what was compared, in words.

    to: "google" or "huggingface"; tanh_gelu: whether an encoder with the exact GELU may be written in Google's format,
    which means the approximation by tanh. Raises UserError, also where the two differ.
    """
    config = found.config
    if to == "google" and config.activation == "gelu_erf":
        if not tanh_gelu:
            raise UserError(f"{found.source}: has the exact GELU; Google's format means its approximation by tanh, "
                            f"which changes the outputs a little: --tanh-gelu accepts that, and says by how much")
        config = dataclasses.replace(config, activation="gelu_tanh")
    weights = found.tensors() | found.pooler() | found.masked_lm()
    with storage.publishing(target) as building:
        if to == "google":
            checkpoint.write_google(building, config, found.vocab, weights)
        else:
            checkpoint.write_hugging_face(building, config, found.vocab, weights)
        again = checkpoint.read(building)
        written = again.tensors() | again.pooler() | again.masked_lm()
        apart = [name for name in weights.keys() | written.keys()
                 if name not in weights or name not in written or not np.array_equal(weights[name], written[name])]
        if apart or again.vocab != found.vocab:
            raise UserError(f"{target}: what was written is not what was read: {', '.join(apart[:3]) or 'vocab.txt'}")
        difference = float(np.abs(_outputs(found, weights) - _outputs(again, written)).max())
        if difference > CLOSE and config == found.config:
            raise UserError(f"{target}: its outputs differ from those of {found.source} by {difference:.2g}")
    return (f"{len(weights)} tensors are equal, and outputs of {ROWS} rows of {_tokens(config)} tokens differ by "
            f"{difference:.2g} at most")


def _outputs(found: Checkpoint, weights: Tensors) -> np.ndarray:
    """float32 [rows, tokens, hidden] of the same random token ids for encoders of one size."""
    from pipeline.backend import tf
    from pipeline.encoder import PackedBert

    rng, tokens = np.random.default_rng(0), _tokens(found.config)
    ids = rng.integers(1, found.config.vocab_size, ROWS * tokens).astype(np.int32)
    table = TokenTable(ids, np.arange(ROWS + 1) * tokens, np.full(ROWS, tokens // 2, np.int32))
    encoder = PackedBert(found.config, 0.0, np.arange(found.config.vocab_size))
    encoder.load(weights)
    inputs = table.batch(Batch(np.arange(ROWS)[:, None], tokens))[:4]
    outputs: np.ndarray = encoder(*map(tf.constant, inputs)).numpy()
    return outputs


def _tokens(config: BertConfig) -> int:
    return min(32, config.positions)
