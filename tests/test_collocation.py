"""Collocation: gradients and matrices of every term, a solved equation, attention, redrawn points, bad input."""

from __future__ import annotations

import warnings
from dataclasses import replace
from itertools import pairwise

import numpy as np
import pytest
from factories import NetworkCase, complex_gradient, name, samples

import refkan as rk
from refkan.checks import gradient_check
from refkan.jets import blocks
from refkan.kernels import launch
from refkan.losses import Attention, Collocation, Side, Term, collocation, flux_jump, periodicity, prescribed

NU = 0.1
AXES = np.eye(2)


def burgers(x, u, u_x, u_t, u_xx):
    return u_t + u * u_x - NU * u_xx


def burgers_partials(x, u, u_x, u_t, u_xx):
    return u_x, u, 1.0, -NU


def equation(points, **options):
    return Term("equation", Side(points, AXES, orders=(2, 1)), burgers, burgers_partials, **options)


def one_of_each(points, **options):
    """A problem in two inputs with every kind of term."""
    t = np.linspace(0.1, 0.9, 5)[:, None]
    left, right = np.hstack([0 * t, t]), np.hstack([0 * t + 1, t])
    return (
        equation(points, weight=0.7, **options),
        prescribed("initial", np.hstack([t, 0 * t]), lambda x: -np.sin(np.pi * x[:, 0]), weight=2.0),
        prescribed("boundary", left, 0.0),
        prescribed("data", points[:4], np.array([0.3, -0.2, 0.1, 0.5])),
        periodicity("periodic", left, right, [1.0, 0.0], weight=3.0),
        flux_jump("interface", Side(left, [[1.0, -0.5]], orders=1), Side(left, [[1.0, 0.5]], orders=1), (1.0, 0.5)),
    )


NETWORKS = (
    NetworkCase("spline", "affine", order=4, widths=(2, 3, 1)),
    NetworkCase("spline", "mean-std", order=4, widths=(2, 3, 2, 1), intervals=(3, 2, 1)),
    NetworkCase("spline", "sigmoid", free_knots=True, order=4, widths=(2, 3, 1)),
    NetworkCase("relu", "min-max", order=4, widths=(2, 3, 1)),
    NetworkCase("silu", "mean-std", order=5, widths=(2, 3, 1)),
    NetworkCase("mlp-tanh", "none", widths=(2, 3, 4, 1)),
)


@pytest.fixture(params=NETWORKS, ids=name, scope="module")
def built(request):
    net, theta = request.param.start(samples(15))
    attention = Attention(9, rate=0.5)
    attention.update(np.linspace(0.2, 1.0, 9))
    return Collocation(net, one_of_each(samples(9), attention=attention), check=True), theta


def close(ours, theirs, rtol):
    np.testing.assert_allclose(ours, theirs, rtol=0, atol=rtol * max(np.abs(theirs).max(initial=0), 1e-300))


# --- value, gradient and matrices


def test_the_gradient_equals_complex_steps_of_the_value(built):
    problem, theta = built
    value, gradient = problem.value_and_gradient(theta)
    assert value == pytest.approx(problem.value(theta), rel=1e-14)
    close(gradient, complex_gradient(problem.value, theta), 1e-11)
    # A short step: third derivatives of ReLU powers are large, and differences are off by h^2 times them.
    assert gradient_check(problem.value, problem.gradient, theta, method="central", step=1e-6).ok


def test_the_value_is_half_the_weighted_sum_of_mean_squares(built):
    problem, theta = built
    found = problem.residuals(theta)
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
    net, found = problem.net, problem.residuals(theta)
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


def test_the_jacobian_equals_complex_steps_and_the_gauss_newton_matrix_its_square(built):
    problem, theta = built
    r, J = problem.residual_and_jacobian(theta)
    close(r, problem.residual(theta), 1e-14)
    steps = [problem.residual(theta + 1e-30j * e).imag / 1e-30 for e in np.eye(theta.size)]
    close(J, np.stack(steps, axis=1), 1e-12)
    close(J.T @ r, problem.gradient(theta), 1e-13)
    H = problem.gauss_newton(theta)
    close(H, J.T @ J, 1e-14)
    np.testing.assert_array_equal(H, H.T)
    v = np.random.default_rng(0).standard_normal(theta.size)
    close(problem.gauss_newton_vector(theta, v), H @ v, 1e-12)
    close(problem.ntk(theta), J @ J.T, 1e-14)
    blocks = list(problem.residual_blocks(theta))
    np.testing.assert_array_equal(np.concatenate([block for _, block in blocks]), J)
    np.testing.assert_array_equal(problem.jacobian(theta), J)


