"""K3: condition numbers on moved knots by other formulas, and the claim spoilt."""

import numpy as np
import pytest

import refkan as rk
from tests.shared.factories import EPS
from tests.validation import conditioning_answers
from tests.validation.conditioning_answers import gram
from validation.descent.descent_rates import BASES
from validation.knots import free_knots_conditioning
from validation.knots.free_knots_conditioning import conditions, joint_condition


@pytest.fixture(scope="module")
def knots():
    return conditioning_answers.knots()


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
