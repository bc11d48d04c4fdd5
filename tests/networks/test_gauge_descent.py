"""Descent along the free gauge of maps that take statistics: each formula of docs/gauge.md."""

import numpy as np
import pytest

import refkan as rk
from tests.networks.gauge_cases import STATISTICS, WITH_GAUGE, plain, rows_of, scaled, with_gauge  # noqa: F401  a fixture
from tests.shared.factories import EDGE_KINDS, EPS, NetworkCase, samples

TARGETS = np.random.default_rng(8).standard_normal((60, 2))


def problem_of(case):
    net, theta = case.start(samples(60))
    return rk.LeastSquares(net, samples(60), TARGETS), theta


@with_gauge
@pytest.mark.usefixtures("plain")
def test_gradients_are_orthogonal_to_the_gauge(case):
    """g . v = 0 for each row, and the sum of g over the coefficients of each edge is 0: to rounding."""
    problem, theta = problem_of(case)
    net, g = problem.net, problem.gradient(theta)
    for row in rows_of(net):
        terms = g[row] * theta[row]
        assert abs(terms.sum()) <= 200 * EPS * np.abs(terms).sum()
        assert np.abs(terms).sum() > 1e-8
    if case.kind == "spline" and case.outside != "natural":
        of_edges = net.unpack(g)[0]["coefficients"]
        assert np.all(np.abs(of_edges.sum(axis=2)) <= 200 * EPS * np.abs(of_edges).sum(axis=2))


@pytest.mark.usefixtures("plain")
def test_under_maps_that_hold_the_scale_it_is_not():
    problem, theta = problem_of(NetworkCase("spline", "affine"))
    terms = problem.gradient(theta)[rows_of(problem_of(NetworkCase("spline", "min-max"))[0].net)[0]]
    terms = terms * theta[: terms.size]
    assert abs(terms.sum()) > 1e-3 * np.abs(terms).sum()


@pytest.mark.parametrize("case", [case for case in WITH_GAUGE if not case.free_knots], ids=str)
@pytest.mark.usefixtures("plain")
def test_derivatives_are_homogeneous(case):
    """g(2^e v) = 2^-e g(v) bit by bit; H v = -g on the row, 0 elsewhere."""
    problem, theta = problem_of(case)
    net = problem.net
    row = rows_of(net)[1]
    factors = (1.0, 2.0**20, 1.0)
    expected = problem.gradient(theta)
    expected[row] *= 2.0**-20
    np.testing.assert_array_equal(problem.gradient(scaled(net, theta, factors)), expected)
    along, g = np.zeros(theta.size), problem.gradient(theta)
    along[row] = theta[row]
    wanted = np.zeros(theta.size)
    wanted[row] = -g[row]
    if case.kind in EDGE_KINDS and case.outside == "polynomial":
        H = problem.hessian(theta)
        assert np.all(np.abs(H @ along - wanted) <= 1e-12 * (np.abs(H) @ np.abs(along)).max())


def row_norms(net, theta):
    return np.array([np.linalg.norm(theta[row]) for row in rows_of(net)])


@pytest.mark.usefixtures("plain")
@pytest.mark.parametrize(
    "case", [NetworkCase("spline", m) for m in STATISTICS] + [NetworkCase("silu", "min-max")], ids=str
)
def test_gradient_descent_grows_rows_by_the_law(case):
    """|v'|^2 = |v|^2 + eta^2 |g|^2 for each row at each step."""
    problem, theta = problem_of(case)
    seen = []
    rk.minimize(problem, theta, "gd", 30, learning_rate=0.05, callback=lambda state: seen.append(state.theta.copy()))
    assert len(seen) == 30
    for before, after in zip([theta, *seen], seen, strict=False):
        g = problem.gradient(before)
        for row in rows_of(problem.net):
            grown = np.sum(before[row] ** 2) + 0.05**2 * np.sum(g[row] ** 2)
            assert np.sum(after[row] ** 2) == pytest.approx(grown, rel=1e-14)
    assert np.all(row_norms(problem.net, seen[-1]) > row_norms(problem.net, theta))


