r"""Sums over samples of T[q, q'] phi_i(x_p) psi_j(x_p'): matrices J^T J whose rows J are products of local functions.

Slots are inputs of a layer; slot p of sample s sees the functions start[s, p], ..., start[s, p] + width - 1 with
values rows[s, p, :]. The pairs (q, q') are numbered by k and cut into blocks of equal width, so that the sums of one
pair of slots and one block, out[i, j, k], stay in a cache; the last block is filled up with zeros.
"""

from __future__ import annotations

import numpy as np

from refkan.kernels.compilation import fused_kernel, kernel


@kernel
def couple(first, last, G, H, left, right, out):
    """out[b, s, l] = sum_o G[s, o, left[k]] H[s, o, right[k]], k = b width + l; G (N, O, Q), H (N, O, Q')."""
    blocks, width = out.shape[0], out.shape[2]
    for s in range(first, last):
        for b in range(blocks):
            for l in range(width):
                k = b * width + l
                total = 0.0
                if k < left.shape[0]:
                    for o in range(G.shape[1]):
                        total += G[s, o, left[k]] * H[s, o, right[k]]
                out[b, s, l] = total


@kernel
def sort_by_cell(start, start_right, p, p_right, dim_right, cells, counts, order):
    """order: samples by cells[s] = start[s, p] dim' + start'[s, p'], each cell's as they come; counts is scratch.

    All as they come where a cell would have fewer than four; counts (dim dim',).
    """
    n_samples = start.shape[0]
    for s in range(n_samples):
        cells[s] = start[s, p] * dim_right + start_right[s, p_right]
        order[s] = s
    if n_samples < 4 * counts.shape[0]:
        return
    counts[:] = 0
    for s in range(n_samples):
        counts[cells[s]] += 1
    total = 0
    for c in range(counts.shape[0]):
        count = counts[c]
        counts[c] = total
        total += count
    for s in range(n_samples):
        order[counts[cells[s]]] = s
        counts[cells[s]] += 1


