"""Collocation: value, gradient and matrices of every term, every method, attention, points drawn anew."""

from dataclasses import replace
from itertools import pairwise

import numpy as np
import pytest

import refkan as rk
from refkan.kernels import launch
from refkan.networks.sweeps import sample_blocks
from refkan.training.losses import Attention, Collocation, Side, Term, collocation, prescribed
from tests.shared.factories import NetworkCase, complex_gradient, name, samples
from tests.shared.refusals import refused
from tests.shared.tables import each_row
from tests.training.losses.collocation_terms import AXES, burgers, close, equation, one_of_each
from validation.equations.recipes.trainers import part_of

pytestmark = pytest.mark.filterwarnings("ignore::refkan.base.errors.DiscontinuousLossWarning")  # see test_continuity.py

NETWORKS = (
    NetworkCase("spline", "affine", order=4, widths=(2, 3, 1)),
    NetworkCase("spline", "mean-std", order=4, widths=(2, 3, 2, 1), intervals=(3, 2, 1)),
    NetworkCase("spline", "sigmoid", free_knots=True, order=4, widths=(2, 3, 1)),
    NetworkCase("relu", "min-max", order=4, widths=(2, 3, 1)),
    NetworkCase("silu", "mean-std", order=4, widths=(2, 3, 1)),
    NetworkCase("mlp-tanh", "none", widths=(2, 3, 4, 1)),
)


@pytest.fixture(params=NETWORKS, ids=name, scope="module")
def built(request):
    net, theta = request.param.start(samples(15))
    attention = Attention(9, rate=0.5)
    attention.update(np.linspace(0.2, 1.0, 9))
    return Collocation(net, one_of_each(samples(9), attention=attention), check=True), theta


def test_the_value_is_half_the_weighted_sum_of_mean_squares(built):
    problem, theta = built
    found = problem.misfit(theta)
    total = 0.0
    for term in problem.terms:
        weights = np.ones(term.n_points) if term.attention is None else term.attention.weights
        r = weights[:, None] * found[term.name]
        total += term.weight * np.sum(r**2) / term.n_points
        assert problem.mean_squares(theta)[term.name] == pytest.approx(np.sum(found[term.name] ** 2) / term.n_points)
    assert problem.value(theta) == pytest.approx(total / 2, rel=1e-14)
    assert problem.loss(theta) == 2 * problem.value(theta)
    r = problem.residual(theta)
    assert r.shape == (problem.n_residuals,)
    assert problem.value(theta) == pytest.approx(r @ r / 2, rel=1e-14)


def test_residuals_are_those_of_the_network(built):
    problem, theta = built
    net, found = problem.net, problem.misfit(theta)
    side = problem.terms[0].sides[0]
    jet = net.jet(theta, side.points, AXES, orders=(2, 1))
    quantities = jet.value[:, 0], jet.first[:, 0, 0], jet.first[:, 1, 0], jet.second[:, 0, 0]
    close(found["equation"][:, 0], burgers(side.points, *quantities), 1e-13)
    left, right = (net.jet(theta, side.points, AXES[:1], orders=1) for side in problem.terms[4].sides)
    jumps = left.value - right.value, left.first[:, 0] - right.first[:, 0]
    close(found["periodic"], np.concatenate(jumps, axis=1), 1e-13)
    sides = problem.terms[5].sides
    slopes = [net.jet(theta, side.points, side.first, orders=1).first[:, 0] for side in sides]
    close(found["interface"], slopes[0] - 0.5 * slopes[1], 1e-13)
    close(found["data"][:, 0], net(theta, side.points[:4])[:, 0] - [0.3, -0.2, 0.1, 0.5], 1e-13)


def test_points_in_chunks_give_the_same_numbers(built, monkeypatch):
    problem, theta = built
    whole = problem.value_and_gradient(theta), problem.jacobian(theta)
    monkeypatch.setattr(sample_blocks, "BLOCK", 2)
    monkeypatch.setattr(collocation, "chunk_size", lambda size: 4)
    value, gradient = problem.value_and_gradient(theta)
    assert value == pytest.approx(whole[0][0], rel=1e-14)
    close(gradient, whole[0][1], 1e-13)
    close(problem.jacobian(theta), whole[1], 1e-14)
    v = np.random.default_rng(0).standard_normal(theta.size)
    close(problem.gauss_newton_vector(theta, v), whole[1].T @ (whole[1] @ v), 1e-12)
    close(problem.residual(theta), problem.residual_and_jacobian(theta)[0], 1e-14)


def test_bits_do_not_depend_on_threads(built, monkeypatch):
    problem, theta = built
    problem = problem.redrawn({"equation": samples(3000)})
    results = []
    for threads in (1, 2, 3):
        monkeypatch.setattr(launch, "thread_count", lambda threads=threads: threads)
        results.append([*problem.value_and_gradient(theta), problem.residual_and_jacobian(theta)[1]])
    for other in results[1:]:
        for ours, theirs in zip(results[0], other, strict=True):
            np.testing.assert_array_equal(ours, theirs)


