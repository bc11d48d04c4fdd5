"""Values, derivatives in x and derivatives in theta of a network, from its public fields."""

from dataclasses import dataclass, field
from fractions import Fraction
from functools import lru_cache

import mpmath
import numpy as np

import refkan as rk
from tests.analysis.exact.oracles import bases
from tests.analysis.exact.oracles import polynomials as P
from tests.analysis.exact.oracles.jets import Exact, Jet, rational, sigmoid, sqrt, tanh, to_mp


@lru_cache(maxsize=512)
def _pieces(kind, *arguments):
    return getattr(bases, kind)(*arguments)


@dataclass
class Sum:
    """y_q = sum_p sum_i C[q, p, i] phi_{p,i}(x_p)."""

    inputs: list  # of Pieces
    coefficients: np.ndarray
    offset: int
    number: object  # what makes Fractions numbers of the type in use
    kept: dict = field(default_factory=dict)

    def __call__(self, z, moving):
        out = [None] * len(self.coefficients)
        for p, x in enumerate(z):
            piece = self.inputs[p].index(rational(x.v))
            if moving:
                phi, slopes = ([P.value(f, x.v) for f in functions] for functions in self._functions(p, piece))
            for q, total in enumerate(out):
                f, f1, f2 = self._edge(q, p, piece)
                term = x.through(P.value(f, x.v), P.value(f1, x.v), None if x.h is None else P.value(f2, x.v))
                if moving:
                    start = self.offset + self.coefficients[:q].size + self.coefficients[q, :p].size
                    place = slice(start, start + len(phi))
                    term.g[place] += np.array(phi, object)
                    if term.h is not None:
                        cross = np.outer(np.array(slopes, object), x.g)
                        term.h[place, :] += cross
                        term.h[:, place] += cross.T
                out[q] = term if total is None else total + term
        return out

    def _functions(self, p, piece):
        """The functions of input p on a piece, and their derivatives."""
        if (p, piece) not in self.kept:
            functions = [[self.number(c) for c in f] for f in self.inputs[p].functions[piece]]
            self.kept[p, piece] = functions, [P.derivative(f) for f in functions]
        return self.kept[p, piece]

    def _edge(self, q, p, piece):
        """The function of an edge on a piece, and its first and second derivatives."""
        if (q, p, piece) not in self.kept:
            f = [0 * self.coefficients[q, p, 0]]
            for c, phi in zip(self.coefficients[q, p], self._functions(p, piece)[0], strict=True):
                f = P.add(f, P.scale(c, phi))
            first = P.derivative(f)
            self.kept[q, p, piece] = f, first, P.derivative(first)
        return self.kept[q, p, piece]


@dataclass
class Moving:
    """y_q = sum_p sum_i C[q, p, i] b_i(x_p; s_p), knots that follow s (P, n); tangents beyond the ends."""

    layer: object
    coefficients: np.ndarray
    s: np.ndarray
    offset: int

    def __call__(self, z, moving):
        Q, inputs, dim = self.coefficients.shape
        M = len(z[0].g)
        after = self.offset + self.coefficients.size
        basis = []
        for p, x in enumerate(z):
            a, b = (to_mp(Fraction(float(e))) for e in self.layer.domains[p])
            n, r = self.s.shape[1], self.layer.order
            s = [Jet.constant(v, M) for v in self.s[p]]
            if moving:
                s = [Jet.variable(v, after + p * n + k, M) for k, v in enumerate(self.s[p])]
            e = [v.through(mpmath.exp(v.v), mpmath.exp(v.v)) for v in s]
            total, floor = sum(e[1:], e[0]), Fraction(0.01)
            shares = [(1 - to_mp(floor)) * v / total + to_mp(floor) / n for v in e]
            h = (b - a) / n
            t = [Jet.constant(a - k * h, M) for k in range(r - 1, -1, -1)]
            for share in shares[:-1]:
                t.append(t[-1] + (b - a) * share)
            t += [Jet.constant(b + k * h, M) for k in range(r)]
            if a <= x.v <= b:
                basis.append(self._splines(t, x))
            else:  # the tangent at the end
                end = Jet.constant(a if x.v < a else b, M)
                lower = self._splines(t, end, r - 1)
                slopes = [
                    (r - 1) * (lower[i] / (t[i + r - 1] - t[i]) - lower[i + 1] / (t[i + r] - t[i + 1]))
                    for i in range(dim)
                ]
                basis.append([f + d * (x - end) for f, d in zip(self._splines(t, end), slopes, strict=False)])
        out = []
        for q in range(Q):
            total = Jet.constant(mpmath.mpf(0), M)
            for p in range(inputs):
                for i in range(dim):
                    c = self.coefficients[q, p, i]
                    where = self.offset + (q * inputs + p) * dim + i
                    total = total + (Jet.variable(c, where, M) if moving else c) * basis[p][i]
            out.append(total)
        return out

    def _splines(self, t, x, order=None):
        """Cox and de Boor over numbers that move; the last interval of the domain is closed."""
        r, zero = self.layer.order, Jet.constant(0 * x.v, len(x.g))
        last = len(t) - r
        m = max(k for k in range(r - 1, last) if t[k].v <= x.v)
        out = [zero + 1 if k == m else zero for k in range(len(t) - 1)]
        for d in range(2, (order or r) + 1):
            out = [
                (x - t[i]) / (t[i + d - 1] - t[i]) * out[i] + (t[i + d] - x) / (t[i + d] - t[i + 1]) * out[i + 1]
                for i in range(len(t) - d)
            ]
        return out


