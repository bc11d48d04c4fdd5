"""L3 (Lemma 3): a KAN layer is a multichannel MLP layer; networks of both are the same function for W = A^T u."""

import warnings
from fractions import Fraction

import numpy as np

import refkan as rk
from refkan import truth
from refkan.base.errors import OutsideDomainWarning
from refkan.claims import Verdict
from refkan.truth.layers import BSplines, ReluPowers, SumLayer
from validation.statements import Progress, by_criterion, each, silent

CLAIMS = ("L3",)
EPS = np.finfo(np.float64).eps
NAME = "r = {}, {}, n = {}"

CONSTANT = 4.0
"""Rounding errors a term of the sums sum_j W_j psi_j: one each of A^T u (r of them), power, product and sum."""


def run(quick: bool, progress: Progress = silent) -> list[Verdict]:
    rng = np.random.default_rng(3)
    exact = all(exact_layer(order, rng) for order in range(1, 5 if quick else 7))
    swapped = exact_layer(3, rng, transpose=True)
    ratios: dict[str, float] = {}
    sizes: dict[str, float] = {}
    places = range(1, 5 if quick else 7), ([1, 1], [2, 5, 1], [3, 4, 4, 2]), (2, 8) if quick else (2, 8, 24)
    for order, widths, intervals in each(progress, NAME, *places):
        name = NAME.format(order, widths, intervals)
        ratios[name], sizes[name] = network_ratio(order, widths, intervals, rng)
    worst = max(ratios, key=lambda name: ratios[name])
    wrong, _ = network_ratio(3, [2, 5, 1], 8, rng, factor=1 + 1e-9)
    return [
        by_criterion(
            "L3",
            exact and ratios[worst] <= 1.0,
            f"layers equal exactly over the rationals: {exact}; {len(ratios)} networks in float64, largest "
            f"difference {ratios[worst]:.2g} of the bound, {max(sizes.values()):.1e} in absolute terms",
            {"A instead of its transpose": swapped, "ReLU coefficients larger by 1e-9": wrong <= 1.0},
            details="Bound: C r eps sum_p sum_j (|A^T| |u|)_j psi_j(x_p) for each layer, C = 4, carried through the "
            "following layers by the absolute values of their slopes. Points on and off the domain, linear tails.",
            data={"difference over bound": ratios, "difference": sizes, "seed": 3},
        )
    ]


def exact_layer(order: int, rng: np.random.Generator, transpose: bool = False) -> bool:
    """Whether both layer sums agree exactly at rational points for random rational knots and weights."""
    P, Q, n = 2, 2, 3
    steps = rng.integers(1, 9, n + 2 * order - 1)
    knots = [Fraction(int(t), 7) for t in np.cumsum(steps)]
    A = truth.change_of_basis(knots, order)
    dim = len(A)
    u = [[[Fraction(int(rng.integers(-9, 10)), 5) for _ in range(dim)] for _ in range(P)] for _ in range(Q)]
    if transpose:
        A = [list(row) for row in zip(*A, strict=True)]
    W = [[[sum(c[i] * A[i][j] for i in range(dim)) for j in range(dim)] for c in edges] for edges in u]
    splines = SumLayer([BSplines(knots, order, "natural")] * P, Q)
    powers = SumLayer([ReluPowers(knots, order, "natural", 1)] * P, Q)
    a, b = knots[order - 1], knots[-order]
    for k in range(8):  # 0 <= x < b: at b itself A is the left limit
        x = [a + (b - a) * Fraction(k, 8), a + (b - a) * Fraction((3 * k) % 8, 8)]
        if splines.value(flat(u), x) != powers.value(flat(W), x):
            return False
    return True


def flat(weights: list[list[list[Fraction]]]) -> list[Fraction]:
    return [w for edges in weights for row in edges for w in row]


def network_ratio(
    order: int, widths: list[int], intervals: int, rng: np.random.Generator, factor: float = 1.0
) -> tuple[float, float]:
    """Largest difference between the outputs of both networks, relative to its bound and absolute."""
    x = rng.uniform(-0.1, 1.1, (200, widths[0]))
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", OutsideDomainWarning)  # points off the domain are wanted here
        net, theta = rk.kan(widths, order, intervals).initialize(rng, x)
    relu = net.to_basis("relu")
    w = net.convert(theta, relu) * factor
    bound, z = np.zeros_like(x), x
    for k, (layer, other) in enumerate(zip(net.layers, relu.layers, strict=True)):
        at = layer.linearize(theta[net.slices[k]], z)
        psi = np.abs(other.linearize(w[net.slices[k]], z).local_form().blocks[0].values)
        u = np.abs(layer.unpack(theta[net.slices[k]])["coefficients"])
        size = np.einsum("qpi,pij->qpj", u, np.abs([rk.ChangeOfBasis(space).dense() for space in layer.spaces]))
        own = CONSTANT * order * EPS * np.einsum("spj,qpj->sq", psi, size)
        units = np.eye(layer.n_outputs)[None].repeat(z.shape[0], axis=0)
        bound = own + np.einsum("sqp,sp->sq", np.abs(at.pullback_inputs(units)), bound)
        z = at.value
        if k < len(net.node_maps):
            bound, z = np.abs(net.node_maps[k].slope(z)) * bound, net.node_maps[k].value(z)
    difference = np.abs(net(theta, x) - relu(w, x))
    return float((difference / bound).max()), float(difference.max())
