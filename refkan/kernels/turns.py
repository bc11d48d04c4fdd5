"""One process at a time compiles a kernel; others that need the same form wait, and read the stored code.

Turns are locks on records of one file in the cache folder. In POSIX such locks belong to processes, so threads of one
process, which Numba lets compile one after the other, never wait for each other here; and a lock ends with its process,
however that ends.
"""

from __future__ import annotations

import os
import time
import zlib
from collections.abc import Iterator
from contextlib import contextmanager

try:
    import fcntl
except ImportError:  # Windows: all processes compile
    fcntl = None  # type: ignore[assignment]

PATIENCE = 120.0
"""Seconds after which a process compiles anyway, since the one with the turn may have been stopped."""

PAUSE = 0.01
"""Seconds between two attempts to get a turn."""

_files: dict[str, int | None] = {}
"""The file of turns in each folder. It stays open: closing it anywhere in the process would end all its turns."""


@contextmanager
def turn(folder: str, task: str) -> Iterator[None]:
    """Wait until no other process has the turn for `task` in this cache, and hold it in the block.

    If the folder cannot be written, or its file system has no locks, nobody waits.
    """
    file = None
    if fcntl is not None:
        file = _file(folder)
    if file is None:
        yield
        return
    record = zlib.crc32(task.encode()) >> 1  # offsets of records are signed
    until = time.monotonic() + PATIENCE
    held = False
    try:
        while not held and time.monotonic() < until:
            try:
                fcntl.lockf(file, fcntl.LOCK_EX | fcntl.LOCK_NB, 1, record)
                held = True
            except (BlockingIOError, PermissionError):  # another process has it
                time.sleep(PAUSE)
            except OSError:  # the file system knows no locks
                break
        yield
    finally:
        if held:
            fcntl.lockf(file, fcntl.LOCK_UN, 1, record)


def _file(folder: str) -> int | None:
    if folder not in _files:
        try:
            os.makedirs(folder, exist_ok=True)
            _files[folder] = os.open(os.path.join(folder, "turns.lock"), os.O_RDWR | os.O_CREAT, 0o666)
        except OSError:
            _files[folder] = None
    return _files[folder]
