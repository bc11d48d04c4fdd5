"""SciPy's BLAS on one thread while matrices are small.

The threads of OpenBLAS spin while they wait for one another, up to a tenth of a second after a product. The matrices of
small networks wake them many thousand times a second: 300 steps of L-BFGS on 120 parameters took 1.0 s and 1.5 s of
processor time with two threads, 0.6 s with one, of which SciPy's own work is 0.01 s.
"""

from __future__ import annotations

import ctypes
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import cache
from pathlib import Path

import scipy

SMALL_MATRICES = 300
"""Rows up to which a second thread gains nothing: a Cholesky factorisation of that size takes half a millisecond."""

_lock = threading.Lock()
_inside, _before = 0, 0


@cache
def _library() -> tuple[Callable[[], int], Callable[[int], None]] | None:
    """Return functions that read and set the number of threads of the OpenBLAS in SciPy's wheels, if it is in use."""
    root = Path(scipy.__file__).parent
    for folder in (root.with_name("scipy.libs"), root / ".dylibs"):
        for file in sorted(folder.glob("*openblas*")):
            library = ctypes.CDLL(str(file))
            for end in ("", "64_"):
                names = [f"scipy_openblas_{verb}_num_threads{end}" for verb in ("get", "set")]
                if all(hasattr(library, name) for name in names):
                    read, write = (getattr(library, name) for name in names)
                    return read, write
    return None


@contextmanager
def one_blas_thread(rows: int) -> Iterator[None]:
    """Let SciPy's BLAS compute on one thread in the block, in all threads of the process, if matrices are small.

    Blocks may overlap in several threads: the last one to end restores the number that the first one saw. A BLAS other
    than that of SciPy's wheels, and that of NumPy, are left alone.
    """
    global _inside, _before
    library = None
    if rows <= SMALL_MATRICES:
        library = _library()
    if library is None:
        yield
        return
    read, write = library
    with _lock:
        if _inside == 0:
            _before = read()
            write(1)
        _inside += 1
    try:
        yield
    finally:
        with _lock:
            _inside -= 1
            if _inside == 0:
                write(_before)
