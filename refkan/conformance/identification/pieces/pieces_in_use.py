r"""Functions within intervals, as polynomials: which pieces are wrong, in which powers, and what holds of all.

Within interval m, u = (x - t_m)/(t_(m+1) - t_m), function i is sum_k c_mik u^k if least squares leaves rounding. Of the
pieces asked for those are told that differ, by their place j = i - m in the interval, the same in all, and of these
the powers k of u or of 1 - u, with their factor, 0 if they are left out. By themselves: where functions are not zero,
how smooth they are at knots, which order their zeros at the ends of the support have.
"""

from dataclasses import dataclass
from math import comb, factorial, perm

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

POWERS = ("constant", "linear", "quadratic", "cubic", "quartic", "quintic")


@dataclass(frozen=True)
class Pieces:
    """Coefficients c (intervals, dim, HIGHEST + 1) of powers of u; rows that are no polynomials are not known."""

    spec: LayerSpec
    c: FloatArray
    known: Array
    degree: int

    @classmethod
    def of(cls, spec: LayerSpec, x: FloatArray, functions: FloatArray) -> "Pieces":
        """Return the pieces of functions (N, dim) at points inside intervals."""
        t, r = spec.knots[0], spec.order
        m = intervals_of(x, t, r)
        u = (x - t[m]) / (t[m + 1] - t[m])
        rows = np.unique(m)
        c, known, degree = np.zeros((rows.size, spec.dim, HIGHEST + 1)), np.zeros(rows.size, bool), 0
        size = max(float(np.abs(functions).max()), 1e-300)
        for row, interval in enumerate(rows):
            here = m == interval
            for d in range(min(HIGHEST, int(here.sum()) - 3) + 1):
                A = np.vander(2 * u[here] - 1, d + 1, increasing=True)
                k, *_ = np.linalg.lstsq(A, functions[here], rcond=None)
                if np.abs(A @ k - functions[here]).max() <= LEFT * size:
                    c[row, :, : d + 1] = np.stack([_from_middle(column) for column in k.T])
                    known[row], degree = True, max(degree, d)
                    break
        return cls(spec, np.where(np.abs(c) > 2.0**-30 * size, c, 0.0), known, degree)

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

    def at_places(self) -> FloatArray:
        """The pieces of the r functions in force in each interval, (intervals, r, powers)."""
        return self.c[np.arange(len(self.c))[:, None], self.in_force]

    def on_whole_supports(self) -> str:
        """Of functions that are one polynomial each on several intervals: the order of zeros at both ends, in words."""
        t, orders = self.spec.knots[0], set()
        m = self.in_force[:, 0] + self.spec.order - 1
        for i in range(self.spec.dim):
            rows = np.flatnonzero(np.abs(self.c[:, i]).max(axis=1) > 0)
            if rows.size < 2 or rows[0] == 0 or rows[-1] == len(self.c) - 1:
                continue  # not all of it is seen
            h = t[m[rows] + 1] - t[m[rows]]
            first = self.c[rows[0], i]
            for row, width in zip(rows[1:], h[1:], strict=True):
                moved = Polynomial(first)(Polynomial([(t[m[row]] - t[m[rows[0]]]) / h[0], width / h[0]]))
                c = np.pad(moved.coef, (0, HIGHEST + 1))[: HIGHEST + 1]
                if np.abs(c - self.c[row, i]).max() > 2.0**-20 * np.abs(self.c[:, i]).max():
                    return ""
            last = _from_right(self.c[rows[-1], i])
            orders.add(tuple(int(np.flatnonzero(np.abs(c) > 2.0**-20 * np.abs(c).max())[0]) for c in (first, last)))
        if len(orders) != 1:
            return ""
        left, right = orders.pop()
        return f"each one polynomial on its support, with zeros of order {left} and {right} at the ends"


def _from_middle(c: FloatArray) -> FloatArray:
    """Coefficients in powers of u of a polynomial in 2 u - 1."""
    out = np.zeros(c.size)
    for k, v in enumerate(c):
        for j in range(k + 1):
            out[j] += v * comb(k, j) * 2.0**j * (-1.0) ** (k - j)
    return out


def _from_right(c: FloatArray) -> FloatArray:
    """Coefficients in powers of 1 - u of polynomials in u, along the last axis."""
    out = np.zeros(c.shape)
    for k in range(c.shape[-1]):
        for j in range(k + 1):
            out[..., j] += c[..., k] * comb(k, j) * (-1.0) ** j
    return out


