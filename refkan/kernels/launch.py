"""How kernels are run: over ranges of independent items, on one thread or several, or as plain Python.

A kernel takes `first, last` as its first arguments and works through that range of items (samples, or owners of an
accumulator). Items are independent, so the bits of a result depend neither on how many ranges there are nor on which
thread takes which.

Threads are Python threads that wait without spinning (kernels release the GIL), not Numba's own: an OpenMP team that
spins at its barriers is up to a hundred times slower than one thread when other processes want the cores, its
fallback aborts when two Python threads enter it at once, and compiling for it takes several times as long.
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
    """Run compiled(first, last, *arguments) over the range of items, in parallel if there is enough to do.

    The last argument is the array that it writes to. If that is of complex128, so may others be, and the kernel's
    pure-Python form runs: it serves complex-step checks, where compiling would cost more than it saves.
    """
    if arguments[-1].dtype.kind == "c":
        getattr(compiled, "py_func", compiled)(0, items, *arguments)  # no py_func under NUMBA_DISABLE_JIT
    elif operations < SERIAL_BELOW:  # at once for small layers, which feel a microsecond
        compiled(0, items, *arguments)
    else:
        launch_real(compiled, items, operations, *arguments)


def launch_real(compiled: Callable[..., Any], items: int, operations: float, *arguments: Any) -> None:
    """Do the same for real arguments, whatever the last one is."""
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

    For whole chains of kernels on blocks of samples that fit into a cache: a block stays with its thread, and nothing
    waits between two kernels. A single block leaves the threads to its kernels. Of several errors the first is raised.
    With too few `operations` in total everything stays on one thread.
    """
    threads = min(thread_count(), count)
    if threads < 2 or operations < SERIAL_BELOW or alone():
        return [function(k) for k in range(count)]
    results: list[Any] = [None] * count
    # The caller's context goes with the work: its engine, and NumPy's handling of floating-point errors.
    contexts = [contextvars.copy_context() for _ in range(count)]

    def keep(k: int) -> None:
        results[k] = function(k)

    share(lambda k: contexts[k].run(keep, k), count, threads)
    return results
