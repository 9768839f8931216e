"""What a cell's numbers mean: whatever can change one is in its identity, or kept with the run."""

import dataclasses
import typing
from pathlib import Path
from typing import Annotated, Any

import numpy as np
import pandas as pd
import pytest

from pipeline.config import loading, problems
from pipeline.config.run import Config
from pipeline.config.schema import LATER, Section, flatten
from pipeline.config.training import Stage1
from pipeline.files import atomic, formats, sealed
from pipeline.runs import opening
from pipeline.runs.run import Run
from pipeline.stage_table import PRETRAIN, STAGES
from tests.conftest import ROOT, Command

CONFIG = "configs/toy.toml"
GOLDEN = ROOT / "tests/golden"
OOF = Path("models/toy/stage1/fold_0/oof.csv")

# Keys that are in no identity under their own name, and why that is right.
THROUGH_ROWS = "the rows and labels that it leads to are hashed"
THROUGH_FOLDS = "the fold of each row is hashed, and folds.json keeps what they were dealt by"
THROUGH_CHECKPOINT = "configuration, vocabulary and weights of the encoder are hashed"
THROUGH_TEXTS = "the texts that it leads to are hashed"
KEPT = "changes last bits alone: kept in run.json, recorded with each cell"
RESULTS = "acts on finished cells' predictions, which it does not change"
NOTHING = "changes no number"
ANSWERS = {
    "seeds": "which seeds have cells; each cell has its own in its identity",
    "name": NOTHING, "task": "the task's own identity: its kind and its labels",
    **{f"data.{key}": THROUGH_ROWS for key in (
        "train", "test", "format", "header", "id_column", "text_columns", "label_column", "label_columns", "labels",
        "label_separator", "label_names", "separator", "quoting", "encoding", "empty_text", "bounds", "weight_column",
        "soft_label_columns", "extra", "source_column", "drop", "relabel")},
    **{f"pseudo_labels.{key}": "the labels that it leads to are hashed, and their weight stands there" for key in (
        "of", "test", "relabel", "share", "floor", "weight", "forced")},
    "blend.of": "the members that it names are hashed", "blend.baseline": "the members that it leads to are hashed",
    "metric": "in a monitor, where it chooses an epoch, and in stage 2's loss, which have identities of their own",
    "data.sample_submission": RESULTS,
    **{f"folds.{key}": THROUGH_FOLDS for key in (
        "method", "n", "seed", "group_by", "group_column", "column", "file", "dev", "validate_on")},
    "bert.checkpoint": THROUGH_CHECKPOINT,
    **{f"bert.random.{key}": THROUGH_CHECKPOINT for key in (
        "layers", "hidden", "heads", "intermediate", "vocab", "vocab_size", "min_count")},
    "pretrain.texts": THROUGH_TEXTS, "pretrain.files": THROUGH_TEXTS,
    "doctor.silence": NOTHING,
    **{f"submit.{key}": RESULTS for key in (
        "stage", "full_fit", "form", "columns", "no_label", "round_to", "id_header", "prediction_header")},
    "hardware.threads_per_cell": KEPT, "hardware.predict_batch": KEPT, "hardware.xla": KEPT,
    "hardware.jobs": NOTHING, "hardware.feature_cache": NOTHING,
}


def other(value: Any, annotation: Any) -> Any:
    """A value unlike the one given; whether the whole stays consistent does not matter here."""
    choices = [choice for part in (annotation, *typing.get_args(annotation)) for choice in typing.get_args(part)
               if typing.get_origin(part) is typing.Literal]
    if unlike := [choice for choice in choices if choice != value]:
        return unlike[0]
    if isinstance(value, bool):
        return not value
    if isinstance(value, int | float):
        return value - 1 if value > 3 else value + 1
    if isinstance(value, list):
        return [*value, *value[:1]] or ["other"]
    return 7 if value == "fold" else f"{value}x"


