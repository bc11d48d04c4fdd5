r"""All eigenvalues and eigenvectors in ball arithmetic, and how often the vectors change sign."""

from dataclasses import dataclass
from itertools import pairwise
from typing import Any

from refkan.analysis.exact.enclosures.rational_intervals import Enclosure
from refkan.analysis.exact.extra import at_precision
from refkan.analysis.exact.spectra.perron import Congruence
from refkan.base.annotations import check_annotated
from refkan.base.arguments import check_choice
from refkan.base.lazy import lazy
from refkan.base.short_reprs import ShortRepr
from refkan.splines.spaces import SplineSpace
from refkan.truth import UndecidedError

MATRICES = ("AtA", "AAt", "gram", "relu_gram")

MAXIMUM_BITS = 4096


def sign_changes(signs: list[int]) -> tuple[int, int]:
    """Return the least and the greatest number of sign changes over all choices of the entries given as 0.

    An entry 0 may be positive, negative or zero, and zeros do not count. So an undecided entry between entries of
    opposite signs does no harm: there is exactly one change, whatever it is.

    Examples
    --------
    >>> from refkan.analysis.exact import sign_changes
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


@dataclass(frozen=True)
class Eigenpairs(ShortRepr):
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
    >>> pairs = rk.exact.eigenpairs(rk.SplineSpace.uniform(order=2, intervals=3))
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
        """The (k, i) of all components of unknown sign; exact zeros are always among them."""
        return tuple(
            (k, i) for k, vector in enumerate(self.vectors) for i, entry in enumerate(vector) if entry.sign == 0
        )


def eigenpairs(space: SplineSpace, which: str = "AtA", bits: int | None = None) -> Eigenpairs:
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
    >>> from refkan.analysis.exact import eigenpairs
    >>> pairs = eigenpairs(rk.SplineSpace.uniform(order=3, intervals=4))
    >>> pairs.sign_changes
    (0, 1, 2, 3, 4, 5)
    """
    check_choice("which", which, MATRICES)
    matrix = Congruence.of(space, which)

    def attempt(flint: Any) -> Eigenpairs:
        balls = matrix.rounded(flint.arb)
        dim = len(balls.K[0])
        columns = [balls.multiply([flint.arb(int(i == j)) for i in range(dim)]) for j in range(dim)]
        try:
            values, right = flint.acb_mat(flint.arb_mat(columns)).eig(right=True)
        except ValueError as error:  # the eigenvalues do not come apart
            raise UndecidedError from error
        pairs = sorted(zip(values, right.transpose().tolist(), strict=True), key=lambda pair: pair[0].real.mid())
        result = Eigenpairs(
            tuple(Enclosure.between(value.real, value.real) for value, _ in pairs),
            tuple(_scaled(vector) for _, vector in pairs),
            flint.ctx.prec,
        )
        if bits is None and None in result.sign_changes and result.bits < MAXIMUM_BITS:
            raise UndecidedError
        return result

    return at_precision(bits, 256, MAXIMUM_BITS, f"isolate the eigenvalues of {which!r}", attempt)


def _scaled(vector: list[Any]) -> tuple[Enclosure, ...]:
    """The components divided by the largest."""
    largest = max(vector, key=lambda x: abs(x).mid())
    if largest.contains(0):
        raise UndecidedError
    return tuple(Enclosure.between(x.real, x.real) for x in (x / largest for x in vector))
