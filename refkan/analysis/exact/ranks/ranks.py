r"""Exact ranks of Jacobians, with proofs that are verified separately from the computation.

    rank >= k    a k x k minor of the integer matrix J is not zero modulo a prime p, hence not zero
    rank <= k    M - k independent rational vectors Z satisfy J Z = 0, multiplied out exactly

Gaussian elimination modulo p gives the minor. Z are the null vectors of theory if there are as many as the elimination
leaves. Otherwise the k pivot rows are solved for the other columns, J_pivot X = J_free, by p-adic lifting (Dixon,
Numer. Math. 40, 1982), whose cost is that of the digits of X. If the prime was unlucky and the rank modulo p is too
small, J Z = 0 fails, and another prime is used.

With mean-std and sigmoid maps, SiLU edges, tanh and free knots J is enclosed in balls, and its rank in an interval:

    rank >= k    the determinant of a k x k minor of J is a ball that does not contain zero
    rank <= k    M - k independent vectors of theory, along which the network does not change (`null_directions`);
                 or k is the number of rows

A ball never proves J z = 0, so the upper bound relies on a theorem; the computation checks that J z may be zero. If J
has more null vectors than theory lists, no precision gives a minor of that size, and the largest minor that is proven
nonzero gives the lower bound. Rows are excluded if the sample may lie on a knot or the entries are unbounded.
"""

from collections.abc import Iterator
from dataclasses import field
from fractions import Fraction
from typing import Any

from refkan.analysis.exact.extra import precision, require
from refkan.analysis.exact.ranks.network_rows import Problem, checked, rational_rows, require_cost
from refkan.analysis.exact.ranks.null_directions import known_null_vectors
from refkan.analysis.exact.ranks.pivots_in_floats import Minor, in_floats, independent
from refkan.analysis.exact.spectra.rational import as_fractions
from refkan.base import ConvergenceError, Frozen

PRIMES = (2**61 - 1, 2**62 - 57, 2**62 - 87)
"""Moduli: an unlucky one divides one of the minors of full size, which about one in 2^61 numbers does."""


class RankCertificate(Frozen, eq=True):
    """Bounds of the rank of a matrix J (rows, M) and their proof; they may differ for networks known in balls.

    Attributes
    ----------
    low, high : int
        low <= rank J <= high.
    size : int
        M.
    analytic_nullity : int or None
        Lower bound of the nullity known from the structure of the network.
    prime : int
        0 where J is known in balls only.
    rows, columns : tuple of int
        A minor of J of size `low` that is not zero modulo the prime; in balls, for the prime 0.
    null : fmpq_mat (M, M - rank)
        Independent columns Z with J Z = 0. In balls those of theory, which are fewer where the rank is the number of
        rows, or not known.

    Examples
    --------
    >>> import numpy as np, refkan as rk
    >>> x = np.array([[0.1], [0.2], [0.3]])  # no sample in the second interval
    >>> problem = rk.LeastSquares(rk.kan([1, 1], order=2, intervals=2), x, x)
    >>> certificate = rk.exact.certified_rank(problem, [0.0, 0.0, 0.0])
    >>> certificate.rank, certificate.nullity, [[str(z) for z in row] for row in certificate.null_vectors]
    (2, 1, [['0', '0', '1']])
    """

    low: int
    high: int
    size: int
    prime: int
    rows: tuple[int, ...]
    columns: tuple[int, ...]
    null: Any = field(repr=False)
    analytic_nullity: int | None = None

    @property
    def rank(self) -> int:
        """The rank.

        Raises
        ------
        ConvergenceError
            If the bounds differ.
        """
        if self.low < self.high:
            raise ConvergenceError(
                f"the rank lies in [{self.low}, {self.high}] (.low, .high), and is not known: J may have more null "
                f"vectors than the {self.null.ncols()} of theory, or a sample may lie on a knot. The rank "
                "of a network with rational values, net.freeze(theta), is proven without theory"
            )
        return self.low

    @property
    def rank_by(self) -> str:
        """The source of `high`: null vectors, multiplied out ("exact") or known by "theory", or the "rows"."""
        if self.prime:
            return "exact"
        if self.null.ncols() == self.size - self.high:
            return "theory"
        return "rows"

    @property
    def nullity(self) -> int:
        """The dimension M - rank of the null space; errors as for `rank`."""
        return self.size - self.rank

    @property
    def null_vectors(self) -> list[list[Fraction]]:
        """A basis of the null space, one row a vector."""
        return as_fractions(self.null.transpose()) if self.null.ncols() else []

    def verify(self, J: Any) -> None:
        """Check the proof of a network with rational values against its integer matrix (fmpz_mat).

        Raises
        ------
        ValueError
            If it proves nothing: which half fails is said.
        """
        flint = require("flint")
        if not (len(self.rows) == len(self.columns) == self.rank and self.size == J.ncols()):
            raise ValueError(
                f"the certificate is wrong: rank {self.rank} of {J.ncols()} columns needs as many rows and columns of "
                f"a minor; got {len(self.rows)} and {len(self.columns)}, for {self.size} columns"
            )
        if self.rank:
            if not flint.fmpz(self.prime).is_prime():
                raise ValueError(
                    f"the certificate is wrong: {self.prime} is not prime, and ranks modulo it prove nothing"
                )
            minor = flint.nmod_mat(_taken(J, self.rows, self.columns), self.prime)
            if minor.rank() < self.rank:
                raise ValueError(f"the certificate is wrong: the minor of size {self.rank} is zero modulo {self.prime}")
        if (self.null.nrows(), self.null.ncols()) != (self.size, self.nullity):
            raise ValueError(f"the certificate is wrong: rank {self.rank} needs {self.nullity} null vectors")
        if self.nullity:
            free = [m for m in range(self.size) if m not in set(self.columns)]
            unit = flint.fmpq_mat(_taken(self.null, free, range(self.nullity)))
            if unit.rank() < self.nullity:
                raise ValueError("the certificate is wrong: the null vectors are dependent")
            _require_null(J, self.null, "the certificate is wrong")


