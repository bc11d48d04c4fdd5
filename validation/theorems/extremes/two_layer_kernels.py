"""N5: how far tangent kernels of two layers can part, order 2: 2 sqrt(10) - 5 (docs/theorems/two-layer-kernels.md)."""

from collections.abc import Callable
from itertools import pairwise
from typing import Any

import flint

import refkan as rk
from refkan.analysis.exact.extra import precision
from refkan.analysis.exact.spectra.rational import rational_change_of_basis
from refkan.claims import Verdict, judge
from validation.descent.kernels.kernel_search import wide_network
from validation.panels import figure, panel
from validation.rationals import to_flint

CLAIMS = ("N5",)
HALF = flint.fmpq(1, 2)
Ball = Any

SAMPLES = (1519, 2924)
"""How many samples lie at 0 and at the next knot: their ratio is nearly the best one, (1 + sqrt(10))^2/9."""

COVER = ((0.587, 0.031, -0.115, -0.212), (-0.404, -0.036, 0.055, 0.116))
"""p_2 to p_5 and p'_2 to p'_5 of the proof."""

SHARE = 0.114
"""theta of the proof."""


def run(quick: bool, progress: Callable[[str], None] = lambda message: None) -> list[Verdict]:
    with precision(256):
        return [two_layers(quick)]


def kernels(nodes: int, slopes: tuple[Any, Any]) -> tuple[list[list[Any]], list[list[Any]]]:
    """Tangent kernels of `network` at x = 0 and 1/2, in the spline and in the scaled ReLU basis, by the proof."""
    first, last = (
        ([[1, 0], [0, 1]], [[1, 2], [2, 5]]),
        ([[HALF, HALF / 2], [HALF / 2, HALF]],
         [[5 * HALF, 9 * HALF], [9 * HALF, 35 * HALF / 2]]),
    )  # fmt: skip
    return tuple(  # type: ignore[return-value]
        [[slopes[s] * slopes[t] * K[s][t] + (nodes - 1 + Z[s][t]) for t in range(2)] for s in range(2)]
        for K, Z in zip(first, last, strict=True)
    )


def library_kernels(nodes: int, slopes: tuple[float, float]) -> list[list[list[Any]]]:
    """The same of the network itself, from its Jacobian over the rationals."""
    net, theta, x = wide_network(nodes, slopes)
    J = to_flint(rk.truth.of(net, theta.tolist(), x[:2].tolist()).jacobian())
    inverse = rational_change_of_basis(rk.SplineSpace.uniform(2, 2), scaled=True).inv()
    blocks = [[J[s, 3 * k + i] for i in range(3)] for s in range(2) for k in range(2 * nodes)]
    relu = flint.fmpq_mat(blocks) * inverse.transpose()
    W = flint.fmpq_mat([[relu[s * 2 * nodes + k, i] for k in range(2 * nodes) for i in range(3)] for s in range(2)])
    return [(K * K.transpose()).tolist() for K in (J, W)]


def largest(K: list[list[Any]], weights: tuple[int, int]) -> Ball:
    """The largest eigenvalue of the kernel with each sample repeated."""
    a, b, d = (flint.arb(entry) for entry in (weights[0] * K[0][0], K[0][1], weights[1] * K[1][1]))
    return (a + d + ((a - d) ** 2 + 4 * weights[0] * weights[1] * b**2).sqrt()) / 2


def wide_ratio(nodes: int) -> Ball:
    """The ratio of the spectral radii of `nodes` nodes, at the slopes that are best for many."""
    root = flint.arb(10).sqrt()
    t2 = (7 - 2 * root) / 9
    scale = nodes * t2 / (1 - 9 * t2) * SAMPLES[0]
    slopes = (3 * (scale / SAMPLES[0]).sqrt(), -(scale / SAMPLES[1]).sqrt())
    spline, relu = (largest(K, SAMPLES) for K in kernels(nodes, slopes))
    return spline / relu


def constants(c: Ball) -> tuple[Ball, Callable[[int], Ball]]:
    """x_0 = 2 (2 - c)/(c - 1), and q_k."""
    x = 2 * (2 - c) / (c - 1)

    def q(k: int) -> Ball:
        return flint.arb(1 - 2 * k) if k < 2 else ((3 * k + 2) - (k + 1) * x) / ((c - 1) * ((k + 1) * x + 3 * k + 2))

    return x, q


