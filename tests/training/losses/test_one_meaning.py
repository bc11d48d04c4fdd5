"""Decision of the design: residual, jacobian, gradient, gauss_newton, ntk, hessian mean the same on both losses."""

from types import SimpleNamespace

import numpy as np
import pytest

import refkan as rk
from refkan.training.losses import Attention, Collocation, LeastSquares
from tests.shared.factories import NODE_MAPS, NetworkCase, complex_slopes, name, samples
from tests.shared.refusals import refusals, refused
from tests.training.losses.collocation_terms import one_of_each

pytestmark = pytest.mark.filterwarnings("ignore::refkan.base.errors.DiscontinuousLossWarning")  # see test_continuity.py

RTOL = 1e-13
"""Of the sum of absolute terms of an entry."""

CASES = (
    *(NetworkCase("spline", node_map, order=4, widths=(2, 3, 1)) for node_map in NODE_MAPS),
    *(NetworkCase("spline", node_map, order=4, widths=(2, 3, 2, 1), intervals=(3, 2, 1)) for node_map in NODE_MAPS),
    NetworkCase("relu", "sigmoid", order=4, widths=(2, 3, 1)),
    NetworkCase("silu", "mean-std", order=4, widths=(2, 3, 1)),
    NetworkCase("spline", "mean-std", free_knots=True, order=4, widths=(2, 3, 1)),
    NetworkCase("mlp-tanh", "none", widths=(2, 3, 4, 1)),
)


def least_squares(case, weighted=True):
    net, theta = case.start(samples(15))
    rng = np.random.default_rng(5)
    y = rng.standard_normal((15, net.widths[-1]))
    return rk.LeastSquares(net, samples(15), y, rng.uniform(0.1, 2.0, 15) if weighted else None), theta


def collocation(case):
    net, theta = case.start(samples(15))
    attention = Attention(9, rate=0.5)
    attention.update(np.linspace(0.2, 1.0, 9))
    return Collocation(net, one_of_each(samples(9), attention=attention)), theta


def build(case, loss):
    return collocation(case) if loss == "collocation" else least_squares(case, loss == "weighted")


def agree(ours, theirs, size):
    """Within RTOL of the sums of absolute terms, or of their largest: products sum in other orders."""
    assert np.shape(ours) == np.shape(theirs)
    assert (np.abs(ours - theirs) <= RTOL * np.max(size)).all()


@pytest.mark.parametrize("loss", ["plain", "weighted", "collocation"])
@pytest.mark.parametrize("case", CASES, ids=lambda case: f"{name(case)}-{len(case.widths) - 1}")
def test_each_word_has_one_meaning(case, loss):
    problem, theta = build(case, loss)
    r, J = problem.residual(theta), problem.jacobian(theta)
    m, n = problem.n_residuals, theta.size
    assert (r.shape, J.shape) == ((m,), (m, n))
    size = np.abs(J)
    assert problem.value(theta) == pytest.approx(r @ r / 2, rel=RTOL)
    agree(problem.gradient(theta), J.T @ r, size.T @ np.abs(r))
    agree(problem.gauss_newton(theta), J.T @ J, size.T @ size)
    agree(problem.ntk(theta), J @ J.T, size @ size.T)
    v = np.random.default_rng(1).standard_normal(n)
    agree(problem.gauss_newton_vector(theta, v), J.T @ (J @ v), size.T @ (size @ np.abs(v)))
    both = problem.residual_and_jacobian(theta)
    agree(both[0], r, np.abs(r))
    agree(both[1], J, size)
    value, gradient = problem.value_and_gradient(theta)
    assert value == pytest.approx(problem.value(theta), rel=RTOL)
    np.testing.assert_array_equal(gradient, problem.gradient(theta))


@pytest.mark.parametrize("loss", ["weighted", "collocation"])
@pytest.mark.parametrize("case", CASES[1::2], ids=lambda case: f"{name(case)}-{len(case.widths) - 1}")
def test_the_jacobian_is_that_of_the_residual(case, loss):
    problem, theta = build(case, loss)
    J, (V, slopes) = problem.jacobian(theta), complex_slopes(problem.residual, problem.net, theta)
    assert np.all(np.abs(V @ J.T - slopes) <= RTOL * 10 * np.abs(J).max() * np.abs(V).sum(axis=1)[:, None])