def silu_derivatives(z):
    """silu(z) and its first and second derivatives."""
    sigma = sigmoid(z)
    d1 = sigma * (1 - sigma)
    return z * sigma, sigma + z * d1, 2 * d1 + z * d1 * (1 - 2 * sigma)


@dataclass
class Silu:
    """w_b silu(x) + w_s sum_i C_i b_i(x) on each edge."""

    spline: Sum
    w_b: np.ndarray
    w_s: np.ndarray

    def __call__(self, z, moving):
        Q, inputs = self.w_b.shape
        C, out = self.spline.coefficients, []
        for q in range(Q):
            total = None
            for p, x in enumerate(z):
                silu = x.through(*silu_derivatives(x.v))
                start = self.spline.offset + C[:q].size + C[q, :p].size
                f = Sum([self.spline.inputs[p]], C[q : q + 1, p : p + 1], start, self.spline.number)([x], moving)[0]
                w_b, w_s = self.w_b[q, p], self.w_s[q, p]
                if moving:
                    base = self.spline.offset + C.size + q * inputs + p
                    M, second = len(x.g), x.h is not None
                    w_b = Jet.variable(w_b, base, M, second)
                    w_s = Jet.variable(w_s, base + Q * inputs, M, second)
                term = w_b * silu + w_s * f
                total = term if total is None else total + term
            out.append(total)
        return out


ACTIVATIONS = {
    "silu": silu_derivatives,
    "identity": lambda z: (z, 1 + 0 * z, 0 * z),
    "relu": lambda z: (0 * z, 0 * z, 0 * z) if z < 0 else (z, 1 + 0 * z, 0 * z),
    "relu3": lambda z: (0 * z, 0 * z, 0 * z) if z < 0 else (z * z * z, 3 * z * z, 6 * z),
    "tanh": lambda z: (tanh(z), 1 - tanh(z) ** 2, -2 * tanh(z) * (1 - tanh(z) ** 2)),
}


@dataclass
class Dense:
    """activation(W x + bias)."""

    weights: np.ndarray
    bias: np.ndarray | None
    activation: str
    offset: int

    def __call__(self, z, moving):
        Q, inputs = self.weights.shape
        M, second, out = len(z[0].g), z[0].h is not None, []
        for q in range(Q):
            total = Jet.constant(0 * z[0].v, M, second)
            for p, x in enumerate(z):
                w = self.weights[q, p]
                total = total + (Jet.variable(w, self.offset + q * inputs + p, M, second) if moving else w) * x
            if self.bias is not None:
                w = self.bias[q]
                total = total + (Jet.variable(w, self.offset + Q * inputs + q, M, second) if moving else w)
            out.append(total.through(*ACTIVATIONS[self.activation](total.v)))
        return out


def edge_pieces(layer):
    """The functions of each input of a layer of splines, ReLU powers or Chebyshev polynomials."""
    if isinstance(layer, rk.ChebyshevLayer):
        return [_pieces("chebyshev", tuple(map(float, ends)), layer.degree, layer.outside) for ends in layer.ends]
    knots = [tuple(map(float, space.knots)) for space in layer.spaces]
    if isinstance(layer, rk.ReluLayer):
        return [_pieces("relu_powers", k, layer.order, layer.outside, layer.scaled) for k in knots]
    return [_pieces("splines", k, layer.order, layer.outside) for k in knots]


