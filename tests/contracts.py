"""What every kind of label, every encoder and every reader must do, whichever it is; a new one is tested by being
listed here. tests/test_contracts.py runs them all."""

import dataclasses
import functools
import json
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd
from scipy import sparse

from pipeline import contributions, tasks
from pipeline.arrays import Tensors
from pipeline.backend import tf
from pipeline.checkpoints import encoder_config
from pipeline.checkpoints.encoder_config import EncoderConfig
from pipeline.config.kinds import KINDS
from pipeline.config.run import Config
from pipeline.metrics import names
from pipeline.metrics.metric import Form
from pipeline.model.encoders import encoder
from pipeline.model.encoders.encoder import Encoder
from pipeline.model.encoders.keras_bert import KerasBert
from pipeline.model.encoders.packed_bert import PackedBert
from pipeline.tasks import Task, links
from pipeline.text.packing import Batch
from pipeline.text.token_table import TokenTable
from tests.toy import TINY

ROWS = 24


@dataclass(frozen=True)
class Labelled:
    """An example of a kind: the labels of the training rows, as a file has them, and further settings of [data]."""

    labels: tuple[str, ...]
    data: dict[str, Any]


TASKS = {
    "binary": Labelled(("0", "1"), {}),
    "multiclass": Labelled(("taste", "price", "place"), {}),
    "multilabel": Labelled(("hot", "", "cheap|hot", "cheap"), {}),
    "multioutput": Labelled(("yes\x1fa", "no\x1fb", "yes\x1fc", "no\x1fa"), {"label_columns": ["warm", "class"]}),
    "tags": Labelled(("B-x I-x O", "O O B-y", "O B-x O"), {}),
    "regression": Labelled(("1.5", "3", "-0.25"), {}),
    "ordinal": Labelled(("1", "2", "4"), {}),
}
READERS: dict[str, tuple[str, str, list[str], list[str] | None]] = {  # kind, name and content of a file, texts, labels
    "comma": ("a.csv", "id,text,label\n7,香 辣,1\n8,好,0\n", ["香 辣", "好"], ["1", "0"]),
    "tab": ("a.tsv", "id\ttext\tlabel\n7\t香 辣\t1\n8\t好\t0\n", ["香 辣", "好"], ["1", "0"]),
    "conll": ("a.conll", "香\tB-x\n辣\tO\n\n好\tO\n", ["香 辣", "好"], ["B-x O", "O"]),
    "spans": ("a.jsonl", '{"text": "香辣", "entities": [{"start": 0, "end": 1, "label": "x"}]}\n'
                         '{"text": "好", "entities": []}\n', ["香 辣", "好"], ["B-x O", "O"]),
}
FAMILIES = {
    "electra": dataclasses.replace(TINY, family="electra", embedding=8),
    "albert": dataclasses.replace(TINY, family="albert", embedding=8),
    "roberta": dataclasses.replace(TINY, family="roberta", segments=1, first_position=2, epsilon=1e-5),
    "deberta": dataclasses.replace(TINY, family="deberta", segments=0, relative_positions=32, relative_buckets=8),
    "mpnet": dataclasses.replace(TINY, family="mpnet", segments=0, first_position=2, relative_buckets=8),
    "talking heads": dataclasses.replace(TINY, family="talking_heads"),
}
Made = Callable[[], Encoder]
ENCODERS: dict[str, Made] = {
    "packed": lambda: PackedBert(TINY, 0.1, np.arange(TINY.vocab_size)),
    "packed, two layers": lambda: PackedBert(TINY, 0.1, np.arange(TINY.vocab_size), layers=2),
    "packed, few tokens used": lambda: PackedBert(TINY, 0.1, np.arange(20)),
    "keras-bert": lambda: KerasBert(TINY, 0.1),
    **{family: functools.partial(encoder.packed, config, 0.1, np.arange(config.vocab_size))
       for family, config in FAMILIES.items()},
}
PACKS = ENCODERS.keys() - {"keras-bert"}  # several rows in one sequence


def config_of(kind: str, **data: Any) -> Config:
    return Config.model_validate({"name": "run", "task": kind, "bert": {"random": {}},
                                  "data": {"train": "train.csv", "test": "test.csv"} | TASKS[kind].data | data})


