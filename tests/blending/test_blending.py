"""Blends: what they may not depend on, what they may not see, and that every kind of label goes through."""

import hashlib
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from pipeline import tasks
from pipeline.blending import estimate, methods
from pipeline.blending.estimate import Blend
from pipeline.blending.member import Member, Model, Rows
from pipeline.files import formats, sealed
from pipeline.tasks import links
from pipeline.tasks.binary import Binary
from pipeline.tasks.multiclass import Multiclass
from pipeline.tasks.multilabel import Multilabel
from pipeline.tasks.multioutput import Multioutput
from pipeline.tasks.ordinal import Ordinal
from pipeline.tasks.regression import Regression
from pipeline.tasks.tags import Tags
from tests.conftest import Command, shell

CONFIG = "configs/toy.toml"
ROWS, TEST_ROWS, FOLDS = 90, 20, 3
METHODS = ("mean", "logit", "rank", "greedy", "nnls", "vote")
Labels = Callable[[np.random.Generator], list[Any]]


def drawn(values: list[Any]) -> Labels:
    return lambda rng: [values[number] for number in rng.integers(0, len(values), ROWS)]


KINDS: dict[str, tuple[Any, Labels, str | None]] = {
    "binary": (Binary("0", "1"), drawn([0, 1]), None),
    "binary by F1": (Binary("0", "1"), drawn([0, 1]), "f1"),
    "multiclass": (Multiclass(("a", "b", "c")), drawn(["a", "b", "c"]), "log_loss"),
    "multilabel": (Multilabel(("x", "y"), "|"), drawn(["x", "y", "x|y", ""]), "macro_f1"),
    "multioutput": (Multioutput({"hot": Binary("no", "yes"), "place": Multiclass(("a", "b", "c"))}, (1.0, 1.0)),
                    drawn(["no\x1fa", "yes\x1fb", "no\x1fc", "yes\x1fa"]), None),
    "regression": (Regression((), None), lambda rng: [f"{value:.3f}" for value in rng.normal(size=ROWS)], "rmse"),
    "bounded": (Regression((), (0.0, 5.0)), lambda rng: [f"{value:.3f}" for value in 5 * rng.random(ROWS)], "rmse"),
    "ordinal": (Ordinal(("1", "2", "3"), False), drawn(["1", "2", "3"]), "qwk"),
    "cumulative": (Ordinal(("1", "2", "3"), True), drawn(["1", "2", "3"]), "qwk"),
    "tags": (Tags.of(["O B-LOC I-LOC"]), drawn(["O B-LOC I-LOC", "B-LOC O O", "O O B-LOC"]), None),
}


def blend_of(kind: str, count: int = 3, seed: int = 0, shrink: float = 0.5,
             label: Callable[[list[Any]], list[Any]] = list) -> Blend:
    """Members that know the label, each a little less than the one before. label: changes the labels that are known."""
    task, draw, metric = KINDS[kind]
    rng = np.random.default_rng(seed)
    truth = draw(rng)
    train = pd.DataFrame({"id": [f"r{row}" for row in range(ROWS)], "text": "a b c", "label": truth})
    test = pd.DataFrame({"id": [f"t{row}" for row in range(TEST_ROWS)], "text": "a b c"})
    fold = np.arange(ROWS) % FOLDS
    target = links.targets(task, train.label)
    given = train.assign(label=label(truth))
    keys, test_keys = links.keys(task, given, fold), task.key_rows(test)
    members = []
    for number in range(count):
        score = (target - target.mean(axis=0)) * 3 + (1 + number / 3) * rng.normal(size=target.shape)
        if task.links[0].function == "identity":
            score = target + (0.2 + number / 5) * rng.normal(size=target.shape)
        of_test = rng.normal(size=(len(test_keys), target.shape[1]))
        members.append(Member(f"m{number}", tuple(
            Model(np.flatnonzero(keys.fold == own), score[keys.fold == own], of_test + own / 10) for own in range(FOLDS)
        ), str(number)))
    return Blend(Rows(task, keys, test_keys), members, metric, shrink, given.label, np.arange(ROWS),
                 np.zeros(ROWS, np.int64))


def fits(kind: str, method: str) -> bool:
    return methods.problem(method, KINDS[kind][0]) is None


