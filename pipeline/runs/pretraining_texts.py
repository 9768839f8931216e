"""What stage 0 may read: the competition's texts and those of files, each with the folds that it is withheld from."""

import functools
import hashlib
import itertools
import json
from collections.abc import Iterator
from pathlib import Path

from pipeline.competition import folds
from pipeline.competition.folds import FoldOfRow
from pipeline.competition.tables import Competition
from pipeline.config.run import Config
from pipeline.config.schema import flatten
from pipeline.config.training import Pretrain
from pipeline.files import hashing
from pipeline.runs.paths import Paths
from pipeline.text import columns, corpus
from pipeline.text.corpus import Corpus, Text
from pipeline.text.vocabulary import Vocabulary


class PretrainingTexts:
    """The texts of a configuration that has [pretrain]; competition, fold_of_row: None in a run without [data]."""

    def __init__(self, config: Config, competition: Competition | None, fold_of_row: FoldOfRow | None):
        assert config.pretrain is not None
        self._config, self._competition, self._fold_of_row = config, competition, fold_of_row
        self._pretrain: Pretrain = config.pretrain

    @functools.cached_property
    def identity(self) -> str:
        """A hash of every text that stage 0 may read, and of the folds it is withheld from.

        Raises UserError for a file that cannot be read.
        """
        corpus.check_files(self._pretrain.files)
        digest = hashlib.sha256("".join(hashing.sha256(Path(name)) for name in self._pretrain.files).encode())
        sets = [sorted(validating) for validating in self._withheld[0]]
        for text, number in self._of_tables():
            digest.update(json.dumps([text, sets[number] or 0]).encode())
        return digest.hexdigest()

    def corpus(self, vocab: Vocabulary) -> Corpus:
        """All texts as tokens, in files under models/<run>/.corpus; made where they are not there."""
        of_files = itertools.chain.from_iterable(corpus.lines(Path(name)) for name in self._pretrain.files)
        texts = itertools.chain(self._of_tables(), ((line, self._withheld_from(line)) for line in of_files))
        tokens = vocab.own.json if vocab.own else vocab.tokens
        meaning = [self.identity, tokens, flatten(self._config.tokens, "tokens"), self._pretrain.max_tokens,
                   self._pretrain.held_out, *map(sorted, self._withheld[0])]
        made_of = hashlib.sha256(json.dumps(meaning, sort_keys=True).encode()).hexdigest()
        return corpus.build(Paths(self._config.name).corpus, made_of, texts, vocab, self._config,
                            tuple(self._withheld[0]))

    def _of_tables(self) -> Iterator[Text]:
        for name in self._pretrain.texts if self._competition else ():
            table = getattr(self._competition, name)
            for column in columns.text_columns(table):
                yield from ((text, self._withheld_from(text)) for text in table[column])

    @functools.cached_property
    def _withheld(self) -> tuple[dict[frozenset[int], int], dict[str, int]]:
        """The sets of folds that validate a text, numbered, and the number of each text as it is compared; nothing but
        the empty set where stage 0 reads the validation texts too."""
        sets: dict[frozenset[int], int] = {frozenset(): 0}
        if self._pretrain.fold_texts != "training":
            return sets, {}
        assert self._competition is not None
        assert self._fold_of_row is not None
        train, validating = self._competition.train, dict[str, set[int]]()
        for column in columns.text_columns(train):
            for text, fold in zip(train[column], self._fold_of_row.tolist(), strict=True):
                if fold >= 0:
                    validating.setdefault(folds.plain(text), set()).add(fold)
        return sets, {text: sets.setdefault(frozenset(own), len(sets)) for text, own in validating.items()}

    def _withheld_from(self, text: str) -> int:
        _, number_of = self._withheld
        return number_of.get(folds.plain(text), 0) if number_of else 0
