r"""Sorted rows into a dense matrix of all basis functions and out of one, for layers whose sums are left to BLAS.

Slots, places and rows are those of `sorted_layer`; column p dim + i of a matrix belongs to function i of input p.
"""

from __future__ import annotations

import numpy as np

from refkan.kernels.compilation import fused_kernel, kernel

position = np.uint64


@kernel
def scatter_rows(first, last, order, ends, rows, input_first, phi):
    """phi[block, order[slot, k], p dim + m + i] = rows[slot, 0, i, k]; phi (blocks, B, columns), zero on entry."""
    width, size = rows.shape[2], phi.shape[1]
    n_inputs, n = order.shape[0] // phi.shape[0], ends.shape[1] - 1
    for slot in range(first, last):
        block, column = slot // n_inputs, (input_first + slot % n_inputs) * (n + width - 1)
        for m in range(n):
            for k in range(ends[slot, m], ends[slot, m + 1]):
                s = order[slot, k]
                if s < size:
                    for i in range(width):
                        phi[block, s, position(column + m + i)] = rows[slot, 0, i, k]


@fused_kernel
def gather_slopes(first, last, order, ends, rows, input_first, G, dx):
    """dx[block, s, p] = sum_i rows[slot, 1, i, k] G[block, s, p dim + m + i] at s = order[slot, k]; shapes as above."""
    width, size = rows.shape[2], G.shape[1]
    n_inputs, n = order.shape[0] // G.shape[0], ends.shape[1] - 1
    for slot in range(first, last):
        block, p = slot // n_inputs, input_first + slot % n_inputs
        for m in range(n):
            column = p * (n + width - 1) + m
            for k in range(ends[slot, m], ends[slot, m + 1]):
                s = order[slot, k]
                if s < size:
                    total = 0.0
                    for i in range(width):
                        total += rows[slot, 1, i, k] * G[block, s, position(column + i)]
                    dx[block, s, p] = total
