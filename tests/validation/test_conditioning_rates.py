"""H2 and K3: rates of descent and condition numbers on moved knots by other formulas, and the claims spoilt."""

import numpy as np
import pytest

import refkan as rk
from tests.shared.factories import EPS
from tests.validation.conditioning_answers import gram
from validation.descent import descent_rates
from validation.descent.descent_modes import Descent, measured_rates, predicted_rates
from validation.descent.descent_rates import BASES, STEP, layer_rates, network_rates
from validation.knots import free_knots_conditioning
from validation.knots.free_knots_conditioning import conditions, joint_condition


def test_rates_of_steps_are_known_in_closed_form(layers):
    """For r = 1 modes are intervals: factors 1 - c/(2 c_max), c the number of samples in one; powers by hand."""
    rng = np.random.default_rng([0, 1, 8])
    x = rng.uniform(0.0, 1.0, (1000, 1))[:, 0]
    counts = np.sort(np.histogram(x, np.linspace(0, 1, 9))[0])[::-1]
    found = layers[0]["spline"]["rates"]
    np.testing.assert_allclose(found.predicted, -np.log(1 - 0.5 * counts / counts[0]), rtol=1e-12)
    np.testing.assert_allclose(found.measured, found.predicted, rtol=1e-10)
    assert layers[0]["spline"]["condition"] == pytest.approx(counts[0] / counts[-1], rel=1e-12)


@pytest.mark.parametrize("basis", BASES)
def test_amplitudes_are_those_of_descent_written_out(basis):
    x = np.random.default_rng(0).uniform(size=(200, 1))
    y = np.sin(6 * x)
    net, start = rk.kan([1, 1], 2, 6).initialize(np.random.default_rng(1), x)
    problem = rk.LeastSquares(net, x, y)
    minimum = np.linalg.lstsq(net.jacobian(start, x), y[:, 0])[0]
    descent = Descent.about(problem, minimum, basis)
    rows, losses = descent.run(start, STEP, 20)
    other = net if basis == "spline" else net.to_basis(basis)
    J, z = other.jacobian(start, x), net.coordinates(basis).to(start)
    H = J.T @ J / 200
    values, V = np.linalg.eigh(H)
    z_min, size = net.coordinates(basis).to(minimum), np.abs(rows[0]).max()
    for k in range(21):
        expected = (V.T @ (z - z_min))[::-1]
        # Signs of eigenvectors are arbitrary.
        np.testing.assert_allclose(np.abs(rows[k]), np.abs(expected), rtol=0, atol=1e-9 * size)
        assert losses[k] == pytest.approx(0.5 * np.mean((J @ z - y[:, 0]) ** 2), rel=1e-9)
        z = z - STEP / values[-1] * J.T @ (J @ z - y[:, 0]) / 200


def test_descent_in_the_other_geometry_is_refuted(monkeypatch, networks):
    true = rk.minimize
    other = {"spline": "relu", "relu": "spline"}

    def exchanged(*args, geometry, **options):
        return true(*args, geometry=other[geometry], **options)

    monkeypatch.setattr(rk, "minimize", exchanged)
    with np.errstate(all="ignore"):
        spoilt = [layer_rates(3, 8, 0, 50)]
    assert descent_rates.verdict(spoilt, networks).status == "refuted"


def test_networks_that_reached_no_minimum_do_not_count(monkeypatch, layers):
    verdict = descent_rates.verdict(layers, [{"skipped": "2 negative eigenvalues"}])
    assert verdict.status == "refuted"
    assert "1 more arrived at none" in verdict.measured
    monkeypatch.setattr(descent_rates, "STATIONARY", 0.0)
    assert "stationary" in network_rates("mean-std", 3, 0, 10)["skipped"]


def test_minima_are_minima_and_not_of_the_gauss_newton_matrix():
    problem, minimum = descent_rates.network_minimum("mean-std", 3, 0)
    assert np.abs(problem.gradient(minimum)).max() < 1e-14
    H, K = problem.hessian(minimum), problem.gauss_newton(minimum)
    values = np.linalg.eigvalsh(H)
    # The analytic null space apart: rounding of H.
    assert values[0] > -1e3 * EPS * values[-1]
    assert np.abs(H - K).max() > 1e-4 * np.abs(H).max()


def test_rates_are_measured_where_rounding_allows():
    predicted = np.array([0.5, 1e-3, 1e-9])
    steps = np.arange(201)[:, None]
    rows = np.exp(-predicted * steps)
    rates = measured_rates(rows, predicted, noise=np.array([1e-12, 1e-12, 1e-9]))
    assert rates.resolved.tolist() == [True, True, False]
    assert rates.worst() < 1e-12
    assert rates.worst(2 * predicted) == pytest.approx(0.5)


