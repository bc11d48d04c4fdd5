"""Extreme eigenvalues, eigenpairs and condition numbers of spline spaces against mpmath, by quadrature."""

import mpmath
import numpy as np
import pytest

import refkan as rk
from tests.analysis.exact import dual_numbers
from tests.analysis.exact.dual_numbers import EXAMPLES, Number

DIGITS = 700


def draw(seed):
    """A space: uniform or graded knots, some with a double one inside, in units of 1e-100 to 1e100."""
    rng = np.random.default_rng([3, seed])
    order, intervals = int(rng.integers(1, 5)), int(rng.integers(1, 5))
    unit = 10.0 ** float(rng.choice([0, 0, -100, 100, -7]))
    steps = rng.choice([1.0, 1e-3, 0.3, 7.0], intervals + 2 * order - 2)
    if seed % 3 == 0:
        steps[:] = 1.0
    t = np.concatenate([[0.0], np.cumsum(steps)]) * unit + float(rng.choice([0.0, 1.0])) * unit
    repeated = seed % 4 == 1 and intervals > 2
    if repeated:
        t[order] = t[order + 1]
    return rk.SplineSpace(t, order), repeated


def matrices(space):
    """A, and the Gram matrices of both bases, by Gauss-Legendre quadrature that is exact for them."""
    number, r, dim = mpmath.mpf, space.order, space.dim
    t = [dual_numbers.exact(v, number) for v in space.knots]
    legendre = mpmath.legendre
    roots = [mpmath.mpf(float(x)) for x in np.polynomial.legendre.leggauss(r)[0]]
    for _ in range(12):  # Newton, from 16 digits
        slopes = [r * (x * legendre(r, x) - legendre(r - 1, x)) / (x * x - 1) for x in roots]
        roots = [x - legendre(r, x) / s for x, s in zip(roots, slopes, strict=True)]
    weights = [2 / ((1 - x * x) * s * s) for x, s in zip(roots, slopes, strict=True)]
    G, R = mpmath.zeros(dim), mpmath.zeros(dim)
    for m in range(r - 1, len(t) - r):
        h = t[m + 1] - t[m]
        for x, w in zip(roots, weights, strict=True) if h else ():
            at = Number(t[m] + h * (1 + x) / 2)
            b = mpmath.matrix([f.v for f in dual_numbers.spline_functions(t, r, at, m)])
            p = mpmath.matrix([f.v for f in dual_numbers.power_functions(t, r, at, m, 1)])
            G += b * b.T * (w * h / 2)
            R += p * p.T * (w * h / 2)
    return G, R


def change_of_basis(space):
    """A by divided differences: b_i = (t_{i+r} - t_i) [t_i, ..., t_{i+r}] (t - x)_+^{r-1}, signs by (-1)^r."""
    r, dim = space.order, space.dim
    t = [dual_numbers.exact(v, mpmath.mpf) for v in space.knots]
    A = mpmath.zeros(dim)
    for i in range(dim):
        for j in range(i, min(i + r + 1, dim)):
            A[i, j] = (t[i + r] - t[i]) / mpmath.fprod(t[j] - t[l] for l in range(i, i + r + 1) if l != j) * (-1) ** r
    return A


@pytest.mark.parametrize("seed", range(12 * EXAMPLES))
def test_ends_pairs_and_condition_numbers(seed):
    mpmath.mp.dps = DIGITS
    space, repeated = draw(seed)
    G, R = matrices(space)
    wanted = {"gram": G}
    if not repeated:
        A = change_of_basis(space)
        wanted |= {"AtA": A.T * A, "AAt": A * A.T, "relu_gram": R}
    for which, matrix in wanted.items():
        values, vectors = mpmath.eigsy(matrix)
        values, slack = list(values), max(values) * mpmath.mpf(10) ** (100 - DIGITS)
        if which != "AAt":
            ends = rk.exact.extreme_eigenvalues(space, which)
            for value, found in zip((min(values), max(values)), ends, strict=True):
                assert inside(value, found, slack)
                assert found.relative_width <= 2.0**-57
            low, high = rk.exact.certified_condition_number(space, which)
            assert low <= max(values) / min(values) * (1 + mpmath.mpf(10) ** -99)
            assert max(values) / min(values) <= high * (1 + mpmath.mpf(10) ** -99)
            assert high <= low * (1 + 2.0**-50)
        if which == "gram":  # blocks repeat eigenvalues
            continue
        pairs = rk.exact.eigenpairs(space, which)
        for k, found in enumerate(pairs.values):
            assert inside(values[k], found, slack)
            v = [vectors[i, k] for i in range(space.dim)]
            largest = max(range(space.dim), key=lambda i: abs(pairs.vectors[k][i].midpoint))
            for x, component in zip(v, pairs.vectors[k], strict=True):
                assert inside(x / v[largest], component, mpmath.mpf(10) ** -100)


def inside(value, enclosure, slack):
    low, high = (mpmath.mpf(e.numerator) / e.denominator for e in (enclosure.low, enclosure.high))
    return low - slack <= value <= high + slack
