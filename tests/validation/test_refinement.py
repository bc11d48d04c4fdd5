"""The claims about refinement and adaptivity: verdicts at a small size, mutations that fail, spoilt measurements."""

from copy import deepcopy

import numpy as np
import pytest

import refkan as rk
from refkan import truth
from refkan.training.problems.regression import Target
from refkan.truth.bases.prolongation import uniform_prolongation
from tests.validation.replays import measured_in
from validation.knots import adaptive_refinement, coarse_grids, rough_targets
from validation.knots.adaptive_runs import Setting, final, seconds_to
from validation.multilevel import (
    coarse_subspace,
    complementary_descent,
    complementary_shares,
    multilevel_preconditioners,
    nested_hierarchies,
    prolongation_formulas,
)

PAIRS = [prolongation_formulas.nested_pair(order, 2, 0) for order in (1, 2, 3, 4)]


@pytest.fixture(scope="module")
def errors():
    return prolongation_formulas.float64_errors((2, 3, 4, 5), (64, 128))


def test_only_runs_of_both_arms_are_compared():
    both = {"uniform": {"error": [3.0]}, adaptive_refinement.OURS: {"error": [2.0]}}
    alone = [{name: run} for name, run in both.items()]
    assert adaptive_refinement.ratios([both, *alone]) == [1.5]


def test_inclusions_of_equal_knots_would_hold_both_ways():
    same = [(order, coarse, coarse) for order, coarse, _ in PAIRS]
    assert prolongation_formulas.inclusion_verdict(same).status == "holds"


def test_a_wrong_oracle_would_be_noticed(monkeypatch):
    right = uniform_prolongation
    monkeypatch.setattr(
        prolongation_formulas, "uniform_prolongation", lambda r, n: [[p / 2 for p in line] for line in right(r, n)]
    )
    assert prolongation_formulas.dyadic_verdict(1).status == "refuted"


def test_p2_tells_the_errors_at_128_intervals_and_their_growth(errors):
    told = prolongation_formulas.formula_verdict(PAIRS, errors).measured
    lost = {r: errors[f"r = {r}, formula"] for r in (2, 3, 4, 5)}
    assert ", ".join(f"{lost[r][1]:.1e} (r = {r})" for r in lost) in told
    assert f"for r = 4 like n^{np.log2(lost[4][1] / lost[4][0]):.1f}" in told
    assert f"r = 2, 3 by {max(lost[2][0], lost[3][0]):.1e}" in told


def test_a_wrong_change_of_basis_refutes_the_formula(monkeypatch, errors):
    A = truth.change_of_basis
    monkeypatch.setattr(truth, "change_of_basis", lambda *given: [[-a for a in line] for line in A(*given)])
    assert prolongation_formulas.formula_verdict(PAIRS, errors).status == "refuted"


@pytest.mark.parametrize("order", [2, 3])
def test_p2_asks_the_formula_in_floats_of_both_orders(order, errors):
    name = f"r = {order}, formula"
    worse = errors | {name: [2 * prolongation_formulas.LIBRARY, *errors[name][1:]]}
    assert prolongation_formulas.formula_verdict(PAIRS, worse).status == "refuted"


def test_injections_hold_the_printed_rows():
    for order, rows in ((2, [[2, -1]]), (3, [[6, -8, 3], [1, 0, 0]])):
        _, coarse, fine = prolongation_formulas.re_extended(order, 2)
        found = prolongation_formulas.injection(coarse, fine, order, True)
        assert [line[:order] for line in found[: order - 1]] == rows


def test_a_wrong_prolongation_refutes_it(monkeypatch):
    right = rk.Network.convert
    monkeypatch.setattr(rk.Network, "convert", lambda self, *args, **kw: right(self, *args, **kw) * (1 + 1e-12))
    case = nested_hierarchies.Case("spline", "mean-std", "linear")
    assert not nested_hierarchies.nested([nested_hierarchies.measure(case, 50, 2)])
    monkeypatch.undo()
    assert nested_hierarchies.nested([nested_hierarchies.measure(case, 50, 2)])


def test_blocks_without_data_do_not_divide_by_zero():
    pair = coarse_subspace.Pair.of(coarse_subspace.case_of("spline", "none", "linear", n=(12, 12)), 20)
    found = pair.differences()
    assert max(found["gradient"], found["Gauss-Newton"]) <= coarse_subspace.TOLERANCE


@pytest.fixture
def shares():
    return measured_in("multilevel_complementary_descent")["results"]


SIZE = measured_in("multilevel_complementary_descent")["size"]


