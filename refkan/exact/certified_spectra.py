r"""Spectra of Gauss-Newton matrices of networks, every eigenvalue in an interval that is proven to hold it.

    H = J^T J = sum over samples of w_s/N (dF_s/dtheta)^T (dF_s/dtheta),    theta = B z:  B^T H B on z

with the rank of J proven first (`ranks`): Z spans its null space. With Q an orthonormal basis of the span of B^-1 Z and
numbers tau_j above the trace of H,

    H + Q diag(tau) Q^T

has the eigenvalues of H on its range and, above them all, the tau_j: it is positive definite, and
`orthogonal_certificates` encloses its eigenvalues to the same relative width, the smallest like the largest. The
precision is doubled until that width is small enough.
"""

from __future__ import annotations

from dataclasses import dataclass
from fractions import Fraction
from typing import Any

from refkan.arguments import check_positive
from refkan.exact.certificates import at_precision
from refkan.exact.coordinates import matrix_of_basis
from refkan.exact.enclosures import Enclosure
from refkan.exact.expected_cost import require_cost
from refkan.exact.extra import require
from refkan.exact.network_rows import Problem, checked, rational_rows
from refkan.exact.null_directions import known_null_vectors
from refkan.exact.orthogonal_certificates import enclosed_eigenvalues
from refkan.exact.perron import UndecidedError
from refkan.exact.ranks import rank_of_matrix
from refkan.short_reprs import ShortRepr
from refkan.truth import UndecidedError as UndecidedComparison

RELATIVE_WIDTH = 1e-10
"""Relative width that enclosures reach by default."""

FIRST_BITS = 256
"""Where the search for a precision begins. Condition numbers up to 2^200 need no more."""

MAXIMUM_BITS = 4096
"""Where it ends: condition numbers up to 2^4000."""

MAXIMUM_BITS_OF_BALLS = 1024
"""Where it ends for networks whose J is known in balls only: eigenvalues that are zero, and not known to be, never end
it."""


@dataclass(frozen=True)
class CertifiedSpectrum(ShortRepr):
    """The eigenvalues of a Gauss-Newton matrix J^T J that are not zero, enclosed.

    Attributes
    ----------
    values : tuple of Enclosure
        Falling, with multiplicity, as many as the rank. All other eigenvalues are exactly zero.
    size : int
        Number of parameters.
    basis : str or None
        The coefficients that the matrix refers to.
    rank_by : str
        "exact": the null space is proven over the rationals. "theory": J is known in balls, the null vectors are those
        that the structure of the network gives, and the positive eigenvalues prove that there are no more.
    bits : int
        The precision that sufficed.

    Examples
    --------
    >>> import numpy as np, refkan as rk
    >>> x = np.linspace(0.0, 1.0, 9)[:, None]
    >>> problem = rk.LeastSquares(rk.kan([1, 1], order=2, intervals=2), x, x)
    >>> found = rk.exact.certified_spectrum(problem, [0.0, 0.0, 0.0])
    >>> found.rank, found.nullity, found.relative_width < 1e-9, found.rank_by
    (3, 0, True, 'exact')
    """

    values: tuple[Enclosure, ...]
    size: int
    basis: str | None
    rank_by: str
    bits: int

    @property
    def rank(self) -> int:
        """Rank of J."""
        return len(self.values)

    @property
    def nullity(self) -> int:
        """Number of eigenvalues that are zero."""
        return self.size - self.rank

    @property
    def condition(self) -> Enclosure:
        """The condition number of the range, largest by smallest eigenvalue that is not zero.

        Raises
        ------
        ValueError
            If J is zero.
        """
        if not self.values:
            raise ValueError("the Jacobian is zero: there is no condition number")
        quotient = self.values[0].quotient(self.values[-1])
        return Enclosure(max(quotient.low, Fraction(1)), quotient.high)

    @property
    def relative_width(self) -> float:
        """The largest of the relative widths of the enclosures."""
        return max((value.relative_width for value in self.values), default=0.0)


