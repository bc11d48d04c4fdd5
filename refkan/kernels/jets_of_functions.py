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
