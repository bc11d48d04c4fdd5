r"""Spectra of Gauss-Newton matrices and Hessians of networks, every eigenvalue in an interval proven to hold it.

    H = J^T J = sum over samples of w_s/N (dF_s/dtheta)^T (dF_s/dtheta),  or that and sum_k r_k Hess r_k

and B^T H B on z with theta = B z, the null space proven first (`curvatures`): Z spans it. With a nearly orthonormal
basis Q of the span of B^-1 Z, |Q^T Q - I| < 1/4, and t above the norm of H,

    H + 4 t Q diag(1 + j/count) Q^T,  j = 0, 1, ..., count - 1

has the eigenvalues of H on its range and others above 3 t, which exceed them all: it is regular, and
`orthogonal_certificates` encloses its eigenvalues to the same relative width, the smallest like the largest, with their
signs. The precision is doubled until that width is small enough.
"""

from fractions import Fraction
from typing import Annotated, Any

from refkan.analysis.exact.enclosures.rational_intervals import Enclosure
from refkan.analysis.exact.extra import Bits, at_precision, require
from refkan.analysis.exact.ranks.network_rows import Problem, checked, multiplied, require_cost
from refkan.analysis.exact.spectra.curvatures import WHICH, Curvature, curvature, matrix_of_basis
from refkan.analysis.exact.spectra.orthogonal_certificates import (
    enclosed_eigenvalues,
    greatest_norm,
    nearly_orthonormal,
)
from refkan.base import (
    ConvergenceError,
    Frozen,
    Positive,
    check_annotated,
    check_positive,
    one_of,
    require_floats,
)
from refkan.base.arguments import check_real
from refkan.truth import UndecidedError

RELATIVE_WIDTH = 1e-10
"""Relative width that enclosures reach by default."""

FIRST_BITS = 128
"""Where the search for a precision begins. Condition numbers up to 2^85 need no more."""

MAXIMUM_BITS = 4096
"""Where it ends: condition numbers up to 2^4000."""

MAXIMUM_BITS_OF_BALLS = 1024
"""Where it ends for networks whose matrix is known in balls only: eigenvalues that are zero, and not known to be,
never end it."""


