"""O15: networks on knots and of a degree that are fixed in advance, and how fast they approximate ([I26], abstract).

Proof: docs/theorems/fixed-knots.md.
"""

from collections.abc import Callable
from fractions import Fraction
from itertools import pairwise, product

import numpy as np

import refkan as rk
from refkan.claims import Verdict, judge
from validation.panels import figure, panel

CLAIMS = ("O15",)
F = Fraction

FUNCTIONS = {2: {"tent": [0.0, 1.0, 0.0], "x": [0.0, 0.5, 1.0]}}
"""Order -> coefficients on the knots 0, 1/2, 1: of order 2 the values there, of others by polarisation."""

POLAR = rk.SplineSpace.uniform(3, 2).knots
FUNCTIONS[3] = {"x": ((POLAR[1:-2] + POLAR[2:-1]) / 2).tolist(), "square": (POLAR[1:-2] * POLAR[2:-1]).tolist()}

Edges = list[tuple[int, int, float, str]]
"""Output, input, factor and function; edges with the same ends add up."""

Layers = list[tuple[int, Edges]]
"""The number of outputs of a layer, and its edges."""


def network(order: int, inputs: int, layers: Layers) -> tuple[rk.Network, np.ndarray]:
    """The network of these layers on the knots 0, 1/2, 1, and its parameters."""
    widths = [inputs, *(outputs for outputs, _ in layers)]
    blocks = []
    for (P, Q), (_, edges) in zip(pairwise(widths), layers, strict=True):
        blocks.append(C := np.zeros((Q, P, order + 1)))
        for q, p, factor, name in edges:
            C[q, p] += factor * np.array(FUNCTIONS[order][name])
    return rk.kan(widths, order, 2, node_map="none"), np.concatenate([C.ravel() for C in blocks])


def squares(depth: int, inputs: int) -> Layers:
    """Layers of order 2 whose nodes 2 p and 2 p + 1 are g_L and s_L of input p: s_L = s_(L-1) - 4^-L g_L, s_0 = x."""
    layers: Layers = []
    for level in range(1, depth + 1):
        edges: Edges = []
        for p in range(inputs):
            tent, square = (p, p) if level == 1 else (2 * p, 2 * p + 1)
            edges += [(2 * p, tent, 1.0, "tent"), (2 * p + 1, square, 1.0, "x")]
            edges += [(2 * p + 1, tent, -(4.0**-level), "tent")]
        layers.append((2 * inputs, edges))
    return layers


def square(depth: int) -> Layers:
    """The same for one input, with s_L alone as the output."""
    *layers, (_, edges) = squares(depth, 1)
    return [*layers, (1, [(0, p, factor, name) for q, p, factor, name in edges if q == 1])]


POLARISED = ((0, 2.0), (1, -0.5), (2, -0.5))
"""x y = 2 m^2 - x^2/2 - y^2/2, m = (x + y)/2: nodes and factors."""

MEANS: Edges = [(0, 0, 0.5, "x"), (0, 1, 0.5, "x"), (1, 0, 1.0, "x"), (2, 1, 1.0, "x")]


def multiplied(order: int, depth: int = 1) -> Layers:
    """Layers for x y: of order 3 squares are splines, of order 2 they take `depth` layers."""
    if order == 3:
        return [(3, MEANS), (1, [(0, p, factor, "square") for p, factor in POLARISED])]
    last: Edges = [(0, 2 * p + 1, factor, "x") for p, factor in POLARISED]
    return [(3, MEANS), *squares(depth, 3), (1, last)]


def largest_error(order: int, layers: Layers, points: list[tuple[Fraction, ...]], power: int = 0) -> Fraction:
    """The largest error at points, exactly: of x^power for one input, of x y for two."""
    net, theta = network(order, len(points[0]), layers)
    values = rk.truth.of(net, theta.tolist(), points).value
    truths = (x[0] ** power if power else x[0] * x[1] for x in points)
    return max(abs(row[0] - true) for row, true in zip(values, truths, strict=True))


def grid(parts: int) -> list[tuple[Fraction, ...]]:
    return [(F(k, parts),) for k in range(parts + 1)]


def run(quick: bool, progress: Callable[[str], None] = lambda message: None) -> list[Verdict]:
    depths = range(1, 6 if quick else 10)
    errors = {L: largest_error(2, square(L), grid(2 ** (L + 2)), 2) for L in depths}
    at_knots = [largest_error(2, square(L), grid(2**L), 2) for L in depths]
    bounds = {L: F(1, 8 * (2 * 3 ** (L - 1)) ** 2) for L in depths}
    few = range(1, 4 if quick else 5)
    of_two = {L: list(product(*zip(*grid(2 ** (L + 1)), strict=True), repeat=2)) for L in few}
    products = {L: largest_error(2, multiplied(2, L), of_two[L]) for L in few}
    cubic = max(largest_error(3, multiplied(3), of_two[L]) for L in few)
    powers = [largest_error(3, [(1, [(0, 0, 1.0, "square")])] * L, grid(24), 2**L) for L in range(1, 5)]

    def falls(base: int) -> bool:
        return all(errors[L] == F(1, 4 * base**L) for L in depths) and not any(at_knots)

    holds = falls(4) and all(products[L] == F(2, 4 ** (L + 1)) for L in few) and not any([cubic, *powers])
    series = ((errors, "C0o-", "width 2"), (bounds, "k--", "least possible"))
    lines = [(list(depths), [float(v) for v in values.values()], style, {"label": label})
             for values, style, label in series]  # fmt: skip
    return [
        Verdict(
            "O15",
            judge(holds and all(bounds[L] <= errors[L] for L in depths)),
            f"knots 0, 1/2, 1. Order 2, {max(depths)} layers of width 2: error of x^2 exactly 4^-(L+1) after L layers,"
            f" {float(errors[max(depths)]):.2g} at the last, where none of that width is below"
            f" {float(bounds[max(depths)]):.2g}; x y with the error 2 4^-(L+1), L = 1..{max(few)}, width 6. Order 3:"
            " x y and x^2, x^4, x^8, x^16 without error",
            details="""Networks of splines on the knots 0, 1/2, 1 with dyadic coefficients, evaluated over the
rationals at all points where their errors are largest. Proof, and what follows for other functions:
docs/theorems/fixed-knots.md.""",
            data={"errors of x^2": {str(L): float(e) for L, e in errors.items()}},
            figures=(figure("depth", "Error of x^2 on the knots 0, 1/2, 1, order 2.",
                            panel(lines, "semilogy", ticks=depths, xlabel="layers"), size=(5, 3.2)),),
            mutations={"an error of 5^-(L+1)/4": judge(falls(5)),
                       "order 2 multiplies without error": judge(not any(products.values()))},
        )
    ]  # fmt: skip