@pytest.mark.parametrize("case", [case for case in CASES if not case.free_knots][:9:2], ids=name)
def test_the_hessian_is_that_of_the_value(case):
    """J^T J + sum_k r_k Hess r_k: along a direction the derivative of the gradient, and J^T J where the misfit is 0."""
    problem, theta = least_squares(case)
    H, v = problem.hessian(theta), np.random.default_rng(1).standard_normal(theta.size)
    agree(problem.hessian_vector(theta, v), H @ v, np.abs(H) @ np.abs(v))
    h = 1e-5
    quotient = (problem.gradient(theta + h * v) - problem.gradient(theta - h * v)) / (2 * h)
    np.testing.assert_allclose(quotient, H @ v, rtol=0, atol=1e-6 * np.abs(H @ v).max())
    fitted = rk.LeastSquares(problem.net, problem.x, problem.net(theta, problem.x), problem.weights)
    J = np.abs(problem.jacobian(theta))
    agree(fitted.hessian(theta), fitted.gauss_newton(theta), J.T @ J)


@pytest.mark.parametrize("weighted", [False, True])
def test_the_misfit_has_neither_weights_nor_samples(weighted):
    case = NetworkCase("spline", "mean-std", widths=(2, 3, 2))
    problem, theta = least_squares(case, weighted)
    e = problem.misfit(theta)
    np.testing.assert_array_equal(e, problem.net(theta, problem.x) - problem.y)
    weights = problem.weights if weighted else np.ones(15)
    r = np.sqrt(weights / 15)[:, None] * e
    agree(problem.residual(theta), r.ravel(), np.abs(r))
    J = np.sqrt(np.repeat(weights, 2) / 15)[:, None] * problem.net.jacobian(theta, problem.x)
    agree(problem.jacobian(theta), J, np.abs(J))
    assert problem.mse(theta) == pytest.approx(np.mean(e**2), rel=1e-15)


@pytest.mark.parametrize("weighted", [False, True])
def test_functions_of_hessians_divide_the_matrix_alone_by_the_number_of_samples(weighted):
    """`refkan.networks.hessians` takes J of the outputs: gauss_newton is J^T W J / N, jacobian and ntk have no 1/N."""
    problem, theta = least_squares(NetworkCase("spline", "sigmoid", widths=(2, 3, 2)), weighted)
    given, J, K = (problem.net, theta, problem.x, problem.weights), problem.jacobian(theta), problem.ntk(theta)
    np.testing.assert_array_equal(rk.hessians.gauss_newton(*given), problem.gauss_newton(theta))
    agree(rk.hessians.jacobian(*given), np.sqrt(15) * J, np.sqrt(15) * np.abs(J))
    agree(rk.hessians.ntk(*given), 15 * K, 15 * np.abs(K))


def test_an_overflowing_value_has_no_gradient_and_asks_for_none():
    class Far:
        def vjp(self, theta, x, inputs=True):
            return x * theta, lambda dy: pytest.fail("the network must not be given infinite cotangents")

    with np.errstate(over="ignore"):
        value, gradient = LeastSquares(Far(), [[1.0]], [[0.0]]).value_and_gradient(np.array([1e200]))
    assert value == np.inf
    assert np.isnan(gradient).all()


def test_values_are_infinite_where_a_network_refuses_theta():
    class Refusing:
        def vjp(self, theta, x, inputs=True):
            raise OverflowError

        __call__ = vjp

    problem, theta = LeastSquares(Refusing(), [[1.0]], [[0.0]]), np.ones(1)
    value, gradient = problem.value_and_gradient(theta)
    assert problem.value(theta) == value == np.inf
    assert np.isnan(gradient).all()


X, Y = np.zeros((3, 2)), np.zeros((3, 2))


test_bad_data = refusals(
    (X[:0], Y[:0], None, "x must hold at least one sample; got N = 0"),
    (X, Y[:, 0], None, r"y must have 2 dimensions; got shape \(3,\)"),
    (X, Y, [1, -0.5, 1], r"weights must not be negative; got weights\[1\] = -0.5"),
    call=lambda x, y, weights: LeastSquares(rk.mlp([2, 2]), x, y, weights),
)


def test_targets_never_broadcast():
    net = rk.mlp([2, 2])
    refused(lambda: LeastSquares(net, X, Y[:, :1]), r"y must have shape \(N, 2\) for Network.*; got \(3, 1\)")
    problem = LeastSquares(SimpleNamespace(vjp=net.vjp), X, Y[:, :1])  # a network that does not say how many it has
    with pytest.raises(ValueError, match=r"y must have the shape of the outputs, \(3, 2\); got \(3, 1\)"):
        problem.value_and_gradient(np.ones(4))
