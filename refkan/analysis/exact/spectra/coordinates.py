r"""Parameters in another basis, exactly: the rational matrix B in theta = B z.

On an edge with coefficients u of B-splines, w of the ReLU powers ((x - t)_+/h)^(r-1), h = 1 unless scaled::

    w = A_h^T u,    A_h = h^(r-1) A,    u = A_h^-T w

B is block diagonal with blocks A_own^T A_target^-T. It is the unit matrix in the place of all other parameters.
"""

from __future__ import annotations

from fractions import Fraction
from itertools import product
from typing import Any

from refkan import truth
from refkan.analysis.exact.extra import require
from refkan.base.arguments import check_choice
from refkan.networks import Network
from refkan.networks.layers import BASES
from refkan.truth.layers import BSplines, ReluPowers, SiluLayer, SumLayer


def matrix_of_basis(net: Network, theta: Any, basis: str) -> tuple[Any, Any]:
    """Return B and its inverse (fmpq_mat, M x M) with theta = B z, z the coefficients in `basis`.

    Raises
    ------
    ValueError
        Where a layer has no such basis, and for free knots, under which the change of basis moves with theta.
    """
    check_choice("basis", basis, BASES)
    other = net.to_basis(basis)
    if any(layer.free_knots for layer in net.layers):
        raise ValueError(
            f"basis {basis!r} needs fixed knots, net.with_fixed_knots(theta): with free ones the change of basis moves "
            "with theta"
        )
    flint = require("flint")
    M = net.n_params
    B, inverse = flint.fmpq_mat(M, M), flint.fmpq_mat(M, M)
    for m in range(M):
        B[m, m] = inverse[m, m] = 1
    begin = 0
    zeros = [0.0] * M
    pairs = [truth.of(n, zeros, [], Fraction).network.layers for n in (net, other)]
    for own, target in zip(*pairs, strict=True):
        for offset, here, there in _edges(own, target):
            there_from_spline, here_from_spline = _from_spline(there), _from_spline(here)
            block = here_from_spline * there_from_spline.inv()
            back = there_from_spline * here_from_spline.inv()
            first = begin + offset
            for i, j in product(range(here.dim), repeat=2):
                B[first + i, first + j], inverse[first + i, first + j] = block[i, j], back[i, j]
        begin += own.n_params
    return B, inverse


def _edges(own: Any, target: Any) -> list[tuple[int, Any, Any]]:
    """Where the coefficients of each edge begin within a layer, and its families here and there."""
    if isinstance(own, SiluLayer):
        own, target = own.spline, target.spline
    if not isinstance(own, SumLayer):
        return []
    return [
        ((q * own.n_inputs + p) * own.dim, own.families[p], target.families[p])
        for q in range(own.n_outputs)
        for p in range(own.n_inputs)
        if own.families[p] != target.families[p]
    ]


def _from_spline(family: Any) -> Any:
    """The matrix A_h^T that takes B-spline coefficients to those of a family."""
    flint = require("flint")
    A: Any = [[int(i == j) for j in range(family.dim)] for i in range(family.dim)]
    scale = Fraction(1)
    if isinstance(family, ReluPowers):
        A, scale = truth.change_of_basis(family.knots, family.order), Fraction(family.scale) ** (family.order - 1)
    else:
        assert isinstance(family, BSplines)
    rows = [[flint.fmpq(*(Fraction(entry) * scale).as_integer_ratio()) for entry in row] for row in A]
    return flint.fmpq_mat(rows).transpose()
