"""BERT whose attention heads are mixed before and after the softmax (Shazeer et al. 2020,
https://arxiv.org/abs/2003.02436), with a gated feed-forward part (Shazeer 2020, https://arxiv.org/abs/2002.05202)."""

from typing import Any

from pipeline.backend import tf
from pipeline.model.encoders.packed_bert import PackedBert


class PackedTalkingHeads(PackedBert):
    """See Encoder."""

    def _weights(self, query: Any, key: Any, together: Any, prefix: str) -> Any:
        """See PackedBert."""
        scores = self.layers.product(query, key, transpose_b=True) / query.shape[-1]**0.5
        scores = tf.einsum("bntu,nm->bmtu", scores, self.layers[f"{prefix}/before_softmax"])
        return tf.einsum("bntu,nm->bmtu", self.softmax(scores, together), self.layers[f"{prefix}/after_softmax"])

    def _inner(self, x: Any, prefix: str) -> Any:
        """See PackedBert."""
        return super()._inner(x, prefix) * self.layers.dense(x, f"{prefix}/gate")
