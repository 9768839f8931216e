"""MPNet: BERT whose attention also adds a bias for how far tokens are from each other (Song et al. 2020,
https://arxiv.org/abs/2004.09297), in the buckets of T5 (Raffel et al. 2020, https://arxiv.org/abs/1910.10683)."""

import math
from typing import Any

from pipeline.backend import sizes, tf
from pipeline.checkpoints.encoder_config import POSITIONS, RELATIVE_BIAS
from pipeline.model.encoders.packed_bert import PackedBert

FARTHEST = 128  # tokens, from which all distances share a bucket


class PackedMpnet(PackedBert):
    """See Encoder. There are no segments. Tokens of a row stand side by side, so their distance in the sequence is that
    in the row."""

    def _embedded(self, ids: Any, segments: Any, position: Any) -> Any:
        """See PackedBert."""
        return self.words(ids) + tf.gather(self.layers[POSITIONS], position + self.config.first_position)

    def _weights(self, query: Any, key: Any, together: Any, prefix: str) -> Any:
        """See PackedBert."""
        *_, width, size = sizes(query)
        scores = self.layers.product(query, key, transpose_b=True) / size**0.5
        one_hot = tf.one_hot(self._buckets(width), self.config.relative_buckets)  # [width, width, buckets]
        return self.softmax(scores + tf.einsum("qkb,bh->hqk", one_hot, self.layers[RELATIVE_BIAS]), together)

    def _buckets(self, width: Any) -> Any:
        """int32 [width, width]: half of the buckets for keys before the query, half for those behind it; in each half
        the near distances have one each, and those beyond share them by their logarithm."""
        half = self.config.relative_buckets // 2
        near = half // 2
        place = tf.range(width)
        behind = place[None] - place[:, None]
        distance = tf.abs(behind)
        far = tf.math.log(tf.cast(tf.maximum(distance, near), tf.float32) / near) / math.log(FARTHEST / near)
        shared = tf.minimum(near + tf.cast(far * (half - near), tf.int32), half - 1)
        return tf.where(behind > 0, half, 0) + tf.where(distance < near, distance, shared)
