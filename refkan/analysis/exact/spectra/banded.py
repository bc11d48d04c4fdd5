"""Symmetric banded matrices of balls: products, and solving by L D L^T without pivoting.

Bands are lists of diagonals, band[k][i] = X_{i,i+k} = X_{i+k,i}.
"""

from typing import Any

from refkan.analysis.exact.spectra.rational import Band


def product(band: Band, v: list[Any]) -> list[Any]:
    """X v, the terms of an entry added in any order: v decides whether they cancel."""
    out = [entry * x for entry, x in zip(band[0], v, strict=True)]
    for k in range(1, len(band)):
        for i, entry in enumerate(band[k]):
            out[i] += entry * v[i + k]
            out[i + k] += entry * v[i]
    return out


def combination(band: Band, shift: Any, metric: Band) -> Band:
    """The band of X - shift M."""
    out = []
    for k in range(max(len(band), len(metric))):
        if k >= len(metric):
            out.append(list(band[k]))
        elif k >= len(band):
            out.append([-shift * m for m in metric[k]])
        else:
            out.append([entry - shift * m for entry, m in zip(band[k], metric[k], strict=True)])
    return out


def approximate_solution(band: Band, v: list[Any]) -> list[Any]:
    """An approximate solution of X y = v: midpoints only, for iterations whose result is certified otherwise.

    No pivoting: the matrices are definite, or positive after the signs of a row and a column are changed.

    Raises
    ------
    ZeroDivisionError
        If a pivot is zero at the present precision.
    """
    dim, width = len(v), len(band) - 1
    rows = [[band[k][i].mid() for k in range(min(width, dim - 1 - i) + 1)] for i in range(dim)]
    y = list(v)
    for i, (pivot, *row) in enumerate(rows):
        if pivot == 0:
            raise ZeroDivisionError(f"pivot {i} is zero")
        for k, entry in enumerate(row):
            factor = (entry / pivot).mid()
            below = rows[i + 1 + k]
            for m in range(k, len(row)):
                below[m - k] = (below[m - k] - factor * row[m]).mid()
            y[i + 1 + k] = (y[i + 1 + k] - factor * y[i]).mid()
    for i in reversed(range(dim)):
        pivot, *row = rows[i]
        known = sum((entry * y[i + 1 + k] for k, entry in enumerate(row)), 0 * pivot)
        y[i] = ((y[i] - known) / pivot).mid()
    return y
