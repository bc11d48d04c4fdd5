"""Functions of one input on edges, as exact pieces: B-splines, ReLU powers, Chebyshev polynomials, and their tails."""

from bisect import bisect_right
from dataclasses import dataclass
from fractions import Fraction

from tests.analysis.exact.oracles import polynomials as P

ZERO, ONE = Fraction(0), Fraction(1)


@dataclass(frozen=True)
class Pieces:
    """Functions phi_i: polynomials functions[k][i] on [cuts[k-1], cuts[k]); at `end` those on the left."""

    cuts: tuple
    functions: tuple
    end: Fraction | None = None

    def index(self, x):
        """The number of the piece that holds at x: the one on the right of a cut, but for the closed end."""
        return self.cuts.index(x) if x == self.end else bisect_right(self.cuts, x)

    def piece(self, x):
        """The polynomials that hold at x."""
        return self.functions[self.index(x)]


def cox_de_boor(knots, order, interval):
    """The B-splines of the extended knots on [t_m, t_{m+1}), m = `interval`, as polynomials, by recursion."""
    t = knots
    lower = [[ONE] if m == interval else [ZERO] for m in range(len(t) - 1)]
    for r in range(2, order + 1):
        upper = []
        for i in range(len(t) - r):
            total = [ZERO]
            if t[i + r - 1] > t[i]:
                total = P.add(total, P.scale(1 / (t[i + r - 1] - t[i]), P.mul([-t[i], ONE], lower[i])))
            if t[i + r] > t[i + 1]:
                total = P.add(total, P.scale(1 / (t[i + r] - t[i + 1]), P.mul([t[i + r], -ONE], lower[i + 1])))
            upper.append(total)
        lower = upper
    return lower


def power(root, order, inside):
    """(x - root)^(order-1) where `inside`, else 0."""
    out = [ONE if inside else ZERO]
    for _ in range(order - 1):
        out = P.mul(out, [-root, ONE])
    return out


def tangent(p, x):
    """The tangent of p at x."""
    slope = P.value(P.derivative(p), x)
    return [P.value(p, x) - slope * x, slope]


def with_tails(cuts, functions, outside, before=(), after=()):
    """Put tails at both ends: tangents, the end pieces, or (cuts, functions) of the basis beyond the ends."""
    a, b = cuts[0], cuts[-1]
    if outside == "linear":
        first, last = [tangent(p, a) for p in functions[0]], [tangent(p, b) for p in functions[-1]]
    elif outside in ("polynomial", "error"):
        first, last = functions[0], functions[-1]
    else:
        (left, beyond_left), (right, beyond_right) = before, after
        return Pieces((*left, *cuts, *right), (*beyond_left, *functions, *beyond_right), b)
    return Pieces(tuple(cuts), (first, *functions, last), b)


def splines(knots, order, outside):
    """B-splines of the extended knots, n + 2 r - 1 of them."""
    t, r = [Fraction(k) for k in knots], order
    n = len(t) - 2 * r + 1
    filled = [m for m in range(len(t) - 1) if t[m] < t[m + 1]]
    inside = [m for m in filled if r - 1 <= m < r - 1 + n]
    left, right = [m for m in filled if m < r - 1], [m for m in filled if m >= r - 1 + n]
    zeros = [[ZERO]] * (n + r - 1)
    on = {m: cox_de_boor(t, r, m) for m in filled}
    before = [t[m] for m in left], [zeros, *(on[m] for m in left)]
    after = [t[m + 1] for m in right], [*(on[m] for m in right), zeros]
    return with_tails([t[m] for m in inside] + [t[r - 1 + n]], [on[m] for m in inside], outside, before, after)


def relu_powers(knots, order, outside, scaled=False):
    """ReLU powers psi_j = max(x - t_j, 0)^(r-1), divided by h^(r-1) where they are scaled; increasing knots."""
    t, r = [Fraction(k) for k in knots], order
    n = len(t) - 2 * r + 1
    a, b = t[r - 1], t[r - 1 + n]
    factor = (n / (b - a)) ** (r - 1) if scaled else ONE

    def on(m):
        return [P.scale(factor, power(t[j], r, j <= m)) for j in range(n + r - 1)]

    before = t[: r - 1], [on(m) for m in range(-1, r - 1)]
    return with_tails(t[r - 1 : r + n], [on(m) for m in range(r - 1, r - 1 + n)], outside, before, ((), [on(n + r)]))


def chebyshev(ends, degree, outside):
    """Chebyshev polynomials T_0, ..., T_degree of the domain taken to [-1, 1]."""
    a, b = (Fraction(e) for e in ends)
    t = [-(a + b) / (b - a), 2 / (b - a)]
    out = [[ONE], t]
    while len(out) <= degree:
        out.append(P.add(P.scale(Fraction(2), P.mul(t, out[-1])), P.scale(-ONE, out[-2])))
    return with_tails([a, b], [out[: degree + 1]], outside)
