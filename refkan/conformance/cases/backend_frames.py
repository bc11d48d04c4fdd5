r"""Cases for backends that have one number of intervals, or one domain, and no other."""

from dataclasses import dataclass
from fractions import Fraction
from typing import Any

import numpy as np

from refkan.base.array_types import FloatArray
from refkan.conformance.cases.families import INTERVALS, knot_vector
from refkan.conformance.cases.truths.precision import round_to

MOST_BITS = 2**6
"""Denominators of knots that no order of operations rounds."""


@dataclass(frozen=True)
class Frame:
    """The number of intervals and the domain that cases are made for.

    Parameters
    ----------
    intervals : int, optional
    domain : (float, float), optional
        Cases keep their own where these are None.

    Examples
    --------
    >>> import numpy as np
    >>> from refkan.conformance import Frame
    >>> Frame(4, (0.0, 1.0)).knots("uniform", 2, "float64", np.random.default_rng(0))
    array([-0.25,  0.  ,  0.25,  0.5 ,  0.75,  1.  ,  1.25])
    """

    intervals: int | None = None
    domain: tuple[float, float] | None = None

    def problems(self) -> list[str]:
        """Return a sentence on each of them that is not possible."""
        lines = []
        n, ends = self.intervals, self.domain
        if n is not None and not (isinstance(n, int) and not isinstance(n, bool) and n > 0):
            lines.append(f"capability intervals must be None or a positive int; got {n!r}")
        if ends is not None:
            try:
                a, b = (float(end) for end in ends)
                right = bool(np.isfinite([a, b]).all()) and a < b
            except (TypeError, ValueError):
                right = False
            if not right:
                lines.append(f"capability domain must be None or a pair of numbers a < b; got {ends!r}")
        return lines

    @property
    def exact(self) -> bool:
        """Whether equally spaced knots are numbers of few bits, so that every layer that makes them finds the same."""
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
