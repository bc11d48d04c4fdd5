"""Files written whole or not at all: under a temporary name, then renamed; what dead writers left is removed."""

from __future__ import annotations

import errno
import glob
import os
import re
import secrets
import time
from contextlib import suppress
from pathlib import Path
from typing import BinaryIO

try:
    import fcntl
except ImportError:  # Windows
    fcntl = None  # type: ignore[assignment]

TEMPORARY = re.compile(r"\..+\.[0-9a-f]{12}\.tmp")
"""Names of temporary files of `write_atomically`."""

ABANDONED = 3600.0
"""Seconds from which on a temporary file is taken for one of a dead writer where that cannot be asked."""


def write_atomically(path: Path, content: bytes) -> None:
    """Write `content` to `path` so that a reader sees the old file or the new one, whole.

    The bytes go to a temporary name in the same folder (a rename is atomic within a file system only), reach
    the disk, and are renamed. An interruption leaves no temporary file behind; what a killed process leaves is removed
    by `sweep`, since its lock is gone.

    Raises
    ------
    OSError
        Of the kind that the system raised, naming `path`.
    """
    temporary = path.with_name(f".{path.name}.{secrets.token_hex(6)}.tmp")
    try:
        with temporary.open("xb") as stream:
            _lock(stream)
            if not temporary.exists():  # a sweep came between the two lines above
                return write_atomically(path, content)
            stream.write(content)
            stream.flush()
            os.fsync(stream.fileno())
            if fcntl is not None:  # while the lock is held: a sweep finds the file locked, or does not find it
                os.replace(temporary, path)
        if fcntl is None:
            os.replace(temporary, path)
    except BaseException as error:  # an interruption from the keyboard as well
        with suppress(OSError):  # what went wrong is told below
            temporary.unlink(missing_ok=True)
        if isinstance(error, OSError) and error.errno is not None:
            raise type(error)(error.errno, error.strerror, str(path)) from error
        raise


def _lock(stream: BinaryIO, wait: bool = True) -> bool | None:
    """Lock a file for as long as it is open; whether that was possible, None where the system knows no such locks."""
    if fcntl is None:
        return None
    try:
        fcntl.flock(stream, fcntl.LOCK_EX | (0 if wait else fcntl.LOCK_NB))
    except BlockingIOError:
        return False
    except OSError:  # of a file system without locks
        return None
    return True


def sweep(folder: Path, name: str = "") -> None:
    """Remove temporary files of `write_atomically`, of the file `name` or of all, whose writers are gone.

    A writer holds a lock on its file, which ends with its process, however that ends. Where there are no locks a file
    is left by a dead writer if it is older than an hour.
    """
    for temporary in folder.glob(f".{glob.escape(name)}{'' if name else '*'}.*.tmp"):
        if TEMPORARY.fullmatch(temporary.name) is None:
            continue
        with suppress(OSError), temporary.open("r+b") as stream:  # of others' files, and where another sweep was first
            locked = _lock(stream, wait=False)
            if locked or (locked is None and time.time() - temporary.stat().st_mtime > ABANDONED):
                temporary.unlink()


def read_file(path: Path) -> bytes:
    """Return what a file holds.

    Raises
    ------
    OSError
        Naming it, also for a folder, a pipe or a device: to read a pipe would wait without end.
    """
    if path.exists() and not path.is_file():
        number = errno.EISDIR if path.is_dir() else errno.EINVAL
        raise OSError(number, "must be a file, not a folder, a pipe or a device", str(path))
    return path.read_bytes()


def require_writable(folder: Path) -> None:
    """Create `folder` if need be and write a file into it, so that a refusal comes before any work.

    What killed writers left there is removed, see `sweep`.

    Raises
    ------
    OSError
        Of the kind that the system raised, naming the folder.
    """
    try:
        folder.mkdir(parents=True, exist_ok=True)
        probe = folder / f".{secrets.token_hex(6)}.tmp"
        probe.write_bytes(b"")
        probe.unlink()
    except OSError as error:
        raise type(error)(error.errno, f"folder must be writable ({error.strerror})", str(folder)) from error
    sweep(folder)
