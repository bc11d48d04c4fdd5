"""The domain of the first layer and the data: taken from them, or compared with them."""

from __future__ import annotations

import warnings

import numpy as np

from refkan.array_types import FloatArray
from refkan.errors import OutsideDomainWarning
from refkan.layers import Layer

MANY = 0.1
"""Share of the values of an input outside the domain beyond which `Network.initialize` warns: more than a tail."""

ROOM = 2**20
"""Least length of a domain taken from data, in units of eps times its ends: room for a million intervals."""


def warn_outside(layer: Layer, x: FloatArray, stacklevel: int) -> None:
    """Warn if many of the samples x (N, P) lie outside the domain of the first layer."""
    if x.shape[0] == 0 or layer.outside is None:
        return
    low, high = layer.domains.T
    counts = ((x < low) | (x > high)).sum(axis=0)
    inputs = np.flatnonzero(counts > MANY * x.shape[0])
    if inputs.size == 0:
        return
    p = int(inputs[0])
    more = f", and many of {inputs.size - 1} more inputs" if inputs.size > 1 else ""
    warnings.warn(
        f"{counts[p]} of {x.shape[0]} values of input {p} lie outside the domain [{low[p]:g}, {high[p]:g}] of the "
        f"first layer{more}: they range from {x[:, p].min():g} to {x[:, p].max():g}, and beyond a domain splines are "
        'straight lines by default. Give kan the domain of each input, or domain="data"',
        OutsideDomainWarning,
        stacklevel=stacklevel + 1,
    )


def ranges(x: FloatArray) -> FloatArray:
    """Return the least and the largest value of each column of x (N, P), shape (P, 2).

    Raises
    ------
    ValueError
        If there is no sample, or a column has one value only, or so close values that no knots fit between them.
    """
    if x.shape[0] == 0:
        raise ValueError("domain='data' needs x to hold at least two samples; got none")
    pairs = np.stack([x.min(axis=0), x.max(axis=0)], axis=1)
    for p, (low, high) in enumerate(pairs):
        if not high - low > ROOM * np.finfo(np.float64).eps * max(-low, high):
            raise ValueError(
                f"domain='data' needs x to vary in each input; got x[:, {p}] between {low} and {high}: leave that "
                "input out, or give kan the domain of each input"
            )
    return pairs
