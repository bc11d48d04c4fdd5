"""Running kernels over ranges of independent items, on one thread or several, or as plain Python.

A kernel takes `first, last` as its first arguments and computes this range of items (samples, or owners of an
accumulator). Items are independent, so that the bits of a result depend neither on the number of ranges nor on the
assignment to threads.

Threads are Python threads that wait without spinning (kernels release the GIL), not Numba's own: an OpenMP team that
spins at its barriers is up to a hundred times slower than one thread if other processes use the cores, its fallback
aborts if two Python threads enter it at once, and compilation for it takes several times as long.
"""

from __future__ import annotations

import contextvars
import math
from collections.abc import Callable
from typing import Any

from numba.core import config

from refkan.kernels.workers import alone, share

SERIAL_BELOW = 600_000
"""Operations below which one thread is faster: handing a range to another one takes 50 to 300 microseconds."""


def thread_count() -> int:
    """Number of threads: NUMBA_NUM_THREADS, by default the cores of the process."""
    return max(1, int(getattr(config, "NUMBA_NUM_THREADS", 1)))


def launch(compiled: Callable[..., Any], items: int, operations: float, *arguments: Any) -> None:
    """Run compiled(first, last, *arguments) over the range of items, in parallel if there are enough operations.

    The last argument is the array that the kernel writes to. If it is complex128, others may be complex as well, and
    the pure-Python form runs: for complex-step checks compilation would cost more than it saves.
    """
    if arguments[-1].dtype.kind == "c":
        getattr(compiled, "py_func", compiled)(0, items, *arguments)  # no py_func under NUMBA_DISABLE_JIT
    elif operations < SERIAL_BELOW:  # small layers, for which a microsecond matters
        compiled(0, items, *arguments)
    else:
        launch_real(compiled, items, operations, *arguments)


def launch_real(compiled: Callable[..., Any], items: int, operations: float, *arguments: Any) -> None:
    """Do the same for real arguments."""
    if operations < SERIAL_BELOW:
        compiled(0, items, *arguments)
        return
    threads = min(thread_count(), items)
    if threads < 2 or alone():
        compiled(0, items, *arguments)
        return
    share(lambda k: compiled(items * k // threads, items * (k + 1) // threads, *arguments), threads, threads)


def run_blocks(function: Callable[[int], Any], count: int, operations: float = math.inf) -> list[Any]:
    """Return function(k) for k = 0, ..., count - 1, several at once, each with its kernels on one thread.

    For chains of kernels on blocks of samples that fit into a cache: a block stays on its thread, without a barrier
    between two kernels. A single block leaves the threads to its kernels. The first of several errors is raised. With
    too few `operations` in total everything runs on one thread.
    """
    threads = min(thread_count(), count)
    if threads < 2 or operations < SERIAL_BELOW or alone():
        return [function(k) for k in range(count)]
    results: list[Any] = [None] * count
    # The work runs in the caller's context, with its engine and NumPy's handling of floating-point errors.
    contexts = [contextvars.copy_context() for _ in range(count)]

    def keep(k: int) -> None:
        results[k] = function(k)

    share(lambda k: contexts[k].run(keep, k), count, threads)
    return results
