"""Networks, their Jacobians and Hessians over the numbers of `dual_numbers`, with ranks and eigenvalues of matrices."""

from fractions import Fraction

import mpmath
import numpy as np

from tests.analysis.exact import dual_numbers
from tests.analysis.exact.dual_numbers import (
    PRIME,
    Number,
    chebyshev_functions,
    exact,
    piece,
    power_functions,
    spline_functions,
    with_tail,
)


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
    dual_numbers.SECOND = second
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
        dual_numbers.SECOND = False


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
