r"""Proposition 1 over the rationals: gradients and Gauss-Newton matrices of two levels, with every operation exact.

A network [2, 2, 1] with affine node maps of rational constants, least squares on a few rational samples. Its Jacobian
is written out from the papers' formulas (`refkan.truth`): with z = alpha y + beta the inputs of the second layer,
dF/dw2[q,j] = phi_j(z_q), dF/dw1[q,p,i] = phi_i(x_p) alpha_q sum_j w2[q,j] phi_j'(z_q).
"""

from collections.abc import Callable
from dataclasses import dataclass
from fractions import Fraction

import numpy as np

from refkan import truth
from validation.rationals import Matrix, Vector, apply, multiply, random_rationals, transpose, uniform_knots

SAMPLES = 7

INTERVALS = (2, 3)
"""Coarse intervals of the two layers; the first is refined by 2, the second by 3."""

FACTORS = (2, 3)


@dataclass(frozen=True)
class ExactLevel:
    """The network on one level: knots of both layers, basis, order and tails."""

    knots: tuple[Vector, Vector]
    basis: str
    order: int
    outside: str

    @property
    def dims(self) -> tuple[int, int]:
        """Basis functions on an edge of each layer."""
        return len(self.knots[0]) - self.order, len(self.knots[1]) - self.order

    def rows(self, layer: int, x: Fraction, derivative: int = 0) -> list[Fraction]:
        """Values, or slopes, of all basis functions of a layer at x."""
        function = truth.bspline_derivative if self.basis == "spline" else truth.truncated_power_derivative
        t, outside = self.knots[layer], self.outside
        return [Fraction(function(t, self.order, i, x, derivative, outside=outside)) for i in range(self.dims[layer])]

    def residuals_and_jacobian(
        self, theta: Vector, maps: list[tuple[Fraction, Fraction]], x: Matrix, y: Vector
    ) -> tuple[list[Fraction], Matrix]:
        """Return F - y at all samples, and the rows of the Jacobian in theta."""
        first, second = self.dims
        edges = [theta[k * first : (k + 1) * first] for k in range(4)]  # (q, p) = (0,0), (0,1), (1,0), (1,1)
        w2 = [theta[4 * first + q * second : 4 * first + (q + 1) * second] for q in range(2)]
        e, J = [], []
        for point, target in zip(x, y, strict=True):
            phi = [self.rows(0, value) for value in point]
            value, left, right = -target, [], []
            for q, (alpha, beta) in enumerate(maps):
                z = alpha * sum(inner(edges[2 * q + p], phi[p]) for p in range(2)) + beta
                rows = self.rows(1, z)
                value += inner(w2[q], rows)
                slope = alpha * inner(w2[q], self.rows(1, z, 1))
                left += [slope * entry for p in range(2) for entry in phi[p]]
                right += rows
            e.append(value)
            J.append(left + right)
        return e, J


def inner(a: Vector, b: Vector) -> Fraction:
    """Sum of products."""
    return sum((s * t for s, t in zip(a, b, strict=True)), Fraction(0))


def prolongation(coarse: ExactLevel, fine: ExactLevel) -> Matrix:
    """Prolong all parameters: by blossoms; in the ReLU basis w_f = A_f^T P A_c^-T w_c."""
    blocks = []
    for t, finer in zip(coarse.knots, fine.knots, strict=True):
        P = truth.prolongation(t, finer, coarse.order)
        if coarse.basis == "relu":
            back = transpose(truth.change_of_basis_inverse(t, coarse.order))
            P = multiply(transpose(truth.change_of_basis(finer, coarse.order)), P, back)
        blocks.append(P)
    return rectangular_blocks([blocks[0]] * 4 + [blocks[1]] * 2)


def rectangular_blocks(blocks: list[Matrix]) -> Matrix:
    """Block diagonal matrix of rectangular blocks."""
    width, start, rows = sum(len(block[0]) for block in blocks), 0, []
    for block in blocks:
        size = len(block[0])
        rows += [[Fraction(0)] * start + list(row) + [Fraction(0)] * (width - start - size) for row in block]
        start += size
    return rows


def equal(
    basis: str, order: int, outside: str, seed: int, change: Callable[[Matrix], Matrix] = lambda P: P
) -> tuple[bool, bool, int]:
    """Whether g_c = R^T g_f, and whether H_c = R^T H_f R, R = change(P); and how many activations lie outside."""
    rng = np.random.default_rng([seed, order])
    knots = [uniform_knots(order, n, h=Fraction(1, n)) for n in INTERVALS]
    finer = [uniform_knots(order, n * k, h=Fraction(1, n * k)) for n, k in zip(INTERVALS, FACTORS, strict=True)]
    coarse = ExactLevel((knots[0], knots[1]), basis, order, outside)
    fine = ExactLevel((finer[0], finer[1]), basis, order, outside)
    theta = random_rationals(rng, 4 * coarse.dims[0] + 2 * coarse.dims[1])
    maps = [(Fraction(1, 3), Fraction(1, 2)), (Fraction(-2, 5), Fraction(1, 3))]
    x = [[Fraction(int(k), 64) for k in rng.integers(0, 65, 2)] for _ in range(SAMPLES)]
    y = random_rationals(rng, SAMPLES)
    P = prolongation(coarse, fine)
    R = change(P)
    e, J = coarse.residuals_and_jacobian(theta, maps, x, y)
    e_fine, J_fine = fine.residuals_and_jacobian(apply(P, theta), maps, x, y)
    N = Fraction(1, SAMPLES)
    g, g_fine = ([N * v for v in apply(transpose(j), r)] for j, r in ((J, e), (J_fine, e_fine)))
    H, H_fine = ([[N * v for v in row] for row in multiply(transpose(j), j)] for j in (J, J_fine))
    first, outside_count = coarse.dims[0], 0
    for point in x:
        for q, (alpha, beta) in enumerate(maps):
            edges = [theta[(2 * q + p) * first : (2 * q + p + 1) * first] for p in range(2)]
            z = alpha * sum(inner(edges[p], coarse.rows(0, point[p])) for p in range(2)) + beta
            outside_count += not 0 <= z <= 1
    return apply(transpose(R), g_fine) == g, multiply(transpose(R), H_fine, R) == H, outside_count
