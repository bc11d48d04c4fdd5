"""Threads that wait for work without spinning, and run on another processor than whoever hands it to them.

Left to itself, Linux as a guest under KVM starts a woken thread on the processor of its waker, which is busy, while
another one has halted: to the guest, a halted virtual processor looks like one that its host has taken away. Both
threads then take turns on one processor for many calls in a row, until the load is balanced. So workers are told
to keep off the processor of their caller; among the others that the caller may use, the system chooses.

No caller waits for a worker that has not begun. It takes the pieces of its work one after another itself, as the
workers do, and waits in the end for those pieces alone that workers are at. Therefore it does not matter whether a
worker is busy with the work of another caller, or can no longer run: while the interpreter exits everything is done
by the caller. Workers, and callers while they share work, do further work alone, so that nobody waits for a worker
that waits for a worker.

A signal handler may interrupt its thread anywhere, and may call this library. So nothing here waits for a lock that
the interrupted code could hold: the pools of the standard library have such locks, and so has the start of a
`threading.Thread`.
"""

from __future__ import annotations

import _thread
import contextlib
import ctypes
import os
import threading
from collections.abc import Callable
from queue import SimpleQueue
from typing import Any

from numba.core.compiler_lock import global_compiler_lock


def _current_processor() -> Callable[[], int] | None:
    """The C library's `sched_getcpu`, where there are it and processors to choose."""
    if not hasattr(os, "sched_setaffinity"):
        return None
    return getattr(ctypes.CDLL(None), "sched_getcpu", None)  # takes nothing and returns an int, as ctypes assumes


current_processor = _current_processor()


class _Here(threading.local):
    """What holds for the thread that asks: whether it is a worker, or shares work with workers at the moment."""

    sharing = False


_here = _Here()


class Call:
    """A call that a worker makes, unless the caller is done before it begins."""

    __slots__ = ("_begun", "_function", "_over")

    def __init__(self, function: Callable[[], Any]) -> None:
        self._function: Callable[[], Any] | None = function
        # Whoever writes here first decides; to ask again, as a caller does that was interrupted, changes nothing.
        self._begun: dict[str, bool] = {}
        self._over = _thread.allocate_lock()
        self._over.acquire()

    def begin(self) -> None:
        """Make the call, if it has not been withdrawn."""
        if self._begun.setdefault("by a worker", True):
            try:
                assert self._function is not None
                self._function()
            finally:
                self._over.release()

    def end(self) -> None:
        """Withdraw the call, or wait until it is over if a worker has begun with it."""
        if self._begun.setdefault("by a worker", False):
            with self._over:
                pass
        self._function = None  # it refers to arrays, and may lie in the queue for a while


class Workers:
    """A pool of threads that begin calls in the order in which they are offered.

    Attributes
    ----------
    size : int
        Number of threads.
    """

    def __init__(self) -> None:
        self.size = 0
        self._starting = _thread.allocate_lock()
        self._ids: list[int] = []
        self._placed: tuple[set[int], int] | None = None
        self._calls: SimpleQueue[Call] = SimpleQueue()  # a handler may interrupt `put`, and put something itself

    def _serve(self) -> None:
        _here.sharing = True
        self._ids.append(threading.get_native_id())
        while True:
            self._calls.get().begin()  # no name: it would keep the last call, and its arrays, until the next one

    def grow(self, size: int) -> None:
        """Start threads until there are so many, or as many as the system gives; none while the interpreter exits.

        They are no `threading.Thread`: to start one takes locks. Nobody waits for them when the interpreter exits.
        """
        if self.size >= size or self._starting.locked():
            return
        with self._starting, contextlib.suppress(RuntimeError):  # "can't start new thread"
            while self.size < size:
                _thread.start_new_thread(self._serve, ())
                self.size += 1

    def keep_off_caller(self) -> bool:
        """Tell the threads to run on any processor of the caller's but the one that it is on now.

        Nothing is done where the system has no such call. Threads that are just starting are placed by the system,
        which looks for an idle processor then.

        Returns
        -------
        bool
            Whether there is such a processor: a caller that may use one alone, perhaps since a moment ago, has nothing
            from threads beside it.
        """
        if current_processor is None:
            return True
        others = os.sched_getaffinity(0) - {current_processor()}
        placed = others, len(self._ids)
        if others and placed != self._placed:
            for identity in self._ids:
                with contextlib.suppress(OSError):  # the processors may have changed since; this is about speed alone
                    os.sched_setaffinity(identity, others)
            self._placed = placed
        return bool(others)

    def offer(self, calls: list[Call]) -> None:
        """Have the calls made by the threads; those for which no thread will soon be free are not taken."""
        self.grow(len(calls))
        if self.keep_off_caller():
            for call in calls:
                if self._calls.qsize() < self.size:  # withdrawn ones, too, lie here until a thread is free
                    self._calls.put(call)


_workers = Workers()


def alone() -> bool:
    """Whether this thread has to do all its work itself, or workers might wait for it while it waits for them.

    So it is within shared work, and where a signal handler interrupts the compilation of a kernel: the workers might
    have kernels to compile.
    """
    return _here.sharing or bool(global_compiler_lock.is_locked())


def share(function: Callable[[int], Any], count: int, threads: int) -> None:
    """Call function(k) for k = 0, ..., count - 1, by up to so many threads, of which this one is the first.

    All calls are over when this returns, also by an error: of several the one of the least k. After one nothing new is
    begun.
    """
    left = list(range(count))[::-1]
    errors: dict[int, BaseException] = {}

    def work() -> None:
        while left and not errors:
            try:
                k = left.pop()
            except IndexError:  # another thread was faster
                return
            try:
                function(k)
            except BaseException as error:
                errors[k] = error

    calls = [Call(work) for _ in range(threads - 1)]
    try:
        _here.sharing = True
        _workers.offer(calls)
        work()
        for call in calls:
            call.end()
    finally:
        try:
            left.clear()
            for call in calls:  # once more, for Ctrl-C may have come anywhere above
                call.end()
        finally:
            _here.sharing = False
    if errors:
        try:
            raise errors[min(errors)]
        finally:
            errors.clear()  # the traceback refers to this call, and would keep its arrays


def _forget() -> None:
    """Begin anew in a forked child: the threads exist in the parent alone."""
    global _workers
    _workers = Workers()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_forget)
