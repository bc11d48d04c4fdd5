"""ReLU powers: one function for each knot, zero to the left of it; the basis of multichannel MLPs.

Indices and policies are those of `bsplines`.
"""

from math import perm

from refkan.truth.arithmetic.number_types import Number, Numbers
from refkan.truth.bases.outside import Row, check_integer, check_number, dimension, interval, with_tails


def truncated_powers(
    knots: Numbers, order: int, x: Number,
    derivative: int = 0, scale: Number = 1, outside: str = "natural",
) -> Row:  # fmt: skip
    """Evaluate at x a derivative of all ReLU powers that have begun: psi_0, ..., psi_m on [t_m, t_{m+1}).

    psi_i(x) = max((x - t_i)/scale, 0)^(r-1), for r = 1 the step x >= t_i. The k-th derivative is::

        (r-1)!/(r-1-k)! (x - t_i)^(r-1-k) / scale^(r-1)    for i <= m and k < r, else 0

    Parameters
    ----------
    knots : sequence of numbers
        In strictly ascending order, n + 2r - 1 of them; give Fractions for integers.
    order : int
    x : number
    derivative : int
    scale : number
        1, or the mean spacing (b - a)/n for the scaled basis.
    outside : {"natural", "linear", "polynomial", "error"}

    Raises
    ------
    ValueError, UndecidedError
        As for `bsplines.bsplines`.

    Examples
    --------
    >>> from refkan.truth.bases.relu_powers import truncated_powers
    >>> truncated_powers([-2.0, -1.0, 0.0, 1.0, 2.0, 3.0], 3, 0.5)
    {0: 6.25, 1: 2.25, 2: 0.25}
    """
    m = interval(knots, order, x, outside)
    check_integer("derivative", derivative, 0)
    d = order - 1
    begun = range(min(m + 1, len(knots) - order))

    def row(z: Number, k: int) -> Row:
        return {i: perm(d, k) * (z - knots[i]) ** (d - k) / scale**d if k <= d else 0 for i in begun}

    return with_tails(row, (knots[order - 1], knots[-order]), x, derivative, outside)


def truncated_power(
    knots: Numbers, order: int, i: int, x: Number, scale: Number = 1, outside: str = "natural"
) -> Number:
    """Evaluate the ReLU power psi_i; arguments and errors as for `truncated_powers`.

    Examples
    --------
    >>> from refkan.truth import truncated_power
    >>> [truncated_power([-2.0, -1.0, 0.0, 1.0, 2.0, 3.0], 3, i, 0.5) for i in range(3)]
    [6.25, 2.25, 0.25]
    """
    return truncated_power_derivative(knots, order, i, x, 0, scale, outside)


def truncated_power_derivative(
    knots: Numbers, order: int, i: int, x: Number,
    derivative: int = 1, scale: Number = 1, outside: str = "natural",
) -> Number:  # fmt: skip
    """Evaluate a derivative of psi_i; arguments and errors as for `truncated_powers`.

    Examples
    --------
    >>> from refkan.truth.bases.relu_powers import truncated_power_derivative
    >>> [truncated_power_derivative([-2.0, -1.0, 0.0, 1.0, 2.0, 3.0], 3, i, 0.5) for i in range(3)]
    [5.0, 3.0, 1.0]
    """
    check_number(i, dimension(knots, order))
    return truncated_powers(knots, order, x, derivative, scale, outside).get(i, 0)


def truncated_knot_derivative(
    knots: Numbers, order: int, i: int, x: Number, scale: Number = 1, outside: str = "natural"
) -> Number:
    """Evaluate the derivative of psi_i by its own knot t_i, an interior breakpoint, for r >= 2.

    d psi_i / dt_i = -(r-1)/scale psi_i^[r-1], the power of one order less from the same knot, with the same tails.

    Examples
    --------
    >>> truncated_knot_derivative([-1.0, 0.0, 1.0, 2.0, 3.0], 2, 2, 1.5)
    -1.0
    """
    psi = truncated_powers(knots[1:-1], order - 1, x, 0, scale, outside)
    return (1 - order) * psi[i - 1] / scale if i - 1 in psi else 0
