"""The executor of claim files on this machine: each call in a process that it may end, or that may be ended."""

import time
from collections.abc import Callable
from concurrent.futures import Executor, Future, ThreadPoolExecutor
from contextlib import nullcontext
from functools import partial
from queue import SimpleQueue
from typing import Any

from refkan.base.long_runs.own_process import Ended, Event, OwnProcess, ProcessEndedError, Surroundings
from refkan.base.long_runs.thread_variables import one_thread_each

PAUSE = 0.02
"""Seconds after which messages and limits are looked at again."""


class OwnProcesses(Executor):
    """Runs each call in an `OwnProcess`, which the call may end: others go on.

    `concurrent.futures.ProcessPoolExecutor` gives up all calls when one process ends, and does not see an end if a copy
    of the process lives on. Call `submit` from the main thread, no more than `workers` times at once.

    Attributes
    ----------
    messages
        What calls say, each with the arguments of the call.

    Parameters
    ----------
    workers
        Processes that run at once; if there are several, each has one thread.
    limit
        Seconds from which on a call is ended; None without.
    surroundings
        Returns the context in which each function is called.
    """

    def __init__(self, workers: int, limit: float | None = None, surroundings: Surroundings = nullcontext) -> None:
        self.messages = SimpleQueue[tuple[tuple[Any, ...], Any]]()
        self._one_thread = one_thread_each if workers > 1 else nullcontext
        self._limit, self._surroundings = limit, surroundings
        self._threads = ThreadPoolExecutor(workers)  # each waits for the end of one call
        self._idle: list[OwnProcess] = []
        self._all: list[OwnProcess] = []

    def submit(self, function: Callable[..., Any], /, *arguments: Any, **named: Any) -> Future[Any]:
        """Call a function in a process; the future raises `ProcessEndedError` if that ends before the call."""
        if self._idle:
            process = self._idle.pop()
        else:
            with self._one_thread():
                process = OwnProcess(self._surroundings)
            self._all.append(process)
        process.start(partial(function, **named), *arguments)
        return self._threads.submit(self._result, process, arguments)

    def shutdown(self, wait: bool = True, *, cancel_futures: bool = False) -> None:
        """End all processes, in the middle of what they do."""
        for process in self._all:
            process.stop()
        self._threads.shutdown(wait, cancel_futures=cancel_futures)

    def _result(self, process: OwnProcess, arguments: tuple[Any, ...]) -> Any:
        end = self._end(process, arguments)
        if process.is_alive():
            self._idle.append(process)
        if end.error is not None:
            raise end.error
        return end.value

    def _end(self, process: OwnProcess, arguments: tuple[Any, ...]) -> Ended:
        """Wait for the end of a call, or for its limit; pass its messages on."""
        end_at = float("inf")
        while time.monotonic() <= end_at:
            for event in process.events(PAUSE):
                if isinstance(event, Ended):
                    return event
                if event is not Event.STARTS:
                    self.messages.put((arguments, event))
                elif self._limit is not None:
                    end_at = time.monotonic() + self._limit
        process.stop()
        return Ended(error=ProcessEndedError(f"took more than {self._limit} s and was ended: --limit allows more"))
