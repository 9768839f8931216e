"""What every encoder is, and which one a checkpoint is computed by."""

from typing import Any, Protocol

from pipeline.arrays import Ints, Tensors
from pipeline.checkpoints.encoder_config import EncoderConfig
from pipeline.model.encoders.keras_bert import KerasBert
from pipeline.model.encoders.packed_bert import PackedBert
from pipeline.model.encoders.packed_deberta import PackedDeberta
from pipeline.model.encoders.packed_mpnet import PackedMpnet
from pipeline.model.encoders.packed_talking_heads import PackedTalkingHeads

PACKED: dict[str, type[PackedBert]] = {
    "deberta": PackedDeberta, "mpnet": PackedMpnet, "talking_heads": PackedTalkingHeads}


class Encoder(Protocol):
    """Token ids to token vectors, with weights by the names of ``encoder_config.expected_shapes``."""

    @property
    def variables(self) -> list[Any]:
        """All trainable variables."""

    @property
    def decayed(self) -> list[Any]:
        """The variables that weight decay acts on: kernels, not biases, LayerNorm or embedding tables."""

    @property
    def size(self) -> int:
        """The size of a token's vector: hidden times the number of last layers that are put end to end."""

    def __call__(self, ids: Any, segments: Any, position: Any, member: Any, seed: Any = None) -> Any:
        """int32 [bins, width] three times, bool [bins, slots, width] -> float32 [bins, width, size].

        seed: int32 [2], what dropout's random numbers follow from; None: no dropout.
        """

    def load(self, tensors: Tensors) -> None:
        """Sets every weight; a missing tensor or another shape is an error."""

    def dump(self) -> Tensors:
        """Every weight, float32."""


def packed(config: EncoderConfig, dropout: float, used: Ints, precision: str = "float32", layers: int = 1
           ) -> PackedBert:
    """The encoder of a checkpoint's family that takes several rows per sequence; arguments as PackedBert has them."""
    return PACKED.get(config.family, PackedBert)(config, dropout, used, precision, layers)


def published(config: EncoderConfig, dropout: float, layers: int = 1) -> KerasBert:
    """keras-bert's own graph, for BERT alone."""
    return KerasBert(config, dropout, layers)
