"""Collocation problems under every method, a solved equation, one statistics batch, attention, redrawn points."""

from dataclasses import replace
from itertools import pairwise

import numpy as np
import pytest

import refkan as rk
from refkan.training.losses import Attention, Collocation, Side, Term, prescribed
from tests.shared.factories import NetworkCase, samples
from tests.training.losses.collocation_terms import close, equation, one_of_each

pytestmark = pytest.mark.filterwarnings("ignore::refkan.base.errors.DiscontinuousLossWarning")  # see test_continuity.py


def poisson(intervals, n_points=2048):
    """-u'' = pi^2 sin(pi x) on [0, 1], u = 0 at the ends: a problem of cubic splines, linear in theta."""
    net = rk.kan([1, 1], order=4, intervals=intervals)
    x = (np.arange(n_points) + 0.5)[:, None] / n_points
    net, theta = net.initialize(np.random.default_rng(0), x)
    terms = [
        Term(
            "equation",
            Side(x, [[1.0]]),
            lambda x, u, u_x, u_xx: u_xx + np.pi**2 * np.sin(np.pi * x[:, 0]),
            lambda *_: (0.0, 0.0, 1.0),
        ),
        prescribed("ends", [[0.0], [1.0]], 0.0, weight=1e3),
    ]
    return Collocation(net, terms, check=True), theta


def error_of(net, theta):
    x = np.linspace(0.0, 1.0, 1001)[:, None]
    return np.abs(net(theta, x) - np.sin(np.pi * x)).max()


def test_levenberg_marquardt_solves_poisson_to_spline_accuracy():
    """Error h^4: u'' - s'' is of size h^2 and orthogonal to linear splines, which Green's functions are up to h^2."""
    errors = []
    for intervals in (4, 8, 16):
        problem, theta = poisson(intervals)
        result = rk.minimize(problem, theta, method="levenberg-marquardt", steps=60)
        errors.append(error_of(problem.net, result.theta))
        r, J = problem.residual_and_jacobian(theta)
        best = theta + np.linalg.lstsq(J, -r, rcond=1e-13)[0]
        assert result.value == pytest.approx(problem.value(best), rel=1e-9)
    assert errors[0] < 2e-3
    assert all(14 < before / after < 18 for before, after in pairwise(errors)), errors


@pytest.mark.parametrize(
    ("method", "options"),
    [
        ("gauss-newton", {}),
        ("levenberg-marquardt", {"solver": "cholesky"}),
        ("levenberg-marquardt", {"geometry": "relu"}),
        ("levenberg-marquardt", {"solver": "dual"}),
        ("lbfgs", {}),
        ("lbfgs-fixed-step", {}),
        ("adam", {"learning_rate": 1e-2}),
        ("gd", {"learning_rate": 1e-6}),
        ("adam", {"learning_rate": 1e-3, "geometry": "spline", "gradient": "spline"}),
    ],
)
def test_every_method_takes_a_collocation_problem(method, options):
    net, theta = NetworkCase("spline", "mean-std", order=4, widths=(2, 3, 1)).start(samples(15))
    problem = Collocation(net, one_of_each(samples(30)))
    start = problem.value(theta)
    result = rk.minimize(problem, theta, method=method, steps=3, **options)
    assert result.value < start
    assert result.value == pytest.approx(problem.value(result.theta), rel=1e-12)


def test_more_parameters_than_residuals_take_the_dual_form():
    net, theta = NetworkCase("spline", order=4, widths=(2, 6, 1)).start(samples(15))
    problem = Collocation(net, [equation(samples(12))])
    assert problem.n_residuals < net.n_params
    result = rk.minimize(problem, theta, method="levenberg-marquardt", steps=40)
    assert result.value < 1e-20


def test_variable_projection_says_that_it_needs_least_squares():
    problem, theta = poisson(4)
    with pytest.raises(TypeError, match="it needs LeastSquares of a Network; got Collocation"):
        rk.minimize(problem, theta, method="variable-projection", steps=1)


