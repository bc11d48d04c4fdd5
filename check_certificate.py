"""Check a certificate that `refkan certify` wrote: accept or reject each statement about a network, and say why.

    python check_certificate.py FILE        FILE is the JSON file or the HTML page; exit code 0: all are accepted

This program needs Python alone. It shares no code with refkan, and works over rational numbers: every float64 in the
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
Condition. J^T J/N - mu I has as many negative eigenvalues as negative pivots (Sylvester): so many are below mu. Where
           there are fewer rows than columns J J^T/N is taken, which has the same eigenvalues that are not zero.
"""

import argparse
import json
import math
import re
import sys
from fractions import Fraction
from functools import lru_cache
from itertools import pairwise, product

BITS = 128
"""Digits that intervals keep, rounded outwards."""

FINE = 320
"""Digits of the matrix of a condition number."""


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
    if abs(x) > 4 * bits:
        e = Fraction(0), Fraction(1, 1 << min(int(abs(x)), 4096))
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
    g = sigmoid(x, bits)
    return times(g, (1 - g[1], 1 - g[0]))


def silu_slope(x, bits):
    """g + x g (1 - g), g the sigmoid."""
    return plus(sigmoid(x, bits), times((x, x), sigmoid_slope(x, bits)))


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


def hull(p, x):
    """Bounds of a polynomial over an interval: Bernstein coefficients b_j = sum_k binom(j, k)/binom(d, k) c_k."""
    low, h, c = x[0], x[1] - x[0], list(p)
    if h == 0:
        return (at(p, low),) * 2
    d = len(c) - 1
    for i in range(d):  # Taylor coefficients at the lower end
        for k in range(d - 1, i - 1, -1):
            c[k] += low * c[k + 1]
    c = [c_k * h**k / math.comb(d, k) for k, c_k in enumerate(c)]
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
        """Bounds of every output over a box, of its value at the middle, and of the matrix S, one row an output."""
        middle = [(middle_of(*x),) * 2 for x in box]
        reach = [minus(x, c) for x, c in zip(box, middle, strict=True)]
        ranges, centres = list(box), middle
        slopes = [[(Fraction(int(i == p)),) * 2 for i in range(self.P)] for p in range(self.P)]
        for k, layer in enumerate(self.layers):
            inputs, edges = range(layer.P), [[layer.edge(q, p) for p in range(layer.P)] for q in range(layer.Q)]
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
        return ranges, centres, slopes

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


# ---------------------------------------------------------------- statements


