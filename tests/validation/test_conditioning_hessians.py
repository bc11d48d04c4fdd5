"""H1 and H3: condition numbers and slow modes by other formulas, what criteria ask, and that mutations fail."""

import numpy as np
import pytest

import refkan as rk
from tests.shared.factories import EPS
from tests.validation.conditioning_answers import SMALL, gram
from validation.conditioning import hessian_conditioning
from validation.conditioning.network_spectra import (
    MATRICES,
    START,
    TRAINED,
    TRAINED_ELSEWHERE,
    layer_condition,
    network_cases,
    started,
)
from validation.descent import descent_trajectories
from validation.descent.descent_rates import BASES
from validation.descent.descent_trajectories import slow_at, slow_modes


@pytest.mark.parametrize(("order", "intervals"), [(1, 24), (2, 16), (3, 32), (4, 64), (6, 32)])
def test_condition_numbers_of_a_layer_are_the_certified_ones(order, intervals):
    pytest.importorskip("flint")
    space = rk.SplineSpace.uniform(order, intervals)
    found = layer_condition(order, intervals)
    for basis, which in (("spline", "gram"), ("relu", "relu_gram"), ("scaled-relu", "relu_gram")):
        low, _ = rk.exact.certified_condition_number(space, which)
        # sigma_min of the B-splines is good to eps cond(J), 2e3 eps for r = 6; the rest adds a few hundred eps.
        assert found[basis] == pytest.approx(low, rel=1e-11), basis


def test_condition_numbers_of_steps_and_hats_in_closed_form():
    for n in (8, 32):
        angle = np.pi / (4 * n + 2)
        steps = layer_condition(1, n)
        assert steps["spline"] == pytest.approx(1.0, rel=1e-13)
        assert steps["relu"] == pytest.approx((np.sin((2 * n - 1) * angle) / np.sin(angle)) ** 2, rel=1e-12)
        H = 4 * np.eye(n + 1) + np.eye(n + 1, k=1) + np.eye(n + 1, k=-1)
        H[0, 0] = H[-1, -1] = 2
        assert layer_condition(2, n)["spline"] == pytest.approx(np.linalg.cond(H), rel=1e-12)


def test_condition_numbers_are_certified_where_no_matrix_of_floats_has_them():
    """r = 4, n = 128: condition number 5.9e18. To round the largest entry moves eigenvalues by more than the least."""
    pytest.importorskip("flint")
    space = rk.SplineSpace.uniform(4, 128)
    least, largest = rk.exact.extreme_eigenvalues(space, "relu_gram")
    rounding = np.spacing(gram(space, "relu").max()) / 2
    assert least.high < rounding / 10
    assert layer_condition(4, 128)["relu"] == pytest.approx(float(largest.low / least.low), rel=1e-11)


def range_condition(values, rank):
    magnitudes = np.sort(np.abs(values))[::-1]
    return magnitudes[0] / magnitudes[rank - 1]


@pytest.mark.parametrize("node_map", ["affine", "mean-std"])
def test_condition_numbers_of_networks_are_those_of_their_matrices(node_map):
    """In the ReLU basis the converted network is evaluated, which is accurate enough at r = 2 on few intervals."""
    level, seed = (1, 3), 4
    size = SMALL.but(states=(START,), samples=300)
    (case,) = network_cases(2, level, node_map, seed, size)
    problem, theta = started(rk.kan([2, 5, 1], 2, level, node_map=node_map), seed, size.samples)
    for basis in ("spline", "relu", "scaled-relu"):
        net = problem.net if basis == "spline" else problem.net.to_basis(basis)
        at = theta if basis == "spline" else problem.net.convert(theta, net)
        there = rk.LeastSquares(net, problem.x, problem.y)
        singular = np.linalg.svd(net.jacobian(at, problem.x), compute_uv=False)
        values = {"gauss-newton": singular**2, "hessian": np.linalg.eigvalsh(there.hessian(at))}
        for matrix in MATRICES:
            found = case[matrix][basis]
            # Rounding, relative to the largest: of singular values, and of eigenvalues.
            error = 1e3 * EPS * (np.sqrt(found) if matrix == "gauss-newton" else found)
            assert error < 1e-2
            expected = range_condition(values[matrix], theta.size - case[matrix]["nullity"])
            assert found == pytest.approx(expected, rel=error)


