"""Sums over samples of T[q, q'] phi_i(x_p) psi_j(x_p'): matrices J^T J whose rows J are products of local functions.

Slots are inputs of a layer; slot p of sample s sees the functions start[s, p], ..., start[s, p] + width - 1 with
values rows[s, p, :]. The pairs (q, q') are numbered by k and cut into blocks of equal width K, so that the sums of one
pair of slots and one block, out[i, j, k], stay in a cache; the last block is filled up with zeros. Each of these arrays
has one owner, which adds samples in an order that depends on their windows alone.

Three kernels have the same result, `accumulate_pairs` for K so large that vectors go over pairs (q, q'),
`accumulate_windows` for windows of r' functions times K in short loops, `accumulate_single` for K = 1. The first two
take samples with the same windows in succession: a processor that reads a vector of sums just after part of it was
written waits for memory, which in any other order took up to ten times as long as the sums.
"""

from __future__ import annotations

import numpy as np

from refkan.kernels.compilation import fused_kernel, inlined_kernel, kernel
from refkan.kernels.vectors import add_scaled, add_weighted, column, load, rows, store, store_rows, weighted_sum

VECTORS = "99fc0a68c0bd"

VECTOR = 8
"""Numbers in the longest vectors of processors: loops of a multiple of it have no remainder."""

PRODUCTS = 256
"""Samples whose products of two windows are kept, in the first-level cache."""

SHORT_RUN = 4
"""Samples of a cell in succession from which on sorting by cells does not pay."""
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


@kernel
def sort_by_cell(x, starts, scale, n, order):
    """order (N,): samples by n^D equal cells of their first D inputs, int((x - start) scale) or the outermost ones."""
    keys, counts = np.zeros(x.shape[0], np.int64), np.empty(n ** starts.shape[0], np.int64)
    for s in range(x.shape[0]):
        for p in range(starts.shape[0]):
            keys[s] = keys[s] * n + int(min(max((x[s, p] - starts[p]) * scale[p], 0.0), n - 1.0))
    sort_by_key(keys, counts, order)


@fused_kernel
def accumulate_pairs(
    first, last, numbers, left, right, same, start, rows_left, start_right, rows_right, width, width_right, lanes, T,
    out,
):  # fmt: skip
    """out[n, b, start + i, (start' + j) K + l] += sum_s rows[s, p, i] rows'[s, p', j] T[b, s, l].

    p = left[n], p' = right[n] for the pairs of slots n in `numbers`; T (B, N, K), K a multiple of the items of `lanes`,
    out (pairs, B, dim, dim' K); items are these pairs times blocks. Samples of a cell (start, start') follow one
    another if there are many, so that the r' sums of a function i and a vector of pairs (q, q') stay in registers for a
    run of them. `width` and `width_right` are tuples of as many items as a window has functions.
    """
    blocks, n_samples, K = T.shape
    order, order_right, dim_right = position(len(width)), position(len(width_right)), out.shape[3] // K
    slots, slots_right = position(start.shape[1]), position(start_right.shape[1])
    stride, length = position(out.shape[3]), position(K)
    of_left, of_right = rows_left.reshape(-1), rows_right.reshape(-1)
    cells, samples = np.empty(n_samples, np.int64), np.empty(n_samples, np.int64)
    counts, products = np.empty(out.shape[2] * dim_right, np.int64), np.empty(PRODUCTS * len(width) * len(width_right))
    before = -1
    for task in range(first, last):
        n, b = numbers[task // blocks], task % blocks
        p, p_right = position(left[n]), position(right[n])
        sums, t = out[n, b].reshape(-1), T[b].reshape(-1)
        if n != before:
            before, cell, runs = n, -1, 0
            for sample in range(n_samples):
                samples[sample] = sample
                cells[sample] = start[sample, p] * dim_right + start_right[sample, p_right]
                runs += cells[sample] != cell
                cell = cells[sample]
            if n_samples >= 2 * counts.shape[0] and n_samples < SHORT_RUN * runs:
                sort_by_key(cells, counts, samples)
        for low in range(0, n_samples, PRODUCTS):
            high, at = min(low + PRODUCTS, n_samples), position(0)
            for k in range(low, high):
                s = position(samples[k])
                window = load(of_right, (s * slots_right + p_right) * order_right, width_right)
                for i in range(order):
                    weight = of_left[(s * slots + p) * order + i]
                    store(products, at, weighted_sum((weight,), (window,)), width_right)
                    at += order_right
            k = low
            while k < high:
                cell, end = cells[samples[k]], k + 1
                while end < high and cells[samples[end]] == cell:
                    end += 1
                row = position(cell // dim_right) * stride + position(cell % dim_right * K)
                for c in range(position(0), length, position(len(lanes))):
                    for i in range(order):
                        at = row + i * stride + c
                        totals = rows(sums, at, length, width_right, lanes)
                        for l in range(position(k), position(end)):
                            of_sample = ((l - position(low)) * order + i) * order_right
                            weights = column(products, of_sample, position(1), width_right)
                            totals = add_scaled(totals, weights, load(t, position(samples[l]) * length + c, lanes))
                        store_rows(sums, at, length, totals)
                k = end


@inlined_kernel
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
    first, last, numbers, left, right, same, start, rows_left, start_right, rows_right, width, width_right, T, out
):  # fmt: skip
    """The same for K = 1, sample by sample: items are pairs of slots times blocks."""
    order, order_right = position(len(width)), position(len(width_right))
    slots, slots_right = position(start.shape[1]), position(start_right.shape[1])
    blocks, stride = T.shape[0], position(out.shape[3])
    of_left, of_right = rows_left.reshape(-1), rows_right.reshape(-1)
    for task in range(first, last):
        n, b = numbers[task // blocks], task % blocks
        p, p_right, sums = position(left[n]), position(right[n]), out[n, b].reshape(-1)
        for s in range(position(T.shape[1])):
            window = load(of_right, (s * slots_right + p_right) * order_right, width_right)
            row = weighted_sum((T[b, s, 0],), (window,))
            at = position(start[s, p]) * stride + position(start_right[s, p_right])
            for i in range(order):
                weight = of_left[(s * slots + p) * order + i]
                store(sums, at, add_weighted(load(sums, at, width_right), (weight,), (row,)), width_right)
                at += stride


@kernel
def write_sums(first, last, sums, K, left, right, q, q_right, same, other_order, offsets, slots, H):
    """H[(q, p, i), (q', p', j)] = sums[n, b, i, j K + l], and at the transposed place; q[k], q'[k], k = b K + l.

    Items are pairs of slots n. `other_order`: also for q' and q in exchanged places; `same`: of a slot with itself only
    sums i <= j are valid. The two blocks begin at `offsets`, and have so many `slots`.
    """
    dim, dim_right = sums.shape[2], sums.shape[3] // K
    for n in range(first, last):
        p, p_right, mirrored = left[n], right[n], same and left[n] == right[n]
        for k in range(q.shape[0]):
            b, l, a, c = k // K, k % K, q[k], q_right[k]
            for _ in range(1 + other_order):
                row, column_ = offsets[0] + (a * slots[0] + p) * dim, offsets[1] + (c * slots[1] + p_right) * dim_right
                for i in range(dim):
                    for j in range(dim_right):
                        above = not mirrored or i <= j
                        value = sums[n, b, i, j * K + l] if above else sums[n, b, j, i * K + l]
                        H[row + i, column_ + j] = value
                        H[column_ + j, row + i] = value
                a, c = c, a
