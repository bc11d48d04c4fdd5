"""The claims about adaptive refinement and free knots: their parts, and kept measurements that are spoilt."""

from copy import deepcopy

import numpy as np
import pytest

import refkan as rk
from tests.validation.replays import measured_in
from validation.knots import adaptive_refinement, coarse_grids, rough_targets
from validation.knots.adaptive_runs import Setting, final, seconds_to
from validation.measures import sign_test


@pytest.fixture
def uniform_against_residual():
    return measured_in("knots_adaptive_refinement")["runs"]


def test_errors_and_times_of_runs():
    run = {"error": np.array([3.0, 1.0, 0.5]), "seconds": np.array([1.0, 2.0, 4.0])}
    assert final(run) == 0.5
    assert [seconds_to(run, e) for e in (5.0, 1.0, 0.7, 0.1)] == [1.0, 2.0, 4.0, float("inf")]
    assert sign_test([1, 2, 3], [2, 2, 4]) == pytest.approx(0.5)
    assert sign_test([1.0] * 7, [2.0] * 7) == pytest.approx(2.0**-7)
    assert sign_test([], []) == 1.0


def test_a_setting_is_the_same_problem_for_every_strategy():
    setting = Setting("front", 3, 100, 200, 90, 5, 2, 1, seed=3)
    (a, start), (b, again) = setting.problem(), setting.problem()
    np.testing.assert_array_equal(a.x, b.x)
    np.testing.assert_array_equal(start, again)
    assert a.net.n_params == 15 * 4
    measure = setting.measure()
    assert measure(a.net, start) == measure(b.net, again) > 0
    assert Setting("kink", 2, 50, 101, 9).problem()[0].x.shape == (50, 1)


def test_a1_needs_both_groups_and_the_factor(uniform_against_residual):
    runs = uniform_against_residual
    assert adaptive_refinement.share_won(runs, adaptive_refinement.LINE) >= 0.8
    spoilt = deepcopy(runs)
    for target in adaptive_refinement.LINE[:2]:
        for row_ in spoilt[target]:
            row_["residual"]["error"][-1] = row_["uniform"]["error"][-1] / 1.9
    assert adaptive_refinement.verdict(spoilt).status == "refuted"
    for target in adaptive_refinement.PLANE:
        for row_ in runs[target]:
            spoilt[target][0]["residual"]["error"][-1] = row_["uniform"]["error"][-1] / 3
    assert adaptive_refinement.verdict(spoilt).status == "refuted"
    right = deepcopy(runs)
    for target in adaptive_refinement.PLANE:
        right[target] = spoilt[target]
    assert adaptive_refinement.verdict(right).status == "holds"


def test_a1_the_mutation_cuts_where_the_residual_is_least(uniform_against_residual):
    runs = uniform_against_residual
    assert final(runs["steep"][0]["least residual"]) > 10 * final(runs["steep"][0]["residual"])


def test_a3_correlations_are_those_of_the_intervals():
    smooth = coarse_grids.case("smooth", 2, 32)
    assert smooth["correlation"] > 0.8
    assert smooth["with the value"] < smooth["correlation"]
    x = np.linspace(0.2, 0.8, 50)
    target = rk.problems.Target("cube", lambda x: x**3, ((0.0, 1.0),))
    np.testing.assert_allclose(coarse_grids.derivative(target, 2, x, 1e-3), 6 * x, rtol=1e-6)
    np.testing.assert_allclose(coarse_grids.derivative(target, 3, x, 1e-2), 6, rtol=1e-6)


def test_w3_judges_each_target():
    right = measured_in("knots_rough_targets")["rows"]
    for rows in right.values():
        for r in rows:
            for arm in rough_targets.RIVALS:
                r[arm] = r["residual"] | {
                    "error": 3 * np.asarray(r["residual"]["error"])[-1:],
                    "seconds": 2 * np.asarray(r["residual"]["seconds"])[-1:],
                }
        rows.extend(rows * 3)
    assert rough_targets.verdict(right).status == "holds"
    slow = deepcopy(right)
    for r in slow["step"]:
        r["quantile"]["seconds"] = np.array([1e-9])
    assert rough_targets.verdict(slow).status == "holds as corrected"
    worse = deepcopy(right)
    for r in worse["step"]:
        r["quantile"]["error"] = r["residual"]["error"][-1:] / 2
    assert rough_targets.verdict(worse).status == "refuted"
