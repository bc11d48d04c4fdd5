"""Networks of every kind of layer, node map and policy, as refkan builds them, with parameters and samples."""

from dataclasses import replace
from fractions import Fraction
from itertools import pairwise

import flint
import numpy as np
from hypothesis import strategies as st

import refkan as rk
from refkan import truth
from refkan.truth.bases.relu_powers import truncated_powers
from tests.shared.factories import EDGE_KINDS, MLP_KINDS, NODE_MAPS, NetworkCase

BITS = 300
"""Precision of balls: far beyond what any comparison of these cases needs."""


class Case(NetworkCase):
    """A network with parameters and samples, at which the truth is evaluated."""

    def __str__(self) -> str:
        return f"{super().__str__()}-r{self.order}"

    def start(self, seed: int = 0) -> tuple[rk.Network, np.ndarray, np.ndarray]:
        """Network, theta and x: the statistics batch differs from x, some of which lies outside the domain."""
        rng = np.random.default_rng([seed, self.order])
        x = rng.uniform(size=(7, self.widths[0]))
        net, theta = self.build().initialize(rng, x)
        if self.outside == "error":  # activations that stay in the middle of the domains
            maps = [rk.networks.node_maps.AffineMap(0.9 * m.scale, 0.9 * m.shift + 0.05) for m in net.node_maps]
            return replace(net, node_maps=tuple(maps)), theta, x[:3]
        moved = theta + 0.05 * rng.standard_normal(theta.size)
        return net, moved, rng.uniform(-0.25, 1.25, (3, self.widths[0]))

    @property
    def number(self) -> type:
        """Quick Fractions where values are rational; balls, but where an extreme sample lies on a knot exactly."""
        rational_maps = self.node_map not in ("sigmoid", "mean-std")
        if rational_maps and not self.free_knots and self.kind not in ("silu", "mlp-tanh"):
            return Fraction
        return float if self.node_map == "min-max" else flint.arb

    def truth(self, number: type | None = None) -> truth.Evaluation:
        """The truth of `start`."""
        return truth.of(*self.start(), number or self.number)

    def deeper(self) -> "Case":
        return replace(self, widths=(2, 2, 3, 1), intervals=(3, 2, 2))


CASES = (
    *(Case(kind, node_map) for kind in EDGE_KINDS for node_map in NODE_MAPS),
    *(Case(kind, "affine", outside) for kind in EDGE_KINDS for outside in ("polynomial", "natural", "error")),
    *(Case("chebyshev", node_map, order=4) for node_map in NODE_MAPS),
    *(Case("chebyshev", "affine", outside, order=4) for outside in ("polynomial", "error")),
    *(Case(kind, node_map, free_knots=True) for kind in EDGE_KINDS for node_map in ("affine", "mean-std")),
    *(Case(kind, "sigmoid", "polynomial", free_knots=True, order=4) for kind in EDGE_KINDS),
    *(Case(kind, "none") for kind in MLP_KINDS),
    *(Case("spline", "affine", order=order) for order in (1, 2, 4, 6)),
    *(Case(kind, "affine", order=2, free_knots=True) for kind in ("spline", "relu")),
    *(Case("spline", node_map).deeper() for node_map in ("mean-std", "min-max", "affine")),
)
"""Every kind with every map, and with every policy; free knots; orders; three layers."""


def floats(rows) -> np.ndarray:
    """Nested lists of numbers as float64, each rounded once."""
    return np.array([floats(row) for row in rows]) if isinstance(rows, list) else np.float64(float(rows))


def draw(*shape: int, seed: int = 1) -> list:
    """Random quick Fractions of few bits, so that exact arithmetic with them is quick."""
    return _quarters(np.random.default_rng(seed).integers(-8, 9, shape).tolist())


def _quarters(rows):
    return [_quarters(row) for row in rows] if isinstance(rows, list) else Fraction(rows, 4)


@st.composite
def rational_knots(draw, min_order=1, max_order=6, min_intervals=1, repeats=False):
    """Draw an order and a knot vector of Fractions, strictly increasing or clamped with repeated knots."""
    order = draw(st.integers(min_order, max_order))
    intervals = draw(st.integers(min_intervals, 4))
    gap = st.fractions(Fraction(1, 20), 3, max_denominator=20)
    gaps = draw(st.lists(gap, min_size=intervals + 2 * order - 2, max_size=intervals + 2 * order - 2))
    if repeats:  # clamp both ends, and let interior breakpoints coincide
        gaps[: order - 1] = [Fraction(0)] * (order - 1)
        gaps[len(gaps) - order + 1 :] = [Fraction(0)] * (order - 1)
        merged = draw(st.lists(st.booleans(), min_size=intervals, max_size=intervals))
        for k, merge in enumerate(merged[:-1]):
            gaps[order - 1 + k] *= not merge
    knots = [draw(st.fractions(-2, 2, max_denominator=20))]
    for g in gaps:
        knots.append(knots[-1] + g)
    return order, list(map(Fraction, knots))


def dim(knots, order):
    return len(knots) - order


def breakpoints(knots, order):
    return knots[order - 1 : len(knots) - order + 1]


def points(knots, order, per_interval=2):
    """Return every breakpoint, both ends of the domain included, and points inside every interval."""
    t = breakpoints(knots, order)
    inside = [
        left + (right - left) * Fraction(k, per_interval + 2)
        for left, right in pairwise(t)
        for k in range(1, per_interval + 1)
    ]
    return [*t, *inside]


def random_knots(order, intervals, seed=0):
    gaps = np.random.default_rng([seed, order, intervals]).integers(1, 40, intervals + 2 * order - 2)
    knots = [Fraction(-1, 3)]
    for g in gaps:
        knots.append(knots[-1] + Fraction(int(g), 24))
    return knots


def values(knots, order, x, derivative=0, outside="natural"):
    row = truth.bsplines(knots, order, x, derivative, outside)
    return [row.get(i, 0) for i in range(dim(knots, order))]


def powers(knots, order, x, derivative=0, outside="natural"):
    row = truncated_powers(knots, order, x, derivative, 1, outside)
    return [row.get(i, 0) for i in range(dim(knots, order))]


def apply(matrix, vector):
    return [sum(a * v for a, v in zip(row, vector, strict=True)) for row in matrix]
