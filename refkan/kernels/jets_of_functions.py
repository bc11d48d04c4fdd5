r"""Jets of functions of single inputs, for any number of functions and channels.

A jet of P quantities at sample s is z[s, c, p]: channel 0 the value x, channels 1..K its first derivatives u_d, and
channels K+1.. the second derivatives v_d of the first few directions. A function phi of a single input makes of it

    phi,    phi' u_d,    phi'' u_d^2 + phi' v_d.
"""

from __future__ import annotations

import numpy as np

from refkan.kernels.compilation import kernel


@kernel
def channel_rows(first, last, rows, z, n_first, out):
    """out[s, c, p, i] = b, b' u_d, b'' u_d^2 + b' v_d with b^(k) = rows[k, s, p, i]; z (N, channels, P)."""
    channels, n_inputs, order = out.shape[1:]
    for s in range(first, last):
        for p in range(n_inputs):
            for i in range(order):
                out[s, 0, p, i] = rows[0, s, p, i]
        for c in range(1, n_first + 1):
            for p in range(n_inputs):
                u = z[s, c, p]
                for i in range(order):
                    out[s, c, p, i] = u * rows[1, s, p, i]
        for c in range(n_first + 1, channels):
            for p in range(n_inputs):
                u, v = z[s, c - n_first, p], z[s, c, p]
                for i in range(order):
                    out[s, c, p, i] = u * u * rows[2, s, p, i] + v * rows[1, s, p, i]


@kernel
def channel_values(first, last, f, z, n_first, out):
    """`channel_rows` where each entry has one function: f (D, N, P) with its derivatives, out (N, channels, P)."""
    for s in range(first, last):
        for p in range(out.shape[2]):
            out[s, 0, p] = f[0, s, p]
        for c in range(1, n_first + 1):
            for p in range(out.shape[2]):
                out[s, c, p] = z[s, c, p] * f[1, s, p]
        for c in range(n_first + 1, out.shape[1]):
            u = c - n_first
            for p in range(out.shape[2]):
                out[s, c, p] = z[s, u, p] * z[s, u, p] * f[2, s, p] + z[s, c, p] * f[1, s, p]


@kernel
def pull_back_values(first, last, f, z, h, n_first, dz):
    """dz (N, O, channels, P), the cotangent of z from that of `channel_values`, h.

    x: h f' + sum_d h_d f'' u_d + sum_d h_dd (f'' v_d + f''' u_d^2);  u_d: h_d f' + 2 h_dd f'' u_d;  v_d: h_dd f'.
    """
    channels, P = z.shape[1:]
    bent = np.empty(P, dz.dtype)
    for s in range(first, last):
        for o in range(h.shape[1]):
            for c in range(channels):
                for p in range(P):
                    dz[s, o, c, p] = h[s, o, c, p] * f[1, s, p]
            bent[:] = 0.0
            for c in range(1, channels):
                for p in range(P):
                    bent[p] += h[s, o, c, p] * f[2, s, p] * z[s, c, p]
            for p in range(P):
                dz[s, o, 0, p] += bent[p]
            bent[:] = 0.0
            for c in range(n_first + 1, channels):
                u = c - n_first
                for p in range(P):
                    dz[s, o, u, p] += 2.0 * (h[s, o, c, p] * f[2, s, p]) * z[s, u, p]
                    bent[p] += h[s, o, c, p] * f[3, s, p] * z[s, u, p] * z[s, u, p]
            for p in range(P):
                dz[s, o, 0, p] += bent[p]