@pytest.mark.usefixtures("plain")
@pytest.mark.parametrize("geometry", ["spline", "relu"])
def test_in_another_geometry_the_norm_of_that_geometry_grows(geometry):
    """Descent in v = A^T u, or in u = A^-T v: |v|^2 grows by eta^2 |grad_v|^2, v the coefficients of the geometry."""
    problem, theta = problem_of(NetworkCase("scaled-relu", "min-max"))
    net, seen = problem.net, []
    keep = lambda state: seen.append(state.theta.copy())  # noqa: E731
    rk.minimize(problem, theta, "gd", 5, geometry, learning_rate=1e-3, callback=keep)
    coordinates = net.coordinates(geometry)
    for before, after in zip([theta, *seen], seen, strict=False):
        v, w = coordinates.to(before), coordinates.to(after)
        g = coordinates.gradient(problem.gradient(before))
        for row in rows_of(net):
            growth = np.sum(w[row] ** 2) - np.sum(v[row] ** 2)
            assert growth == pytest.approx(1e-6 * np.sum(g[row] ** 2), rel=1e-6, abs=1e-11 * np.sum(v[row] ** 2))


@pytest.mark.usefixtures("plain")
def test_the_gauge_is_a_learning_rate():
    """Descent from 2^e v with rate eta is, bit by bit, descent from v with 4^-e eta on this row."""
    problem, theta = problem_of(NetworkCase("spline", "min-max"))
    exponents, rate = np.array([3, -2, 0]), 0.25
    rates = np.full(theta.size, rate)
    for row, e in zip(rows_of(problem.net), exponents, strict=True):
        rates[row] *= 4.0**-e
    far, near = scaled(problem.net, theta, 2.0**exponents), theta
    for _ in range(20):
        far = far - rate * problem.gradient(far)
        near = near - rates * problem.gradient(near)
        np.testing.assert_array_equal(far, scaled(problem.net, near, 2.0**exponents))


@pytest.mark.usefixtures("plain")
def test_damping_is_a_learning_rate_too():
    """(J^T J + d I) s = -J^T e at a v is, with s = a s', the same system at v with d a^2 on this row."""
    problem, theta = problem_of(NetworkCase("spline", "mean-std"))
    net, a, damping = problem.net, 8.0, 1e-2
    row = rows_of(net)[0]
    far = scaled(net, theta, (a, 1.0, 1.0))

    def step(at, weights):
        e, J = problem.residual_and_jacobian(at)
        return np.linalg.solve(J.T @ J + damping * np.diag(weights), -J.T @ e)

    weights, unscaled = np.ones(theta.size), step(far, np.ones(theta.size))
    weights[row] = a**2
    unscaled[row] /= a
    np.testing.assert_allclose(unscaled, step(theta, weights), rtol=1e-8, atol=1e-10)


@pytest.mark.usefixtures("plain")
@pytest.mark.parametrize("method", ["gd", "lbfgs", "self-scaled-broyden", "levenberg-marquardt"])
def test_descent_does_not_move_shifts(method):
    """The sum of the coefficients of each edge before the map stays; under Adam, which is not isotropic, it moves."""
    problem, theta = problem_of(NetworkCase("spline", "mean-std"))
    options = {"learning_rate": 0.05} if method == "gd" else {}
    sums = lambda at: problem.net.unpack(at)[0]["coefficients"].sum(axis=2)  # noqa: E731
    for name, more in ((method, options), ("adam", {})):
        moved = np.abs(sums(rk.minimize(problem, theta, name, 15, **more).theta) - sums(theta)).max()
        assert (moved > 1e-3) if name == "adam" else (moved < 1e-11)


@pytest.mark.usefixtures("plain")
def test_adam_moves_no_shift_that_is_one_parameter():
    """The gradient of the coefficient of T_0 before the map is zero, but for rounding."""
    problem, theta = problem_of(NetworkCase("chebyshev", "min-max"))
    steps = np.abs(rk.minimize(problem, theta, "adam", 15, learning_rate=0.01).theta - theta)
    of_edges = problem.net.unpack(steps)[0]["coefficients"]
    assert of_edges[:, :, 0].max() < 1e-6
    assert of_edges[:, :, 1:].min() > 1e-3


