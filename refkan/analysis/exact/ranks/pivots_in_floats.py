"""Candidates for minors that are not zero, by pivots of QR decompositions in float64; their proof is elsewhere."""

from typing import Any

import numpy as np
from scipy import linalg

from refkan.base import FloatArray

Minor = tuple[tuple[int, ...], tuple[int, ...]]
"""Rows and columns."""


def in_floats(J: Any) -> FloatArray:
    """Return midpoints, rows and then columns divided by their largest, which float64 holds; zero minors stay zero."""
    rows: Any = J.mid().tolist()
    for _ in range(2):
        tops = [max(abs(entry).mid() for entry in row) for row in rows]
        scaled = ([(x / top).mid() if top > 0 else x for x in row] for row, top in zip(rows, tops, strict=True))
        rows = list(zip(*scaled, strict=True))
    return np.array([[float(entry) for entry in row] for row in rows])


def independent(J: Any, rank: int) -> Minor:
    """Return rows and columns that are independent in float64: the pivots of two QR decompositions."""
    columns = np.sort(linalg.qr(J, mode="r", pivoting=True)[1][:rank])
    rows = np.sort(linalg.qr(J[:, columns].T, mode="r", pivoting=True)[1][:rank])
    return tuple(map(int, rows)), tuple(map(int, columns))