@fused_kernel
def accumulate(first, last, left, right, start, rows, start_right, rows_right, width, width_right, T, out):
    """out[n, b, start + i, (start' + j) K + l] += sum_s rows[s, p, i] rows'[s, p', j] T[b, s, l], n-th pair of slots.

    p = left[n], p' = right[n]; T (B, N, K), out (pairs, B, dim, dim' K). Each [n, b] has one owner and adds its samples
    in the order of their cells (start, start'), up to four of a cell at once: a sum is loaded and stored for all of
    them, and for V_j = rows' T of sample j two rows at a time. `width` and `width_right` are sequences of as many items
    as a window has functions: as tuples they tell the compiler the length of the short loops.
    """
    blocks, n_samples, K = T.shape
    size, order, dim_right = len(width_right) * K, len(width), out.shape[3] // K
    # Unsigned positions need no test for indices that count from the end.
    stride, length = np.uint64(out.shape[3]), np.uint64(size)
    V, weights = np.zeros(4 * size), np.zeros((order, 4))
    second, third, fourth = np.uint64(size), np.uint64(2 * size), np.uint64(3 * size)
    cells, samples = np.empty(n_samples, np.int64), np.empty(n_samples, np.int64)
    counts = np.empty(out.shape[2] * dim_right, np.int64)
    for task in range(first, last):
        n, b = task // blocks, task % blocks
        p, p_right = left[n], right[n]
        sums = out[n, b].reshape(out.shape[2] * out.shape[3])
        sort_by_cell(start, start_right, p, p_right, dim_right, cells, counts, samples)
        k = 0
        while k < n_samples:
            cell, together = cells[samples[k]], 0
            while together < 4 and k + together < n_samples and cells[samples[k + together]] == cell:
                s = samples[k + together]
                for j in range(len(width_right)):
                    value, to = rows_right[s, p_right, j], together * size + j * K
                    for l in range(K):
                        V[to + l] = value * T[b, s, l]
                for i in range(order):
                    weights[i, together] = rows[s, p, i]
                together += 1
            k += together
            weights[:, together:] = 0.0
            at = np.uint64(cell // dim_right) * stride + np.uint64(cell % dim_right * K)
            if together == 1:
                for i in range(0, order - 1, 2):
                    below, value, value_below = at + stride, weights[i, 0], weights[i + 1, 0]
                    for l in range(length):
                        sums[at + l] += value * V[l]
                        sums[below + l] += value_below * V[l]
                    at = below + stride
                if order % 2:
                    value = weights[order - 1, 0]
                    for l in range(length):
                        sums[at + l] += value * V[l]
                continue
            for i in range(0, order - 1, 2):
                below = at + stride
                a0, a1, a2, a3 = weights[i]
                b0, b1, b2, b3 = weights[i + 1]
                for l in range(length):
                    v0, v1, v2, v3 = V[l], V[second + l], V[third + l], V[fourth + l]
                    sums[at + l] += (a0 * v0 + a1 * v1) + (a2 * v2 + a3 * v3)
                    sums[below + l] += (b0 * v0 + b1 * v1) + (b2 * v2 + b3 * v3)
                at = below + stride
            if order % 2:
                a0, a1, a2, a3 = weights[order - 1]
                for l in range(length):
                    v0, v1, v2, v3 = V[l], V[second + l], V[third + l], V[fourth + l]
                    sums[at + l] += (a0 * v0 + a1 * v1) + (a2 * v2 + a3 * v3)


@fused_kernel
def accumulate_few(first, last, left, right, start, rows, start_right, rows_right, width, width_right, T, out):
    """The same for few pairs (q, q'), where the loops over l are too short to share: row by row, K = 1 on its own."""
    blocks, n_samples, K = T.shape
    size = len(width_right) * K
    stride, length = np.uint64(out.shape[3]), np.uint64(size)
    V = np.empty(size)
    for task in range(first, last):
        n, b = task // blocks, task % blocks
        p, p_right = left[n], right[n]
        sums = out[n, b].reshape(out.shape[2] * out.shape[3])
        for s in range(n_samples):
            at = np.uint64(start[s, p]) * stride + np.uint64(start_right[s, p_right] * K)
            if K == 1:
                for i in range(len(width)):
                    value = rows[s, p, i] * T[b, s, 0]
                    for j in range(len(width_right)):
                        sums[at + np.uint64(j)] += value * rows_right[s, p_right, j]
                    at += stride
                continue
            for j in range(len(width_right)):
                value = rows_right[s, p_right, j]
                for l in range(K):
                    V[j * K + l] = value * T[b, s, l]
            for i in range(len(width)):
                value = rows[s, p, i]
                for l in range(length):
                    sums[at + l] += value * V[l]
                at += stride


@kernel
def unfold(first, last, sums, left, right, q_left, q_right, slots, dim, slots_right, dim_right, row, column, H):
    """Write the sums of accumulate into H, at [row + (q slots + p) dim + i, column + (q' slots' + p') dim' + j].

    And at the transposed place. k numbers the pairs (q, q') = (q_left[k], q_right[k]); sums (pairs, B, dim, dim' K).
    """
    K = sums.shape[3] // dim_right
    for n in range(first, last):
        for k in range(q_left.shape[0]):
            b, l = k // K, k % K
            r = row + (q_left[k] * slots + left[n]) * dim
            c = column + (q_right[k] * slots_right + right[n]) * dim_right
            for i in range(dim):
                for j in range(dim_right):
                    value = sums[n, b, i, j * K + l]
                    H[r + i, c + j] = value
                    H[c + j, r + i] = value


@kernel
def unfold_symmetric(first, last, sums, left, right, q_left, q_right, slots, dim, offset, H):
    """Write sums of one block of functions, p <= p' and q <= q', to the places that their symmetries give.

    For p = p' the sums for i <= j are written, so that H is symmetric bit by bit.
    """
    K = sums.shape[3] // dim
    for n in range(first, last):
        p, p_right = left[n], right[n]
        for k in range(q_left.shape[0]):
            b, l = k // K, k % K
            r, c = offset + (q_left[k] * slots + p) * dim, offset + (q_right[k] * slots + p_right) * dim
            u, v = offset + (q_right[k] * slots + p) * dim, offset + (q_left[k] * slots + p_right) * dim
            for i in range(dim):
                for j in range(i if p == p_right else 0, dim):
                    value = sums[n, b, i, j * K + l]
                    H[r + i, c + j] = value
                    H[c + j, r + i] = value
                    H[u + i, v + j] = value
                    H[v + j, u + i] = value
