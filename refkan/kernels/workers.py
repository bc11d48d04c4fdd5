"""Threads that wait for work without spinning, and run on another processor than whoever hands it to them.

Left to itself, Linux as a guest under KVM starts a woken thread on the processor of its waker, which is busy, while
another one has halted: to the guest, a halted virtual processor looks like one that its host has taken away. Both
threads then take turns on one processor for many calls in a row, until the load is balanced. So workers are told
to keep off the processor of their caller; among the others that the caller may use, the system chooses.
"""

from __future__ import annotations

import contextlib
import ctypes
import os
import threading
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from typing import Any


def _current_processor() -> Callable[[], int] | None:
    """The C library's `sched_getcpu`, where there are it and processors to choose."""
    if not hasattr(os, "sched_setaffinity"):
        return None
    return getattr(ctypes.CDLL(None), "sched_getcpu", None)  # takes nothing and returns an int, as ctypes assumes


current_processor = _current_processor()


class Workers:
    """A pool of so many threads."""

    def __init__(self, size: int) -> None:
        self.size = size
        self._ids: list[int] = []
        self._placed: tuple[set[int], int] | None = None
        self._pool = ThreadPoolExecutor(size, thread_name_prefix="refkan", initializer=self._enrol)

    def _enrol(self) -> None:
        self._ids.append(threading.get_native_id())

    def keep_off_caller(self) -> None:
        """Tell the threads to run on any processor of the caller's but the one that it is on now.

        Does nothing where the caller may use one alone, or the system has no such call. Threads that are just starting
        are placed by the system, which looks for an idle processor then.
        """
        if current_processor is None:
            return
        others = os.sched_getaffinity(0) - {current_processor()}
        placed = others, len(self._ids)
        if not others or placed == self._placed:
            return
        for identity in self._ids:
            with contextlib.suppress(OSError):  # the processors may have changed since; this is about speed alone
                os.sched_setaffinity(identity, others)
        self._placed = placed

    def submit(self, function: Callable[..., Any], *arguments: Any) -> Future[Any]:
        """Have function(*arguments) called by one of the threads."""
        return self._pool.submit(function, *arguments)
