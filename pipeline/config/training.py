"""[pretrain], [stage1] and [stage2]: how it is trained."""

from collections.abc import Iterator
from typing import Annotated, Literal

from pydantic import Field

from pipeline.config.schema import (
    FITTED,
    LATER,
    MOST,
    BatchSize,
    Contradiction,
    Count,
    Epochs,
    FilePath,
    LearningRate,
    Loss,
    Monitor,
    Section,
    Share,
    WeightDecay,
)

WHOLE = ("smooth_f1", "smooth_qwk", "rmse", "correlation")  # losses that are no mean over rows


class Recipe(Section):
    """How weights are moved."""

    epochs: Epochs
    optimizer: Literal["adamw", "adam"] = "adamw"
    learning_rate: LearningRate
    """Peak rate."""
    weight_decay: WeightDecay = 0.01
    """adamw only; never on biases, LayerNorm and embedding tables."""
    warmup: Share = 0.1
    """Share of all steps over which the rate rises from 0."""
    decay: Literal["linear", "none"] = "linear"
    """linear: falls by the same amount each step, to 0 behind the last."""
    clip_norm: Annotated[float, Field(ge=0)] = 1.0
    """Largest global norm of the gradients; 0: no clipping."""

    def contradictions(self) -> Iterator[Contradiction]:
        if self.optimizer == "adam" and self.weight_decay:
            yield ("optimizer", "weight_decay"), (f"adam takes no weight decay: set weight_decay = 0, got "
                                                  f"{self.weight_decay}")


class Pretrain(Recipe):
    """Stage 0: masked-language-model training of the encoder, before fine-tuning. Looks at no label."""

    texts: list[Literal["train", "test"]] = ["train", "test"]
    """The competition's own texts to train on."""
    fold_texts: Literal["all", "training"] = "all"
    """all: the folds' validation texts too, as the test texts; one encoder for all folds. training: one encoder per
    fold, which has not seen its validation texts, not in test, in files or in another fold either."""
    files: list[FilePath] = []
    """Further texts: UTF-8 files with one a line, gzipped where named .gz."""
    masking: Literal["words", "tokens"] = "words"
    """words: all tokens of a word are masked together (Chinese: jieba's words). tokens: each alone."""
    mask_share: Annotated[float, Field(gt=0, lt=1)] = 0.15
    """Share of a batch's tokens that must be guessed, padding not among them."""
    max_tokens: Annotated[int, Field(ge=3, le=512)] = 128
    """[CLS] and [SEP] included; longer texts are cut into pieces, none is lost."""
    batch_tokens: Annotated[int, Field(ge=8, le=MOST)] = 4096
    """Tokens a step, about."""
    epochs: Epochs = 3
    learning_rate: LearningRate = 1e-4
    """1e-4 goes on with a pretrained BERT-Base; a small encoder from random weights takes 1e-3."""
    warmup: Share = 0.06
    dropout: Share = 0.1
    """The same as bert.dropout, for this stage."""
    held_out: Annotated[float, Field(gt=0, lt=1)] = 0.01
    """Share of the texts that are never trained on: masked loss and accuracy are measured on them."""
    storage: Literal["float32", "float16"] = "float32"
    """Precision of the weights in huggingface/; float16 halves the file."""

    def contradictions(self) -> Iterator[Contradiction]:
        yield from super().contradictions()
        if not self.texts and not self.files:
            yield ("texts", "files"), "needs texts or files to train on"
        if self.fold_texts == "training" and "train" not in self.texts:
            yield ("fold_texts", "texts"), "fold_texts = 'training' needs 'train' among texts"


class Training(Recipe):
    """One stage's training recipe."""

    batch_size: BatchSize
    """Rows a step. "fold": all training rows of the cell in one step (stage 2 with a masked head only)."""
    accumulate: Annotated[int, Field(ge=1, le=1024)] = 1
    """Parts that a step's rows are taken in, one after the other, where memory does not hold them together."""
    loss: Loss
    class_weights: Literal["none", "balanced"] = "none"
    """balanced: a row counts in inverse proportion to how many training rows of the fold have its label; 1 on average
    over them all, whatever a batch holds."""
    dropout: bool = True
    """Whether bert.dropout and head.dropout are active while this stage trains."""
    monitor: Monitor = "auc"
    """What epochs are compared by: a metric's name or loss; always exact, never from batches. Unset: as ``metric``."""
    monitor_on: Literal["fold", "inner"] = "fold"
    """fold: the fold that is reported (makes the OOF score optimistic where an epoch is chosen by it).
    inner: a tenth of the training rows, held out by the same rule as the folds."""
    early_stopping: Count | None = None
    """Epochs without improvement after which training stops."""
    plateau: Count | None = None
    """Epochs without improvement after which the rate is halved; excludes warmup and decay."""
    predict_with: Literal["last", "best"] = "last"
    """Which epoch predicts the fold and the test rows."""

    def contradictions(self) -> Iterator[Contradiction]:
        yield from super().contradictions()
        if self.plateau and (self.warmup or self.decay != "none"):
            yield ("plateau", "warmup", "decay"), ("plateau sets the rate itself: it needs warmup = 0 and "
                                                   "decay = 'none'")
        if self.accumulate > 1 and (self.loss in WHOLE or self.batch_size == "fold"
                                    or self.batch_size % self.accumulate):
            yield ("accumulate", "loss", "batch_size"), (
                f"accumulate needs a loss whose parts add up, not {', '.join(WHOLE)}, and must divide batch_size; got "
                f"{self.accumulate} with loss = {self.loss!r}, batch_size = {self.batch_size!r}")


class FromSources(Training):
    """A stage that may be trained on some sources alone."""

    train_on: Annotated[list[str] | None, Field(min_length=1), LATER] = None
    """The sources (data.source_column) that are trained on. Unset: all."""


class Stage1(FromSources):
    """Fine-tuning of encoder and head."""

    epochs: Epochs = 3
    batch_size: Count = 32
    loss: Loss = "bce"
    """The likelihood, bce of binary labels and cross_entropy of classes, unless one is given; or focal, smooth_f1. Of
    numbers and grades: mse, mae, huber, rmse, correlation; bce where they are bounded or cumulative."""
    learning_rate: Annotated[LearningRate, FITTED] = 3e-5
    """Unset, by the encoder's hidden size: 2e-5 from 1,024, 3e-5 from 768 (BERT-Base), 1e-4 from 512, 3e-4 from 256,
    else 5e-4."""
    hand_on: Literal["last", "best"] = "last"
    """Which epoch stage 2 starts from."""
    frozen: bool = False
    """Whether the encoder stays as it was: its outputs are computed once, without dropout, and the head is trained."""


class Stage2(FromSources):
    """Training of the head alone on the frozen encoder of the same fold's stage 1."""

    epochs: Epochs = 8
    batch_size: BatchSize = "fold"
    loss: Loss = "smooth_f1"
    """Of numbers and grades the smooth form of the metric: rmse, mse, mae, correlation, smooth_qwk."""
    optimizer: Literal["adamw", "adam"] = "adam"
    weight_decay: WeightDecay = 0.0
    learning_rate: LearningRate = 1e-4
    """The published 1e-7 changes 0-1 of 4,000 decisions."""
    warmup: Share = 0.0
    decay: Literal["linear", "none"] = "none"
    dropout: bool = False
    """Off: the encoder's outputs are computed once, not once for each epoch. The published stage trains with it on."""
