"""Burgers' equation: the quadrature against a Fourier-Bessel series in 40 digits, and against the equation itself.

The series of Cole, an oracle that shares no step with the quadrature: phi(x, 0) = exp(-a cos(pi x)), a = 1/(2 pi nu),
has the Fourier coefficients (-1)^n I_n(a), each of which decays by exp(-n^2 pi^2 nu t).
"""

import numpy as np
import pytest
from scipy.optimize import brentq

from refkan import ConvergenceError
from refkan.training.problems import burgers
from tests.shared.refusals import refused
from tests.shared.tables import each_row

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


def test_the_equation_holds(rng):
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
    with pytest.raises(ConvergenceError, match=r"u must agree to 1.0e-10 .* at \(x, t\) = \(.*take more nodes"):
        burgers.solution(points, nu=1e-3)
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
    refused(lambda: burgers.slope(points, nodes=24), "ConvergenceError: u_x must agree")
    assert np.isfinite(burgers.solution(points, nodes=24, tolerance=0.1)).all()


@each_row(
    "arguments, error, message",
    ({"x": [[0.0, 0.5], [0.0, -0.1]]}, ValueError, r"times t >= 0 in its second column; got x\[1, 1\] = -0.1"),
    ({"nu": -0.01}, ValueError, "nu must be finite and positive; got -0.01"),
    ({"nodes": 4}, ValueError, "nodes must be at least 12; got 4"),
    ({"nodes": 1000}, ValueError, "nodes must be at most 350; got 1000"),
    ({"tolerance": 0.0}, ValueError, "tolerance must be finite and positive"),
)
@pytest.mark.parametrize("function", [burgers.solution, burgers.slope])
def test_bad_input_is_refused(function, arguments, error, message):
    with pytest.raises(error, match=message):
        function(**({"x": [[0.0, 0.5]]} | arguments))
