"""Proposition 1 over the rationals: gradients and Gauss-Newton matrices of two levels, with every operation exact.

A network [2, 2, 1] with an affine node map of dyadic constants, least squares on a few rational samples, evaluated as
the papers' formulas say (`refkan.truth`).
"""

from collections.abc import Callable
from fractions import Fraction

import numpy as np

import refkan as rk
from refkan import truth
from refkan.networks.node_maps import AffineMap
from validation.rationals import ZERO, Matrix, apply, multiply, random_rationals, transpose

SAMPLES = 7

INTERVALS, FACTORS = (2, 4), (2, 4)
"""Coarse intervals of the two layers, and by what they are refined: all knots are dyadic."""

MAP = AffineMap(np.array([0.375, -0.375]), np.array([0.5, 0.375]))


def prolongation(coarse: rk.Network, fine: rk.Network, basis: str, order: int) -> Matrix:
    """Prolong the parameters edge by edge: by blossoms; in the ReLU basis w_f = A_f^T P A_c^-T w_c."""
    blocks: list[Matrix] = []
    for layers in zip(coarse.layers, fine.layers, strict=True):
        t, finer = ([Fraction(knot) for knot in layer.spaces[0].knots.tolist()] for layer in layers)  # type: ignore[attr-defined]
        P = truth.prolongation(t, finer, order)
        if basis == "relu":
            back = transpose(truth.change_of_basis_inverse(t, order))
            P = multiply(transpose(truth.change_of_basis(finer, order)), P, back)
        blocks += [P] * (layers[0].n_inputs * layers[0].n_outputs)
    rows: Matrix = []
    for k, block in enumerate(blocks):
        left, right = (sum(len(other[0]) for other in others) for others in (blocks[:k], blocks[k + 1 :]))
        rows += [[*[ZERO] * left, *row, *[ZERO] * right] for row in block]
    return rows


def equal(
    basis: str, order: int, outside: str, seed: int, change: Callable[[Matrix], Matrix] = lambda P: P
) -> tuple[bool, bool, int]:
    """Whether g_c = R^T g_f, and whether H_c = R^T H_f R, R = change(P); and how many activations lie outside."""
    rng = np.random.default_rng([seed, order])
    layers = rk.kan([2, 2, 1], order, INTERVALS, basis=basis, outside=outside).layers  # type: ignore[arg-type]
    coarse = rk.Network(layers, (MAP,))
    fine = coarse.refine(FACTORS)
    P = prolongation(coarse, fine, basis, order)
    R = change(P)
    theta = random_rationals(rng, coarse.n_params)
    x = [[Fraction(int(k), 64) for k in rng.integers(0, 65, 2)] for _ in range(SAMPLES)]
    y = [[value] for value in random_rationals(rng, SAMPLES)]
    below = truth.of(coarse, theta, x).least_squares(y)
    above = truth.of(fine, apply(P, theta), x).least_squares(y)
    hidden = truth.of(rk.Network(layers[:1], ()), theta[coarse.slices[0]], x).value
    z = np.array(hidden) * [Fraction(s) for s in MAP.scale.tolist()] + [Fraction(s) for s in MAP.shift.tolist()]  # type: ignore[union-attr]
    same = apply(transpose(R), above.gradient()) == below.gradient()
    galerkin = multiply(transpose(R), above.gauss_newton(), R) == below.gauss_newton()
    return same, galerkin, int(np.count_nonzero((z < 0) | (z > 1)))