class CertifiedSpectrum(Frozen, eq=True):
    """Enclosures of the nonzero eigenvalues of a Gauss-Newton matrix J^T J, a tangent kernel J J^T or a Hessian.

    Attributes
    ----------
    values : tuple of Enclosure
        Falling, with multiplicity, as many as the rank. All other eigenvalues are exactly zero.
    size : int
        Number of parameters, of a kernel that of the rows of J.
    basis : str or None
        The coefficients that the matrix refers to.
    rank_by : str
        "exact": the null space is proven over the rationals. "theory": the matrix is known in balls, the null vectors
        are those that the structure of the network gives, and the signs of the others prove that there are no more;
        so for Hessians of many parameters. "rows": J has as many rows as its rank.
    bits : int
        The precision that sufficed.
    which : str
        "gauss-newton", "hessian" or "ntk".

    Examples
    --------
    >>> import numpy as np, refkan as rk
    >>> x = np.linspace(0.0, 1.0, 9)[:, None]
    >>> problem = rk.LeastSquares(rk.kan([1, 1], order=2, intervals=2), x, x)
    >>> spectrum = rk.exact.certified_spectrum(problem, [0.0, 0.0, 0.0])
    >>> spectrum.rank, spectrum.nullity, spectrum.relative_width < 1e-9, spectrum.rank_by
    (3, 0, True, 'exact')
    """

    values: tuple[Enclosure, ...]
    size: int
    basis: str | None
    rank_by: str
    bits: int
    which: str = "gauss-newton"

    @property
    def rank(self) -> int:
        """Rank of the matrix; for the Gauss-Newton matrix it is that of J."""
        return len(self.values)

    @property
    def nullity(self) -> int:
        """Number of eigenvalues that are zero."""
        return self.size - self.rank

    @property
    def negative(self) -> int:
        """Number of negative eigenvalues."""
        return sum(value.sign < 0 for value in self.values)

    @property
    def condition(self) -> Enclosure:
        """The condition number of the range: the largest magnitude of an eigenvalue over the smallest nonzero one.

        Raises
        ------
        ValueError
            If the matrix is zero.
        """
        if not self.values:
            raise ValueError("the matrix is zero: there is no condition number")
        sizes = [value if value.sign > 0 else Enclosure(-value.high, -value.low) for value in self.values]
        largest = Enclosure(max(size.low for size in sizes), max(size.high for size in sizes))
        smallest = Enclosure(min(size.low for size in sizes), min(size.high for size in sizes))
        quotient = largest.quotient(smallest)
        return Enclosure(max(quotient.low, Fraction(1)), quotient.high)

    @property
    def largest_stable_step(self) -> Enclosure:
        """2 / lambda_max, beyond which gradient descent on the quadratic diverges in its first mode.

        Raises
        ------
        ValueError
            If no eigenvalue is positive.
        """
        positive = [value for value in self.values if value.sign > 0]
        if not positive:
            raise ValueError("no eigenvalue is positive: no step of gradient descent is too large")
        return Enclosure(2 / max(value.high for value in positive), 2 / max(value.low for value in positive))

    def effective_dimension(self, mu: float) -> Enclosure:
        """The sum of lambda / (lambda + mu), mu > 0 the ridge parameter, of a matrix without negative eigenvalues.

        Raises
        ------
        ValueError
            If an eigenvalue is negative, or mu is not positive.
        """
        ridge = Fraction(check_positive("mu", mu))
        require_floats("mu", mu)
        if self.negative:
            raise ValueError(
                f"effective dimensions need a matrix without negative eigenvalues; this {self.which} has "
                f"{self.negative}: use the Gauss-Newton matrix"
            )
        ends = zip(*([end / (end + ridge) for end in (value.low, value.high)] for value in self.values), strict=True)
        return Enclosure(*(map(sum, ends) if self.values else (Fraction(0), Fraction(0))))

    def count_above(self, threshold: float) -> tuple[int, int]:
        """The least and the greatest number of eigenvalues above a threshold that the enclosures allow."""
        at = Fraction(check_real("threshold", threshold))
        require_floats("threshold", threshold)
        zeros = self.nullity * (at < 0)
        return sum(v.low > at for v in self.values) + zeros, sum(v.high > at for v in self.values) + zeros

    @property
    def relative_width(self) -> float:
        """The largest of the relative widths of the enclosures."""
        return max((value.relative_width for value in self.values), default=0.0)


