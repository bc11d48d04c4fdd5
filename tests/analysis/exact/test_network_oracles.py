"""Ranks, null spaces, spectra and Hessians of random networks against formulas of the tests alone."""

import warnings
from fractions import Fraction

import mpmath
import numpy as np
import pytest

import refkan as rk
from refkan.analysis.conditioning import null_vectors
from refkan.analysis.exact.ranks.network_rows import checked
from refkan.analysis.exact.ranks.null_directions import known_null_vectors
from refkan.base.errors import ConvergenceError, DegenerateNodeError, OutsideDomainWarning
from refkan.networks.layers import ChebyshevLayer, DenseLayer
from refkan.networks.node_maps import Unmapped
from tests.analysis.exact import dual_networks
from tests.analysis.exact.dual_numbers import EXAMPLES

RATIONAL_MAPS = ("affine", "affine", "min-max", "none")
IRRATIONAL_MAPS = ("mean-std", "sigmoid")


def places(rng, domain, order, intervals, count):
    """Points inside, outside, on the ends and on knots, an ulp beside them, and some of them twice."""
    a, b = domain
    knots = np.linspace(a, b, intervals + 1)
    beside = np.concatenate([np.nextafter(knots, -np.inf), np.nextafter(knots, np.inf)])
    outside = np.array([a - 0.3 * (b - a), b + 0.2 * (b - a), b + (order + 2) * (b - a)])
    pool = rng.choice(np.concatenate([knots, beside, outside]), count // 3)
    x = np.concatenate([pool, rng.uniform(a, b, count - len(pool) - 2)])
    return rng.permutation(np.concatenate([x, rng.choice(x, 2)]))


def draw(seed, irrational=False, samples=14):
    """A problem of a network of one or two layers, and parameters; None where float64 does not evaluate it."""
    rng = np.random.default_rng([17, seed, irrational])
    order, intervals = int(rng.integers(1, 5)), int(rng.integers(1, 4))
    P, Q = int(rng.integers(1, 3)), int(rng.integers(1, 3))
    unit = 10.0 ** float(rng.choice([0, 0, 0, -150, 150, -12, 9]))
    domain = (0.0, unit) if rng.integers(2) else (-unit, 2 * unit)
    node_map = str(rng.choice(IRRATIONAL_MAPS if irrational else RATIONAL_MAPS))
    outside = str(rng.choice(["linear", "polynomial", "natural"]))
    basis = str(rng.choice(["spline", "spline", "relu", "scaled-relu"]))
    edge = "silu" if irrational and rng.integers(2) and unit < 2 else "spline"
    free_knots = irrational and order > 1 and outside != "natural" and not rng.integers(3)
    widths = [P, Q, 1] if rng.integers(5) else [P, Q]
    kind = rng.integers(8)
    if kind == 0:
        activation = "tanh" if irrational else str(rng.choice(["relu", "relu3", "identity"]))
        last = DenseLayer(Q, 1, "identity", bool(rng.integers(2)))
        net = rk.Network((DenseLayer(P, Q, activation), last), (Unmapped(),))
    elif kind == 1:
        ends = tuple([domain] * P), tuple([(0.0, 1.0)] * Q)
        tails = "polynomial" if outside == "natural" else outside
        pairs = zip(ends, (Q, 1), strict=True)
        layers = tuple(ChebyshevLayer(e, degree=order, n_outputs=q, outside=tails) for e, q in pairs)
        net = rk.Network(layers, (rk.kan([1, 1, 1], 2, 1, node_map=node_map).node_maps[0],))
    else:
        net = rk.kan(
            widths, order, intervals, [domain] * P, basis="spline" if edge == "silu" else basis, node_map=node_map,
            outside=outside, edge=edge, free_knots=free_knots,
        )  # fmt: skip
    x = np.stack([places(rng, domain, order, intervals, samples) for _ in range(P)], axis=1)
    batch = rng.uniform(*domain, (6, P)) if rng.integers(3) == 0 else x
    with warnings.catch_warnings(), np.errstate(all="ignore"):
        warnings.simplefilter("ignore", OutsideDomainWarning)
        try:
            net, theta = net.initialize(rng, x, statistics=batch)
        except DegenerateNodeError:
            return None
        theta = theta * rng.choice([1.0, 1.0, 0.5, -2.0], theta.size)
        if rng.integers(4) == 0 and not irrational:
            theta = theta * 10.0 ** float(rng.choice([-100, 100]))
        y, weights = rng.normal(size=(samples, net.widths[-1])), rng.choice([0.0, 1.0, 0.5], samples, p=[0.1, 0.6, 0.3])
        problem = rk.LeastSquares(net, x, y, weights)
        try:
            fits = np.isfinite(theta).all() and np.isfinite(problem.residual(theta)).all()
        except DegenerateNodeError:
            return None
        return (problem, theta) if fits else None


def rows_that_count(problem):
    return problem.x if problem.weights is None else problem.x[problem.weights > 0]


def drawn(part, irrational=False, count=40):
    """A quarter of the problems."""
    problems = (draw(seed, irrational) for seed in range(part, count * EXAMPLES, 4))
    return [each for each in problems if each is not None]


@pytest.mark.parametrize("part", range(4))
def test_exact_ranks_and_their_lower_bounds(part):
    problems = drawn(part)
    assert len(problems) > 6 * EXAMPLES
    for problem, theta in problems:
        rank = dual_networks.rank(dual_networks.jacobian(problem.net, theta, rows_that_count(problem), Fraction))
        found = rk.exact.certified_rank(problem, theta)
        nullity = problem.net.n_params - rank
        assert found.rank == rank
        assert found.analytic_nullity <= nullity
        assert null_vectors(problem.net, theta, problem.x).shape[1] <= found.analytic_nullity


def holds(enclosures, values):
    """Whether falling enclosures hold falling values, which are known to all digits but 100 of the largest."""
    slack = max(map(abs, values)) * mpmath.mpf(10) ** (100 - mpmath.mp.dps)
    ends = [[mpmath.mpf(e.numerator) / e.denominator for e in (each.low, each.high)] for each in enclosures]
    return all(low - slack <= v <= high + slack for (low, high), v in zip(ends, values, strict=True))


@pytest.mark.parametrize("part", range(4))
@pytest.mark.parametrize("irrational", [False, True])
def test_spectra_hold_every_eigenvalue(part, irrational):
    """Gauss-Newton matrices and Hessians; ranks known in balls too. What is not decided raises, and proves nothing."""
    answered = 0
    for problem, theta in drawn(part, irrational, count=20):
        if problem.net.n_params > 12:
            continue
        units = max(abs(problem.x).max(), abs(theta).max()), abs(problem.x).max()
        ordinary = all(1e-20 < unit < 1e20 for unit in units)
        mpmath.mp.dps = 200 if ordinary else 1000  # units of 1e150 make eigenvalues of 1e-700 of the largest
        tails = any(layer.outside == "linear" and layer.free_knots for layer in problem.net.layers)
        for which, matrix in zip(("gauss-newton", "hessian"), dual_networks.curvatures(problem, theta), strict=True):
            if which == "hessian" and tails:  # second derivatives in the knots of tails: not in the oracle
                continue
            if not any(matrix):
                continue
            values = dual_networks.eigenvalues(matrix)
            nullity = problem.net.n_params - len(values)
            with np.errstate(all="ignore"):
                assert rk.spectrum(problem, theta, which=which).analytic_nullity <= nullity
            assert known_null_vectors(checked(problem, theta), which == "hessian").ncols() <= nullity
            try:
                found = rk.exact.certified_spectrum(problem, theta, which=which)
            except ConvergenceError:
                assert irrational
                continue
            answered += 1
            assert found.rank == len(values)
            assert holds(found.values, values)
            assert found.negative == sum(v < 0 for v in values)
            low, high = found.condition.floats()
            sizes = [abs(v) for v in values]
            assert low <= max(sizes) / min(sizes) <= high
            if which == "gauss-newton":
                assert rk.exact.certified_rank(problem, theta).rank == found.rank
    assert answered
