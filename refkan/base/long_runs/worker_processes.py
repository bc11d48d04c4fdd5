"""Executors of commands: worker processes that end with their parent, and clusters of dask."""

import ctypes
import os
import re
import signal
import sys
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import Executor, Future, ProcessPoolExecutor
from contextlib import contextmanager
from multiprocessing import active_children, get_context, parent_process
from typing import Any

from refkan.base.extras import needed
from refkan.base.long_runs.interrupts import terminations_as_interrupts
from refkan.base.long_runs.thread_variables import one_thread_each

ADDRESS = re.compile(r"((tcp|tls|ucx|wss?)://)?[^/]+:\d{1,5}|inproc://.+")

PR_SET_PDEATHSIG = 1
"""The option of Linux's prctl by which a process chooses the signal that it gets when its parent ends."""


@contextmanager
def worker_pool(count: int) -> Iterator[Executor]:
    """Start `count` processes of one thread each, which end with this one, however it ends.

    They are spawned: forked ones would inherit locks of threads that they do not have. SIGTERM is raised in the block
    as an interruption. When an exception leaves the block, the workers are killed in the middle of what they do;
    otherwise shutting down would wait for the end of every task that has begun.
    """
    others = set(active_children())
    pool = ProcessPoolExecutor(count, mp_context=get_context("spawn"), initializer=end_with_parent)
    with terminations_as_interrupts(), one_thread_each(), pool:
        try:
            yield pool
        except BaseException:
            for process in set(active_children()) - others:
                process.kill()
            raise


def end_with_parent() -> None:
    """End this process when its parent ends, also if that is killed and can tell nobody.

    On Linux the kernel kills this process, even if native code holds Python's lock for minutes. It does so when the
    thread that started this process ends, which must therefore outlive it. Elsewhere a thread waits for the end.
    """
    watch_parent(lambda: os._exit(1))
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, signal.SIGKILL)
        parent = parent_process()
        if parent is not None and os.getppid() != parent.pid:  # it ended before the kernel knew
            os._exit(1)


def watch_parent(end: Callable[[], None]) -> None:
    """Call `end` in a thread when the parent of this process ends."""
    parent = parent_process()
    assert parent is not None

    def wait() -> None:
        parent.join()
        end()

    threading.Thread(target=wait, name="end with parent", daemon=True).start()


def submitted(executor: Executor, function: Callable[..., Any], *arguments: Any) -> Future[Any]:
    """Submit a call to an executor, which must return a future of it.

    Raises
    ------
    TypeError
        If it returns something else.
    """
    future = executor.submit(function, *arguments)
    if not isinstance(future, Future):
        kind = type(executor).__name__
        raise TypeError(
            f"executor must return a concurrent.futures.Future from submit; {kind}.submit returned {future!r}: "
            "pass a ProcessPoolExecutor, or Client(...).get_executor() of distributed"
        )
    return future


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
