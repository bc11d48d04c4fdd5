r"""Jets of functions of single inputs, for any number of functions and channels.

A jet of P quantities at sample s is z[s, c, p]: channel 0 the value x, channels 1..K its first derivatives u_d, and
channels K+1.. the second derivatives v_d of the first few directions. A function phi of a single input makes of it

    phi,    phi' u_d,    phi'' u_d^2 + phi' v_d.
"""

from __future__ import annotations

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
def pull_back_rows(first, last, rows, z, n_first, h, dz):
    """Cotangents dz (N, O, channels, P) of the jet from those of `channel_rows`, h (N, O, channels, P, r).

    x: sum_i h b' + h_d b'' u + h_dd (b''' u^2 + b'' v);  u: sum_i h_d b' + 2 h_dd b'' u;  v: sum_i h_dd b'.
    """
    n_cotangents, channels, n_inputs, order = h.shape[1:]
    for s in range(first, last):
        for o in range(n_cotangents):
            for c in range(channels):
                for p in range(n_inputs):
                    slope = bend = third = 0.0
                    for i in range(order):
                        slope += h[s, o, c, p, i] * rows[1, s, p, i]
                    if c > 0:
                        for i in range(order):
                            bend += h[s, o, c, p, i] * rows[2, s, p, i]
                    if c > n_first:
                        for i in range(order):
                            third += h[s, o, c, p, i] * rows[3, s, p, i]
                    dz[s, o, c, p] = slope
                    if c > n_first:
                        u = z[s, c - n_first, p]
                        dz[s, o, 0, p] += third * u * u + bend * z[s, c, p]
                        dz[s, o, c - n_first, p] += 2.0 * bend * u
                    elif c > 0:
                        dz[s, o, 0, p] += bend * z[s, c, p]
