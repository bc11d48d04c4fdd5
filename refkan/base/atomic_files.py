"""Files written whole or not at all: under a temporary name, then renamed. Leftovers of dead writers are removed."""

import errno
import glob
import os
import re
import secrets
import time
from contextlib import suppress
from pathlib import Path

TEMPORARY = re.compile(r"\..+\.[0-9a-f]{12}\.tmp")
"""Names of temporary files of `write_atomically`."""

ABANDONED = 3600.0
"""Seconds after which a temporary file is taken for one of a dead writer."""


def write_atomically(path: Path, content: bytes) -> None:
    """Write `content` to `path` so that a reader sees the old file or the new one, whole.

    The bytes go to a temporary name in the same folder (a rename is atomic within a file system only), reach
    the disk, and are renamed. An interruption leaves no temporary file behind; what a killed process leaves is removed
    by `sweep`.

    Raises
    ------
    OSError
        Of the kind that the system raised, naming `path`.
    """
    temporary = path.with_name(f".{path.name}.{secrets.token_hex(6)}.tmp")
    try:
        with temporary.open("xb") as stream:
            stream.write(content)
            stream.flush()
            os.fsync(stream.fileno())
        os.replace(temporary, path)
    except BaseException as error:  # an interruption from the keyboard as well
        with suppress(OSError):  # what went wrong is told below
            temporary.unlink(missing_ok=True)
        if isinstance(error, OSError) and error.errno is not None:
            raise type(error)(error.errno, error.strerror, str(path)) from error
        raise


def sweep(folder: Path, name: str = "") -> None:
    """Remove temporary files of `write_atomically` that are older than an hour, of the file `name` or of all."""
    of_file = glob.escape(name) or "*"
    for temporary in folder.glob(f".{of_file}.*.tmp"):
        if TEMPORARY.fullmatch(temporary.name) is not None:
            with suppress(OSError):  # of others' files, and where another sweep was first
                if time.time() - temporary.stat().st_mtime > ABANDONED:
                    temporary.unlink()


def read_file(path: Path) -> bytes:
    """Return the contents of a file.

    Raises
    ------
    OSError
        The message names the file. A folder, a pipe or a device is refused: reading a pipe could wait for ever.
    """
    if path.exists() and not path.is_file():
        number = errno.EINVAL
        if path.is_dir():
            number = errno.EISDIR
        raise OSError(number, "must be a file, not a folder, a pipe or a device", str(path))
    return path.read_bytes()


def require_writable(folder: Path) -> None:
    """Create `folder` if need be and write a file into it, so that a refusal comes before any work.

    What killed writers left there is removed, see `sweep`.

    Raises
    ------
    OSError
        Of the kind that the system raised, naming the folder, also for a file of that name.
    """
    if folder.exists() and not folder.is_dir():
        raise NotADirectoryError(errno.ENOTDIR, "must be a folder, not a file", str(folder))
    try:
        folder.mkdir(parents=True, exist_ok=True)
        probe = folder / f".{secrets.token_hex(6)}.tmp"
        probe.write_bytes(b"")
        probe.unlink()
    except OSError as error:
        raise type(error)(error.errno, f"folder must be writable ({error.strerror})", str(folder)) from error
    sweep(folder)
