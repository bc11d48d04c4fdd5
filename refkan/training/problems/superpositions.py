"""Sums and products of univariate functions in any dimension."""

from __future__ import annotations

import numpy as np

from refkan.base.array_types import Array, FloatArray
from refkan.training.problems.targets import Target

DIMENSIONS = (2, 4, 6, 10)

UNIT = (0.0, 1.0)


def additive(x: Array) -> Array:
    """sum_i cos(2 pi x_i + i) / sqrt(d), i = 1..d, on [0, 1]^d.

    A network with one layer represents it; its variance, 1/2, is that of every d.
    """
    return np.cos(2 * np.pi * x + _index(x)).sum(axis=1, keepdims=True) / np.sqrt(x.shape[1])


def multiplicative(x: Array) -> Array:
    """prod_i (1 + sin(2 pi x_i + i) / sqrt(d)), i = 1..d, on [0, 1]^d.

    Its mean is 1 and its variance (1 + 1/(2d))^d - 1, between 0.56 and 0.65.
    """
    return (1 + np.sin(2 * np.pi * x + _index(x)) / np.sqrt(x.shape[1])).prod(axis=1, keepdims=True)


def folded(x: Array) -> Array:
    """prod_i (|4 x_i - 2| + i) / (1 + i), i = 1..d, on [0, 1]^d.

    The g-function of Sobol with a_i = i: the variables matter less and less.
    """
    fold = np.where(x.real < 0.5, 2 - 4 * x, 4 * x - 2)
    return ((fold + _index(x)) / (1 + _index(x))).prod(axis=1, keepdims=True)


def nested(x: Array) -> Array:
    """exp(-sum_i (x_i - i/(d + 1))^2) sin(sum_i x_i), i = 1..d, on [0, 1]^d.

    Functions of two sums of univariate functions, multiplied: two or three layers represent it.
    """
    squares = ((x - _index(x) / (x.shape[1] + 1)) ** 2).sum(axis=1, keepdims=True)
    return np.exp(-squares) * np.sin(x.sum(axis=1, keepdims=True))


def _index(x: Array) -> FloatArray:
    return np.arange(1.0, x.shape[1] + 1)


SUPERPOSITIONS = tuple(
    Target(f"{name}-{d}", function, (UNIT,) * d, rough)
    for name, function, rough in (
        ("sum", additive, ""),
        ("product", multiplicative, ""),
        ("folded-product", folded, "the gradient jumps on the planes x_i = 1/2"),
        ("nested-sums", nested, ""),
    )
    for d in DIMENSIONS
)
"""Each function in two, four, six and ten dimensions."""
