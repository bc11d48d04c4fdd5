"""The environment variables that say how many threads a process computes on."""

import os
from collections.abc import Iterator
from contextlib import contextmanager

KERNELS = "NUMBA_NUM_THREADS"
BLAS = ("OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS", "OMP_NUM_THREADS")
THREAD_VARIABLES = (KERNELS, *BLAS)


@contextmanager
def one_thread_each() -> Iterator[None]:
    """Tell processes that are started meanwhile to compute on one thread, unless the user has set how many."""
    added = [name for name in THREAD_VARIABLES if name not in os.environ]
    os.environ.update(dict.fromkeys(added, "1"))
    try:
        yield
    finally:
        for name in added:
            os.environ.pop(name, None)
