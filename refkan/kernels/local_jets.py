r"""Jets through layers: values with first and second derivatives along K directions, as channels of one array.

A jet of P quantities at sample s is z[s, c, p]: channel 0 the value x, channels 1..K its first derivatives u_d, and
channels K+1.. the second derivatives v_d of the first few directions. A function phi of a single input makes of it

    phi,    phi' u_d,    phi'' u_d^2 + phi' v_d,

so that for basis functions b_i with derivatives rows[k, s, p, i] the channels of the basis are W[s, c, p, i], and a
layer is y[s, c, q] = sum_p sum_i W[s, c, p, i] C[p, start[s, p] + i, q]. Coefficients lie as (P, dim, Q), as in
`local_layer`. Cotangents g[s, o, c, q] have an axis o for several of them at once. `width` and `count` are sequences
of as many items as a window has functions and a jet has channels: as tuples they tell the compiler how long short loops
are.
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


@kernel
def contract(first, last, start, W, C, width, out):
    """out[s, c, q] = sum_p sum_i W[s, c, p, i] C[p, start[s, p] + i, q]; start (N, P), out (N, channels, Q)."""
    channels, n_inputs, n_outputs = W.shape[1], W.shape[2], out.shape[2]
    for s in range(first, last):
        for c in range(channels):
            y = out[s, c]
            for q in range(n_outputs):
                y[q] = 0.0
        for p in range(n_inputs):
            m = start[s, p]
            for c in range(channels):
                y = out[s, c]
                for q in range(n_outputs):
                    total = y[q]
                    for i in range(len(width)):
                        total += W[s, c, p, i] * C[p, m + i, q]
                    y[q] = total


@kernel
def contract_few_outputs(first, last, start, W, C, out):
    """The same for so few outputs that loops over them cost more than their work."""
    channels, n_inputs, order = W.shape[1:]
    for s in range(first, last):
        for c in range(channels):
            for q in range(out.shape[2]):
                total = 0.0
                for p in range(n_inputs):
                    for i in range(order):
                        total += W[s, c, p, i] * C[p, start[s, p] + i, q]
                out[s, c, q] = total


@kernel
def pull_back_coefficients(first, last, start, W, dy, groups, width, count, dC):
    """dC[part, p, start + i, q] += sum_c W[s, c, p, i] dy[s, c, q] over the samples of each part; the parts add up.

    dy (N, channels, Q), dC (parts, P, dim, Q) zero on entry. Items are pairs of a part and a group of inputs; every
    dC[part, p] has one owner.
    """
    n_samples, n_inputs, n_outputs, parts = dy.shape[0], W.shape[2], dy.shape[2], dC.shape[0]
    channels = len(count)
    for task in range(first, last):
        part, group = task // groups, task % groups
        for s in range(part * n_samples // parts, (part + 1) * n_samples // parts):
            for p in range(group * n_inputs // groups, (group + 1) * n_inputs // groups):
                m = start[s, p]
                for i in range(len(width)):
                    row = dC[part, p, m + i]
                    # Channels by threes, as many as one direction has: one pass over the row.
                    for c in range(0, channels - 2, 3):
                        b0, b1, b2 = W[s, c, p, i], W[s, c + 1, p, i], W[s, c + 2, p, i]
                        g0, g1, g2 = dy[s, c], dy[s, c + 1], dy[s, c + 2]
                        for q in range(n_outputs):
                            row[q] += b0 * g0[q] + (b1 * g1[q] + b2 * g2[q])
                    for c in range(channels - channels % 3, channels):
                        b, g = W[s, c, p, i], dy[s, c]
                        for q in range(n_outputs):
                            row[q] += b * g[q]


@kernel
def pull_back_inputs(first, last, start, rows, z, n_first, C, dy, width, dz):
    """dz (N, O, channels, P) of dy (N, O, channels, Q): `pull_back_rows` of h = sum_q C[p, start + i, q] dy[.., q]."""
    n_cotangents, channels, n_inputs = dz.shape[1:]
    order, n_outputs = len(width), dy.shape[3]
    whole, lanes = order - order % 4, n_outputs - n_outputs % 4
    for s in range(first, last):
        for o in range(n_cotangents):
            for p in range(n_inputs):
                m = start[s, p]
                for c in range(channels):
                    g = dy[s, o, c]
                    slope = bend = third = 0.0
                    # Four rows of C at a time and four interleaved sums each, an order that vectorises.
                    for i in range(0, whole, 4):
                        c0, c1, c2, c3 = C[p, m + i], C[p, m + i + 1], C[p, m + i + 2], C[p, m + i + 3]
                        a00 = a01 = a02 = a03 = a10 = a11 = a12 = a13 = 0.0
                        a20 = a21 = a22 = a23 = a30 = a31 = a32 = a33 = 0.0
                        for q in range(0, lanes, 4):
                            g0, g1, g2, g3 = g[q], g[q + 1], g[q + 2], g[q + 3]
                            a00 += c0[q] * g0
                            a01 += c0[q + 1] * g1
                            a02 += c0[q + 2] * g2
                            a03 += c0[q + 3] * g3
                            a10 += c1[q] * g0
                            a11 += c1[q + 1] * g1
                            a12 += c1[q + 2] * g2
                            a13 += c1[q + 3] * g3
                            a20 += c2[q] * g0
                            a21 += c2[q + 1] * g1
                            a22 += c2[q + 2] * g2
                            a23 += c2[q + 3] * g3
                            a30 += c3[q] * g0
                            a31 += c3[q + 1] * g1
                            a32 += c3[q + 2] * g2
                            a33 += c3[q + 3] * g3
                        h0, h1 = (a00 + a02) + (a01 + a03), (a10 + a12) + (a11 + a13)
                        h2, h3 = (a20 + a22) + (a21 + a23), (a30 + a32) + (a31 + a33)
                        for q in range(lanes, n_outputs):
                            h0 += c0[q] * g[q]
                            h1 += c1[q] * g[q]
                            h2 += c2[q] * g[q]
                            h3 += c3[q] * g[q]
                        b = rows[1, s, p]
                        slope += (h0 * b[i] + h1 * b[i + 1]) + (h2 * b[i + 2] + h3 * b[i + 3])
                        if c > 0:
                            b = rows[2, s, p]
                            bend += (h0 * b[i] + h1 * b[i + 1]) + (h2 * b[i + 2] + h3 * b[i + 3])
                        if c > n_first:
                            b = rows[3, s, p]
                            third += (h0 * b[i] + h1 * b[i + 1]) + (h2 * b[i + 2] + h3 * b[i + 3])
                    for i in range(whole, order):
                        row, h = C[p, m + i], 0.0
                        for q in range(n_outputs):
                            h += row[q] * g[q]
                        slope += h * rows[1, s, p, i]
                        if c > 0:
                            bend += h * rows[2, s, p, i]
                        if c > n_first:
                            third += h * rows[3, s, p, i]
                    dz[s, o, c, p] = slope
                    if c > n_first:
                        u = z[s, c - n_first, p]
                        dz[s, o, 0, p] += third * u * u + bend * z[s, c, p]
                        dz[s, o, c - n_first, p] += 2.0 * bend * u
                    elif c > 0:
                        dz[s, o, 0, p] += bend * z[s, c, p]


@kernel
def scatter_jacobian(first, last, start, W, G, out):
    """out[s, o, q, p, start + i] = sum_c G[s, o, c, q] W[s, c, p, i]: the Jacobian in the coefficients, zero before."""
    channels, n_inputs, order = W.shape[1:]
    for s in range(first, last):
        for o in range(G.shape[1]):
            for q in range(G.shape[3]):
                for p in range(n_inputs):
                    for i in range(order):
                        total = 0.0
                        for c in range(channels):
                            total += G[s, o, c, q] * W[s, c, p, i]
                        out[s, o, q, p, start[s, p] + i] = total