def wrong_pieces(spec: LayerSpec, x: FloatArray, functions: FloatArray) -> str:
    """Which of the pieces of an interval are wrong, the same in all intervals, and in what; "" if all or not so."""
    if spec.degree == 0 or spec.kind == "repeated":
        return ""
    theirs, right = Pieces.of(spec, x, functions), Pieces.asked_for(spec)
    if not theirs.known.all() or theirs.c.shape != right.c.shape:
        return ""
    a, b, rows = theirs.at_places(), right.at_places(), np.arange(len(theirs.c))[:, None]
    beside = theirs.c.copy()
    beside[rows, theirs.in_force] = 0
    room = 2.0**-26 * float(np.abs(b).max())
    wrong = np.flatnonzero((np.abs(a - b) > room).any(axis=(0, 2)))
    if np.abs(beside).max(initial=0.0) > room or not 0 < wrong.size < spec.order:
        return ""
    told = [f"the {PLACES[j]} of the {spec.order} pieces in each interval {_in_powers(a[:, j], b[:, j], room)}"
            for j in wrong]  # fmt: skip
    return "; ".join(told)


def _in_powers(theirs: FloatArray, right: FloatArray, room: float) -> str:
    """What is done to the powers of a piece, (intervals, powers) each."""
    told = []
    for words, a, b in (
        ("u = (x - t[m])/h", theirs, right),
        ("1 - u, u = (x - t[m])/h", _from_right(theirs), _from_right(right)),
    ):
        wrong = np.flatnonzero((np.abs(a - b) > 16 * room).any(axis=0))
        if not 0 < wrong.size <= max(1, len(POWERS) // 3):
            continue
        changes = []
        for k in wrong:
            if k >= len(POWERS):
                break
            factor = float((a[:, k] * b[:, k]).sum() / max(float((b[:, k] ** 2).sum()), 1e-300))
            if np.abs(a[:, k] - factor * b[:, k]).max() > 64 * room:
                break
            times = "the opposite sign" if abs(factor + 1) < 1e-6 else f"{factor:.6g} times its own"
            changes.append(f"the {POWERS[k]} coefficient in {words} "
                           + ("left out" if abs(factor) < 1e-6 else f"with {times}"))  # fmt: skip
        else:
            told.append((wrong.size, f"has {' and '.join(changes)}"))
    if told:
        return min(told)[1]
    factor = float((theirs * right).sum() / max(float((right * right).sum()), 1e-300))
    if np.abs(theirs - factor * right).max() <= 64 * room:
        return "is left out" if abs(factor) < 1e-6 else f"is multiplied by {factor:.6g}"
    return f"is another, of degree {int(np.flatnonzero((np.abs(theirs) > room).any(axis=0)).max(initial=0))}"


def nature(spec: LayerSpec, x: FloatArray, functions: FloatArray) -> str:
    """What functions are within intervals, on their supports and at knots, in words."""
    pieces = Pieces.of(spec, x, functions)
    if not pieces.known.all():
        bad = np.flatnonzero(~pieces.known).tolist()
        none = len(bad) == pieces.known.size
        return "are no piecewise polynomials" if none else f"are no polynomials in intervals {numbers(bad)}"
    told = [f"are polynomials of degree {pieces.degree} within intervals"]
    shown = np.asarray((np.abs(pieces.c) > 0).any(axis=2))
    own = np.zeros(shown.shape, bool)
    own[np.arange(len(own))[:, None], pieces.in_force] = True
    if (shown & ~own).any():
        width = int(shown.sum(axis=0).max())
        told.append("without local support" if width == len(shown) else f"not zero in up to {width} intervals")
    elif (own & ~shown).any() and spec.kind != "repeated":
        told.append(f"on fewer intervals than asked for, at most {int(shown.sum(axis=0).max())}")
    if whole := pieces.on_whole_supports():
        told.append(whole)
    elif len(shown) > 1:
        told.append(_smooth(pieces))
    return ", ".join(told)


def _smooth(pieces: Pieces) -> str:
    """How many derivatives of functions are continuous at the knots within the domain, in words."""
    h = np.diff(pieces.spec.knots[0])[pieces.in_force[:, 0] + pieces.spec.order - 1][:, None]
    for k in range(pieces.degree + 1):
        factor = np.array([perm(p, k) for p in range(HIGHEST + 1)])
        right = pieces.c[:, :, k] * factorial(k) / h**k
        left = (pieces.c * factor).sum(axis=2) / h**k
        if np.abs(right[1:] - left[:-1]).max() > 2.0**-20 * max(float(np.abs(right).max()), 1e-300):
            return (
                ("with jumps", "with kinks", "with jumps of second derivatives")[k] + " at knots"
                if k < 3
                else (f"with {k - 1} continuous derivatives")
            )
    return "without a breakpoint in the domain"
