r"""Gauss-Newton matrices and Hessians for certificates: their null space, proven, and their entries in balls.

Both come as a `Curvature`. Of networks with rational values the matrix is known over the rationals, and so is its null
space; of others it is known in balls, and the null vectors are those that theory gives.

Parameters in another basis are theta = B z with a rational matrix B. On an edge with coefficients u of B-splines, w of
the ReLU powers ((x - t)_+/h)^(r-1), h = 1 unless scaled::

    w = A_h^T u,    A_h = h^(r-1) A,    u = A_h^-T w

B is block diagonal with blocks A_own^T A_target^-T. It is the unit matrix in the place of all other parameters.
"""

from collections.abc import Callable, Iterable
from fractions import Fraction
from itertools import product
from typing import Any, NamedTuple

from refkan.analysis.exact.extra import require
from refkan.analysis.exact.ranks.network_rows import Problem, cleared, multiplied, rational_rows
from refkan.analysis.exact.ranks.null_directions import known_null_vectors
from refkan.analysis.exact.ranks.ranks import PRIMES, rank_of_matrix
from refkan.analysis.exact.spectra.rational import rational_change_of_basis
from refkan.base.arguments import check_choice
from refkan.networks import Network
from refkan.networks.layers.layer import BASES

WHICH = ("gauss-newton", "hessian", "ntk")

EXACT_HESSIAN = 150
"""Parameters up to which null vectors of Hessians are proven over the rationals; beyond, as of matrices in balls."""


class Curvature(NamedTuple):
    """A symmetric matrix in the network's own parameters.

    Attributes
    ----------
    which : str
        "gauss-newton", "hessian" or "ntk".
    null : fmpq_mat (M, count)
        Independent null vectors, its columns; none of a kernel.
    rank_by : str
        "exact": they are proven to be all. "theory" and "rows": the eigenvalues that are not zero have to prove it.
    in_balls : callable
        (flint, B) -> B^T H B as an arb_mat at the present precision, B an fmpq_mat, or None for the unit matrix; or
        J B B^T J^T, which has the same eigenvalues but for zeros, where J has no more rows than its rank.
    """

    which: str
    null: Any
    rank_by: str
    in_balls: Callable[[Any, Any], Any]


def curvature(problem: Problem, which: str) -> Curvature:
    """The Gauss-Newton matrix, the Hessian or the tangent kernel of a problem."""
    if which == "hessian":
        return _hessian(problem)
    return _gauss_newton(problem, which)


def _gauss_newton(problem: Problem, which: str) -> Curvature:
    flint, weights = require("flint"), problem.row_weights()
    rows: Callable[[Any], Any]
    if problem.irrational:
        null, rank_by = known_null_vectors(problem), "theory"
        rows = lambda flint: flint.arb_mat(problem.dense(problem.rows(flint.arb).values()))  # noqa: E731
        kernel = problem.n_rows <= problem.net.n_params - null.ncols()
    else:
        J, factors = rational_rows(problem)
        weights = [w * Fraction(int(c.p), int(c.q)) ** 2 for w, c in zip(weights, factors, strict=True)]
        kernel = flint.nmod_mat(J, PRIMES[0]).rank() == J.nrows() <= J.ncols()  # a minor that is not zero
        null, rank_by, rows = None, "exact", lambda flint: flint.fmpq_mat(J)
        if not kernel:
            null = rank_of_matrix(J, known_null_vectors(problem)).null
    if kernel:
        null = flint.fmpq_mat(problem.net.n_params, 0)
    if kernel and problem.irrational:
        rank_by = "rows"

    def in_balls(flint: Any, B: Any) -> Any:
        J = rows(flint)
        if B is not None:
            J = J * B
        R = flint.arb_mat(J)
        factors = [flint.arb(w.numerator) / w.denominator for w in weights]
        if kernel:
            R = multiplied(R, [factor.sqrt() for factor in factors])
            return R * R.transpose()
        return R.transpose() * multiplied(R, factors)

    return Curvature(which, null, rank_by, in_balls)


def _hessian(problem: Problem) -> Curvature:
    flint = require("flint")
    in_theory = bool(problem.irrational) or problem.net.n_params > EXACT_HESSIAN
    if in_theory:
        rank_by = "theory"
        null = known_null_vectors(problem, translations=True)
    else:
        rank_by = "exact"
        entries = problem.hessian(flint.fmpq, flint.fmpq_mat)
        integers = [cleared(row)[1] for row in entries.tolist()]
        null = rank_of_matrix(flint.fmpz_mat(integers)).null

    def in_balls(flint: Any, B: Any) -> Any:
        H = problem.hessian(flint.arb, flint.arb_mat) if in_theory else flint.arb_mat(entries)
        if B is None:
            return H
        return flint.arb_mat(B).transpose() * (H * B)

    return Curvature("hessian", null, rank_by, in_balls)


def matrix_of_basis(net: Network, basis: str) -> tuple[Any, Any]:
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
    flint, M, begin = require("flint"), net.n_params, 0
    B, inverse = (flint.fmpq_mat(_unit(M)) for _ in range(2))
    pairs: Iterable[tuple[Any, Any]] = zip(net.layers, other.layers, strict=True)
    for own, target in pairs:
        changed = range(own.n_inputs)
        if own.basis == target.basis:
            changed = range(0)
        for p in changed:
            here = _from_spline(flint, own, p)
            there = _from_spline(flint, target, p)
            block, back = here * there.inv(), there * here.inv()
            functions = range(own.dim)
            for q, i, j in product(range(own.n_outputs), functions, functions):
                first = begin + (q * own.n_inputs + p) * own.dim
                B[first + i, first + j] = block[i, j]
                inverse[first + i, first + j] = back[i, j]
        begin += own.n_params
    return B, inverse


def _unit(size: int) -> list[list[int]]:
    return [[int(i == j) for j in range(size)] for i in range(size)]


def _from_spline(flint: Any, layer: Any, p: int) -> Any:
    """The matrix A_h^T that takes B-spline coefficients of an input to those of a layer."""
    if layer.basis == "spline":
        return flint.fmpq_mat(_unit(layer.dim))
    return rational_change_of_basis(layer.spaces[p], layer.basis == "scaled-relu").transpose()