def changed(settings: Config, key: str) -> Config:
    """The configuration with another value under one key."""
    *sections, last = key.split(".")
    holder: Section = settings
    for name in sections:
        holder = getattr(holder, name)
    value: Any = other(getattr(holder, last), type(holder).model_fields[last].annotation)
    parents = [settings]
    for name in sections[:-1]:
        parents.append(getattr(parents[-1], name))
    if not sections:
        return settings.model_copy(update={last: value})
    inside: Section = holder.model_copy(update={last: value})
    for parent, name in zip(reversed(parents), reversed(sections), strict=True):
        inside = parent.model_copy(update={name: inside})
    assert isinstance(inside, Config)
    return inside


def identities(run: Run) -> dict[str, dict[str, Any]]:
    return {name: run.identity(run.cell(stage, 0)) for name, stage in STAGES.items()}


@pytest.fixture
def opened(project: Path) -> Run:
    (project / "texts.txt").write_text("鱼香\n肉菜汤\n")
    with (project / CONFIG).open("a") as file:
        file.write('[pretrain]\nmax_tokens = 32\nfiles = ["texts.txt"]\n[blend]\nof = ["a.csv", "b.csv"]\n')
    for name in ("a.csv", "b.csv"):
        (project / name).write_text("id,prediction\n")
    return opening.read(loading.load(Path(CONFIG)))


@pytest.mark.parametrize("key", [key for key, _, _ in problems.describe()])
def test_every_key_is_in_an_identity_or_cannot_matter(opened: Run, key: str) -> None:
    if key in ANSWERS:
        return
    if key == "data.label_weights":
        data = opened.config.data
        assert data is not None
        settings = opened.config.model_copy(update={"data": data.model_copy(update={"label_weights": [1.0, 2.0]})})
    else:
        settings = changed(opened.config, key)
    before, after = identities(opened), identities(dataclasses.replace(opened, config=settings))
    moved = {stage for stage in STAGES if before[stage] != after[stage]}
    section = key.partition(".")[0]
    expected = {"pretrain": {"pretrain"}, "baseline": {"baseline"}, "blend": {"blend"},
                "stage1": {"stage1"}, "stage2": {"stage2"},
                "seed": {"pretrain", "stage1", "stage2"}, "head": {"stage1"}, "data": {"stage1", "stage2"},
                "tokens": {"stage1"}, "bert": {"stage1"}}[section]
    if key in ("tokens.tokenizer", "tokens.lowercase", "tokens.strip_accents", "bert.precision"):
        expected = expected | {"pretrain"}
    assert moved == expected, f"{key}: say in ANSWERS why it cannot change a number, or put it into an identity"


def test_answers_are_about_keys_that_exist() -> None:
    assert set(ANSWERS) <= {key for key, _, _ in problems.describe()}


def test_frozen_features_are_those_of_this_runs_texts(project: Path, stages: Command) -> None:
    train = pd.read_csv("data/train.csv", dtype=str)
    train.loc[::2, "text"] = train.text[::2].str.replace("a", "A").str.replace("b", "B").str.replace("c", "C")
    train.to_csv("data/train.csv", index=False)
    frozen = ["--set", "stage1.frozen=true", "--fold", "0"]
    assert stages("stage1", CONFIG, *frozen, "--run", "lower").code == 0
    cased = [*frozen, "--set", "tokens.lowercase=false"]
    assert stages("stage1", CONFIG, *cased, "--run", "cased").code == 0
    assert len(list(Path("models/.features").iterdir())) == 2
    atomic.remove(Path("models/.features"))
    assert stages("stage1", CONFIG, *cased, "--run", "anew").code == 0
    kept, anew, lower = (pd.read_csv(f"models/{run}/stage1/fold_0/oof.csv").logit for run in ("cased", "anew", "lower"))
    assert kept.tolist() == anew.tolist()
    assert kept.tolist() != lower.tolist()


def test_features_of_another_shape_are_not_taken(project: Path, stages: Command) -> None:
    assert stages("stage1", CONFIG, "--fold", "0", "--set", "stage1.frozen=true").code == 0
    right = OOF.read_bytes()
    [folder] = Path("models/.features").iterdir()
    np.save(folder / "vectors.npy", np.zeros((3, 16), np.float32))
    (folder / "DONE.json").unlink()
    sealed.write_done(folder, {"identity": {}, "files": sealed.hashes(folder)})
    assert stages("stage1", CONFIG, "--fold", "0", "--set", "stage1.frozen=true", "--redo", "stage1").code == 0
    assert OOF.read_bytes() == right