@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize("kind", KINDS)
def test_every_kind_is_blended_by_every_method_that_is_for_it(kind: str, method: str) -> None:
    blend = blend_of(kind)
    if not fits(kind, method):
        assert kind in ("regression", "bounded", "ordinal", "cumulative", "tags") or method in ("mean", "logit")
        return
    made = blend.estimate(method)
    assert made.nested is not None
    assert (made.fitted.weights >= 0).all()
    assert made.fitted.weights.sum() == pytest.approx(1)
    assert list(made.oof) == blend.task.oof_columns
    test = blend.test_table(made)
    assert list(test) == blend.task.test_columns
    for table in (made.oof, test):
        at, predicted = 0, table[tasks.probability_columns(blend.task)].to_numpy(np.float64)
        assert np.isfinite(predicted).all()
        for outputs, link in zip(blend.task.outputs, blend.task.links, strict=True):
            own = predicted[:, at:at + outputs]
            if link.function == "softmax":
                np.testing.assert_allclose(own.sum(axis=1), 1, atol=1e-6)
            elif link.function == "sigmoid":
                assert ((own >= link.low) & (own <= link.high)).all()
            at += outputs


@pytest.mark.parametrize("method", METHODS)
def test_what_a_fold_is_predicted_by_has_not_seen_its_labels(method: str) -> None:
    def turned(labels: list[Any]) -> list[Any]:
        return [1 - value if row % FOLDS == 0 else value for row, value in enumerate(labels)]

    known, other = (blend_of("binary by F1", label=label).estimate(method) for label in (list, turned))
    inside = known.oof.fold == 0
    assert (known.oof.label[inside] != other.oof.label[inside]).all()
    np.testing.assert_array_equal(known.oof.logit[inside], other.oof.logit[inside])
    np.testing.assert_array_equal(known.by_fold[0].weights, other.by_fold[0].weights)
    if method in ("greedy", "nnls", "logit"):  # and what follows from labels at all does change for the others
        assert (known.oof.logit[~inside] != other.oof.logit[~inside]).any()


def test_a_monotone_transform_of_a_member_changes_nothing_under_rank() -> None:
    blend = blend_of("binary")
    first = blend.members[0]
    bent = Member(first.name, tuple(Model(model.rows, np.arctan(model.oof) * 9 - 4, np.arctan(model.test) * 9 - 4)
                                    for model in first.models), "bent")
    other = Blend(blend.rows, [bent, *blend.members[1:]], None, 0.5, blend.rows.keys.label, np.arange(ROWS),
                  np.zeros(ROWS, np.int64))
    for method, same in (("rank", True), ("mean", False)):
        one, two = blend.estimate(method), other.estimate(method)
        assert one.oof.equals(two.oof) == same
        assert blend.test_table(one).equals(other.test_table(two)) == same


def test_test_rows_are_ranked_by_their_own_models_scores_out_of_fold() -> None:
    known, test = np.array([[0.0], [1.0], [2.0], [3.0]]), np.array([[-1.0], [1.0], [1.5], [9.0]])
    member = Member("m", (Model(np.arange(4), known, test),), "")
    oof, of_test = member.ranks(Binary("0", "1"))
    np.testing.assert_allclose(oof[:, 0], [0.125, 0.375, 0.625, 0.875])
    np.testing.assert_allclose(of_test[:, 0], [0, 0.375, 0.5, 1])


def test_equal_votes_are_decided_by_the_mean_and_a_vote_more_by_none() -> None:
    task = Multiclass(("a", "b", "c"))
    shares = np.array([[[0.4, 0.35, 0.25], [0.05, 0.9, 0.05]], [[0.1, 0.7, 0.2], [0.45, 0.4, 0.15]],
                       [[0.34, 0.33, 0.33], [0.45, 0.4, 0.15]], [[0.2, 0.5, 0.3], [0.45, 0.4, 0.15]]])
    members = [Member(str(number), (Model(np.arange(2), np.log(own), np.log(own)),), "")
               for number, own in enumerate(shares)]
    stack = methods.Stack(members, task, False)
    fitted = methods.Fitted(np.full(4, 0.25), np.ones(4))
    won = links.predicted_by(task, methods.apply("vote", fitted, stack)).argmax(axis=1)
    assert won.tolist() == [1, 0]  # two votes each, b the likelier on average; three votes against a mean for b