def certified_rank(problem: Any, theta: Any, seconds: float | None = None) -> RankCertificate:
    r"""Prove the rank of the Jacobian of a least-squares problem, with every float taken as the rational number it is.

    Parameters
    ----------
    problem : LeastSquares
        Networks of splines, ReLU powers, Chebyshev polynomials and dense ReLU layers, with node maps none, affine and
        min-max, have rational values, and a proof by them alone. With mean-std and sigmoid maps, SiLU edges, tanh and
        free knots the lower bound is proven in balls, the upper by the null vectors of theory, or by the number of rows
        (``rank_by``); they may differ (``low``, ``high``). Samples of weight zero do not count.
    theta : array (n_params,)
    seconds : float, optional
        Expected time beyond which the work is refused before it starts; 600 by default.

    Returns
    -------
    RankCertificate
        With ``rank``, ``nullity``, ``analytic_nullity`` and ``null_vectors``, a rational basis of the null space (of
        rank_by "rows" and of bounds that differ a part of one).

    Raises
    ------
    ValueError
        If the expected time exceeds `seconds`; for arguments that do not fit.
    TypeError
        If `problem` is no LeastSquares of a network of refkan.
    ImportError
        If python-flint is not installed.

    Examples
    --------
    >>> import numpy as np, refkan as rk
    >>> x = np.random.default_rng(0).uniform(size=(20, 1))
    >>> net, theta = rk.kan([1, 2, 1], order=2, intervals=2).initialize(np.random.default_rng(1), x)
    >>> certificate = rk.exact.certified_rank(rk.LeastSquares(net, x, x), theta)
    >>> certificate.rank, certificate.nullity, certificate.analytic_nullity
    (7, 5, 1)
    """
    posed = checked(problem, theta)
    require("flint")
    require_cost("an exact rank", posed, seconds, decompositions=0)
    if posed.irrational:
        (rows, columns), Z = minor_in_balls(posed)
        high = min(posed.net.n_params - Z.ncols(), posed.n_rows)
        return RankCertificate(len(rows), high, posed.net.n_params, 0, rows, columns, Z, Z.ncols())
    J, _ = rational_rows(posed)
    known = known_null_vectors(posed)
    return rank_of_matrix(J, known)


def rank_of_matrix(J: Any, known: Any = None) -> RankCertificate:
    """Find the rank of an integer matrix (fmpz_mat), and prove it; `known` are independent null vectors (fmpq_mat).

    Raises
    ------
    ValueError
        If they are none.
    ConvergenceError
        If all primes are unlucky.

    Examples
    --------
    >>> from flint import fmpz_mat
    >>> certificate = rank_of_matrix(fmpz_mat([[1, 2, 3], [2, 4, 6]]))
    >>> certificate.rank, certificate.null_vectors
    (1, [[Fraction(-2, 1), Fraction(1, 1), Fraction(0, 1)], [Fraction(-3, 1), Fraction(0, 1), Fraction(1, 1)]])
    """
    flint = require("flint")
    if known is not None:
        _require_null(J, known, "the null vectors of theory are wrong for this network")
    for prime in PRIMES:
        columns = pivots(flint.nmod_mat(J, prime))
        rows = pivots(flint.nmod_mat(J.transpose(), prime))
        free = [m for m in range(J.ncols()) if m not in set(columns)]
        null, analytic = _completed(J, known, rows, columns, free), None if known is None else known.ncols()
        certificate = RankCertificate(len(columns), len(columns), J.ncols(), prime, rows, columns, null, analytic)
        try:
            certificate.verify(J)
        except ValueError:
            continue
        return certificate
    raise ConvergenceError(f"no certificate of the rank was found modulo {len(PRIMES)} primes: pass more primes")


