"""Files from which an interrupted minimisation goes on, bit for bit."""

import hashlib
import io
import os
import time
import zipfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from refkan.base.array_types import Array
from refkan.base.atomic_files import read_file, require_writable, sweep, write_atomically
from refkan.base.long_runs.array_archives import read_arrays

PAUSE = 1.0
"""Seconds that pass at least between two writings of a file."""

DIGITS = 64
"""Of a SHA-256: the comment of the archive, with which a file ends, is that of all bytes before it."""

ITERATE = ("theta", "value", "gradient")
"""Fields of the iterates "best" and "current"."""

COLUMNS = 6
"""Fields of `History`."""


class RunFile:
    """The file of a run, which stores the configuration next to the state, to reject a mismatched resume.

    The state is a mapping: "start", the parameters (n,) that the run began with; "rows" (steps + 1, 6), the fields of
    `History`; and three mappings, the fields of the iterates "best" and "current", and what the method has "carried"
    from step to step. Their entries have names with a dot in the file: "best.theta". A digest ends the file, so that
    one of which any byte was altered is refused.

    Parameters
    ----------
    path : path
        Its folder must exist and be writable.
    configuration : str
        The method with its geometry and options.

    Raises
    ------
    OSError
        If the file cannot be written, before the run begins.
    """

    def __init__(self, path: str | os.PathLike[str], configuration: str) -> None:
        self.path, self._configuration = Path(path), configuration
        require_writable(self.path.parent)
        sweep(self.path.parent, self.path.name)  # what a killed writer left
        self._written = -np.inf

    def read(self) -> dict[str, Any] | None:
        """Return the state, or None if there is no file.

        Raises
        ------
        ValueError
            If it is no such file, was altered, or belongs to another method or other options.
        """
        try:
            content = read_file(self.path)
        except FileNotFoundError:
            return None
        if content != with_digest(content[:-DIGITS]):
            raise ValueError(
                f"checkpoint must be a file that minimize wrote, unaltered; {self.path} is another one, or was altered "
                "or damaged: give another name, or remove it"
            )
        arrays = read_arrays(content)
        configuration = str(arrays.pop("configuration", None))
        if configuration != self._configuration:
            raise ValueError(
                f"checkpoint {self.path} belongs to another run, {configuration}; this run is {self._configuration}: "
                "remove it, or give another name"
            )
        return self._state(arrays)

    def _state(self, arrays: Mapping[str, Any]) -> dict[str, Any]:
        """Return the arrays of a file as the state that was written."""
        required = {"start", "rows"}
        for group in ("best", "current"):
            required |= {f"{group}.{name}" for name in ITERATE}
        free = {name for name in arrays if name.startswith("carried.")}
        names = arrays.keys() - free
        rows = arrays.get("rows", np.empty(0))
        if names != required or rows.ndim != 2 or rows.shape[1] != COLUMNS or len(rows) == 0:
            raise ValueError(
                f"checkpoint must be a file that minimize wrote; {self.path} holds {', '.join(sorted(arrays))} and "
                f"rows of shape {rows.shape}: remove it, or give another name"
            )
        state: dict[str, Any] = {"carried": {}}
        for name, array in arrays.items():
            group, _, entry = name.partition(".")
            if entry:
                state.setdefault(group, {})[entry] = array
            else:
                state[group] = array
        return state

    def is_due(self) -> bool:
        """Whether the last writing is long enough ago."""
        return time.monotonic() - self._written >= PAUSE

    def write(self, state: Mapping[str, Any]) -> None:
        """Write the file, whole or not at all."""
        arrays = {"configuration": np.array(self._configuration)}
        for name, value in state.items():
            if isinstance(value, dict):
                arrays |= {f"{name}.{entry}": np.asarray(part) for entry, part in value.items()}
            else:
                arrays[name] = np.asarray(value)
        write_atomically(self.path, sealed(arrays))
        self._written = time.monotonic()


def sealed(arrays: Mapping[str, Array]) -> bytes:
    """Return an .npz archive of arrays that ends in its digest."""
    stream = io.BytesIO()
    np.savez(stream, **arrays)  # type: ignore[arg-type]
    with zipfile.ZipFile(stream, "a") as archive:
        archive.comment = b"0" * DIGITS  # makes room
    return with_digest(stream.getvalue()[:-DIGITS])


def with_digest(content: bytes) -> bytes:
    """Return bytes with the SHA-256 of them."""
    return content + hashlib.sha256(content).hexdigest().encode()
