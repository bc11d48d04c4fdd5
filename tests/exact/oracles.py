"""Networks written down a second time, from the papers, over Fractions or mpmath: no formula of refkan is used.

Of a network its plain data are taken, `truth_form()`. Numbers carry their first and second derivatives in theta along,
as sparse dicts; which polynomial is in force is decided by their values. Conventions: right limits inside a domain, its
last interval closed, tails as documented, the right slope at kinks.
"""

import os
from fractions import Fraction

import mpmath
import numpy as np

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


class Layer:
    """One layer at theta, a list of Numbers."""

    def __init__(self, form, theta, number):
        self.form, self.kind, self.number = form, form["kind"], number
        self.spline = form["spline"] if self.kind == "silu" else form
        if self.kind == "dense":
            P, Q = form["n_inputs"], form["n_outputs"]
            self.n_params = Q * (P + form["bias"])
            self.theta = theta[: self.n_params]
            self.outputs = Q
            return
        s = self.spline
        self.inputs, self.outputs = len(s.get("knots") or s["domains"]), s["n_outputs"]
        if s["kind"] == "chebyshev":
            self.dim = s["degree"] + 1
            self.domains = [[exact(e, number) for e in pair] for pair in s["domains"]]
        else:
            r = s["order"]
            self.knots = [[exact(t, number) for t in row] for row in s["knots"]]
            self.dim = len(self.knots[0]) - r
            self.domains = [(row[r - 1], row[len(row) - r]) for row in self.knots]
        n = self.outputs * self.inputs * self.dim
        if s.get("floor") is not None:
            size = len(self.knots[0]) - 2 * r + 1
            self.knots = [
                self.free(theta[n + p * size : n + (p + 1) * size], self.domains[p], r) for p in range(self.inputs)
            ]
            n += self.inputs * size
        self.first = n
        self.n_params = n + (2 * self.outputs * self.inputs if self.kind == "silu" else 0)
        self.theta = theta[: self.n_params]

    def free(self, s, domain, r):
        (a, b), n = domain, len(s)
        floor = exact(self.spline["floor"], self.number)
        e = [exponential(x) for x in s]
        total = sum(e[1:], e[0])
        q = [x / total * (1 - floor) + floor / n for x in e]
        h = (b - a) / n
        inner, at = [], Number(a)
        for share in q[:-1]:
            at = at + share * (b - a)
            inner.append(at)
        before = [a - k * h for k in range(r - 1, 0, -1)]
        return [Number(t) if not isinstance(t, Number) else t for t in
                [*before, a, *inner, b, *(b + k * h for k in range(1, r))]]  # fmt: skip

    def functions(self, p, z):
        s = self.spline
        outside = "polynomial" if s["outside"] == "error" else s["outside"]
        if s["kind"] == "chebyshev":
            a, b = self.domains[p]
            return with_tail(
                lambda x: chebyshev_functions((a, b), s["degree"], x), (a, b), z, not a <= z.v <= b, outside
            )
        knots, r = self.knots[p], s["order"]
        m, is_outside = piece(knots, r, z.v, outside)
        scale = exact(s["scale"][p], self.number) if s["kind"] != "spline" else None
        if s["kind"] == "spline":
            return with_tail(lambda x: spline_functions(knots, r, x, m), self.domains[p], z, is_outside, outside)
        return with_tail(lambda x: power_functions(knots, r, x, m, scale), self.domains[p], z, is_outside, outside)

    def value(self, x):
        theta = self.theta
        if self.kind == "dense":
            P, Q = len(x), self.outputs
            out = []
            for q in range(Q):
                y = Number(0 * x[0].v)
                for p in range(P):
                    y = y + theta[q * P + p] * x[p]
                out.append(activation(self.form["activation"], y + theta[Q * P + q] if self.form["bias"] else y))
            return out
        rows = [self.functions(p, z) for p, z in enumerate(x)]
        out = []
        for q in range(self.outputs):
            y = Number(0 * x[0].v)
            for p, row in enumerate(rows):
                edge = q * self.inputs + p
                spline = Number(0 * x[0].v)
                for i, f in enumerate(row):
                    spline = spline + theta[edge * self.dim + i] * f
                if self.kind == "silu":
                    edges = self.outputs * self.inputs
                    w_b, w_s = theta[self.first + edge], theta[self.first + edges + edge]
                    y = y + w_b * x[p] * logistic(x[p]) + w_s * spline
                else:
                    y = y + spline
            out.append(y)
        return out


def exponential(x):
    e = mpmath.exp(x.v)
    return x.of(e, e, e)


def logistic(x):
    return (exponential(-x) + 1).reciprocal()


def activation(name, y):
    if name == "identity":
        return y
    if name == "tanh":
        return logistic(y * 2) * 2 - 1
    return y.power(3 if name == "relu3" else 1) if y.v >= 0 else y * 0


def root(x):
    s = mpmath.sqrt(x.v)
    return x.of(s, 1 / (2 * s), -1 / (4 * s**3))


