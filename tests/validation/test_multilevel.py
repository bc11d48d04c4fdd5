from itertools import pairwise

import numpy as np
import pytest

import refkan as rk
from refkan.claims.experiments import written
from tests.validation.made_up import REACHED, r5
from validation.multilevel import multilevel_preconditioners, nested_hierarchies
from validation.table_two import multilevel_targets, target_runs


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


def test_contributions_of_a_layer_are_those_of_its_functions_and_of_what_it_receives():
    net = rk.kan([2, 3], 3, 4)
    rng = np.random.default_rng(0)
    theta, x = rng.standard_normal(net.n_params), rng.uniform(size=(5, 2))
    at = net.layers[0].linearize(theta, x)
    rows = np.zeros((5, 3, net.n_params))
    at.fill_jacobian(np.tile(np.eye(3), (5, 1, 1)), rows)
    slopes = at.pullback_inputs(np.tile(np.eye(3), (5, 1, 1)))
    expected = np.abs(rows) @ np.abs(theta) + np.einsum("sqp,sp->sq", np.abs(slopes), x)
    np.testing.assert_allclose(nested_hierarchies.contributions(net, theta, x), expected, rtol=1e-13)


def test_r5_asks_every_bound_of_its_own_setting_and_level():
    """In raw units, in which the published mean is 25 times as large."""
    made = r5()
    assert made.status == "holds"
    assert made.mutations == {"errors ten times as large": "refuted"}
    assert r5(**{name: [2.0] * len(test) for name, test in REACHED.items()}).controls == made.controls
    assert [*made.controls.values()] == ["holds"]
    unmet = multilevel_targets.Bound("factor", "rotated", multilevel_targets.factor(0), 65.0, np.inf)
    assert [*r5(more=(unmet,)).controls.values()] == ["refuted"]
    smooth = 2.0 ** (2 * multilevel_targets.ORDER)
    assert [(e.at_least, e.at_most) for e in made.estimates] == [
        (None, 5e-5), (None, multilevel_targets.PUBLISHED_ERROR), (None, 2e-5), (None, 3e-6), (None, 1e-6), (6.0, None),
        (6.0, None), *[(pytest.approx(0.8 * smooth), pytest.approx(1.2 * smooth))] * 2,
    ]  # fmt: skip
    assert [e.published for e in made.estimates[:2]] == [None, 25 * multilevel_targets.PUBLISHED_ERROR]
    assert made.estimates[0].value == 3e-5
    rotated, smooth_errors = REACHED["rotated"], REACHED["rotated, smooth, two nodes"]
    for name, test in {
        "rotated": [5.1e-5, *rotated[1:]],
        "rotated, outer layer finer": [2.1e-5],
        "unrotated": [3.1e-6],
    }.items():
        assert r5(**{name: test}).status == "refuted"
    assert r5(rotated=[3e-5, 3e-5 / 5.9, 7e-7]).status == "refuted"
    assert r5(rotated=[3e-5, 3e-5 / 6.5, 3e-5 / 6.5 / 5.9]).status == "refuted"
    for level, factor in ((2, 0.79), (2, 1.21), (3, 0.79), (3, 1.21)):
        worse = [*smooth_errors[:level], smooth_errors[level - 1] / (factor * smooth), 0.0][: level + 1]
        worse += [worse[-1] / smooth] * (3 - level)
        assert r5(**{"rotated, smooth, two nodes": worse}).status == "refuted"


def test_random_levels_have_a_new_knot_in_every_interval(monkeypatch):
    levels, right = [], multilevel_preconditioners.injection_matrix
    monkeypatch.setattr(
        multilevel_preconditioners, "injection_matrix",
        lambda level, fine: levels.append(level.breakpoints) or right(level, fine),
    )  # fmt: skip
    assert multilevel_preconditioners.injections_are_diagonal(3, 0)
    assert len(levels) == 3
    for coarse, fine in pairwise(levels):
        np.testing.assert_array_equal(fine[::2], coarse)
        assert len(fine) == 2 * len(coarse) - 1


@pytest.mark.parametrize(("jacobi", "levels", "needed"), [
    ((1, 50, 2, 3, 10), (1, 9, 1, 1, 1.1), True),
    ((1, 50, 2, 3, 8), (1, 9, 1, 1, 1.1), False),
    ((1, 50, 2, 3, 10), (1, 1, 9, 1, 1.3), False),
])  # fmt: skip
def test_levels_are_needed_by_what_the_last_doubling_does(jacobi, levels, needed):
    result = {"conditions": {"Jacobi": jacobi, "sum over levels": levels}}
    assert multilevel_preconditioners.needs_levels(result) == needed
