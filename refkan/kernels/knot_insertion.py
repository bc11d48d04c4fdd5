r"""Rows of the prolongation between nested knot vectors: coefficients after knot insertion.

The coefficient of a fine B-spline with inner knots s_1 <= ... <= s_{r-1} is the blossom F(s_1, ..., s_{r-1}) of the
function's polynomial piece. From the coarse coefficients around that piece the missing s are inserted one at a time
(Boehm): with knots t and t_k <= y < t_{k+1},

    c~_i = (1 - alpha_i) c_{i-1} + alpha_i c_i,   alpha_i = (y - t_i)/(t_{i+r-1} - t_i),   k - r + 2 <= i <= k,

convex combinations, so that nothing cancels; 1 - alpha_i is taken as (t_{i+r-1} - y)/(t_{i+r-1} - t_i), so that each
weight is right to a few eps of itself. Where coarse exterior knots lie between the s, because exterior knots moved
other than by insertion, no insertion leads there: de Boor's recursion for the blossom does, which extrapolates.
Coefficients are rows of weights on the r coarse coefficients of the piece.
"""

from __future__ import annotations

import numpy as np

from refkan.kernels.compilation import kernel


@kernel
def insert(y, order, knots, C, size):
    """Insert y into a window of size + r knots with `size` coefficients; return the new size.

    A coefficient at either end whose neighbour lies outside the window is not determined and leaves the window.
    """
    k = 0
    while k + 1 < size + order and knots[k + 1] <= y:
        k += 1
    for i in range(size + order, k + 1, -1):
        knots[i] = knots[i - 1]
    knots[k + 1] = y
    for i in range(size, max(k, 0), -1):
        for column in range(order):
            C[i, column] = C[i - 1, column]
    for i in range(min(k, size - 1), max(k - order + 2, 1) - 1, -1):
        # Position i + r - 1 of the old knots is i + r of the new ones: it lies right of y.
        span = knots[i + order] - knots[i]
        before, after = (knots[i + order] - y) / span, (y - knots[i]) / span
        for column in range(order):
            C[i, column] = before * C[i - 1, column] + after * C[i, column]
    right_open = k >= size  # coefficient `size` would need one beyond the window
    if not right_open:
        size += 1
    if k <= order - 2:  # and coefficient 0 one before it
        for i in range(size + order - 1):
            knots[i] = knots[i + 1]
        for i in range(size - 1):
            for column in range(order):
                C[i, column] = C[i + 1, column]
        size -= 1
    return size


@kernel
def position(inner, order, knots, size):
    """Index of the coefficient whose inner knots are inner[1 : r], or -1."""
    for i in range(size):
        same = True
        for k in range(1, order):
            if knots[i + k] != inner[k]:
                same = False
        if same:
            return i
    return -1


@kernel
def blossom(inner, order, t, m, C):
    """Weights C[0] of the blossom at inner[1 : r] of the piece on [t_m, t_{m+1}); C (r, r) starts as the identity."""
    for k in range(1, order):
        for i in range(order - k):
            left, right = t[m - order + 1 + k + i], t[m + 1 + i]
            before, after = (right - inner[k]) / (right - left), (inner[k] - left) / (right - left)
            for column in range(order):
                C[i, column] = before * C[i, column] + after * C[i + 1, column]


@kernel
def copied(j, order, coarse, fine, start, values):
    """Write row j and return True for a fine B-spline that vanishes on the domain, where its end knots are repeated.

    The domain does not determine its coefficient. It takes that of the coarse B-spline at the same position from this
    end, which is the same function outside if the exterior knots are the same.
    """
    n_fine, n_coarse = fine.shape[0], coarse.shape[0]
    left = fine[j + order] <= fine[order - 1]
    if not left and fine[j] < fine[n_fine - order]:
        return False
    i = j
    if not left:
        i = j - n_fine + n_coarse
    start[j] = min(i, n_coarse - 2 * order)
    values[j] = 0.0
    values[j, i - start[j]] = 1.0
    return True


@kernel
def piece_under(j, order, fine):
    """Index of a fine interval of the domain on which B-spline j lives; it does not fall with j.

    At the end of the domain over which more of the function hangs: the blossom extrapolates least from there.
    """
    last = fine.shape[0] - order - 1
    left, right = order - 1 - j, j + order - 1 - last
    piece = j
    if left > 0 and left >= right:
        piece = order - 1
    elif right > 0:
        piece = last
    while piece < last and fine[piece + 1] <= fine[piece]:
        piece += 1
    while fine[piece + 1] <= fine[piece]:
        piece -= 1
    return piece


@kernel
def insert_missing(inner, order, knots, C):
    """Insert into a window of 2r knots those of inner[1 : r] that it lacks and can take; return its size."""
    size = order
    for k in range(1, order):
        missing = 0
        for i in range(1, k + 1):
            missing += inner[i] == inner[k]
        for i in range(size + order):
            missing -= knots[i] == inner[k]
        if missing > 0 and knots[0] < inner[k] < knots[size + order - 1]:
            size = insert(inner[k], order, knots, C, size)
    return size


@kernel
def set_identity(order, C):
    """Set the first r rows of C to the identity: each coefficient is itself."""
    C[:order] = 0.0
    for i in range(order):
        C[i, i] = 1.0


@kernel
def prolongation_rows(first, last, order, coarse, fine, start, values):
    """c_fine[j] = sum_k values[j, k] c_coarse[start[j] + k] for j = first..last-1; values (dim_fine, r)."""
    knots, C = np.empty(3 * order + 1), np.empty((2 * order + 1, order))
    inner = np.empty(order)
    m = order - 1
    for j in range(first, last):
        if copied(j, order, coarse, fine, start, values):
            continue
        for k in range(1, order):
            inner[k] = fine[j + k]
        piece = piece_under(j, order, fine)
        while m + 1 < coarse.shape[0] - order and coarse[m + 1] <= fine[piece]:  # the coarse interval around the piece
            m += 1
        start[j] = m - order + 1
        for i in range(2 * order):
            knots[i] = coarse[m - order + 1 + i]
        set_identity(order, C)
        row = position(inner, order, knots, insert_missing(inner, order, knots, C))
        if row < 0:
            set_identity(order, C)
            blossom(inner, order, coarse, m, C)
            row = 0
        for column in range(order):
            values[j, column] = C[row, column]