def pivots(matrix: Any) -> tuple[int, ...]:
    """Pivot columns of a matrix over a field.

    Examples
    --------
    >>> from flint import nmod_mat
    >>> pivots(nmod_mat(2, 3, [0, 2, 1, 0, 1, 3], 5))
    (1,)
    """
    echelon, rank = matrix.rref()
    columns, column = [], 0
    for i in range(rank):
        while echelon[i, column] == 0:
            column += 1
        columns.append(column)
    return tuple(columns)


def _completed(J: Any, known: Any, rows: tuple[int, ...], columns: tuple[int, ...], free: list[int]) -> Any:
    """The null vectors Z that are known, and others, one for each free column that these leave undetermined.

    The others have a one there, zeros in the other free columns, and -X in the pivot columns, J_pivot X = J_free on the
    rows given. Numbers of thousands of bits may solve that: it grows fast with the number of columns.
    """
    flint = require("flint")
    if known is not None and known.ncols():
        held = set(pivots(_taken(known, free, range(known.ncols())).transpose()))
        free = [m for k, m in enumerate(free) if k not in held]
    others = flint.fmpq_mat(J.ncols(), len(free))
    for j, m in enumerate(free):
        others[m, j] = 1
    if columns and free:
        left = flint.fmpq_mat(_taken(J, rows, columns))
        X = left.solve(flint.fmpq_mat(_taken(J, rows, free)), algorithm="dixon")
        for i, m in enumerate(columns):
            for j in range(len(free)):
                others[m, j] = -X[i, j]
    if known is None:
        return others
    return flint.fmpq_mat([[*a, *b] for a, b in zip(known.tolist(), others.tolist(), strict=True)])


def _require_null(J: Any, Z: Any, owner: str) -> None:
    if any(entry != 0 for entry in (require("flint").fmpq_mat(J) * Z).entries()):
        raise ValueError(f"{owner}: J Z is not zero")


def _taken(matrix: Any, rows: Any, columns: Any) -> Any:
    return type(matrix)([[matrix[i, j] for j in columns] for i in rows])


BITS = (128, 256, 512, 1024)
"""Precisions that are tried."""


def minor_in_balls(problem: Problem) -> tuple[Minor, Any]:
    """Find a minor that is not zero, as large as theory and the rows allow if there is one, and the null vectors.

    Raises
    ------
    ConvergenceError
        If J Z is proven not to be zero, Z the null vectors of theory.
    """
    require("flint")
    Z = known_null_vectors(problem)
    greatest = min(problem.net.n_params - Z.ncols(), problem.n_rows)
    best: Minor = (), ()
    for bits in BITS:
        with precision(bits) as flint:
            rows = {
                number: row
                for number, row in problem.rows(flint.arb, decided=True).items()
                if all(flint.arb(entry).is_finite() for entry in row.values())  # exact zeros are integers
            }
            if not rows:
                continue
            J = flint.arb_mat(problem.dense(rows.values()))
            if not all(entry.contains(0) for entry in (J * flint.arb_mat(Z)).entries()):
                raise ConvergenceError(
                    "J Z is proven not to be zero: the null vectors of theory are wrong for this network"
                )
            numbers = list(rows)
            for minor in _minors(flint, J, greatest, bits == BITS[-1]):
                if len(minor[0]) > len(best[0]):
                    best = tuple(numbers[i] for i in minor[0]), minor[1]
        if len(best[0]) == greatest:
            break
    return best, Z


def _minors(flint: Any, J: Any, greatest: int, all_sizes: bool) -> Iterator[Minor]:
    """Minors that are not zero: of the greatest size, or else, by bisection, of the greatest that is found."""
    entries = in_floats(J)
    low, high, size = 0, min(greatest, J.nrows()), min(greatest, J.nrows())
    while low < size:
        rows, columns = independent(entries, size)
        if not flint.arb_mat([[J[i, j] for j in columns] for i in rows]).det().contains(0):
            yield rows, columns
            low = size
        elif not all_sizes:
            return
        else:
            high = size - 1
        size = (low + high + 1) // 2
