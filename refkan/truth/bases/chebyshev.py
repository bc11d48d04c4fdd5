"""Chebyshev polynomials T_0, ..., T_d on a domain: T_k(cos u) = cos(k u)."""

from refkan.truth.arithmetic.number_types import Number, Numbers
from refkan.truth.bases.outside import Row, check_integer, check_real, is_inside, with_tails


def chebyshev(domain: Numbers, degree: int, x: Number, derivative: int = 0, outside: str = "natural") -> Row:
    """Evaluate at x a derivative of T_k(t), t = (2 x - a - b)/(b - a), for k = 0, ..., degree.

    The recursion, and its m-th derivative by the rule of Leibniz::

        T_0 = 1,  T_1 = t,  T_{k+1} = 2 t T_k - T_{k-1}
        T_{k+1}^(m) = 2 t T_k^(m) + 2 m T_k^(m-1) - T_{k-1}^(m)

    and (2/(b - a))^m for each derivative in x.

    Parameters
    ----------
    domain : pair of numbers
    degree : int
        At least 1.
    x : number
    derivative : int
    outside : {"natural", "linear", "polynomial", "error"}
        "natural" is "polynomial" here: there is one piece.

    Raises
    ------
    ValueError
        If `outside` is unknown, or is "error" and x lies outside the domain.

    Examples
    --------
    >>> from refkan.truth.bases.chebyshev import chebyshev
    >>> chebyshev((-1.0, 1.0), 3, 0.5)
    {0: 1.0, 1: 0.5, 2: -0.5, 3: -1.0}
    >>> chebyshev((-1.0, 1.0), 3, 0.5, derivative=1)
    {0: 0.0, 1: 1.0, 2: 2.0, 3: 0.0}
    """
    check_integer("degree", degree, 1)
    check_integer("derivative", derivative, 0)
    check_real("x", x)
    a, b = domain
    is_inside(domain, x, outside)

    def row(z: Number, m: int) -> Row:
        t = (2 * z - a - b) / (b - a)
        T = [t**0, t]
        for k in range(1, degree):
            T.append(2 * t * T[k] - T[k - 1])
        for j in range(1, m + 1):
            lower, T = T, [0 * t, t**0 if j == 1 else 0 * t]
            for k in range(1, degree):
                T.append(2 * t * T[k] + 2 * j * lower[k] - T[k - 1])
        return {k: T_k * (2 / (b - a)) ** m for k, T_k in enumerate(T)}

    return with_tails(row, domain, x, derivative, outside)
