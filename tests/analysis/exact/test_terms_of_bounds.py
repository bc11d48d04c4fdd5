"""Each term of a bound of an error in turn is the one that counts: without it the bound would be below a known error.

v is a constant, u is known, and all numbers but one are zero or small: the residual, the error on the boundary, what
the wavenumber or the reaction coefficient multiplies.
"""

import math

import numpy as np
import pytest
from scipy import linalg

import refkan as rk

PI = math.pi
UNIT = [[0.0, 1.0]]
BOUNDS = ("by_maximum_principle", "by_integration", "by_eigenfunctions")


def bounds_of(constant, source, boundary, dimension, **options):
    """The bounds of a constant as a solution in the unit interval, square or cube."""
    net = rk.kan([dimension, 1], order=4, intervals=1)
    theta = np.zeros(net.n_params)
    theta[:4] = constant
    return rk.exact.certified_error(
        net, theta, source, boundary, UNIT * dimension,
        residual_tolerance=1e-3, budget=300, integration_intervals=200, **options,
    )  # fmt: skip


def holds(found, error, names, factor):
    """Each of these bounds is at least the error, and at most `factor` times it; the others are infinite."""
    for name in BOUNDS:
        bound = getattr(found, name)
        if name in names:
            assert error * (1 - 1e-9) <= bound <= factor * error, name
        else:
            assert bound == math.inf, name


def waves(k, *x):
    """The product of cos(k (x_p - 1/2))."""
    product = 1
    for x_p in x:
        product = product * ((x_p - 0.5) * k).cos()
    return product


def modes(*x):
    """The first eigenfunction of the Laplacian."""
    product = 1
    for x_p in x:
        product = product * (x_p * PI).sin()
    return product


# ---------------------------------------------------------------- one source of error alone


@pytest.mark.parametrize(("dimension", "k"), [(2, 3.3), (2, 4.0), (3, 3.3)])
def test_above_the_first_eigenvalue_errors_on_the_boundary_are_multiplied_by_the_wavenumber(dimension, k):
    """u is a product of cosines, 1 in the middle and at most |cos(k/2)| on the boundary, where v = 0 is off."""
    off = abs(math.cos(k / 2))
    found = bounds_of(0.0, lambda *x: 0, lambda *x: waves(k, *x), dimension, wavenumber=k * math.sqrt(dimension))
    assert found.residual < 1e-300
    assert off <= found.boundary_error <= max(off, 1e-3) * 1.1
    assert found.boundary_error < 0.9
    holds(found, 1.0, ["by_eigenfunctions"], 60)


@pytest.mark.parametrize(("dimension", "share"), [(2, 1.05), (2, 2.0), (3, 1.1)])
def test_above_the_first_eigenvalue_the_residual_alone_counts(dimension, share):
    """u is the first mode: the residual of v = 0 is (k^2 - lambda) u, and so small near the eigenvalue."""
    first = dimension * PI * PI
    k = math.sqrt(share * first)
    found = bounds_of(0.0, lambda *x: modes(*x) * (k * k - first), lambda *x: 0, dimension, wavenumber=k)
    assert found.boundary_error < 1e-300
    holds(found, 1.0, ["by_eigenfunctions"], 60)


@pytest.mark.parametrize("dimension", [1, 2, 3])
def test_without_wavenumber_and_reaction_the_error_on_the_boundary_alone_counts(dimension):
    found = bounds_of(0.0, lambda *x: 0, lambda *x: 1 - x[0] * 0, dimension)
    assert found.residual < 1e-300
    holds(found, 1.0, BOUNDS[: 2 if dimension == 1 else 1], 1.01)


@pytest.mark.parametrize(("dimension", "k"), [(1, 2.5), (2, 2.5), (2, 0.1), (3, 2.0)])
def test_below_the_first_eigenvalue_waves_are_taller_than_on_the_boundary(dimension, k):
    found = bounds_of(0.0, lambda *x: 0, lambda *x: waves(k, *x), dimension, wavenumber=k * math.sqrt(dimension))
    assert found.residual < 1e-300
    assert found.boundary_error <= abs(math.cos(k / 2)) * 1.01
    names = ["by_maximum_principle", "by_integration" if dimension == 1 else "by_eigenfunctions"]
    holds(found, 1.0, names, 30)


@pytest.mark.parametrize("dimension", [1, 2, 3])
@pytest.mark.parametrize("share", [0.0, 0.5])
def test_below_the_first_eigenvalue_the_residual_alone_counts(dimension, share):
    first = dimension * PI * PI
    k = math.sqrt(share * first)
    found = bounds_of(0.0, lambda *x: modes(*x) * (k * k - first), lambda *x: 0, dimension, wavenumber=k)
    assert found.boundary_error < 1e-300
    names = ["by_maximum_principle"]
    names += ["by_integration"] * (dimension == 1) + ["by_eigenfunctions"] * (dimension > 1 and k > 0)
    holds(found, 1.0, names, 30)


