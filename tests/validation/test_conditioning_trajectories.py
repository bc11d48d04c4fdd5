"""H3: slow modes of descent in closed form, and the claim spoilt."""

import numpy as np
import pytest

import refkan as rk
from tests.validation import conditioning_answers
from validation.descent import descent_trajectories
from validation.descent.descent_rates import BASES
from validation.descent.descent_trajectories import slow_at, slow_modes


@pytest.fixture(scope="module")
def trajectories():
    return conditioning_answers.trajectories()


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