def node_map(form, columns, batch, number):
    """z of every node, columns of Numbers; the first `batch` entries are those of the statistics."""
    kind, out = form["kind"], []
    if kind == "none":
        return columns
    for q, y in enumerate(columns):
        if kind == "affine":
            scale, shift = (exact(form[key][q], number) for key in ("scale", "shift"))
            out.append([v * scale + shift for v in y])
            continue
        a, b = (exact(e, number) for e in form["domains"][q])
        if kind == "sigmoid":
            out.append([logistic(v) * (b - a) + a for v in y])
        elif kind == "min-max":
            values = [v.v for v in y[:batch]]
            low, high = y[values.index(min(values))], y[values.index(max(values))]
            out.append([(v - low) / (high - low) * (b - a) + a for v in y])
        else:
            kappa = exact(form["kappa"], number)
            mean = sum(y[1:batch], y[0]) / number(batch)
            squares = [(v - mean) * (v - mean) for v in y[:batch]]
            std = root(sum(squares[1:], squares[0]) / number(batch))
            out.append([(v - mean) / std * ((b - a) / (2 * kappa)) + (a + b) / 2 for v in y])
    return out


def outputs(net, theta, x, number, second=False):
    """The outputs F_q(x_s) as Numbers that carry their derivatives in theta, sample by sample."""
    global SECOND
    SECOND = second
    try:
        batch = [] if net.statistics is None else list(net.statistics)
        z = [[Number(exact(v, number)) for v in row] for row in [*batch, *np.asarray(x)]]
        at = [Number(exact(v, number), {m: number(1)}) for m, v in enumerate(theta)]
        for k, layer in enumerate(net.layers):
            here = Layer(layer.truth_form(), at, number)
            at = at[here.n_params :]
            z = [here.value(row) for row in z]
            if k < len(net.node_maps):
                columns = node_map(net.node_maps[k].truth_form(), list(zip(*z, strict=True)), len(batch), number)
                z = [list(row) for row in zip(*columns, strict=True)]
        return z[len(batch) :]
    finally:
        SECOND = False


def jacobian(net, theta, x, number):
    """Rows of dF/dtheta, sample-major."""
    columns = range(len(theta))
    return [[y.g.get(m, number(0)) for m in columns] for row in outputs(net, theta, x, number) for y in row]


def curvatures(problem, theta):
    """Gauss-Newton matrix and Hessian of 1/(2N) sum_s w_s |F - y|^2, as mpmath matrices."""
    number, M, N = mpmath.mpf, len(theta), len(problem.x)
    weights = np.ones(N) if problem.weights is None else problem.weights
    G, H = mpmath.zeros(M), mpmath.zeros(M)
    for row, target, w in zip(outputs(problem.net, theta, problem.x, number, True), problem.y, weights, strict=True):
        share = exact(w, number) / N
        for y, t in zip(row, target, strict=True):
            misfit = y.v - exact(t, number)
            for m, a in y.g.items():
                for l, b in y.g.items():
                    G[m, l] += share * a * b
            for (m, l), h in y.H.items():
                H[m, l] += share * misfit * h
                if m != l:
                    H[l, m] += share * misfit * h
    return G, H + G


def rank(rows):
    """Rank of a matrix of Fractions, modulo a prime of 61 bits; of mpmath numbers, to half the digits in use."""
    if not rows:
        return 0
    if isinstance(rows[0][0], Fraction):
        rows = [[v.numerator * pow(v.denominator, -1, PRIME) % PRIME for v in row] for row in rows]
        return _modular_rank(rows)
    tiny = mpmath.mpf(10) ** (-mpmath.mp.dps // 2)
    columns = [max(map(abs, column)) or mpmath.mpf(1) for column in zip(*rows, strict=True)]
    rows = [[v / c for v, c in zip(row, columns, strict=True)] for row in rows]
    rows = [[v / size for v in row] for row in rows if (size := max(map(abs, row)))]
    found = 0
    while rows:
        size, i, j = max((abs(v), i, j) for i, row in enumerate(rows) for j, v in enumerate(row))
        if size < tiny:
            break
        found += 1
        pivot = rows.pop(i)
        rows = [[v - row[j] / pivot[j] * w for v, w in zip(row, pivot, strict=True)] for row in rows]
    return found


def _modular_rank(rows):
    found = 0
    for j in range(len(rows[0])):
        i = next((i for i in range(found, len(rows)) if rows[i][j]), None)
        if i is None:
            continue
        rows[found], rows[i] = rows[i], rows[found]
        pivot = rows[found]
        inverse = pow(pivot[j], -1, PRIME)
        for k in range(found + 1, len(rows)):
            if rows[k][j]:
                factor = rows[k][j] * inverse % PRIME
                rows[k] = [(a - factor * b) % PRIME for a, b in zip(rows[k], pivot, strict=True)]
        found += 1
    return found


def eigenvalues(matrix):
    """Eigenvalues of a symmetric mpmath matrix, falling, without those that are zero to four fifths of the digits."""
    values = sorted(mpmath.eigsy(matrix, eigvals_only=True), reverse=True)
    largest = max(map(abs, values))
    return [v for v in values if abs(v) > largest * mpmath.mpf(10) ** (-4 * mpmath.mp.dps // 5)]
