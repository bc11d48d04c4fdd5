"""Certified eigenvalues, eigenvectors and condition numbers of spline spaces, and condition numbers of networks."""

from fractions import Fraction
from itertools import pairwise
from typing import Any

from refkan.analysis.exact.enclosures.rational_intervals import Enclosure
from refkan.analysis.exact.extra import Bits, at_precision
from refkan.analysis.exact.spectra.certified_spectra import certified_spectrum
from refkan.analysis.exact.spectra.perron import ALTERNATING, End, extreme_eigenvalue, irreducible_blocks, matrix_of
from refkan.base import Frozen, check_annotated, check_choice, lazy
from refkan.splines.spaces import SplineSpace
from refkan.training.losses import LeastSquares
from refkan.truth import UndecidedError

MATRICES = ("AtA", "gram", "relu_gram")

MAXIMUM_BITS = 2**16
"""The highest precision that is tried: knots that use the whole range of float64 at order 10 need about 2^15."""

ISOLATING_BITS = 4096
"""The highest precision that is tried to isolate all eigenvalues."""


def extreme_eigenvalues(
    space: SplineSpace, which: str = "AtA", bits: Bits | None = None, scaled: bool = False
) -> tuple[Enclosure, Enclosure]:
    r"""Enclose the smallest and the largest eigenvalue of A^T A or of a Gram matrix, to 2^-58 relative.

    Parameters
    ----------
    space : SplineSpace
        Its float64 knots are taken as they are. Strictly increasing, but for "gram".
    which : {"AtA", "gram", "relu_gram"}
        A^T A with A the change of basis, or the Gram matrix of the B-splines or of the ReLU powers on [a, b].
    bits : int, optional
        Precision of the ball arithmetic, at least 32; by default it is doubled from 128 until it suffices,
        which takes at least log2 of the condition number and 64 more.
    scaled : bool
        Whether the ReLU powers are the scaled ones: A is multiplied by h^(r-1), their Gram matrix by h^(2-2r).

    Returns
    -------
    smallest, largest : Enclosure
        Intervals with exact rational ends; ``.floats()`` rounds them outwards.

    Raises
    ------
    ConvergenceError
        If `bits` does not suffice; the message says how many would do.
    KnotError
        If knots repeat ("AtA", "relu_gram"), or a B-spline vanishes on the domain ("gram").
    ValueError
        For an unknown matrix or bits < 32.
    ImportError
        If python-flint is not installed.

    Notes
    -----
    Collatz-Wielandt ratios of a positive vector for a non-negative matrix, in ball arithmetic; derived in
    `refkan.analysis.exact.spectra.perron`. The matrix "relu_gram" is full and takes a few seconds at dim = 200, the
    others, whose bands are narrow, a second at dim = 500.

    Examples
    --------
    >>> import refkan as rk
    >>> from refkan.analysis.exact import extreme_eigenvalues
    >>> smallest, largest = extreme_eigenvalues(rk.SplineSpace.uniform(order=1, intervals=2))
    >>> smallest.floats(), largest.floats()  # (3 -+ sqrt 5)/2
    ((0.3819660112501051, 0.38196601125010515), (2.6180339887498945, 2.618033988749895))
    """
    check_annotated(extreme_eigenvalues, locals())
    check_choice("which", which, MATRICES)
    blocks = irreducible_blocks(matrix_of(space, which, scaled))

    def attempt(flint: Any) -> tuple[Enclosure, Enclosure]:
        def of_blocks(end: End) -> list[Enclosure]:
            return [extreme_eigenvalue(flint, *block, end, end == ALTERNATING[which]) for block in blocks]

        small, large = of_blocks("smallest"), of_blocks("largest")
        return (
            Enclosure(min(e.low for e in small), min(e.high for e in small)),
            Enclosure(max(e.low for e in large), max(e.high for e in large)),
        )

    return at_precision(bits, 128, MAXIMUM_BITS, f"certify the extreme eigenvalues of {which!r}", attempt)


