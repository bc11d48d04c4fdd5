"""Scalar maps that layers have beside, before, behind or between splines; others are told by their values."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from scipy.special import erf, expit

from refkan.base.array_types import FloatArray

Map = Callable[[FloatArray], FloatArray]

MAPS: dict[str, Map] = {
    "silu": lambda x: x * expit(x),
    "gelu": lambda x: x * (1 + erf(x / np.sqrt(2))) / 2,
    "gelu by tanh": lambda x: x * (1 + np.tanh(np.sqrt(2 / np.pi) * (x + 0.044715 * x**3))) / 2,
    "relu": lambda x: np.maximum(x, 0.0),
    "tanh": np.tanh,
    "sigmoid": expit,
    "sine": np.sin,
    "softplus": lambda x: np.logaddexp(0.0, x),
    "clip to [-1, 1]": lambda x: np.clip(x, -1.0, 1.0),
    "clip to [0, 1]": lambda x: np.clip(x, 0.0, 1.0),
    "softsign": lambda x: x / (1 + np.abs(x)),
    "arcsinh": np.arcsinh,
    "exponential": np.exp,
    "square": np.square,
    "absolute value": np.abs,
}  # fmt: skip

INVERSES: dict[str, Map] = {
    "tanh": np.arctanh,
    "sigmoid": lambda y: np.log(y / (1 - y)),
    "softplus": lambda y: np.log(np.expm1(y)),
    "arcsinh": np.sinh,
    "softsign": lambda y: y / (1 - np.abs(y)),
    "exponential": np.log,
}


def map_of(x: FloatArray, y: FloatArray, tolerance: float) -> tuple[str, float, float] | None:
    """Return (name, factor, constant) with y = factor * map(x) + constant, None if no known map fits.

    Factor and constant are those of least squares; the identity comes first.

    Examples
    --------
    >>> import numpy as np
    >>> x = np.linspace(-1.0, 2.0, 9)
    >>> map_of(x, 0.5 * np.tanh(x), 1e-12)
    ('tanh', 0.5, 0.0)
    """
    for name, function in {"identity": lambda x: x, **MAPS}.items():
        A = np.stack([function(x), np.ones_like(x)], axis=1)
        (k, c), *_ = np.linalg.lstsq(A, y, rcond=None)
        if (np.abs(A @ [k, c] - y) <= tolerance).all() and abs(k) > tolerance:
            return name, _plain(k), _plain(c)
    A = np.stack([np.maximum(x, 0.0), np.minimum(x, 0.0), np.ones_like(x)], axis=1)
    (k, below, c), *_ = np.linalg.lstsq(A, y, rcond=None)
    if (np.abs(A @ [k, below, c] - y) <= tolerance).all() and abs(k) > tolerance:
        return f"leaky relu of slope {_plain(below / k)}", _plain(k), _plain(c)
    return None


def _plain(k: float) -> float:
    """A number without its rounding."""
    return float(f"{k:.9g}") if abs(k) > 1e-11 else 0.0