@pytest.mark.usefixtures("plain")
def test_quasi_newton_steps_shrink_rows():
    """A step along a row changes no gradient along it, y . s = 0; nothing then holds the norm: some steps shrink it."""
    problem, theta = problem_of(NetworkCase("spline", "min-max"))
    net, row = problem.net, rows_of(problem.net)[0]
    s = np.zeros(theta.size)
    s[row] = 0.5 * theta[row]
    y = problem.gradient(theta + s) - problem.gradient(theta)
    assert abs(y @ s) <= 100 * EPS * np.abs(y * s).sum()
    assert np.linalg.norm(y[row] + problem.gradient(theta)[row] / 3) <= 1e-12 * np.linalg.norm(y[row])
    norms = [row_norms(net, theta)]
    rk.minimize(problem, theta, "lbfgs", 60, callback=lambda state: norms.append(row_norms(net, state.theta)))
    assert (np.diff(norms, axis=0) < -1e-6).any()


@pytest.mark.usefixtures("plain")
@pytest.mark.parametrize("a", [2.0**-12, 2.0**12])
def test_the_condition_number_is_as_large_as_the_gauge_makes_it(a):
    """kappa(J^T J) >= |J_v|^2/(a^2 |J_rest|^2) and its inverse, where neither block alone has the rank of J."""
    problem, theta = problem_of(NetworkCase("spline", "min-max"))
    row = rows_of(problem.net)[0]
    rest = np.setdiff1d(np.arange(theta.size), row)

    def singular(at):
        values = np.linalg.svd(problem.jacobian(at), compute_uv=False)
        return values[values > 1e-9 * values[0]]

    J = problem.jacobian(theta)
    v, others = (np.linalg.norm(J[:, block], 2) for block in (row, rest))
    ratio = (v / (a * others)) ** 2
    values = singular(scaled(problem.net, theta, (a, 1.0, 1.0)))
    assert values.size == singular(theta).size
    assert (values[0] / values[-1]) ** 2 >= max(ratio, 1 / ratio) * (1 - 1e-6)
    assert (values[0] / values[-1]) ** 2 > 20 * (singular(theta)[0] / singular(theta)[-1]) ** 2


@pytest.mark.usefixtures("plain")
def test_a_row_that_is_too_short_becomes_as_much_too_long():
    """n' = n + (eta gamma)^2/n = 2 eta gamma cosh(log(n/(eta gamma))): n and its mirror image give the same n'."""
    problem, theta = problem_of(NetworkCase("spline", "min-max"))
    row, rate = rows_of(problem.net)[0], 0.1
    theta[row] /= np.linalg.norm(theta[row])
    gamma = np.linalg.norm(problem.gradient(theta)[row])
    for t in (-6.0, -1.0, 0.0, 1.0, 6.0):
        n = rate * gamma * np.exp(t)
        at = scaled(problem.net, theta, (np.sqrt(n), 1.0, 1.0))
        g = problem.gradient(at)[row]
        after = at[row] - rate * g
        assert np.sum(after**2) == pytest.approx(2 * rate * gamma * np.cosh(t), rel=1e-12)
        turned = np.arccos(np.clip(after @ at[row] / np.sqrt(n * np.sum(after**2)), -1, 1))
        assert np.tan(turned) == pytest.approx(rate * gamma / n, rel=1e-6)


@pytest.mark.usefixtures("plain")
def test_rows_grow_like_the_fourth_root_of_the_steps_at_least():
    """|v_K|^4 >= |v_0|^4 + 2 eta^2 sum gamma^2, and rows turn by at most K eta Gamma/|v_0|^2 in K steps."""
    problem, theta = problem_of(NetworkCase("spline", "min-max"))
    row, rate, gammas, turns = rows_of(problem.net)[0], 0.05, [], []
    first = np.sum(theta[row] ** 2)
    for _ in range(40):
        g = problem.gradient(theta)
        gammas.append(np.linalg.norm(g[row]) * np.linalg.norm(theta[row]))
        after = theta - rate * g
        cosine = after[row] @ theta[row] / np.linalg.norm(after[row]) / np.linalg.norm(theta[row])
        turns.append(np.arccos(min(cosine, 1.0)))
        theta = after
    assert np.sum(theta[row] ** 2) ** 2 >= first**2 + 2 * rate**2 * np.sum(np.square(gammas))
    assert sum(turns) <= 40 * rate * max(gammas) / first