def rows_of(kind: str) -> pd.DataFrame:
    """id, text and the raw label of some training rows; a text has as many words as its label has tags."""
    labels = [TASKS[kind].labels[row % len(TASKS[kind].labels)] for row in range(ROWS)]
    texts = ["香 辣 好" if KINDS[kind].of_words else f"香辣{row}" for row in range(ROWS)]
    return pd.DataFrame({"id": [f"r{row}" for row in range(ROWS)], "text": texts, "label": labels,
                         "place": [f"line {row + 2}" for row in range(ROWS)]})


def check_labels(kind: str, task: Task) -> None:
    """No label of the example is wrong, each has a text of its own, and strata can be balanced."""
    rows = rows_of(kind)
    assert task.problems(rows, "train.csv", True) == []
    encoded = pd.Series(task.encode(rows.label.tolist()))
    texts = [task.label_text(label) for label in encoded]
    assert len(set(zip(texts, rows.label, strict=True))) == len(set(texts)) == len(set(rows.label))
    assert len(task.strata(encoded)) == ROWS
    assert len(set(task.strata(encoded).tolist())) > 1
    assert task.shares(encoded)


def check_outputs(kind: str, task: Task) -> None:
    """Targets fit the outputs; the linear baseline learns a target that the vectors hold."""
    target = target_of(kind, task)
    assert len(target) == ROWS
    assert len(task.outputs) == len(task.links) == len(task.loss_weights)
    known = target[target >= 0] if task.by_word else target
    vectors = np.eye(len(known)) + np.random.default_rng(0).normal(0, 0.01, (len(known), len(known)))
    logit = task.linear(vectors, known, 3.0)(vectors)
    assert len(logit) == len(known)
    assert np.isfinite(logit).all()


def check_contributions(kind: str, task: Task) -> None:
    """What moved the baseline adds up: with as few features as are kept, a row's logit less the sum of its parts is the
    intercept, the same for all rows of which the same outputs are told apart."""
    labelled, target = encoded_rows(kind, task), target_of(kind, task)
    keys, known = task.key_rows(labelled), target[target >= 0] if task.by_word else target
    vectors = sparse.csr_matrix(np.random.default_rng(0).random((len(known), contributions.MOST)))
    model = task.linear(vectors, known, 3.0)
    logits = model(vectors).reshape(len(known), -1)
    names = [f"gram {number}" for number in range(contributions.MOST)]
    table = contributions.table(task, keys, known, logits, vectors, model.weights, names)
    assert len(table) == len(known)
    assert set(table.ngram_1) <= set(names)
    towards, instead = contributions.compared(task, known, logits)
    rows = np.arange(len(known))
    logit = logits[rows, towards] - np.where(instead >= 0, logits[rows, instead], 0)
    pushes = table[[f"push_{place}" for place in range(1, contributions.MOST + 1)]].to_numpy()
    assert (np.abs(pushes[:, 0]) >= np.abs(pushes[:, -1])).all()
    intercept = pd.Series(logit - pushes.sum(axis=1)).groupby([towards, instead])
    assert (intercept.max() - intercept.min()).max() < 1e-3
    assert np.abs(pushes).max() > 0.01


def check_tables(kind: str, task: Task) -> None:
    """Tables have the columns that the kind names; probabilities lie in 0..1, and add up to 1 where they share one; the
    submission has each test id once."""
    labelled, fold, logit = encoded_rows(kind, task), np.arange(ROWS) % 3, logits_of(kind, task)
    oof, test = task.oof_table(labelled, fold, logit), task.test_table(labelled, logit)
    assert list(oof) == task.oof_columns
    assert list(test) == task.test_columns
    assert list(task.test_table(labelled[:0], logit[:0])) == task.test_columns, "a competition without test rows"
    assert oof[task.key_columns].equals(task.key_rows(labelled)[task.key_columns])
    assert not oof.duplicated(task.key_columns).any()
    numbers, at = test[tasks.probability_columns(task)].to_numpy(), 0
    for outputs, link in zip(task.outputs, task.links, strict=True):
        own, at = numbers[:, at:at + outputs], at + outputs
        if link.function == "softmax":
            np.testing.assert_allclose(own.sum(axis=1), 1, atol=1e-5)
        assert link.function == "identity" or ((own >= link.low) & (own <= link.high)).all()
    for metric in (None, *names.of_kind(kind)):
        form = Form.PROBABILITIES if metric is None else task.named_metric(metric).form
        values = task.decisions(oof, test, metric) if form == Form.DECISIONS else task.probabilities(test)
        assert values.index.tolist() == labelled.id.tolist()
        if not task.has_labels or form != Form.DECISIONS or len(values.columns) > 1:
            continue
        decided = pd.DataFrame({"text": labelled.text.tolist(), "label": values.prediction.tolist(), "place": ""})
        assert task.problems(decided, "", False) == [], "labels as the file writes them"


