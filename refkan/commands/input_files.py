"""Networks and samples in files, as commands take them."""

import io
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from refkan.base import FloatArray, located
from refkan.base.atomic_files import read_file
from refkan.commands.option_values import named
from refkan.interop import read_model
from refkan.interop.model_files import is_network
from refkan.networks import Network, load


def read_network(option: str, file: Path) -> tuple[Network, FloatArray, dict[str, Any]]:
    """Return a network in a file, its parameters, and its notes."""
    with named(option), located(option):
        if not is_network(file):
            return *read_model(file), {}
        return load(file, return_notes=True)


def read_samples(option: str, file: Path, allowed: Mapping[int, str]) -> FloatArray:
    """Return the rows of a file of finite numbers, separated by commas; text behind # is skipped.

    Parameters
    ----------
    option : str
        What messages begin with.
    file : Path
    allowed : mapping
        The numbers of columns that the file may have, with what these are.

    Raises
    ------
    ValueError
        If the file cannot be read, has no rows or other columns, or holds anything but finite numbers.
    """
    where = f"{option}: {file}"
    with named(option):
        content = read_file(file)
    lines = content.decode("utf-8", errors="replace").splitlines()
    if not any(line.partition("#")[0].strip() for line in lines):
        raise ValueError(f"{where} must hold at least one line of numbers; got none")
    try:
        rows: FloatArray = np.loadtxt(io.StringIO("\n".join(lines)), delimiter=",", ndmin=2)
    except ValueError as error:
        raise ValueError(
            f"{where} must hold numbers separated by commas, as many in each line: {error} (begin a line of names "
            "with #; for other files, see numpy.genfromtxt and numpy.savetxt)"
        ) from None
    if rows.shape[1] not in allowed:
        counts = ", or ".join(f"{count} columns, {content}" for count, content in allowed.items())
        raise ValueError(f"{where} must have {counts}; got {rows.shape[1]}")
    bad = np.flatnonzero(~np.isfinite(rows).all(axis=1))
    if bad.size:
        raise ValueError(
            f"{where} must hold finite numbers; got others in {bad.size} of {len(rows)} rows, the first of them row "
            f"{bad[0] + 1}: leave these out"
        )
    return rows
