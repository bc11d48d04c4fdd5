r"""All tables of new knots in one pass, for free knots, bit for bit as `local_basis.KnotTables` makes them one by one.

A single long function, because it compiles in half the time of a function for each table.
"""

from __future__ import annotations

import numpy as np

from refkan.kernels.compilation import kernel

LARGEST = float(np.finfo(np.float64).max)


@kernel
def fill_tables(
    first, last, breakpoints, knots, inverse_spans, filled, windows, guide, scale, most, cells, origins
):  # fmt: skip
    """Tables of P knot vectors from their breakpoints (P, n+1), extended uniformly; what they are, `KnotTables` says.

    knots (P, K), inverse_spans (P, r, K), filled (2, P), windows (P, n+2); guide (P, cells+1)
    and scale (P,), cells per unit of x, with the most breakpoints that a cell has, (P,). For each pair of a block, the
    inputs of some samples, cells (4, pairs) and origins (pairs,).
    """
    n, order, last_cell = breakpoints.shape[1] - 1, inverse_spans.shape[1], guide.shape[1] - 1
    for p in range(first, last):
        a, b = breakpoints[p, 0], breakpoints[p, n]
        # t_{-j} = a - (b-a) j/n and t_{n+j} = b + (b-a) j/n; position order - 1 + k holds t_k.
        for k in range(n + 1):
            knots[p, order - 1 + k] = breakpoints[p, k]
        for j in range(1, order):
            step = (b - a) * (j / n)
            knots[p, order - 1 - j], knots[p, order - 1 + n + j] = a - step, b + step
        # 1/(t_{l+k} - t_l), 0 for empty spans, for k = 0 and where there is no such knot.
        for k in range(order):
            for l in range(knots.shape[1]):
                span = knots[p, l + k] - knots[p, l] if k > 0 and l + k < knots.shape[1] else 0.0
                inverse_spans[p, k, l] = 1.0 / span if span != 0.0 else 0.0
        # The first and the last interval that is not empty, and the windows of n intervals, the right and the left.
        low, high = 0, n - 1
        while low < high and not breakpoints[p, low] < breakpoints[p, low + 1]:
            low += 1
        while low < high and not breakpoints[p, high] < breakpoints[p, high + 1]:
            high -= 1
        filled[0, p], filled[1, p] = low, high
        for c in range(n):
            windows[p, c] = c
        windows[p, n], windows[p, n + 1] = high, low
        # The last interval that starts before cell c: t_k is in cell int((t_k - a) scale).
        scale[p] = min(last_cell / (b - a), LARGEST)
        k, crowd = 0, 0
        for c in range(last_cell):
            guide[p, c] = min(max(k - 1, low), high)
            earlier = k
            while k <= n and (breakpoints[p, k] - a) * scale[p] < c + 1:
                k += 1
            crowd = max(crowd, k - earlier)
        guide[p, last_cell], most[p] = high, crowd
        # Pairs of this input: p, p + P, ...
        for j in range(p, origins.shape[0], breakpoints.shape[0]):
            cells[0, j], cells[1, j], cells[2, j], cells[3, j] = a, b, scale[p], 0.0
            origins[j] = p * (n + 2)