def certified_condition_number(space: SplineSpace, which: str = "AtA", bits: Bits | None = None) -> tuple[float, float]:
    r"""Enclose the condition number lambda_max/lambda_min of A^T A, or of a Gram matrix, of a spline space.

    Two enclosures of relative width 2^-58 with exact ends are divided and rounded outwards: the ends are neighbouring
    floats, or one float lies between them. Scaling the ReLU powers does not change the result.

    Parameters
    ----------
    space, which, bits
        As for `extreme_eigenvalues`.

    Returns
    -------
    low, high : float
        The condition number lies in [low, high]. Beyond the range of float64, low is the largest float, high infinite.

    Raises
    ------
    ConvergenceError, KnotError, ValueError, TypeError, ImportError
        As `extreme_eigenvalues`.

    Notes
    -----
    [S26] section 2.2. `certified_gauss_newton_condition` encloses the condition number of a network's matrix.

    Examples
    --------
    >>> import refkan as rk
    >>> from refkan.analysis.exact import certified_condition_number
    >>> space = rk.SplineSpace.uniform(order=3, intervals=10)
    >>> certified_condition_number(space)
    (2973608.267579862, 2973608.2675798624)
    >>> certified_condition_number(space, which="gram")
    (47.343148992654, 47.34314899265401)
    """
    check_annotated(certified_condition_number, locals())
    smallest, largest = extreme_eigenvalues(space, which, bits)
    condition = largest.quotient(smallest)
    return Enclosure(max(condition.low, Fraction(1)), condition.high).floats()


def certified_gauss_newton_condition(
    problem: LeastSquares,
    theta: Any,
    basis: str | None = None,
    bits: Bits | None = None,
    seconds: float | None = None,
) -> tuple[float, float]:
    r"""Enclose the condition number of the Gauss-Newton matrix J^T J of a least-squares problem on its range.

    The rank is proven. The relative width is at most 3e-10.

    Parameters
    ----------
    problem, theta, basis, bits, seconds
        As for `certified_spectrum`.

    Returns
    -------
    low, high : float
        As by `certified_condition_number`.

    Raises
    ------
    ConvergenceError, ValueError, TypeError, ImportError
        As `certified_spectrum`.

    Examples
    --------
    >>> import numpy as np, refkan as rk
    >>> x = np.linspace(0.0, 1.0, 21)[:, None]
    >>> net, theta = rk.kan([1, 1], order=2, intervals=4).initialize(np.random.default_rng(0), x)
    >>> low, high = rk.exact.certified_gauss_newton_condition(rk.LeastSquares(net, x, x), theta, basis="relu")
    >>> f"{low:.7f}", high / low - 1 < 3e-10
    ('2984.0246095', True)
    """
    return certified_spectrum(problem, theta, basis, bits=bits, seconds=seconds).condition.floats()


def sign_changes(signs: list[int]) -> tuple[int, int]:
    """Return the least and the greatest number of sign changes over all choices of the entries given as 0.

    An entry 0 may be positive, negative or zero, and zeros do not count. So an undecided entry between entries of
    opposite signs does no harm: there is exactly one change, whatever it is.

    Examples
    --------
    >>> from refkan.analysis.exact.spectra.condition_numbers import sign_changes
    >>> sign_changes([1, 0, -1, -1]), sign_changes([1, 0, 1]), sign_changes([1, 0])
    ((1, 1), (0, 2), (0, 1))
    """
    check_annotated(sign_changes, locals())
    decided = [sign for sign in signs if sign]
    least = sum(a != b for a, b in pairwise(decided))
    most: dict[int, int] = {}  # the greatest number so far, by the sign of the last entry
    for sign in signs:
        most = {
            s: max((count + (s != before) for before, count in most.items()), default=0)
            for s in ((sign,) if sign else (1, -1))
        }
    return least, max(most.values(), default=0)