class OracleNetwork:
    """A network at theta, over numbers of some arithmetic."""

    def __init__(self, net, theta, arithmetic=Exact):
        self.net, self.arithmetic, self.size = net, arithmetic, net.n_params
        self.layers = [
            self._layer(layer, blocks, place.start)
            for layer, blocks, place in zip(net.layers, net.unpack(np.asarray(theta, float)), net.slices, strict=False)
        ]

    def _numbers(self, array):
        array = np.asarray(array, float)
        out = np.empty(array.shape, object)
        for index in np.ndindex(array.shape):
            out[index] = self.arithmetic.number(float(array[index]))
        return out

    def _layer(self, layer, blocks, offset):
        blocks = {name: self._numbers(block) for name, block in blocks.items()}
        if isinstance(layer, rk.DenseLayer):
            return Dense(blocks["weights"], blocks.get("bias"), layer.activation, offset)
        if isinstance(layer, rk.SiluLayer):
            spline = Sum(edge_pieces(layer.spline), blocks["coefficients"], offset, self.arithmetic.number)
            return Silu(spline, blocks["w_b"], blocks["w_s"])
        if "s" in blocks:
            return Moving(layer, blocks["coefficients"], blocks["s"], offset)
        return Sum(edge_pieces(layer), blocks["coefficients"], offset, self.arithmetic.number)

    def _mapped(self, node_map, samples, batch):
        """Bring rows of activations into the next domain; the constants follow `batch`, rows of activations."""
        name = node_map.name
        if name == "none":
            return samples
        constants = []
        for q in range(len(samples[0])):
            if name == "affine":
                constants.append((Fraction(float(node_map.scale[q])), Fraction(float(node_map.shift[q]))))
                continue
            a, b = (Fraction(float(e)) for e in node_map.domains[q])
            if name == "sigmoid":
                constants.append((b - a, a))
                continue
            column = [row[q] for row in batch]
            if name == "min-max":
                low, high = min(column, key=lambda y: y.v), max(column, key=lambda y: y.v)
                constants.append(self._onto(a, b, low, high))
            else:
                mean = sum(column[1:], column[0]) * self.arithmetic.number(Fraction(1, len(column)))
                squares = [(y - mean) * (y - mean) for y in column]
                variance = sum(squares[1:], squares[0]) * self.arithmetic.number(Fraction(1, len(column)))
                root = sqrt(variance.v)
                std = variance.through(root, 1 / (2 * root), -1 / (4 * root**3))
                scale = self.arithmetic.number((b - a) / 2 / Fraction(5, 2)) / std
                constants.append((scale, self.arithmetic.number((a + b) / 2) - scale * mean))
        out = []
        for row in samples:
            mapped = []
            for y, (scale, shift) in zip(row, constants, strict=False):
                if isinstance(scale, Fraction):
                    scale, shift = self.arithmetic.number(scale), self.arithmetic.number(shift)
                if name == "sigmoid":
                    s = sigmoid(y.v)
                    d1 = s * (1 - s)
                    y = y.through(s, d1, d1 * (1 - 2 * s))
                mapped.append(scale * y + shift)
            out.append(mapped)
        return out

    def _onto(self, a, b, low, high):
        scale = self.arithmetic.number(b - a) / (high - low)
        return scale, self.arithmetic.number(a) - scale * low

    def _forward(self, samples, moving):
        """All samples through the network, with the statistics batch in front."""
        batch = []
        if self.net.statistics is not None and moving:
            batch = [
                self._constants(row, len(samples[0][0].g), samples[0][0].h is not None) for row in self.net.statistics
            ]
        rows = [*batch, *samples]
        for k, layer in enumerate(self.layers):
            rows = [layer(row, moving) for row in rows]
            if k < len(self.net.node_maps):
                rows = self._mapped(self.net.node_maps[k], rows, rows[: len(batch)])
        return rows[len(batch) :]

    def _constants(self, row, size, second):
        return [Jet.constant(self.arithmetic.number(Fraction(x)), size, second) for x in map(_plain, row)]

    def in_inputs(self, x, second=True):
        """The outputs at one x, with derivatives in x: at knots those of the right; no map with a batch."""
        P_ = len(x)
        z = [Jet.variable(self.arithmetic.number(Fraction(v)), p, P_, second) for p, v in enumerate(map(_plain, x))]
        return self._forward([z], moving=False)[0]

    def in_parameters(self, x, second=False):
        """The outputs at rows x (N, P), with derivatives in theta."""
        return self._forward([self._constants(row, self.size, second) for row in x], moving=True)


def _plain(v):
    return v if isinstance(v, (Fraction, int)) else float(v)