def test_a_cell_whose_inner_rows_are_dealt_otherwise_is_not_taken(project: Path, stages: Command) -> None:
    train = pd.read_csv("data/train.csv", dtype=str)
    train.assign(fold=[row // 3 % 3 for row in range(len(train))])[["id", "fold"]].to_csv("folds.csv", index=False)
    inner = ["--set", "folds.method=given", "--set", "folds.file=folds.csv", "--set", "stage1.monitor_on=inner",
             "--set", "stage1.predict_with=best", "--fold", "0"]
    assert stages("stage1", CONFIG, *inner, "--run", "one", "--set", "folds.seed=1").code == 0
    same = stages("stage1", CONFIG, *inner, "--run", "same", "--set", "folds.seed=1", "--from", "one")
    assert "stage1 fold 0 taken from run one" in same.out
    other_seed = stages("stage1", CONFIG, *inner, "--run", "two", "--set", "folds.seed=2", "--from", "one")
    assert other_seed.code == 0
    assert "taken from" not in other_seed.out


def test_stage_0_knows_which_fold_a_text_is_withheld_from(opened: Run) -> None:
    pretrain = opened.config.pretrain
    assert pretrain is not None
    settings = opened.config.model_copy(update={"pretrain": pretrain.model_copy(update={"fold_texts": "training"})})
    dealt = opened.fold_of_row
    one, other_way = (dataclasses.replace(opened, config=settings, dealt=folds) for folds in (dealt, (dealt + 1) % 3))
    assert one.identity(one.cell(PRETRAIN, 0)) != other_way.identity(other_way.cell(PRETRAIN, 0))


def test_batch_size_of_prediction_and_xla_stay_with_the_run(project: Path, stages: Command) -> None:
    assert stages("stage1", CONFIG, "--fold", "0", "--set", "hardware.predict_batch=16").code == 0
    done = formats.read_json(Path("models/toy/stage1/fold_0/DONE.json"))["provenance"]
    assert (done["threads"], done["predict_batch"], done["xla"]) == (1, 16, False)
    settings = Path(CONFIG)
    settings.write_text(settings.read_text().replace("xla = false\n", ""))
    assert stages("stage1", CONFIG, "--fold", "1").code == 0  # neither is given: as the first cell was made
    again = formats.read_json(Path("models/toy/stage1/fold_1/DONE.json"))["provenance"]
    assert {key: again[key] for key in done} == done
    refused = stages("stage1", CONFIG, "--fold", "2", "--set", "hardware.xla=true")
    assert refused.code == 4
    assert "this run's cells are made with hardware.xla = false, got true" in refused.lines[0]
    assert stages("stage1", CONFIG, "--fold", "2", "--set", "hardware.predict_batch=8").code == 4


def test_a_first_cell_that_did_not_fit_leaves_the_batch_size_free(project: Path, stages: Command) -> None:
    formats.write(Path("models/toy/run.json"), {"predict_batch": 64, "threads_per_cell": 1, "xla": False})
    assert stages("stage1", CONFIG, "--fold", "0", "--set", "hardware.predict_batch=8").code == 0
    assert formats.read_json(Path("models/toy/run.json"))["predict_batch"] == 8


def test_a_later_key_that_has_its_default_leaves_cells_valid() -> None:
    class Grown(Stage1):
        averaging: Annotated[float, LATER] = 0.0

    assert flatten(Grown(), "stage1") == flatten(Stage1(), "stage1")
    assert flatten(Grown(averaging=0.5), "stage1") == flatten(Stage1(), "stage1") | {"stage1.averaging": 0.5}


def test_cells_that_were_made_before_a_key_was_added_stay_valid(opened: Run) -> None:
    known = (GOLDEN / "identity_keys.txt").read_text().splitlines()
    keys = sorted({f"{stage} {key}" for stage, identity in identities(opened).items() for key in identity})
    assert keys == known, (
        "a new key must be marked LATER (pipeline/config/schema.py): without it every finished cell would be refused")