def check_row_views(kind: str, task: Task) -> None:
    """Each output has a view with a number, a loss and a label for each row; claims are probabilities; right
    predictions have less loss than wrong ones."""
    labelled, fold = encoded_rows(kind, task), np.arange(ROWS) % 3
    oof = task.oof_table(labelled, fold, logits_of(kind, task))
    views = task.row_views(oof)
    assert list(views) == (list(task.output_names) if kind == "multioutput" else [""])
    for view in views.values():
        assert len(view.label) == len(view.number) == len(view.loss) == ROWS
        assert np.isfinite(view.loss).all()
        assert (view.loss >= 0).all()
        assert task.has_values or ((view.number >= 0) & (view.number <= 1)).all()
        if view.claims:
            probability, happened = view.claims
            assert len(probability) == len(happened)
            assert ((probability >= 0) & (probability <= 1)).all()
    if len(views) == 1:
        assert list(views[""].label) == rows_of(kind).label.tolist(), "as decisions are written"
    if not task.by_word:
        perfect = links.with_logits(task, oof[["id"]], links.logits_by(task, links.targets(task, labelled.label)))
        best = task.row_views(oof[[name for name in oof if name not in task.test_columns[1:]]].merge(perfect, on="id"))
        for name, view in best.items():
            assert view.loss.max() < 1e-3
            assert (view.loss <= views[name].loss + 1e-3).all()


def check_scores(kind: str, task: Task) -> None:
    """Scores of an epoch hold what epochs may be compared by; a report is JSON without NaN, and says why where a number
    is missing; a comparison has its line."""
    labelled, fold, logit = encoded_rows(kind, task), np.arange(ROWS) % 3, logits_of(kind, task)
    scores = task.epoch_scores(target_of(kind, task), logit)
    assert config_of(kind).stage1.monitor in scores
    assert task.format_scores(scores)
    oof = task.oof_table(labelled, fold, logit)
    oof = oof.assign(group=oof.id.map({name: row for row, name in enumerate(labelled.id)}))
    for metric in (None, *names.of_kind(kind)):
        part = task.evaluate(oof, [], metric)
        json.dumps(part, allow_nan=False)
        assert len(task.report_row(part)) == len(task.report_header)
        comparison = task.compare("old", oof, "new", oof, metric)
        json.dumps(comparison, allow_nan=False)
        assert task.describe_change(comparison)
        assert task.describe_decision(oof, metric)
        check_lead(task, oof, metric)


def check_lead(task: Task, oof: pd.DataFrame, metric: str | None) -> None:
    """What leads the report is the metric by fold and pooled, a reason beside what is missing; compared with itself it
    has not changed; an epoch has it too."""
    some = oof[oof.fold > 0].reset_index(drop=True)
    own, without = (task.evaluate(table, missing, metric) if task.leads(metric) else task.lead(table, missing, metric)
                    for table, missing in ((oof, []), (some, [0])))
    name = task.named_metric(metric).name
    json.dumps([own, without], allow_nan=False)
    assert [row["fold"] for row in own["folds"]] == [0, 1, 2]
    assert all(isinstance(row[name], float) or row[f"{name}_reason"] for row in own["folds"])
    assert isinstance(own["pooled"], float) or own["pooled_reason"]
    assert without["pooled"] is None
    assert without["pooled_reason"]
    if task.leads(metric):
        return
    change = task.lead_change(oof, oof, metric)
    json.dumps(change, allow_nan=False)
    assert change["delta"] == 0 or change["delta_reason"]
    assert change["delta"] is None or task.describe_lead_change(change)
    assert isinstance(task.monitor_sign(name), int)


def check_saved(kind: str, task: Task) -> None:
    """What was saved is restored, from JSON, as the same."""
    again = tasks.restored(json.loads(json.dumps(tasks.saved(task))))
    assert again == task
    assert again.identity == task.identity


def encoded_rows(kind: str, task: Task) -> pd.DataFrame:
    rows = rows_of(kind)
    return rows.assign(label=pd.Series(task.encode(rows.label.tolist())))


def target_of(kind: str, task: Task) -> npt.NDArray[Any]:
    return task.target(encoded_rows(kind, task).label)


