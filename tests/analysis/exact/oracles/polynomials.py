"""Polynomials over rational numbers of any type, coefficients ascending, and where they change sign."""

import itertools
from fractions import Fraction
from math import comb, lcm

BITS = 160  # of the place of a root in its interval


def add(p, q):
    """p + q."""
    if len(p) < len(q):
        p, q = q, p
    return [a + b for a, b in zip(p, q, strict=False)] + p[len(q) :]


def scale(c, p):
    """c p."""
    return [c * a for a in p]


def mul(p, q):
    """p q."""
    out = [0 * p[0]] * (len(p) + len(q) - 1) if p and q else []
    for i, a in enumerate(p):
        if a:
            for j, b in enumerate(q):
                out[i + j] += a * b
    return out


def compose(p, q):
    """p(q(x)), by Horner's rule."""
    out = []
    for a in reversed(p):
        out = add(mul(out, q), [a])
    return out


def derivative(p):
    """p'."""
    return [k * a for k, a in enumerate(p)][1:] or [0 * p[0]]


def value(p, x):
    """p(x)."""
    out = 0 * x
    for a in reversed(p):
        out = out * x + a
    return out


def integral(p, a, b):
    """The integral over [a, b]."""
    return sum((c / (k + 1) * (b ** (k + 1) - a ** (k + 1)) for k, c in enumerate(p)), Fraction(0))


def bernstein(p, a, b):
    """Bernstein coefficients of p on [a, b]; p lies between the least and the greatest."""
    q = compose(p, [a, b - a])
    n = len(q) - 1
    return [sum(comb(i, k) * q[k] / comb(n, k) for k in range(i + 1)) for i in range(n + 1)]


def sign_changes(p, a, b):
    """Points of (a, b) beside which p changes its sign, right to 2^-BITS (b - a); zeros besides."""
    if len(p) == 2:
        return [root for root in [-p[0] / p[1]] if a < root < b] if p[1] else []
    q = compose(p, [a, (b - a) / 2**BITS])  # in units of 2^-BITS of the interval
    denominator = lcm(*(int(c.denominator) for c in q))
    integers = [int((c * denominator).numerator) for c in q]
    return [a + (b - a) * k / 2**BITS for k in _integer_changes(integers)]


def _integer_changes(q):
    """Integers k in [0, 2^BITS] at which q changes its sign: between those of q' it is monotone."""
    while q and q[-1] == 0:
        q = q[:-1]
    if len(q) < 2:
        return []
    end = 2**BITS
    marks = [0, *_integer_changes([k * a for k, a in enumerate(q)][1:]), end]
    out = []
    for low, high in itertools.pairwise(marks):
        first, last = value(q, low), value(q, high)
        if last == 0 and 0 < high < end:
            out.append(high)
        if first * last >= 0:
            continue
        while high - low > 1:
            middle = (low + high) // 2
            if value(q, middle) * first > 0:
                low = middle
            else:
                high = middle
        out.append(high)
    return sorted(set(out))


def extremes(p, a, b):
    """The least and the greatest value of p on [a, b], attained at points of it, right to 2^-BITS squared."""
    values = [value(p, x) for x in (a, b, *sign_changes(derivative(p), a, b))]
    return min(values), max(values)