def test_the_gauss_newton_matrix_is_the_quadratic_model_of_the_value(built):
    """Along a line the second derivative of the value is v^T H v plus residuals times curvatures of the network."""
    problem, theta = built
    v = np.random.default_rng(1).standard_normal(theta.size)
    r, along = problem.residual(theta), problem.jacobian(theta) @ v
    h = 1e-4

    def model(s):
        return 0.5 * np.sum((r + s * h * along) ** 2)

    quotient = (model(1) - 2 * model(0) + model(-1)) / h**2
    assert quotient == pytest.approx(v @ problem.gauss_newton(theta) @ v, rel=1e-5)


def test_points_in_chunks_give_the_same_numbers(built, monkeypatch):
    problem, theta = built
    whole = problem.value_and_gradient(theta), problem.jacobian(theta)
    monkeypatch.setattr(blocks, "BLOCK", 2)
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
    assert problem.residuals(theta)["system"].shape == (9, 2)
    wrong = replace(term, partials=lambda *q, data: (*partials(*q, data)[:2], np.array([[0.0, 1.0], [1.0, 0.0]])))
    with pytest.raises(ValueError, match="partials of term 'system' are not the derivatives"):
        Collocation(net, [wrong], check=True)


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
    np.testing.assert_allclose(problem.residuals(theta)["second"][:, 0], (u[0] - 2 * u[1] + u[2]) / step**2, rtol=1e-5)
    other = problem.redrawn({"second": points[2:4]})
    np.testing.assert_array_equal(other.residuals(theta)["second"], problem.residuals(theta)["second"][2:4])


# --- what it is for


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
        np.testing.assert_array_equal(problem.residuals(theta)[term], other.residuals(theta)[term])
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
    r = problem.residuals(theta)["equation"][:, 0]
    assert problem.loss(theta) == pytest.approx(np.mean(r**2), rel=1e-14)
    problem.attend(theta)
    weights = 0.5 + 0.5 * np.abs(r) / np.abs(r).max()
    np.testing.assert_allclose(attention.weights, weights, rtol=1e-14)
    assert problem.loss(theta) == pytest.approx(np.mean((weights * r) ** 2), rel=1e-14)

    expected = Attention(9, rate=0.5)
    expected.update(r)

    def after(state):
        expected.update(np.abs(problem.residuals(state.theta)["equation"][:, 0]))
        problem.attend(state.theta)

    rk.minimize(problem, theta, method="adam", steps=3, learning_rate=1e-2, callback=after)
    np.testing.assert_allclose(attention.weights, expected.weights, rtol=1e-12)


def test_residuals_of_the_last_gradient_are_used_again(monkeypatch):
    net, theta = NetworkCase("spline", order=4, widths=(2, 3, 1)).start(samples(15))
    problem = Collocation(net, [equation(samples(9), attention=Attention(9))])
    problem.value_and_gradient(theta)
    monkeypatch.setattr(Collocation, "residuals", None)
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


# --- bad input


def network(**options):
    return rk.kan([2, 3, 1], order=4, intervals=2, **options).initialize(np.random.default_rng(0), samples(9))


def test_wrong_partials_are_found_at_construction():
    net, _ = network()
    wrong = replace(equation(samples(9)), partials=lambda x, u, u_x, u_t, u_xx: (u_x, u, 1.0, NU))
    with pytest.raises(ValueError, match=r"partials of term 'equation' are not the derivatives of its residual"):
        Collocation(net, [wrong], check=True)
    Collocation(net, [wrong])  # not asked


