r"""All eigenvalues and eigenvectors in ball arithmetic, and how often the vectors change sign."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import pairwise
from typing import Any

from refkan.analysis.exact.enclosures.rational_intervals import Enclosure
from refkan.analysis.exact.spectra.extremes_of_spaces import at_precision
from refkan.analysis.exact.spectra.orthogonal_certificates import approximate_eigenvectors
from refkan.analysis.exact.spectra.perron import Congruence, UndecidedError
from refkan.base.annotations import check_annotated
from refkan.base.arguments import check_choice
from refkan.base.lazy import lazy
from refkan.base.short_reprs import ShortRepr
from refkan.splines.spaces import SplineSpace

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
    Approximations of any origin are certified in ball arithmetic: an eigenvalue lies within ||X v - lambda v||/||v||
    of lambda, dim disjoint intervals hold one each, and the distances between them bound the error of a vector.

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
    vectors: list[list[Any]] | None = None  # what one precision has found, the next one polishes

    def attempt(flint: Any) -> Eigenpairs:
        nonlocal vectors
        balls = matrix.rounded(flint.arb)
        with flint.ctx.workprec(2 * flint.ctx.prec):
            sharper = matrix.rounded(flint.arb)
        start = vectors or _approximate_vectors(flint, balls)
        vectors = None  # nothing to keep should the eigenvalues not come out apart
        pairs = sorted((_polished(flint, balls, sharper, vector) for vector in start), key=lambda pair: pair.value)
        result = _enclose(flint, pairs)
        vectors = [pair.vector for pair in pairs]
        if bits is None and None in result.sign_changes and result.bits < MAXIMUM_BITS:
            raise UndecidedError
        return result

    return at_precision(bits, 256, MAXIMUM_BITS, f"isolate the eigenvalues of {which!r}", attempt)


@dataclass(frozen=True)
class _Pair:
    """An approximate eigenpair, its numbers exact, and a bound of the residual ||X v - value v||/||v||."""

    value: Any
    vector: list[Any]
    residual: Any


def _approximate_vectors(flint: Any, balls: Congruence) -> list[list[Any]]:
    """Approximate eigenvectors by the QR algorithm, at a lower precision: it takes dim^3 operations."""
    dim = len(balls.K[0])
    columns = [balls.multiply([flint.arb(int(i == j)) for i in range(dim)]) for j in range(dim)]
    with flint.ctx.workprec(max(128, flint.ctx.prec // 4)):
        vectors: list[list[Any]] = approximate_eigenvectors(flint, flint.arb_mat(columns)).transpose().tolist()
    return vectors


def _polished(flint: Any, balls: Congruence, sharper: Congruence, vector: list[Any]) -> _Pair:
    """Rayleigh quotient iteration until the residual no longer falls: a step triples the number of right digits.

    Where a vector is tiny at its end, its eigenvalue is nearly one of a leading block too. Then a pivot of the shifted
    matrix is zero but for the last bit, and all digits are lost: the elimination needs twice as many.
    """
    best = None
    while True:
        image = balls.multiply(vector)
        square = _dot(vector, vector)
        value = (_dot(vector, image) / square).mid()
        error = sum((y - value * x).abs_upper() ** 2 for x, y in zip(vector, image, strict=True))
        pair = _Pair(value, vector, (error / square).sqrt().upper())
        if not pair.residual.is_finite():
            raise UndecidedError
        if best is not None and not pair.residual < best.residual / 2:
            return best
        best = pair
        try:
            with flint.ctx.workprec(2 * flint.ctx.prec):
                solution = sharper.solve_shifted(value, vector)
        except ZeroDivisionError:  # value is an eigenvalue to the last bit
            return best
        scale = max(abs(x) for x in solution)
        vector = [(x / scale).mid() for x in solution]


def _enclose(flint: Any, pairs: list[_Pair]) -> Eigenpairs:
    # An eigenvalue lies within the residual of each value. If these dim intervals are disjoint, there is no other.
    low, high = [pair.value - pair.residual for pair in pairs], [pair.value + pair.residual for pair in pairs]
    if not all(below < above for below, above in zip(high, low[1:], strict=False)):
        raise UndecidedError
    vectors = []
    for k, pair in enumerate(pairs):
        distances = [pair.value - high[k - 1]] if k else []
        distances += [low[k + 1] - pair.value] if k + 1 < len(pairs) else []
        vectors.append(_enclose_vector(flint.arb, pair, distances))
    values = tuple(Enclosure.between(below, above) for below, above in zip(low, high, strict=True))
    return Eigenpairs(values, tuple(vectors), flint.ctx.prec)


def _enclose_vector(arb: Any, pair: _Pair, distances: list[Any]) -> tuple[Enclosure, ...]:
    r"""Enclose the components of the eigenvector q_k, divided by the largest, given distances to other eigenvalues.

    Let v/||v|| = sum_j c_j q_j. Then sum_j (lambda_j - value)^2 c_j^2 = residual^2; with delta the distance of value to
    the other eigenvalues, the part of v/||v|| orthogonal to q_k has norm s <= residual/delta. If s < 1, v/||v|| and q_k
    or -q_k are at most sqrt(2) s apart.
    """
    norm = _dot(pair.vector, pair.vector).sqrt()
    sines = [(pair.residual / delta).upper() for delta in distances]
    if not all(s < 1 for s in sines):
        raise UndecidedError
    s = max(sines, default=arb(0))
    components = [x + arb(0, (2 * s * norm).upper()) for x in pair.vector]
    largest = max(components, key=lambda x: abs(x).mid())
    if largest.contains(0):
        raise UndecidedError
    return tuple(Enclosure.between(x, x) for x in (x / largest for x in components))


def _dot(v: list[Any], w: list[Any]) -> Any:
    return sum(a * b for a, b in zip(v, w, strict=True))
