"""Sums over samples of T[q, q'] phi_i(x_p) psi_j(x_p'): matrices J^T J whose rows J are products of local functions.

Slots are inputs of a layer; slot p of sample s sees the functions start[s, p], ..., start[s, p] + width - 1 with
values rows[s, p, :]. The pairs (q, q') are numbered by k and cut into blocks of equal width K, so that the sums of one
pair of slots and one block, out[i, j, k], stay in a cache; the last block is filled up with zeros. Each of these arrays
has one owner, which adds samples in an order that depends on their windows alone.

Three kernels have the same arguments and result, `accumulate_pairs` for K so large that loops go over pairs (q, q'),
`accumulate_windows` for windows of r' functions times K in short loops, `accumulate_single` for K = 1. All take samples
with the same windows in succession: a processor that reads a vector of sums just after part of it was written waits for
memory, which in any other order took up to ten times as long as the sums.
"""

from __future__ import annotations

import numpy as np

from refkan.kernels.compilation import fused_kernel, kernel

VECTOR = 8
"""Numbers in the longest vectors: loops of a multiple of it have no remainder."""
LANES = 40
"""Sums of a row that `accumulate_windows` keeps together: r' K at most. Constant, so that the compiler sees that rows
do not overlap; a multiple of 8, but not of 64, or rows would fall into the same cache lines."""
ENTRIES = 16384
"""Most sums that it keeps with more than one slot, to stay in the second-level cache."""

position = np.uint64


@kernel
def couple(first, last, G, H, left, right, out):
    """out[b, s, l] = sum_o G[s, o, left[k]] H[s, o, right[k]], k = b width + l; G (N, O, Q), H (N, O, Q')."""
    blocks, width = out.shape[0], out.shape[2]
    for s in range(position(first), position(last)):
        for b in range(blocks):
            there = min(width, left.shape[0] - b * width)
            for l in range(position(there)):
                k = position(b * width) + l
                q, q_right = position(left[k]), position(right[k])
                total = G[s, 0, q] * H[s, 0, q_right]
                for o in range(1, position(G.shape[1])):
                    total += G[s, o, q] * H[s, o, q_right]
                out[b, s, l] = total
            for l in range(there, width):
                out[b, s, l] = 0.0


@kernel
def sort_by_key(keys, counts, order):
    """order: samples by their keys, each key's as they come, from counts[key - 1] (0 for the first) to counts[key]."""
    counts[:] = 0
    for s in range(keys.shape[0]):
        counts[keys[s]] += 1
    total = 0
    for c in range(counts.shape[0]):
        count = counts[c]
        counts[c] = total
        total += count
    for s in range(keys.shape[0]):
        order[counts[keys[s]]] = s
        counts[keys[s]] += 1


