r"""Layers whose edges see only r basis functions at a point: y[s, q] = sum_p sum_i rows[s, p, i] C[p, start + i, q].

Coefficients lie as C (P, dim, Q) here, so that the r rows that a sample touches are contiguous over the outputs;
cotangents and outputs are (N, Q). `rows` may be values, x-derivatives or knot derivatives of the local basis.

Samples are worked in blocks, input by input, so that the coefficients of an input and the rows of a block stay in the
cache. `width` and `outputs` are sequences of as many items as a window has functions and a layer has outputs: as tuples
they tell the compiler the length of short loops. Positions are unsigned: signed ones are tested for counting from the
end.
"""

from __future__ import annotations

import numpy as np

from refkan.kernels.compilation import kernel

BLOCK = 64

position = np.uint64


@kernel
def contract(first, last, start, rows, C, width, out):
    """out[s, q] = sum_p sum_i rows[s, p, i] C[p, start[s, p] + i, q]; start (N, P), rows (N, P, r), out (N, Q)."""
    n_inputs, n_outputs = rows.shape[1], out.shape[1]
    whole = n_inputs - n_inputs % 2
    for low in range(first, last, BLOCK):
        high = min(low + BLOCK, last)
        for s in range(low, high):
            for q in range(n_outputs):
                out[s, q] = 0.0
        for p in range(0, whole, 2):  # two inputs in one pass over y: starting a pass costs as much as five outputs
            c, c_next = C[p], C[p + 1]
            for s in range(low, high):
                y, b, b_next = out[s], rows[s, p], rows[s, p + 1]
                m, m_next = position(start[s, p]), position(start[s, p + 1])
                for q in range(n_outputs):
                    value = 0.0
                    for i in range(len(width)):
                        value += b[i] * c[m + position(i), q]
                    for i in range(len(width)):
                        value += b_next[i] * c_next[m_next + position(i), q]
                    y[q] += value
        for p in range(whole, n_inputs):
            c = C[p]
            for s in range(low, high):
                y, b, m = out[s], rows[s, p], position(start[s, p])
                for q in range(n_outputs):
                    value = 0.0
                    for i in range(len(width)):
                        value += b[i] * c[m + position(i), q]
                    y[q] += value


@kernel
def contract_few(first, last, start, rows, C, width, outputs, out):
    """The same for so few outputs that the compiler had better know their number: the length of `outputs`."""
    for s in range(first, last):
        y = out[s]
        for q in range(len(outputs)):
            y[q] = 0.0
        for p in range(rows.shape[1]):
            b, c, m = rows[s, p], C[p], position(start[s, p])
            for q in range(len(outputs)):
                value = 0.0
                for i in range(len(width)):
                    value += b[i] * c[m + position(i), q]
                y[q] += value


@kernel
def pull_back_coefficients(first, last, start, rows, dy, dC):
    """dC[part, p, start + i, q] += rows[s, p, i] dy[s, q] over the samples of each part; the parts add up to dC.

    dy (N, Q), dC (parts, P, dim, Q) zero on entry. Every dC[part, p] has one owner.
    """
    n_inputs, order = rows.shape[1:]
    n_outputs = dy.shape[1]
    n_samples, parts = dy.shape[0], dC.shape[0]
    for block in range(0, -(-n_samples // parts), BLOCK):  # all owners see a block of dy while it is in the cache
        for task in range(first, last):
            part, p = task // n_inputs, task % n_inputs
            low, end = part * n_samples // parts + block, (part + 1) * n_samples // parts
            for s in range(low, min(low + BLOCK, end)):
                cotangent, m = dy[s], position(start[s, p])
                for i in range(order):
                    b = rows[s, p, i]
                    c = dC[part, p, m + position(i)]
                    for q in range(n_outputs):
                        c[q] += b * cotangent[q]


@kernel
def pull_back_coefficients_few(first, last, start, rows, dy, width, outputs, dC):
    """The same for few outputs, as many as `outputs` has items."""
    n_inputs = rows.shape[1]
    n_samples, parts = dy.shape[0], dC.shape[0]
    for task in range(first, last):
        part, p = task // n_inputs, task % n_inputs
        c = dC[part, p]
        for s in range(part * n_samples // parts, (part + 1) * n_samples // parts):
            m = position(start[s, p])
            for i in range(len(width)):
                for q in range(len(outputs)):
                    c[m + position(i), q] += rows[s, p, i] * dy[s, q]


@kernel
def pull_back_inputs(first, last, start, slopes, C, dy, width, dx):
    """dx[s, o, p] = sum_q dy[s, o, q] sum_i slopes[s, p, i] C[p, start[s, p] + i, q]; dy (N, O, Q)."""
    n_cotangents, n_inputs = dx.shape[1:]
    n_outputs = position(dy.shape[2])
    lanes = n_outputs - n_outputs % position(4)
    edge = np.empty(dy.shape[2], dx.dtype)  # derivative of y[s, q] in x[s, p]
    for low in range(first, last, BLOCK):
        for p in range(n_inputs):
            c = C[p]
            for s in range(low, min(low + BLOCK, last)):
                b, m = slopes[s, p], position(start[s, p])
                for q in range(dy.shape[2]):
                    value = 0.0
                    for i in range(len(width)):
                        value += b[i] * c[m + position(i), q]
                    edge[q] = value
                for o in range(n_cotangents):
                    g = dy[s, o]
                    a0 = a1 = a2 = a3 = rest = 0.0  # interleaved: no addition waits for the one before
                    for q in range(position(0), lanes, position(4)):
                        a0 += edge[q] * g[q]
                        a1 += edge[q + position(1)] * g[q + position(1)]
                        a2 += edge[q + position(2)] * g[q + position(2)]
                        a3 += edge[q + position(3)] * g[q + position(3)]
                    for q in range(lanes, n_outputs):
                        rest += edge[q] * g[q]
                    dx[s, o, p] = ((a0 + a2) + (a1 + a3)) + rest


@kernel
def pull_back_inputs_few(first, last, start, slopes, C, dy, width, outputs, dx):
    """The same for few outputs, as many as `outputs` has items."""
    n_cotangents, n_inputs = dx.shape[1:]
    for s in range(first, last):
        for p in range(n_inputs):
            b, c, m = slopes[s, p], C[p], position(start[s, p])
            for o in range(n_cotangents):
                total = 0.0
                for q in range(len(outputs)):
                    edge = 0.0
                    for i in range(len(width)):
                        edge += b[i] * c[m + position(i), q]
                    total += edge * dy[s, o, q]
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
