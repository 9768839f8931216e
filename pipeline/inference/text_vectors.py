"""Texts to vectors by a frozen encoder, as a scikit-learn transformer: the input of any classical model."""

from collections.abc import Iterable, Sequence
from typing import Any, Literal, Self

import numpy as np
import numpy.typing as npt
import pandas as pd
from sklearn.base import BaseEstimator, TransformerMixin
from sklearn.utils import Tags
from sklearn.utils.validation import check_is_fitted

from pipeline.arrays import Tensors
from pipeline.backend import graph, tf
from pipeline.checkpoints import checkpoint, hub
from pipeline.checkpoints.encoder_config import EncoderConfig
from pipeline.config import loading
from pipeline.config.model import Tokens
from pipeline.config.run import RUN_NAME
from pipeline.errors import UserError
from pipeline.inference.predictor import ROW_A_BIN, Predictor, batches
from pipeline.machine.console import say
from pipeline.model.encoders import encoder
from pipeline.runs.fitted_defaults import check_tokenizer, tokenizer_of
from pipeline.runs.paths import Paths
from pipeline.stage_table import STAGE1
from pipeline.text import tokenization
from pipeline.text.vocabulary import Vocabulary

MOST_TOKENS = 128
Pool = Literal["cls", "mean", "max"]
Tokenizer = Literal["characters", "wordpiece", "checkpoint"]
Texts = Iterable[str] | Iterable[Sequence[str]]


class TextVectors(TransformerMixin, BaseEstimator):
    """A text's vector: that of [CLS], or the mean or the largest of its tokens' vectors, [CLS] and [SEP] among them.

    source: a checkpoint's folder or its name on the hub, or a run's name, whose stage-1 encoder of ``fold`` and
    ``seed`` (None: the first) is taken, with the run's own tokenizer and max_tokens; layers: the last ones, put end to
    end; pool: "cls", "mean" or "max"; tokenizer, lowercase, max_tokens: as in a run's [tokens], for a checkpoint; None:
    as its vocabulary and its folder say, and 128 tokens or as many as it has positions for.
    Raises UserError where there is no such source.
    """

    def __init__(self, source: str, *, fold: int = 0, seed: int | None = None, layers: int = 1, pool: Pool = "mean",
                 tokenizer: Tokenizer | None = None, lowercase: bool | None = None, max_tokens: int | None = None):
        self.source, self.fold, self.seed, self.layers, self.pool = source, fold, seed, layers, pool
        self.tokenizer, self.lowercase, self.max_tokens = tokenizer, lowercase, max_tokens

    def __sklearn_tags__(self) -> Tags:
        """The input is texts, as CountVectorizer's is."""
        tags = super().__sklearn_tags__()
        tags.input_tags.string, tags.input_tags.two_d_array = True, False
        return tags

    def fit(self, texts: Texts | None = None, y: Any = None) -> Self:
        """Loads the encoder; learns nothing."""
        if self.pool not in ("cls", "mean", "max"):
            raise UserError(f"pool must be cls, mean or max, got {self.pool!r}")
        bert, self.vocab_, tensors, self.tokens_ = self._opened()
        if not 1 <= self.layers <= bert.layers:
            raise UserError(f"layers must be 1 to {bert.layers}, which {self.source} has; got {self.layers}")
        self._encoder = encoder.packed(bert, 0.0, np.arange(bert.vocab_size), layers=self.layers)
        self._encoder.load(tensors)
        self._pooled = graph(self._pool, signature=ROW_A_BIN[:4])
        self.size_ = self._encoder.size
        return self

    def transform(self, texts: Texts) -> npt.NDArray[np.float32]:
        """float32 [texts, size]. texts: strings, or pairs of them."""
        if hasattr(self, "size_") and not hasattr(self, "_encoder"):  # unpickled
            self.fit()
        check_is_fitted(self, "size_")
        rows = list(texts)
        columns = {"text": rows} if not rows or isinstance(rows[0], str) else {
            "text": [row[0] for row in rows], "text_pair": [row[1] for row in rows]}
        table = tokenization.encode(pd.DataFrame(columns, dtype=str), self.vocab_, self.tokens_)
        pooled = np.zeros([len(rows), self.size_], np.float32)
        for some, batch in batches(table, np.arange(len(rows))):
            pooled[some] = self._pooled(*map(tf.constant, batch[:4])).numpy()
        return pooled

    def get_feature_names_out(self, names: Any = None) -> npt.NDArray[np.object_]:
        """bert0, bert1, ..."""
        check_is_fitted(self, "size_")
        return np.array([f"bert{number}" for number in range(self.size_)], dtype=object)

    def __getstate__(self) -> dict[str, Any]:
        """Without the encoder, which is loaded again where it is needed."""
        return {name: value for name, value in super().__getstate__().items() if name not in ("_encoder", "_pooled")}

    def _pool(self, ids: Any, segments: Any, position: Any, member: Any) -> Any:
        vectors, there = self._encoder(ids, segments, position, member), member[:, 0, :, None]
        if self.pool == "cls":
            return vectors[:, 0]
        if self.pool == "max":
            return tf.reduce_max(tf.where(there, vectors, vectors.dtype.min), axis=1)
        return tf.reduce_sum(tf.where(there, vectors, 0), axis=1) / tf.reduce_sum(tf.cast(there, vectors.dtype), axis=1)

    def _opened(self) -> tuple[EncoderConfig, Vocabulary, Tensors, Tokens]:
        if (folder := hub.opened(self.source)).is_dir():
            read = checkpoint.read(folder)
            own = read.vocab.own is not None
            named = {"tokenizer": self.tokenizer, "lowercase": self.lowercase}
            given = {name: value for name, value in named.items() if value is not None}
            check_tokenizer(Tokens.model_validate(given), own, self.source, prefix="")
            said = {} if own else {"lowercase": read.lowercase, "strip_accents": read.strip_accents}
            most = self.max_tokens or min(MOST_TOKENS, read.config.most_tokens)
            settings = Tokens.model_validate({"tokenizer": tokenizer_of(read.vocab), "max_tokens": most} | said | given)
            if self.lowercase not in (None, read.lowercase) and read.lowercase is not None:
                say(f"warning: {self.source} says lowercase = {read.lowercase} of its tokenizer, got {self.lowercase}")
            if settings.max_tokens > read.config.most_tokens:
                raise UserError(f"max_tokens = {settings.max_tokens} cannot be greater than the checkpoint's position "
                                f"embeddings: {read.config.most_tokens} ({self.source})")
            return read.config, read.vocab, read.tensors(), settings
        if not RUN_NAME.fullmatch(self.source):
            raise UserError(f"{self.source}: no such checkpoint folder, and no run's name")
        seed = loading.load(Paths.of_existing(self.source).settings).seed if self.seed is None else self.seed
        model = Predictor(self.source, STAGE1, [self.fold], [seed])
        return model.bert, model.vocab, model.encoder().tensors(), model.config.tokens
