"""Where a point lies: the interval whose polynomials are in force there, and the policies outside a domain."""

from collections.abc import Callable
from itertools import pairwise

from refkan.truth.arithmetic.number_types import Number, Numbers, at_most, less, real_part

POLICIES = ("natural", "linear", "polynomial", "error")

Row = dict[int, Number]
"""Functions at a point, by number: those that are left out are zero there."""


def check_policy(outside: str) -> None:
    """Raise ValueError for an unknown policy."""
    if outside not in POLICIES:
        raise ValueError(f"outside must be 'natural', 'linear', 'polynomial' or 'error'; got {outside!r}")


def check_integer(name: str, value: object, least: int) -> int:
    """Return an integer that is at least `least`."""
    if isinstance(value, bool) or not hasattr(value, "__index__"):
        raise TypeError(f"{name} must be an integer; got {value!r}")
    integer = value.__index__()
    if integer < least:
        raise ValueError(f"{name} must be at least {least}; got {integer}")
    return integer


def check_number(i: object, count: int) -> None:
    """Raise an error unless i is the number of one of so many functions."""
    number = check_integer("i", i, 0)
    if number >= count:
        raise ValueError(f"i must be the number of a function, from 0 to {count - 1}; got {number}")


def dimension(knots: Numbers, order: int, name: str = "knots") -> int:
    """Return the number of functions n + r - 1 on a knot vector.

    Raises
    ------
    ValueError, TypeError
        If the order is not a positive integer, or the knots are not at least 2 r numbers in ascending order
        whose domain [knots[r-1], knots[-r]] is longer than zero.
    """
    least = 2 * check_integer("order", order, 1)
    if isinstance(knots, str | bytes) or not hasattr(knots, "__getitem__") or not hasattr(knots, "__len__"):
        raise TypeError(f"{name} must be a sequence of numbers; got {knots!r}")
    if len(knots) < least:
        raise ValueError(f"{name} must hold at least 2 order = {least} numbers; got {len(knots)}")
    try:
        descents = [right < left for left, right in pairwise(map(real_part, knots))]
    except (TypeError, ValueError):
        for j, t in enumerate(knots):
            check_real(f"{name}[{j}]", t)
        raise
    if any(descents):
        j = descents.index(True)
        raise ValueError(f"{name} must be in ascending order; got {name}[{j}] = {knots[j]}, then {knots[j + 1]}")
    if knots[order - 1] == knots[-order]:
        raise ValueError(f"{name} must span a domain [a, b] with a < b; got a = b = {knots[-order]}")
    return len(knots) - order


def check_real(name: str, value: object) -> None:
    """Raise TypeError unless the real part of a value can be compared with 0."""
    try:
        bool(real_part(value) < 0)
    except (TypeError, ValueError):
        raise TypeError(f"{name} must be a number; got {value!r}") from None


def is_inside(domain: Numbers, x: Number, outside: str = "natural") -> bool:
    """Whether x lies in the domain [a, b], both ends included.

    Raises
    ------
    ValueError
        If `outside` is unknown, or is "error" and x lies outside.
    """
    check_policy(outside)
    a, b = domain
    inside = at_most(a, x) and at_most(x, b)
    if outside == "error" and not inside:
        low, high, at = (float(real_part(v)) for v in (a, b, x))
        raise ValueError(f"x must lie in the domain [{low!r}, {high!r}]; got {at!r}")
    return inside


def interval(knots: Numbers, order: int, x: Number, outside: str = "natural") -> int:
    """Return the m of the polynomial piece in force at x: knots[m] <= x < knots[m+1] on the domain.

    The last interval of the domain is closed. Outside the domain it is the end piece, but for "natural" the
    piece of the extended knots, with -1 before and len(knots) - 1 after all of them.

    Raises
    ------
    ValueError, TypeError
        If `outside` is unknown, or is "error" and x lies outside the domain; if the order is not a positive
        integer, the knots are too few or not in ascending order, or x is no number.
    UndecidedError
        If x is a ball that holds a knot.

    Examples
    --------
    >>> from refkan.truth.bases.outside import interval
    >>> [interval([-1, 0, 1, 2, 3], 2, x) for x in (-0.5, 0, 1.5, 2, 2.5)]
    [0, 1, 2, 2, 3]
    >>> [interval([-1, 0, 1, 2, 3], 2, x, outside="linear") for x in (-0.5, 2.5)]
    [1, 2]
    """
    dimension(knots, order)
    check_real("x", x)
    a, b = knots[order - 1], knots[-order]
    inside = is_inside((a, b), x, outside)
    m = sum(at_most(t, x) for t in knots) - 1
    if less(x, b) if inside else outside == "natural":
        return m
    first = sum(at_most(t, a) for t in knots) - 1
    last = sum(less(t, b) for t in knots) - 1
    return min(max(m, first), last)


def with_tails(row: Callable[[Number, int], Row], domain: Numbers, x: Number, derivative: int, outside: str) -> Row:
    """Evaluate derivatives of functions whose polynomial pieces are known, with the tails of a policy.

    Parameters
    ----------
    row : callable
        (z, k) -> k-th derivatives at z of the polynomials in force at z.
    domain : pair
    x : number
    derivative : int
        Which derivative is wanted, from 0.
    outside : {"natural", "linear", "polynomial", "error"}
        "linear" is the tangent at the nearer end e: f(e) + f'(e) (x - e).
    """
    if outside != "linear" or is_inside(domain, x):
        return row(x, derivative)
    a, b = domain
    end = a if less(x, a) else b
    if derivative == 0:
        slopes = row(end, 1)
        return {i: value + slopes[i] * (x - end) for i, value in row(end, 0).items()}
    return row(end, 1) if derivative == 1 else dict.fromkeys(row(end, 1), 0)
