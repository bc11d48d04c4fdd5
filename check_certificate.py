"""Check a certificate that `refkan certify` wrote: accept or reject each statement about a network, and say why.

    python check_certificate.py FILE [--network NETWORK.npz] [--code CODE.c]

FILE is the JSON file or the HTML page. Exit code 0: all statements are accepted, a page says what its data say, and the
network is that of NETWORK.npz, if it is given.

This program needs Python alone. It imports nothing from refkan, and works over rational numbers: every float64 in the
file is the number that it is, every result of an operation an interval [lo, hi] of two Fractions that holds it.

What it relies on
-----------------
Network.   y_q = sum_p s_qp(z_p) in each layer, s_qp(z) = scale sum_i c_i b_i(z) + base silu(z), and a map of each node
           between layers. The b_i are B-splines, by the recursion of Cox and de Boor, powers ((z - t_i)_+/h)^(r-1), or
           Chebyshev polynomials: polynomials in z on each interval of the knots, whose coefficients are computed here.
           Edges that jump are rejected, so that the network is continuous.
Range.     A polynomial of degree d on [l, h] lies between its least and its greatest Bernstein coefficient.
Slopes.    s(z) - s(z') = m (z - z') for z, z' in [l, h], m in the hull of the derivatives of those pieces that share
           more than a point with [l, h] (mean value theorem on each piece). By multiplication F(x) - F(x') = S (x - x')
           for x, x' in a box, S in a matrix of intervals. Hence F(x) is in F(c) + S (x - c), c the middle of the box; a
           network whose S_qp is positive on every leaf rises with x_p; and |F(x) - F(x')| <= L |x - x'| if |S| <= L in
           the Frobenius norm on every leaf, since a segment is made of its parts in the leaves. With D the sides of the
           box |F(x) - F(x')| <= L |D^-1 (x - x')| in the same way if |S D| <= L: the scaled Lipschitz constant.
Leaves.    A string describes how a box is cut: a letter cuts along that input (a: the first), its lower part described
           next and then its upper part, and a point ends a part. The cut is at the knot of the first layer inside that
           is next to the middle, or at the middle (rounded to float64). So a string that ends where nothing is left to
           describe covers the box.
Rank.      A minor of the Jacobian J that is not zero modulo p is not zero: rank J is its size at least. If Z has k
           independent columns and J Z = 0, rank J is at most the number of columns less k.
File.      With --network, the SHA-256 of that file must be the one that the certificate names. In an archive of refkan
           all parameters, knots and maps are compared with those of the certificate as well. The constants of mean-std
           and min-max maps and free knots follow from data and parameters: they are not recomputed, and the output says
           so. The text of a page is made again from its data, and must be equal to it.
Condition. J^T J/N - mu I has as many negative eigenvalues as negative pivots (Sylvester): so many are below mu. Where
           there are fewer rows than columns J J^T/N is taken, which has the same eigenvalues that are not zero.
Code.      The text in C is made again from a table of numbers, and each of its operations is bounded. Let z' be the
           computed inputs of a layer, within e of the exact z, and s an exact edge. The error of an output is at most
           sum_p |code(z'_p) - s(z'_p)|, bounded on the whole pieces of the table, by the rounding of its operations and
           the distance of polynomials, and sum_p max |s'| e_p, on the range of z widened by e. Which piece a z' near a
           knot is in does not matter, as s is continuous.
"""

import argparse
import ast
import hashlib
import io
import json
import math
import os
import re
import stat
import struct
import sys
import zipfile
from decimal import ROUND_CEILING, ROUND_FLOOR, Context, Decimal
from fractions import Fraction
from functools import lru_cache
from html import escape
from itertools import pairwise, product

BITS = 128
"""Digits that intervals keep, rounded outwards."""

FINE = 320
"""Digits of the matrix of a condition number."""

ROUGH = 24
"""Digits of intervals of t over which rounding is bounded."""

FORMAT = "refkan certificate 2"

LARGEST = 1 << 28
"""Bytes of a file, at most."""

FAR = 1200
"""Beyond it exp(-|x|) is below 2^-1731, far below the smallest float64."""


ZERO = (Fraction(0), Fraction(0))


class RejectedError(Exception):
    """Why a statement, or a file, is rejected."""


def require(holds, why):
    if not holds:
        raise RejectedError(why)


# ---------------------------------------------------------------- numbers in the file


def number(value):
    """A float64, written in hexadecimal."""
    require(isinstance(value, str), f"a number must be a text such as '0x1.8p+0'; got {json.dumps(value)[:40]}")
    require(re.fullmatch(r"-?0x[01](\.[0-9a-f]{1,13})?p[+-]\d{1,4}", value), f"no finite float64: {value[:40]!r}")
    try:
        return Fraction(float.fromhex(value))
    except OverflowError:
        raise RejectedError(f"no finite float64: {value!r}") from None


def rational(value):
    """A quotient of two integers, written in hexadecimal."""
    require(isinstance(value, str) and re.fullmatch(r"-?[0-9a-f]+/[0-9a-f]+", value), "a quotient must be as '-3/1f'")
    above, below = (int(part, 16) for part in value.split("/"))
    require(below > 0, "a quotient has the denominator 0")
    return Fraction(above, below)


def whole(value, low, high, name):
    require(type(value) is int and low <= value <= high, f"{name} must be an integer from {low} to {high}")
    return value


def listing(value, item, count=None, name="a list"):
    require(isinstance(value, list), f"{name} must be a list")
    require(count is None or len(value) == count, f"{name} must have {count} entries; it has {len(value)}")
    return [item(entry) for entry in value]


def numbers(count, name):
    return lambda value: listing(value, number, count, name)


def fields(value, names, what):
    require(isinstance(value, dict), f"{what} must be an object")
    missing, more = [n for n in names if n not in value], [n for n in value if n not in names]
    require(not missing, f"{what} lacks {', '.join(missing)}")
    require(not more, f"{what} has a field that is not known: {more[0][:40] if more else ''!r}")
    return [value[name] for name in names]


# ---------------------------------------------------------------- intervals


