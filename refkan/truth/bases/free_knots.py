"""Free knots: interior breakpoints that are increasing by construction, from parameters s.

    q = (1 - eps) softmax(s) + eps/n          the shares of the n intervals, each at least eps/n
    t_k = a + (b - a) (q_1 + ... + q_k)       the breakpoints, t_0 = a, t_n = b

The ends are fixed, and knots beyond them follow at the mean spacing (b - a)/n, so that they do not move. (Actor,
Harper, Southworth, Cyr, "Leveraging KANs for Expedient Training of Multichannel MLPs via Preconditioning and Geometric
Refinement", arXiv 2505.18131.)
"""

from itertools import accumulate

from refkan.truth.arithmetic.functions import exp
from refkan.truth.arithmetic.number_types import Number, Numbers


def softmax(s: Numbers) -> list[Number]:
    """Return p_m = exp(s_m) / sum_k exp(s_k) = 1 / sum_k exp(s_k - s_m), exact for Fractions that are all equal.

    Examples
    --------
    >>> from fractions import Fraction
    >>> softmax([Fraction(3), Fraction(3)])
    [Fraction(1, 2), Fraction(1, 2)]
    """
    return [1 / sum(exp(s_k - s_m) for s_k in s) for s_m in s]


def free_knots(s: Numbers, domain: Numbers, order: int, floor: Number) -> list[Number]:
    """Return the extended knots (n + 2r - 1) of order r that the parameters s (n) stand for, eps the floor.

    The n intervals have the shares q = (1 - eps) softmax(s) + eps/n of the domain (a, b), so that each is at least
    eps (b - a)/n long; beyond it the knots go on with the mean spacing (b - a)/n::

        t_k = a + (b - a) (q_1 + ... + q_k),    k = 0, ..., n

    Examples
    --------
    >>> from fractions import Fraction
    >>> from refkan.truth import free_knots
    >>> [str(t) for t in free_knots([Fraction(0)] * 2, (Fraction(0), Fraction(1)), 2, Fraction(1, 100))]
    ['-1/2', '0', '1/2', '1', '3/2']
    """
    (a, b), n = domain, len(s)
    if n == 0:
        raise ValueError("s must hold a number for each interval; got none")
    q = [(1 - floor) * p + floor / n for p in softmax(s)]
    inside = [a + (b - a) * share for share in list(accumulate(q))[:-1]]
    h = (b - a) / n
    before, after = [a - k * h for k in range(order - 1, 0, -1)], [b + k * h for k in range(1, order)]
    return [*before, a, *inside, b, *after]


def breakpoint_pullback(s: Numbers, domain: Numbers, floor: Number, dt: Numbers) -> list[Number]:
    """Return the cotangent of s (n) from that of the interior breakpoints t_1, ..., t_{n-1}.

    With p = softmax(s) and g_m = (b - a) sum_{k=m}^{n-1} dt_k::

        ds_m = (1 - eps) p_m (g_m - <p, g>)

    Examples
    --------
    >>> from fractions import Fraction
    >>> ds = breakpoint_pullback([Fraction(0)] * 2, (Fraction(0), Fraction(1)), Fraction(1, 100), [Fraction(1)])
    >>> [str(d) for d in ds]  # t_1 = 0.99 softmax(s)_1 + 0.005
    ['99/400', '-99/400']
    """
    (a, b), p = domain, softmax(s)
    g = [(b - a) * sum(dt[m:]) for m in range(len(s))]
    mean = sum(p_m * g_m for p_m, g_m in zip(p, g, strict=True))
    return [(1 - floor) * p_m * (g_m - mean) for p_m, g_m in zip(p, g, strict=True)]