def test_the_plain_mean_stays_where_members_are_equally_good_and_gives_way_where_one_is_noise() -> None:
    rng = np.random.default_rng(3)
    task, rows = Binary("0", "1"), 3_000
    label = (rng.random(rows) < 0.4).astype(np.int64)
    keys = pd.DataFrame({"id": np.arange(rows).astype(str), "fold": np.arange(rows) % 5, "label": label})
    group = pd.Series(np.arange(rows), index=keys.id)

    def chosen(strengths: list[float]) -> str:
        shared = 0.95 * rng.normal(size=rows)
        scores = [strength * label + shared + 0.3 * rng.normal(size=rows) for strength in strengths]
        members = [Member(str(number), (Model(np.arange(rows), score[:, None], score[:5, None]),), "")
                   for number, score in enumerate(scores)]
        blend = Blend(Rows(task, keys, keys[:5][["id"]]), members, None, 0.0, pd.Series(label), np.arange(rows), label)
        return estimate.chosen(blend, "auto", group)[0].method

    assert chosen([2.0, 2.0, 2.0]) == "mean"
    assert chosen([2.0, 2.0, 0.0, 0.0, 0.0]) in ("greedy", "nnls")


def cell_bytes(name: str) -> dict[str, str]:
    folder = Path(f"models/{name}/blend/all_folds")
    return sealed.hashes(folder)


def foreign(name: str, columns: dict[str, Any] | None = None) -> None:
    """Another model's predictions of the toy's rows."""
    rng = np.random.default_rng(5)
    for part in ("train", "test"):
        ids = pd.read_csv(f"data/{part}.csv", dtype=str).id
        values = columns or {"prediction": rng.random(len(ids)).round(4)}
        pd.DataFrame({"id": ids.iloc[::-1], **values}).to_csv(f"{name}_{part}.csv", index=False)


def test_a_blend_is_a_run_whose_cell_order_and_copies_of_members_do_not_change(finished: Path, stages: Command) -> None:
    foreign("llm")
    members = ["--of", "toy:stage1", "--of", "llm=llm_train.csv,llm_test.csv", "--of", "toy"]
    made = stages("blend", "both", *members)
    assert made.code == 0, made.err
    assert "llm: names no folds" in made.out
    report = formats.read_json(Path("oof/both/blend.json"))
    names = [member["name"] for member in report["members"]]
    assert names == ["llm", "toy:baseline", "toy:stage1", "toy:stage2"]
    assert sum(member["weight"] for member in report["members"]) == pytest.approx(1)
    oof, test = (formats.read_csv(Path(f"oof/both/{name}.csv")) for name in ("blend", "blend_test"))
    assert oof.id.tolist() == pd.read_csv("data/train.csv", dtype=str).id.tolist()
    assert oof.fold.tolist() == pd.read_csv("models/toy/folds.csv").fold.tolist()
    submission = pd.read_csv("submissions/both.csv", dtype={"ID": str}).set_index("ID").Prediction
    np.testing.assert_allclose(submission[test.id], test.prediction, atol=1e-7)
    before = cell_bytes("both")
    again = stages("blend", "both", *members)
    assert "blend: done already" in again.out
    other = stages("blend", "turned", *[*members[4:], *members[2:4], *members[:2], "--of", "toy:stage1"])
    assert other.code == 0, other.err
    assert "toy:stage1 predicts what toy:stage1 does and is left out" in " ".join(other.out.split())
    after = cell_bytes("turned")
    assert {name: before[name] for name in ("oof.csv", "test.csv")} == {
        name: after[name] for name in ("oof.csv", "test.csv")}
    shutil.rmtree("models/both/blend")
    assert stages("blend", "both", *members).code == 0
    assert cell_bytes("both") == before


def test_a_configuration_with_a_blend_makes_it_behind_stage_2_and_may_submit_it(finished: Path, stages: Command
                                                                                ) -> None:
    with Path(CONFIG).open("a") as file:
        file.write('[blend]\nof = ["toy:stage1", "toy:stage2"]\nmethod = "logit"\n[submit]\nstage = "blend"\n')
    result = stages("all", CONFIG)
    assert result.code == 0, result.err
    assert Path("submissions/toy.csv").read_bytes() == Path("submissions/toy_blend.csv").read_bytes()
    assert set(formats.read_json(Path("oof/toy/auc.json"))["stages"]) == {"baseline", "stage1", "stage2", "blend"}
    assert stages("report", CONFIG, "--fold", "1").code == 0