def certified(c: Ball, knots: int, first: int = 1) -> bool:
    """Whether N o Z - I >= 0 on some knots, with Z = 1 1^T + (c - 1) Q, by the pivots of what is left.

    With c = 2 sqrt(10) - 5 row 0 is a multiple of row 1, and elimination begins there; with another c at row 0.
    """
    _, q = constants(c)
    N = [[flint.arb(sum((i + 1 - j) * (k + 1 - j) for j in range(min(i, k) + 1))) for k in range(knots)]
         for i in range(knots)]  # fmt: skip
    T = [[N[i][k] * (1 + (c - 1) * (q(i) * q(k) if i != k else 1)) - (i == k) for k in range(knots)]
         for i in range(knots)]  # fmt: skip
    order = range(first, knots)
    rows = {i: list(T[i]) for i in order}
    for i in order:
        if not rows[i][i] > 0:
            return False
        for k in order:
            if k > i:
                factor = rows[k][i] / rows[i][i]
                rows[k] = [b - factor * a for a, b in zip(rows[i], rows[k], strict=True)]
    return True


def cover_is_enough(c: Ball) -> bool:
    """Whether the weights of the proof for every number of knots cost less than 5 c - 1."""
    x, q = constants(c)
    theta, tail = flint.arb(SHARE), range(2, 6)
    costs, weights = [], []
    for given, sign in zip(COVER, (1, -1), strict=True):
        A, B = theta * x + sign * 3 * (1 - theta), theta * x + sign * 2 * (1 - theta)
        p = [flint.arb(weight) for weight in given]
        first = B - sum(((1 - j) * p[j - 2] for j in tail), flint.arb(0))
        p = [first, A - first - sum(p, flint.arb(0)), *p]
        weights.append(p)
        costs.append(sum((w**2 for w in p), flint.arb(0)))
    left = flint.arb(0)
    for k in range(2, 5):
        off = [sum((w * max(j - k - 1, 0) for j, w in enumerate(p)), flint.arb(0)) for p in weights]
        E = (c - 1) * (1 - q(k) ** 2) * ((k + 1) * (k + 2) * (2 * k + 3) // 6) - 1
        if not E > 0:
            return False
        left += (off[0] + (c - 1) * q(k) * off[1]) ** 2 / E
    return bool(costs[0] + (c - 1) * costs[1] + left < 5 * c - 1)


def two_layers(quick: bool) -> Verdict:
    c = 2 * flint.arb(10).sqrt() - 5
    sizes = [10**k for k in range(1, 6 if quick else 9)]
    ratios = [wide_ratio(nodes) for nodes in sizes]
    pairs = [(nodes, slopes) for nodes in (2, 3, 5) for slopes in ((6, -2), (8, 1))]
    same = all(
        flint.fmpq_mat(own) == flint.fmpq_mat(K)
        for n, (g, other) in pairs
        for own, K in zip(kernels(n, (g * HALF, other * HALF)), library_kernels(n, (g / 2, other / 2)), strict=True)
    )
    knots = 12 if quick else 64
    gaps = [c - ratio for ratio in ratios]
    nears = all(0 < b < a for a, b in pairwise(gaps))
    near = bool(gaps[-1] < flint.arb(10) ** (-4 if quick else -6))
    holds = same and nears and near and certified(c, knots) and cover_is_enough(c)
    lines = [(sizes, [float(gap) for gap in gaps], "C0o-", {"label": "2 sqrt(10) - 5 less the ratio"})]
    return Verdict(
        "N5",
        judge(holds),
        f"{sizes[-1]} nodes: {float(ratios[-1]):.9f} of {float(c):.9f}; not exceeded on up to {knots} knots, in"
        " balls, nor, by the weights of the proof, on any number",
        details="""Kernels of the networks by formulas that are compared with their Jacobians over the rationals; radii
in balls. Proof: docs/theorems/two-layer-kernels.md.""",
        data={"nodes": sizes, "ratios": [float(r) for r in ratios]},
        figures=(figure("wide", "Distance of the ratio from its supremum.", panel(lines, xlabel="nodes"),
                        size=(5, 3.2)),),
        mutations={"a supremum less by 1/1000": judge(certified(c - flint.arb(1) / 1000, knots, first=0)),
                   "4/3 is reached": judge(near and bool(ratios[-1] > flint.arb(4) / 3 - flint.arb(10) ** -3))},
    )  # fmt: skip