def test_partials_of_residuals_that_take_no_complex_numbers_are_checked_by_differences():
    net, _ = network()
    term = Term("kink", Side(samples(9)), lambda x, u: np.abs(u).astype(float), lambda x, u: (np.sign(u.real),))
    Collocation(net, [term], check=True)
    with pytest.raises(ValueError, match="partials of term 'kink'"):
        Collocation(net, [replace(term, partials=lambda x, u: (-np.sign(u.real),))], check=True)


@pytest.mark.parametrize(
    ("residual", "message"),
    [
        (
            lambda x, u, *_: u[:, None, None],
            r"the residual of term 'equation' must have shape \(9,\) at 9 points; got \(9, 1, 1\)",
        ),
        (lambda x, u, *_: u[:-1], r"must have shape \(9,\) at 9 points; got \(8,\)"),
        (lambda x, u, *_: 1.0, r"must have shape \(9,\) at 9 points; got \(\)"),
        (
            lambda x, u, *_: np.where(np.arange(len(x)) > 6, np.nan, u),
            r"the residual of term 'equation' must be a number at finite arguments; got NaN at 2 of 9 points, "
            r"the first of them 7 at \[0\.\d+, 0\.\d+\], 8 at",
        ),
    ],
)
def test_wrong_residuals_are_refused(residual, message):
    net, theta = network()
    problem = Collocation(net, [replace(equation(samples(9)), residual=residual)])
    with pytest.raises(ValueError, match=message):
        problem.value_and_gradient(theta)


def test_points_of_nan_are_named_beyond_the_first_chunk(monkeypatch):
    net, theta = network()
    monkeypatch.setattr(blocks, "BLOCK", 2)
    monkeypatch.setattr(launch, "thread_count", lambda: 2)
    points = samples(9)
    bad = points[7, 0]
    term = replace(equation(points), residual=lambda x, u, *_: np.where(x[:, 0] == bad, np.nan, u))
    with pytest.raises(ValueError, match=r"the first of them 7 at"):
        Collocation(net, [term]).value(theta)


@pytest.mark.parametrize(
    ("partials", "message"),
    [
        (lambda *_: (1.0, 1.0, 1.0), "one derivative for each of 4 quantities; got 3"),
        (lambda *_: 1.0, "one derivative for each of 4 quantities; got float"),
        (lambda x, u, *_: (u[:-1], u, u, u), r"must be broadcastable to \(9,\); got shape \(8,\) for quantity 0"),
        (lambda x, u, *_: (u, np.nan, u, u), "the derivative by quantity 1 of term 'equation' must be a number"),
    ],
)
def test_partials_of_wrong_shape_are_refused(partials, message):
    net, theta = network()
    problem = Collocation(net, [replace(equation(samples(9)), partials=partials)])
    with pytest.raises(ValueError, match=message):
        problem.gradient(theta)


def test_overflow_is_a_value_not_an_error():
    """A diverging run must be told of its value; only NaN at arguments of sane size is a mistake of the residual."""
    net, theta = network()
    problem = Collocation(net, [equation(samples(9))])
    with np.errstate(all="ignore"):
        value, gradient = problem.value_and_gradient(1e180 * theta)
    assert not np.isfinite(value)
    assert np.isnan(gradient).all()


def test_points_outside_a_declared_domain_are_refused():
    net, _ = network()
    with pytest.raises(
        rk.OutsideDomainError, match=r"points of term 'equation' must lie in the domain; got points\[2, 1\]"
    ):
        Collocation(net, [equation([[0.1, 0.2], [0.5, 1.0], [0.3, 1.1]])], domain=[(0, 1), (0, 1)])
    with pytest.raises(ValueError, match=r"domain must have shape \(2, 2\)"):
        Collocation(net, [equation(samples(9))], domain=(0, 1))


def test_points_outside_the_first_layer_are_refused_where_its_policy_is():
    net, _ = network(outside="error")
    with pytest.raises(rk.OutsideDomainError, match=r"points\[0, 1\] = 1.5 outside \[0.0, 1.0\]"):
        Collocation(net, [equation([[0.1, 1.5]])])


def test_activations_that_leave_the_domain_name_the_term():
    net, theta = network(outside="error")
    with pytest.raises(rk.OutsideDomainError, match=r"term 'equation', points from number 0 on: layer 1: x must lie"):
        Collocation(net, [equation(samples(9))]).value(3.0 * theta)


