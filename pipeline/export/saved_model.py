"""A run as a SavedModel: raw strings, or token ids, to the mean of its folds' probabilities, without the project."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd

from pipeline.backend import graph, tf
from pipeline.checkpoints import encoder_config
from pipeline.errors import UserError
from pipeline.export.graph_tokenizer import GraphTokenizer
from pipeline.inference.predictor import Predictor
from pipeline.tasks import Task, probability_columns

CLOSE = 1e-4  # how far its probabilities may be from the run's, or its values, as a share of the greatest
STRINGS = tf.TensorSpec([None], tf.string)
IDS = tf.TensorSpec([None, None], tf.int32)


class Served(tf.Module):
    """Two signatures: serving_default takes texts (and pairs), strings [rows]; tokens takes input_ids, input_mask and
    segment_ids, int32 [rows, tokens]. Both give logits and probabilities, float32 [rows, outputs].

    Where words are labelled, a text is words with a space between them, tokens also takes word_starts, int32 [rows,
    words], -1 where there is no word, and both give float32 [rows, words, outputs].
    """

    def __init__(self, model: Predictor):
        super().__init__()
        self.task, self.networks = model.task, list(model.networks.values())
        if model.vocab.own is None:
            self.tokenizer = GraphTokenizer(model.vocab.tokens, model.config.tokens, self.task.by_word)
        self.kept = [[*network.encoder.variables, *network.head.weights] for network in self.networks]
        self.texts = graph(self._texts, signature=[STRINGS, STRINGS] if model.pairs else [STRINGS])
        self.tokens = graph(self._tokens, signature=[IDS, IDS, IDS, IDS] if self.task.by_word else [IDS, IDS, IDS])

    def _texts(self, texts: Any, pairs: Any = None) -> dict[str, Any]:
        return self._outputs(*self.tokenizer(texts, pairs))

    def _tokens(self, input_ids: Any, input_mask: Any, segment_ids: Any, word_starts: Any = None) -> dict[str, Any]:
        if word_starts is None:
            word_starts = tf.zeros([tf.shape(input_ids)[0], 0], tf.int32)
        return self._outputs(input_ids, segment_ids, input_mask > 0, word_starts)

    def _outputs(self, ids: Any, segments: Any, real: Any, words: Any) -> dict[str, Any]:
        position = tf.where(real, tf.range(tf.shape(ids)[1])[None], 0)
        logits = [network.logit_of_tokens(ids, segments, position, real[:, None], words[:, None])
                  for network in self.networks]
        logits = [logit[:, None] if len(logit.shape) == 1 else logit for logit in logits]
        probabilities = [probability(self.task, logit) for logit in logits]
        return {"logits": tf.add_n(logits) / len(logits), "probabilities": tf.add_n(probabilities) / len(logits)}


def probability(task: Task, logit: Any) -> Any:
    """float32 [..., outputs] -> the same: each head's predictions, by its link."""
    parts = tf.split(logit, list(task.outputs), axis=-1)
    links: dict[str, Callable[[Any], Any]] = {"softmax": tf.nn.softmax, "sigmoid": tf.sigmoid, "identity": tf.identity}
    return tf.concat([link.low + (link.high - link.low) * links[link.function](part)
                      for part, link in zip(parts, task.links, strict=True)], axis=-1)


def export(model: Predictor, folder: Path) -> tuple[float, int]:
    """Writes the SavedModel into a folder, loads it again and lets it predict texts of the run's data, or a few others
    where that is not there; returns the largest difference from the run's own probabilities, and the number of texts.

    Raises UserError where they differ, and for a tokenizer that TensorFlow's graph has not.
    """
    if model.vocab.own:
        raise UserError(f"export: {model.paths.run}'s encoder brings a tokenizer of its own, which TensorFlow has no "
                        f"operation for; --to onnx takes it along as tokenizer.json")
    served = Served(model)
    tf.saved_model.save(served, str(folder), {"serving_default": served.texts, "tokens": served.tokens})
    rows = model.some_rows()
    again = tf.saved_model.load(str(folder)).signatures["serving_default"]
    inputs = {"texts": rows.text} | ({"pairs": rows.text_pair} if model.pairs else {})
    outputs = again(**{name: tf.constant(column.tolist()) for name, column in inputs.items()})
    probabilities = outputs["probabilities"].numpy()
    return compared(model, rows, probabilities, folder)


def compared(model: Predictor, rows: pd.DataFrame, probabilities: npt.NDArray[np.float32], folder: Path
             ) -> tuple[float, int]:
    """The largest difference of what a model in a folder found, float32 [rows, outputs] or [rows, words, outputs], from
    the run's own probabilities, and the number of rows. Raises UserError where they differ."""
    if model.task.by_word:
        probabilities = np.concatenate([row[:text.count(" ") + 1]
                                        for row, text in zip(probabilities, rows.text, strict=True)])
    own = model.predict(rows)[probability_columns(model.task)].to_numpy()
    difference = float(np.abs(probabilities - own).max()) / max(1.0, float(np.abs(own).max()))
    if not difference <= CLOSE:
        raise UserError(f"{folder}: its probabilities differ from the run's by {difference:.2g}, at most {CLOSE:g}")
    return difference, len(rows)


def summary(model: Predictor) -> str:
    """The model's dimensions and numbers of weights, and what its outputs are, in words."""
    network, bert = next(iter(model.networks.values())), model.bert
    head = {variable.name.removesuffix(":0"): tuple(variable.shape) for variable in network.head.weights}
    weights = sum(int(np.prod(shape)) for shape in head.values())
    lines = [f"run {model.paths.run}, {model.stage}, {model.described}",
             f"encoder: {bert.layers} layers, hidden {bert.hidden}, {bert.heads} heads, {bert.activation}, "
             f"{bert.vocab_size:,} tokens, {encoder_config.size(bert):,} weights",
             f"head: {', '.join(model.config.head.parts)}, {weights:,} weights",
             *(f"  {name} {list(shape)}" for name, shape in head.items()),
             f"outputs, in this order: {', '.join(probability_columns(model.task))}"]
    if model.task.has_values and model.task.has_labels:
        lines.append("they are of grades by their numbers from 0; the grade is what the cut points of the report give")
    return "\n".join(lines) + "\n"
