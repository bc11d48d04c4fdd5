"""Where functions run elsewhere: a process of its own, which may die or be ended, and a dask cluster."""

from __future__ import annotations

import os
import re
import signal
import threading
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Executor, Future, ProcessPoolExecutor
from contextlib import contextmanager, suppress
from enum import Enum
from functools import partial
from multiprocessing import active_children, get_context, parent_process
from multiprocessing.connection import Connection
from typing import Any

from refkan.base.extras import needed
from refkan.kernels.compilation import when_compiling

ADDRESS = re.compile(r"((tcp|tls|ucx|wss?)://)?[^/]+:\d{1,5}|inproc://.+")


class Event(Enum):
    """What an `OwnProcess` tells by itself, among the messages."""

    STARTS = "the function is called"
    COMPILES = "kernels are compiled"


_to_parent: Connection | None = None


class OwnProcess:
    """An executor of one process, and the messages that what runs there sends.

    The process is a fresh one, since a forked one would inherit the locks of threads that it does not have. Ctrl-C does
    not reach it: who asked for the work is interrupted, and ends it. Processes that it starts end with it, and it ends
    with its parent, however that ends; one that leaves its session, as daemons do, goes on by itself, waited for by
    nobody.
    """

    def __init__(self) -> None:
        context = get_context("spawn")
        self._messages, theirs = context.Pipe(duplex=False)
        self._executor = ProcessPoolExecutor(1, context, _enter, (theirs,))
        before = set(active_children())
        with _without_interruptions():
            self._executor.submit(int)  # starts the process
        (self._process,) = set(active_children()) - before
        theirs.close()

    def submit(self, function: Callable[..., Any], *arguments: Any) -> Future[Any]:
        """Run a function there; the future fails with BrokenProcessPool if the process dies."""
        return self._executor.submit(_run, function, arguments)

    def messages(self) -> Iterator[Any]:
        """What was sent since the last call."""
        with suppress(EOFError, OSError):
            while self._messages.poll():
                yield self._messages.recv()

    def is_alive(self) -> bool:
        """Whether the process runs. A copy of it that it made may keep the executor from noticing: `stop` it then."""
        return bool(self._process.is_alive())

    def stop(self) -> str:
        """End the process and those that it started, in the middle of what they do; return how it ended."""
        if hasattr(os, "killpg"):
            with suppress(ProcessLookupError, PermissionError):
                os.killpg(self._process.pid or 0, signal.SIGKILL)
        self._process.kill()
        self._executor.shutdown()
        self._process.join()
        code = self._process.exitcode or 0
        if code >= 0:
            return f"exit code {code}"
        name = signal.Signals(-code).name
        return f"killed by {name}{'; memory may have run out' if name == 'SIGKILL' else ''}"


class OnCluster:
    """The executor of a cluster, asked as an `OwnProcess` is; messages do not come back from there."""

    def __init__(self, executor: Executor) -> None:
        self._executor = executor

    def submit(self, function: Callable[..., Any], *arguments: Any) -> Future[Any]:
        """Run a function there."""
        return self._executor.submit(function, *arguments)

    def messages(self) -> Iterator[Any]:
        """Return nothing."""
        return iter(())

    def is_alive(self) -> bool:
        """Return True: what becomes of a function there, its future says."""
        return True

    def stop(self) -> str:
        """Take back what has not run."""
        self._executor.shutdown(wait=False)
        return "on the cluster"


def check_address(address: str) -> None:
    """Raise ValueError unless this may be the address of a scheduler of dask."""
    if ADDRESS.fullmatch(address) is None:
        raise ValueError(f"--dask must be an address such as tcp://host:8786; got {address!r}")


@contextmanager
def dask_executor(address: str) -> Iterator[Executor]:
    """Connect with the scheduler of a dask cluster.

    Raises
    ------
    ImportError
        If distributed is not installed.
    OSError
        If no scheduler answers.
    """
    client = needed("--dask", "distributed").Client(address, timeout=10, set_as_default=False)
    with client, client.get_executor(pure=False) as executor:
        yield executor


def send(message: Any) -> None:
    """Send a message to the parent of an `OwnProcess`; elsewhere do nothing."""
    if _to_parent is not None:
        _to_parent.send(message)


@contextmanager
def without_copies() -> Iterator[None]:
    """End copies of this process that are forked in the block where they leave it: its results are not theirs."""
    original = os.getpid()
    try:
        yield
    finally:
        if os.getpid() != original:
            os._exit(0)


def _enter(to_parent: Connection) -> None:
    global _to_parent
    _to_parent = to_parent
    if hasattr(os, "setsid"):
        os.setsid()
        os.register_at_fork(after_in_child=partial(_close, _open_descriptors()))
    threading.Thread(target=_end_with_parent, daemon=True).start()


def _open_descriptors() -> list[int]:
    """Descriptors beyond the standard streams that are open: by their end the parent sees that this process ends.

    A copy of the process that keeps them open, a daemon above all, would let the parent wait for as long as it lives.
    """
    descriptors = []
    for descriptor in range(3, 256):
        with suppress(OSError):
            os.fstat(descriptor)
            descriptors.append(descriptor)
    return descriptors


def _close(descriptors: Sequence[int]) -> None:
    for descriptor in descriptors:
        with suppress(OSError):
            os.close(descriptor)


def _end_with_parent() -> None:
    parent = parent_process()
    assert parent is not None
    parent.join()
    os._exit(1)


def _run(function: Callable[..., Any], arguments: tuple[Any, ...]) -> Any:
    send(Event.STARTS)
    with when_compiling(partial(send, Event.COMPILES)):
        return function(*arguments)


@contextmanager
def _without_interruptions() -> Iterator[None]:
    """Let processes that are started meanwhile ignore Ctrl-C from their first moment on."""
    if threading.current_thread() is not threading.main_thread():  # which alone may say so
        yield
        return
    before = signal.signal(signal.SIGINT, signal.SIG_IGN)
    try:
        yield
    finally:
        signal.signal(signal.SIGINT, before)
