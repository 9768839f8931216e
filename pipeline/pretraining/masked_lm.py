"""An encoder with its family's masked-language-model head, whose output product is the table of word embeddings."""

from typing import Any

import numpy as np

from pipeline.arrays import Tensors
from pipeline.backend import tf
from pipeline.checkpoints.encoder_config import MASKED_LM, WORDS, EncoderConfig, masked_lm_shapes
from pipeline.model.encoders import encoder
from pipeline.model.encoders.named_layers import NamedLayers


class MaskedLanguageModel:
    """Packed rows to the vocabulary's logits at some places. The whole table is used: any token can be the answer."""

    def __init__(self, config: EncoderConfig, dropout: float, precision: str = "float32"):
        self.config = config
        self._encoder = encoder.packed(config, dropout, np.arange(config.vocab_size), precision)
        self._head = NamedLayers(masked_lm_shapes(config), precision, config.epsilon)
        self.variables = [*self._encoder.variables, *self._head.variables.values()]
        self.decayed = [*self._encoder.decayed, *self._head.kernels]

    def guess(self, seen: Any, place: Any, seed: Any = None) -> Any:
        """The parts of a TokenBatch, and int32 [guesses], indices into its tokens -> float32 [guesses, vocabulary].

        Only these places go through the head. seed: as for an Encoder.
        """
        ids, segments, position, member, *_ = seen
        vectors = self._encoder(ids, segments, position, member, seed)
        x = self._head.dense(tf.gather(tf.reshape(vectors, [-1, self.config.hidden]), place),
                             f"{MASKED_LM}transform/dense")
        x = self._head.norm(self._encoder.activation(x), f"{MASKED_LM}transform/LayerNorm")
        return self._head.product(x, self._encoder.layers[WORDS], transpose_b=True) + self._head[
            f"{MASKED_LM}output_bias"]

    def load(self, tensors: Tensors) -> None:
        """Sets every weight of encoder and head."""
        self._encoder.load(tensors)
        for name, variable in self._head.variables.items():
            variable.assign(tensors[name])

    def dump(self) -> Tensors:
        """Every weight of encoder and head, float32."""
        return self._encoder.dump() | {name: variable.numpy() for name, variable in self._head.variables.items()}
