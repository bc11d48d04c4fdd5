"""Files from which an interrupted minimisation goes on, bit for bit."""

from __future__ import annotations

import io
import os
import time
import zipfile
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from refkan.base.atomic_files import read_file, require_writable, sweep, write_atomically

PAUSE = 1.0
"""Seconds that pass at least between two writings of a file."""

BEST, CURRENT, CARRIED = "best.", "current.", "carried."
"""Prefixes of names in a file: of the best and the current iterate, and of what the method carries along."""


@dataclass(frozen=True)
class SavedRun:
    """What a file holds.

    Attributes
    ----------
    start : ndarray (n,)
        Parameters that the run began with.
    rows : ndarray (steps + 1, 6)
        The fields of `History`, NaN where a method has none.
    best, current : dict
        The fields of the best and of the current iterate.
    carried : dict
        What the method carries from step to step.
    """

    start: Any
    rows: Any
    best: dict[str, Any]
    current: dict[str, Any]
    carried: dict[str, Any]


class RunFile:
    """The file of a run: what is asked of it stands beside the state, so that another run is told apart.

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

    def read(self) -> SavedRun | None:
        """Return what the file holds, None if there is none.

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
            asked, start, rows = str(parts["asked"]), parts["start"], parts["rows"]
        except (ValueError, KeyError, OSError, EOFError, zipfile.BadZipFile) as error:
            raise ValueError(f"checkpoint must be a file of minimize; {self.path} cannot be read: {error}") from error
        if asked != self._asked:
            raise ValueError(
                f"checkpoint {self.path} belongs to another run, {asked}; asked is {self._asked}: remove it, or give "
                "another name"
            )

        def under(prefix: str) -> dict[str, Any]:
            return {name.removeprefix(prefix): value for name, value in parts.items() if name.startswith(prefix)}

        return SavedRun(start, rows, under(BEST), under(CURRENT), under(CARRIED))

    def is_due(self) -> bool:
        """Whether the last writing is long enough ago."""
        return time.monotonic() - self._written >= PAUSE

    def write(self, saved: SavedRun) -> None:
        """Write the file, whole or not at all."""
        parts = {"asked": np.array(self._asked), "start": saved.start, "rows": saved.rows}
        for prefix, named in ((BEST, saved.best), (CURRENT, saved.current), (CARRIED, saved.carried)):
            parts |= {prefix + name: np.asarray(value) for name, value in named.items()}
        stream = io.BytesIO()
        np.savez(stream, **parts)
        write_atomically(self.path, stream.getvalue())
        self._written = time.monotonic()