def down(x, bits=BITS):
    if x == 0:
        return x
    k = bits + x.denominator.bit_length() - x.numerator.bit_length()
    return Fraction((x.numerator << k) // x.denominator, 1 << k) if k > 0 else Fraction(x // (1 << -k) << -k)


def outward(x, bits=BITS):
    return x if bits is None else (down(x[0], bits), -down(-x[1], bits))


def upwards(x, bits=BITS):
    return -down(-x, bits)


def plus(*intervals):
    return sum(x[0] for x in intervals), sum(x[1] for x in intervals)


def times(x, y):
    ends = [a * b for a, b in product(dict.fromkeys(x), dict.fromkeys(y))]
    return min(ends), max(ends)


def minus(x, y):
    return x[0] - y[1], x[1] - y[0]


def over(x, y):
    require(y[0] > 0 or y[1] < 0, "a divisor is not told from zero")
    return times(x, (1 / y[1], 1 / y[0]))


def size(x):
    return max(abs(x[0]), abs(x[1]))


@lru_cache(maxsize=200_000)
def sigmoid(x, bits):
    """1/(1 + exp(-x)) at a rational number: exp(-z) with z = |x|/2^n <= 1/2 by its Taylor series, squared n times.

    The terms are integers in units of 2^-w. Each loses less than 2 units to rounding, and half at most of what the term
    before it has lost, so less than 4; there are w + 1 of them at most, and z is off by less than 2 units: together
    less than 8 w.
    """
    n, w = math.ceil(abs(x)).bit_length() + 1, bits + 64
    if abs(x) > FAR:
        e = Fraction(0), Fraction(1, 1 << 1731)
    else:
        z = int(abs(x) * (1 << w)) >> n
        term, total, k = 1 << w, 0, 0
        while term:
            total, k = total + (-term if k % 2 else term), k + 1
            term = (term * z >> w) // k
        e = Fraction(total - 8 * w, 1 << w), Fraction(total + 8 * w, 1 << w)
        for _ in range(n):
            e = outward((e[0] ** 2, e[1] ** 2), bits + 32)
    return outward(over((Fraction(1),) * 2 if x >= 0 else e, (1 + e[0], 1 + e[1])), bits)


def silu(x, bits):
    return times((x, x), sigmoid(x, bits))


def sigmoid_slope(x, bits):
    g = sigmoid(-abs(x), bits)  # the slope is even, and 1 - g has no digits of a small g
    return times(g, (1 - g[1], 1 - g[0]))


def silu_slope(x, bits):
    """g + x g (1 - g), g the sigmoid."""
    return plus(sigmoid(x, bits), times((x, x), sigmoid_slope(x, bits)))


class Bound(Fraction):
    """A number that is written in so many decimal digits, rounded downwards or upwards: as "below 6g", "above 15e".

    Examples
    --------
    >>> f"[{Bound(0.1):below 3g}, {Bound(0.1):above 3g}]"  # the float next to 1/10 is a little larger
    '[0.100, 0.101]'
    """

    def __format__(self, spec):
        side, digits = spec.split()
        rounding = {"below": ROUND_FLOOR, "above": ROUND_CEILING}[side]
        context = Context(prec=int(digits[:-1]), rounding=rounding)
        return format(context.divide(Decimal(self.numerator), Decimal(self.denominator)), digits[-1])


def below(x):
    return f"{Bound(x):below 17g}"


def above(x):
    return f"{Bound(x):above 17g}"


def decimal(text):
    """Two numbers around a decimal one whose last digit was cut off."""
    unit = Fraction(1, 10 ** len(text.split(".")[1]))
    return (Fraction(text) - unit, Fraction(text) + unit)


TURNS = {
    sigmoid: [],
    sigmoid_slope: [(ZERO, (Fraction(1, 4),) * 2)],
    silu: [(decimal("-1.278464542761073795109"), decimal("-0.278464542761073795109"))],
    silu_slope: [
        (decimal("2.399357280515467667832"), decimal("1.099839320128866916958")),
        (decimal("-2.399357280515467667832"), decimal("-0.099839320128866916958")),
    ],
}
"""Where these functions turn, and what they are there; in between they rise or fall. silu' = 0; 2 = x tanh(x/2)."""


@lru_cache(maxsize=200_000)
def between(function, x, bits=BITS):
    """The range of a function over an interval."""
    ends = [function(x[0], bits), function(x[1], bits)]
    ends += [value for at, value in TURNS[function] if x[0] <= at[1] and at[0] <= x[1]]
    return min(e[0] for e in ends), max(e[1] for e in ends)


# ---------------------------------------------------------------- polynomials: lists of coefficients by power of x


def added(p, q):
    m = max(len(p), len(q))
    return [a + b for a, b in zip(p + [0] * (m - len(p)), q + [0] * (m - len(q)), strict=True)]


def multiplied(p, q):
    r = [Fraction(0)] * (len(p) + len(q) - 1)
    for i, a in enumerate(p):
        for j, b in enumerate(q):
            r[i + j] += a * b
    return r


def derived(p):
    return [k * c for k, c in enumerate(p)][1:] or [Fraction(0)]


def at(p, x):
    y = Fraction(0)
    for c in reversed(p):
        y = y * x + c
    return y


def shifted(p, x):
    """p(x + t) by powers of t."""
    c = list(p)
    for i in range(len(c) - 1):
        for k in range(len(c) - 2, i - 1, -1):
            c[k] += x * c[k + 1]
    return c


def hull(p, x):
    """Bounds of a polynomial over an interval: Bernstein coefficients b_j = sum_k binom(j, k)/binom(d, k) c_k."""
    low, h, d = x[0], x[1] - x[0], len(p) - 1
    if h == 0:
        return (at(p, low),) * 2
    c = [c_k * h**k / math.comb(d, k) for k, c_k in enumerate(shifted(p, low))]
    b = [sum(math.comb(j, k) * c[k] for k in range(j + 1)) for j in range(d + 1)]
    return min(b), max(b)


# ---------------------------------------------------------------- the functions of a layer: (left end, {i: polynomial})


def bsplines(t, r, m):
    """B-splines on [t_m, t_{m+1}], by their recursion.

    b_i,s = (x - t_i)/(t_{i+s-1} - t_i) b_i,s-1 + (t_{i+s} - x)/(t_{i+s} - t_{i+1}) b_{i+1},s-1.
    """
    b = {m: [Fraction(1)]}
    for s in range(2, r + 1):
        new = {}
        for i in range(max(m - s + 1, 0), min(m, len(t) - s - 1) + 1):
            new[i] = [Fraction(0)]
            if i in b:
                d = t[i + s - 1] - t[i]
                new[i] = added(new[i], multiplied([-t[i] / d, 1 / d], b[i]))
            if i + 1 in b:
                d = t[i + s] - t[i + 1]
                new[i] = added(new[i], multiplied([t[i + s] / d, -1 / d], b[i + 1]))
        b = new
    return {i: p for i, p in b.items() if i < len(t) - r}


def powers(t, r, m, h):
    """((x - t_i)/h)^(r-1) of all that have begun on [t_m, t_{m+1}]."""
    row = {}
    for i in range(min(m + 1, len(t) - r)):
        row[i] = [Fraction(1)]
        for _ in range(r - 1):
            row[i] = multiplied(row[i], [-t[i] / h, 1 / h])
    return row


def chebyshev(a, b, r):
    z = [-(a + b) / (b - a), 2 / (b - a)]
    T = [[Fraction(1)], z]
    while len(T) < r:
        T.append(added(multiplied([2 * c for c in z], T[-1]), [-c for c in T[-2]]))
    return dict(enumerate(T[:r]))


def pieces(kind, t, r, outside):
    """The functions of an input on the whole line, and the domain [a, b]."""
    if kind == "chebyshev":
        domain, outside = (t[0], t[1]), "polynomial" if outside == "natural" else outside
        inner = [(t[0], chebyshev(t[0], t[1], r))]
    else:
        domain = a, b = t[r - 1], t[-r]
        require(a < b, "a domain is empty")
        h = (b - a) / (len(t) - 2 * r + 1) if kind == "scaled-relu" else Fraction(1)

        def row(m):
            return bsplines(t, r, m) if kind == "spline" else powers(t, r, m, h)

        inner = [(t[m], row(m)) for m in range(len(t) - 1) if t[m] < t[m + 1]]
        if outside == "natural":
            return [(None, {}), *inner, (t[-1], {} if kind == "spline" else row(len(t) - 1))], domain
        inner = [(left, functions) for left, functions in inner if a <= left < b]
    ends = [inner[0][1], inner[-1][1]]
    if outside == "linear":
        for k, e in enumerate(domain):
            tangents = {}
            for i, p in ends[k].items():
                slope = at(derived(p), e)
                tangents[i] = [at(p, e) - slope * e, slope]
            ends[k] = tangents
    return [(None, ends[0]), *inner, (domain[1], ends[1])], domain


class Edge:
    """s(z) = sum_i c_i b_i(z) + base silu(z): polynomials on pieces, and their derivatives."""

    def __init__(self, functions, coefficients, base):
        self.base, self.pieces = base, []
        for left, row in functions:
            p = [Fraction(0)]
            for i, q in row.items():
                p = added(p, [coefficients[i] * c for c in q])
            if self.pieces:
                require(at(self.pieces[-1][2], left) == at(p, left), f"an edge jumps at {float(left)}")
                self.pieces[-1][1] = left
            self.pieces.append([left, None, p, derived(p)])
        self.range, self.slope = (lru_cache(maxsize=100_000)(f) for f in (self.range, self.slope))

    def met(self, x, which):
        """Hull over the pieces that share more than a point with x; over one of them where x is a point."""
        low, high = x
        found = []
        for left, right, *p in self.pieces:
            if (left is None or left < high or left == low == high) and (right is None or low < right):
                part = low if left is None else max(low, left), high if right is None else min(high, right)
                found.append(hull(p[which], part))
        return min(b[0] for b in found), max(b[1] for b in found)

    def range(self, x):
        bounds = self.met(x, 0)
        return outward(plus(bounds, times((self.base,) * 2, between(silu, x))) if self.base else bounds)

    def slope(self, x):
        bounds = self.met(x, 1)
        return outward(plus(bounds, times((self.base,) * 2, between(silu_slope, x))) if self.base else bounds)


class Layer:
    def __init__(self, value, n_inputs):
        names = ["kind", "order", "outside", "knots", "coefficients", "base", "scale"]
        self.kind, r, outside, knots, coefficients, base, scale = fields(value, names, "a layer")
        require(self.kind in ("spline", "relu", "scaled-relu", "chebyshev"), "a layer is of a kind that is not known")
        require(outside in ("natural", "linear", "polynomial"), "a layer has tails that are not known")
        r = whole(r, 2, 40, "order")
        self.knots = listing(knots, numbers(None, "knots"), n_inputs, "the knots of a layer")
        P, Q = len(self.knots), len(listing(coefficients, lambda c: c, None, "coefficients"))
        require(P and Q, "a layer has no inputs or no outputs")
        require(len({len(t) for t in self.knots}) == 1, "the inputs of a layer have different numbers of knots")
        strict = self.kind != "spline"
        for t in self.knots:
            require(len(t) == 2 if self.kind == "chebyshev" else len(t) >= 2 * r, "the number of knots is wrong")
            require(all(a < b if strict else a <= b for a, b in pairwise(t)), "knots do not ascend")
        self.dim = r if self.kind == "chebyshev" else len(self.knots[0]) - r

        def of_edges(value, item):
            return listing(value, lambda row: listing(row, item, P, "a row of edges"), Q, "edges")

        self.C = of_edges(coefficients, numbers(self.dim, "the coefficients of an edge"))
        require((base is None) == (scale is None), "a layer needs base and scale, or neither")
        self.silu = base is not None
        self.base, self.scale = [None if value is None else of_edges(value, number) for value in (base, scale)]
        self.functions, self.domains = zip(*(pieces(self.kind, t, r, outside) for t in self.knots), strict=True)
        self.P, self.Q, self.edges = P, Q, []
        for q, p in product(range(Q), range(P)):
            scaled = [c * self.scale[q][p] for c in self.C[q][p]] if self.silu else self.C[q][p]
            self.edges.append(Edge(self.functions[p], scaled, self.base[q][p] if self.silu else 0))

    def edge(self, q, p):
        return self.edges[q * self.P + p]

    def row(self, p, z):
        """The functions in force at z, a point or an interval without knots; the last piece of the domain is closed."""
        lefts = [left for left, _ in self.functions[p][1:]]
        k = sum(left < z[0] or (left == z[0] and z[0] != self.domains[p][1]) for left in lefts)
        require(k == len(lefts) or z[1] <= lefts[k], "an activation is not told from a knot")
        return self.functions[p][k][1]


class NodeMap:
    """z = y, scale y + shift, or a + (b - a) sigmoid(y), for each node."""

    def __init__(self, value, Q):
        kind = value.get("kind") if isinstance(value, dict) else None
        self.kind = kind
        if kind == "affine":
            _, self.scale, self.shift = fields(value, ["kind", "scale", "shift"], "an affine map")
            self.scale, self.shift = (numbers(Q, "an affine map")(part) for part in (self.scale, self.shift))
        elif kind == "sigmoid":
            _, domains = fields(value, ["kind", "domains"], "a sigmoid map")
            domains = listing(domains, numbers(2, "a domain"), Q, "the domains of a sigmoid map")
            self.shift, self.scale = [a for a, _ in domains], [b - a for a, b in domains]
        else:
            require(kind == "none", "a map between layers is of a kind that is not known")
            fields(value, ["kind"], "a map")
            self.shift, self.scale = [Fraction(0)] * Q, [Fraction(1)] * Q

    def value(self, q, y, bits=BITS):
        inner = between(sigmoid, y, bits) if self.kind == "sigmoid" else y
        return outward(plus(times((self.scale[q],) * 2, inner), (self.shift[q],) * 2), bits)

    def slope(self, q, y, bits=BITS):
        inner = between(sigmoid_slope, y, bits) if self.kind == "sigmoid" else (Fraction(1),) * 2
        return times((self.scale[q],) * 2, inner)


class Network:
    def __init__(self, value):
        layers, maps = fields(value, ["layers", "maps"], "the network")
        self.layers, P = [], None
        for layer in listing(layers, lambda entry: entry, None, "the layers"):
            self.layers.append(Layer(layer, P))
            P = self.layers[-1].Q
        require(self.layers, "the network has no layers")
        maps = listing(maps, lambda entry: entry, None, "the maps")
        self.closed = len(maps) == len(self.layers)  # by a map behind the last layer
        require(self.closed or len(maps) == len(self.layers) - 1, "the number of maps is wrong")
        self.maps = [NodeMap(value, layer.Q) for value, layer in zip(maps, self.layers, strict=False)]
        self.P, self.Q = self.layers[0].P, P
        self.starts, n = [], 0
        for layer in self.layers:
            self.starts.append(n)
            n += layer.P * layer.Q * (layer.dim + 2 * layer.silu)
        self.n_params = n
        self.rational = not any(layer.silu for layer in self.layers) and all(m.kind != "sigmoid" for m in self.maps)
        self.sweep = lru_cache(maxsize=100_000)(self.sweep)

    def sweep(self, box):
        """Bounds of every output over a box, of its value at the middle, of the matrix S, of each layer's inputs."""
        middle = [(middle_of(*x),) * 2 for x in box]
        reach = [minus(x, c) for x, c in zip(box, middle, strict=True)]
        ranges, centres = list(box), middle
        slopes = [[(Fraction(int(i == p)),) * 2 for i in range(self.P)] for p in range(self.P)]
        inputs_of_layers = []
        for k, layer in enumerate(self.layers):
            inputs, edges = range(layer.P), [[layer.edge(q, p) for p in range(layer.P)] for q in range(layer.Q)]
            inputs_of_layers.append(ranges)
            S = [[edge.slope(x) for edge, x in zip(row, ranges, strict=True)] for row in edges]
            ranges, centres = (
                [plus(*(row[p].range(x[p]) for p in inputs)) for row in edges] for x in (ranges, centres)
            )
            slopes = [self.sums(row, slopes) if k else row for row in S]
            ranges = self.narrowed(ranges, centres, slopes, reach)
            if k < len(self.maps):
                m, nodes = self.maps[k], range(layer.Q)
                slopes = [[times(m.slope(q, ranges[q]), s) for s in slopes[q]] for q in nodes]
                ranges, centres = ([m.value(q, x[q]) for q in nodes] for x in (ranges, centres))
                ranges = self.narrowed(ranges, centres, slopes, reach)
        return ranges, centres, slopes, inputs_of_layers

    def sums(self, row, slopes):
        columns = zip(*slopes, strict=True)
        return [outward(plus(*map(times, row, column))) for column in columns]

    def narrowed(self, ranges, centres, slopes, reach):
        result = []
        for x, c, row in zip(ranges, centres, slopes, strict=True):
            form = outward(plus(c, *map(times, row, reach)))
            result.append((max(x[0], form[0]), min(x[1], form[1])))
        return result

    def value(self, point):
        """Bounds of the outputs at a point."""
        return self.sweep(tuple((x, x) for x in point))[1]

    def jacobian(self, x, bits):
        """dF_q/dtheta (Q dicts by number of the parameter) at a point: exact for bits = None, of rational networks."""
        require(not self.closed, "parameters in front of a last map are not looked at")
        z, passed = [(x_p, x_p) for x_p in x], []
        for k, layer in enumerate(self.layers):
            rows = [layer.row(p, z[p]) for p in range(layer.P)]
            b = [{i: hull(f, z[p]) for i, f in row.items()} for p, row in enumerate(rows)]
            db = [{i: hull(derived(f), z[p]) for i, f in row.items()} for p, row in enumerate(rows)]
            extra = [[between(f, z_p, bits) for z_p in z] for f in (silu, silu_slope)] if layer.silu else None
            y, S = [], []
            for q in range(layer.Q):
                terms = [[], []]
                for p, (functions, which) in product(range(layer.P), ((b, 0), (db, 1))):
                    part = plus(ZERO, *(times((layer.C[q][p][i],) * 2, f) for i, f in functions[p].items()))
                    if layer.silu:
                        parts = times((layer.scale[q][p],) * 2, part), times((layer.base[q][p],) * 2, extra[which][p])
                        part = plus(*parts)
                    terms[which].append(outward(part, bits))
                y.append(outward(plus(*terms[0]), bits))
                S.append(terms[1])
            passed.append((b, S, extra, y))
            if k < len(self.maps):
                z = [self.maps[k].value(q, y_q, bits) for q, y_q in enumerate(y)]
        return [self.gradient(q, passed, bits) for q in range(self.Q)]

    def gradient(self, q, passed, bits):
        """From the last layer back to the first: cotangents (Q) of what each layer puts out."""
        back, found = {q: (Fraction(1),) * 2}, {}
        for k in reversed(range(len(self.layers))):
            layer, (b, S, extra, _) = self.layers[k], passed[k]
            n, edges = self.starts[k], layer.P * layer.Q
            for (j, cot), p in product(back.items(), range(layer.P)):
                e = j * layer.P + p
                spline = times(cot, (layer.scale[j][p],) * 2) if layer.silu else cot
                found |= {n + e * layer.dim + i: outward(times(spline, f), bits) for i, f in b[p].items()}
                if layer.silu:
                    found[n + edges * layer.dim + e] = times(cot, extra[0][p])
                    part = plus(ZERO, *(times((layer.C[j][p][i],) * 2, f) for i, f in b[p].items()))
                    found[n + edges * (layer.dim + 1) + e] = times(cot, part)
            if k:
                m, y = self.maps[k - 1], passed[k - 1][3]
                sums = [plus(*(times(cot, S[j][p]) for j, cot in back.items())) for p in range(layer.P)]
                back = {p: outward(times(s, m.slope(p, y[p], bits)), bits) for p, s in enumerate(sums)}
        return found


# ---------------------------------------------------------------- leaves


def middle_of(low, high):
    return Fraction(float((low + high) / 2))


def leaves(text, box, network):
    """The leaves that a string describes, one after the other."""
    require(isinstance(text, str), "leaves must be a text")
    waiting = [box]
    for letter in text:
        require(waiting, "leaves go on where the box is covered already")
        part = waiting.pop()
        if letter == ".":
            yield part
            continue
        p = ord(letter) - ord("a")
        require(0 <= p < network.P, f"leaves cut along {letter!r}, which is no input")
        low, high = part[p]
        middle = middle_of(low, high)
        inside = [t for t in network.layers[0].knots[p] if low < t < high]
        cut = min(inside, key=lambda t: (abs(float(t) - float(middle)), t)) if inside else middle
        require(low < cut < high, "leaves cut where no float lies inside")
        waiting += [(*part[:p], x, *part[p + 1 :]) for x in ((cut, high), (low, cut))]
    require(not waiting, f"leaves do not cover the box: {len(waiting)} parts of it are missing")


# ---------------------------------------------------------------- the network in a file


ARCHIVED = {"SplineLayer": "spline", "ReluLayer": "relu", "ChebyshevLayer": "chebyshev"}
"""Layers by the names of their classes in refkan."""

COMPUTED = object()
"""Numbers that follow from data and parameters."""


def network_in(content):
    """The network of an archive that `refkan.save` wrote, as in a certificate; None of other files.

    Free knots, and maps by the statistics of a batch, are `COMPUTED`.
    """
    if not zipfile.is_zipfile(io.BytesIO(content)):
        return None
    with zipfile.ZipFile(io.BytesIO(content)) as archive:
        members = archive.infolist()
        if "manifest.npy" not in archive.namelist():
            return None
        require(len({member.filename for member in members}) == len(members), "the archive names a member twice")
        require(all(m.compress_type == zipfile.ZIP_STORED for m in members), "the archive is compressed")
        arrays = {m.filename.removesuffix(".npy"): array_in(archive.read(m)) for m in members}
    manifest = json.loads(arrays["manifest"], object_pairs_hook=without_repetition, parse_constant=no_number)

    def numbers_of(value):
        return arrays[value["array"]] if isinstance(value, dict) else value

    def take(count):
        require(count <= len(parameters), "the archive holds fewer parameters than its layers have")
        taken, parameters[:count] = parameters[:count], []
        return [x.hex() for x in taken]

    def matrix(Q, P):
        flat = take(Q * P)
        return [flat[q * P : (q + 1) * P] for q in range(Q)]

    parameters, layers = list(arrays["theta"]), []
    for entry in manifest["layers"]:
        form, silu = entry.get("spline", entry), entry["kind"] == "SiluLayer"
        if form["kind"] not in ARCHIVED:
            require(entry is manifest["layers"][-1] and form["kind"] == "DenseLayer", "a layer is not known")
            Q = len(layers[-1]["coefficients"])
            identity = [float(i == j) for i in range(Q) for j in range(Q)]
            same = parameters[: Q * Q] == identity and not any(parameters[Q * Q :])
            require(same and form["activation"] == "identity", "a dense layer at the end is no identity")
            parameters = []
            break
        kind, free = ARCHIVED[form["kind"]], form.get("free_knots", False)
        if kind == "chebyshev":
            order = form["degree"] + 1
            knots = [[float(end) for end in side] for side in form["ends"]]
            dim = order
        else:
            spaces = form["spaces"]
            order = spaces[0]["order"]
            require(all(space["order"] == order for space in spaces), "the inputs of a layer have different orders")
            knots = [numbers_of(space["knots"]) for space in spaces]
            dim = len(knots[0]) - order
            kind = "scaled-relu" if form.get("scaled") else kind
        P, Q = len(knots), form["n_outputs"]
        coefficients = [[take(dim) for _ in range(P)] for _ in range(Q)]
        if free:
            take(P * (dim - order + 1))  # intervals of each input
        outside = "polynomial" if form["outside"] == "error" else form["outside"]
        layers.append({
            "kind": kind, "order": order, "outside": outside, "coefficients": coefficients,
            "knots": COMPUTED if free else [[t.hex() for t in row] for row in knots],
            "base": matrix(Q, P) if silu else None, "scale": matrix(Q, P) if silu else None,
        })  # fmt: skip
    require(not parameters, "the archive holds more parameters than its layers have")
    return {"layers": layers, "maps": [map_in(entry, numbers_of) for entry in manifest["node_maps"]]}


def map_in(entry, numbers_of):
    kind = entry["kind"]
    if kind == "Unmapped":
        return {"kind": "none"}
    if kind == "AffineMap":
        return {"kind": "affine"} | {name: [x.hex() for x in numbers_of(entry[name])] for name in ("scale", "shift")}
    flat = numbers_of(entry["domains"])
    if kind == "SigmoidMap":
        return {"kind": "sigmoid", "domains": [[x.hex() for x in flat[k : k + 2]] for k in range(0, len(flat), 2)]}
    return COMPUTED


def array_in(content):
    """The text or the numbers of a .npy file."""
    require(content[:6] == b"\x93NUMPY" and content[6] in (1, 2), "a member of the archive is no array")
    wide = content[6] == 2
    (length,) = struct.unpack_from("<I" if wide else "<H", content, 8)
    start = 12 if wide else 10
    header = ast.literal_eval(content[start : start + length].decode("ascii"))
    kind, body = header["descr"], content[start + length :]
    if kind.startswith("<U"):
        return body.decode("utf-32-le").rstrip("\0")
    require(kind == "<f8" and not header["fortran_order"], "an array holds other numbers than float64")
    require(len(body) == 8 * math.prod(header["shape"]), "an array is not of its size")
    return list(struct.unpack(f"<{len(body) // 8}d", body))


def require_same(archived, stated, where):
    """Reject a network whose numbers are not those of a file; what is computed is not compared."""
    if archived is COMPUTED:
        return
    if isinstance(archived, dict) and isinstance(stated, dict):
        require(archived.keys() == stated.keys(), f"{where} differs from that of the file")
        for name, value in archived.items():
            require_same(value, stated[name], f"{where}, {name}")
    elif isinstance(archived, list) and isinstance(stated, list):
        require(len(archived) == len(stated), f"{where}: the file has {len(archived)} entries, not {len(stated)}")
        for k, (value, other) in enumerate(zip(archived, stated, strict=True)):
            require_same(value, other, f"{where} {k + 1}")
    else:
        require(archived == stated, f"{where}: the file has {archived}, the certificate {stated}")


# ---------------------------------------------------------------- code in C


class Floats:
    """IEEE numbers: what an operation that rounds to nearest may be off by.

    A result of at most 2^e is off by 2^(e-1-p) or less, p the digits. Where a product is fused with a sum, one rounding
    is left out. Subnormal operands and results may be taken for zero: each changes by less than `lost`.
    """

    lost = Fraction(1, 1 << 126)

    def __init__(self, name, word, digits, exponent):
        self.name, self.word, self.digits = name, word, digits
        self.least, self.largest = Fraction(1, 1 << exponent), Fraction(1 << exponent)

    def holds(self, x):
        n = abs(x.numerator)
        return n == 0 or ((n // (n & -n)).bit_length() <= self.digits and self.least <= abs(x) <= self.largest)

    def exponent(self, size):
        """The least e with size <= 2^e."""
        e = size.numerator.bit_length() - size.denominator.bit_length() - 1
        while Fraction(2) ** e < size:
            e += 1
        return e

    def unit(self, size):
        return Fraction(2) ** (self.exponent(size) - 1 - self.digits) if size else Fraction(0)

    def ceiling(self, x):
        """The least number of the type that is not below x."""
        require(x == 0 or self.least <= abs(x) <= self.largest, "a side of the box ends beyond the normal numbers")
        step = 2 * self.unit(abs(x)) if x else Fraction(1)
        return math.ceil(x / step) * step

    def added(self, size):
        return self.unit(size) + 4 * self.lost  # two operands, the result, and the result when it is read

    def multiplied(self, size, a, b):
        return self.unit(size) + self.lost * (1 + a + b)

    def subtracted(self, z, o):
        """z - o has no error for o/2 <= z <= 2 o (Sterbenz)."""
        low, high = sorted((o / 2, 2 * o))
        return self.added(0 if (low <= z[0] and z[1] <= high) or o == 0 else size(minus(z, (o, o))))

    def literal(self, x):
        return float(x).hex() + ("f" if self.word == "float" else "")


class Fixed:
    """Integers in units of 2^-n: sums are exact, products are rounded to the next unit."""

    lost = Fraction(0)

    def __init__(self, name, bits, fraction):
        self.name, self.word, self.wide, self.fraction = name, f"int{bits}_t", f"int{2 * bits}_t", fraction
        self.step = Fraction(1, 1 << fraction)
        self.largest = ((1 << bits - 1) - 1) * self.step

    def holds(self, x):
        return (x / self.step).denominator == 1 and abs(x) <= self.largest

    def ceiling(self, x):
        return math.ceil(x / self.step) * self.step

    def added(self, size):
        return Fraction(0)

    def multiplied(self, size, a, b):
        return self.step / 2

    def subtracted(self, z, o):
        return Fraction(0)

    def literal(self, x):
        return str(int(x / self.step))


def number_type(name):
    """float64, float32, or Qm.n with m + n = 16 or 32 bits, the sign among the m."""
    if name == "float64":
        return Floats(name, "double", 53, 1022)
    if name == "float32":
        return Floats(name, "float", 24, 126)
    parts = re.fullmatch(r"Q([1-9]\d?)\.([1-9]\d?)", name) if isinstance(name, str) else None
    bits = sum(map(int, parts.groups())) if parts else 0
    require(bits in (16, 32), "a type must be float64, float32, or Qm.n with m + n = 16 or 32")
    return Fixed(name, bits, int(parts[2]))


def fits(x, kind):
    require(x <= kind.largest, f"numbers up to {above(x)} may occur, beyond the largest of {kind.name}")


def on_grid(t):
    """An interval around another, its ends on a grid of some steps: no tiny number has a high power then."""
    step = upwards(size(t), 1) / (1 << ROUGH) if size(t) else Fraction(1)
    return math.floor(t[0] / step) * step, math.ceil(t[1] / step) * step


def horner_error(c, t, kind):
    """Bound what y_j = t y_(j+1) + c_j loses to rounding for t in an interval: `off` is by how much y_j is off."""
    reach, y, off = size(t), [c[-1]], Fraction(0)
    largest = abs(c[-1])
    for c_j in reversed(c[:-1]):
        product = size(hull([Fraction(0), *y], t)) + reach * off
        lost = kind.multiplied(product, largest, reach)
        y, off = [c_j, *y], reach * off + lost
        fits(product + lost, kind)
        largest = size(hull(y, t)) + off
        rounding = kind.added(largest)
        largest, off = largest + rounding, upwards(off + rounding)
        fits(largest, kind)
    return off


def distance_to_edge(edge, factor):
    """A function that bounds |c((z - o) scale) - factor s(z)| over z in x, s the edge without SiLU."""

    @lru_cache(maxsize=100_000)
    def local(k, o, scale):
        return [factor * a / scale**i for i, a in enumerate(shifted(edge.pieces[k][2], o))]

    def distance(c, o, scale, x):
        worst = Fraction(0)
        for k, (left, right, *_) in enumerate(edge.pieces):
            low = x[0] if left is None else max(x[0], left)
            high = x[1] if right is None else min(x[1], right)
            if low <= high:
                apart = added(c, [-a for a in local(k, o, scale)])
                worst = max(worst, size(hull(apart, ((low - o) * scale, (high - o) * scale))))
        return worst

    return distance


@lru_cache(maxsize=100_000)
def silu_series(o, degree):
    """silu(o + h) by powers of h: x g, where g' = g - g^2 gives the series of the sigmoid g."""
    g = [sigmoid(o, BITS)]
    for k in range(degree):
        square = plus(*(times(g[i], g[k - i]) for i in range(k + 1)))
        g.append(outward(times(minus(g[k], square), (Fraction(1, k + 1),) * 2)))
    return [plus(times((o, o), g[k]), g[k - 1] if k else ZERO) for k in range(degree + 1)]


def distance_to_silu(c, o, scale, x):
    """Bound |c((z - o) scale) - silu(z)| over z in x.

    By coefficients of the series at o, and Cauchy's bound M/3^k of those left out: on the disc of radius 3, |1 + e^-z|
    is at least sin 3 > 0.14, as the imaginary part is at most 3, so that |silu| <= M = (|o| + 3)/0.14 there. Far from o
    by ranges, also of silu(z) = z + silu(-z).
    """
    c = [a * scale**k for k, a in enumerate(c)]
    reach = size(minus(x, (o, o)))
    if reach < 1:
        series = silu_series(o, len(c) - 1)
        rest = (abs(o) + 3) * 100 / 14 * (reach / 3) ** len(c) / (1 - reach / 3)
        return sum((size(minus((a, a), s)) * reach**k for k, (a, s) in enumerate(zip(c, series, strict=True))), rest)
    tail = minus(hull(c, minus(x, (o, o))), between(silu, x))
    beyond = minus(hull(added(c, [-o, Fraction(-1)]), minus(x, (o, o))), between(silu, minus(ZERO, x)))
    return min(size(tail), size(beyond))


class Table:
    """Polynomials of one input on pieces, some outputs each: a piece begins at its knot, the first before it too."""

    def __init__(self, value, kind, P, targets):
        p, outputs, knots, shifts, pieces = fields(value, ["input", "outputs", "knots", "shifts", "pieces"], "a table")
        self.kind, self.p = kind, whole(p, 0, P - 1, "an input")
        self.outputs = listing(outputs, lambda q: whole(q, 0, len(targets) - 1, "an output"))
        self.targets = [targets[q][self.p] for q in self.outputs]
        self.knots = listing(knots, typed(kind), None, "knots")
        most = 0 if isinstance(kind, Floats) else 15
        self.shifts = listing(shifts, lambda s: whole(s, 0, most, "a shift"), len(self.knots), "shifts")
        require(self.knots and all(a < b for a, b in pairwise(self.knots)), "knots of a table do not ascend")
        require(all(a < b for a, b in pairwise(self.outputs)), "outputs of a table do not ascend")
        rows = listing(pieces, lambda piece: listing(piece, lambda c: c, len(self.outputs)), len(self.knots), "pieces")
        self.degree = len(rows[0][0]) - 1 if rows[0] else 0
        self.pieces = [[listing(c, typed(kind), self.degree + 1) for c in piece] for piece in rows]
        self.error = lru_cache(maxsize=100_000)(self.error)

    def error(self, j, x):
        """Bound |computed - exact| of an output over inputs in x: rounding, and how far polynomials are apart."""
        worst = Fraction(0)
        for k, o in enumerate(self.knots):
            low = max(x[0], o) if k else x[0]
            high = min(x[1], self.knots[k + 1]) if k + 1 < len(self.knots) else x[1]
            if low > high:
                continue
            c, scale = self.pieces[k][j], 1 << self.shifts[k]
            lost = self.kind.subtracted((low, high), o) * scale
            t = on_grid(((low - o) * scale - lost, (high - o) * scale + lost))
            fits(size(t), self.kind)
            rounding = horner_error(c, t, self.kind) + size(hull(derived(c), t)) * lost
            worst = max(worst, rounding + self.targets[j](c, o, scale, (low, high)))
        return upwards(worst)


class CodeLayer:
    """y_q = start_q, to which tables add in their order, and then w_qp times the SiLU of z_p, p = 0, 1, ..."""

    def __init__(self, value, layer, node_map, kind, silu_table):
        start, tables, weights = fields(value, ["start", "tables", "weights"], "a layer of code")
        self.layer, self.kind, self.silu = layer, kind, silu_table
        P, Q = layer.P, layer.Q
        self.factor, self.shift = [Fraction(1)] * Q, [Fraction(0)] * Q
        if node_map is not None:
            require(node_map.kind != "sigmoid", "code of sigmoid maps is not known")
            self.factor, self.shift = node_map.scale, node_map.shift
        targets = [[distance_to_edge(layer.edge(q, p), self.factor[q]) for p in range(P)] for q in range(Q)]
        self.targets = targets
        self.start = listing(start, typed(kind), Q, "starts")
        self.tables = listing(tables, lambda table: Table(table, kind, P, targets), None, "tables")
        pairs = [(q, table.p) for table in self.tables for q in table.outputs]
        require(len(set(pairs)) == len(pairs), "two tables hold the same edge")
        self.alone = [[p for p in range(P) if (q, p) not in pairs] for q in range(Q)]
        self.weights = weights
        if weights is not None:
            require(silu_table is not None, "the table of SiLU is missing")
            self.weights = listing(weights, lambda row: listing(row, typed(kind), P), Q, "weights")
        require(weights is not None or not any(edge.base for edge in layer.edges), "weights of SiLU are missing")

    def errors(self, ranges, off):
        """Bound |computed - exact| of the outputs, where exact inputs lie in `ranges` and computed ones are `off`."""
        wide = [outward((low - e, high + e)) for (low, high), e in zip(ranges, off, strict=True)]
        return [self.error(q, wide, off) for q in range(self.layer.Q)]

    def error(self, q, wide, off):
        layer, start, factor = self.layer, self.start[q], self.factor[q]
        constants = [times((factor,) * 2, layer.edge(q, p).met(wide[p], 0)) for p in self.alone[q]]
        error = size(minus(plus((self.shift[q],) * 2, *constants), (start, start)))
        total = start, start
        for value, lost in self.terms(q, wide):
            exact = total == ZERO
            total, error = plus(total, value), error + lost
            error += self.kind.added(0 if exact else size(total) + error)
            fits(size(total) + error, self.kind)
        moved = (abs(factor) * size(layer.edge(q, p).slope(x)) * off[p] for p, x in enumerate(wide))
        return upwards(sum(moved, error))

    def terms(self, q, wide):
        """What is added to an output: a range of its exact values, and how far computed ones may be from it."""
        factor = self.factor[q]
        for table in self.tables:
            if q in table.outputs:
                x = wide[table.p]
                exact = times((factor,) * 2, self.layer.edge(q, table.p).met(x, 0))
                yield exact, table.error(table.outputs.index(q), x)
        for p, x in enumerate(wide if self.weights else []):
            w, base = self.weights[q][p], factor * self.layer.edge(q, p).base
            exact, lost = between(silu, x), self.silu.error(0, x)
            reach = size(exact) + lost
            fits(reach, self.kind)
            rounding = self.kind.multiplied(abs(w) * reach, abs(w), reach)
            fits(abs(w) * reach + rounding, self.kind)
            yield times((base, base), exact), abs(w - base) * size(exact) + abs(w) * lost + rounding


def typed(kind):
    """A reader of numbers of a type."""

    def read(value):
        x = number(value)
        require(kind.holds(x), f"{value} is no number of {kind.name}")
        return x

    return read


HEAD = """/* A network with {P} inputs and {Q} outputs in {type}, made by refkan.

   |y[q] - F_q(x)| <= {bound:above 6g} for all inputs x of the box that {type} holds, F the network in exact numbers:

{sides}

   An input outside is moved to the nearest end. What is returned is the number of those inputs.{nan}
   It holds for every rounding to nearest, with products fused into sums or not, and subnormal numbers kept or not. */
{includes}
typedef {word} number;

{times}

/* Add to y[q] the polynomial of the piece that holds z, for some outputs q. */
static inline void add(number z, int pieces, const number *knots, {shifts}int degree, const number *c,
                       int outputs, const int *which, number *y)
{{
    long k = 0;
    while (k + 1 < pieces && z >= knots[k + 1])
        k++;
    const number t = {local};
    c += k * outputs * (degree + 1);
    for (int j = 0; j < outputs; j++) {{
        number s = c[degree];
        for (int i = degree - 1; i >= 0; i--)
            s = times(s, t) + c[i];
        y[which[j]] = y[which[j]] + s;
        c += degree + 1;
    }}
}}
"""

FLOATING = {
    "includes": "#include <float.h>\n#if FLT_EVAL_METHOD != 0 || defined(__FAST_MATH__)\n"
    '#error "the bound needs operations that round to the type of their operands: no -ffast-math, and on x86 SSE"\n'
    "#endif\n",
    "times": "static inline number times(number a, number b) { return a * b; }",
    "shifts": "",
    "local": "z - knots[k]",
    "nan": "\n   NaN is among them, and makes y NaN.",
}

INTEGERS = {
    "includes": "#include <stdint.h>\n\n/* All numbers are integers in units of 2^-{n}. */",
    "times": "/* The product, rounded to the nearest unit. */\nstatic inline number times(number a, number b)\n{{\n"
    "    const {wide} p = ({wide})a * b;\n"
    "    return (number)((p < 0 ? p - {half} : p + {half}) / {one});\n}}",
    "shifts": "const int *shifts, ",
    "local": "(number)(({wide})(z - knots[k]) * (({wide})1 << shifts[k]))",
    "nan": "",
}

MAIN = """
int {name}(const {word} x[{P}], {word} y[{Q}])
{{
    static const number low[{P}] = {low};
    static const number high[{P}] = {high};
    int outside = 0;
    number z0[{P}];
    for (int p = 0; p < {P}; p++) {{
        outside += !(x[p] >= low[p] && x[p] <= high[p]);
        z0[p] = x[p] < low[p] ? low[p] : x[p] > high[p] ? high[p] : x[p];
    }}
{body}
    for (int q = 0; q < {Q}; q++)
        y[q] = z{last}[q];
    return outside;
}}
"""

SILU = """    for (int p = 0; p < {P}; p++) {{
        number s = 0;
        add({table}, &s);
        for (int q = 0; q < {Q}; q++)
            {y}[q] = {y}[q] + times({w}[q][p], s);
    }}
"""


class Code:
    """A function in C: the same table says what its text is, and which operations are bounded."""

    def __init__(self, statement, network, box):
        names = ["kind", "network", "name", "type", "bound", "layers", "silu", "leaves", "sha256"]
        _, _, name, kind, bound, layers, silu_table, _, _ = fields(statement, names, "a statement about code")
        require(isinstance(name, str) and re.fullmatch(r"[A-Za-z][A-Za-z0-9_]{0,30}", name), "a name that C has not")
        self.name, self.kind, self.network, self.bound = name, number_type(kind), network, number(bound)
        self.box = [(self.kind.ceiling(low), -self.kind.ceiling(-high)) for low, high in box]
        require(all(low <= high for low, high in self.box), f"no number of {kind} lies in the box")
        for side in self.box:
            fits(size(side), self.kind)
        self.silu = None
        if silu_table is not None:
            self.silu = Table(silu_table, self.kind, 1, [[distance_to_silu]])
        layers = listing(layers, lambda layer: layer, len(network.layers), "layers of code")
        maps = network.maps + [None] * (len(layers) - len(network.maps))
        rows = zip(layers, network.layers, maps, strict=True)
        self.layers = [CodeLayer(*row, self.kind, self.silu) for row in rows]

    def errors(self, leaf):
        """Bound |code - network| of each output for all inputs in a leaf."""
        ranges, off = self.network.sweep(leaf)[3], [self.kind.lost] * self.network.P
        for layer, inputs in zip(self.layers, ranges, strict=True):
            off = layer.errors(inputs, off)
        return off

    def array(self, numbers):
        return "{" + ", ".join(map(self.kind.literal, numbers)) + "}"

    def text(self):
        """The file in C."""
        words, P, Q = INTEGERS, self.network.P, self.network.Q
        numbers = {"word": self.kind.word, "type": self.kind.name, "P": P, "Q": Q, "bound": Bound(self.bound)}
        if isinstance(self.kind, Floats):
            words = FLOATING
        else:
            n = self.kind.fraction
            numbers |= {"wide": self.kind.wide, "n": n, "half": 1 << n - 1, "one": 1 << n}
            words = {name: text.format(**numbers) for name, text in INTEGERS.items()}
        sides = [f"     {float(low)!r} <= x[{p}] <= {float(high)!r}" for p, (low, high) in enumerate(self.box)]
        parts, body = [HEAD.format(**numbers, **words, sides="\n".join(sides))], []
        of_silu = self.declared("silu", self.silu, parts, "z{k}[p]") if self.silu else ""
        for k, layer in enumerate(self.layers):
            y, w, count = f"z{k + 1}", f"weights{k + 1}", layer.layer.Q
            body += [f"    number {y}[{count}] = {self.array(layer.start)};\n"]
            for i, table in enumerate(layer.tables):
                called = self.declared(f"{k + 1}_{i + 1}", table, parts, f"z{k}[{table.p}]")
                body.append(f"    add({called}, {y});\n")
            if layer.weights:
                rows = ",\n    ".join(map(self.array, layer.weights))
                parts.append(f"static const number {w}[{count}][{layer.layer.P}] = {{\n    {rows}}};\n")
                body.append(SILU.format(P=layer.layer.P, Q=count, y=y, w=w, table=of_silu.format(k=k)))
        low, high = (self.array(ends) for ends in zip(*self.box, strict=True))
        ends = {"name": self.name, "low": low, "high": high, "last": len(self.layers), "body": "".join(body)}
        parts.append(MAIN.format(**numbers, **ends))
        return "".join(parts)

    def declared(self, suffix, table, parts, z):
        """Declare the arrays of a table, and return the arguments of `add`."""
        rows = ["  " + self.array([a for c in piece for a in c])[1:-1] for piece in table.pieces]
        parts.append(f"\nstatic const number knots_{suffix}[] = {self.array(table.knots)};\n")
        shifts = ""
        if isinstance(self.kind, Fixed):
            parts.append(f"static const int shifts_{suffix}[] = {{{', '.join(map(str, table.shifts))}}};\n")
            shifts = f"shifts_{suffix}, "
        parts.append(f"static const int outputs_{suffix}[] = {{{', '.join(map(str, table.outputs))}}};\n")
        parts.append(f"static const number table_{suffix}[] = {{\n" + ",\n".join(rows) + "\n};\n")
        arrays = f"knots_{suffix}, {shifts}{table.degree}, table_{suffix}, {len(table.outputs)}, outputs_{suffix}"
        return f"{z}, {len(table.knots)}, {arrays}"


# ---------------------------------------------------------------- words


SCRIPT = '<script type="application/json" id="certificate">'

WORDS = {
    "range": (
        "range of {y}",
        "minimum in [{low:below 6g}, {least:above 6g}], maximum in [{greatest:below 6g}, {high:above 6g}] "
        "(on {parts} leaves)",
    ),
    "increasing": ("{y} in {x}", "increasing, by a slope of {slope:below 3g} or more (on {parts} leaves)"),
    "decreasing": ("{y} in {x}", "decreasing, by a slope of {slope:below 3g} or more (on {parts} leaves)"),
    "constant": ("{y} in {x}", "constant"),
    "not monotone": ("{y} in {x}", "neither: it rises between two points, and falls between two others"),
    "lipschitz": (
        "Lipschitz constant",
        "in [{low:below 6g}, {high:above 6g}], in the units of the columns (on {parts} leaves)",
    ),
    "scaled lipschitz": (
        "Lipschitz constant",
        "in [{low:below 6g}, {high:above 6g}], a side of the box (on {parts} leaves)",
    ),
    "residual": ("largest residual of {y}", "in [{low:below 12g}, {high:above 12g}], at sample {at}"),
    "rank": ("rank of the Jacobian", "{low}"),
    "condition": (
        "condition number",
        "in [{smallest_ratio:below 12g}, {largest_ratio:above 12g}], "
        "of {rank} eigenvalues of J^T J/N that are not zero",
    ),
    "code": (
        "{name}() in C, {type}",
        "at most {bound:above 6g} from the network, for all inputs of the box that {type} holds (on {parts} leaves); "
        "SHA-256 {sha256}",
    ),
}
"""What each kind of statement is about, and what it says: bounds are rounded so that they stay bounds."""

OTHER_CODE = "its text is another than the table of the certificate makes"

OF_FIXED = (
    "These statements are about the network with fixed constants: {constants} are held at their values, and are no "
    "functions of the parameters. Its values are those of the network at these parameters; its Jacobian is another."
)

OF_GIVEN = "Proven by refkan for the network as given, not by this certificate"

PAGE = """<!doctype html>
<html lang="en"><head><meta charset="utf-8"><title>{title}</title>
<style>body{{font:16px/1.5 sans-serif;max-width:60em;margin:2em auto}}th{{text-align:left;padding-right:1em}}</style>
</head><body><h1>{title}</h1>
<p>{network}<br>SHA-256 of the file: {sha256}<br>for all {box}</p>
{sections}
<h2>How to check it</h2>
<p>The certificate is part of this page. The program check_certificate.py needs Python alone and imports nothing from
refkan. It reads the page, makes its text again from the data, computes every statement again over rational numbers, and
accepts or rejects it: python check_certificate.py THIS_PAGE.html --network NETWORK.npz</p>
{script}{data}</script>
</body></html>
"""


def is_fixed(given):
    """Whether the network of the certificate is the given one with constants instead of functions of parameters."""
    return given is not None and bool(given["constants"])


def plain(text):
    """A text of a file without control characters."""
    return "".join(c if c.isprintable() else c.encode("unicode_escape").decode("ascii") for c in str(text))


def words_of(statement, names, inputs):
    """A subject and a sentence."""
    values = {k: Bound(float.fromhex(v)) for k, v in statement.items() if str(v).startswith(("0x", "-0x"))}
    values |= {"parts": statement.get("leaves", "").count("."), "at": statement.get("sample", 0) + 1}
    if "smallest" in statement:
        (a, b), (c, d) = ([Fraction(float.fromhex(v)) for v in statement[end]] for end in ("smallest", "largest"))
        values |= {"smallest_ratio": Bound(c / b), "largest_ratio": Bound(d / a)}
    values |= {"y": names[inputs + statement.get("output", 0)], "x": names[statement.get("input", 0)]}
    words = WORDS[statement.get("direction", statement["kind"])]
    subject, said = (text.format(**(statement | values)) for text in words)
    if statement["kind"] in ("rank", "condition") and statement["network"] == "fixed":
        subject += ", constants fixed"
    return subject, said


def proven(data):
    """What is proven, in words."""
    names = [plain(name) for name in data["about"]["names"]]
    return [words_of(statement, names, len(data["box"])) for statement in data["statements"]]


def sections_of(data):
    """Titles, each with a sentence or none and rows of a subject and a sentence."""
    given = data["given"]
    remark = OF_FIXED.format(constants=given["constants"]) if is_fixed(given) else ""
    sections = [("Proven", remark, proven(data))]
    if given is not None:
        rows = [(row["statement"], row["said"]) for row in given["statements"]]
        sections.append((OF_GIVEN, "", rows))
    sections.append(("Not proven", "", [(row["statement"], row["why"]) for row in data["unproven"]]))
    return [
        (title, plain(remark), [(plain(subject), plain(said)) for subject, said in rows])
        for title, remark, rows in sections
    ]


def box_of(data):
    """The box in words, its ends by the shortest decimals that name them."""
    sides = [[repr(float.fromhex(end)).removesuffix(".0") for end in side] for side in data["box"]]
    named = zip(data["about"]["names"], sides, strict=False)
    return ", ".join(f"{plain(name)} in [{low}, {high}]" for name, (low, high) in named)


def text_of(data):
    """A certificate as lines of text."""
    sections = sections_of(data)
    width = max(len(subject) for _, _, rows in sections for subject, _ in rows)
    lines = [plain(data["about"]["network"]), f"for all {box_of(data)}"]
    for title, remark, rows in sections:
        if rows:
            lines += ["", title.lower()]
            lines += [f"  {remark}"] if remark else []
            lines += [f"  {subject:{width}}  {said}" for subject, said in rows]
    return "\n".join(lines)


def page(data):
    """A certificate as one page of HTML, which holds its data."""
    about = data["about"]
    parts = []
    for title, remark, rows in sections_of(data):
        table = "".join(f"<tr><th>{escape(subject)}</th><td>{escape(said)}</td></tr>\n" for subject, said in rows)
        sentence = f"<p>{escape(remark)}</p>\n" if remark else ""
        parts.append(f"<h2>{escape(title)}</h2>\n{sentence}<table>{table}</table>")
    return PAGE.format(
        title=escape(f"Certificate of {plain(about['file'])}"),
        network=escape(plain(about["network"])),
        sha256=escape(plain(about["sha256"])),
        box=escape(box_of(data)),
        sections="\n".join(parts),
        script=SCRIPT,
        data=json.dumps(data, allow_nan=False).replace("<", "\\u003c"),
    )


# ---------------------------------------------------------------- statements


class Certificate:
    def __init__(self, text):
        self.page = text if text.lstrip()[:1] == "<" else None
        if self.page is not None:
            parts = text.split(SCRIPT)
            require(len(parts) > 1, "the page holds no certificate")
            require(len(parts) == 2, "the page holds more than one certificate")
            text = parts[1].partition("</script>")[0]
        self.data = json.loads(text, object_pairs_hook=without_repetition, parse_constant=no_number)
        names = ["format", "network", "box", "samples", "statements", "unproven", "given", "about"]
        version, network, box, samples, statements, _, given, self.about = fields(self.data, names, "the file")
        require(version == FORMAT, "the file is of a format that is not known")
        require(isinstance(self.about, dict), "about must be an object")
        self.which = "fixed" if is_fixed(given) else "given"
        self.of = "the network with fixed constants" if is_fixed(given) else "the network"
        self.network = Network(network)
        P, Q = self.network.P, self.network.Q
        self.box = tuple(map(tuple, listing(box, numbers(2, "a side of the box"), P, "the box")))
        require(all(low <= high for low, high in self.box), "the box is empty")
        self.x, self.y = [], []
        if samples is not None:
            x, y = fields(samples, ["x", "y"], "the samples")
            self.x = listing(x, numbers(P, "a sample"), None, "the samples")
            self.y = listing(y, numbers(Q, "a sample"), len(self.x), "the samples")
        self.rank_at_most = None
        self.statements = listing(statements, lambda entry: entry, None, "the statements")
        require(self.statements, "the file states nothing")
        if self.page is not None:
            require(self.page == page(self.data), "the text of the page is not that of its data")

    def check(self, statement):
        """Return what was proven; raise where it was not."""
        kind = statement.get("kind") if isinstance(statement, dict) else None
        kinds = {
            "range": self.range, "monotone": self.monotone, "not monotone": self.not_monotone,
            "lipschitz": self.lipschitz, "scaled lipschitz": self.lipschitz, "residual": self.residual,
            "rank": self.rank, "condition": self.condition, "code": self.of_code,
        }  # fmt: skip
        require(isinstance(kind, str) and kind in kinds, "a statement is of a kind that is not known")
        require(statement.get("network") == self.which, f"a statement must be one about {self.of}")
        return kinds[kind](statement)

    def compared(self, name, content):
        """What is known of the network after a comparison with a file; raise where it is another."""
        digest = hashlib.sha256(content).hexdigest()
        named = self.about.get("sha256") or digest  # code of a network in memory names no file
        require(digest == named, f"the certificate names a file of SHA-256 {named}; that of {name} is {digest}")
        archived = network_in(content)
        if archived is None:
            return f"{name} has the SHA-256 that is named; its numbers were not read, as it is no archive of refkan"
        require_same(archived, self.data["network"], "the network")
        computed = [
            text
            for text, found in (
                ("free knots", any(layer["knots"] is COMPUTED for layer in archived["layers"])),
                ("constants of maps that follow from data", COMPUTED in archived["maps"]),
            )
            if found
        ]
        left_out = f", but for {' and '.join(computed)}, which were not recomputed" if computed else ""
        return f"{name} has the SHA-256 that is named, and the numbers of the certificate are its numbers{left_out}"

    def point(self, value, inside=True):
        x = listing(value, number, self.network.P, "a point")
        outside = any(not low <= x_p <= high for x_p, (low, high) in zip(x, self.box, strict=True))
        require(not (inside and outside), "a point lies outside the box")
        return x

    def output(self, q):
        return whole(q, 0, self.network.Q - 1, "output")

    def range(self, s):
        names = ["kind", "network", "output", "low", "least", "least_at", "greatest", "greatest_at", "high", "leaves"]
        _, _, q, low, least, least_at, greatest, greatest_at, high, text = fields(s, names, "a range")
        q, (low, least, greatest, high) = self.output(q), map(number, (low, least, greatest, high))
        found = [self.network.sweep(leaf)[0][q] for leaf in leaves(text, self.box, self.network)]
        lowest, highest = min(f[0] for f in found), max(f[1] for f in found)
        require(low <= lowest, f"values down to {below(lowest)} are not excluded; stated: {below(low)}")
        require(highest <= high, f"values up to {above(highest)} are not excluded; stated: {above(high)}")
        small, large = self.network.value(self.point(least_at))[q][1], self.network.value(self.point(greatest_at))[q][0]
        require(small <= least, f"the value is {above(small)} where at most {above(least)} is stated")
        require(large >= greatest, f"the value is {below(large)} where at least {below(greatest)} is stated")
        return (
            f"output {q + 1} has its minimum in [{below(low)}, {above(least)}] and its maximum in "
            f"[{below(greatest)}, {above(high)}]: {len(found)} leaves bound it by [{below(lowest)}, {above(highest)}]"
        )

    def monotone(self, s):
        names = ["kind", "network", "output", "input", "direction", "slope", "leaves"]
        _, _, q, p, direction, slope, text = fields(s, names, "a monotonicity")
        q, p, slope = self.output(q), whole(p, 0, self.network.P - 1, "input"), number(slope)
        require(direction in ("increasing", "decreasing", "constant"), "a direction that is not known")
        require(self.box[p][0] < self.box[p][1], f"input {p + 1} has one value in the box: nothing rises or falls")
        found = [self.network.sweep(leaf)[2][q][p] for leaf in leaves(text, self.box, self.network)]
        lowest, highest = min(f[0] for f in found), max(f[1] for f in found)
        slopes = f"slopes in [{below(lowest)}, {above(highest)}] on {len(found)} leaves"
        if direction == "constant":
            require(slope == lowest == highest == 0, f"not constant: {slopes}")
        else:
            require(slope > 0, "a slope must be positive")
            least = lowest if direction == "increasing" else -highest
            require(least >= slope, f"not {direction} by {below(slope)}: {slopes}")
        return f"output {q + 1} is {direction} in input {p + 1}: {slopes}"

    def not_monotone(self, s):
        names = ["kind", "network", "output", "input", "rises", "falls"]
        _, _, q, p, *segments = fields(s, names, "a statement")
        q, p = self.output(q), whole(p, 0, self.network.P - 1, "input")
        for segment, sign in zip(segments, (1, -1), strict=True):
            x, y = listing(segment, self.point, 2, "a segment")
            require(x[p] < y[p], "a segment does not lead upwards")
            require(x[:p] + x[p + 1 :] == y[:p] + y[p + 1 :], "a segment moves other inputs")
            low, high = minus(self.network.value(y)[q], self.network.value(x)[q])
            change = f"between two points the change is in [{below(low)}, {above(high)}]"
            require(sign * low > 0 and sign * high > 0, change)
        return f"output {q + 1} is neither increasing nor decreasing in input {p + 1}: both at two pairs of points"

    def lipschitz(self, s):
        names = ["kind", "network", "low", "high", "points", "leaves"]
        kind, _, low, high, ends, text = fields(s, names, "a Lipschitz constant")
        low, high, scaled = number(low), number(high), kind == "scaled lipschitz"
        D = [b - a if scaled else Fraction(1) for a, b in self.box]
        x, y = listing(ends, self.point, 2, "two points")  # in the box: equal in an input whose side is zero
        distance = sum(((a - b) / d) ** 2 for a, b, d in zip(x, y, D, strict=True) if d)
        require(distance > 0 and low >= 0 and high >= 0, "two points are the same, or a bound is negative")
        moved = [minus(a, b) for a, b in zip(self.network.value(x), self.network.value(y), strict=True)]
        least = sum(0 if m[0] <= 0 <= m[1] else min(m[0] ** 2, m[1] ** 2) for m in moved)
        shown = below(root(least / distance))
        require(least >= low**2 * distance, f"the points show {shown} alone, not {below(low)}")
        found = []
        for leaf in leaves(text, self.box, self.network):
            S = self.network.sweep(leaf)[2]
            found.append(sum((size(slope) * d) ** 2 for row in S for slope, d in zip(row, D, strict=True)))
        most = above(root_above(max(found)))
        require(max(found) <= high**2, f"constants up to {most} are not excluded; stated: {above(high)}")
        units = " in units of the sides of the box" if scaled else ""
        bounds = f"[{below(low)}, {above(high)}]"
        return f"the Lipschitz constant{units} is in {bounds}: {len(found)} leaves bound it by {most}"

    def residual(self, s):
        names = ["kind", "network", "output", "low", "high", "sample"]
        _, _, q, low, high, sample = fields(s, names, "a residual")
        q, low, high = self.output(q), number(low), number(high)
        whole(sample, 0, len(self.x) - 1, "sample")
        found = [minus(self.network.value(x)[q], (y[q],) * 2) for x, y in zip(self.x, self.y, strict=True)]
        largest = max(map(size, found))
        require(largest <= high, f"a residual may be {above(largest)}, more than {above(high)}")
        least = max(found[sample][0], -found[sample][1])
        require(least >= low, f"the residual of sample {sample + 1} is {below(least)}, less than {below(low)}")
        bounds = f"[{below(low)}, {above(high)}]"
        return f"the largest residual of output {q + 1} at {len(self.x)} samples is in {bounds}"

    def code(self, s):
        return Code(s, self.network, self.box)

    def of_code(self, s):
        code = self.code(s)
        digest = hashlib.sha256(code.text().encode("ascii")).hexdigest()
        require(digest == s["sha256"], f"the table makes a text of SHA-256 {digest}, not {plain(s['sha256'])[:64]}")
        found = [max(code.errors(leaf)) for leaf in leaves(s["leaves"], self.box, self.network)]
        most = above(max(found))
        require(max(found) <= code.bound, f"errors up to {most} are not excluded; stated: {above(code.bound)}")
        return f"the code in {code.kind.name} is within {above(code.bound)}: {len(found)} leaves bound it by {most}"

    def same_code(self, content):
        """What is known of a file in C after a comparison."""
        made = [s for s in self.statements if isinstance(s, dict) and s.get("kind") == "code"]
        require(made, "the certificate is about no code")
        require(any(self.code(s).text().encode("ascii") == content for s in made), OTHER_CODE)
        return "its text is the one that the table of the certificate makes"

    def jacobian(self, bits):
        return [row for x in self.x for row in self.network.jacobian(x, bits)]

    def rank(self, s):
        names = ["kind", "network", "low", "high", "prime", "rows", "columns", "null"]
        _, _, low, high, p, rows, columns, null = fields(s, names, "a rank")
        n, M = len(self.x) * self.network.Q, self.network.n_params
        require(self.network.rational, "the network has no rational values, and its Jacobian none modulo a prime")
        low, high = whole(low, 0, min(n, M), "low"), whole(high, 0, M, "high")
        p = whole(p, 2, 1 << 200, "prime")
        rows = listing(rows, lambda i: whole(i, 0, n - 1, "a row"), low, "rows")
        columns = listing(columns, lambda i: whole(i, 0, M - 1, "a column"), low, "columns")
        null = listing(null, lambda z: listing(z, rational, M, "a null vector"), None, "null vectors")
        require(high >= min(n, M - len(null)), f"rank at most {high} needs {M - high} null vectors; got {len(null)}")
        J = [{m: v[0] for m, v in row.items()} for row in self.jacobian(None)]
        minor = [[J[i].get(m, Fraction(0)) for m in columns] for i in rows]
        require(rank_modulo(minor, p) == low, f"the minor of size {low} is zero modulo {p}, or not known there")
        if high < n:
            require(rank_modulo(null, p) == len(null), f"the null vectors are not independent modulo {p}")
            zero = all(sum((v * z[m] for m, v in row.items()), Fraction(0)) == 0 for row in J for z in null)
            require(zero, "J Z is not zero")
        self.rank_at_most = high
        rank = f"{low}" if low == high else f"in [{low}, {high}]"
        return f"the Jacobian of {self.of} in its parameters ({n} x {M}) has rank {rank}"

    def condition(self, s):
        names = ["kind", "network", "rank", "smallest", "largest"]
        _, _, rank, smallest, largest = fields(s, names, "a condition number")
        (a, b), (c, d) = (numbers(2, "bounds")(pair) for pair in (smallest, largest))
        M, N = self.network.n_params, len(self.x)
        J = self.jacobian(FINE)
        n = min(len(J), M)
        rank = whole(rank, 1, n, "rank")
        require(rank == n or rank == self.rank_at_most, f"that {n - rank} eigenvalues are zero needs an accepted rank")
        require(0 < a <= b and c <= d, "bounds must be positive and ascend")
        if len(J) >= M:
            J = [{s: row[m] for s, row in enumerate(J) if m in row} for m in range(M)]  # columns
        H = [[product_of(J[i], J[j]) for j in range(i + 1)] for i in range(n)]
        counts = [negative_pivots(H, mu * N) for mu in (a, b, c, d)]
        require(counts[0] <= n - rank, f"{counts[0] - n + rank} eigenvalues that are not zero lie below {below(a)}")
        require(counts[1] > n - rank, f"no eigenvalue that is not zero lies below {above(b)}")
        require(counts[2] < n, f"all eigenvalues lie below {below(c)}")
        require(counts[3] == n, f"an eigenvalue is not below {above(d)}")
        return (
            f"the Gauss-Newton matrix of {self.of} has {rank} eigenvalues that are not 0, from "
            f"[{below(a)}, {above(b)}] to [{below(c)}, {above(d)}]: condition number in "
            f"[{below(c / b)}, {above(d / a)}]"
        )


def product_of(u, v):
    """u . v of two vectors, dicts by index."""
    return outward(plus(ZERO, *(times(x, v[m]) for m, x in u.items() if m in v)), FINE)


def negative_pivots(H, mu):
    """Negative eigenvalues of H - mu I, of whose intervals the lower half is given: those of D in L D L^T."""
    A = [[minus(x, (mu, mu)) if i == j else x for j, x in enumerate(row)] for i, row in enumerate(H)]
    count = 0
    for k in range(len(A)):
        pivot = A[k][k]
        require(not pivot[0] <= 0 <= pivot[1], f"the sign of a pivot is not decided at about {below(mu)}")
        count += pivot[1] < 0
        nonzero = [i for i in range(k + 1, len(A)) if A[i][k] != (0, 0)]
        for i in nonzero:
            factor = outward(over(A[i][k], pivot), FINE)
            for j in nonzero[: nonzero.index(i) + 1]:
                A[i][j] = outward(minus(A[i][j], times(factor, A[j][k])), FINE)
    return count


def rank_modulo(matrix, p):
    """The rank over the integers modulo p, by elimination; where a number has no inverse, p proves nothing."""
    try:
        A = [[x.numerator * pow(x.denominator, -1, p) % p for x in row] for row in matrix]
        rank = 0
        for column in range(len(A[0]) if A else 0):
            pivot = next((i for i in range(rank, len(A)) if A[i][column]), None)
            if pivot is None:
                continue
            A[rank], A[pivot] = A[pivot], A[rank]
            inverse = pow(A[rank][column], -1, p)
            for i in range(rank + 1, len(A)):
                if A[i][column]:
                    factor = A[i][column] * inverse % p
                    A[i] = [(a - factor * b) % p for a, b in zip(A[i], A[rank], strict=True)]
            rank += 1
    except ValueError:
        raise RejectedError(f"a number has no inverse modulo {p}") from None
    return rank


def root(x):
    """A lower bound of a square root, next to it."""
    return Fraction(math.isqrt(x.numerator * x.denominator << 128), x.denominator << 64)


def root_above(x):
    return Fraction(math.isqrt(x.numerator * x.denominator << 128) + 1, x.denominator << 64)


def without_repetition(pairs):
    names = [name for name, _ in pairs]
    twice = [name for name in names if names.count(name) > 1]
    require(not twice, f"a field stands twice: {twice[0] if twice else ''}")
    return dict(pairs)


def no_number(text):
    raise RejectedError(f"{text} is no number")


MALFORMED = (
    ArithmeticError,
    ValueError,
    TypeError,
    LookupError,
    AttributeError,
    RecursionError,
    MemoryError,
    SyntaxError,
    struct.error,
    zipfile.BadZipFile,
    RuntimeError,  # and NotImplementedError
    EOFError,
)
"""What a malformed file brings about."""


def verdict(check, *arguments):
    """What a check returns, or why it is rejected: whatever a malformed file brings about is a reason too."""
    try:
        return True, check(*arguments)
    except RejectedError as error:
        return False, str(error)
    except OSError as error:
        return False, str(error)
    except MALFORMED as error:
        return False, f"malformed: {type(error).__name__}: {str(error)[:200]}"


def content_of(file):
    """The bytes of a regular file: a pipe may never end, and a device never does."""
    descriptor = os.open(file, os.O_RDONLY | getattr(os, "O_NONBLOCK", 0) | getattr(os, "O_BINARY", 0))
    try:
        require(stat.S_ISREG(os.fstat(descriptor).st_mode), "it is no regular file")
        content = b""
        while len(content) <= LARGEST:
            part = os.read(descriptor, LARGEST + 1 - len(content))
            content += part
            if not part:
                return content
    finally:
        os.close(descriptor)
    raise RejectedError(f"it has more than {LARGEST} bytes")


def say(line):
    """Print a line in ASCII: what a file holds must not move the cursor, or look like other letters."""
    characters = (c if " " <= c <= "~" else c.encode("unicode_escape").decode("ascii") for c in line)
    print("".join(characters), flush=True)


def main(arguments=None):
    parser = argparse.ArgumentParser(description="Accept or reject a certificate of a network, statement by statement.")
    parser.add_argument("file", help="the JSON file or the HTML page that `refkan certify` wrote")
    parser.add_argument("--network", metavar="NETWORK.npz", help="the file of the network that it is to be about")
    parser.add_argument("--code", metavar="CODE.c", help="the file in C that it is to be about")
    chosen = parser.parse_args(arguments)
    good, certificate = verdict(lambda: Certificate(content_of(chosen.file).decode("utf-8")))
    if not good:
        say(f"rejected  the file: {certificate}")
        return 1
    if certificate.page is not None:
        say("accepted  the page: its text is that of its data")
    same = True
    if chosen.network is None:
        named = certificate.about.get("sha256")
        say(f"unknown   the network: not compared with a file; the certificate names SHA-256 {named} (--network)")
    else:
        name = os.path.basename(chosen.network)
        same, text = verdict(lambda: certificate.compared(name, content_of(chosen.network)))
        say(f"{'accepted' if same else 'rejected'}  the network: {text}")
    if chosen.code is not None:
        good, text = verdict(lambda: certificate.same_code(content_of(chosen.code)))
        say(f"{'accepted' if good else 'rejected'}  the code: {text}")
        same = same and good
    results = []
    for k, statement in enumerate(certificate.statements):
        good, text = verdict(certificate.check, statement)
        kind = str(statement.get("kind"))[:40] if isinstance(statement, dict) else "unknown"
        say(f"{'accepted' if good else 'rejected'}  statement {k + 1} ({kind}): {text}")
        results.append(good)
    say(f"{sum(results)} of {len(results)} statements accepted")
    return 0 if same and all(results) else 1


if __name__ == "__main__":
    sys.exit(main())
