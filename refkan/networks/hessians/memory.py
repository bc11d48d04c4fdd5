"""Memory of matrices: a check of the available memory before allocation, and sizes of chunks."""

import os

from refkan.base import FloatArray

CHUNK_BYTES = 2**24
"""Bytes of the working arrays of a chunk of samples: about a last-level cache, and enough to hide the calls."""

LARGEST_CHUNK, SMALLEST_CHUNK = 16384, 16

TILE = 256
"""Rows and columns of the tiles in which a matrix is mirrored."""


def available_memory() -> int | None:
    """Bytes of free and reclaimable memory; None if unknown."""
    try:
        with open("/proc/meminfo", "rb", buffering=0) as file:  # a fifth of the time of Path.read_text
            _, _, kilobytes = file.read(4096).partition(b"MemAvailable:")
        if kilobytes:
            return 1024 * int(kilobytes.split(maxsplit=1)[0])
        return os.sysconf("SC_AVPHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")
    except (AttributeError, OSError, ValueError):  # no such thing on this system
        return None


def require_memory(needed: int, owner: str, instead: str) -> None:
    """Raise ValueError if `needed` bytes exceed what is available.

    Parameters
    ----------
    needed : int
    owner : str
        Names the result and its size, for the message.
    instead : str
        What the caller can do instead.
    """
    there = available_memory()
    if there is not None and needed > there:
        raise ValueError(f"{owner} needs {amount(needed)} of memory; {amount(there)} are available: {instead}")


def amount(size: float) -> str:
    """Bytes in decimal units.

    Examples
    --------
    >>> amount(128e6), amount(2.5e9)
    ('128 MB', '2.5 GB')
    """
    for unit, name in ((1e12, "TB"), (1e9, "GB"), (1e6, "MB"), (1e3, "kB")):
        if size >= unit:
            return f"{size / unit:.3g} {name}"
    return f"{size:.0f} bytes"


def chunk_size(bytes_per_sample: float, budget: float | None = None) -> int:
    """Samples whose working arrays fill the budget; it depends on sizes alone, so that results are reproducible."""
    budget = CHUNK_BYTES if budget is None else budget
    return int(min(max(budget / max(bytes_per_sample, 1.0), SMALLEST_CHUNK), LARGEST_CHUNK))


def mirror(H: FloatArray) -> FloatArray:
    """Copy the upper triangle of H (n, n) to the lower one, in place; return H."""
    n = H.shape[0]
    for low in range(0, n, TILE):
        rows = slice(low, low + TILE)
        H[low + TILE :, rows] = H[rows, low + TILE :].T
        tile = H[rows, rows]
        upper = tile.copy()
        for i in range(tile.shape[0]):
            tile[i:, i] = upper[i, i:]
    return H