class Certificate:
    def __init__(self, text):
        if text.lstrip()[:1] == "<":
            embedded = re.search(r'<script type="application/json" id="certificate">(.*?)</script>', text, re.DOTALL)
            require(embedded, "the page holds no certificate")
            text = embedded.group(1)
        data = json.loads(text, object_pairs_hook=without_repetition, parse_constant=no_number)
        names = ["format", "network", "box", "samples", "statements", "unproven", "about"]
        version, network, box, samples, statements, *_ = fields(data, names, "the file")
        require(version == "refkan certificate 1", "the file is of a format that is not known")
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

    def check(self, statement):
        """Return what was proven; raise where it was not."""
        kind = statement.get("kind") if isinstance(statement, dict) else None
        kinds = {
            "range": self.range, "monotone": self.monotone, "not monotone": self.not_monotone,
            "lipschitz": self.lipschitz, "scaled lipschitz": self.lipschitz, "residual": self.residual,
            "rank": self.rank, "condition": self.condition,
        }  # fmt: skip
        require(isinstance(kind, str) and kind in kinds, "a statement is of a kind that is not known")
        return kinds[kind](statement)

    def point(self, value, inside=True):
        x = listing(value, number, self.network.P, "a point")
        outside = any(not low <= x_p <= high for x_p, (low, high) in zip(x, self.box, strict=True))
        require(not (inside and outside), "a point lies outside the box")
        return x

    def output(self, q):
        return whole(q, 0, self.network.Q - 1, "output")

    def range(self, s):
        names = ["kind", "output", "low", "least", "least_at", "greatest", "greatest_at", "high", "leaves"]
        _, q, low, least, least_at, greatest, greatest_at, high, text = fields(s, names, "a range")
        q, (low, least, greatest, high) = self.output(q), map(number, (low, least, greatest, high))
        found = [self.network.sweep(leaf)[0][q] for leaf in leaves(text, self.box, self.network)]
        below, above = min(f[0] for f in found), max(f[1] for f in found)
        require(low <= below, f"values down to {shown(below)} are not excluded; stated: {shown(low)}")
        require(above <= high, f"values up to {shown(above)} are not excluded; stated: {shown(high)}")
        reached = self.network.value(self.point(least_at))[q][1], self.network.value(self.point(greatest_at))[q][0]
        require(reached[0] <= least, f"the value is {shown(reached[0])} where at most {shown(least)} is stated")
        require(reached[1] >= greatest, f"the value is {shown(reached[1])} where at least {shown(greatest)} is stated")
        return (
            f"output {q + 1} has its minimum in [{shown(low)}, {shown(least)}] and its maximum in [{shown(greatest)}, "
            f"{shown(high)}]: {len(found)} leaves bound it by [{shown(below)}, {shown(above)}]"
        )

    def monotone(self, s):
        _, q, p, direction, slope, text = fields(
            s, ["kind", "output", "input", "direction", "slope", "leaves"], "a monotonicity"
        )
        q, p, slope = self.output(q), whole(p, 0, self.network.P - 1, "input"), number(slope)
        require(direction in ("increasing", "decreasing", "constant"), "a direction that is not known")
        found = [self.network.sweep(leaf)[2][q][p] for leaf in leaves(text, self.box, self.network)]
        below, above = min(f[0] for f in found), max(f[1] for f in found)
        told = f"slopes in [{shown(below)}, {shown(above)}] on {len(found)} leaves"
        if direction == "constant":
            require(slope == below == above == 0, f"not constant: {told}")
        else:
            require(slope > 0, "a slope must be positive")
            least = below if direction == "increasing" else -above
            require(least >= slope, f"not {direction} by {shown(slope)}: {told}")
        return f"output {q + 1} is {direction} in input {p + 1}: {told}"

    def not_monotone(self, s):
        _, q, p, *segments = fields(s, ["kind", "output", "input", "rises", "falls"], "a statement")
        q, p = self.output(q), whole(p, 0, self.network.P - 1, "input")
        for segment, sign in zip(segments, (1, -1), strict=True):
            x, y = listing(segment, self.point, 2, "a segment")
            require(x[p] < y[p], "a segment does not lead upwards")
            require(x[:p] + x[p + 1 :] == y[:p] + y[p + 1 :], "a segment moves other inputs")
            step = minus(self.network.value(y)[q], self.network.value(x)[q])
            require(sign * step[0] > 0 and sign * step[1] > 0, f"between two points the change is {shown(step[0])}")
        return f"output {q + 1} is neither increasing nor decreasing in input {p + 1}: both at two pairs of points"

    def lipschitz(self, s):
        kind, low, high, ends, text = fields(s, ["kind", "low", "high", "points", "leaves"], "a Lipschitz constant")
        low, high, scaled = number(low), number(high), kind == "scaled lipschitz"
        D = [b - a if scaled else Fraction(1) for a, b in self.box]
        x, y = listing(ends, self.point, 2, "two points")  # in the box: equal in an input whose side is zero
        distance = sum(((a - b) / d) ** 2 for a, b, d in zip(x, y, D, strict=True) if d)
        require(distance > 0 and low >= 0 and high >= 0, "two points are the same, or a bound is negative")
        moved = [minus(a, b) for a, b in zip(self.network.value(x), self.network.value(y), strict=True)]
        least = sum(0 if m[0] <= 0 <= m[1] else min(m[0] ** 2, m[1] ** 2) for m in moved)
        require(least >= low**2 * distance, f"the points show {shown(root(least / distance))} alone, not {shown(low)}")
        found = []
        for leaf in leaves(text, self.box, self.network):
            S = self.network.sweep(leaf)[2]
            found.append(sum((size(slope) * d) ** 2 for row in S for slope, d in zip(row, D, strict=True)))
        most = shown(root(max(found)))
        require(max(found) <= high**2, f"constants up to {most} are not excluded; stated: {shown(high)}")
        bounds = f"[{shown(low)}, {shown(high)}]"
        units = " in units of the sides of the box" if scaled else ""
        return f"the Lipschitz constant{units} is in {bounds}: {len(found)} leaves bound it by {most}"

    def residual(self, s):
        _, q, low, high, sample = fields(s, ["kind", "output", "low", "high", "sample"], "a residual")
        q, low, high = self.output(q), number(low), number(high)
        whole(sample, 0, len(self.x) - 1, "sample")
        found = [minus(self.network.value(x)[q], (y[q],) * 2) for x, y in zip(self.x, self.y, strict=True)]
        largest = max(map(size, found))
        require(largest <= high, f"a residual is {shown(largest)}, more than {shown(high)}")
        least = max(found[sample][0], -found[sample][1])
        require(least >= low, f"the residual of sample {sample + 1} is {shown(least)}, less than {shown(low)}")
        return f"the largest residual of output {q + 1} at {len(self.x)} samples is in [{shown(low)}, {shown(high)}]"

    def jacobian(self, bits):
        return [row for x in self.x for row in self.network.jacobian(x, bits)]

    def rank(self, s):
        _, low, high, p, rows, columns, null = fields(
            s, ["kind", "low", "high", "prime", "rows", "columns", "null"], "a rank"
        )
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
        return f"the Jacobian ({n} x {M}) has rank " + (f"{low}" if low == high else f"in [{low}, {high}]")

    def condition(self, s):
        _, rank, smallest, largest = fields(s, ["kind", "rank", "smallest", "largest"], "a condition number")
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
        require(counts[0] <= n - rank, f"{counts[0] - n + rank} eigenvalues that are not zero lie below {shown(a)}")
        require(counts[1] > n - rank, f"no eigenvalue that is not zero lies below {shown(b)}")
        require(counts[2] < n, f"all eigenvalues lie below {shown(c)}")
        require(counts[3] == n, f"an eigenvalue is not below {shown(d)}")
        return (
            f"the Gauss-Newton matrix has {rank} eigenvalues that are not 0, from [{shown(a)}, {shown(b)}] to "
            f"[{shown(c)}, {shown(d)}]: condition number in [{shown(c / b)}, {shown(d / a)}]"
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
        require(not pivot[0] <= 0 <= pivot[1], f"the sign of a pivot is not decided at {shown(mu)}")
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


def shown(x):
    try:
        return f"{float(x):.17g}"
    except OverflowError:
        return "more than 1.8e308" if x > 0 else "less than -1.8e308"


def root(x):
    """About the square root, for messages."""
    return Fraction(math.isqrt(x.numerator * x.denominator << 128), x.denominator << 64)


def without_repetition(pairs):
    names = [name for name, _ in pairs]
    twice = [name for name in names if names.count(name) > 1]
    require(not twice, f"a field stands twice: {twice[0] if twice else ''}")
    return dict(pairs)


def no_number(text):
    raise RejectedError(f"{text} is no number")


def verdict(check, *arguments):
    """What a check returns, or why it is rejected: whatever a malformed file brings about is a reason too."""
    try:
        return True, check(*arguments)
    except RejectedError as error:
        return False, str(error)
    except (ArithmeticError, ValueError, TypeError, LookupError, AttributeError, RecursionError, MemoryError) as error:
        return False, f"malformed: {type(error).__name__}: {str(error)[:200]}"


def main(arguments=None):
    parser = argparse.ArgumentParser(description="Accept or reject a certificate of a network, statement by statement.")
    parser.add_argument("file", help="the JSON file or the HTML page that `refkan certify` wrote")
    file = parser.parse_args(arguments).file
    try:
        with open(file, encoding="utf-8") as stream:
            good, certificate = verdict(Certificate, stream.read())
    except (OSError, UnicodeDecodeError) as error:
        good, certificate = False, str(error)
    if not good:
        print(f"rejected  the file: {certificate}")
        return 1
    results = []
    for k, statement in enumerate(certificate.statements):
        good, text = verdict(certificate.check, statement)
        kind = str(statement.get("kind"))[:40] if isinstance(statement, dict) else "unknown"
        print(f"{'accepted' if good else 'rejected'}  statement {k + 1} ({kind}): {text}", flush=True)
        results.append(good)
    print(f"{sum(results)} of {len(results)} statements accepted")
    return 0 if all(results) else 1


if __name__ == "__main__":
    sys.exit(main())
