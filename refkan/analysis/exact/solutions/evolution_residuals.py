r"""Residuals of networks v in u_t + F(u)_x = nu u_xx + G(u) + f, once they have the values that u has at both ends.

What is bounded is w = v - p, p the polynomial in x that p(a) = v - g, p(b) = v - g at both ends, or has the differences
of v and v_x between them. Its coefficients are functions of t, Taylor numbers of the network at both ends.
"""

from collections.abc import Callable
from dataclasses import replace
from typing import Any, NamedTuple

import numpy as np

from refkan.analysis.exact.enclosures.float_intervals import Intervals, down, joined, up
from refkan.analysis.exact.enclosures.network_intervals import IntervalNetwork
from refkan.analysis.exact.enclosures.taylor_intervals import Expansion, TaylorIntervals, narrowed, variables
from refkan.analysis.exact.solutions.equation_functions import applied, evaluated
from refkan.base.array_types import FloatArray

FIRST, SECOND, TIME = (1, 0), (2, 0), (0, 1)
"""Derivatives in x, and in t."""


class EvolutionEquation(NamedTuple):
    """An equation, and a network that is to solve it, over boxes (B, 2) of x and t.

    Attributes
    ----------
    steps : IntervalNetwork
        v.
    ends : array (2, 2)
        Of x and t.
    boundary, nu, flux, reaction, source
        g, nu, F, G and f.
    order : int
        Degree of the Taylor polynomials.
    """

    steps: IntervalNetwork
    ends: FloatArray
    boundary: Callable[..., Any] | None
    nu: float
    flux: Callable[..., Any] | None
    reaction: Callable[..., Any] | None
    source: Callable[..., Any] | None
    order: int

    def expanded(self, boxes: Intervals) -> tuple[Expansion, Expansion]:
        """w = v - p, and p."""
        v, (left, right) = self.steps.sweep(boxes, self.order), (self._at_end(end, boxes) for end in self.ends[0])
        p = Expansion(
            self._fitted(left.centre, right.centre, Intervals.of(boxes.middle)),
            self._fitted(left.over, right.over, boxes),
            v.reach,
            np.minimum(left.smoothness, right.smoothness) - (self.boundary is None),
        )
        smoothness = np.minimum(v.smoothness, p.smoothness)
        return Expansion(v.centre[:, 0] - p.centre, v.over[:, 0] - p.over, v.reach, smoothness), p

    def _at_end(self, end: float, boxes: Intervals) -> Expansion:
        """The network at an end of x, less its value there."""
        boundary, order = self.boundary, self.order + (self.boundary is None)
        face = Intervals(*(np.stack([np.full(len(t), end), t], axis=1) for t in (boxes.lo[:, 1], boxes.hi[:, 1])))

        def mismatch(y: TaylorIntervals, at: Intervals) -> TaylorIntervals:
            return y[:, 0] if boundary is None else y[:, 0] - evaluated("boundary", boundary, at, order)

        return self.steps.sweep(face, order).map(mismatch, face)

    def _fitted(self, left: TaylorIntervals, right: TaylorIntervals, at: Intervals) -> TaylorIntervals:
        """The polynomial p in x: `left` and `right` at the ends, or with their differences of values and slopes."""
        a, b = map(Intervals.of, self.ends[0])
        s = (variables(at, self.order)[0] - float(a.lo)) * Intervals.of(1.0).over(b - a)
        if self.boundary is not None:
            return _of_time(left) + _of_time(right - left) * s
        turn = _of_time((right - left).derivative(FIRST)) * ((b - a) * Intervals.of(0.5))
        return _of_time(right - left) * (s - 0.5) + turn * (s * s - s)

    def over_cells(self, boxes: Intervals) -> Intervals:
        """The residual, p, w and w_x, (B, 4)."""
        w, p = self.expanded(boxes)
        rho = replace(w.map(self._residual, boxes), smoothness=w.smoothness - 2)
        value = w.over.zero
        return joined([narrowed(rho, value), narrowed(p, value), narrowed(w, value), narrowed(w, FIRST)], 1)

    def _residual(self, w: TaylorIntervals, at: Intervals) -> TaylorIntervals:
        order = w.order - 2
        rho = w.derivative(TIME) - w.derivative(SECOND) * Intervals.of(self.nu)
        if self.flux is not None:
            rho = rho + applied("flux", self.flux, w).derivative(FIRST)
        if self.reaction is not None:
            rho = rho - applied("reaction", self.reaction, w)
        if self.source is not None:
            rho = rho - evaluated("source", self.source, at, order)
        return TaylorIntervals({index: part for index, part in rho.parts.items() if sum(index) <= order}, order)

    def at_start(self, initial: Callable[..., Any], boxes: Intervals) -> Intervals:
        """w - u_0 (B)."""
        e = self.expanded(boxes)[0].map(
            lambda w, at: w - evaluated("initial", lambda x, t: initial(x), at, w.order), boxes
        )
        return narrowed(e, e.over.zero)

    def rates(self, w: Intervals, slope: Intervals, M: float) -> tuple[float, float]:
        """Upper bounds of G', and of G' - F'' w_x, at numbers within M of w."""
        z = Intervals(down(w.lo - M), up(w.hi + M))[:, None]

        def coefficient(name: str, function: Callable[..., Any] | None, k: int) -> Intervals:
            zero = Intervals.of(np.zeros_like(w.lo))
            return zero if function is None else evaluated(name, function, z, k).parts.get((k,), zero)

        reaction = coefficient("reaction", self.reaction, 1)
        bend = coefficient("flux", self.flux, 2) * Intervals.of(2.0)
        return float(reaction.hi.max()), float((reaction - bend * slope).hi.max())


def _of_time(y: TaylorIntervals) -> TaylorIntervals:
    """At a given x, as a function of x and t."""
    return TaylorIntervals({index: part for index, part in y.parts.items() if not index[0]}, y.order)
