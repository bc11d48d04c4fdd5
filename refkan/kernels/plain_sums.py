r"""Sums over the functions that matter at a sample, as their formulas say, for any order, outputs, channels and jets.

    u[s, c, q] = sum_p sum_i W[s, c, p, i] C[q, p, stride start[s, p] + i]

and its derivatives in C and in the point z[s, c, p], W being the jets of functions with values and derivatives `rows`
(see `jets_of_functions`). Windows start[s, p] share coefficients at stride 1; at stride r each interval has its own.
Equal to the layers of `refkan.truth.layers`; the fast forms are in `polynomial_layer`, `sorted_layer`
and `local_jets`. Lengths are those of the arrays, so that one compiled form serves all layers. Sums of products of two
such functions follow at the end; their fast forms are in `gauss_newton_sums`.
"""

from __future__ import annotations

import numpy as np

from refkan.kernels.compilation import kernel


@kernel
def contract(first, last, start, W, C, stride, out):
    """out (N, channels, Q) as above; start (N, P), W (N, channels, P, r), C (Q, P, dim)."""
    for s in range(first, last):
        for c in range(W.shape[1]):
            for q in range(C.shape[0]):
                total = 0.0
                for p in range(W.shape[2]):
                    m = stride * start[s, p]
                    for i in range(W.shape[3]):
                        total += W[s, c, p, i] * C[q, p, m + i]
                out[s, c, q] = total


@kernel
def pull_back(first, last, start, W, dy, stride, dC):
    """dC[q, p, stride start[s, p] + i] = sum_s sum_c W[s, c, p, i] dy[s, c, q]; dy (N, channels, Q), dC (Q, P, dim).

    Items are edges, number q P + p: each sums over the samples in their order.
    """
    for edge in range(first, last):
        q, p = edge // W.shape[2], edge % W.shape[2]
        for k in range(dC.shape[2]):
            dC[q, p, k] = 0.0
        for s in range(W.shape[0]):
            m = stride * start[s, p]
            for c in range(W.shape[1]):
                for i in range(W.shape[3]):
                    dC[q, p, m + i] += W[s, c, p, i] * dy[s, c, q]


@kernel
def pull_back_inputs(first, last, start, rows, z, n_first, C, G, dz):
    """dz[s, o, :, p], the cotangent of the jet (x, u, v) of input p, from cotangents G (N, O, channels, Q) of the sums.

    With e_k = sum_q G[s, o, c, q] sum_i C[q, p, start[s, p] + i] rows[k, s, p, i] for each channel c:

        value of x:                     x gets e_1
        first derivative along u:       x gets e_2 u,  u gets e_1
        second one along u and v:       x gets e_3 u^2 + e_2 v,  u gets 2 e_2 u,  v gets e_1

    rows (D+1, N, P, r), z (N, channels, P), C (Q, P, dim), dz (N, O, channels, P).
    """
    e = np.zeros(4, dz.dtype)
    for s in range(first, last):
        for o in range(G.shape[1]):
            for p in range(z.shape[2]):
                m = start[s, p]
                for c in range(z.shape[1]):
                    highest = 1 if c == 0 else 2 if c <= n_first else 3
                    for k in range(1, highest + 1):
                        e[k] = 0.0
                        for q in range(C.shape[0]):
                            for i in range(rows.shape[3]):
                                e[k] += G[s, o, c, q] * C[q, p, m + i] * rows[k, s, p, i]
                    dz[s, o, c, p] = e[1]
                    if c > n_first:
                        u = z[s, c - n_first, p]
                        dz[s, o, 0, p] += e[3] * u * u + e[2] * z[s, c, p]
                        dz[s, o, c - n_first, p] += 2.0 * e[2] * u
                    elif c > 0:
                        dz[s, o, 0, p] += e[2] * z[s, c, p]


@kernel
def scatter_jacobian(first, last, start, W, G, out):
    """out[s, o, q, p, start[s, p] + i] = sum_c G[s, o, c, q] W[s, c, p, i]: rows of the Jacobian in C, zero before."""
    for s in range(first, last):
        for o in range(G.shape[1]):
            for c in range(W.shape[1]):
                for q in range(G.shape[3]):
                    g = G[s, o, c, q]
                    for p in range(W.shape[2]):
                        m = start[s, p]
                        for i in range(W.shape[3]):
                            out[s, o, q, p, m + i] += g * W[s, c, p, i]


@kernel
def accumulate(first, last, numbers, left, right, same, start, rows, start_right, rows_right, T, out):
    """out[n, b, start + i, (start' + j) K + l] += sum_s rows[s, p, i] rows'[s, p', j] T[b, s, l].

    p = left[n], p' = right[n] for the pairs of slots n in `numbers`; start (N, P), rows (N, P, r), T (B, N, K),
    out (pairs, B, dim, dim' K). Items are these pairs times blocks, arguments those of `gauss_newton_sums`. `same`
    leaves out sums j < i of a slot with itself, which are those of (j, i).
    """
    blocks, K = T.shape[0], T.shape[2]
    for item in range(first, last):
        n, b = numbers[item // blocks], item % blocks
        p, p_right = left[n], right[n]
        for s in range(T.shape[1]):
            m, m_right = start[s, p], start_right[s, p_right]
            for i in range(rows.shape[2]):
                for j in range(i if same and p == p_right else 0, rows_right.shape[2]):
                    product = rows[s, p, i] * rows_right[s, p_right, j]
                    for l in range(K):
                        out[n, b, m + i, (m_right + j) * K + l] += product * T[b, s, l]
