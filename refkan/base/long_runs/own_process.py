"""A process that runs functions, may die or be ended, and reports what happens to it."""

import os
import signal
import threading
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext, suppress
from enum import Enum
from multiprocessing import get_context
from multiprocessing.connection import Connection
from typing import Any, NamedTuple

from refkan.base.long_runs.worker_processes import watch_parent

Surroundings = Callable[[], AbstractContextManager[None]]
"""Returns a context in which a function is run; an importable function, since it is sent to the process."""


class Event(Enum):
    """What an `OwnProcess` reports by itself, among the messages."""

    STARTS = "the function is called"
    COMPILES = "kernels are compiled"


class Ended(NamedTuple):
    """The last event of a function: its return value, or the error that ended it."""

    value: Any = None
    error: BaseException | None = None


class ProcessEndedError(RuntimeError):
    """A process ended, or was ended, before its function returned.

    `lost` means that it was killed from outside, which says nothing about the function.
    """

    lost = False


_to_parent: Connection | None = None


class OwnProcess:
    """A process that runs functions, one after the other, and sends their messages and results.

    The process is spawned: a forked one would inherit locks of threads that it does not have. Ctrl-C does not reach
    it: its parent is interrupted, and ends it. It ends with its parent, however that ends, and the processes that it
    starts end with it. A process that leaves its session, as daemons do, goes on by itself. The end of the process is
    read from the system, not from pipes, which copies of the process keep open.

    Parameters
    ----------
    surroundings : callable, optional
        Returns the context in which each function is run.
    """

    def __init__(self, surroundings: Surroundings = nullcontext) -> None:
        context = get_context("spawn")
        self._pipe, to_parent = context.Pipe()
        self._process = context.Process(target=_serve, args=(to_parent, surroundings))
        with _without_interruptions():
            self._process.start()
        to_parent.close()

    def start(self, function: Callable[..., Any], *arguments: Any) -> None:
        """Run a function there; it must be small with its arguments: they are sent before the process may read them."""
        self._pipe.send((function, arguments))

    def events(self, pause: float = 0.0) -> Iterator[Any]:
        """Yield what came since the last call: messages, each `Event`, and at last `Ended`; wait up to `pause` seconds.

        Whether the process lives is read first, so that everything sent before its end is received below.
        """
        alive = self.is_alive()
        with suppress(EOFError, OSError):
            while self._pipe.poll(pause):
                yield self._pipe.recv()
        if not alive:
            error = ProcessEndedError(f"its process ended, {self.stop()}")
            error.lost = self._process.exitcode in (-signal.SIGKILL, -signal.SIGTERM)
            yield Ended(error=error)

    def is_alive(self) -> bool:
        """Whether it can run another function."""
        return bool(self._process.is_alive())

    def stop(self) -> str:
        """End the process and those that it started, in the middle of what they do; return how it ended."""
        if hasattr(os, "killpg"):
            with suppress(ProcessLookupError, PermissionError):
                os.killpg(self._process.pid or 0, signal.SIGKILL)
        self._process.kill()
        self._process.join()
        code = self._process.exitcode or 0
        if code >= 0:
            return f"exit code {code}"
        if code == -signal.SIGKILL:
            return "killed by SIGKILL; memory may have run out"
        return f"killed by {signal.Signals(-code).name}"


def send(message: Any) -> None:
    """Send a message to the parent of an `OwnProcess`; elsewhere do nothing."""
    if _to_parent is not None:
        _to_parent.send(message)


def outcome_of(function: Callable[..., Any], *arguments: Any) -> Ended:
    """Call a function and return how it ends; an interruption counts as its own, since nobody interrupts it here."""
    try:
        return Ended(function(*arguments))
    except BaseException as error:
        return Ended(error=error)


@contextmanager
def without_copies() -> Iterator[None]:
    """End copies of this process that are forked in the block when they leave it: their results are not its own."""
    original = os.getpid()
    try:
        yield
    finally:
        if os.getpid() != original:
            os._exit(0)


def _serve(to_parent: Connection, surroundings: Surroundings) -> None:
    global _to_parent
    _to_parent = to_parent
    if hasattr(os, "setsid"):
        os.setsid()
    watch_parent(_end_group)
    while True:
        try:
            function, arguments = to_parent.recv()
        except EOFError:  # its parent has ended
            return
        send(Event.STARTS)
        with surroundings():
            outcome = outcome_of(function, *arguments)
        send(outcome)


def _end_group() -> None:
    """End this process and those that it started."""
    if hasattr(os, "killpg"):
        os.killpg(0, signal.SIGKILL)
    os._exit(1)


@contextmanager
def _without_interruptions() -> Iterator[None]:
    """Let processes that are started meanwhile ignore Ctrl-C from their first moment on."""
    if threading.current_thread() is not threading.main_thread():  # only this thread can set handlers
        yield
        return
    before = signal.signal(signal.SIGINT, signal.SIG_IGN)
    try:
        yield
    finally:
        signal.signal(signal.SIGINT, before)
