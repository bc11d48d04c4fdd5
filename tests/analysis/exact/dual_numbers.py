"""Networks written down a second time, from the papers, over Fractions or mpmath: no formula of refkan is used.

Of a network its plain data are taken, `truth_form()`. Numbers carry their first and second derivatives in theta along,
as sparse dicts; which polynomial is in force is decided by their values. Conventions: right limits inside a domain, its
last interval closed, tails as documented, the right slope at kinks.
"""

import os
from fractions import Fraction

import mpmath

EXAMPLES = int(os.environ.get("REFKAN_EXAMPLES", "1"))
"""How many times as many cases are drawn."""

PRIME = 2**61 - 1


class Number:
    """A value with its gradient {m: .} and Hessian {(m, l): .}, m <= l; both without entries for constants."""

    __slots__ = ("H", "g", "v")

    def __init__(self, v, g=None, H=None):
        self.v, self.g, self.H = v, g or {}, H or {}

    def __add__(self, other):
        other = other if isinstance(other, Number) else Number(other)
        return Number(self.v + other.v, _sum(self.g, other.g), _sum(self.H, other.H))

    def __mul__(self, other):
        if not isinstance(other, Number):
            return Number(self.v * other, _times(self.g, other), _times(self.H, other))
        H = _sum(_times(self.H, other.v), _times(other.H, self.v))
        for m, a in self.g.items() if SECOND else ():
            for l, b in other.g.items():
                key = (m, l) if m <= l else (l, m)
                H[key] = H.get(key, 0) + a * b * (2 if m == l else 1)
        return Number(self.v * other.v, _sum(_times(self.g, other.v), _times(other.g, self.v)), H)

    def of(self, f, slope, curvature):
        """A function of the number, from its value and two derivatives there."""
        H = _times(self.H, slope)
        for m, a in self.g.items() if SECOND else ():
            for l, b in self.g.items():
                if m <= l:
                    H[m, l] = H.get((m, l), 0) + a * b * curvature
        return Number(f, _times(self.g, slope), H)

    def reciprocal(self):
        r = 1 / self.v
        return self.of(r, -r * r, 2 * r**3)

    def power(self, k):
        out = Number(self.v**0)
        for _ in range(k):
            out = out * self
        return out

    __radd__, __rmul__ = __add__, __mul__

    def __neg__(self):
        return self * -1

    def __sub__(self, other):
        return self + other * -1

    def __rsub__(self, other):
        return -self + other

    def __truediv__(self, other):
        return self * (other.reciprocal() if isinstance(other, Number) else 1 / other)


SECOND = False


def _sum(a, b):
    out = dict(a)
    for key, value in b.items():
        out[key] = out.get(key, 0) + value
    return out


def _times(a, factor):
    return {key: value * factor for key, value in a.items()}


def exact(value, number):
    """A float as the number that it is."""
    ratio = Fraction(float(value))
    return ratio if number is Fraction else mpmath.mpf(ratio.numerator) / ratio.denominator


def value_of(x):
    return x.v if isinstance(x, Number) else x


def piece(knots, order, z, outside):
    """The interval whose polynomials hold at z, and whether z lies outside [a, b]."""
    t = [value_of(k) for k in knots]
    a, b = t[order - 1], t[len(t) - order]
    begun = max([i for i, knot in enumerate(t) if knot <= z], default=-1)
    if a <= z <= b:
        return min(begun, max(i for i, knot in enumerate(t) if knot < b)), False
    if outside == "natural":
        return begun, True
    end = max(i for i, knot in enumerate(t) if (knot <= a if z < a else knot < b))
    return end, True


def spline_functions(knots, order, z, m):
    """All B-splines at z by the recursion of Cox and de Boor, started from the indicator function of interval m."""
    one = Number(z.v**0)
    rows = {m: one} if 0 <= m < len(knots) - 1 else {}
    for r in range(2, order + 1):
        new = {}
        for i, f in rows.items():  # f enters b_i, rising, and b_{i-1}, falling
            share = f / (knots[i + r - 1] - knots[i])
            if i < len(knots) - r:
                new[i] = new.get(i, 0) + (z - knots[i]) * share
            if i > 0:
                new[i - 1] = new.get(i - 1, 0) + (knots[i + r - 1] - z) * share
        rows = new
    return [rows.get(i, one * 0) for i in range(len(knots) - order)]


def power_functions(knots, order, z, m, scale):
    dim = len(knots) - order
    return [((z - knots[i]) / scale).power(order - 1) if i <= m else Number(0 * z.v) for i in range(dim)]


def chebyshev_functions(domain, degree, z):
    a, b = domain
    t = (z * 2 - (a + b)) / (b - a)
    rows = [Number(z.v**0), t]
    while len(rows) <= degree:
        rows.append(t * rows[-1] * 2 - rows[-2])
    return rows[: degree + 1]


def with_tail(functions, domain, z, is_outside, outside):
    """The functions at z, or their tangents at the nearer end; no second derivatives in knots that are free."""
    if not (is_outside and outside == "linear"):
        return functions(z)
    end = domain[0] if z.v < domain[0] else domain[1]
    global SECOND
    kept, SECOND = SECOND, True
    taylor = functions(Number(end, {-1: end**0}))
    SECOND = kept
    found = []
    for f in taylor:
        slope = Number(f.g.get(-1, 0 * end), {l: h for (m, l), h in f.H.items() if m == -1 < l})
        found.append(Number(f.v, {m: v for m, v in f.g.items() if m >= 0}) + slope * (z - end))
    return found
