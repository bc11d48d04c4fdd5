"""Signs that a polynomial has on a whole interval, by counting its roots."""

import itertools
from collections.abc import Sequence
from fractions import Fraction
from functools import lru_cache
from typing import Any, NamedTuple


class RefusedError(Exception):
    """A program does what exact arithmetic cannot follow; the text names the operation.

    Parameters
    ----------
    text : str
    split : (str, Fraction), optional
        An input, and the point of its interval at which a comparison changes: on either side it is decided.
    """

    def __init__(self, text: str, split: "tuple[str, Fraction] | None" = None) -> None:
        super().__init__(text)
        self.split = split

    def within(self, where: str) -> "RefusedError":
        """Return the same with the operation in its text."""
        return RefusedError(f"{self} ({where})", self.split)


class Interval(NamedTuple):
    """The open interval (low, high) over which a variable runs; None is infinity."""

    low: Fraction | None
    high: Fraction | None

    def point(self, fraction: Fraction = Fraction(1, 2)) -> Fraction:
        """Return a point inside, at a fraction of a bounded interval; else at that distance from its end."""
        if self.low is not None and self.high is not None:
            return self.low + fraction * (self.high - self.low)
        if self.low is not None:
            return self.low + fraction
        return fraction if self.high is None else self.high - fraction


def as_fraction(q: Any) -> Fraction:
    """Return a flint rational as a Fraction."""
    return Fraction(int(q.numer()), int(q.denom()))


def sign(q: Any) -> int:
    """Return -1, 0 or 1."""
    return (q > 0) - (q < 0)


Polynomial = tuple[Fraction, ...]


def _at(p: Polynomial, x: Fraction) -> Fraction:
    value = Fraction(0)
    for c in reversed(p):
        value = value * x + c
    return value


def _trimmed(p: Sequence[Fraction]) -> Polynomial:
    end = len(p)
    while end and not p[end - 1]:
        end -= 1
    return tuple(p[:end])


def _divided(p: Polynomial, q: Polynomial) -> tuple[Polynomial, Polynomial]:
    """The quotient and the remainder of p divided by q."""
    rest, quotient = list(p), [Fraction(0)] * max(len(p) - len(q) + 1, 0)
    for shift in reversed(range(len(quotient))):
        factor = quotient[shift] = rest[shift + len(q) - 1] / q[-1]
        for k, c in enumerate(q):
            rest[shift + k] -= factor * c
    return tuple(quotient), _trimmed(rest)


@lru_cache(maxsize=4096)
def sign_on(p: Polynomial, interval: Interval, name: str = "") -> int:
    """Return the sign that a polynomial in one variable has on the whole of an open interval.

    By Sturm's theorem the number of different roots in (low, high] is V(low) - V(high), where V(x) is the number of
    changes of sign in the sequence p, p', -rem(p, p'), ... at x.

    Raises
    ------
    RefusedError
        If it has a root inside; if that is the only one, it is where the interval of the input `name` may be split.

    Examples
    --------
    >>> p = (Fraction(-2), Fraction(0), Fraction(1))  # x^2 - 2
    >>> sign_on(p, Interval(Fraction(-1), Fraction(1))), sign_on(p, Interval(Fraction(3, 2), None))
    (-1, 1)
    """
    p = _trimmed(p)
    if not p:
        return 0
    chain = [p]
    following = _trimmed([k * c for k, c in enumerate(p)][1:])
    while following:
        chain.append(following)
        following = tuple(-c for c in _divided(chain[-2], chain[-1])[1])
    chain = [_divided(q, chain[-1])[0] for q in chain]  # without multiple roots, whose ends would have no signs

    def changes(end: Fraction | None, direction: int) -> int:
        if end is None:  # signs at infinity are those of leading terms
            signs = [sign(q[-1]) * direction ** (len(q) - 1) for q in chain]
        else:
            signs = [sign(_at(q, end)) for q in chain]
        signs = [s for s in signs if s]
        return sum(a != b for a, b in itertools.pairwise(signs))

    roots = changes(interval.low, -1) - changes(interval.high, 1)
    if interval.high is not None and not _at(p, interval.high):
        roots -= 1  # it lies at the end, which is not inside
    if roots:
        only = (name, -chain[0][0] / chain[0][1]) if len(chain[0]) == 2 else None
        raise RefusedError("a comparison differs within an interval between knots", only)
    return sign(_at(p, interval.point()))