@pytest.mark.parametrize(("arguments", "line"), [
    (["toy", "--of", "toy:stage1"], "blend toy: there is a run of this name"),
    (["both"], "blend both: --of RUN names its members"),
    (["both", "--of", "llm_train.csv,llm_test.csv"], "blend both: one member must be a run"),
    (["both", "--of", "toy:stage1", "--no-baseline"], "a blend needs two members that differ, got toy:stage1"),
    (["both", "--of", "toy:stage3"], "toy:stage3: the stage must be one of baseline, stage1, stage2, got 'stage3'"),
    (["both", "--of", "none"], "models/none/config.toml: no such run"),
    (["both", "--of", "toy", "--of", "short.csv,llm_test.csv"], "short.csv: 1 rows are missing, for example id"),
    (["both", "--of", "toy", "--of", "wide.csv,llm_test.csv"], "wide.csv: predictions must lie between 0 and 1, got"),
    (["both", "--of", "toy", "--of", "word.csv,llm_test.csv"], "word.csv: the prediction of id"),
    (["both", "--of", "toy", "--of", "llm_train.csv"], "llm_train.csv: "),
])
def test_what_cannot_be_blended_is_one_line_and_leaves_nothing(finished: Path, stages: Command, arguments: list[str],
                                                                line: str) -> None:
    foreign("llm")
    table = pd.read_csv("llm_train.csv", dtype={"id": str})
    table.iloc[1:].to_csv("short.csv", index=False)
    table.assign(prediction=[1.5, *table.prediction[1:]]).to_csv("wide.csv", index=False)
    table.astype({"prediction": str}).assign(prediction=["high", *table.prediction[1:].astype(str)]).to_csv(
        "word.csv", index=False)
    result = stages("blend", *arguments)
    assert result.code == 2
    assert result.err.startswith(line), result.err
    assert len(result.lines) == 1
    assert not Path("models/both/blend").exists()


def test_members_of_other_folds_need_a_flag_and_of_other_labels_are_refused(finished: Path, stages: Command) -> None:
    for run, settings in (("others", ["--set", "folds.seed=5"]),):
        assert stages("baseline", CONFIG, "--run", run, *settings).code == 0
    refused = stages("blend", "both", "--of", "toy:stage1", "--of", "others:baseline")
    assert refused.code == 2
    assert "others:baseline: was validated on other folds" in refused.lines[0]
    taken = stages("blend", "both", "--of", "toy:stage1", "--of", "others:baseline", "--other-folds")
    assert taken.code == 0, taken.err
    assert "may be optimistic" in " ".join(taken.out.split())
    train = pd.read_csv("data/train.csv", dtype=str)
    train.assign(label=[train.label[1], *train.label[1:]]).to_csv("data/train.csv", index=False)
    assert stages("baseline", CONFIG, "--run", "relabelled").code == 0
    shutil.copyfile("models/toy/config.toml", "kept.toml")
    other = stages("blend", "third", "--of", "relabelled:baseline", "--of", "toy:stage1", "--other-folds")
    assert other.code == 2
    assert "toy:stage1: has other labels or words than this run" in other.err


def test_a_blend_that_is_killed_is_made_again_to_the_same_bytes(finished: Path, stages: Command) -> None:
    command = ["blend", "both", "--of", "toy:stage1", "--of", "toy:stage2"]
    killer = ("import os, signal, sys; from pipeline.runs import cells; from pipeline.files import sealed; "
              "sealed.write_done = lambda *_: os.kill(os.getpid(), signal.SIGKILL); "
              f"sys.argv = {['stages', *command]!r}; from stages.command import main; main()")
    import sys

    assert shell(sys.executable, "-c", killer, cwd=finished).code == -9
    assert not Path("models/both/blend/all_folds").exists()
    assert stages(*command).code == 0
    assert stages(*command[:1], "whole", *command[2:]).code == 0
    assert {name: digest for name, digest in cell_bytes("both").items() if name != sealed.DONE} == {
        name: digest for name, digest in cell_bytes("whole").items() if name != sealed.DONE}
    assert hashlib.sha256(Path("submissions/both.csv").read_bytes()).digest() == hashlib.sha256(
        Path("submissions/whole.csv").read_bytes()).digest()