@fused_kernel
def accumulate_pairs(
    first, last, numbers, left, right, same, start, rows, start_right, rows_right, width, width_right, T, out
):  # fmt: skip
    """out[n, b, start + i, (start' + j) K + l] += sum_s rows[s, p, i] rows'[s, p', j] T[b, s, l], K a multiple of 8.

    p = left[n], p' = right[n] for the pairs of slots n in `numbers`; T (B, N, K), out (pairs, B, dim, dim' K); items
    are these pairs times blocks. Up to four samples of a cell (start, start') are added at once: a sum is loaded
    and stored once for all of them, and T for two functions j. `width` and `width_right` are sequences of as
    many items as a window has functions: as tuples they tell the compiler the length of the short loops. `same` leaves
    out sums j < i of a slot with itself, which are those of (j, i).
    """
    blocks, n_samples, K = T.shape
    order, order_right, dim_right = len(width), len(width_right), out.shape[3] // K
    stride, length = position(out.shape[3]), position(K)
    second, third, fourth = position(K), position(2 * K), position(3 * K)
    t, weights, weights_right = np.zeros(4 * K), np.zeros((order, 4)), np.zeros((order_right, 4))
    cells, samples = np.empty(n_samples, np.int64), np.empty(n_samples, np.int64)
    counts = np.empty(out.shape[2] * dim_right, np.int64)
    before = -1
    for task in range(first, last):
        n, b = numbers[task // blocks], task % blocks
        p, p_right = left[n], right[n]
        sums = out[n, b].reshape(out.shape[2] * out.shape[3])
        if n != before:
            before = n
            for s in range(n_samples):
                cells[s] = start[s, p] * dim_right + start_right[s, p_right]
                samples[s] = s
            if n_samples >= 2 * counts.shape[0]:
                sort_by_key(cells, counts, samples)
        k = 0
        while k < n_samples:
            cell, together = cells[samples[k]], 0
            while together < 4 and k + together < n_samples and cells[samples[k + together]] == cell:
                s = samples[k + together]
                for l in range(length):
                    t[position(together * K) + l] = T[b, s, l]
                for i in range(order):
                    weights[i, together] = rows[s, p, i]
                for j in range(order_right):
                    weights_right[j, together] = rows_right[s, p_right, j]
                together += 1
            k += together
            weights[:, together:] = 0.0
            row = position(cell // dim_right) * stride + position(cell % dim_right * K)
            for i in range(order):
                w0, w1, w2, w3 = weights[i]
                low = i & -2 if same and p == p_right else 0
                for j in range(low, order_right - 1, 2):
                    at = row + position(j * K)
                    below = at + length
                    a0, a1, a2, a3 = weights_right[j]
                    b0, b1, b2, b3 = weights_right[j + 1]
                    a0, a1, a2, a3 = w0 * a0, w1 * a1, w2 * a2, w3 * a3
                    b0, b1, b2, b3 = w0 * b0, w1 * b1, w2 * b2, w3 * b3
                    for l in range(length):
                        t0, t1, t2, t3 = t[l], t[second + l], t[third + l], t[fourth + l]
                        sums[at + l] = sums[at + l] + a0 * t0 + a1 * t1 + a2 * t2 + a3 * t3
                        sums[below + l] = sums[below + l] + b0 * t0 + b1 * t1 + b2 * t2 + b3 * t3
                if order_right % 2:
                    at = row + position((order_right - 1) * K)
                    a0, a1, a2, a3 = weights_right[order_right - 1]
                    a0, a1, a2, a3 = w0 * a0, w1 * a1, w2 * a2, w3 * a3
                    for l in range(length):
                        t0, t1, t2, t3 = t[l], t[second + l], t[third + l], t[fourth + l]
                        sums[at + l] = sums[at + l] + a0 * t0 + a1 * t1 + a2 * t2 + a3 * t3
                row += stride


@fused_kernel
def add_run(samples, slots, start, rows, dim, width, p_right, rows_right, width_right, T, scratch, sums):
    """sums[(u dim + start + i) LANES + j K + l] += sum_s rows[s, p, i] rows'[s, p', j] T[s, l], p = slots[u]."""
    K = position(T.shape[1])
    length = (position(len(width_right)) * K + position(VECTOR - 1)) // position(VECTOR) * position(VECTOR)
    for k in range(samples.shape[0]):
        s = position(samples[k])
        for j in range(len(width_right)):
            value, to = rows_right[s, p_right, j], position(j) * K
            for l in range(K):
                scratch[to + l] = value * T[s, l]
        for u in range(slots.shape[0]):
            p = position(slots[u])
            at = (position(u * dim) + position(start[s, p])) * position(LANES)
            for i in range(len(width)):
                scratch[position(LANES + i)] = rows[s, p, i]
            for l in range(length):
                value = scratch[l]
                for i in range(len(width)):
                    sums[at + position(i * LANES) + l] += scratch[position(LANES + i)] * value


@kernel
def move_rows(sums, row, out, column, dim, length):
    """out[i S + column + l] += sums[(row + i) LANES + l] for i < dim, l < length, then set to 0; S = size/dim."""
    at, stride = position(column), position(out.shape[0] // dim)
    for i in range(position(row), position(row + dim)):
        origin = i * position(LANES)
        for l in range(position(length)):
            out[at + l] += sums[origin + l]
            sums[origin + l] = 0.0
        at += stride


@kernel
def accumulate_windows(
    first, last, numbers, left, right, same, start, rows, start_right, rows_right, width, width_right, T, out
):  # fmt: skip
    """The same for r' K <= LANES; items are pairs of slots, best in the order of the right one.

    Samples are sorted by interval of the right slot. The products of its window and T, made once for all left slots,
    are added to sums of a run of samples, and these to `out`.
    """
    blocks, n_samples, K = T.shape
    dim, dim_right = out.shape[2], out.shape[3] // K
    most = max(ENTRIES // (dim * LANES), 1)
    keys, samples, counts = np.empty(n_samples, np.int64), np.empty(n_samples, np.int64), np.empty(dim_right, np.int64)
    scratch, length = np.zeros(LANES + len(width)), len(width_right) * K
    sums, slots = np.zeros(min(most, last - first) * dim * LANES), np.empty(most, np.int64)
    before, item = -1, first
    while item < last:
        p_right, count = right[numbers[item]], 0
        while count < most and item + count < last and right[numbers[item + count]] == p_right:
            slots[count] = left[numbers[item + count]]
            count += 1
        if p_right != before:
            before = p_right
            for s in range(n_samples):
                keys[s] = start_right[s, p_right]
            sort_by_key(keys, counts, samples)
        for b in range(blocks):
            low = 0
            for m in range(dim_right):
                high = counts[m]
                if low == high:
                    continue
                add_run(
                    samples[low:high], slots[:count], start, rows, dim, width,
                    p_right, rows_right, width_right, T[b], scratch, sums,
                )  # fmt: skip
                low = high
                for u in range(count):
                    move_rows(sums, u * dim, out[numbers[item + u], b].reshape(dim * out.shape[3]), m * K, dim, length)
        item += count


@fused_kernel
def accumulate_single(
    first, last, numbers, left, right, same, start, rows, start_right, rows_right, width, width_right, T, out
):  # fmt: skip
    """The same for K = 1, sample by sample: items are pairs of slots times blocks."""
    blocks, stride = T.shape[0], position(out.shape[3])
    for task in range(first, last):
        n, b = numbers[task // blocks], task % blocks
        p, p_right = position(left[n]), position(right[n])
        sums = out[n, b].reshape(out.shape[2] * out.shape[3])
        for s in range(position(T.shape[1])):
            at = position(start[s, p]) * stride + position(start_right[s, p_right])
            for i in range(len(width)):
                value = rows[s, p, i] * T[b, s, 0]
                for j in range(len(width_right)):
                    sums[at + position(j)] += value * rows_right[s, p_right, j]
                at += stride