def test_another_network_is_another_problem_with_the_same_terms():
    problem, _ = poisson(4)
    other = replace(problem, net=rk.kan([1, 1], order=4, intervals=8))
    assert other.terms is problem.terms
    assert other.net.n_params == 11
    assert other.gauss_newton(np.zeros(11)).shape == (11, 11)


def test_one_statistics_batch_serves_all_terms():
    """Points of one term do not change the residuals of another, as they would if a term had its own statistics."""
    case = NetworkCase("spline", "mean-std", order=4, widths=(2, 3, 1))
    net, theta = case.start(samples(15))
    problem = Collocation(net, one_of_each(samples(9)))
    other = problem.redrawn({"equation": samples(20, seed=8)})
    for term in ("initial", "periodic", "interface"):
        np.testing.assert_array_equal(problem.misfit(theta)[term], other.misfit(theta)[term])
    frozen = replace(problem, net=net.freeze(theta))
    close(frozen.residual(theta), problem.residual(theta), 1e-13)
    assert np.abs(frozen.gradient(theta) - problem.gradient(theta)).max() > 1e-3


# --- attention


def test_attention_follows_its_formula():
    attention = Attention(3, rate=0.25)
    attention.update([-2.0, 1.0, 0.0])
    np.testing.assert_array_equal(attention.weights, [1.0, 0.875, 0.75])
    attention.update(np.zeros(3))
    np.testing.assert_array_equal(attention.weights, 0.75 * np.array([1.0, 0.875, 0.75]))
    attention.weights[:] = 0.0  # a copy
    assert attention.weights.all()


def test_attention_changes_the_term_and_is_updated_by_a_callback():
    net, theta = NetworkCase("spline", order=4, widths=(2, 3, 1)).start(samples(15))
    attention = Attention(9, rate=0.5)
    problem = Collocation(net, [equation(samples(9), attention=attention)])
    r = problem.misfit(theta)["equation"][:, 0]
    assert problem.loss(theta) == pytest.approx(np.mean(r**2), rel=1e-14)
    problem.attend(theta)
    weights = 0.5 + 0.5 * np.abs(r) / np.abs(r).max()
    np.testing.assert_allclose(attention.weights, weights, rtol=1e-14)
    assert problem.loss(theta) == pytest.approx(np.mean((weights * r) ** 2), rel=1e-14)

    expected = Attention(9, rate=0.5)
    expected.update(r)

    def after(state):
        expected.update(np.abs(problem.misfit(state.theta)["equation"][:, 0]))
        problem.attend(state.theta)

    rk.minimize(problem, theta, method="adam", steps=3, learning_rate=1e-2, callback=after)
    np.testing.assert_allclose(attention.weights, expected.weights, rtol=1e-12)


def test_residuals_of_the_last_gradient_are_used_again(monkeypatch):
    net, theta = NetworkCase("spline", order=4, widths=(2, 3, 1)).start(samples(15))
    problem = Collocation(net, [equation(samples(9), attention=Attention(9))])
    problem.value_and_gradient(theta)
    monkeypatch.setattr(Collocation, "misfit", None)
    problem.attend(theta)
    with pytest.raises(TypeError):
        problem.attend(theta + 1e-9)


def test_new_points_start_their_attention_anew():
    net, theta = NetworkCase("spline", order=4, widths=(2, 3, 1)).start(samples(15))
    problem = Collocation(net, one_of_each(samples(9), attention=Attention(9, rate=0.5)))
    problem.attend(theta)
    t = np.linspace(0.2, 0.6, 3)[:, None]
    other = problem.redrawn(
        {"equation": samples(11), "periodic": (np.hstack([0 * t, t]), np.hstack([0 * t + 1, t])), "data": samples(2)},
        data={"data": [1.0, 2.0]},
    )
    assert [term.n_points for term in other.terms] == [11, 5, 5, 2, 3, 5]
    assert (other.terms[0].attention.weights == 1).all()
    assert other.terms[0].attention.rate == 0.5
    assert (problem.terms[0].attention.weights < 1).any()
    assert other.terms[1] is problem.terms[1]
