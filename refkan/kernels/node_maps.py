"""Maps of activations y (N, Q), node by node, in one pass: rows are too short for NumPy to broadcast along quickly."""

from __future__ import annotations

from refkan.kernels.compilation import kernel


@kernel
def affine(first, last, y, middle, scale, shift, out):
    """out[s, q] = scale[q] (y[s, q] - middle[q]) + shift[q]."""
    for s in range(first, last):
        for q in range(y.shape[1]):
            out[s, q] = scale[q] * (y[s, q] - middle[q]) + shift[q]
