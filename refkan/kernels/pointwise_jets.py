r"""Affine maps of activations, jet by jet."""

from __future__ import annotations

import numpy as np

from refkan.kernels.compilation import kernel

ROWS = 32
"""Rows of values whose entries are one loop, with constants repeated: it vectorises, loops over five do not."""


@kernel
def scale_and_shift(first, last, scale, shift, y, out):
    """out[s, c, q] = scale[q] y[s, c, q], and + shift[q] in channel 0: an affine map; y (N, channels, Q)."""
    if y.shape[1] == 1:
        Q, values, results = scale.shape[0], y[first:last].reshape(-1), out[first:last].reshape(-1)
        size = min(ROWS * Q, values.shape[0])
        scales, shifts = np.empty(size, scale.dtype), np.empty(size, shift.dtype)
        for k in range(size):
            scales[k], shifts[k] = scale[k % Q], shift[k % Q]
        for start in range(0, values.shape[0], ROWS * Q):
            value, result = values[start : start + size], results[start : start + size]
            for k in range(value.shape[0]):
                result[k] = scales[k] * value[k] + shifts[k]
        return
    for s in range(first, last):
        for q in range(y.shape[2]):
            out[s, 0, q] = scale[q] * y[s, 0, q] + shift[q]
        for c in range(1, y.shape[1]):
            for q in range(y.shape[2]):
                out[s, c, q] = scale[q] * y[s, c, q]