def test_systems_of_equations():
    """Two outputs, two residuals that couple them: Cauchy-Riemann equations, with data at each point."""
    net, theta = NetworkCase("spline", order=4, widths=(2, 3, 2)).start(samples(15))

    def residual(x, w, w_x, w_y, data):
        return np.stack([w_x[:, 0] - w_y[:, 1], w_y[:, 0] + w_x[:, 1] - data * w[:, 0]], axis=1)

    def partials(x, w, w_x, w_y, data):
        by_value = np.zeros((len(x), 2, 2))
        by_value[:, 1, 0] = -data
        return by_value, np.eye(2), np.array([[0.0, -1.0], [1.0, 0.0]])

    data = np.random.default_rng(0).standard_normal(9)
    term = Term("system", Side(samples(9), AXES, orders=1), residual, partials, components=2, data=data)
    problem = Collocation(net, [term], check=True)
    close(problem.gradient(theta), complex_gradient(problem.value, theta), 1e-11)
    assert problem.misfit(theta)["system"].shape == (9, 2)
    wrong = replace(term, partials=lambda *q, data: (*partials(*q, data)[:2], np.array([[0.0, 1.0], [1.0, 0.0]])))
    refused(lambda: Collocation(net, [wrong], check=True), "partials of term 'system' are not the derivatives")


def test_data_from_points_are_computed_once_and_again_at_other_points():
    net, theta = NetworkCase("spline", order=4, widths=(2, 3, 1)).start(samples(15))
    asked = []

    def source(x):
        asked.append(len(x))
        return np.stack([x[:, 0], np.cos(x[:, 1])], axis=1)

    def residual(x, u, u_x, u_y, data):
        return data[:, 0] * u_x + u_y - data[:, 1]

    term = Term(
        "equation", Side(samples(9), AXES, orders=1), residual, lambda x, *_, data: (0.0, data[:, 0], 1.0), data=source
    )
    problem, given = Collocation(net, [term], check=True), source(term.sides[0].points)
    assert asked == [9, 9]
    same = Collocation(net, [replace(term, data=given)])
    for _ in range(2):
        for ours, theirs in zip(problem.value_and_gradient(theta), same.value_and_gradient(theta), strict=True):
            np.testing.assert_array_equal(ours, theirs)
    assert asked == [9, 9]
    with pytest.raises(ValueError, match="read-only"):
        term.known[0] = 0.0
    other = problem.redrawn({"equation": samples(4, seed=8)})
    assert asked == [9, 9, 4]
    np.testing.assert_array_equal(other.terms[0].known, source(other.terms[0].sides[0].points))
    part = part_of(term, np.array([3, 1]))
    np.testing.assert_array_equal(part.known, given[[3, 1]])
    refused(lambda: replace(term, data=lambda x: np.ones(len(x) + 1)), "data of term 'equation' must have 9 entries")
    refused(lambda: replace(term, data=lambda x: np.full(len(x), np.nan)), "data must be finite")


def test_curved_inputs_and_seeds_from_points():
    """Inputs (x, x^2) of u(x, x^2): the chain rule through seeds, against the same function written out."""
    net, theta = NetworkCase("spline", "sigmoid", order=4, widths=(2, 3, 1)).start(samples(15))
    x = np.linspace(0.1, 0.9, 7)
    points = np.stack([x, x**2], axis=1)
    side = Side(
        points,
        lambda p: np.stack([np.ones(len(p)), 2 * p[:, 0]], axis=1)[:, None],
        lambda p: np.tile([0.0, 2.0], (len(p), 1, 1)),
    )
    term = Term("second", side, lambda p, u, u_x, u_xx: u_xx, lambda *_: (0.0, 0.0, 1.0))
    problem = Collocation(net, [term])
    step = 1e-4
    u = [net(theta, np.stack([x + h, (x + h) ** 2], axis=1))[:, 0] for h in (-step, 0.0, step)]
    np.testing.assert_allclose(problem.misfit(theta)["second"][:, 0], (u[0] - 2 * u[1] + u[2]) / step**2, rtol=1e-5)
    other = problem.redrawn({"second": points[2:4]})
    np.testing.assert_array_equal(other.misfit(theta)["second"], problem.misfit(theta)["second"][2:4])


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


@each_row(
    "method, options",
    ("gauss-newton", {}),
    ("levenberg-marquardt", {"solver": "cholesky"}),
    ("levenberg-marquardt", {"solver": "dual"}),
    ("lbfgs", {}),
    ("adam", {"learning_rate": 1e-2}),
    ("gd", {"learning_rate": 1e-6}),
    ("adam", {"learning_rate": 1e-3, "geometry": "spline", "gradient": "spline"}),
)
def test_every_method_takes_a_collocation_problem(method, options):
    net, theta = NetworkCase("spline", "mean-std", order=4, widths=(2, 3, 1)).start(samples(15))
    problem = Collocation(net, one_of_each(samples(30)))
    start = problem.value(theta)
    result = rk.minimize(problem, theta, method=method, steps=3, **options)
    assert result.value < start
    assert result.value == pytest.approx(problem.value(result.theta), rel=1e-12)


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
