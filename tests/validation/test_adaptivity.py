"""The claims about adaptive refinement and free knots: verdicts at small sizes, and spoilt measurements refuted."""

from copy import deepcopy

import numpy as np
import pytest

import refkan as rk
from tests.validation.whole_verdicts import check
from validation.knots import (
    adaptive_refinement,
    coarse_grids,
    free_knots_accuracy,
    free_knots_pareto,
    free_knots_starts,
    geometric_transfer,
    rotated_target,
    rough_targets,
)
from validation.knots.adaptive_runs import Setting, final, refine, seconds_to
from validation.measures import sign_test

TINY = rotated_target.Size((3, 2, 1, 1, 1), (200, 200, 200, 300, None), (4, 4, 6, 4, 2), 400, 1000, 9)


@pytest.fixture(scope="module")
def uniform_against_residual():
    size = adaptive_refinement.QUICK.but(orders=(2,), line_samples=1000, plane_samples=150, plane_steps=1)
    runs = {}
    for target in ("smooth", *adaptive_refinement.LINE):
        runs[target] = [adaptive_refinement.run_line(s) for s in adaptive_refinement.line_settings(size, target)]
    for target in adaptive_refinement.PLANE:
        runs[target] = [adaptive_refinement.run_plane(adaptive_refinement.plane_settings(size, target)[0])]
    return runs


@pytest.fixture(scope="module")
def transfers():
    settings = geometric_transfer.settings(geometric_transfer.QUICK.but(samples=100, steps=2, seeds=range(1)))
    arms = (geometric_transfer.OURS, *geometric_transfer.RIVALS)
    return [{arm: refine(s, arm) for arm in arms} for s in settings]


@pytest.fixture(scope="module")
def rough():
    small = {"orders": (2,), "intervals": (16, 32), "line_samples": 1500}
    size = rough_targets.QUICK.but(**small, samples=100, steps=1, seeds=range(1))
    targets = (*rough_targets.LINE, rough_targets.FRONT)
    return {target: [rough_targets.arms(s) for s in rough_targets.settings(size, target)] for target in targets}


@pytest.fixture(scope="module")
def free_knots():
    line = [free_knots_accuracy.one_layer(target, 2, 4, 200, 20) for target in (*free_knots_accuracy.TARGETS, "kink")]
    plane = [
        {arm: rotated_target.run_seed(seed, arm == "free", TINY) for arm in ("free", "fixed")} | {"seed": seed}
        for seed in range(1)
    ]
    return line, plane


@pytest.fixture(scope="module")
def starts():
    size = free_knots_starts.QUICK.but(starts=4, samples=150, steps=10)
    cases = []
    for target in free_knots_starts.TARGETS:
        errors = [free_knots_starts.one_start(target, 3, 8, seed, size) for seed in range(size.starts)]
        names = {"target": target, "order": 3, "intervals": 8}
        cases.append(names | {arm: [e[arm] for e in errors] for arm in ("fixed", "free")})
    return cases, {2: [free_knots_starts.kink(2, seed) for seed in range(3)]}


@pytest.fixture(scope="module")
def table():
    size = free_knots_pareto.QUICK.but(intervals=(9,), samples=300, steps=5, starts=2)
    targets, arms = free_knots_pareto.TARGETS, free_knots_pareto.ARMS
    return [free_knots_pareto.cell(t, arm, 9, size) for t in targets for arm in arms], size


@pytest.fixture(scope="module")
def errors_of_grids():
    return [coarse_grids.case(t, r, n) for t in coarse_grids.TARGETS for r in coarse_grids.ORDERS for n in (16, 32)]


@pytest.fixture(scope="module")
def verdicts(uniform_against_residual, transfers, rough, free_knots, starts, table, errors_of_grids):
    return {
        "A1": adaptive_refinement.verdict(uniform_against_residual),
        "A2": geometric_transfer.verdict(transfers),
        "A3": coarse_grids.verdict(errors_of_grids),
        "K1": free_knots_accuracy.verdict(*free_knots),
        # So few steps leave free knots where the grid put them: errors that depend on it less are made up.
        "K2": free_knots_starts.grids(free_knots_starts.shrunk(starts[0], 0.4)),
        "K4": free_knots_starts.starts(*starts),
        "W2": free_knots_pareto.verdict(*table),
        "W3": rough_targets.verdict(rough),
    }


@pytest.mark.parametrize("id", ["A1", "A2", "A3", "K1", "K2", "K4", "W2", "W3"])
def test_verdicts_are_complete_and_their_mutations_refuted(id, verdicts):
    assert verdicts[id].id == id
    check(verdicts[id], verdicts[id].status, 1)


# --- the parts that are shared


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


# --- spoilt measurements


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


def test_w3_judges_each_target(rough):
    right = deepcopy(rough)
    for rows in right.values():
        for r in rows:
            for arm in rough_targets.RIVALS:
                r[arm] = r["residual"] | {
                    "error": 3 * np.asarray(r["residual"]["error"])[-1:],
                    "seconds": 2 * np.asarray(r["residual"]["seconds"])[-1:],
                }
        rows.extend(rows * 9)
    assert rough_targets.verdict(right).status == "holds"
    slow = deepcopy(right)
    for r in slow["step"]:
        r["quantile"]["seconds"] = np.array([1e-9])
    assert rough_targets.verdict(slow).status == "holds as corrected"
    worse = deepcopy(right)
    for r in worse["step"]:
        r["quantile"]["error"] = r["residual"]["error"][-1:] / 2
    assert rough_targets.verdict(worse).status == "refuted"