NOWHERE = np.empty((0, 2))


@pytest.mark.parametrize(
    ("make", "what"),
    [
        (lambda: Side(NOWHERE), "points"),
        (lambda: prescribed("ends", NOWHERE, 0.0), "points of term 'ends'"),
        (lambda: periodicity("periodic", NOWHERE, NOWHERE, [1.0, 0.0]), "points of term 'periodic'"),
        (lambda: flux_jump("jump", Side(NOWHERE, AXES[:1], orders=1), None, (1.0, 2.0)), "points"),
    ],
)
def test_interfaces_without_points_are_refused(make, what):
    with pytest.raises(ValueError, match=f"{what} must hold at least one point; got none"):
        make()


def test_sides_must_match():
    left, right = Side(samples(3), AXES[:1], orders=1), Side(samples(4), AXES[:1], orders=1)
    with pytest.raises(ValueError, match=r"the sides of term 'interface' must have as many points.*\[3, 4\]"):
        flux_jump("interface", left, right, (1.0, 2.0))
    with pytest.raises(ValueError, match="one direction of order 1"):
        flux_jump("interface", left, Side(samples(3), AXES), (1.0, 2.0))


@pytest.mark.parametrize(
    ("change", "error", "message"),
    [
        ({"weight": -1.0}, ValueError, "weight must be finite and positive"),
        ({"components": 0}, ValueError, "components must be at least 1"),
        ({"sides": ()}, ValueError, "must have a side"),
        ({"sides": (samples(3),)}, TypeError, "sides must be a Side"),
        ({"data": np.ones(4)}, ValueError, "data of term 'equation' must have 9 entries"),
        ({"attention": Attention(4)}, ValueError, "attention of term 'equation' must be for 9 points; got 4"),
    ],
)
def test_bad_terms_are_refused(change, error, message):
    with pytest.raises(error, match=message):
        replace(equation(samples(9)), **change)


def test_bad_problems_are_refused():
    net, theta = network()
    term = equation(samples(9))
    with pytest.raises(ValueError, match="of different names; got"):
        Collocation(net, [term, term])
    with pytest.raises(ValueError, match="at least one"):
        Collocation(net, [])
    with pytest.raises(ValueError, match="must have 2 columns, the network's inputs; got 3"):
        Collocation(net, [prescribed("ends", np.ones((1, 3)), 0.0)])
    with pytest.raises(TypeError, match="net must be a Network"):
        Collocation(None, [term])
    problem = Collocation(net, [term])
    with pytest.raises(ValueError, match="points must be for terms equation; got 'other'"):
        problem.redrawn({"other": samples(3)})
    with pytest.raises(ValueError, match="takes no data"):
        problem.redrawn({"equation": samples(3)}, data={"equation": np.ones(3)})
    with pytest.raises(ValueError, match="has 1 sides; got points for 2"):
        problem.redrawn({"equation": (samples(3), samples(3))})
    with pytest.raises(TypeError, match="theta must be real"):
        problem.gradient(theta + 0j)
    with pytest.raises(ValueError, match="theta must have length"):
        problem.value(theta[1:])


def test_second_derivatives_of_low_orders():
    """Order 2 is refused, order 3 allowed with one warning for the whole problem, at its construction."""

    def problem(order):
        net, theta = rk.kan([2, 2, 1], order=order, intervals=2).initialize(np.random.default_rng(0), samples(9))
        return Collocation(net, one_of_each(samples(9))), theta

    with pytest.raises(ValueError, match="second derivatives in x need splines of order >= 4"):
        problem(2)
    with pytest.warns(UserWarning, match="the second derivative of splines of order 3 jumps at the knots") as caught:
        cubic, theta = problem(3)
    assert len(caught) == 1
    assert (caught[0].filename, caught[0].lineno) == (__file__, problem.__code__.co_firstlineno + 2)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        cubic.value_and_gradient(theta)
        problem(4)


@pytest.mark.parametrize(("rate", "n_points"), [(0.0, 3), (1.5, 3), (0.1, 0)])
def test_bad_attention_is_refused(rate, n_points):
    with pytest.raises(ValueError, match="must be"):
        Attention(n_points, rate)
