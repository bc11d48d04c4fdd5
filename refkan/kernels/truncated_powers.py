r"""Truncated powers ((x - t_i)_+ / h)^(r-1), and their derivatives, of all knots and of a block of samples at once.

With y = (x - t_i)_+ derivative d is perm(r-1, d) h^(1-r) y^(r-1-d): one long loop over the functions of a block, in the
order in which they lie in the result.
"""

from __future__ import annotations

import numpy as np

from refkan.kernels.compilation import kernel

LINEAR, POLYNOMIAL = 0, 1

ENTRIES = 512
"""Functions of a block of samples, 4 kB: what a block needs stays in the first-level cache."""


@kernel
def power_rows(first, last, x, ends, knots, factors, outside, rows):
    """rows[d, s, p, i] = derivative d < r of power i of input p at x[s, p], times factors[d, p, i].

    x (N, P), ends (2, P), knots (P, dim), factors (r, P, dim), rows (D, N, P, dim). Outside the domain, under LINEAR:
    the tangent psi(e) + (x - e) psi'(e) at the nearer end e; under POLYNOMIAL those that have begun inside, which are
    the first r to the left of it, go on; otherwise the powers are what they are. NaN has NaN.
    """
    (P, dim), order, depth = knots.shape, factors.shape[0], min(factors.shape[0], rows.shape[0])
    size = max(1, min(ENTRIES // (P * dim), last - first))
    shape = (size * P, dim)
    # What every sample needs is written out for a block of them, so that its loops are long.
    scale, begin = np.empty((order, *shape)), np.empty(shape, knots.dtype)
    for j in range(size * P):
        scale[:, j], begin[j] = factors[:, j % P], knots[j % P]
    wide, above, slope = np.empty(shape, rows.dtype), np.empty(shape, rows.dtype), np.empty(shape, rows.dtype)
    beyond = np.empty(size * P, rows.dtype)
    scales, t, z, y = scale.reshape(order, -1), begin.reshape(-1), wide.reshape(-1), above.reshape(-1)
    for start in range(first, last, size):
        stop, strays = min(start + size, last), False
        n = (stop - start) * P * dim
        for s in range(start, stop):
            for p in range(P):
                j, at, low, high = (s - start) * P + p, x[s, p], ends[0, p], ends[1, p]
                end = low if at.real < low.real else high if at.real > high.real else at
                beyond[j] = 0.0 if at == end or at != at else at - end
                strays = strays or beyond[j] != 0.0
                if outside == LINEAR:
                    at = end
                for i in range(dim):
                    wide[j, i] = at
        for k in range(n):
            y[k] = 0.0 if z[k].real < t[k].real else z[k] - t[k]
        if strays and outside == POLYNOMIAL:
            for j in range((stop - start) * P):
                if beyond[j].real < 0.0:
                    for i in range(order):
                        above[j, i] = wide[j, i] - begin[j, i]
        for d in range(depth):
            fill_powers(order - 1 - d, y[:n], z[:n], t[:n], scales[d], rows[d, start:stop].reshape(-1))
        if strays and outside == LINEAR and order > 1:
            fill_powers(order - 2, y[:n], z[:n], t[:n], scales[1], slope.reshape(-1)[:n])
        for j in range((stop - start) * P if strays and outside <= POLYNOMIAL else 0):
            s, p = start + j // P, j % P
            if outside == LINEAR and order > 1 and beyond[j] != 0.0:
                for i in range(dim):
                    rows[0, s, p, i] += beyond[j] * slope[j, i]
                rows[2:, s, p] = 0.0
            elif outside == POLYNOMIAL and depth == order and beyond[j].real < 0.0:
                for i in range(order):
                    rows[order - 1, s, p, i] = factors[order - 1, p, i]


@kernel
def fill_powers(exponent, y, z, t, factor, out):
    """out = y^exponent factor, multiplied from the left; y^0 is 1 from z = t on, and 0 before."""
    if exponent == 0:
        for k in range(out.shape[0]):
            out[k] = factor[k] * (0.0 if z[k].real < t[k].real else 1.0 if z[k] == z[k] else z[k])
    elif exponent == 1:
        for k in range(out.shape[0]):
            out[k] = y[k] * factor[k]
    elif exponent == 2:
        for k in range(out.shape[0]):
            out[k] = y[k] * y[k] * factor[k]
    else:
        for k in range(out.shape[0]):
            out[k] = y[k] * y[k] * y[k]
        for _ in range(exponent - 3):
            for k in range(out.shape[0]):
                out[k] *= y[k]
        for k in range(out.shape[0]):
            out[k] *= factor[k]
