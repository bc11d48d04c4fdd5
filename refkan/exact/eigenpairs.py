r"""All eigenvalues and eigenvectors in ball arithmetic, and how often the vectors change sign."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from itertools import pairwise
from typing import Any

from refkan.arguments import check_choice
from refkan.exact.certificates import at_precision
from refkan.exact.enclosures import Enclosure
from refkan.exact.perron import UndecidedError
from refkan.exact.rational import rational_change_of_basis, rational_gram
from refkan.spaces import SplineSpace

MATRICES = ("AtA", "AAt", "gram", "relu_gram")

MAXIMUM_BITS = 4096


def sign_changes(signs: list[int]) -> tuple[int, int]:
    """Least and greatest number of sign changes over all choices of the entries given as 0.

    An entry 0 may be positive, negative or zero, and zeros do not count. So an undecided entry between entries of
    opposite signs does no harm: there is exactly one change, whatever it is.

    Examples
    --------
    >>> from refkan.exact import sign_changes
    >>> sign_changes([1, 0, -1, -1]), sign_changes([1, 0, 1]), sign_changes([1, 0])
    ((1, 1), (0, 2), (0, 1))
    """
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
class Eigenpairs:
    """Enclosures of the eigenpairs of a symmetric matrix, eigenvalues ascending.

    Attributes
    ----------
    values : tuple of Enclosure
        Disjoint, so that each holds exactly one eigenvalue.
    vectors : tuple of tuples of Enclosure
        vectors[k][i]: component i of the eigenvector to values[k], whose largest component is 1.
    bits : int
        The precision that they were computed with.
    """

    values: tuple[Enclosure, ...]
    vectors: tuple[tuple[Enclosure, ...], ...]
    bits: int

    @cached_property
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
        eigenvalues are isolated and all sign changes decided. Uniform knots need about 256 bits at dim = 100, random
        ones 512.

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
    Arb's certified eigensolver for complex matrices; its cost grows like dim^3. The matrix is real and symmetric with
    simple eigenvalues, so an enclosed eigenvector is a complex multiple of a real one: divided by its largest
    component, it is real.

    Examples
    --------
    >>> import refkan as rk
    >>> from refkan.exact import eigenpairs
    >>> pairs = eigenpairs(rk.SplineSpace.uniform(order=3, intervals=4))
    >>> pairs.sign_changes
    (0, 1, 2, 3, 4, 5)
    """
    check_choice("which", which, MATRICES)
    matrix = _matrix(space, which)

    def attempt(flint: Any) -> Eigenpairs:
        pairs = _enclose(flint, matrix)
        if bits is None and None in pairs.sign_changes and pairs.bits < MAXIMUM_BITS:
            raise UndecidedError
        return pairs

    return at_precision(bits, 256, MAXIMUM_BITS, f"isolate the eigenvalues of {which!r}", attempt)


def _matrix(space: SplineSpace, which: str) -> Any:
    if which == "gram":
        return rational_gram(space)
    if which == "relu_gram":
        return rational_gram(space, "relu")
    A = rational_change_of_basis(space)
    return A.transpose() * A if which == "AtA" else A * A.transpose()


def _enclose(flint: Any, matrix: Any) -> Eigenpairs:
    balls = flint.acb_mat(flint.arb_mat(matrix))
    try:
        values, right = balls.eig(right=True)
    except ValueError as error:  # "failed to isolate eigenvalues"
        raise UndecidedError from error
    order = sorted(range(len(values)), key=lambda k: values[k].real.mid())
    enclosures = tuple(Enclosure.between(values[k].real, values[k].real) for k in order)
    # Boxes that are disjoint in the complex plane and all meet the real line are disjoint on it.
    assert all(below.high < above.low for below, above in pairwise(enclosures))
    rows = right.tolist()
    vectors = tuple(_real([row[k] for row in rows]) for k in order)
    return Eigenpairs(enclosures, vectors, flint.ctx.prec)


def _real(vector: list[Any]) -> tuple[Enclosure, ...]:
    pivot = max(vector, key=lambda entry: abs(entry).mid())
    if pivot.contains(0):
        raise UndecidedError
    entries = [(entry / pivot).real for entry in vector]
    return tuple(Enclosure.between(entry, entry) for entry in entries)
