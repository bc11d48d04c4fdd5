r"""Layers whose edges see only r basis functions at a point: y[s, q] = sum_p sum_i rows[s, p, i] C[p, start + i, q].

Coefficients lie as C (P, dim, Q) here, so that the r rows that a sample touches are contiguous over the outputs;
cotangents and outputs are (N, Q). `rows` may be values, x-derivatives or knot derivatives of the local basis.
"""

from __future__ import annotations

import numpy as np

from refkan.kernels.compilation import kernel


@kernel
def contract(first, last, start, rows, C, out):
    """out[s, q] = sum_p sum_i rows[s, p, i] C[p, start[s, p] + i, q]; start (N, P), rows (N, P, r), out (N, Q)."""
    n_inputs, order = rows.shape[1:]
    n_outputs = out.shape[1]
    whole = order - order % 4
    for s in range(first, last):
        y = out[s]
        for q in range(n_outputs):
            y[q] = 0.0
        for p in range(n_inputs):
            m = start[s, p]
            # Four rows in one pass over y. Written out, here and below: a call for each sample costs as much again.
            for i in range(0, whole, 4):
                b0, b1, b2, b3 = rows[s, p, i], rows[s, p, i + 1], rows[s, p, i + 2], rows[s, p, i + 3]
                c0, c1, c2, c3 = C[p, m + i], C[p, m + i + 1], C[p, m + i + 2], C[p, m + i + 3]
                for q in range(n_outputs):
                    y[q] += (b0 * c0[q] + b1 * c1[q]) + (b2 * c2[q] + b3 * c3[q])
            for i in range(whole, order):
                b, c = rows[s, p, i], C[p, m + i]
                for q in range(n_outputs):
                    y[q] += b * c[q]


@kernel
def pull_back_coefficients(first, last, start, rows, dy, dC):
    """dC[part, p, start + i, q] += rows[s, p, i] dy[s, q] over the samples of each part; the parts add up to dC.

    dy (N, Q), dC (parts, P, dim, Q) zero on entry. Every dC[part, p] has one owner.
    """
    n_inputs, order = rows.shape[1:]
    n_outputs = dy.shape[1]
    n_samples, parts = dy.shape[0], dC.shape[0]
    for task in range(first, last):
        part, p = task // n_inputs, task % n_inputs
        for s in range(part * n_samples // parts, (part + 1) * n_samples // parts):
            cotangent = dy[s]
            for i in range(order):
                b = rows[s, p, i]
                c = dC[part, p, start[s, p] + i]
                for q in range(n_outputs):
                    c[q] += b * cotangent[q]


@kernel
def dot(c, g):
    """Sum c[q] g[q] in eight interleaved partial sums, a fixed order that vectorises."""
    n = g.shape[0]
    whole = n - n % 8
    a0 = a1 = a2 = a3 = a4 = a5 = a6 = a7 = 0.0
    for q in range(0, whole, 8):
        a0 += c[q] * g[q]
        a1 += c[q + 1] * g[q + 1]
        a2 += c[q + 2] * g[q + 2]
        a3 += c[q + 3] * g[q + 3]
        a4 += c[q + 4] * g[q + 4]
        a5 += c[q + 5] * g[q + 5]
        a6 += c[q + 6] * g[q + 6]
        a7 += c[q + 7] * g[q + 7]
    total = ((a0 + a4) + (a1 + a5)) + ((a2 + a6) + (a3 + a7))
    for q in range(whole, n):
        total += c[q] * g[q]
    return total


@kernel
def project(first, last, start, C, dy, out):
    """out[s, o, p, i] = sum_q C[p, start[s, p] + i, q] dy[s, o, q]: cotangents of the local basis.

    dy (N, O, Q), out (N, O, P, r). Times x-derivatives, summed over i, they give dx; times knot derivatives, dt.
    """
    n_outputs, n_inputs, order = out.shape[1:]
    for s in range(first, last):
        for o in range(n_outputs):
            for p in range(n_inputs):
                for i in range(order):
                    out[s, o, p, i] = dot(C[p, start[s, p] + i], dy[s, o])


@kernel
def pull_back_inputs(first, last, start, slopes, C, dy, dx):
    """dx[s, o, p] = sum_q dy[s, o, q] sum_i slopes[s, p, i] C[p, start[s, p] + i, q]; dy (N, O, Q)."""
    n_cotangents, n_inputs = dx.shape[1:]
    order, n_outputs = slopes.shape[2], dy.shape[2]
    whole, lanes = order - order % 4, n_outputs - n_outputs % 4
    edge = np.empty(n_outputs, dx.dtype)  # derivative of y[s, q] in x[s, p]
    for s in range(first, last):
        for p in range(n_inputs):
            m = start[s, p]
            for q in range(n_outputs):
                edge[q] = 0.0
            for i in range(0, whole, 4):
                b0, b1, b2, b3 = slopes[s, p, i], slopes[s, p, i + 1], slopes[s, p, i + 2], slopes[s, p, i + 3]
                c0, c1, c2, c3 = C[p, m + i], C[p, m + i + 1], C[p, m + i + 2], C[p, m + i + 3]
                for q in range(n_outputs):
                    edge[q] += (b0 * c0[q] + b1 * c1[q]) + (b2 * c2[q] + b3 * c3[q])
            for i in range(whole, order):
                b, c = slopes[s, p, i], C[p, m + i]
                for q in range(n_outputs):
                    edge[q] += b * c[q]
            for o in range(n_cotangents):
                g = dy[s, o]
                a0 = a1 = a2 = a3 = rest = 0.0  # interleaved sums, a fixed order that vectorises
                for q in range(0, lanes, 4):
                    a0 += edge[q] * g[q]
                    a1 += edge[q + 1] * g[q + 1]
                    a2 += edge[q + 2] * g[q + 2]
                    a3 += edge[q + 3] * g[q + 3]
                for q in range(lanes, n_outputs):
                    rest += edge[q] * g[q]
                dx[s, o, p] = ((a0 + a2) + (a1 + a3)) + rest


@kernel
def pull_back_few_outputs(first, last, start, slopes, C, dy, dx):
    """The same for so few outputs that loops over them cost more than their work; dy (N, O, Q)."""
    n_cotangents, n_inputs = dx.shape[1:]
    order, n_outputs = slopes.shape[2], dy.shape[2]
    for s in range(first, last):
        for o in range(n_cotangents):
            for p in range(n_inputs):
                total = 0.0
                for i in range(order):
                    inner = 0.0
                    for q in range(n_outputs):
                        inner += C[p, start[s, p] + i, q] * dy[s, o, q]
                    total += slopes[s, p, i] * inner
                dx[s, o, p] = total


@kernel
def scatter_jacobian(first, last, start, rows, G, out):
    """out[s, o, q, p, start + i] = G[s, o, q] rows[s, p, i]: the Jacobian in the coefficients, zero on entry."""
    n_inputs, order = rows.shape[1:]
    for s in range(first, last):
        for o in range(G.shape[1]):
            for q in range(G.shape[2]):
                g = G[s, o, q]
                for p in range(n_inputs):
                    for i in range(order):
                        out[s, o, q, p, start[s, p] + i] = g * rows[s, p, i]
