"""[bert], [tokens] and [head]: what is trained."""

from collections.abc import Iterator
from pathlib import Path
from typing import Annotated, Literal

from pydantic import Field

from pipeline.config import hub_names
from pipeline.config.schema import FITTED, LATER, MOST, Contradiction, Count, FilePath, Section, Share


class RandomBert(Section):
    """A randomly initialised encoder, for when no pretrained weights are at hand."""

    layers: Annotated[int, Field(ge=1, le=48)] = 4
    hidden: Annotated[int, Field(ge=2, le=4096)] = 256
    heads: Annotated[int, Field(ge=1, le=64)] = 4
    intermediate: Annotated[int, Field(ge=2, le=65_536)] = 1024
    vocab: FilePath | None = None
    """A vocab.txt; without one the vocabulary is made from the train and test texts."""
    vocab_size: Annotated[int, Field(ge=16, le=MOST)] = 8000
    """Size of a made WordPiece vocabulary, more if there are more characters."""
    min_count: Count = 1
    """How often a character must occur to be in a made vocabulary of characters."""

    def contradictions(self) -> Iterator[Contradiction]:
        if self.hidden % self.heads:
            yield ("heads", "hidden"), f"heads must divide hidden, got {self.heads} and {self.hidden}"


class Bert(Section):
    """The encoder that stage 1 starts from: a checkpoint, or random weights."""

    checkpoint: FilePath | None = None
    """A folder, as docs/encoders.md lists them, or a name on the Hugging Face Hub, hf:OWNER/NAME or
    hf:OWNER/NAME@REVISION, which is fetched into data/bert/ once."""
    random: RandomBert | None = None
    """Used instead of a checkpoint."""
    dropout: Share = 0.1
    """On the embeddings and on each sub-layer's output, as BERT was trained; keras-bert has none on attention."""
    precision: Literal["float32", "bfloat16"] = "float32"
    """The precision of the encoder's matrix products. bfloat16 is for GPUs that have it, about twice as fast there (not
    run here)."""

    def contradictions(self) -> Iterator[Contradiction]:
        if (self.checkpoint is None) == (self.random is None):
            yield ("checkpoint", "random"), "give exactly one of bert.checkpoint and [bert.random]"
        if self.checkpoint and self.checkpoint.startswith(hub_names.PREFIX) and not hub_names.parse(self.checkpoint):
            yield ("checkpoint",), f"bert.checkpoint {hub_names.RULE}, got {self.checkpoint!r}"

    @property
    def folder(self) -> Path | None:
        """The checkpoint's folder; of a name on the hub, where it lies once it is fetched."""
        return hub_names.folder(self.checkpoint) if self.checkpoint else None


class Tokens(Section):
    """How a text becomes token ids, and rows become batches."""

    tokenizer: Annotated[Literal["characters", "wordpiece", "checkpoint"], FITTED] = "characters"
    """characters: one token each, as published for short Chinese texts. wordpiece: BERT's own. checkpoint: the one that
    a checkpoint with another tokenizer brings along. Unset: that one; else wordpiece where the vocabulary has pieces
    that begin with ##, or is still to be made and the texts are in Latin letters."""
    lowercase: bool | None = None
    """Unset: as the checkpoint's tokenizer_config.json says, else true. Google's Chinese and uncased vocabularies hold
    no capitals: without this each is [UNK]."""
    strip_accents: bool | None = None
    """wordpiece: whether é becomes e. Unset: as the checkpoint's tokenizer_config.json says, else as lowercase."""
    max_tokens: Annotated[int, Field(ge=3, le=512), FITTED] = 22
    """[CLS] and [SEP] included; 22 is the published 20 characters. Pairs lose tokens of the longer text first. Unset:
    what 95 % of the texts of train and test fit in, of words to tag all, as far as the encoder has positions."""
    batches: Literal["packed", "random"] = "packed"
    """packed: several short rows share one sequence, each attending to itself. random: as published, padded."""

    @property
    def lowers(self) -> bool:
        """Whether texts are lower-cased."""
        return self.lowercase is not False


class Head(Section):
    """What stands between the encoder's token vectors and the logits."""

    layers: Annotated[int, Field(ge=1, le=48)] = 1
    """The encoder's last layers whose token vectors are put end to end; 4 is common where words are labelled."""
    parts: Annotated[list[Literal["average", "max", "attention", "cls", "pooler"]], Field(min_length=1)] = [
        "average", "max", "attention"]
    """Concatenated in this order; attention is the [CLS] row of additive self-attention, cls its vector as it is,
    pooler that vector through the checkpoint's tanh layer, as run_classifier uses it. Of no use where words are
    labelled."""
    dropout: Share = 0.0
    """Before the output layer, in a stage whose dropout is on; run_classifier's is 0.1."""
    masked: bool = True
    """Whether padding is left out. The published head reads it, so a score depends on the batch."""
    attention_activation: Literal["none", "softmax"] = "none"
    """softmax, as published, is a second softmax inside the layer's own: weights differ by at most a factor e."""
    attention_units: Annotated[int, Field(ge=1, le=4096)] = 32
    """Width of the additive attention; keras-self-attention's default."""
    recurrent: Literal["none", "lstm", "gru"] = "none"
    """tags: a layer over the words' vectors, in both directions."""
    recurrent_units: Annotated[int, Field(ge=1, le=4096)] = 64
    """Size of each direction."""
    ordinal: Annotated[Literal["value", "cumulative"], LATER] = "value"
    """ordinal: value: one number, in grades. cumulative: for each grade but the lowest, the probability of reaching it,
    by one weight and as many cut points (Cao et al. 2020)."""

    def contradictions(self) -> Iterator[Contradiction]:
        if "pooler" in self.parts and self.layers > 1:
            yield ("parts", "layers"), f"the pooler reads the last layer alone: it needs layers = 1, got {self.layers}"
