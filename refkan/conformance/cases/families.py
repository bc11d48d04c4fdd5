"""Families of knots, points and coefficients whose numbers are exact in a floating-point format.

All are dyadic rationals with few bits, so that differences of knots and points are exact too: a layer that rounds
correctly finds every point in the interval that it lies in, and no case raises an alarm because of rounding across a
knot. The finest units are chosen so that float64 cases cannot be represented in float32, nor float32 cases in
bfloat16: a knot or coefficient that was kept in a lower format shows.

A frame is what a backend has no other of: one number of intervals, one domain, for which cases are made.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from fractions import Fraction
from typing import Any

import numpy as np

from refkan.base import FloatArray, Frozen
from refkan.base.arguments import check_real
from refkan.conformance.cases.specs import PER_NODE, LayerSpec, attribute
from refkan.conformance.cases.truths.precision import LOW, round_to

INTERVALS = 6
"""Intervals of most cases: one shape for each degree keeps compiled backends fast."""

POINTS = 12
"""Samples of most cases."""


class Units(Frozen):
    """Finest units: of knots, of positions within a span, of coefficients."""

    knot: float
    fraction: int
    coefficient: float


UNITS = {
    "float64": Units(2.0**-28, 2**16, 2.0**-30),
    "float32": Units(2.0**-9, 2**6, 2.0**-12),
    "tf32": Units(2.0**-4, 2**2, 2.0**-7),
    "bfloat16": Units(2.0**-2, 2**2, 2.0**-5),
    "float16": Units(2.0**-4, 2**2, 2.0**-7),
}


def knot_vector(kind: str, order: int, dtype: str, rng: np.random.Generator, intervals: int = INTERVALS) -> FloatArray:
    """Return an extended knot vector (K,): "uniform", "uniform-fine", "arbitrary", "clamped" or "repeated"."""
    unit = UNITS[dtype].knot
    steps = np.arange(1 - order, intervals + order)
    if kind == "uniform":  # spacing 1/2: positions (x - a)/h are exact in any order of operations
        return np.asarray(-1.0 + 0.5 * steps)
    if kind == "uniform-fine":
        a = -1.0 + unit * float(rng.integers(1, 64))
        return np.asarray(a + (0.5 + unit * float(2 * rng.integers(1, 32) + 1)) * steps)
    if dtype == "bfloat16":
        spans = rng.integers(1, 4, steps.size - 1) / 4.0
    elif dtype in ("tf32", "float16"):
        spans = rng.integers(4, 16, steps.size - 1) / 16.0
    else:
        spans = rng.integers(2, 8, steps.size - 1) / 8.0 + unit * rng.integers(1, 32, steps.size - 1)
    t = np.concatenate([[0.0], np.cumsum(spans)])
    t += -1.0 - t[order - 1]
    if kind == "clamped":
        t[:order], t[-order:] = t[order - 1], t[-order]
    if kind == "repeated":
        multiplicity = 2 if order % 2 == 0 else 3
        t[order + 1 : order + 1 + multiplicity] = t[order + 1]
    return np.asarray(t)


def points(region: str, t: FloatArray, order: int, dtype: str, rng: np.random.Generator, count: int) -> FloatArray:
    """Return `count` points of a region of the knot vector t: inside spans, at knots, at ends, outside, far outside."""
    a, b = t[order - 1], t[-order]
    breakpoints = np.unique(t[order - 1 : t.size - order + 1])
    fractions = UNITS[dtype].fraction
    if region == "interior":
        spans = np.resize(np.arange(breakpoints.size - 1), count)
        k = rng.integers(fractions // 4, 3 * fractions // 4 + 1, count)
        return round_to(dtype, breakpoints[spans] + np.diff(breakpoints)[spans] * (k / fractions))
    if region == "knots":
        return np.resize(breakpoints[1:-1], count)
    if region == "ends":
        return np.resize(np.array([b, a]), count)
    sides = np.resize([1.0, -1.0], count)
    ends = np.where(sides > 0, b, a)
    if region == "outside":
        unit = 4 if dtype in LOW else fractions
        distance = rng.integers(1, 2 * unit, count) / unit
        # Near the ends, among the exterior knots and beyond them: up to two units of length.
        shares = np.ones(1) if dtype in LOW else np.array([0.25, 0.5, 1.0])
        return round_to(dtype, ends + sides * distance * np.resize(shares, count))
    return np.asarray(sides * np.resize([32.0, 64.0, 16.0, 128.0, 48.0], count))


def coefficients(shape: tuple[int, ...], dtype: str, rng: np.random.Generator, size: float = 1.0) -> FloatArray:
    """Random numbers in (-size, size), `size` a power of two, with all the bits that the family has."""
    unit = UNITS[dtype].coefficient
    most = int(1 / unit)
    odd = 2 * rng.integers(-most // 2, most // 2, shape) + 1
    return np.asarray(size * unit * odd)


def cotangents(shape: tuple[int, ...], rng: np.random.Generator) -> FloatArray:
    """Multiples of 1/4 from -2 to 2, never 0 and never 1."""
    return np.asarray(rng.choice([-8, -6, -5, -3, -2, 2, 3, 5, 6, 7], shape) / 4.0)


def spec_with(spec: LayerSpec, parts: Sequence[str], rng: np.random.Generator, size: float = 0.5) -> LayerSpec:
    """Return the layer with parts of random numbers, factors between 1/2 and 1 and summands below `size`.

    With these sizes activations inside a domain stay there, or nearly so.
    """
    given_parts: dict[str, Any] = {}
    for part in parts:
        shape = spec.coefficients.shape[: 1 if part in PER_NODE else 2]
        at = coefficients(shape, spec.dtype, rng, size)
        given_parts[attribute(part)] = at if part in ("base", "bias") else round_to(spec.dtype, 0.75 + at / 4 / size)
    return replace(spec, **given_parts)


MOST_BITS = 2**6
"""Denominators of knots that no order of operations rounds."""


@dataclass(frozen=True)
class Frame:
    """The number of intervals, the domain and the knots for which cases are made.

    Parameters
    ----------
    intervals : int, optional
    domain : (float, float), optional
        Cases keep their own where these are None.
    shared_knots : bool
        Whether all inputs of a layer have one knot vector.
    equal_spacing : bool
        Whether the breakpoints of clamped knots are equally spaced.

    Examples
    --------
    >>> import numpy as np
    >>> from refkan.conformance.cases import Frame
    >>> Frame(4, (0.0, 1.0)).knots("uniform", 2, "float64", np.random.default_rng(0))
    array([-0.25,  0.  ,  0.25,  0.5 ,  0.75,  1.  ,  1.25])
    """

    intervals: int | None = None
    domain: tuple[float, float] | None = None
    shared_knots: bool = False
    equal_spacing: bool = False

    def problems(self) -> list[str]:
        """Return a sentence for each of them that is impossible."""
        lines = []
        n, ends = self.intervals, self.domain
        if n is not None and not (isinstance(n, int) and not isinstance(n, bool) and n > 0):
            lines.append(f"capability intervals must be None or a positive int; got {n!r}")
        if ends is not None:
            try:
                a, b = (check_real("domain", end) for end in ends)
                right = a < b
            except (TypeError, ValueError):
                right = False
            if not right:
                lines.append(f"capability domain must be None or a pair of numbers a < b; got {ends!r}")
        return lines

    @property
    def exact(self) -> bool:
        """Whether equally spaced knots have few bits, so that every layer that computes them gets the same numbers."""
        if self.domain is None or self.problems():
            return True
        low, high = map(Fraction, self.domain)
        n = INTERVALS if self.intervals is None else self.intervals
        return all(MOST_BITS % number.denominator == 0 for number in (low, high, (high - low) / n))

    def fits(self, name: str, value: Any) -> bool:
        """Return whether a number of intervals, or the domains of a case, are those of the frame."""
        if self.problems():
            return True  # told apart
        if name == "intervals":
            return self.intervals is None or value == self.intervals
        return self.domain is None or all(tuple(ends) == tuple(map(float, self.domain)) for ends in value)

    def knots(
        self, kind: str, order: int, dtype: str, rng: np.random.Generator, intervals: int = INTERVALS
    ) -> FloatArray:  # fmt: skip
        """Return a knot vector as `knot_vector` does, of as many intervals and on the domain."""
        if self.problems():
            return knot_vector(kind, order, dtype, rng, intervals)
        if intervals == INTERVALS and self.intervals is not None:
            intervals = self.intervals
        if kind == "clamped" and self.equal_spacing:
            t = knot_vector("uniform", order, dtype, rng, intervals)
            t[:order], t[-order:] = t[order - 1], t[-order]
        else:
            t = knot_vector(kind, order, dtype, rng, intervals)
        if self.domain is None:
            return t
        a, b = t[order - 1], t[-order]
        low, high = self.domain
        placed = round_to(dtype, low + (t - a) * ((high - low) / (b - a)))
        return np.where(t == a, low, np.where(t == b, high, placed))

    def coefficients(self, C: FloatArray, dtype: str) -> FloatArray:
        """Return coefficients (Q, P, dim) of sums within (-1, 1), changed to those of sums within the domain."""
        if self.domain is None or self.problems():
            return C
        low, high = self.domain
        return round_to(dtype, (low + high) / 2 / C.shape[1] + C * ((high - low) / 2))


ANY = Frame()
"""Cases as they are."""