def logits_of(kind: str, task: Task) -> npt.NDArray[np.float32]:
    """Made-up logits as a head gives them."""
    shape = [ROWS, *([3] if task.by_word else []), *([sum(task.outputs)] if sum(task.outputs) > 1 else [])]
    return np.random.default_rng(1).normal(0, 2, shape).astype(np.float32)


def token_rows(lengths: npt.NDArray[np.int64], below: int) -> TokenTable:
    ids = np.random.default_rng(0).integers(6, below, lengths.sum()).astype(np.int32)
    return TokenTable(ids, np.concatenate([[0], np.cumsum(lengths)]), lengths.astype(np.int32))


def weights(config: EncoderConfig) -> Tensors:
    """Random weights, large enough that every token's vector differs."""
    return {name: values * (20 if name.endswith("kernel") else 1)
            for name, values in encoder_config.random_tensors(config, 3).items()}


def vectors_of(built: Encoder, rows: TokenTable, batch: Batch) -> dict[int, npt.NDArray[np.float32]]:
    """Row number -> its token vectors, float32 [tokens, size]."""
    tokens, filled = rows.batch(batch), batch.filled.reshape(batch.rows.shape)
    output = np.asarray(built(*map(tf.constant, tokens[:4])))
    return {int(row): output[place][tokens.member[place, slot]]
            for place, slots in enumerate(batch.rows) for slot, row in enumerate(slots) if filled[place, slot]}


def check_weights(config: EncoderConfig, built: Encoder) -> None:
    """What was loaded is dumped, to the byte, and changes nothing."""
    tensors = weights(config)
    built.load(tensors)
    dumped = built.dump()
    assert dumped.keys() == tensors.keys()
    for name, values in dumped.items():
        np.testing.assert_array_equal(values, tensors[name], err_msg=name)


def check_rows_alone(config: EncoderConfig, built: Encoder, packs: bool) -> None:
    """A row's vectors do not depend on padding, nor on the rows that share its sequence."""
    built.load(weights(config))
    lengths = np.array([5, 9, 3, 7])
    rows = token_rows(lengths, 20)
    alone = {row: vectors_of(built, rows, Batch(np.array([[row]]), int(length)))[row]
             for row, length in enumerate(lengths)}
    assert alone[0].shape == (5, built.size)
    layouts = [Batch(np.arange(4)[:, None], 12)] + [Batch(np.array([[2, 0], [3, 1]]), 20)] * packs
    for batch in layouts:
        for row, vectors in vectors_of(built, rows, batch).items():
            np.testing.assert_allclose(vectors, alone[row], atol=1e-4, err_msg=str(row))


def check_every_variable_moves(config: EncoderConfig, built: Encoder) -> None:
    """Each variable has a gradient, so that training moves it, and weight decay acts on some of them alone."""
    built.load(weights(config))
    batch = Batch(np.arange(4)[:, None], 9)
    tokens = token_rows(np.array([5, 9, 3, 7]), 20).batch(batch)
    # A fixed random weight on each element: a sum alone has no gradient behind a LayerNorm.
    slope = np.random.default_rng(2).normal(size=[4, 9, built.size]).astype(np.float32)
    with tf.GradientTape() as tape:
        tape.watch(built.variables)
        value = tf.reduce_sum(built(*map(tf.constant, tokens[:4])) * slope)
    for variable, gradient in zip(built.variables, tape.gradient(value, built.variables), strict=True):
        assert gradient is not None, variable.name
        if "key/bias" not in variable.name:  # a softmax does not see what is added to all of its inputs
            assert np.abs(tf.convert_to_tensor(gradient)).max() > 0, variable.name
    decayed = {id(variable) for variable in built.decayed}
    assert decayed < {id(variable) for variable in built.variables}


def check_reader(name: str, read: Callable[[Path, bool], pd.DataFrame], folder: Path) -> None:
    """Texts and labels as they stand, unlabelled too, with the place of each row; a damaged file is one problem's
    line."""
    file, content, texts, labels = READERS[name]
    path = folder / file
    path.write_text(content, encoding="utf-8")
    for labelled in (True, False):
        table = read(path, labelled)
        assert table.text.tolist() == texts
        assert all(isinstance(place, str) for place in table.index)
        assert table.dtypes.astype(str).unique().tolist() in (["str"], ["object"])
    assert read(path, True).label.tolist() == labels