def test_modes_in_both_bases_carry_the_same_loss():
    """Sum of values times amplitudes squared is twice the loss above its minimum, whatever the basis."""
    x = np.random.default_rng(0).uniform(size=(200, 1))
    net, start = rk.kan([1, 1], 4, 12).initialize(np.random.default_rng(1), x)
    problem = rk.LeastSquares(net, x, np.sin(6 * x))
    minimum = np.linalg.lstsq(net.jacobian(start, x), np.sin(6 * x[:, 0]))[0]
    excess = problem.value(start) - problem.value(minimum)
    for basis in BASES:
        descent = Descent.about(problem, minimum, basis)
        assert np.sum(descent.values * descent.amplitudes(start) ** 2) / 2 == pytest.approx(excess, rel=1e-10)
        along = descent.amplitudes(descent.along(2, 1e-3))
        assert np.abs(np.delete(along, 2)).max() < 1e-9 * abs(along[2])


def test_predicted_rates_are_those_of_small_factors_too():
    assert predicted_rates(np.array([1.0, 1e-20]), 0.5) == pytest.approx([np.log(2), 5e-21], rel=1e-14)


@pytest.mark.parametrize("order", [2, 3])
def test_conditions_are_those_of_gram_matrices_by_another_quadrature(order):
    breakpoints = np.array([0.0, 0.3, 0.45, 0.8, 1.0])
    knots = np.concatenate([0.1 * np.arange(1 - order, 0), breakpoints, 1 + 0.1 * np.arange(1, order)])
    space = rk.SplineSpace(knots, order)
    found = conditions(space)
    for basis in BASES:
        H = gram(space, basis)
        root = np.sqrt(np.diag(H))
        for name, matrix in ((basis, H / np.outer(root, root)), (f"{basis}, unscaled", H)):
            expected = np.linalg.cond(matrix)
            assert found[name] == pytest.approx(expected, rel=1e3 * EPS * expected), name


def test_scaled_hat_functions_have_the_condition_number_three():
    rng = np.random.default_rng(0)
    for _ in range(5):
        breakpoints = np.concatenate([[0.0], np.sort(rng.uniform(size=7)), [1.0]])
        knots = np.concatenate([[-0.125], breakpoints, [1.125]])
        assert conditions(rk.SplineSpace(knots, 2))["spline"] == pytest.approx(3.0, rel=1e-12)


def test_gram_matrices_on_graded_knots_are_the_certified_ones():
    pytest.importorskip("flint")
    spacings = np.geomspace(1.0, 1e-3, 12)
    breakpoints = np.concatenate([[0.0], np.cumsum(spacings)]) / spacings.sum()
    knots = np.concatenate([[-0.2, -0.1], breakpoints, [1.1, 1.2]])
    space = rk.SplineSpace(knots, 3)
    found = conditions(space)
    for name, which in (("spline, unscaled", "gram"), ("relu, unscaled", "relu_gram")):
        assert found[name] == pytest.approx(rk.exact.certified_condition_number(space, which)[0], rel=1e-10)


def test_training_moves_knots_and_the_extreme_ones_reach_the_limits(knots):
    trained, extreme = knots
    for case in trained:
        assert case["mse"][1] < 0.5 * case["mse"][0]
        assert case["spacings"][0] < 0.8
        assert case["breakpoints"][0] == 0.0
        assert case["breakpoints"][-1] == pytest.approx(1.0, abs=8 * EPS)
    floor = free_knots_conditioning.FLOOR
    assert min(case["spacings"][0] for case in extreme) == pytest.approx(floor, rel=1e-6)
    assert max(case["spacings"][1] for case in extreme) == pytest.approx(8 * (1 - floor) + floor, rel=1e-6)


def test_joint_condition_by_difference_quotients():
    net = rk.kan([1, 1], 3, 4, free_knots=True)
    x = np.random.default_rng(0).uniform(size=(50, 1))
    net, theta = net.initialize(np.random.default_rng(1), x)
    theta = theta + 0.2 * np.random.default_rng(2).normal(size=theta.size)
    space = net.layers[0].spaces_at(theta)[0]
    points, weights = rk.bsplines.gauss_points(space)
    step = 1e-6
    columns = [
        (net(theta + step * e, points[:, None]) - net(theta - step * e, points[:, None]))[:, 0] / (2 * step)
        for e in np.eye(theta.size)
    ]
    J = np.sqrt(weights)[:, None] * np.array(columns).T
    singular = np.linalg.svd(J / np.linalg.norm(J, axis=0), compute_uv=False)
    # The logarithms of spacings have one null direction: their sum.
    expected = (singular[0] / singular[-2]) ** 2
    assert singular[-1] < 1e-8
    assert joint_condition(net, theta, space) == pytest.approx(expected, rel=1e-5)


def test_merged_knots_would_be_seen():
    """Jacobi scaling hides how far apart knots are, not that the cut-off functions at an end become dependent."""
    interior = np.array([1e-9, 0.3, 0.7])
    space = rk.SplineSpace(np.concatenate([[-0.5, -0.25, 0.0], interior, [1.0, 1.25, 1.5]]), 3)
    assert conditions(space)["spline, unscaled"] > 1e6
