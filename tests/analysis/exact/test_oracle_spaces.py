"""Exact matrices of spline spaces and their certified spectra against definitions, over Fractions and 200 digits."""

from fractions import Fraction

import mpmath
import numpy as np
import pytest

import refkan as rk
from tests.analysis.exact.oracles import draws, matrices
from tests.analysis.exact.oracles.jets import to_mp


def spaces(order, count, repeat=False):
    """Spaces of all sorts of knots, in units from 1e-150 to 1e150."""
    rng = np.random.default_rng([14, order])
    for _ in draws.cases(count):
        unit = float(rng.choice([1.0, 1.0, 1e-150, 1e150, 2.0**-30]))
        yield rng, draws.space(rng, order, int(rng.integers(1, 6)), unit, repeat)


def definition(space, which, scaled=False):
    """A^T A, A A^T, or a Gram matrix of integrals over the pieces."""
    if which in ("AtA", "AAt"):
        A = matrices.change_of_basis(space.knots, space.order, scaled)
        factors = (matrices.transposed(A), A) if which == "AtA" else (A, matrices.transposed(A))
        return matrices.product(*factors)
    gram = matrices.gram(space.knots, space.order, "splines" if which == "gram" else "relu_powers")
    if scaled:
        a, b = (Fraction(float(space.knots[k])) for k in (space.order - 1, -space.order))
        factor = ((b - a) / space.intervals) ** (2 - 2 * space.order)
        gram = [[factor * c for c in row] for row in gram]
    return gram


@pytest.mark.parametrize("order", range(1, 7))
def test_rational_matrices_are_their_definitions(order):
    """Entry by entry, equalities of Fractions."""
    for _, space in spaces(order, 2):
        for scaled in (False, True):
            found = rk.exact.as_fractions(rk.exact.rational_change_of_basis(space, scaled))
            assert found == matrices.change_of_basis(space.knots, order, scaled)
        assert rk.exact.as_fractions(rk.exact.rational_gram(space)) == definition(space, "gram")
        for scaled in (False, True):
            found = rk.exact.as_fractions(rk.exact.rational_gram(space, "relu", scaled))
            assert found == definition(space, "relu_gram", scaled)


@pytest.mark.parametrize("order", range(1, 7))
@pytest.mark.parametrize("which", ["AtA", "AAt", "gram", "relu_gram"])
def test_eigenvalues_and_condition_numbers_lie_in_their_enclosures(order, which):
    """Extreme ones, all of them, and the quotient, which is known to two floats."""
    for rng, space in spaces(order, 1, repeat=which == "gram"):
        scaled = bool(rng.uniform() < 0.5) and which in ("AtA", "relu_gram")
        pairs, exact = None, definition(space, which, scaled)
        with mpmath.workdps(800):
            values, vectors = matrices.eigenpairs(exact)
            slack = [v * mpmath.mpf(10) ** -60 for v in values]
            if which != "AAt":
                ends = rk.exact.extreme_eigenvalues(space, which, scaled=scaled)
                for v, s, bound in zip((values[0], values[-1]), (slack[0], slack[-1]), ends, strict=False):
                    assert to_mp(bound.low) - s <= v <= to_mp(bound.high) + s
                    assert bound.high - bound.low <= bound.high / 2**57
            if not scaled:
                try:
                    pairs = rk.exact.eigenpairs(space, which)
                except rk.ConvergenceError:
                    continue  # eigenvalues that 4096 bits do not isolate
                for k, (v, s, bound) in enumerate(zip(values, slack, pairs.values, strict=True)):
                    assert to_mp(bound.low) - s <= v <= to_mp(bound.high) + s
                    components = pairs.vectors[k]
                    # Of rounded uniform knots two components differ by an ulp: exactly, not by midpoints in float64.
                    largest = max(range(space.dim), key=lambda i: abs(components[i].low + components[i].high))
                    for i, x in enumerate(components):
                        ratio, tiny = vectors[i, k] / vectors[largest, k], mpmath.mpf(10) ** -60
                        assert to_mp(x.low) - tiny <= ratio <= to_mp(x.high) + tiny
            if which != "AAt" and values[-1] / values[0] < 1e300:
                low, high = rk.exact.certified_condition_number(space, which=which)
                condition, tiny = values[-1] / values[0], mpmath.mpf(10) ** -60  # 3 exactly for hats on one interval
                assert low * (1 - tiny) <= condition <= high * (1 + tiny)
                assert high <= np.nextafter(np.nextafter(low, np.inf), np.inf)
        if which == "AtA" and pairs is not None and order > 1 and None not in pairs.sign_changes:
            assert pairs.sign_changes == tuple(range(space.dim))
