"""The independent oracles against SciPy, hand-computed values and laws that hold for any right implementation."""

from fractions import Fraction

import numpy as np
import pytest
from scipy.interpolate import BSpline

from tests.analysis.exact.oracles import bases
from tests.analysis.exact.oracles import polynomials as P

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