class Eigenpairs(Frozen, eq=True):
    """Enclosures of the eigenpairs of a symmetric matrix, eigenvalues ascending.

    Attributes
    ----------
    values : tuple of Enclosure
        Disjoint, so that each holds exactly one eigenvalue.
    vectors : tuple of tuples of Enclosure
        vectors[k][i]: component i of the eigenvector to values[k], whose largest component is 1.
    bits : int
        The precision that they were computed with.

    Examples
    --------
    >>> import refkan as rk
    >>> from refkan.analysis.exact.spectra.condition_numbers import eigenpairs
    >>> pairs = eigenpairs(rk.SplineSpace.uniform(order=2, intervals=3))
    >>> all(low.high < high.low for low, high in zip(pairs.values, pairs.values[1:])), pairs.sign_changes
    (True, (0, 1, 2, 3))
    """

    values: tuple[Enclosure, ...]
    vectors: tuple[tuple[Enclosure, ...], ...]
    bits: int

    @lazy
    def sign_changes(self) -> tuple[int | None, ...]:
        """Certified number of sign changes of each eigenvector, zeros not counted; None where it is undecided.

        Undecided: components whose enclosures hold 0 leave more than one number possible. More bits decide, unless
        a component is exactly zero beside one of the same sign.
        """
        counts = (sign_changes([entry.sign for entry in vector]) for vector in self.vectors)
        return tuple(least if least == most else None for least, most in counts)

    @property
    def undecided(self) -> tuple[tuple[int, int], ...]:
        """The (k, i) of all components of unknown sign, which include exact zeros."""
        return tuple(
            (k, i) for k, vector in enumerate(self.vectors) for i, entry in enumerate(vector) if entry.sign == 0
        )


def eigenpairs(space: SplineSpace, which: str = "AtA", bits: Bits | None = None) -> Eigenpairs:
    r"""Enclose all eigenvalues and eigenvectors of A^T A, A A^T or a Gram matrix.

    Parameters
    ----------
    space : SplineSpace
        Its float64 knots are taken as they are.
    which : {"AtA", "AAt", "gram", "relu_gram"}
    bits : int, optional
        Precision of the ball arithmetic, at least 32. By default it is doubled from 256, to 4096 at most, until the
        eigenvalues are isolated and all sign changes decided. At dim = 100 uniform knots need 256 bits, random ones
        512 to 1024.

    Returns
    -------
    Eigenpairs
        Sign changes that `bits` does not decide are None in ``.sign_changes``.

    Raises
    ------
    ConvergenceError
        If `bits` does not isolate the eigenvalues; the message says how many would do.
    KnotError
        As `extreme_eigenvalues`.
    ValueError
        For an unknown matrix or bits < 32.
    ImportError
        If python-flint is not installed.

    Notes
    -----
    Arb finds the eigenpairs of any matrix and proves that they are apart (van der Hoeven and Mourrain; python-flint's
    `acb_mat.eig`). Eigenvalues of symmetric matrices are real, and so is a vector that is divided by one of its
    components: their real parts lie in the real parts of the balls.

    Examples
    --------
    >>> import refkan as rk
    >>> from refkan.analysis.exact.spectra.condition_numbers import eigenpairs
    >>> pairs = eigenpairs(rk.SplineSpace.uniform(order=3, intervals=4))
    >>> pairs.sign_changes
    (0, 1, 2, 3, 4, 5)
    """
    check_annotated(eigenpairs, locals())
    check_choice("which", which, (*MATRICES, "AAt"))
    matrix = matrix_of(space, which)

    def attempt(flint: Any) -> Eigenpairs:
        try:
            values, right = flint.acb_mat(flint.arb_mat(matrix)).eig(right=True)
        except ValueError as error:  # the eigenvalues do not come apart
            raise UndecidedError from error
        pairs = sorted(zip(values, right.transpose().tolist(), strict=True), key=lambda pair: pair[0].real.mid())
        result = Eigenpairs(
            tuple(Enclosure.between(value.real, value.real) for value, _ in pairs),
            tuple(_scaled(vector) for _, vector in pairs),
            flint.ctx.prec,
        )
        if bits is None and None in result.sign_changes and result.bits < ISOLATING_BITS:
            raise UndecidedError
        return result

    return at_precision(bits, 256, ISOLATING_BITS, f"isolate the eigenvalues of {which!r}", attempt)


def _scaled(vector: list[Any]) -> tuple[Enclosure, ...]:
    """The components divided by the largest."""
    largest = max(vector, key=lambda x: abs(x).mid())
    if largest.contains(0):
        raise UndecidedError
    return tuple(Enclosure.between(x.real, x.real) for x in (x / largest for x in vector))
