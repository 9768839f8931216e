"""A tag for each word: entities, scored as wholes (seqeval, after the CoNLL shared tasks' conlleval)."""

import functools
import itertools
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np
import numpy.typing as npt
import pandas as pd

from pipeline.config.run import Config
from pipeline.lazy import lazily
from pipeline.metrics import entities as entity_scores
from pipeline.metrics.metric import Form, Metric
from pipeline.tasks import linear, row_views, tag_schemes
from pipeline.tasks.label_names import alike_names, wrong_labels
from pipeline.tasks.protocol import SOFTMAX, Array, Link, Report
from pipeline.tasks.report_parts import format_score, over_folds, spread
from pipeline.tasks.row_views import RowView
from pipeline.tasks.scoring import Scored
from pipeline.tasks.tag_schemes import OUTSIDE, TAG

seqeval, special = lazily("seqeval.metrics.sequence_labeling"), lazily("scipy.special")
SURE = 20.0  # logit of O for a word that was cut off
SMALLEST = -200.0  # log-probability of one that float32 has rounded to 0
Floats = npt.NDArray[np.float32]
Ints = npt.NDArray[np.int32]

FORMER_NAME = "tokens"  # of this kind, in identities, so that cells that were made under it stay valid


@dataclass(frozen=True)
class Tags(Scored):
    """A row's text is words with a space between them, its label as many tags; tags[0] is O, which none of an entity's
    words has. Tags are decided together: the likeliest series of a text that the scheme of the tags allows.

    iob1: whether an entity begins with I, and with B only right behind one of its type.
    """

    tags: tuple[str, ...]
    iob1: bool = False

    kind: ClassVar[str] = "tags"
    metric: ClassVar[str] = "entity_f1"
    metric_label: ClassVar[str] = "entity F1"
    contradiction: ClassVar[str] = "texts with several series of tags"
    report_header: ClassVar[list[str]] = ["mean ± sd", "pooled", "precision", "recall", "right tags"]
    footnote: ClassVar[str] = (
        "An entity is right where its first and last word and its type are, as in conlleval and in seqeval's strict "
        "mode, since only legal series of tags are decided. A word that tokens.max_tokens cuts off is O.")
    label_dtype: ClassVar[str] = "str"
    submits: ClassVar[Form] = Form.DECISIONS
    pictures: ClassVar[tuple[str, ...]] = ("by_class",)
    by_word: ClassVar[bool] = True
    links: ClassVar[tuple[Link, ...]] = (SOFTMAX,)
    key_columns: ClassVar[list[str]] = ["id", "word", "text"]
    loss_weights: ClassVar[tuple[float, ...]] = (1.0,)

    @classmethod
    def from_config(cls, config: Config, labels: Sequence[str]) -> "Tags":
        return cls.of(labels)

    @classmethod
    def of(cls, labels: Iterable[str]) -> "Tags":
        """The tags of the training rows, O first."""
        rows = [label.split(" ") for label in labels]
        tags = {tag for row in rows for tag in row} - {OUTSIDE}
        return cls((OUTSIDE, *sorted(tags)), tag_schemes.begins_inside(rows))

    @property
    def output_names(self) -> tuple[str, ...]:
        """No names: a submission has one column of tags."""
        return ()

    @property
    def outputs(self) -> tuple[int, ...]:
        """A logit a tag, by one head."""
        return (len(self.tags),)

    @property
    def identity(self) -> dict[str, Any]:
        """The tags and their order, and their scheme where the tags alone do not show it."""
        return {"task": FORMER_NAME, "tags": list(self.tags)} | ({"scheme": "IOB1"} if self.iob1 else {})

    @property
    def oof_columns(self) -> list[str]:
        """The word's number in its text and the word, its tag, and a probability a tag."""
        return [*self.key_columns, "fold", "label", *self._columns()]

    @property
    def test_columns(self) -> list[str]:
        """The word's number in its text and the word, and a probability a tag."""
        return [*self.key_columns, *self._columns()]

    def problems(self, rows: pd.DataFrame, where: str, trained_on: bool) -> list[str]:
        """One line for each row whose tags are not as many as its words, for each wrong tag, and where there is no
        entity to learn from."""
        wrong = []
        for text, label, place in zip(rows.text, rows.label, rows.place, strict=True):
            words, tags = text.split(" "), label.split(" ")
            if "" in words:
                wrong.append(f"{where}, {place}: words must have one space between them and none around them")
            elif len(words) != len(tags):
                wrong.append(f"{where}, {place}: must have a tag for each of its {len(words)} words, got {len(tags)}")
        if len(wrong) > 5:
            wrong[5:] = [f"{where}: {len(wrong) - 5} more rows like that"]
        known = [tag for tag in self.tags if TAG.fullmatch(tag)]
        each = [(tag, place) for label, place in zip(rows.label, rows.place, strict=True)
                for tag in dict.fromkeys(label.split(" "))]
        wrong += wrong_labels([tag for tag, _ in each], [place for _, place in each], where,
                              set(known),
                              f"one of those that train has, {', '.join(known[:20])}{' ...' * (len(known) > 20)}"
                              if not trained_on else "O, B-LOC, I-LOC or the like (BIO, BIOES, BMES or BILOU)")
        if not trained_on and wrong and self.iob1:
            wrong.append(f"{where}: train's tags are IOB1, where an entity begins with I; if these are IOB2 (BIO), "
                         f"where each begins with B, write both files in one scheme")
        if trained_on:
            wrong += alike_names(self.tags, where, "write them alike")
        if trained_on and not wrong and len(self.tags) == 1:
            wrong.append(f"{where}: no row has an entity, every tag is O")
        return wrong

    def encode(self, labels: Sequence[str]) -> npt.NDArray[np.object_]:
        """The tags as they are."""
        return np.array(labels, dtype=object)

    def label_text(self, label: str) -> str:
        """The tags."""
        return label

    def shares(self, label: pd.Series) -> str:
        """The entities by type."""
        counts = Counter(kind for row in label for kind, _, _ in entities(row.split(" ")))
        told = ", ".join(f"{kind} {count:,}" for kind, count in counts.most_common(5))
        broken = self._illegal(label)
        return (f"{counts.total():,} entities" + (f": {told}" if told else "")
                + (f"; {broken:,} transitions are illegal in the tags' scheme" if broken else ""))

    def _illegal(self, label: pd.Series) -> int:
        target = self.target(label)
        row, place = np.nonzero(target >= 0)
        return tag_schemes.illegal_transitions(target[row, place], place == 0, self._rules) if len(row) else 0

    def strata(self, label: pd.Series) -> npt.NDArray[np.int64]:
        """The type of entity in the row that is rarest in all; 0 where there is none."""
        kinds = [{kind for kind, _, _ in entities(row.split(" "))} for row in label]
        ranked = [kind for kind, _ in Counter(kind for row in kinds for kind in sorted(row)).most_common()]
        number = {kind: place for place, kind in enumerate(ranked, 1)}
        return np.array([max((number[kind] for kind in row), default=0) for row in kinds], np.int64)

    def target(self, label: pd.Series) -> Ints:
        """int32 [rows, words]: the tag's number, -1 behind a row's last word."""
        number = {tag: place for place, tag in enumerate(self.tags)}
        rows = [[number[tag] for tag in row.split(" ")] for row in label]
        target = np.full([len(rows), max(map(len, rows), default=0)], -1, np.int32)
        for place, row in enumerate(rows):
            target[place, :len(row)] = row
        return target

    def epoch_scores(self, target: Ints, logit: Floats) -> dict[str, float]:
        """entity_f1 and f1, which is the same, accuracy of tags, loss."""
        row, place = np.nonzero(target >= 0)
        right, wide = target[row, place], self._of_words(logit, row, place).astype(np.float64)
        true, predicted = self._decided_texts(target, logit)
        f1 = _entity_scores(true, predicted)["f1"]
        pairs = zip(itertools.chain(*true), itertools.chain(*predicted), strict=True)
        return {"entity_f1": f1, "f1": f1, "accuracy": float(np.mean([tag == decided for tag, decided in pairs])),
                "loss": float(np.mean(special.logsumexp(wide, axis=1) - wide[np.arange(len(right)), right]))}

    def _decided_texts(self, target: Ints, logit: Floats) -> tuple[list[list[str]], list[list[str]]]:
        """The tags of each text: the true ones, and those decided from logits."""
        row, place = np.nonzero(target >= 0)
        first = place == 0
        log_probability = special.log_softmax(self._of_words(logit, row, place).astype(np.float64), axis=1)
        decided = tag_schemes.decode(log_probability, first, self._rules)
        true, predicted = ([self._tags(text.astype(np.int64)) for text in np.split(tags, np.flatnonzero(first)[1:])]
                           for tags in (target[row, place], decided))
        return true, predicted

    def format_scores(self, scores: dict[str, float]) -> str:
        """An epoch's scores on one line."""
        return f"entity F1 {scores['entity_f1']:.4f}  right tags {scores['accuracy']:.4f}"

    def linear(self, vectors: Any, target: Ints, strength: float, weight: Floats | None = None) -> linear.Linear:
        """Multinomial logistic regression of words."""
        return linear.classes(vectors, target, len(self.tags), strength, rounds=500, weight=weight)

    def key_rows(self, rows: pd.DataFrame) -> pd.DataFrame:
        """id, word (its number in the text, from 0), text (the word): a row for each word."""
        words = [text.split(" ") for text in rows.text]
        return pd.DataFrame({"id": np.repeat(rows.id.to_numpy(), [len(row) for row in words]),
                             "word": np.array([place for row in words for place in range(len(row))], np.int64),
                             "text": np.array([word for row in words for word in row], dtype=object)})

    def oof_table(self, rows: pd.DataFrame, fold: npt.NDArray[np.int64], logit: Floats) -> pd.DataFrame:
        """id, word, text, fold, label (its tag), then a probability a tag: a row for each word."""
        table = self.test_table(rows, logit)
        counts = [text.count(" ") + 1 for text in rows.text]
        table.insert(3, "fold", np.repeat(fold, counts))
        table.insert(4, "label", [tag for label in rows.label for tag in label.split(" ")])
        return table

    def test_table(self, rows: pd.DataFrame, logit: Floats) -> pd.DataFrame:
        """id, word, text, then a probability a tag: a row for each word."""
        table = self.key_rows(rows)
        place = table.word.to_numpy()
        flat = self._of_words(logit, np.cumsum(place == 0) - 1, place)
        probability = special.softmax(flat.astype(np.float64), axis=1).astype(np.float32)
        return pd.concat([table, pd.DataFrame(probability, columns=self._columns())], axis=1)

    def tables(self, oof: pd.DataFrame) -> dict[str, pd.DataFrame]:
        return {}

    def row_views(self, oof: pd.DataFrame) -> dict[str, RowView]:
        """Each text with its tags."""
        number = {tag: place for place, tag in enumerate(self.tags)}
        own = oof[self._columns()].to_numpy(np.float64)[np.arange(len(oof)), oof.label.map(number).to_numpy()]
        begins = np.flatnonzero(oof.word.to_numpy() == 0)
        words = np.diff(np.append(begins, len(oof)))
        loss = np.add.reduceat(row_views.loss_of(own), begins) / words
        return {"": RowView([" ".join(tags) for tags in _texts(oof, "label")], np.minimum.reduceat(own, begins), loss)}

    def probabilities(self, test: pd.DataFrame, each: bool = False) -> pd.DataFrame:
        """Each text's tags: a submission has no other form."""
        return self.decisions(None, test, None)

    def decisions(self, oof: pd.DataFrame | None, test: pd.DataFrame, metric: str | None) -> pd.DataFrame:
        """Each text's tags, with a space between them."""
        tags = test[["id"]].assign(prediction=self._decided(test))
        return tags.groupby("id", sort=False).agg(" ".join)

    def submission_columns(self, form: Form, each: bool = False) -> list[str]:
        return [""]

    def describe_decision(self, oof: pd.DataFrame, metric: str | None) -> str:
        return "tags: the likeliest legal series of each text"

    def truth(self, table: pd.DataFrame) -> list[list[str]]:
        """Each text's tags as seqeval knows them."""
        return _alike_texts(_texts(table, "label"))

    def deciding(self, table: pd.DataFrame) -> list[list[str]]:
        """Each text's tags, decided together, whatever the metric."""
        return _alike_texts(_texts(table.assign(decided=self._decided(table)), "decided"))

    def cut(self, target: Any, deciding: Any, metric: Metric) -> None:
        """Nothing is chosen on other rows."""

    @property
    def plain_cut(self) -> None:
        return None

    def decide(self, deciding: list[list[str]], cut: None) -> list[list[str]]:
        return deciding

    def rows_of(self, table: pd.DataFrame) -> pd.DataFrame:
        """The first word's row of each text."""
        return table[table.word == 0]

    def epoch_score(self, metric: str, target: Array, logit: Array) -> float:
        """A metric of an epoch, of tags that are decided together."""
        texts = [_alike_texts(part) for part in self._decided_texts(target, logit)]
        score = self.named_metric(metric).value(*texts)
        return float("nan") if score is None else score

    def decision_scores(self, table: pd.DataFrame, decided: pd.DataFrame) -> dict[str, float]:
        """Entities' precision, recall and f1, and the share of right tags."""
        ids = table.id[table.word == 0]
        true, guess = _texts(table, "label"), [tags.split(" ") for tags in decided.prediction.loc[ids]]
        right = [tag == decided_tag for text, decided_text in zip(true, guess, strict=True)
                 for tag, decided_tag in zip(text, decided_text, strict=True)]
        return {**_entity_scores(true, guess), "accuracy": float(np.mean(right))}

    def evaluate(self, oof: pd.DataFrame, missing: list[int], metric: str | None, cut: Any = None) -> Report:
        """Precision, recall and F1 of entities by fold, pooled and by type, and the share of right tags."""
        oof = oof.assign(decided=self._decided(oof))
        rows = []
        for fold in np.unique(oof.fold):
            inside = oof[oof.fold == fold]
            rows.append({"fold": int(fold), "rows": int(inside.id.nunique()), "words": len(inside),
                         "entity_f1": _entity_scores(_texts(inside, "label"), _texts(inside, "decided"))["f1"]})
        true, predicted = _texts(oof, "label"), _texts(oof, "decided")
        scores = _entity_scores(true, predicted)
        part = over_folds(rows, self.metric, scores["f1"], missing) | {
            "rows": int(oof.id.nunique()), "words": len(oof), "classes": _by_type(true, predicted)}
        if missing:
            return part | dict.fromkeys(["precision", "recall", "accuracy"])
        return part | {"precision": scores["precision"], "recall": scores["recall"],
                       "accuracy": float((oof.label == oof.decided).mean())} | self._legality(oof, scores["f1"])

    def _legality(self, oof: pd.DataFrame, f1: float) -> Report:
        """What deciding tags together changed, and how far the labels themselves keep to the scheme."""
        first, single = (oof.word == 0).to_numpy(), oof[self._columns()].to_numpy().argmax(axis=1)
        number = {tag: place for place, tag in enumerate(self.tags)}
        broken, in_labels = (tag_schemes.illegal_transitions(tags, first, self._rules)
                             for tags in (single, oof.label.map(number).to_numpy()))
        before = _entity_scores(_texts(oof, "label"), _texts(oof.assign(single=self._tags(single)), "single"))["f1"]
        remarks = [f"{broken:,} transitions between the likeliest tags of single words would be illegal; decided word "
                   f"by word, conlleval's entity F1 would be {before:.4f} instead of {f1:.4f}"]
        if in_labels:
            remarks.append(f"{in_labels:,} transitions of the labels themselves are illegal in their scheme: conlleval "
                           f"counts what entities they make, seqeval's strict mode would not")
        return {"illegal_word_by_word": broken, "illegal_in_labels": in_labels, "f1_word_by_word": before,
                "remarks": remarks}

    def compare(self, old: str, old_oof: pd.DataFrame, new: str, new_oof: pd.DataFrame, metric: str | None) -> Report:
        """The change of the entities' scores and of the share of right tags, and how many tags changed."""
        both = new_oof.assign(new=self._decided(new_oof))[[*self.key_columns, "label", "new"]].merge(
            old_oof.assign(old=self._decided(old_oof))[[*self.key_columns, "old"]], on=self.key_columns,
            validate="one_to_one")
        true = _texts(both, "label")
        before, after = (_entity_scores(true, _texts(both, which)) for which in ("old", "new"))
        return {"old": old, "new": new, "rows": int(both.id.nunique()),
                "delta_accuracy": float((both.new == both.label).mean() - (both.old == both.label).mean()),
                "tags_changed": int((both.new != both.old).sum())} | {
                    f"delta_{name}": after[name] - before[name] for name in after}

    def describe_change(self, comparison: Report) -> str | None:
        """A comparison on one line."""
        return (f"entity F1 {comparison['delta_f1']:+.4f}, precision {comparison['delta_precision']:+.4f}, recall "
                f"{comparison['delta_recall']:+.4f}, {comparison['tags_changed']:,} tags changed")

    def report_row(self, part: Report) -> list[str]:
        """A stage's numbers under ``report_header``."""
        return [spread(part), *(format_score(part[name]) for name in ("pooled", "precision", "recall", "accuracy"))]

    def _of_words(self, logit: Floats, row: npt.NDArray[np.int64], place: npt.NDArray[np.int64]) -> Floats:
        """float32 [words, tags]: the logits of words by their row and their place in it; O for one that was cut off."""
        flat = np.tile(np.array([SURE] + [0.0] * (len(self.tags) - 1), np.float32), (len(place), 1))
        seen = place < logit.shape[1]
        flat[seen] = logit[row[seen], place[seen]]
        return flat

    def _columns(self) -> list[str]:
        return [f"prediction:{tag}" for tag in self.tags]

    def _tags(self, numbers: npt.NDArray[np.integer]) -> list[str]:
        return [self.tags[number] for number in numbers]

    def _decided(self, table: pd.DataFrame) -> list[str]:
        """The tags of a table of predictions, a text's rows one after the other."""
        with np.errstate(divide="ignore"):
            log_probability = np.maximum(np.log(table[self._columns()].to_numpy(np.float64)), SMALLEST)
        return self._tags(tag_schemes.decode(log_probability, (table.word == 0).to_numpy(), self._rules))

    @functools.cached_property
    def _rules(self) -> Any:
        return tag_schemes.legal(self.tags, self.iob1)


