"""Setting the number of threads of every library that a benchmark may load, before any is loaded."""

import os
import sys

LIBRARIES = ("numpy", "scipy", "numba", "torch", "jax")

COUNTS = (
    "OMP_NUM_THREADS",
    "OPENBLAS_NUM_THREADS",
    "MKL_NUM_THREADS",
    "NUMBA_NUM_THREADS",
    "NPROC",  # jax sizes its pool by these two
    "PJRT_NPROC",
)


def pin(threads: int) -> None:
    """Give every library `threads` threads, on as many processors, waiting without spinning.

    Several pools in one process disturb each other when idle threads spin (OMP_WAIT_POLICY). The processors
    are restricted too, since not every library honours a variable.
    """
    loaded = [name for name in LIBRARIES if name in sys.modules]
    if loaded:
        raise RuntimeError(f"threads must be set before {', '.join(loaded)} is imported")
    os.environ.update(dict.fromkeys(COUNTS, str(threads)))
    os.environ["OMP_WAIT_POLICY"] = "passive"
    os.environ["JAX_ENABLE_X64"] = "1"
    os.environ["JAX_PLATFORMS"] = "cpu"
    if hasattr(os, "sched_setaffinity"):
        available = sorted(os.sched_getaffinity(0))
        if threads > len(available):
            raise ValueError(f"threads must be at most the {len(available)} processors; got {threads}")
        os.sched_setaffinity(0, available[:threads])
