"""The Allen-Cahn reference: against finite differences, against the equation, and its order of convergence."""

from itertools import pairwise

import numpy as np
import pytest
from scipy.integrate import solve_ivp

from refkan import ConvergenceError
from refkan.training.problems import allen_cahn
from refkan.training.problems.allen_cahn import _spread_square, _square_coefficients
from tests.shared.refusals import refusals

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


def test_too_few_modes_are_refused():
    with pytest.raises(ConvergenceError, match=r"u must agree to 1\.0e-08 with 64 and with 32 modes; it differs by .*"):
        allen_cahn.reference(modes=64)
    with pytest.raises(ConvergenceError, match="take more modes"):
        allen_cahn.reference(modes=256, diffusion=1e-6, tolerance=1e-3)


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
