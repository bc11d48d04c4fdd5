"""Where a point lies: the interval whose polynomials are in force there, and the policies outside a domain."""

from collections.abc import Callable

from refkan.truth.arithmetic.number_types import Number, Numbers, at_most, less, real_part

POLICIES = ("natural", "linear", "polynomial", "error")

Row = dict[int, Number]
"""Functions at a point, by number: those that are left out are zero there."""


def check_policy(outside: str) -> None:
    """Raise ValueError for an unknown policy."""
    if outside not in POLICIES:
        raise ValueError(f"outside must be 'natural', 'linear', 'polynomial' or 'error'; got {outside!r}")


def check_number(i: object, count: int) -> None:
    """Raise an error unless i is the number of one of so many functions."""
    if isinstance(i, bool) or not hasattr(i, "__index__"):
        raise TypeError(f"i must be an integer, the number of a function; got {i!r}")
    if not 0 <= int(i) < count:
        raise ValueError(f"i must be the number of a function, from 0 to {count - 1}; got {i}")


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
    ValueError
        If `outside` is unknown, or is "error" and x lies outside the domain.
    UndecidedError
        If x is a ball that holds a knot.

    Examples
    --------
    >>> from refkan.truth import interval
    >>> [interval([-1, 0, 1, 2, 3], 2, x) for x in (-0.5, 0, 1.5, 2, 2.5)]
    [0, 1, 2, 2, 3]
    >>> [interval([-1, 0, 1, 2, 3], 2, x, outside="linear") for x in (-0.5, 2.5)]
    [1, 2]
    """
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
