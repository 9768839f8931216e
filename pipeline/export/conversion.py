"""A checkpoint from one format into the other, proved by its tensors and by an independent forward pass of both."""

import dataclasses
from pathlib import Path

import numpy as np
import numpy.typing as npt

from pipeline.arrays import Tensors
from pipeline.checkpoints import checkpoint, google, hugging_face
from pipeline.checkpoints.checkpoint import Checkpoint
from pipeline.checkpoints.encoder_config import EncoderConfig
from pipeline.errors import UserError
from pipeline.export import independent_reading
from pipeline.files import atomic

CLOSE = 1e-4  # how far outputs of the same weights may be apart, in shares of the largest: float32 against float64
ROWS = 8  # that go through both


def convert(source: Path, target: Path, to: str | None, tanh_gelu: bool = False) -> str:
    """Writes the checkpoint of ``source`` in another format; see ``write``. to: None: the format that it is not in."""
    original = checkpoint.read(source, pickled=True)
    other = "google" if original.kind == "hugging face" else "huggingface"
    if other == "google" and original.config.family != "bert" and google.unwritable(original.config, original.vocab):
        other = "huggingface"  # which alone can hold it
    told = write(original, target, to or other, tanh_gelu, source)
    if checkpoint.has_own_output(source):
        told += ("; its masked-language-model head has an output product of its own, which neither format holds here, "
                 "and is left out")
    return told


def write(original: Checkpoint, target: Path, to: str, tanh_gelu: bool = False, source: Path | None = None) -> str:
    """Writes the encoder, with its pooler and masked-language-model head where it has them, to the folder ``target``,
    which must not exist; returns what was compared, in words.

    to: "google" or "huggingface"; tanh_gelu: whether an encoder with the exact GELU may be written in Google's format,
    which means the approximation by tanh; source: the folder that the checkpoint was read from. What was written, and
    the source, are read once more by other code than ours, and outputs compared. Raises UserError, also where they
    differ.
    """
    config = original.config
    if to == "google" and config.family == "bert" and config.activation == "gelu_erf":
        if not tanh_gelu:
            raise UserError(f"{original.source}: has the exact GELU; Google's format means its approximation by tanh, "
                            f"which changes the outputs a little: --tanh-gelu accepts that, and says by how much")
        config = dataclasses.replace(config, activation="gelu_tanh")
    problem = google.unwritable(config, original.vocab) if to == "google" else hugging_face.unwritable(config)
    if problem:
        raise UserError(f"{original.source}: {problem}; nothing was written")
    weights = original.tensors() | original.pooler() | original.masked_lm()
    lowercase = original.lowercase is not False
    with atomic.publishing(target) as building:
        if to == "google":
            google.write(building, config, original.vocab, weights, lowercase, original.strip_accents)
        else:
            hugging_face.write(building, config, original.vocab, weights, lowercase=lowercase,
                               strip_accents=original.strip_accents)
        again = checkpoint.read(building)
        written = again.tensors() | again.pooler() | again.masked_lm()
        apart = [name for name in weights.keys() | written.keys()
                 if name not in weights or name not in written or not np.array_equal(weights[name], written[name])]
        if apart or again.vocab != original.vocab:
            raise UserError(f"{target}: what was written is not what was read: "
                            f"{', '.join(apart[:3]) or 'its tokenizer'}")
        ids, segments = _rows(original.config)
        ours, theirs = _outputs(original, weights, ids, segments), independent_reading.outputs(building, ids, segments)
        before = independent_reading.outputs(source, ids, segments) if source else None
        most = CLOSE * float(np.abs(ours).max())
        if before is not None and not np.abs(before - ours).max() <= most:
            raise UserError(f"{original.source}: its outputs are read as others than it says, by "
                            f"{np.abs(before - ours).max():.2g}; nothing was written")
        reader = "keras-bert" if to == "google" else "NumPy, from the file's own names"
        if theirs is None:  # no other code than ours reads it
            theirs, reader = _outputs(again, written, ids, segments), "this project alone"
        difference = float(np.abs((ours if before is None else before) - theirs).max())
        if not difference <= most and config == original.config:
            raise UserError(f"{target}: its outputs differ from those of {original.source} by {difference:.2g}")
    return (f"{len(weights)} tensors are equal, and outputs of {ROWS} rows of {ids.shape[1]} tokens, read by {reader}, "
            f"differ by {difference:.2g} at most")


def _rows(config: EncoderConfig) -> tuple[npt.NDArray[np.int32], npt.NDArray[np.int32]]:
    """int32 [rows, tokens]: random ids, and segments of which the second half is 1 where there are two."""
    tokens = min(32, config.most_tokens)
    ids = np.random.default_rng(0).integers(1, config.vocab_size, (ROWS, tokens)).astype(np.int32)
    segments = np.zeros_like(ids)
    segments[:, tokens // 2:] = max(0, min(1, config.segments - 1))
    return ids, segments


def _outputs(original: Checkpoint, weights: Tensors, ids: npt.NDArray[np.int32], segments: npt.NDArray[np.int32]
             ) -> npt.NDArray[np.float32]:
    """float32 [rows, tokens, hidden], by the encoder that stages use."""
    from pipeline.backend import tf
    from pipeline.model.encoders import encoder

    network = encoder.packed(original.config, 0.0, np.arange(original.config.vocab_size))
    network.load(weights)
    position = np.broadcast_to(np.arange(ids.shape[1], dtype=np.int32), ids.shape)
    member = np.ones((len(ids), 1, ids.shape[1]), bool)
    outputs: npt.NDArray[np.float32] = network(*map(tf.constant, (ids, segments, position, member))).numpy()
    return outputs
