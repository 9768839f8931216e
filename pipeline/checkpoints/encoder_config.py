"""An encoder's dimensions, and what follows from them: its tensors' names and shapes, and random ones.

Tensors go by the names of Google's TF1 checkpoints, kernels as [in, out].
"""

import math
from dataclasses import dataclass

import numpy as np

from pipeline.arrays import Shapes, Tensors
from pipeline.config.model import RandomBert

WORDS = "bert/embeddings/word_embeddings"
POSITIONS = "bert/embeddings/position_embeddings"
SEGMENTS = "bert/embeddings/token_type_embeddings"
NORM = "bert/embeddings/LayerNorm"
PROJECTION = "bert/encoder/projection"  # from the size of the tables to that of the layers
RELATIVE = "bert/encoder/relative_embeddings"  # what distances between tokens are looked up in
RELATIVE_BIAS = "bert/encoder/relative_attention_bias"  # of MPNet: what distances add to attention's scores
RELATIVE_NORM = "bert/encoder/LayerNorm"
POOLER = "bert/pooler/dense/"  # prefix of the pooler's tensors
MASKED_LM = "cls/predictions/"  # prefix of the masked-language-model head's tensors


@dataclass(frozen=True)
class EncoderConfig:
    """An encoder's dimensions; activation is gelu_tanh, gelu_erf or relu; epsilon stands in every LayerNorm.

    family: as families.py names it; embedding: the size of the embedding tables where it is projected to ``hidden``;
    first_position: the row of the table of positions that a text's first token has; segments: 0 where there is no table
    of them; relative_positions: the largest distance that attention tells apart, in ``relative_buckets`` of each
    direction, in an encoder that has no table of positions; MPNet has one, and ``relative_buckets`` of both directions.
    """

    vocab_size: int
    hidden: int
    layers: int
    heads: int
    intermediate: int
    positions: int
    segments: int
    activation: str
    epsilon: float = 1e-12  # Google's code has no other
    family: str = "bert"
    embedding: int | None = None
    first_position: int = 0
    relative_positions: int = 0
    relative_buckets: int = 0

    @property
    def embedding_size(self) -> int:
        """The size of a word's embedding."""
        return self.embedding or self.hidden

    @property
    def most_tokens(self) -> int:
        """Tokens that the longest text may have."""
        return self.positions - self.first_position

    @property
    def layer_weights(self) -> int:
        """Weights of a layer's matrix products, each of which a token is multiplied by once."""
        return 4 * self.hidden**2 + (3 if self.family == "talking_heads" else 2) * self.hidden * self.intermediate

    def layer_name(self, layer: int) -> str:
        """The prefix of a layer's tensors: ALBERT's layers have the same ones."""
        return f"bert/encoder/layer_{0 if self.family == 'albert' else layer}"


def of_random(spec: RandomBert, vocab_size: int, positions: int) -> EncoderConfig:
    """The dimensions of a BERT with random weights."""
    return EncoderConfig(vocab_size, spec.hidden, spec.layers, spec.heads, spec.intermediate, positions, segments=2,
                         activation="gelu_tanh")


def expected_shapes(config: EncoderConfig) -> Shapes:
    """Name -> shape of every tensor of the encoder; pooler and pre-training heads are not part of it."""
    hidden, wide, narrow = config.hidden, config.intermediate, config.embedding_size
    shapes: dict[str, tuple[int, ...]] = {WORDS: (config.vocab_size, narrow)}
    if not config.relative_positions:
        shapes |= {POSITIONS: (config.positions, narrow)}
    if config.segments:
        shapes |= {SEGMENTS: (config.segments, narrow)}
    shapes |= {f"{NORM}/gamma": (narrow,), f"{NORM}/beta": (narrow,)}
    if config.embedding:
        shapes |= {f"{PROJECTION}/kernel": (narrow, hidden), f"{PROJECTION}/bias": (hidden,)}
    products = [("attention/self/query", hidden, hidden), ("attention/self/key", hidden, hidden),
                ("attention/self/value", hidden, hidden), ("attention/output/dense", hidden, hidden),
                ("intermediate/dense", hidden, wide), ("output/dense", wide, hidden)]
    if config.family == "talking_heads":
        products.append(("intermediate/gate", hidden, wide))
    for prefix in dict.fromkeys(map(config.layer_name, range(config.layers))):
        for name, rows, columns in products:
            shapes[f"{prefix}/{name}/kernel"] = (rows, columns)
            shapes[f"{prefix}/{name}/bias"] = (columns,)
        for name in ("attention/output", "output"):
            shapes[f"{prefix}/{name}/LayerNorm/gamma"] = (hidden,)
            shapes[f"{prefix}/{name}/LayerNorm/beta"] = (hidden,)
        if config.family == "talking_heads":
            shapes |= {f"{prefix}/attention/self/{place}_softmax": (config.heads, config.heads)
                       for place in ("before", "after")}
    if config.family == "mpnet":
        shapes[RELATIVE_BIAS] = (config.relative_buckets, config.heads)
    if config.relative_positions:
        rows = 2 * (config.relative_buckets or config.relative_positions)
        shapes |= {RELATIVE: (rows, hidden), f"{RELATIVE_NORM}/gamma": (hidden,), f"{RELATIVE_NORM}/beta": (hidden,)}
    return shapes


def size(config: EncoderConfig) -> int:
    """The number of the encoder's weights."""
    return sum(math.prod(shape) for shape in expected_shapes(config).values())


def masked_lm_shapes(config: EncoderConfig) -> Shapes:
    """Name -> shape of the masked-language-model head's own tensors; its output product is the table of words."""
    dense, narrow = MASKED_LM + "transform/", config.embedding_size
    return {f"{dense}dense/kernel": (config.hidden, narrow), f"{dense}dense/bias": (narrow,),
            f"{dense}LayerNorm/gamma": (narrow,), f"{dense}LayerNorm/beta": (narrow,),
            f"{MASKED_LM}output_bias": (config.vocab_size,)}


def random_tensors(config: EncoderConfig, seed: int, with_masked_lm: bool = False) -> Tensors:
    """Tensors as BERT initialises them: normal with sd 0.02 cut off at two sd, biases 0, LayerNorm 1 and 0."""
    drawn: Tensors = {}
    shapes = {**expected_shapes(config), **(masked_lm_shapes(config) if with_masked_lm else {})}
    for number, (name, shape) in enumerate(shapes.items()):
        if name.endswith("gamma"):
            drawn[name] = np.ones(shape, np.float32)
        elif name.endswith(("beta", "bias")):
            drawn[name] = np.zeros(shape, np.float32)
        else:
            rng = np.random.default_rng([seed, number])
            values = rng.standard_normal(shape)
            while (far := np.abs(values) > 2).any():
                values[far] = rng.standard_normal(int(far.sum()))
            drawn[name] = (0.02 * values).astype(np.float32)
    return drawn
