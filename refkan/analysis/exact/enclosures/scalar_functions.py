r"""Functions of one variable on edges and after dense layers, with derivatives over intervals: f^(k)/k!, k = 0, 1, ...

The derivatives of g = sigmoid(x) and t = tanh(x) are polynomials in g and t, as g' = g (1 - g) and t' = 1 - t^2.
Those of silu(x) = x g follow by Leibniz' rule: f^(k)/k! = x g^(k)/k! + g^(k-1)/(k-1)!. ReLU powers are `Pieces`.
"""

from collections.abc import Callable
from fractions import Fraction
from functools import cache, partial
from math import comb, factorial

import numpy as np

from refkan.analysis.exact.enclosures.float_intervals import Intervals
from refkan.analysis.exact.enclosures.polynomial_pieces import (
    POLYNOMIAL,
    Derivatives,
    Pieces,
    Sides,
    pieces_of_polynomials,
)

ScalarFunction = Callable[[Intervals, int, Sides], Derivatives]
"""(intervals, K, sides) -> derivatives up to K."""

LEAST_SILU = -0.27846454276107385, -1.2784645427610739, -1.2784645427610737
"""A float below the least value of silu, and floats on both sides of where it is: x = silu - 1 there."""


def smoothly(x: Intervals, coefficients: list[Intervals]) -> Derivatives:
    """Derivatives of a function that has all of them."""
    return coefficients, np.full(x.lo.shape[:1], POLYNOMIAL)


def sigmoid(x: Intervals, order: int, sides: Sides = "right") -> Derivatives:
    """1/(1 + exp(-x)), whose slope is at most 1/4."""
    c = _through(_table("sigmoid", order), x.sigmoid(), order)
    c[1:2] = [Intervals(slope.lo, np.minimum(slope.hi, 0.25)) for slope in c[1:2]]
    return smoothly(x, c)


def tanh(x: Intervals, order: int, sides: Sides = "right") -> Derivatives:
    """The hyperbolic tangent; its value is also x - s x^3 with an s in [0, 1/3], which keeps the digits near zero."""
    ends = []
    for at in (Intervals(x.lo, x.lo), Intervals(x.hi, x.hi)):
        by_sigmoid = (at * Intervals.of(2.0)).sigmoid() * Intervals.of(2.0) - Intervals.of(1.0)
        share = Intervals(np.zeros(()), Intervals.of(1.0).over(Intervals.of(3.0)).hi)
        ends.append(by_sigmoid.meet(at - at * at.squared() * share))
    value = Intervals(np.maximum(ends[0].lo, -1.0), np.minimum(ends[1].hi, 1.0))
    return smoothly(x, [value, *_through(_table("tanh", order), value, order)[1:]])


def silu(x: Intervals, order: int, sides: Sides = "right") -> Derivatives:
    """x/(1 + exp(-x)), which falls to its least value and rises; derivatives from the ranges of x and the sigmoid."""
    g = sigmoid(x, order)[0]
    least, before, after = LEAST_SILU
    ends = [at * at.sigmoid() for at in (Intervals(x.lo, x.lo), Intervals(x.hi, x.hi))]
    low = np.where((x.lo <= after) & (x.hi >= before), least, np.minimum(ends[0].lo, ends[1].lo))
    high = np.minimum(np.maximum(ends[0].hi, ends[1].hi), np.maximum(x.hi, 0.0))
    slopes = [x * g[k] + g[k - 1] for k in range(1, order + 1)]
    return smoothly(x, [Intervals(np.maximum(low, least), high), *slopes])


def relu_power(degree: int, x: Intervals, order: int, sides: Sides = "right") -> Derivatives:
    """max(x, 0)^degree, of nodes (B, Q)."""
    c, smoothness = _relu_power(degree).enclose(x.reshape(-1), order, sides)
    return [part.reshape(*x.lo.shape) for part in c], smoothness.reshape(x.lo.shape[0], -1).min(axis=1)


ACTIVATIONS: dict[str, ScalarFunction] = {
    "relu": partial(relu_power, 1), "relu3": partial(relu_power, 3), "tanh": tanh, "silu": silu,
}  # fmt: skip


@cache
def _relu_power(degree: int) -> Pieces:
    """Zero on the left of 0; x^d = (z + 1/2)^d on the right, z = x - 1/2."""
    power = [comb(degree, k) * Fraction(1, 2) ** (degree - k) for k in range(degree + 1)]
    regions = [(Fraction(-1), Fraction(0)), (Fraction(0), Fraction(1))]
    return pieces_of_polynomials(regions, [[[Fraction(0)] * (degree + 1)], [power]])


def _through(table: Pieces, inner: Intervals, order: int) -> list[Intervals]:
    """f^(k)/k! from the values of the function whose powers they are made of, node by node."""
    whole = table.enclose(inner.reshape(-1), 0)[0][0].reshape(*inner.lo.shape, order + 1)
    return [whole[..., k] for k in range(order + 1)]


@cache
def _table(name: str, order: int) -> Pieces:
    """f^(k)/k! as polynomials P_k of z: P_{k+1} = P_k' z'/(k + 1), with z' = a - b z^2.

    z = g - 1/2 on [0, 1], z' = 1/4 - z^2, or z = t/2 on [-1, 1], z' = 1/2 - 2 z^2.
    """
    low, *P, a, b = [Fraction(c, 4) for c in ((0, 2, 4, 1, 4) if name == "sigmoid" else (-4, 0, 8, 2, 8))]
    rows = []
    for k in range(order + 1):
        rows.append([c / factorial(k) for c in P] + [Fraction(0)] * (order + 2 - len(P)))
        slope = [Fraction(0), Fraction(0), *(i * c for i, c in enumerate(P) if i), Fraction(0), Fraction(0)]
        P = [a * ahead - b * behind for ahead, behind in zip(slope[2:], slope, strict=False)]
    return pieces_of_polynomials([(low, Fraction(1))], [rows])
