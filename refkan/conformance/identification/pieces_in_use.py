r"""Functions within intervals, as polynomials: which pieces are wrong, and what holds of all.

Within interval m, u = (x - t_m)/(t_(m+1) - t_m), function i is sum_k c_mik u^k if least squares leaves rounding. Of the
pieces asked for those are told that differ, by their place j = i - m in the interval, the same in all. By themselves:
where functions are not zero, and how smooth they are at knots.
"""

from dataclasses import dataclass
from math import factorial, perm

import numpy as np
from numpy.polynomial import Polynomial

from refkan.base.array_types import Array, FloatArray
from refkan.conformance.cases.specs import LayerSpec
from refkan.conformance.identification.knots_in_use import intervals_of, recursion
from refkan.conformance.identification.matrix_shapes import numbers

HIGHEST = 8
"""Degree of pieces, at most."""

LEFT = 2.0**-34
"""Of the largest value, that least squares may leave of polynomials."""

PLACES = ("first", "second", "third", "fourth", "fifth", "sixth")


@dataclass(frozen=True)
class Pieces:
    """Coefficients c (intervals, dim, HIGHEST + 1) of powers of u, and degrees, -1 where there are no polynomials."""

    spec: LayerSpec
    c: FloatArray
    degrees: Array

    @classmethod
    def of(cls, spec: LayerSpec, x: FloatArray, functions: FloatArray) -> "Pieces":
        """Return the pieces of functions (N, dim) at points inside intervals."""
        t, m = spec.knots[0], intervals_of(x, spec.knots[0], spec.order)
        u = (x - t[m]) / (t[m + 1] - t[m])
        rows = np.unique(m)
        c, degrees = np.zeros((rows.size, spec.dim, HIGHEST + 1)), np.full(rows.size, -1)
        size = max(float(np.abs(functions).max()), 1e-300)
        for row, interval in enumerate(rows):
            here = m == interval
            for d in range(min(HIGHEST, int(here.sum()) - 3) + 1):
                A = np.vander(2 * u[here] - 1, d + 1, increasing=True)
                k, *_ = np.linalg.lstsq(A, functions[here], rcond=None)
                if np.abs(A @ k - functions[here]).max() <= LEFT * size:
                    powers = (Polynomial(column)(Polynomial([-1.0, 2.0])).coef for column in k.T)
                    c[row] = [np.pad(power, (0, HIGHEST + 1 - power.size)) for power in powers]
                    degrees[row] = d
                    break
        return cls(spec, np.where(np.abs(c) > 2.0**-30 * size, c, 0.0), degrees)

    @classmethod
    def asked_for(cls, spec: LayerSpec) -> "Pieces":
        """Return those of the B-splines of a layer."""
        t, r = spec.knots[0], spec.order
        m = np.flatnonzero(np.diff(t[r - 1 : t.size - r + 1]) > 0) + r - 1
        u = (1 + np.arange(2 * r)) / (2 * r + 1)
        x = (t[m][:, None] + (t[m + 1] - t[m])[:, None] * u).ravel()
        return cls.of(spec, x, recursion(t, r, x, np.repeat(m, u.size)))

    @property
    def in_force(self) -> Array:
        """Numbers of the r functions that are asked for in each interval, (intervals, r)."""
        r, t = self.spec.order, self.spec.knots[0]
        return np.asarray(np.flatnonzero(np.diff(t[r - 1 : t.size - r + 1]) > 0)[:, None] + np.arange(r))

    @property
    def are_asked_for(self) -> Array:
        """Which functions are asked for in each interval, (intervals, dim)."""
        own = np.zeros(self.c.shape[:2], bool)
        np.put_along_axis(own, self.in_force, True, axis=1)
        return own


def wrong_pieces(spec: LayerSpec, x: FloatArray, functions: FloatArray) -> str:
    """Which of the pieces of an interval are wrong, the same in all intervals; "" if most or not so."""
    if spec.degree == 0 or spec.kind == "repeated":
        return ""
    theirs, right = Pieces.of(spec, x, functions), Pieces.asked_for(spec)
    if theirs.degrees.min() < 0 or theirs.c.shape != right.c.shape:
        return ""
    a, b = (np.take_along_axis(pieces.c, pieces.in_force[:, :, None], axis=1) for pieces in (theirs, right))
    room = 2.0**-26 * float(np.abs(b).max())
    wrong = np.flatnonzero((np.abs(a - b) > room).any(axis=(0, 2)))
    if np.abs(theirs.c[~theirs.are_asked_for]).max(initial=0.0) > room or not 0 < wrong.size <= spec.order / 2:
        return ""
    return "; ".join(
        f"the {PLACES[j]} of the {spec.order} pieces in each interval {_compared(a[:, j], b[:, j], room)}"
        for j in wrong
    )


def _compared(theirs: FloatArray, right: FloatArray, room: float) -> str:
    """What is done to a piece, (intervals, powers) each."""
    factor = float((theirs * right).sum() / max(float((right * right).sum()), 1e-300))
    if np.abs(theirs - factor * right).max() <= 64 * room:
        return "is left out" if abs(factor) < 1e-6 else f"is multiplied by {factor:.6g}"
    return f"is another, of degree {int(np.flatnonzero((np.abs(theirs) > room).any(axis=0)).max(initial=0))}"


def nature(spec: LayerSpec, x: FloatArray, functions: FloatArray) -> str:
    """What functions are within intervals, on their supports and at knots, in words."""
    pieces = Pieces.of(spec, x, functions)
    if (bad := np.flatnonzero(pieces.degrees < 0)).size:
        none = bad.size == pieces.degrees.size
        return "are no piecewise polynomials" if none else f"are no polynomials in intervals {numbers(bad.tolist())}"
    told = [f"are polynomials of degree {pieces.degrees.max()} within intervals"]
    shown = np.asarray((np.abs(pieces.c) > 0).any(axis=2))
    if (shown & ~pieces.are_asked_for).any():
        width = int(shown.sum(axis=0).max())
        told.append("without local support" if width == len(shown) else f"not zero in up to {width} intervals")
    if len(shown) > 1:
        told.append(_smooth(pieces))
    return ", ".join(told)


def _smooth(pieces: Pieces) -> str:
    """How many derivatives of functions are continuous at the knots within the domain, in words."""
    h = np.diff(pieces.spec.knots[0])[pieces.in_force[:, 0] + pieces.spec.order - 1][:, None]
    for k in range(int(pieces.degrees.max()) + 1):
        factor = np.array([perm(p, k) for p in range(HIGHEST + 1)])
        right = pieces.c[:, :, k] * factorial(k) / h**k
        left = (pieces.c * factor).sum(axis=2) / h**k
        if np.abs(right[1:] - left[:-1]).max() > 2.0**-20 * max(float(np.abs(right).max()), 1e-300):
            return (
                f"with {k - 1} continuous derivative{'s' * (k > 2)}"
                if k > 1
                else ("with jumps", "with kinks")[k] + " at knots"
            )
    return "without a breakpoint in the domain"
