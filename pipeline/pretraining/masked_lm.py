"""The encoder with BERT's masked-language-model head, whose output product is the table of word embeddings."""

from typing import Any

import numpy as np

from pipeline.backend import tf
from pipeline.checkpoints.bert_config import MASKED_LM, BertConfig, masked_lm_shapes
from pipeline.model.encoder import ACTIVATIONS, WORDS, PackedBert, new_variable


class MaskedLanguageModel(PackedBert):
    """Packed rows to the vocabulary's logits at some places. The whole table is used: any token can be the answer."""

    def __init__(self, config: BertConfig, dropout: float, precision: str = "float32"):
        super().__init__(config, dropout, np.arange(config.vocab_size), precision)
        for name, shape in masked_lm_shapes(config).items():
            self._named[name] = new_variable(shape, name)

    def guess(self, seen: Any, place: Any, seed: Any = None) -> Any:
        """The parts of a TokenBatch, and int32 [guesses], indices into its tokens -> float32 [guesses, vocabulary].

        Only these places go through the head. seed: as for an Encoder.
        """
        ids, segments, position, member, *_ = seen
        vectors = tf.reshape(self(ids, segments, position, member, seed), [-1, self.config.hidden])
        x = self._dense(tf.gather(vectors, place), f"{MASKED_LM}transform/dense")
        x = self._norm(ACTIVATIONS[self.config.activation](x), f"{MASKED_LM}transform/LayerNorm")
        return self._product(x, self._named[WORDS], transpose_b=True) + self._named[f"{MASKED_LM}output_bias"]
