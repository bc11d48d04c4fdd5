from dataclasses import replace

import numpy as np
import pytest

from refkan.claims.experiments import written
from validation.table_two import multilevel_targets, target_runs


def test_a_seed_of_the_targets_reports_its_last_levels():
    setting = target_runs.Setting(
        (1, 2), ((1, 2), 2, 2), (3, 3, 3, 3), (3, 2, 2, 1), (80, 80, None, None), reported=2, kink=False
    )
    record = multilevel_targets.run_seed(setting, 1, 150)
    assert record["parameters"] == [10 * 4 + 5 * 10, 10 * 6 + 5 * 18]
    assert [len(values) for values in record["of many starts"]] == [3, 2, 2, 1]
    assert record["training"] == [values[0] for values in record["of many starts"][2:]]
    # Training never makes the loss worse, and a refinement leaves it as it was.
    assert record["training"][0] >= record["training"][1]
    # In evaluations of a network with twice the intervals the same work is half as much.
    assert record["nominal"][1] > record["nominal"][0] / 2 > 0
    assert min(record["measured"]) > 0
    # The last level alone: the same network.
    last = multilevel_targets.run_seed(replace(setting, reported=1), 1, 150)
    assert last["test"] == record["test"][1:]
    assert last["nominal"] == record["nominal"][1:]
    assert record["of it beyond the last kink"] == [0.0, 0.0]
    assert record["samples beyond the last kink"] == 0


def test_the_published_mean_is_in_the_unit_of_the_errors():
    records = [{"seed": seed, "squared range": 4.0, "test": [1e-5]} for seed in range(2)]
    (bound,) = (each for each in multilevel_targets.BOUNDS if each.quantity == "the published mean")
    assert bound.estimate(records).published == 4 * multilevel_targets.PUBLISHED_ERROR


def test_the_corner_beyond_the_last_kink():
    rotated, unrotated = target_runs.FULL["rotated"], target_runs.FULL["unrotated"]
    x = np.array([[0.9999, 0.9999], [0.99, 0.99], [0.5, 0.9999], [0.0, 0.0]])
    assert target_runs.beyond_last_kink(x, rotated).tolist() == [True, False, False, False]
    assert not target_runs.beyond_last_kink(x, unrotated).any()
    assert not target_runs.beyond_last_kink(x, target_runs.FULL["rotated, smooth"]).any()
    # The target has a kink there: its slope along y' changes sign between the first two points and nowhere near them.
    c, s = np.cos(rotated.angle), np.sin(rotated.angle)
    along = np.array([1.0, 1.0]) - np.linspace(0.003, 0.006, 301)[:, None] * np.array([s, c])
    values = target_runs.rk.problems.regression_target(along, rotated.angle)[:, 0]
    smooth = target_runs.rk.problems.regression_target(along, rotated.angle, kink=False)[:, 0]
    least = int(np.argmin(values - smooth))
    assert 0 < least < 300
    assert along[least] @ [s, c] == pytest.approx(target_runs.LAST_KINK, abs=2e-5)


def test_a_setting_is_run_again_by_its_line(monkeypatch):
    def run_seed(setting, seed, samples):
        assert (setting, seed, samples) == (target_runs.QUICK["unrotated"], 3, 1000)
        record = {"test": [5e-5], "training": [2.5e-5], "squared range": 25.0, "parameters": [230]}
        return record | {"nominal": [1.0], "cpu seconds": 1.0, "seed": seed}

    monkeypatch.setattr(multilevel_targets, "run_seed", run_seed)
    experiment = multilevel_targets.EXPERIMENT
    choice = {"setting": "unrotated", "size": "quick", "samples": "1000"}
    assert experiment.run(experiment.choose(written(choice)), 3)["test"] == [5e-5]
    with pytest.raises(ValueError, match="setting must be one of the quick run: rotated, unrotated"):
        experiment.run(experiment.choose("setting=rotated-smooth,size=quick"), 3)
