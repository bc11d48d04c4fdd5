"""The independent oracles against SciPy, hand-computed values and laws that hold for any right implementation."""

from fractions import Fraction
from math import factorial

import mpmath
import numpy as np
import pytest
from scipy.interpolate import BSpline

import refkan as rk
from tests.analysis.exact.oracles import bases, matrices
from tests.analysis.exact.oracles import polynomials as P
from tests.analysis.exact.oracles.jets import Digits, Rationals
from tests.analysis.exact.oracles.networks import OracleNetwork
from tests.analysis.exact.oracles.one_input import one_input_network, one_layer_network

KNOTS = {
    "uniform": lambda r, n: np.arange(1 - r, n + r) / n,
    "graded": lambda r, n: np.cumsum(1.7 ** np.arange(n + 2 * r - 1)),
    "clamped": lambda r, n: np.r_[[0.0] * (r - 1), np.linspace(0.0, 1.0, n + 1), [1.0] * (r - 1)],
    "near": lambda r, n: np.sort(np.r_[np.arange(1 - r, n + r - 1) / n, 1e-13]),
}


@pytest.mark.parametrize("order", range(1, 7))
@pytest.mark.parametrize("kind", KNOTS)
def test_splines_are_those_of_scipy_and_sum_to_one(order, kind):
    """Also at knots, where both take the piece on the right, and their first two derivatives."""
    knots = KNOTS[kind](order, 3)
    a, b = knots[order - 1], knots[-order]
    pieces = bases.splines(knots, order, "polynomial")
    inside = [*np.linspace(a, b, 8)[:-1], *(k for k in knots if a <= k < b)]
    for x in inside:
        functions = pieces.piece(Fraction(x))
        assert sum(P.value(f, Fraction(x)) for f in functions) == 1
        for derivative in range(min(order, 3)):
            exact = np.array([float(P.value(f, Fraction(x))) for f in functions])
            for i, _f in enumerate(functions):
                unit = np.eye(len(functions))[i]
                spline = BSpline(knots, unit, order - 1)
                expected = spline.derivative(derivative)(x) if derivative else spline(x)
                scale = max(1.0, np.abs(exact).max())
                assert (kind == "near" and derivative) or abs(exact[i] - expected) < 1e-11 * scale
            functions = [P.derivative(f) for f in functions]
    assert sum(P.value(f, Fraction(b)) for f in pieces.piece(Fraction(b))) == 1


def test_values_computed_by_hand():
    """The quadratic B-spline, a tangent, a power, T_3, and what lies beyond the last knot."""
    half = Fraction(1, 2)
    on = bases.splines(range(-2, 6), 3, "linear").piece(3 * half)
    assert [P.value(f, 3 * half) for f in on] == [0, Fraction(1, 8), Fraction(3, 4), Fraction(1, 8), 0]
    beyond = bases.splines(range(-2, 6), 3, "linear").piece(Fraction(4))
    assert [P.value(f, Fraction(4)) for f in beyond] == [0, 0, 0, -half, 3 * half]
    natural = bases.splines(range(-2, 6), 3, "natural")
    assert [P.value(f, 7 * half) for f in natural.piece(7 * half)] == [0, 0, 0, Fraction(1, 8), Fraction(3, 4)]
    assert not any(P.value(f, Fraction(5)) for f in natural.piece(Fraction(5)))
    power = bases.relu_powers([-1, 0, 1, 2, 3], 2, "natural").piece(Fraction(7))
    assert [P.value(f, Fraction(7)) for f in power] == [8, 7, 6]
    (*_, cubic) = bases.chebyshev((0, 2), 3, "polynomial").piece(3 * half)
    assert P.value(cubic, 3 * half) == 4 * half**3 - 3 * half


@pytest.mark.parametrize("order", range(1, 7))
def test_change_of_basis_and_gram_matrices(order):
    """b = A psi on every piece, G = A G_psi A^T, the stencil of uniform knots, and the Gram matrix sums to b - a."""
    knots = KNOTS["graded"](order, 3)
    A = matrices.change_of_basis(knots, order)
    splines, powers = (f(knots, order, "polynomial") for f in (bases.splines, bases.relu_powers))
    for on, psi in zip(splines.functions, powers.functions, strict=False):
        for i, f in enumerate(on):
            total = [Fraction(0)]
            for a, p in zip(A[i], psi, strict=False):
                total = P.add(total, P.scale(a, p))
            assert not any(P.add(total, P.scale(-1, f)))
    G, H = matrices.gram(knots, order), matrices.gram(knots, order, "relu_powers")
    assert matrices.product(matrices.product(A, H), matrices.transposed(A)) == G
    assert sum(map(sum, G)) == Fraction(float(knots[-order])) - Fraction(float(knots[order - 1]))
    uniform = matrices.change_of_basis(range(1 - order, 8 + order), order)
    stencil = [(-1) ** k * Fraction(factorial(order), factorial(k) * factorial(order - k)) for k in range(order + 1)]
    assert uniform[0][: order + 1] == [c / factorial(order - 1) for c in stencil][: len(uniform)]


