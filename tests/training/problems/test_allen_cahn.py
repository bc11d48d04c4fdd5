"""Allen-Cahn's and Burgers' equations: references against other methods, closed forms, and what is refused."""

from itertools import pairwise
from types import SimpleNamespace

import numpy as np
import pytest
from scipy import integrate
from scipy.integrate import solve_ivp
from scipy.optimize import brentq

from refkan import ConvergenceError
from refkan.training.problems import allen_cahn, burgers
from refkan.training.problems.allen_cahn import _spread_square, _square_coefficients
from tests.shared.refusals import refusals, refused
from tests.shared.tables import each_row

TIMES = np.array([0.003, 0.03, 0.2, 0.6, 1.0])


@pytest.fixture(scope="module")
def reference():
    return allen_cahn.reference()


@pytest.fixture(scope="module")
def oracle():
    """u at 301 places in [0, 1] and at TIMES, by second-order differences on two grids, extrapolated.

    The even periodic extension is the reflection at both ends, which treats the kink as well.
    """

    def solve(cells):
        x = np.arange(cells + 1) / cells

        def rate(t, u):
            padded = np.concatenate([u[1:2], u, u[-2:-1]])
            return 1e-4 * (padded[2:] - 2 * u + padded[:-2]) * cells**2 - 5 * u**3 + 5 * u

        start = x**2 * np.cos(np.pi * x)
        run = solve_ivp(rate, (0, 1), start, method="DOP853", rtol=1e-10, atol=1e-12, t_eval=TIMES)
        return run.y[:: cells // 300]

    coarse, fine = solve(1200), solve(2400)
    return fine + (fine - coarse) / 3


def on_grid(x, t):
    return np.stack(np.meshgrid(x, t, indexing="ij"), axis=-1).reshape(-1, 2)


def error(solution, oracle):
    return np.abs(solution(on_grid(np.linspace(0, 1, 301), TIMES)).reshape(301, -1) - oracle).max(axis=0)


@pytest.mark.exhaustive
def test_the_reference_agrees_with_finite_differences(reference, oracle):
    """The bounds are the oracle's errors: extrapolation does not help at t = 0.003, where the rounded kink is steep."""
    assert (error(reference, oracle) < [3e-5, 1e-6, 1e-7, 1e-7, 1e-7]).all()


def test_the_equation_holds(reference, rng):
    """u_t = 1e-4 u_xx - 5 u^3 + 5 u by differences of sixth order in both variables, from t = 0.05 on."""
    x = np.column_stack([rng.uniform(-1, 1, 300), rng.uniform(0.05, 0.95, 300)])
    x[:100, 0] = rng.choice([-0.5, 0.5], 100) + rng.uniform(-0.05, 0.05, 100)  # the fronts
    first = np.array([-1, 9, -45, 0, 45, -9, 1]) / 60
    second = np.array([2, -27, 270, -490, 270, -27, 2]) / 180
    h, k = 1e-3, 1e-3
    u_t = sum(c * reference(x + np.array([0, j * k])) for c, j in zip(first, range(-3, 4), strict=True)) / k
    u_xx = sum(c * reference(x + np.array([j * h, 0])) for c, j in zip(second, range(-3, 4), strict=True)) / h**2
    u = reference(x)
    np.testing.assert_allclose(u_t, 1e-4 * u_xx - 5 * u**3 + 5 * u, atol=2e-6)
    assert np.abs(1e-4 * u_xx).max() > 0.3  # diffusion matters at some of the points


def test_initial_values_and_symmetries(reference, rng):
    x, t = rng.uniform(-1, 1, 200), rng.uniform(0, 1, 200)
    start = reference(np.column_stack([x, np.zeros(200)]))
    np.testing.assert_allclose(start, allen_cahn.initial(x[:, None]), atol=1e-9)
    np.testing.assert_allclose(allen_cahn.initial(x[:, None])[:, 0], x**2 * np.cos(np.pi * x), atol=1e-15)
    here = reference(np.column_stack([x, t]))
    for other in (-x, x + 2, x - 4):
        np.testing.assert_allclose(reference(np.column_stack([other, t])), here, atol=1e-12)
    h = 1e-5  # values and slopes match across x = 1: the slope is zero there once the kink is rounded
    at_end = [reference(np.column_stack([np.full(9, 1 + s), np.linspace(0.1, 1, 9)])) for s in (-h, h)]
    np.testing.assert_allclose(at_end[1], at_end[0], atol=1e-12)


@pytest.mark.exhaustive
def test_orders_of_convergence():
    """Third order at t = 0, where coefficients fall like k^-4; faster than any power once the kink is gone."""
    modes = [64, 128, 256, 512]
    x = np.concatenate([np.linspace(0.0, 1.0, 201), 1 - np.logspace(-4, -2.5, 20)])  # dense near the kink
    points = on_grid(x, [0.0, 0.5, 1.0])
    values = [allen_cahn._evaluate(allen_cahn._solve(K, 1e-4), points, 1e-4) for K in modes]
    at = [points[:, 1] == t for t in (0.0, 0.5, 1.0)]
    differences = np.array([[np.abs(b - a)[rows].max() for rows in at] for a, b in pairwise(values)])
    orders = np.log2(differences[:-1] / differences[1:])
    np.testing.assert_allclose(orders[:, 0], 3.0, atol=0.05)
    assert orders[0, 1] > 5
    assert orders[1, 2] - orders[0, 2] > 3  # at t = 1 the fronts are resolved from 256 modes on
    assert differences[2, 2] < 1e-5


@pytest.mark.parametrize("t", [-1e-9, 1 + 1e-9])
def test_times_outside_are_named(reference, t):
    refused(lambda: reference([[0.0, 0.0], [0.0, t]]), rf"ValueError: x\[:, 1\] must .*got {t} at position 1")


def test_errors_are_estimated_in_the_whole_domain_and_next_to_the_kink(monkeypatch):
    asked, right = [], allen_cahn._evaluate
    monkeypatch.setattr(allen_cahn, "_evaluate", lambda u, x, nu: asked.append(x) or right(u, x, nu))
    allen_cahn.reference(modes=32, tolerance=1.0, diffusion=1e-3)
    for points in asked:
        np.testing.assert_array_equal([points.min(axis=0), points.max(axis=0)], [[0.0, 0.0], [1.0, 1.0]])
        assert np.any((points[:, 0] > 1 - 2e-4) & (points[:, 0] < 1))


def test_too_few_modes_are_refused():
    refused(lambda: allen_cahn.reference(modes=64), r"ConvergenceError: u must agree to 1\.0e-08 with 64 and with 32")
    with pytest.raises(ConvergenceError, match="take more modes"):
        allen_cahn.reference(modes=256, diffusion=1e-6, tolerance=1e-3)


def test_solutions_may_differ_by_the_tolerance_and_diffuse_by_the_limit(monkeypatch):
    points, limit, beyond = np.zeros((2, 2)), 0.25, np.nextafter(0.25, 0.0)
    assert burgers._agreed("u", points, np.array([1.0, 0.5]), np.array([0.75, 0.5]), limit).tolist() == [[1.0], [0.5]]
    refused(
        lambda: burgers._agreed("u", points, np.array([1.0, 0.5]), np.array([0.75, 0.5]), beyond),
        "ConvergenceError: u must agree to 2.5e-01 between two numbers of nodes; it differs by 2.5e-01",
    )
    monkeypatch.setattr(allen_cahn, "_solve", lambda count, nu, coarsening=1.0: coarsening - 1.0)
    monkeypatch.setattr(allen_cahn, "_evaluate", lambda u, x, nu: np.full(len(x), u / 2))
    assert allen_cahn.reference(tolerance=limit, diffusion=allen_cahn.LONGEST).difference == limit
    refused(lambda: allen_cahn.reference(tolerance=beyond), "ConvergenceError: u must agree to 2.5e-01")
    refused(lambda: allen_cahn.reference(diffusion=0.051), "diffusion must be at most 0.05; got 0.051")


def test_a_time_integration_that_stops_is_refused(monkeypatch):
    """Steps that would have to be shorter than numbers are apart: the solution is not taken to where they end."""
    answer = SimpleNamespace(success=False, t=[0.0, 0.25], message="no step is small enough", sol=None)
    monkeypatch.setattr(integrate, "solve_ivp", lambda *equation, **options: answer)
    refused(
        lambda: allen_cahn.reference(modes=32, tolerance=1.0),
        r"ConvergenceError: the time integration must reach t = 1; it stopped at 0\.25: no step is small enough",
    )


test_bad_arguments_are_refused = refusals(
    ({"diffusion": -1e-4}, "diffusion must be finite and positive; got -0.0001"),
    ({"diffusion": 0.1}, "diffusion must be at most 0.05; got 0.1"),
    ({"modes": 8}, "modes must be at least 16; got 8"),
    ({"tolerance": 0.0}, "tolerance must be finite and positive"),
    call=lambda arguments: allen_cahn.reference(**arguments),
)


def test_the_spread_square_is_its_fourier_series():
    x, k = np.linspace(-1, 1, 101), np.arange(3001)
    for s in (1e-4, 1e-3, 0.01, 0.05):
        series = np.cos(np.pi * np.outer(x, k)) @ (_square_coefficients(3000) * np.exp(-s * (np.pi * k) ** 2))
        np.testing.assert_allclose(_spread_square(x, s), series, atol=1e-13)
    np.testing.assert_array_equal(_spread_square(x, 0.0), x**2)
    mixed = _spread_square(x, np.where(x > 0, 0.01, 0.0))
    np.testing.assert_array_equal(mixed[x <= 0], x[x <= 0] ** 2)


DIGITS = 40

POINTS = [
    *[(x, t) for t in (0.0, 1e-4, 0.01, 0.2, 0.318, 0.5, 0.8, 1.0) for x in (-1.0, -0.99, -0.6, -0.25, 0.4, 0.95)],
    *[(x, t) for t in (0.318, 0.6, 1.0) for x in (-0.1, -0.03, 1e-6, 1e-4, 1e-3, 0.003, 0.01, 0.02, 0.05)],
]
"""Everywhere, and near the front at x = 0 from the time 1/pi on, at which it forms."""


def series(x, t, nu, digits, terms):
    """u and u_x at one point, by the series; phi cancels to exp(-2 a) of its terms, hence the guard digits."""
    mp = pytest.importorskip("mpmath", reason="needs the extra exact")
    with mp.workdps(digits + 20 + int(1 / (np.pi * nu) / np.log(10))):
        x, t, nu = mp.mpf(x), mp.mpf(t), mp.mpf(nu)
        a = 1 / (2 * mp.pi * nu)
        phi, first, second = mp.besseli(0, a), mp.mpf(0), mp.mpf(0)
        for n in range(1, terms):
            k = n * mp.pi
            c = 2 * (-1) ** n * mp.besseli(n, a) * mp.exp(-(k**2) * nu * t)
            phi += c * mp.cos(k * x)
            first -= c * k * mp.sin(k * x)
            second -= c * k**2 * mp.cos(k * x)
        return -2 * nu * first / phi, -2 * nu * (second / phi - (first / phi) ** 2)


@pytest.fixture(scope="module")
def exact():
    """u and u_x at POINTS for nu = 0.01, from 40 digits."""
    return np.array([[float(value) for value in series(x, t, 0.01, DIGITS, 90)] for x, t in POINTS])


def test_the_oracle_has_its_digits():
    mp = pytest.importorskip("mpmath", reason="needs the extra exact")
    for x, t in ((1e-4, 1.0), (0.4, 0.0), (-0.03, 0.6)):
        rough, fine = series(x, t, 0.01, DIGITS, 90), series(x, t, 0.01, 70, 130)
        with mp.workdps(70):
            assert all(abs(a / b - 1) < mp.mpf(10) ** -DIGITS for a, b in zip(rough, fine, strict=True))


def test_the_solution_has_its_accuracy(exact):
    """1e-10 is promised; rounding is reached. Exponents of size 16 give each weight a relative error of 16 eps."""
    assert np.abs(burgers.solution(POINTS)[:, 0] - exact[:, 0]).max() <= 32 * np.finfo(float).eps
    assert np.abs(burgers.slope(POINTS)[:, 0] - exact[:, 1]).max() / 53.2 <= 32 * np.finfo(float).eps  # pi + 1/(2 nu)


def test_the_equation_of_burgers_holds(rng):
    """Complex steps through the quadrature: u_t + u u_x = nu u_xx, and u_x is the derivative of u."""
    wide, near = rng.uniform([-1, 0.05], [1, 1], (100, 2)), rng.uniform([-0.05, 0.05], [0.05, 1], (100, 2))
    x = np.vstack([wide, near])
    step = 1e-30
    u, slope = burgers.solution(x), burgers.slope(x)
    u_t = burgers.solution(x + step * np.array([0, 1j])).imag / step
    u_x = burgers.solution(x + step * np.array([1j, 0])).imag / step
    u_xx = burgers.slope(x + step * np.array([1j, 0])).imag / step
    np.testing.assert_allclose(slope, u_x, atol=1e-12)
    assert np.abs(u_xx).max() > 500  # the front is among the points
    np.testing.assert_allclose(u_t + u * u_x - 0.01 * u_xx, 0.0, atol=1e-11)


def test_initial_and_boundary_values_and_symmetries(rng):
    x, t = rng.uniform(-1, 1, 100), rng.uniform(0, 1, 100)
    start = np.column_stack([x, np.zeros(100)])
    np.testing.assert_allclose(burgers.solution(start), burgers.initial(x[:, None]), atol=1e-14)
    np.testing.assert_allclose(burgers.initial(x[:, None])[:, 0], -np.sin(np.pi * x), atol=1e-15)
    for end in (-1.0, 1.0):
        np.testing.assert_allclose(burgers.solution(np.column_stack([np.full(100, end), t])), 0.0, atol=1e-14)
    here, mirrored, shifted = (burgers.solution(np.column_stack([place, t])) for place in (x, -x, x + 2))
    np.testing.assert_allclose(mirrored, -here, atol=1e-14)
    np.testing.assert_allclose(shifted, here, atol=1e-14)


def test_small_viscosity_is_right_or_refused(rng):
    """Points are judged one by one: what is returned is right, though exp(1/(2 pi nu)) overflows below nu = 2.2e-4."""
    points = [(0.01, 0.9), (-0.004, 0.7)]
    refused(lambda: burgers.solution(points, nu=1e-3), r"ConvergenceError: u must agree to 1.0e-10 .* at \(x, t\)")
    exact = [float(series(x, t, 1e-3, 20, 260)[0]) for x, t in points]
    np.testing.assert_allclose(burgers.solution(points, nu=1e-3, nodes=192)[:, 0], exact, atol=1e-12)

    def without_viscosity(x, t):
        """The limit nu = 0 beside the front: -sin(pi y) on the characteristic x = y - t sin(pi y) from outside."""
        ahead = np.arccos(min(1.0, 1 / (np.pi * t))) / np.pi
        return -np.sin(np.pi * brentq(lambda y: y - t * np.sin(np.pi * y) - x, ahead, 1.0))

    answered = {3e-4: 0, 3e-5: 0}
    for nu in answered:
        for x, t in rng.uniform([0.05, 0.01], [0.95, 1.0], (40, 2)):
            try:
                u = burgers.solution([(x, t)], nu=nu, nodes=192)[0, 0]
            except ConvergenceError:
                continue
            answered[nu] += 1
            assert abs(u - without_viscosity(x, t)) < 60 * nu  # what viscosity adds there is of order nu
    assert 0 < answered[3e-5] < answered[3e-4] < 40


def test_the_tolerance_is_obeyed():
    points = [(0.01, 1.0), (0.4, 0.3)]
    refused(lambda: burgers.solution(points, tolerance=1e-13), r"ConvergenceError: u must agree to 1\.0e-13")
    refused(lambda: burgers.slope(points, nodes=24), r"ConvergenceError: u_x must agree to 5\.3e-09")
    assert np.isfinite(burgers.solution(points, nodes=24, tolerance=0.1)).all()


@each_row(
    "arguments, error, message",
    ({"x": [[0.0, 0.5], [0.0, -0.1]]}, ValueError, r"times t >= 0 in its second column; got x\[1, 1\] = -0.1"),
    ({"nu": -0.01}, ValueError, "nu must be finite and positive; got -0.01"),
    ({"nodes": 1000}, ValueError, "nodes must be at most 350; got 1000"),
    ({"tolerance": 0.0}, ValueError, "tolerance must be finite and positive"),
)
@pytest.mark.parametrize("function", [burgers.solution, burgers.slope])
def test_bad_input_is_refused(function, arguments, error, message):
    with pytest.raises(error, match=message):
        function(**({"x": [[0.0, 0.5]]} | arguments))
