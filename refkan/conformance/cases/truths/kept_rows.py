"""B-splines over Fractions whose values at a point are computed once: all quantities of a setting ask for the same.

What is computed, and by which formulas, is `refkan.truth`; here is what it need not compute again. Taylor numbers,
which second derivatives of networks are made with, pass through.
"""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from fractions import Fraction
from functools import partial
from typing import Any

from refkan.base.lazy import lazy
from refkan.truth.bases.bsplines import blossoms
from refkan.truth.bases.outside import Row, with_tails
from refkan.truth.layers import BSplines


class KeptRows(BSplines):
    """The B-splines on a knot vector of Fractions; see `refkan.truth.bases.bsplines`.

    Examples
    --------
    >>> b = KeptRows([Fraction(t) for t in (-1, 0, 1, 2)], 2, "natural")
    >>> b.functions(Fraction(1, 4), 0) == {0: Fraction(3, 4), 1: Fraction(1, 4)}
    True
    >>> b.functions(Fraction(1, 4), 0) is b.functions(Fraction(1, 4), 0)
    True
    """

    @lazy
    def _rows(self) -> dict[tuple[int, int, int], Row]:
        return {}

    @lazy
    def _doubled(self) -> dict[int, KeptRows]:
        return {}

    @lazy
    def _ends(self) -> tuple[int, int]:
        """The first and the last interval of the domain that is not empty."""
        a, b = self.domain
        return bisect_right(self.knots, a) - 1, bisect_left(self.knots, b) - 1

    def functions(self, x: Any, derivative: int) -> Row:
        """b_i(x)."""
        if not isinstance(x, Fraction):
            return super().functions(x, derivative)
        key = x.numerator, x.denominator, derivative  # whose hash is quicker than that of x
        if key not in self._rows:
            m = self.interval(x)
            self._rows[key] = with_tails(partial(self._piece, m), self.domain, x, derivative, self.outside)
        return self._rows[key]

    def interval(self, x: Fraction) -> int:
        """The interval in force at x: as `refkan.truth.interval`, by bisection."""
        (a, b), (first, last) = self.domain, self._ends
        m = bisect_right(self.knots, x) - 1
        return m if self.outside == "natural" and not a <= x <= b else min(max(m, first), last)

    def _piece(self, m: int, x: Fraction, derivative: int) -> Row:
        return blossoms(self.knots, self.order, m, [x] * (self.order - 1), derivative)

    def knot_slopes(self, c: Any, x: Any) -> list[Any]:
        """As `refkan.truth.knot_derivative`; splines of other coefficients ask for the same functions."""
        return [self._knot_slope(c, x, j + self.order - 1) for j in range(1, self.breakpoints + 1)]

    def _knot_slope(self, c: Any, x: Any, place: int) -> Any:
        """For the knot at a place of the vector."""
        t, r = self.knots, self.order
        if place not in self._doubled:
            self._doubled[place] = KeptRows([*t[: place + 1], *t[place:]], r, self.outside)
        bhat, near = self._doubled[place].functions(x, 0), range(place - r + 1, place + 1)
        return -sum((c[i] - c[i - 1]) / (t[i + r - 1] - t[i]) * bhat[i] for i in near if i in bhat)