def test_a_share_is_measured_again_by_its_line(shares):
    readings = complementary_descent.readings(shares, SIZE)
    experiment = complementary_shares.EXPERIMENT
    for reading in (readings[1], readings[-1]):
        again = experiment.run(experiment.choose(reading.cells[1].again), 1)
        assert again["spline basis"] == pytest.approx(reading.cells[1].values[1], rel=1e-3)  # four digits are kept
        assert again["ReLU basis"] == pytest.approx(reading.cells[4].values[1], rel=1e-3)


def test_a_share_counts_what_is_orthogonal():
    basis = complementary_shares.tangent_basis(np.array([[1.0, 1.0], [0.0, 0.0], [0.0, 0.0]]))
    assert basis.shape == (3, 1)
    assert complementary_shares.share_outside(basis, np.array([[3.0], [0.0], [4.0]])) == pytest.approx(0.64)


def test_squares_on_edges():
    """A prolonged step has nothing new; a step L2-orthogonal to the coarse space is all new."""
    net = rk.kan([2, 1], 3, 4)
    fine = net.refine()
    metrics = complementary_shares.edge_metrics(net, fine)
    rng = np.random.default_rng(0)
    new, whole = complementary_shares.edge_squares(metrics, fine, net.convert(rng.standard_normal(12), fine))
    assert new < 1e-25 * whole
    S, T = net.layers[0].spaces[0], fine.layers[0].spaces[0]
    P, G = rk.prolongation_matrix(S, T).toarray(), rk.bsplines.gram_matrix(T).toarray()
    d = rng.standard_normal(T.dim)
    d -= P @ np.linalg.solve(P.T @ G @ P, P.T @ G @ d)
    new, whole = complementary_shares.edge_squares(metrics, fine, np.concatenate([d, np.zeros(T.dim)]))
    assert new == pytest.approx(whole, rel=1e-12)
    x, weights = rk.bsplines.gauss_points(T)
    assert whole == pytest.approx(weights @ rk.bsplines.evaluate(T, d, x) ** 2, rel=1e-12)


@pytest.mark.parametrize("order", [1, 2, 3])
def test_scaled_condition_numbers_against_eigenvalues(order):
    _, space = multilevel_preconditioners.level_counts(order, 8)
    A, G = rk.ChangeOfBasis(space).dense(), rk.bsplines.gram_matrix(space).toarray()
    W = rk.relu_powers.gram_matrix(space)
    d = np.random.default_rng(0).uniform(0.5, 2.0, space.dim)
    values = np.linalg.eigvalsh(np.sqrt(d)[:, None] * W * np.sqrt(d))
    found = multilevel_preconditioners.scaled_condition(A, G, d)
    assert found == pytest.approx(values[-1] / values[0], rel=1e-6)


def test_levels_share_their_powers():
    positions, fine = multilevel_preconditioners.level_counts(3, 16)
    levels = [rk.SplineSpace.uniform(3, 4)]
    assert [p.size for p in positions] == [6, 10, 18]
    np.testing.assert_array_equal(fine.knots[positions[0]], levels[0].knots[:6])


@pytest.fixture
def uniform_against_residual():
    return measured_in("knots_adaptive_refinement")["runs"]


def test_errors_and_times_of_runs():
    run = {"error": np.array([3.0, 1.0, 0.5]), "seconds": np.array([1.0, 2.0, 4.0])}
    assert final(run) == 0.5
    assert [seconds_to(run, e) for e in (5.0, 1.0, 0.7, 0.1)] == [1.0, 2.0, 4.0, float("inf")]


def test_a_setting_is_the_same_problem_for_every_strategy():
    setting = Setting("front", 3, 100, 200, 90, 5, 2, 1, seed=3)
    (a, start), (b, again) = setting.problem(), setting.problem()
    np.testing.assert_array_equal(a.x, b.x)
    np.testing.assert_array_equal(start, again)
    assert a.net.n_params == 15 * 4
    measure = setting.measure()
    assert measure(a.net, start) == measure(b.net, again) > 0
    assert Setting("kink", 2, 50, 101, 9).problem()[0].x.shape == (50, 1)


def test_a1_the_mutation_cuts_where_the_residual_is_least(uniform_against_residual):
    runs = uniform_against_residual
    assert final(runs["steep"][0]["least residual"]) > 10 * final(runs["steep"][0]["residual"])


def test_a3_correlations_are_those_of_the_intervals():
    smooth = coarse_grids.case("smooth", 2, 32)
    assert smooth["correlation"] > 0.8
    assert smooth["with the value"] < smooth["correlation"]
    x = np.linspace(0.2, 0.8, 50)
    target = Target("cube", lambda x: x**3, ((0.0, 1.0),))
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
