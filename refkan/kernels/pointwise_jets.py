r"""Jets through functions of single entries: f, f' u_d, f'' u_d^2 + f' v_d, channels as in `local_jets`.

A loop over entries is the innermost one, so that all of it vectorises.
"""

from __future__ import annotations

import numpy as np

from refkan.kernels.compilation import kernel


@kernel
def compose(first, last, f, z, n_first, out):
    """Apply the function with derivatives f (D+1, N, Q) to jets z (N, channels, Q), of whose values they are."""
    channels, n_entries = z.shape[1:]
    for s in range(first, last):
        for q in range(n_entries):
            out[s, 0, q] = f[0, s, q]
        for c in range(1, n_first + 1):
            for q in range(n_entries):
                out[s, c, q] = f[1, s, q] * z[s, c, q]
        for c in range(n_first + 1, channels):
            d = c - n_first
            for q in range(n_entries):
                out[s, c, q] = f[2, s, q] * z[s, d, q] * z[s, d, q] + f[1, s, q] * z[s, c, q]


@kernel
def pull_back(first, last, f, z, n_first, g, dz):
    """Cotangents dz of z from cotangents g (N, O, channels, Q) of `compose`.

    x: g f' + g_d f'' u + g_dd (f''' u^2 + f'' v);  u: g_d f' + 2 g_dd f'' u;  v: g_dd f'.
    """
    channels, n_entries = z.shape[1:]
    for s in range(first, last):
        for o in range(g.shape[1]):
            for c in range(channels):
                for q in range(n_entries):
                    dz[s, o, c, q] = f[1, s, q] * g[s, o, c, q]
            for c in range(1, n_first + 1):
                for q in range(n_entries):
                    dz[s, o, 0, q] += f[2, s, q] * g[s, o, c, q] * z[s, c, q]
            for c in range(n_first + 1, channels):
                d = c - n_first
                for q in range(n_entries):
                    bend, u = f[2, s, q] * g[s, o, c, q], z[s, d, q]
                    dz[s, o, d, q] += 2.0 * bend * u
                    dz[s, o, 0, q] += f[3, s, q] * g[s, o, c, q] * u * u + bend * z[s, c, q]


ROWS = 32
"""Rows of values whose entries are one loop, with constants repeated: it vectorises, loops over five do not."""


@kernel
def scale_and_shift(first, last, scale, shift, y, out):
    """out[s, o, c, q] = scale[q] y[s, o, c, q], and + shift[q] in channel 0: an affine map; y (N, O, channels, Q)."""
    if y.shape[1] * y.shape[2] == 1:
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
        for o in range(y.shape[1]):
            for q in range(y.shape[3]):
                out[s, o, 0, q] = scale[q] * y[s, o, 0, q] + shift[q]
            for c in range(1, y.shape[2]):
                for q in range(y.shape[3]):
                    out[s, o, c, q] = scale[q] * y[s, o, c, q]


@kernel
def affine(first, last, y, middle, scale, shift, out):
    """out[s, q] = scale[q] (y[s, q] - middle[q]) + shift[q], of rows too short for NumPy to broadcast quickly."""
    for s in range(first, last):
        for q in range(y.shape[1]):
            out[s, q] = scale[q] * (y[s, q] - middle[q]) + shift[q]