def certified_spectrum(
    problem: Any,
    theta: Any,
    basis: str | None = None,
    relative_width: float = RELATIVE_WIDTH,
    bits: int | None = None,
    seconds: float | None = None,
) -> CertifiedSpectrum:
    r"""Enclose every eigenvalue of the Gauss-Newton matrix J^T J of a least-squares problem.

    J is the Jacobian of the residual, rows sqrt(w_s/N) dF_s/dtheta, as ``problem.gauss_newton(theta)`` has it. All
    floats are taken as the numbers that they are.

    Parameters
    ----------
    problem : LeastSquares
    theta : array (n_params,)
        In the network's own parameters.
    basis : {"spline", "relu", "scaled-relu"}, optional
        The coefficients that the matrix refers to, by default the network's own: J_w = J_u A^-T, exactly.
    relative_width : float
        Of each enclosure, at most.
    bits : int, optional
        Precision of the ball arithmetic; by default it is doubled from 256 until it suffices.
    seconds : float, optional
        Expected time beyond which the work is refused before it starts; 600 by default.

    Returns
    -------
    CertifiedSpectrum

    Raises
    ------
    ConvergenceError
        If `bits` does not suffice, or no precision up to 4096 bits does (1024 for networks whose J is known in balls
        only): then there are null vectors that theory does not list, or a sample that lies on a knot.
    ValueError
        If the expected time exceeds `seconds`; for arguments that do not fit, bases that a layer has not.
    TypeError
        If `problem` is no LeastSquares of a network of refkan.
    ImportError
        If python-flint is not installed.

    Notes
    -----
    Ostrowski's theorem bounds all eigenvalues by relative errors; see `refkan.exact.orthogonal_certificates`.

    Examples
    --------
    >>> import numpy as np, refkan as rk
    >>> x = np.linspace(0.0, 1.0, 21)[:, None]
    >>> net, theta = rk.kan([1, 1], order=2, intervals=4).initialize(np.random.default_rng(0), x)
    >>> spectrum = rk.exact.certified_spectrum(rk.LeastSquares(net, x, x), theta)
    >>> spectrum.rank, spectrum.nullity, spectrum.relative_width < 1e-10
    (5, 0, True)
    >>> [f"{value.midpoint:.6f}" for value in spectrum.values]
    ['0.222305', '0.180952', '0.129744', '0.085714', '0.076522']
    """
    check_positive("relative_width", relative_width)
    posed = checked(problem, theta)
    require("flint")
    basis = posed.net.basis if basis is None else basis
    change = None if basis is None or basis == posed.net.basis else matrix_of_basis(posed.net, posed.theta, basis)
    require_cost("a certified spectrum", posed, seconds, decompositions=1)
    exact = None
    if posed.irrational:
        rank_by, Z = "theory", known_null_vectors(posed)
    else:
        J, factors = rational_rows(posed)
        rank_by, Z = "exact", rank_of_matrix(J).null
        exact = J, [w * Fraction(int(c.p), int(c.q)) ** 2 for w, c in zip(posed.row_weights(), factors, strict=True)]
    if change is not None:
        Z = change[1] * Z

    def attempt(flint: Any) -> CertifiedSpectrum:
        H = _matrix_of_balls(flint, posed, exact, None if change is None else change[0])
        deflated, count = _deflated(flint, H, Z)
        values = enclosed_eigenvalues(flint, deflated)
        found = CertifiedSpectrum(
            tuple(reversed(values[: len(values) - count])), posed.net.n_params, basis, rank_by, flint.ctx.prec
        )
        if not found.relative_width <= relative_width:
            raise UndecidedError
        return found

    maximum, purpose = MAXIMUM_BITS, "enclose the spectrum"
    if exact is None:
        maximum = MAXIMUM_BITS_OF_BALLS
        purpose += (
            f" and to prove that the rank is {posed.net.n_params - Z.ncols()}, the {Z.ncols()} null vectors of theory "
            "left out: there are more, or a sample lies on a knot. A network with rational values, "
            "net.freeze(theta), has its rank proven without theory"
        )
    return at_precision(bits, FIRST_BITS, maximum, purpose, attempt)


def _matrix_of_balls(flint: Any, problem: Problem, exact: Any, B: Any) -> Any:
    """B^T J^T diag(w) J B in balls, from the integer rows and their weights, or from rows in balls."""
    columns = range(problem.net.n_params)
    if exact is not None:
        J, weights = exact
        rows = flint.arb_mat(flint.fmpq_mat(J) if B is None else flint.fmpq_mat(J) * B)
    else:
        weights = problem.row_weights()
        try:
            found = problem.rows(flint.arb)
        except UndecidedComparison as error:
            raise UndecidedError(str(error)) from error
        rows = flint.arb_mat([[row.get(m, 0) for m in columns] for row in found])
        rows = rows if B is None else rows * flint.arb_mat(B)
    weighted = [
        [entry * (flint.arb(w.numerator) / w.denominator) for entry in row]
        for row, w in zip(rows.tolist(), weights, strict=True)
    ]
    return rows.transpose() * flint.arb_mat(weighted)


def _deflated(flint: Any, H: Any, Z: Any) -> tuple[Any, int]:
    """Return H + Q diag(tau) Q^T, Q an orthonormal basis of the columns of Z, tau above all eigenvalues of H."""
    n, count = Z.nrows(), Z.ncols()
    trace = sum((H[m, m] for m in range(n)), flint.arb(0))
    largest = flint.arb(trace.upper()) + flint.arb(2) ** -flint.ctx.prec
    Q = _orthonormal(flint, flint.arb_mat(Z).transpose().tolist()) if count else []
    if not Q:
        return H, 0
    scaled = [[2 * largest * (1 + flint.arb(j) / count) * x for x in q] for j, q in enumerate(Q)]
    return H + flint.arb_mat(Q).transpose() * flint.arb_mat(scaled), count


def _orthonormal(flint: Any, vectors: list[list[Any]]) -> list[list[Any]]:
    """Gram-Schmidt in balls, which hold the orthonormal vectors that exact numbers give."""
    done: list[list[Any]] = []
    for vector in vectors:
        for other in done:
            share = sum((a * b for a, b in zip(vector, other, strict=True)), flint.arb(0))
            vector = [a - share * b for a, b in zip(vector, other, strict=True)]
        norm = sum((a * a for a in vector), flint.arb(0)).sqrt()
        if not norm > 0:
            raise UndecidedError
        done.append([a / norm for a in vector])
    return done
