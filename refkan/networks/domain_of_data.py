"""The domain of the first layer and the data: its ranges, warnings about samples outside, and overflow on samples."""

import warnings

import numpy as np
from numpy.typing import NDArray

from refkan.base import FloatArray, NarrowInputWarning, OutsideDomainWarning, all_finite
from refkan.networks.layers import Layer

MANY = 0.1
"""Share of the values of an input outside the domain beyond which `Network.initialize` warns."""

NARROW = 0.1
"""Share of its domain below which an input covers too little of it: on up to ten intervals, less than one."""

FEW = 20
"""Least number of samples for a warning that they cover too little."""

ROOM = 2**20
"""Least length of a domain taken from data, in units of eps times its ends: room for a million intervals."""


def warn_of_domain(layer: Layer, x: FloatArray, stacklevel: int) -> None:
    """Warn if many samples x (N, P) lie outside the domain of the first layer, or if they cover too little of it."""
    if x.shape[0] == 0 or layer.outside is None:
        return
    low, high = layer.domains.T
    covered = np.ptp(x, axis=0) / (high - low)
    narrow = np.flatnonzero((covered < NARROW) & (covered > 0))
    if narrow.size and x.shape[0] >= FEW:
        p = int(narrow[0])
        warnings.warn(
            f"input {p} covers {100 * covered[p]:.2g} % of the domain [{low[p]:g}, {high[p]:g}] of the first layer: "
            f"its values range from {x[:, p].min():g} to {x[:, p].max():g}, with hardly a knot between them"
            f'{_and(narrow[1:])}. Give kan the domain of each input, or domain="data"',
            NarrowInputWarning,
            stacklevel=stacklevel + 1,
        )
    counts = ((x < low) | (x > high)).sum(axis=0)
    inputs = np.flatnonzero(counts > MANY * x.shape[0])
    if inputs.size == 0:
        return
    p = int(inputs[0])
    warnings.warn(
        f"{counts[p]} of {x.shape[0]} values of input {p} lie outside the domain [{low[p]:g}, {high[p]:g}] of the "
        f"first layer: they range from {x[:, p].min():g} to {x[:, p].max():g}, and beyond a domain splines are "
        f'straight lines by default{_and(inputs[1:])}. Give kan the domain of each input, or domain="data"',
        OutsideDomainWarning,
        stacklevel=stacklevel + 1,
    )


def _and(others: NDArray[np.int64]) -> str:
    """Name further inputs for which the same holds."""
    names = ", ".join(map(str, others))
    if len(others) == 0:
        return ""
    if len(others) == 1:
        return f"; the same goes for input {names}"
    return f"; the same goes for inputs {names}"


def ranges(x: FloatArray) -> FloatArray:
    """Return the least and the largest value of each column of x (N, P), shape (P, 2).

    Raises
    ------
    ValueError
        If there is no sample, or the values of a column are equal or too close for knots between them.
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


def require_activations(name: str, samples: FloatArray, y: FloatArray, layer: int) -> None:
    """Raise ValueError if the outputs y (N, Q) of a layer on the samples (N, P) are not all finite."""
    if all_finite(y):
        return
    s = int(np.argmin(np.isfinite(y).all(axis=1)))
    raise ValueError(
        f"{name} must keep activations within float64, but those of layer {layer} overflow at {name}[{s}] = "
        f"{samples[s].tolist()}: scale the inputs to the domain of the first layer"
    )
