"""What codes do to all B-splines at a point together: one line for each way, from values (N, dim)."""

from collections.abc import Callable

import numpy as np

from refkan.base import FloatArray


def _over(B: FloatArray, size: FloatArray) -> FloatArray:
    """Divide by one number for each point, by 1 where it is 0."""
    size = size[:, None]
    return np.asarray(B / np.where(size == 0, 1.0, size))


FUNCTIONS: dict[str, Callable[[FloatArray], FloatArray]] = {
    "softmax of the B-splines": lambda B: _over(np.exp(B), np.exp(B).sum(axis=1)),
    "B-splines divided by their largest value": lambda B: _over(B, B.max(axis=1)),
    "B-splines divided by their norm": lambda B: _over(B, np.sqrt((B * B).sum(axis=1))),
    "squares of the B-splines divided by their sum": lambda B: _over(B * B, (B * B).sum(axis=1)),
    "square roots of the B-splines": lambda B: np.sqrt(np.maximum(B, 0.0)),
    "B-splines less their mean": lambda B: B - B.mean(axis=1, keepdims=True),
    "B-splines less their mean, over their deviation": lambda B: _over(
        B - B.mean(axis=1, keepdims=True), np.sqrt(B.var(axis=1) + 1e-5)
    ),
    "the largest B-spline alone": lambda B: np.where(B.max(axis=1, keepdims=True) == B, B, 0.0),
    "B-splines and products with their neighbours": lambda B: B + B * np.roll(B, 1, axis=1),
}
"""Functions in words: adding a way is adding a line."""
