r"""Certified extreme eigenvalues of spline spaces, and the search for a precision that suffices."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeVar

from refkan.analysis.exact.enclosures.rational_intervals import Enclosure
from refkan.analysis.exact.extra import precision
from refkan.analysis.exact.spectra.perron import Congruence, UndecidedError, extreme_eigenvalue
from refkan.base.annotations import check_annotated
from refkan.base.arguments import check_choice, check_count
from refkan.base.errors import ConvergenceError
from refkan.splines.spaces import SplineSpace

MATRICES = ("AtA", "gram", "relu_gram")

MINIMUM_BITS = 32
MAXIMUM_BITS = 2**16
"""Where the search for a precision ends: knots that use the whole range of float64 at order 10 need about 2^15."""

Result = TypeVar("Result")


def at_precision(bits: int | None, start: int, maximum: int, purpose: str, attempt: Callable[[Any], Result]) -> Result:
    """Call attempt(flint) at `bits` bits; if bits is None, at start, 2 start, ... until it succeeds.

    Raises
    ------
    ConvergenceError
        If the attempt at `bits` raises UndecidedError: the message gives a precision that was found to do. If no
        precision up to `maximum` does.
    """
    if bits is not None:
        check_count("bits", bits, MINIMUM_BITS)
    trial = start if bits is None else bits
    while True:
        try:
            with precision(trial) as flint:
                result = attempt(flint)
            break
        except UndecidedError:
            trial *= 2
            if trial > max(maximum, bits or 0):
                raise ConvergenceError(f"no precision up to {trial // 2} bits suffices to {purpose}") from None
    if bits is not None and trial > bits:
        raise ConvergenceError(f"bits = {bits} is too low a precision to {purpose}; {trial} bits would do")
    return result


def extreme_eigenvalues(
    space: SplineSpace, which: str = "AtA", bits: int | None = None, scaled: bool = False
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
    `refkan.analysis.exact.spectra.perron`. Linear in dim.

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
    blocks = Congruence.of(space, which, scaled).blocks()

    def attempt(flint: Any) -> tuple[Enclosure, Enclosure]:
        balls = [block.rounded(flint.arb) for block in blocks]
        small = [extreme_eigenvalue(block, "smallest", flint.arb(1)) for block in balls]
        large = [extreme_eigenvalue(block, "largest", flint.arb(1)) for block in balls]
        return (
            Enclosure(min(e.low for e in small), min(e.high for e in small)),
            Enclosure(max(e.low for e in large), max(e.high for e in large)),
        )

    return at_precision(bits, 128, MAXIMUM_BITS, f"certify the extreme eigenvalues of {which!r}", attempt)
