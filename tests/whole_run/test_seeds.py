"""Several seeds on the same folds: where their cells are, what is averaged, and what is said of how much they vary."""

import io
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from pipeline.files import formats, sealed
from pipeline.metrics.intervals import NORMAL
from pipeline.results import seed_spread
from pipeline.results.seed_spread import Scored
from tests.conftest import Command

CONFIG = "configs/toy.toml"
SEEDS = ("--set", "seeds=[2020, 7]")


def table(path: str) -> pd.DataFrame:
    return formats.read_csv(Path(path))


def test_the_first_seeds_cells_are_as_they_were_and_means_are_of_probabilities(
        project: Path, finished_once: Path, stages: Command) -> None:
    assert stages("all", CONFIG, *SEEDS).code == 0
    for stage in ("baseline", "stage1", "stage2"):
        for fold in range(3):
            there, then = (folder / f"models/toy/{stage}/fold_{fold}" for folder in (project, finished_once))
            assert sealed.hashes(there) == sealed.hashes(then)
    assert not list(Path("models/toy/baseline").glob("*seed*"))  # nothing of it is random
    for stage in ("stage1", "stage2"):
        oof, test = table(f"oof/toy/{stage}.csv"), table(f"oof/toy/{stage}_test.csv")
        first = formats.read_csv(finished_once / f"oof/toy/{stage}.csv")
        pd.testing.assert_series_equal(oof.logit_seed_2020, first.logit, check_names=False)
        further = pd.concat(table(f"models/toy/{stage}/fold_{fold}_seed_7/oof.csv") for fold in range(3))
        pd.testing.assert_series_equal(oof.set_index("id").logit_seed_7, further.set_index("id").logit[oof.id],
                                       check_names=False)
        assert (oof.logit_seed_7 != oof.logit_seed_2020).all()
        mean = oof[["prediction_seed_2020", "prediction_seed_7"]].mean(axis=1)
        np.testing.assert_allclose(oof.prediction, mean, atol=1e-7)
        np.testing.assert_allclose(1 / (1 + np.exp(-oof.logit.astype(float))), mean, atol=1e-6)
        models = [f"prediction_{fold}{seed}" for seed in ("", "_seed_7") for fold in range(3)]
        np.testing.assert_allclose(test.prediction, test[models].mean(axis=1), atol=1e-7)
        part = formats.read_json(Path("oof/toy/auc.json"))["stages"][stage]["seeds"]
        assert part["seeds"] == [2020, 7]
        assert part["pooled"][0] == formats.read_json(finished_once / "oof/toy/auc.json")["stages"][stage]["pooled"]
    submission = pd.read_csv("submissions/toy.csv", dtype={"ID": str}).set_index("ID").Prediction
    np.testing.assert_allclose(submission[test.id], test.prediction, atol=1e-7)
    predicted = stages("predict", "toy", "data/test.csv", "--format", "csv")  # the same mean in memory
    np.testing.assert_allclose(pd.read_csv(io.StringIO(predicted.out)).prediction, test.prediction, atol=1e-5)
    one = stages("predict", "toy", "data/test.csv", "--format", "csv", "--seed", "7", "--fold", "1")
    np.testing.assert_allclose(pd.read_csv(io.StringIO(one.out)).prediction, test.prediction_1_seed_7, atol=1e-5)


def test_a_seed_alone_is_fitted_and_told_as_such(finished: Path, stages: Command) -> None:
    assert stages("stage1", CONFIG, *SEEDS, "--seed", "7", "--fold", "1").code == 0
    assert [path.name for path in Path("models/toy/stage1").glob("*_seed_*")] == ["fold_1_seed_7"]
    without = stages("stage2", CONFIG, *SEEDS, "--seed", "7", "--fold", "2")
    assert without.code == 2
    assert without.lines == ["stage1 fold 2 seed 7 is not done, which this stage starts from: python -m stages stage1 "
                             "models/toy/config.toml --fold 2 --seed 7"]
    report = stages("report", CONFIG, *SEEDS)
    assert "stage1: seeds 7 are not finished, and not in these numbers" in report.out.replace("\n", " ")
    refused = stages("submit", CONFIG, *SEEDS)
    assert refused.code == 2
    assert "seeds 7 are not finished" in refused.err
    alone = stages("submit", CONFIG, *SEEDS, "--seed", "2020")
    assert alone.code == 0
    assert Path("submissions/toy_stage2_seeds_2020.csv").read_bytes() == Path("submissions/toy.csv").read_bytes()


@pytest.mark.parametrize(("options", "line"), [
    (["--set", "seeds=[7, 7]"], "configs/toy.toml: seeds must be different numbers, got [7, 7]"),
    (["--set", "seeds=[7]", "--set", "seed=8"],
     "configs/toy.toml: seed must be the first of seeds, 7, or be left out; got 8"),
    (["--set", "seeds=[]"], "configs/toy.toml: seeds"),
    (["--seed", "8"], "--seed 8: this run has 2020; add it to seeds"),
])
def test_seeds_that_cannot_be_are_one_line(project: Path, stages: Command, options: list[str], line: str) -> None:
    result = stages("stage1", CONFIG, *options)
    assert result.code == 2
    assert result.err.startswith(line)
    assert not Path("models/toy/stage1").exists()


def test_variances_of_folds_seeds_and_rest_are_found_again() -> None:
    rng = np.random.default_rng(0)
    truth = {"folds": 3e-3, "seeds": 2e-3, "rest": 1e-3}
    splits = [seed_spread.split(0.9 + rng.normal(0, truth["folds"], (1, 5)) + rng.normal(0, truth["seeds"], (3, 1))
                                + rng.normal(0, truth["rest"], (3, 5))) for _ in range(3_000)]
    for name, sd in truth.items():
        assert np.mean([part[name] for part in splits]) == pytest.approx(sd**2, rel=0.1)


def test_a_difference_of_seeds_alone_is_told_from_0_in_one_draw_of_twenty() -> None:
    rng, sd, told = np.random.default_rng(1), 2e-3, 0
    for _ in range(2_000):
        old, new = rng.normal(0.9, sd, (2, 3))
        estimated = float(np.sqrt(np.mean([np.var(old, ddof=1), np.var(new, ddof=1)])))
        told += abs(new.mean() - old.mean()) > seed_spread.smallest_difference(estimated, 3)
    assert told / 2_000 == pytest.approx(0.05, abs=0.015)


def test_more_seeds_make_an_interval_shorter_until_the_rows_are_all_that_is_left() -> None:
    seeds = (1, 2, 3)
    folds = np.full((3, 2), 0.9)
    old, new = (Scored(seeds, folds, 0.9 + np.array(moves)) for moves in ([0, 1e-3, 2e-3], [4e-3, 2e-3, 3e-3]))
    change = {"delta": 2e-3, "delta_interval": [1e-3, 3e-3]}
    widened = seed_spread.widened(change, old, new)
    assert widened is not None
    assert widened["interval"][0] < 0 < 1e-3
    more = widened["more_seeds"]
    assert more > 0
    variances = [(float(np.var(new.pooled - old.pooled, ddof=1)), 3)]
    rows = (1e-3 / NORMAL) ** 2
    assert seed_spread._half(rows, variances, more) < 2e-3 <= seed_spread._half(rows, variances, more - 1)
    hopeless = seed_spread.widened({"delta": 2e-3, "delta_interval": [-1e-3, 5e-3]}, old, new)
    assert hopeless is not None
    assert hopeless["more_seeds"] is None
    assert seed_spread.widened(change, None, None) is None