def test_ranks_and_eigenvalues_of_known_matrices():
    """Hilbert's matrix, a product of thin matrices, the second difference."""
    hilbert = [[Fraction(1, i + j + 1) for j in range(8)] for i in range(8)]
    assert matrices.rank(hilbert) == matrices.rank_modulo(hilbert) == 8
    rng = np.random.default_rng(3)
    thin = matrices.product(rng.integers(-9, 9, (7, 3)).tolist(), rng.integers(-9, 9, (3, 6)).tolist())
    assert matrices.rank(thin) == matrices.rank_modulo(thin) == 3
    n = 6
    second = [[Fraction({0: 2, 1: -1}.get(abs(i - j), 0)) for j in range(n)] for i in range(n)]
    with mpmath.workdps(160):
        for k, value in enumerate(matrices.eigenvalues(second), 1):
            assert abs(value - 4 * mpmath.sin(k * mpmath.pi / (2 * n + 2)) ** 2) < mpmath.mpf(10) ** -150


def test_sign_changes_and_extremes_of_known_polynomials():
    """T_5 on [-1, 1] changes its sign at five cosines, and has the extremes -1 and 1."""
    t5 = list(map(Fraction, (0, 5, 0, -20, 0, 16)))
    roots = P.sign_changes(t5, Fraction(-1), Fraction(1))
    assert np.allclose([float(x) for x in roots], np.sort(np.cos(np.pi * (np.arange(5) + 0.5) / 5)), atol=1e-15)
    low, high = P.extremes(t5, Fraction(-9, 10), Fraction(9, 10))
    assert 0 <= low + 1 < Fraction(1, 2**140)
    assert 0 <= 1 - high < Fraction(1, 2**140)


CASES = {
    "splines": {"order": 4},
    "relu": {"order": 3, "basis": "relu", "outside": "natural"},
    "scaled": {"order": 2, "basis": "scaled-relu", "outside": "polynomial"},
    "natural": {"order": 3, "outside": "natural"},
    "mean-std": {"order": 3, "node_map": "mean-std"},
    "min-max": {"order": 3, "node_map": "min-max"},
    "sigmoid": {"order": 3, "node_map": "sigmoid"},
    "silu": {"order": 3, "edge": "silu"},
    "free": {"order": 3, "free_knots": True},
}


@pytest.mark.parametrize("case", [*CASES, "relu3", "tanh", "chebyshev"])
def test_networks_are_those_of_the_library(case):
    """Values, Jacobian and Hessian in float64: oracle and library read the same network."""
    rng = np.random.default_rng(5)
    x = rng.uniform(-0.25, 1.25, (2, 2))
    if case in CASES:
        net = rk.kan([2, 1, 1] if case in ("free", "silu") else [2, 2, 1], intervals=2, **CASES[case])
    else:
        net = rk.chebyshev_kan([2, 2, 1], 3) if case == "chebyshev" else rk.mlp([2, 2, 1], case)
    net, theta = net.initialize(rng, rng.uniform(size=(5, 2)))
    with mpmath.workdps(30):
        second = case != "free"
        found = OracleNetwork(net, theta, Digits).in_parameters(x, second)
        value = np.array([[float(y.v) for y in row] for row in found])
        jacobian = np.array([[float(g) for g in y.g] for row in found for y in row])
    assert np.allclose(value, net(theta, x), rtol=1e-12, atol=1e-12)
    assert np.allclose(jacobian, net.jacobian(theta, x), rtol=1e-11, atol=1e-11)
    if second:
        problem = rk.LeastSquares(net, x, value + 1.0)  # misfit -1: the Hessian is J^T J/N - sum Hess F/N
        curvature = sum(np.array(y.h, float) for row in found for y in row) / len(x)
        expected = jacobian.T @ jacobian / len(x) - curvature
        assert np.allclose(problem.hessian(theta), expected, rtol=1e-10, atol=1e-10)


@pytest.mark.parametrize("outside", ["linear", "natural", "polynomial"])
def test_pieces_of_one_input_are_values_and_slopes(outside):
    """The composition as one piecewise polynomial against the network point by point, on both sides of the domain."""
    rng = np.random.default_rng(8)
    net, theta = rk.kan([1, 3, 2], 3, 2, outside=outside).initialize(rng, rng.uniform(size=(9, 1)))
    functions = one_input_network(net, theta, -0.5, 1.5)
    oracle = OracleNetwork(net, theta, Rationals)
    for x in map(Rationals.number, rng.uniform(-0.5, 1.5, 20)):
        for y, f in zip(oracle.in_inputs([x]), functions, strict=False):
            k = max(k for k, cut in enumerate(f.cuts[:-1]) if cut <= x)
            assert P.value(f.polynomials[k], x) == y.v
            assert P.value(P.derivative(f.polynomials[k]), x) == y.g[0]
    net, theta = rk.kan([2, 2], 3, 2, outside=outside).initialize(rng, rng.uniform(size=(9, 2)))
    at, oracle = Rationals.number(0.5), OracleNetwork(net, theta, Rationals)
    for terms, y in zip(one_layer_network(net, theta, [[0.25, 0.5]] * 2), oracle.in_inputs([0.5, 0.5]), strict=True):
        assert sum(P.value(f.polynomials[-1], at) for f in terms) == y.v
