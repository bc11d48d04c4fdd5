"""How kernels are compiled: lazily, cached on disk where possible, and callable as plain Python."""

from __future__ import annotations

import warnings
from collections.abc import Callable
from typing import Any, TypeVar

import numba
import numpy as np

from refkan.array_types import Array

F = TypeVar("F", bound=Callable[..., Any])

_warned = False


def kernel(*, parallel: bool = False) -> Callable[[F], F]:
    """Compile a loop with Numba on its first call and keep the machine code on disk.

    Where no folder for the cache can be written (a read-only installation without NUMBA_CACHE_DIR), the kernel is
    compiled anew in every process; one warning says so.
    """

    def decorate(function: F) -> F:
        global _warned
        # Division follows IEEE like NumPy's: a Python-style ZeroDivisionError check costs a branch a division.
        options: dict[str, Any] = {"error_model": "numpy", "parallel": parallel}
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

    return decorate


def for_arrays(compiled: Callable[..., Any], *arrays: Array) -> Callable[..., Any]:
    """Choose the form of a kernel for its arrays: compiled for float64, pure Python for complex128.

    The complex form serves complex-step checks only, where compiling would cost more than it saves.
    """
    if any(np.iscomplexobj(array) for array in arrays):
        return getattr(compiled, "py_func", compiled)  # absent under NUMBA_DISABLE_JIT
    return compiled
