r"""Jets of a layer's outputs from functions on its edges, one function for each input and output.

With e_{q,p} the function from input p to output q, u_d and v_d the first and second derivatives of the inputs,

    y_q = sum_p e_{q,p},    sum_p e'_{q,p} u_{d,p},    sum_p e''_{q,p} u_{d,p}^2 + e'_{q,p} v_{d,p}.

The functions come as e[p, k, s, q], derivative k at sample s; jets as in `jets_of_functions`.
"""

from __future__ import annotations

from refkan.kernels.compilation import kernel


@kernel
def sum_edges(first, last, e, z, n_first, y):
    """y (N, channels, Q) from e and z (N, channels, P)."""
    for s in range(first, last):
        y[s] = 0.0
        for p in range(z.shape[2]):
            for q in range(y.shape[2]):
                y[s, 0, q] += e[p, 0, s, q]
            for c in range(1, n_first + 1):
                u = z[s, c, p]
                for q in range(y.shape[2]):
                    y[s, c, q] += e[p, 1, s, q] * u
            for c in range(n_first + 1, y.shape[1]):
                u, v = z[s, c - n_first, p], z[s, c, p]
                for q in range(y.shape[2]):
                    y[s, c, q] += e[p, 2, s, q] * u * u + e[p, 1, s, q] * v


@kernel
def pull_back_to_inputs(first, last, e, z, g, n_first, dz):
    """dz (N, O, channels, P), the cotangent of z from that of y, g (N, O, channels, Q); e has one derivative more.

    x: sum_q g e' + sum_d g_d e'' u_d + sum_d g_dd (e''' u_d^2 + e'' v_d);  u_d: sum_q g_d e' + 2 g_dd e'' u_d;
    v_d: sum_q g_dd e'.
    """
    for s in range(first, last):
        for o in range(g.shape[1]):
            dz[s, o] = 0.0
            for p in range(z.shape[2]):
                for q in range(g.shape[3]):
                    dz[s, o, 0, p] += g[s, o, 0, q] * e[p, 1, s, q]
                for c in range(1, n_first + 1):
                    u = z[s, c, p]
                    for q in range(g.shape[3]):
                        dz[s, o, c, p] += g[s, o, c, q] * e[p, 1, s, q]
                        dz[s, o, 0, p] += g[s, o, c, q] * e[p, 2, s, q] * u
                for c in range(n_first + 1, z.shape[1]):
                    u, v = z[s, c - n_first, p], z[s, c, p]
                    for q in range(g.shape[3]):
                        dz[s, o, c, p] += g[s, o, c, q] * e[p, 1, s, q]
                        dz[s, o, c - n_first, p] += 2.0 * g[s, o, c, q] * e[p, 2, s, q] * u
                        dz[s, o, 0, p] += g[s, o, c, q] * (e[p, 3, s, q] * u * u + e[p, 2, s, q] * v)


@kernel
def pull_back_to_edges(first, last, z, g, n_first, de):
    """de[p, k, s, q], the cotangent of derivative k of each function from that of y, g (N, channels, Q).

    e: g;  e': sum_d g_d u_d + g_dd v_d;  e'': sum_d g_dd u_d^2.
    """
    for s in range(first, last):
        for p in range(z.shape[2]):
            de[p, :, s] = 0.0
            for q in range(g.shape[2]):
                de[p, 0, s, q] = g[s, 0, q]
            for c in range(1, n_first + 1):
                u = z[s, c, p]
                for q in range(g.shape[2]):
                    de[p, 1, s, q] += g[s, c, q] * u
            for c in range(n_first + 1, g.shape[1]):
                u, v = z[s, c - n_first, p], z[s, c, p]
                for q in range(g.shape[2]):
                    de[p, 1, s, q] += g[s, c, q] * v
                    de[p, 2, s, q] += g[s, c, q] * u * u
