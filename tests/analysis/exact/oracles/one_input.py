"""A network of one input, or one layer of several, as exact pieces: its greatest values, slopes and differences.

Where a hidden activation meets a knot is an algebraic number; it is cut at a rational one beside it, right to 2^-160 of
the piece, which is far below what any float64 certificate can tell apart. A network of one layer is a sum of functions
of its inputs, so that greatest values are sums of those of its terms.
"""

import itertools
from dataclasses import dataclass

from tests.analysis.exact.oracles import polynomials as P
from tests.analysis.exact.oracles.jets import Rationals, rational
from tests.analysis.exact.oracles.networks import OracleNetwork


@dataclass(frozen=True)
class Piecewise:
    """Polynomials between cuts, both ends included: polynomials[k] on [cuts[k], cuts[k+1]]."""

    cuts: tuple
    polynomials: tuple

    def at(self, cuts):
        """The same function on finer cuts."""
        out, k = [], 0
        for x in cuts[:-1]:
            while k + 1 < len(self.polynomials) and self.cuts[k + 1] <= x:
                k += 1
            out.append(self.polynomials[k])
        return Piecewise(tuple(cuts), tuple(out))

    def with_(self, other, operation):
        """Combine two functions piece by piece."""
        cuts = ends({*self.cuts, *other.cuts})
        pairs = zip(self.at(cuts).polynomials, other.at(cuts).polynomials, strict=False)
        return Piecewise(tuple(cuts), tuple(operation(p, q) for p, q in pairs))

    def __add__(self, other):
        return self.with_(other, P.add)

    def __sub__(self, other):
        return self.with_(other, lambda p, q: P.add(p, P.scale(-1, q)))

    def __mul__(self, other):
        return self.with_(other, P.mul)

    def each(self, operation):
        """The same operation on every piece."""
        return Piecewise(self.cuts, tuple(map(operation, self.polynomials)))

    def extremes(self):
        """Infimum and supremum, limits at cuts included."""
        ranges = [P.extremes(p, a, b) for p, a, b in zip(self.polynomials, self.cuts, self.cuts[1:], strict=False)]
        return min(low for low, _ in ranges), max(high for _, high in ranges)

    def size(self):
        """An upper bound of the absolute value, by which rounding of the cuts is measured."""
        pieces = zip(self.polynomials, self.cuts, self.cuts[1:], strict=False)
        return max(max(map(abs, P.bernstein(p, a, b))) for p, a, b in pieces)


def ends(marks):
    """The marks in order, a single one twice: the two ends of a point."""
    return sorted(marks) if len(marks) > 1 else [*marks] * 2


def edge(pieces, coefficients, inner):
    """sum_i C_i phi_i(inner(x))."""
    cuts, out = [inner.cuts[0]], []
    outer = [
        _sum(P.scale(c, list(map(Rationals.number, f))) for c, f in zip(coefficients, functions, strict=False))
        for functions in pieces.functions
    ]
    knots = [Rationals.number(t) for t in pieces.cuts]
    for z, a, b in zip(inner.polynomials, inner.cuts, inner.cuts[1:], strict=False):
        marks = {a, b}
        for t in knots:
            marks.update(P.sign_changes(P.add(z, [-t]), a, b))
        marks = ends(marks)
        for low, high in itertools.pairwise(marks):
            middle = P.value(z, (low + high) / 2)
            out.append(P.compose(outer[pieces.index(rational(middle))], z))
            cuts.append(high)
    return Piecewise(tuple(cuts), tuple(out))


def _sum(polynomials):
    total = []
    for p in polynomials:
        total = P.add(total, p)
    return total


def _layer(layer, z):
    Q, inputs, _ = layer.coefficients.shape
    out = []
    for q in range(Q):
        terms = [edge(layer.inputs[p], layer.coefficients[q, p], z[p]) for p in range(inputs)]
        out.append(sum(terms[1:], terms[0]))
    return out


def one_input_network(net, theta, low, high):
    """The outputs over [low, high] of a network of one input, with maps none and affine."""
    oracle = OracleNetwork(net, theta, Rationals)
    z = [_identity(low, high)]
    for k, layer in enumerate(oracle.layers):
        z = _layer(layer, z)
        if k < len(net.node_maps) and net.node_maps[k].name == "affine":
            constants = (
                map(Rationals.number, map(float, row)) for row in (net.node_maps[k].scale, net.node_maps[k].shift)
            )
            z = [f.each(lambda p, s=s, t=t: P.add(P.scale(s, p), [t])) for f, s, t in zip(z, *constants, strict=True)]
    return z


def _identity(low, high):
    """The function x on an interval."""
    a, b = (Rationals.number(end) for end in map(float, (low, high)))
    return Piecewise((a, b), ([0 * a, 0 * a + 1],))


def one_layer_network(net, theta, box):
    """The terms [q][p] of the outputs of a network of one layer, each over its side of the box."""
    (layer,) = OracleNetwork(net, theta, Rationals).layers
    Q, inputs, _ = layer.coefficients.shape
    sides = [_identity(a, b) for a, b in box]
    return [[edge(layer.inputs[p], layer.coefficients[q, p], sides[p]) for p in range(inputs)] for q in range(Q)]
