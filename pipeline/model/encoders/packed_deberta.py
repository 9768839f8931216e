"""DeBERTa-v3: attention by content and by relative position, each to each (He et al. 2021,
https://arxiv.org/abs/2111.09543)."""

import math
from typing import Any

from pipeline.backend import sizes, tf
from pipeline.checkpoints.encoder_config import RELATIVE, RELATIVE_NORM
from pipeline.model.encoders.packed_bert import PackedBert


class PackedDeberta(PackedBert):
    """See Encoder. There is no table of positions or segments: a token's place is told by how far others are from it.

    Tokens of a row stand side by side in its sequence, so their distance there is that in the row. The products of
    all distances are shifted into place by a reshape, without a gather.
    """

    def _embedded(self, ids: Any, segments: Any, position: Any) -> Any:
        """See PackedBert."""
        return self.words(ids)

    def _weights(self, query: Any, key: Any, together: Any, prefix: str) -> Any:
        """See PackedBert. Content to content, content to position and position to content, by the same kernels."""
        _, heads, width, size = sizes(query)
        layers = self.layers
        rows = layers.norm(tf.gather(layers[RELATIVE], self._rows(width)), RELATIVE_NORM)
        projected = tf.reshape(layers.dense(rows, f"{prefix}/qkv"), [2 * width - 1, 3, heads, size])
        far_query, far_key = (tf.transpose(projected[:, place], [1, 2, 0]) for place in range(2))  # [heads, size, 2w-1]
        to_place = self._shifted(layers.product(query, far_key[:, :, ::-1]))
        from_place = self._shifted(layers.product(key, far_query))
        scores = layers.product(query, key, transpose_b=True) + to_place + tf.linalg.matrix_transpose(from_place)
        return self.softmax(scores / (3 * size)**0.5, together)

    def _rows(self, width: Any) -> Any:
        """int32 [2 width - 1]: the rows of the table for the distances 1 - width to width - 1, in this order.

        Distances below half of the buckets have a row each; those beyond share rows by their logarithm.
        """
        config = self.config
        distance = tf.range(2 * width - 1) - (width - 1)
        span = config.relative_buckets or config.relative_positions
        if config.relative_buckets:
            middle = config.relative_buckets // 2
            far = tf.maximum(tf.cast(tf.abs(distance), tf.float32), middle) / middle
            steps = tf.math.log(far) / math.log((config.relative_positions - 1) / middle) * (middle - 1)
            beyond = tf.cast(tf.math.ceil(steps), tf.int32) + middle
            distance = tf.where(tf.abs(distance) <= middle, distance, tf.sign(distance) * beyond)
        return tf.clip_by_value(distance + span, 0, 2 * span - 1)

    @staticmethod
    def _shifted(products: Any) -> Any:
        """[bins, heads, width, 2 width - 1] -> [bins, heads, width, width], whose row i begins at column width-1-i."""
        bins, heads, width, many = sizes(products)
        flat = tf.reshape(tf.pad(products, [[0, 0], [0, 0], [0, 0], [0, 1]]), [bins, heads, width * (many + 1)])
        rows = flat[:, :, width - 1:width - 1 + width * many]
        return tf.reshape(rows, [bins, heads, width, many])[:, :, :, :width]
