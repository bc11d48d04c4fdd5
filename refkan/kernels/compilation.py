"""How kernels are compiled: on their first call, and kept on disk where possible."""

from __future__ import annotations

import warnings
from collections.abc import Callable
from typing import Any, TypeVar

import numba

F = TypeVar("F", bound=Callable[..., Any])

_warned = False


def kernel(function: F) -> F:
    """Compile a loop with Numba on its first call and keep the machine code on disk; it releases the GIL.

    Where no folder for the cache can be written (a read-only installation without NUMBA_CACHE_DIR), the kernel is
    compiled anew in every process; one warning says so.
    """
    global _warned
    # Division follows IEEE like NumPy's: a Python-style ZeroDivisionError check costs a branch a division.
    options: dict[str, Any] = {"error_model": "numpy", "nogil": True}
    try:
        return numba.njit(cache=True, **options)(function)
    except RuntimeError as error:  # Numba: "cannot cache function ...: no locator available for file ..."
        if "cache" not in str(error):
            raise
        if not _warned:
            _warned = True
            warnings.warn(
                f"compiled kernels cannot be cached on disk and are compiled anew in each process ({error}); "
                "set NUMBA_CACHE_DIR to a writable folder",
                stacklevel=2,
            )
        return numba.njit(**options)(function)
