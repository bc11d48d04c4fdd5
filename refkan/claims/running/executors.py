"""Where functions run elsewhere: a process of its own, which may die or be ended, and a dask cluster."""

import os
import re
import signal
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import CancelledError, Executor
from contextlib import contextmanager, suppress
from enum import Enum
from functools import partial
from multiprocessing import get_context, parent_process
from multiprocessing.connection import Connection
from typing import Any, NamedTuple

from refkan.base.extras import needed
from refkan.kernels.compilation import when_compiling

ADDRESS = re.compile(r"((tcp|tls|ucx|wss?)://)?[^/]+:\d{1,5}|inproc://.+")


class Event(Enum):
    """What an `OwnProcess` tells by itself, among the messages."""

    STARTS = "the function is called"
    COMPILES = "kernels are compiled"


class Ended(NamedTuple):
    """The last event of a function: what it returned, or the error that ended it.

    `lost` says that its process was killed from outside, which says nothing of the function.
    """

    value: Any = None
    error: BaseException | None = None
    lost: bool = False


class ProcessEndedError(RuntimeError):
    """A process ended, or was ended, before its function returned."""


_to_parent: Connection | None = None


class OwnProcess:
    """A process that runs functions, one after the other, and sends what they say and return.

    The process is a fresh one, since a forked one would inherit the locks of threads that it does not have. Ctrl-C does
    not reach it: who asked for the work is interrupted, and ends it. Processes that it starts end with it, and it ends
    with its parent, however that ends; one that leaves its session, as daemons do, goes on by itself, waited for by
    nobody: the end of the process is asked of the system, not seen by pipes, which its copies keep open.
    """

    def __init__(self) -> None:
        context = get_context("spawn")
        self._pipe, theirs = context.Pipe()
        self._process = context.Process(target=_serve, args=(theirs,))
        with _without_interruptions():
            self._process.start()
        theirs.close()

    def start(self, function: Callable[..., Any], *arguments: Any) -> None:
        """Run a function there; it must be small with its arguments: they are sent before the process may read them."""
        self._pipe.send((function, arguments))

    def events(self, pause: float = 0.0) -> Iterator[Any]:
        """What came since the last call: messages, each `Event`, and in the end `Ended`; `pause` seconds may pass."""
        alive = self.is_alive()  # asked first: what was sent before the end is read below
        with suppress(EOFError, OSError):
            while self._pipe.poll(pause):
                yield self._pipe.recv()
        if not alive:
            error = ProcessEndedError(f"its process ended, {self.stop()}")
            yield Ended(error=error, lost=self._process.exitcode in (-signal.SIGKILL, -signal.SIGTERM))

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
        name = signal.Signals(-code).name
        return f"killed by {name}{'; memory may have run out' if name == 'SIGKILL' else ''}"


class OnCluster:
    """Runs a function on a cluster, whose scheduler gives it to another worker if one is lost; an `OwnProcess` else."""

    def __init__(self, cluster: Executor) -> None:
        self._cluster = cluster

    def start(self, function: Callable[..., Any], *arguments: Any) -> None:
        """Run a function there."""
        self._future = self._cluster.submit(outcome_of, function, *arguments)

    def events(self) -> Iterator[Any]:
        """`Ended`, once it has."""
        if self._future.done():
            try:
                yield self._future.result()
            except (Exception, CancelledError) as error:  # of the cluster: what the function raises is in its outcome
                yield Ended(error=error)

    def stop(self) -> None:
        """Do not run it, unless it runs already."""
        self._future.cancel()


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


def _serve(to_parent: Connection) -> None:
    global _to_parent
    _to_parent = to_parent
    if hasattr(os, "setsid"):
        os.setsid()
    threading.Thread(target=_end_with_parent, daemon=True).start()
    while True:
        try:
            function, arguments = to_parent.recv()
        except EOFError:  # its parent has ended
            return
        send(Event.STARTS)
        with when_compiling(partial(send, Event.COMPILES)):
            outcome = outcome_of(function, *arguments)
        send(outcome)


def outcome_of(function: Callable[..., Any], *arguments: Any) -> Ended:
    """How a function ends; an interruption is its own, since nobody interrupts it elsewhere."""
    try:
        return Ended(function(*arguments))
    except BaseException as error:
        return Ended(error=error)


def _end_with_parent() -> None:
    parent = parent_process()
    assert parent is not None
    parent.join()
    os._exit(1)


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
