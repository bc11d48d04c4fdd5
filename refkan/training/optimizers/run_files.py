"""Files from which an interrupted minimisation goes on, bit for bit."""

import io
import os
import time
import zipfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from refkan.base.atomic_files import read_file, require_writable, sweep, write_atomically

PAUSE = 1.0
"""Seconds that pass at least between two writings of a file."""


class RunFile:
    """The file of a run: what is asked of it stands beside the state, so that another run is told apart.

    The state is a mapping: "start", the parameters (n,) that the run began with; "rows" (steps + 1, 6), the fields of
    `History`; and three mappings of their own, the fields of the iterates "best" and "current", and what the method
    has "carried" from step to step. Names of entries in these follow a dot in the file.

    Parameters
    ----------
    path : path
        Its folder must exist and be writable.
    asked : str
        The method with its geometry and options.

    Raises
    ------
    OSError
        If the file cannot be written, before the run begins.
    """

    def __init__(self, path: str | os.PathLike[str], asked: str) -> None:
        self.path, self._asked = Path(path), asked
        require_writable(self.path.parent)
        sweep(self.path.parent, self.path.name)  # what a killed writer left
        self._written = -np.inf

    def read(self) -> dict[str, Any] | None:
        """Return the state, None if there is no file.

        Raises
        ------
        ValueError
            If it is no such file, or that of another method or other options.
        """
        try:
            content = read_file(self.path)
        except FileNotFoundError:
            return None
        try:
            with np.load(io.BytesIO(content), allow_pickle=False) as archive:
                parts = {name: archive[name] for name in archive.files}
            asked, saved = str(parts.pop("asked")), {name: parts.pop(name) for name in ("start", "rows")}
        except (ValueError, KeyError, OSError, EOFError, zipfile.BadZipFile) as error:
            raise ValueError(f"checkpoint must be a file of minimize; {self.path} cannot be read: {error}") from error
        if asked != self._asked:
            raise ValueError(
                f"checkpoint {self.path} belongs to another run, {asked}; this run is {self._asked}: remove it, or "
                "give another name"
            )

        for name, value in parts.items():
            group, _, entry = name.partition(".")
            saved.setdefault(group, {})[entry] = value
        return saved

    def is_due(self) -> bool:
        """Whether the last writing is long enough ago."""
        return time.monotonic() - self._written >= PAUSE

    def write(self, state: Mapping[str, Any]) -> None:
        """Write the file, whole or not at all."""
        parts: dict[str, Any] = {"asked": self._asked}
        for name, value in state.items():
            entries = {f"{name}.{entry}": part for entry, part in value.items()} if isinstance(value, dict) else None
            parts |= {name: value} if entries is None else entries
        stream = io.BytesIO()
        np.savez(stream, **parts)
        write_atomically(self.path, stream.getvalue())
        self._written = time.monotonic()