@pytest.mark.usefixtures("plain")
def test_adam_sees_the_gauge_as_a_learning_rate_of_another_power():
    """Without epsilon Adam from 2^e v with rate eta is Adam from v with 2^-e eta on this row."""
    problem, theta = problem_of(NetworkCase("spline", "min-max"))
    rows, exponent, options = rows_of(problem.net), 3, {"learning_rate": 0.01, "epsilon": 1e-300}
    far = rk.minimize(problem, scaled(problem.net, theta, (2.0**exponent, 1.0, 1.0)), "adam", 1, **options).theta
    near = rk.minimize(problem, theta, "adam", 1, **options).theta
    others = np.setdiff1d(np.arange(theta.size), rows[0])
    np.testing.assert_array_equal(far[others], near[others])
    step, expected = far[rows[0]] * 2.0**-exponent - theta[rows[0]], (near - theta)[rows[0]] * 2.0**-exponent
    np.testing.assert_allclose(step, expected, rtol=1e-12, atol=1e-16)


def inverse_update(H, s, y):
    """The BFGS update of an inverse matrix."""
    V = np.eye(s.size) - np.outer(s, y) / (s @ y)
    return V @ H @ V.T + np.outer(s, s) / (s @ y)


@pytest.mark.usefixtures("plain")
def test_quasi_newton_from_another_gauge_is_another_first_matrix():
    """Iterates from D theta with H_0 = I are D times those from theta with H_0 = D^-2."""
    problem, theta = problem_of(NetworkCase("spline", "mean-std"))
    D = np.ones(theta.size)
    D[rows_of(problem.net)[0]] = 4.0
    far, near = D * theta, theta
    H_far, H_near = np.eye(theta.size), np.diag(D**-2)
    for _ in range(6):
        g_far, g_near = problem.gradient(far), problem.gradient(near)
        s_far, s_near = -0.3 * H_far @ g_far, -0.3 * H_near @ g_near
        far, near = far + s_far, near + s_near
        H_far = inverse_update(H_far, s_far, problem.gradient(far) - g_far)
        H_near = inverse_update(H_near, s_near, problem.gradient(near) - g_near)
        np.testing.assert_allclose(far, D * near, rtol=0, atol=1e-9)
        np.testing.assert_allclose(H_far, D[:, None] * H_near * D, rtol=0, atol=1e-7 * np.abs(H_far).max())


@pytest.mark.usefixtures("plain")
def test_the_step_of_a_line_search_falls_like_the_square_of_the_scale():
    """t = |g|^2/(g . H g) is c^2 |g_v|^2/(g_v . H_vv g_v) (1 + O(c^2)) for c v, c -> 0: all other parameters rest."""
    problem, theta = problem_of(NetworkCase("spline", "mean-std", "polynomial"))
    row = rows_of(problem.net)[0]
    g, H = problem.gradient(theta)[row], problem.hessian(theta)[np.ix_(row, row)]
    limit = (g @ g) / (g @ H @ g)
    departures = []
    for c in (2.0**-8, 2.0**-10):
        at = scaled(problem.net, theta, (c, 1.0, 1.0))
        g, H = problem.gradient(at), problem.hessian(at)
        departures.append((g @ g) / (g @ H @ g) / (c**2 * limit) - 1)
    assert abs(departures[0]) < 0.1
    assert departures[0] / departures[1] == pytest.approx(16, rel=0.05)


@pytest.mark.usefixtures("plain")
def test_of_two_samples_the_whole_row_is_free():
    """Min-max maps send them to the ends, whatever the row is."""
    x = samples(60)[:2]
    net, theta = NetworkCase("spline", "min-max").start(x)
    problem = rk.LeastSquares(net, x, TARGETS[:2])
    g = problem.gradient(theta)
    assert np.abs(g[net.slices[0]]).max() <= 100 * EPS * np.abs(g).max()
    assert np.abs(g).max() > 1e-3
