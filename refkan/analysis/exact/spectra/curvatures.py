"""Gauss-Newton matrices and Hessians for certificates: their null space, proven, and their entries in balls.

Both come as a `Curvature`. Of networks with rational values the matrix is known over the rationals, and so is its null
space; of others it is known in balls, and the null vectors are those that theory gives.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from fractions import Fraction
from typing import Any

from refkan.analysis.exact.extra import require
from refkan.analysis.exact.ranks.network_rows import Problem, cleared, decided, rational_rows, rows_in_balls
from refkan.analysis.exact.ranks.null_directions import known_null_vectors
from refkan.analysis.exact.ranks.ranks import rank_of_matrix
from refkan.base.short_reprs import ShortRepr

WHICH = ("gauss-newton", "hessian")


@dataclass(frozen=True)
class Curvature(ShortRepr):
    """A symmetric matrix in the network's own parameters.

    Attributes
    ----------
    which : str
        "gauss-newton" or "hessian".
    null : fmpq_mat (M, count)
        Independent null vectors, its columns.
    exact : bool
        Whether they are proven to be all; else the eigenvalues that are not zero have to prove it.
    in_balls : callable
        (flint, B) -> B^T H B as an arb_mat at the present precision, B an fmpq_mat, or None for the unit matrix.
    """

    which: str
    null: Any
    exact: bool
    in_balls: Callable[[Any, Any], Any]


def curvature(problem: Problem, which: str) -> Curvature:
    """The Gauss-Newton matrix or the Hessian of a problem."""
    if which == "hessian":
        return _hessian_in_balls(problem) if problem.irrational else _rational_hessian(problem)
    return _gauss_newton_in_balls(problem) if problem.irrational else _rational_gauss_newton(problem)


def _rational_gauss_newton(problem: Problem) -> Curvature:
    J, factors = rational_rows(problem)
    rows = zip(problem.row_weights(), factors, strict=True)
    weights = [w * Fraction(int(c.p), int(c.q)) ** 2 for w, c in rows]

    def in_balls(flint: Any, B: Any) -> Any:
        return _squared(flint, flint.arb_mat(flint.fmpq_mat(J) if B is None else flint.fmpq_mat(J) * B), weights)

    return Curvature("gauss-newton", rank_of_matrix(J).null, True, in_balls)


def _gauss_newton_in_balls(problem: Problem) -> Curvature:
    def in_balls(flint: Any, B: Any) -> Any:
        rows = rows_in_balls(flint, problem)
        return _squared(flint, rows if B is None else rows * flint.arb_mat(B), problem.row_weights())

    return Curvature("gauss-newton", known_null_vectors(problem), False, in_balls)


def _rational_hessian(problem: Problem) -> Curvature:
    flint = require("flint")
    entries = problem.hessian(flint.fmpq)
    H = flint.fmpq_mat(entries)
    null = rank_of_matrix(flint.fmpz_mat([cleared(row)[1] for row in entries])).null
    return Curvature("hessian", null, True, lambda flint, B: _congruent(flint, flint.arb_mat(H), B))


def _hessian_in_balls(problem: Problem) -> Curvature:
    def in_balls(flint: Any, B: Any) -> Any:
        return _congruent(flint, flint.arb_mat(decided(lambda: problem.hessian(flint.arb))), B)

    return Curvature("hessian", known_null_vectors(problem, translations=True), False, in_balls)


def _squared(flint: Any, rows: Any, weights: list[Fraction]) -> Any:
    """rows^T diag(weights) rows."""
    weighted = [
        [entry * (flint.arb(w.numerator) / w.denominator) for entry in row]
        for row, w in zip(rows.tolist(), weights, strict=True)
    ]
    return rows.transpose() * flint.arb_mat(weighted)


def _congruent(flint: Any, H: Any, B: Any) -> Any:
    """B^T H B."""
    if B is None:
        return H
    B = flint.arb_mat(B)
    return B.transpose() * (H * B)