def certified_spectrum(
    problem: Any,
    theta: Any,
    basis: str | None = None,
    relative_width: Positive = RELATIVE_WIDTH,
    bits: Bits | None = None,
    seconds: float | None = None,
    which: Annotated[str, one_of(WHICH)] = "gauss-newton",
) -> CertifiedSpectrum:
    r"""Enclose every eigenvalue of the Gauss-Newton matrix J^T J, or of the Hessian, of a least-squares problem.

    J is the Jacobian of the residual, with rows sqrt(w_s/N) dF_s/dtheta, so J^T J is ``problem.gauss_newton(theta)``.
    The Hessian is ``problem.hessian(theta)``, and in general indefinite. Every float is taken as the exact number it
    represents.

    Parameters
    ----------
    problem : LeastSquares
    theta : array (n_params,)
        In the network's own parameters.
    basis : {"spline", "relu", "scaled-relu"}, optional
        The coefficients that the matrix refers to, by default the network's own: J_w = J_u A^-T, exactly. The
        Hessian transforms likewise, A^-1 H A^-T, as the change of basis is linear.
    relative_width : float
        Of each enclosure, at most.
    bits : int, optional
        Precision of the ball arithmetic; by default it is doubled from 128 until it suffices.
    seconds : float, optional
        Expected time beyond which the work is refused before it starts; 600 by default.
    which : {"gauss-newton", "hessian", "ntk"}
        The tangent kernel J J^T has the eigenvalues of J^T J but for zeros.

    Returns
    -------
    CertifiedSpectrum

    Raises
    ------
    ConvergenceError
        If `bits` does not suffice, or no precision up to 4096 bits does (1024 for networks known in balls only): then
        there are null vectors that theory does not list, or a sample that lies on a knot.
    ValueError
        If the expected time exceeds `seconds`; for arguments that do not fit, bases that a layer has not.
    TypeError
        If `problem` is no LeastSquares of a network of refkan.
    ImportError
        If python-flint is not installed.

    Notes
    -----
    Ostrowski's theorem bounds all eigenvalues by relative errors; see `orthogonal_certificates`.

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
    check_annotated(certified_spectrum, locals())
    posed = checked(problem, theta)
    require("flint")
    require_cost("a certified spectrum", posed, seconds, decompositions=1, hessian=which == "hessian")
    if basis not in (None, posed.net.basis):
        posed.net.to_basis(basis)  # refuses bases that a layer has not, before the work begins
    return enclosed(posed, curvature(posed, which), basis, relative_width, bits)


def enclosed(
    posed: Problem,
    matrix: Curvature,
    basis: str | None = None,
    relative_width: float = RELATIVE_WIDTH,
    bits: Bits | None = None,
) -> CertifiedSpectrum:
    """`certified_spectrum` of a curvature that is there: it serves all bases."""
    if basis is None:
        basis = posed.net.basis
    B, inverse = None, None
    if basis is not None and basis != posed.net.basis:
        B, inverse = matrix_of_basis(posed.net, basis)
    Z = matrix.null
    if inverse is not None:
        Z = inverse * Z
    size = posed.net.n_params
    if matrix.which == "ntk":
        size = posed.n_samples * posed.net.widths[-1]

    def attempt(flint: Any) -> CertifiedSpectrum:
        H = matrix.in_balls(flint, B)
        if Z.ncols() and not all(entry.contains(0) for entry in (H * flint.arb_mat(Z)).entries()):
            raise ConvergenceError("H Z is proven not to be zero: the null vectors are wrong for this network")
        deflated, count = _deflated(flint, H, Z)
        values = enclosed_eigenvalues(flint, deflated, relative_width)
        spectrum = CertifiedSpectrum(
            tuple(reversed(values[: len(values) - count])),
            size,
            basis,
            matrix.rank_by,
            flint.ctx.prec,
            matrix.which,
        )
        if not spectrum.relative_width <= relative_width:
            raise UndecidedError
        return spectrum

    maximum = MAXIMUM_BITS
    purpose = (
        f"enclose the spectrum, whose condition number is about 2^{MAXIMUM_BITS - 100} or more: take units of inputs, "
        "outputs and weights that differ less"
    )
    if matrix.rank_by != "exact":
        maximum = MAXIMUM_BITS_OF_BALLS
        known = f"{posed.net.n_params - Z.ncols()}, the {Z.ncols()} null vectors of theory left out: there are more"
        if matrix.rank_by == "rows":
            known = f"{posed.n_rows}, the number of rows: it is smaller"
        purpose = (
            f"enclose the spectrum and to prove that the rank is {known}, or a sample lies on a knot. The rank of "
            "a network with rational values, net.freeze(theta), is proven without theory"
        )
    return at_precision(bits, FIRST_BITS, maximum, purpose, attempt)


def _deflated(flint: Any, H: Any, Z: Any) -> tuple[Any, int]:
    """Return H + 4 t Q diag(1 + j/count) Q^T, Q nearly orthonormal and of the range of Z, t above eigenvalues of H."""
    count = Z.ncols()
    if not count:
        return H, 0
    # No eigenvalue exceeds the Frobenius norm, and those of the second term on the span of Z are above 3 t: apart from
    # one another, since multiple ones take more steps.
    largest = greatest_norm(flint, H.entries()) + flint.arb(2) ** -flint.ctx.prec
    Q = nearly_orthonormal(flint, flint.arb_mat(Z))
    factors = [4 * largest * (1 + flint.arb(j) / count) for j in range(count)]
    return H + Q * multiplied(Q.transpose(), factors), count
