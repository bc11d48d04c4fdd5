"""The optional dependency python-flint: imported on use, at a precision that is set and put back, or searched for."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from fractions import Fraction
from threading import RLock
from typing import Annotated, Any, TypeVar

from refkan.analysis.exact.enclosures.float_intervals import require_rounding_to_nearest
from refkan.base import ArgumentCheck, ConvergenceError, check_count
from refkan.base.extras import needed
from refkan.truth import UndecidedError

MINIMUM_BITS, MOST_BITS = 32, 2**20
"""The lowest precision, and the highest: a product of two numbers of it takes milliseconds."""

_BITS = ArgumentCheck(f"{MINIMUM_BITS} to {MOST_BITS}", check_count, minimum=MINIMUM_BITS, maximum=MOST_BITS)
Bits = Annotated[int, _BITS]

Result = TypeVar("Result")

_precision_lock = RLock()


def require(module: str) -> Any:
    """Import a module of the extra `exact`, to compute with floats as the numbers that they are.

    Raises
    ------
    ImportError
        If it is not installed; the message says how to install it.
    ArithmeticError
        Where this thread takes subnormal numbers for zero, or rounds otherwise than to nearest.
    """
    require_rounding_to_nearest()
    return needed("refkan.analysis.exact", module)


def rational_numbers() -> Any:
    """Return the type of rational numbers to compute with: flint.fmpq, or Fraction where flint is not installed."""
    try:
        return require("flint").fmpq
    except ImportError:
        return Fraction


@contextmanager
def precision(bits: int) -> Iterator[Any]:
    """Give the module flint with ball arithmetic at `bits` bits, and put its precision back afterwards.

    That precision is one setting for the whole process: a lock keeps threads from changing it under one another.
    """
    flint = require("flint")
    with _precision_lock, flint.ctx.workprec(bits):
        yield flint


def at_precision(bits: int | None, start: int, maximum: int, purpose: str, attempt: Callable[[Any], Result]) -> Result:
    """Call attempt(flint) at `bits` bits; if bits is None, at start, 2 start, ... until it succeeds.

    Raises
    ------
    ConvergenceError
        If the attempt at `bits` raises UndecidedError: the message gives a precision that was found to do. If no
        precision up to `maximum` does.
    """
    trial = start if bits is None else bits
    while trial <= max(maximum, bits or 0):
        with suppress(UndecidedError), precision(trial) as flint:
            result = attempt(flint)
            if bits in (None, trial):
                return result
            raise ConvergenceError(f"bits = {bits} is too low a precision to {purpose}; {trial} bits suffice")
        trial *= 2
    raise ConvergenceError(f"no precision up to {trial // 2} bits suffices to {purpose}")