def entities(tags: Sequence[str]) -> list[tuple[str, int, int]]:
    """Type, first and last word of each entity."""
    found: list[tuple[str, int, int]] = seqeval.get_entities([_alike(tag) for tag in tags])
    return found


def _alike(tag: str) -> str:
    """A tag as seqeval knows it, with a type."""
    prefix, kind = tag_schemes.split(tag)
    return tag if tag == OUTSIDE else f"{prefix}-{kind or 'entity'}"


def _texts(table: pd.DataFrame, column: str) -> list[list[str]]:
    """The tags of each text."""
    begins = np.flatnonzero(table.word.to_numpy() == 0)
    return [part.tolist() for part in np.split(table[column].to_numpy(), begins[1:])]


def _entity_scores(true: list[list[str]], predicted: list[list[str]]) -> dict[str, float]:
    """precision, recall and f1 over all entities; 0 where there is none."""
    support = _support(true, predicted, "micro")
    return {name: float(value) for name, value in zip(("precision", "recall", "f1"), support, strict=False)}


def _by_type(true: list[list[str]], predicted: list[list[str]]) -> list[Report]:
    names = sorted({kind for rows in (true, predicted) for row in rows for kind, _, _ in entities(row)})
    if not names:
        return []
    return [{"class": name, "rows": int(rows), "precision": float(precision), "recall": float(recall), "f1": float(f1)}
            for name, precision, recall, f1, rows in zip(names, *_support(true, predicted, None), strict=True)]


def _support(true: list[list[str]], predicted: list[list[str]], average: str | None) -> tuple[Any, ...]:
    return entity_scores.support(_alike_texts(true), _alike_texts(predicted), average)


def _alike_texts(texts: list[list[str]]) -> list[list[str]]:
    return [[_alike(tag) for tag in tags] for tags in texts]