# ---------------------------------------------------------------- terms of the residual


@pytest.mark.parametrize("k", [1.0, 2.0])
def test_the_wavenumber_multiplies_the_network(k):
    """v = 1 has the residual k^2; u = cos(k (x - 1/2))/cos(k/2)."""
    found = bounds_of(1.0, lambda x: 0, lambda x: 1, 1, wavenumber=k)
    assert k * k <= found.residual <= k * k * 1.001
    holds(found, 1 / math.cos(k / 2) - 1, ["by_maximum_principle", "by_integration"], 1.5)


@pytest.mark.parametrize("r", [1.0, 100.0])
def test_the_reaction_coefficient_multiplies_the_network(r):
    """v = 1 has the residual -r; u = cosh(s (x - 1/2))/cosh(s/2), s^2 = r. And v = u = 1 has none with f = -r."""
    found = bounds_of(1.0, lambda x: 0, lambda x: 1, 1, reaction_coefficient=lambda x: r)
    assert r <= found.residual <= r * 1.001
    holds(found, 1 - 1 / math.cosh(math.sqrt(r) / 2), ["by_maximum_principle", "by_integration"], 2 * r)
    assert found.by_maximum_principle <= 1.001 * min(1.0, r / 8)
    assert bounds_of(1.0, lambda x: -r, lambda x: 1, 1, reaction_coefficient=lambda x: r).error < 1e-12


def test_the_derivative_of_a_diffusion_coefficient_counts():
    """((1 + x) v')' of v = x is 1, u = log(1 + x)/log(2)."""
    net = rk.kan([1, 1], order=4, intervals=1)
    line = [-1.0, 0.0, 1.0, 2.0]
    values = net(np.array(line), np.array([[0.0], [1.0]]))[:, 0]
    np.testing.assert_allclose(values, [0.0, 1.0], atol=1e-15)
    found = rk.exact.certified_error(
        net, line, lambda x: 0, lambda x: x, UNIT, diffusion_coefficient=lambda x: 1 + x, budget=300
    )
    x = np.linspace(0, 1, 10001)
    holds(found, np.abs(x - np.log1p(x) / math.log(2)).max(), ["by_maximum_principle", "by_integration"], 3)


# ---------------------------------------------------------------- terms of the integration in one dimension


def test_between_the_nodes_of_an_integration_the_residual_counts():
    """v = 0, u = x (1 - x): at the nodes 0, 1/3, 2/3 and 1 the error is at most 2/9, and 1/4 between them."""
    found = bounds_of_nodes(3, lambda x: -2, lambda x: 0)
    assert 0.25 <= found.by_integration <= 0.251


def test_between_the_nodes_of_an_integration_the_wave_counts():
    """v = 0, u = cos(3 (x - 1/2)): 1 in the middle, at most cos(1/2) = 0.88 at the nodes."""
    found = bounds_of_nodes(3, lambda x: 0, lambda x: waves(3.0, x), wavenumber=3.0)
    assert 1 <= found.by_integration <= 1.01


def bounds_of_nodes(intervals, source, boundary, **options):
    net = rk.kan([1, 1], order=4, intervals=1)
    return rk.exact.certified_error(
        net, np.zeros(4), source, boundary, UNIT, budget=300, integration_intervals=intervals, **options
    )


def test_what_a_reaction_adds_to_an_integrated_error_counts():
    """u = sin(pi x), r = -9: without r the integral of the residual is (pi^2 - 9)/pi^2 = 0.09, the error is 1."""
    found = bounds_of(0.0, lambda x: modes(x) * (9 - PI * PI), lambda x: 0, 1, reaction_coefficient=lambda x: -9)
    holds(found, 1.0, ["by_maximum_principle", "by_integration"], 2)


def test_a_reaction_that_damps_may_add_to_an_integrated_error():
    """Without r the error is 1 - 2 exp(-s (x - 1/2)^2), at most 1; r takes off its mean and leaves a higher peak."""
    s, r, n = 1000.0, 300.0, 4001
    x = np.linspace(0.0, 1.0, n)
    z, h = (x - 0.5) ** 2, x[1]
    right = (-2 * (4 * s * s * z - 2 * s) * np.exp(-s * z))[1:-1]
    right[[0, -1]] -= 1 / h**2
    bands = np.array([[1 / h**2], [-2 / h**2 - r], [1 / h**2]]) * np.ones(n - 2)
    error = np.abs(linalg.solve_banded((1, 1), bands, right)).max()
    assert error > 1.2
    found = rk.exact.certified_error(
        rk.kan([1, 1], order=4, intervals=1),
        np.zeros(4),
        lambda x: ((x - 0.5) ** 2 * (4 * s * s) - 2 * s) * 2 * ((x - 0.5) ** 2 * -s).exp(),
        lambda x: -1,
        UNIT,
        residual_tolerance=1.0,
        taylor_degree=8,
        integration_intervals=2000,
        reaction_coefficient=lambda x: r,
    )
    assert error <= found.by_integration <= 2.1