def test_states_are_starts_and_ends_of_training_in_both_bases(monkeypatch):
    true, calls = rk.minimize, []

    def recorded(problem, theta, **options):
        calls.append((options["geometry"], options["method"], options["steps"]))
        return true(problem, theta, **options)

    monkeypatch.setattr(rk, "minimize", recorded)
    cases = list(network_cases(2, (1, 3), "mean-std", 0, SMALL))
    assert [case["state"] for case in cases] == [START, TRAINED, TRAINED_ELSEWHERE]
    assert calls == [("spline", "lbfgs", SMALL.steps), ("relu", "lbfgs", SMALL.steps)]
    assert cases[0]["mse"] > max(case["mse"] for case in cases[1:])


def test_silu_is_nearly_a_spline_until_float64_takes_it_for_one():
    """sigma_min = O(h^r n^(-1/2)): the exponent of the condition number tends to 2r + 1 from below."""
    for order, least in ((2, 4.6), (3, 6.5)):
        small, large = layer_condition(order, 32)["SiLU edge"], layer_condition(order, 64)["SiLU edge"]
        assert least < np.log2(large / small) < 2 * order + 1
    assert np.isnan(layer_condition(8, 64)["SiLU edge"])


def test_a_spectrum_that_ignores_the_basis_is_seen(monkeypatch):
    true = rk.spectrum
    monkeypatch.setattr(rk, "spectrum", lambda *args, basis=None, **options: true(*args, **options))
    size = SMALL.but(orders=(3,), layers=(4, 8), states=(START,), node_maps=("affine",), samples=50)
    assert hessian_conditioning.answer(size)[0].status == "undecided"


def eigenvalues_in_l2(order, intervals, basis):
    x, weights = rk.bsplines.gauss_points(rk.SplineSpace.uniform(order, intervals))
    net = rk.kan([1, 1], order, intervals)
    problem = rk.LeastSquares(net, x[:, None], np.zeros((x.size, 1)), weights=x.size * weights)
    return rk.spectrum(problem, np.zeros(net.n_params), basis=basis).values


def test_slow_modes_appear_where_the_report_says():
    assert [slow_at(eigenvalues_in_l2(1, n, "relu")) > 0 for n in (33, 34)] == [False, True]
    assert all(slow_at(eigenvalues_in_l2(r, n, "spline")) == 2 for r in (5, 6) for n in (16, 64))
    for order in (1, 2, 3, 4):
        spline, relu = eigenvalues_in_l2(order, 64, "spline"), eigenvalues_in_l2(order, 64, "relu")
        for share in (0.72, 0.9, 0.999):
            assert slow_at(spline, 2 * share) == 0 < slow_at(relu, 2 * share)
    assert slow_at(eigenvalues_in_l2(4, 64, "spline"), 2 * 0.71) == 2


def test_slow_modes_of_steps_are_counted_in_closed_form(trajectories):
    """The Gram matrix min(i, j) h has the eigenvalues h / (4 sin^2((2k - 1) pi / (4n + 2)))."""
    n = 40
    k = np.arange(1, n + 1)
    values = 1 / (4 * n * np.sin((2 * k - 1) * np.pi / (4 * n + 2)) ** 2)
    model = trajectories[0]["relu"]
    np.testing.assert_allclose(model["eigenvalues"], values, rtol=1e-12)
    decay = 1 - np.abs(1 - 1.9 * values / values[0])
    assert model["slow"] == np.sum(decay < 1e-3) > 0
    np.testing.assert_allclose(model["decay a step"], decay, rtol=0, atol=1e-4)
    assert trajectories[0]["spline"]["eigenvalues"] == pytest.approx(np.full(n, 1 / n), rel=1e-12)


def test_measured_decay_is_that_of_the_eigenvalues(trajectories):
    for case in trajectories:
        for basis, model in case.items():
            expected = 1 - np.abs(1 - 1.9 * model["eigenvalues"] / model["eigenvalues"][0])
            # What is left at 1e-8 of a start of 1e-3 is rounded by some 1e-5, relatively.
            assert np.abs(model["decay a step"] - expected).max() < 1e-4, basis
            assert model["slow"] == model["slow, predicted"]


def test_a_smaller_step_has_slow_modes_in_the_spline_basis(monkeypatch):
    monkeypatch.setattr(descent_trajectories, "LARGEST_STEP", 0.01)
    case = {basis: slow_modes(3, 40, basis, 100) for basis in BASES}
    assert case["spline"]["slow"] > 0
