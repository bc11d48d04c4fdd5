r"""The local B-spline basis as its definition says, for any order and number of derivatives.

Equal to the B-splines of `refkan.truth.bsplines`; the fast form is `bspline_basis.local_basis`. Lengths are those of
the arrays, so that one compiled form serves all orders. Functions and knots are counted from 0 as they lie in arrays:
`t[m + r - 1]` is the left end t_m of interval m, and the B-splines that do not vanish there are m, ..., m + r - 1.
"""

from __future__ import annotations

import numpy as np

from refkan.kernels.compilation import kernel

LINEAR, NATURAL = 0, 2


@kernel
def find_interval(x, t, order, n):
    """Last interval m < n, not empty, with t_m <= x; left and right of the domain the first and the last one."""
    b = t[n + order - 1].real
    low, high = 0, n
    while high - low > 1:
        middle = (low + high) // 2
        left = t[middle + order - 1].real
        if left < b and (left <= x.real or left == t[order - 1].real):
            low = middle
        else:
            high = middle
    return low


@kernel
def fill_interval(x, right, t, depth, b):
    """b[d, i] = derivative d < depth of the i-th of the r B-splines on the interval that ends at t[right].

    By Cox and de Boor: from v_0, ..., v_{k-1}, values or derivatives of order k, to order k + 1 with the quotients

        q_i = v_i/(t[right + i] - t[right - k + i]),    q_{-1} = q_k = 0:

        values:              v_i' = (x - t[right - k + i - 1]) q_{i-1} + (t[right + i] - x) q_i
        next derivatives:    v_i' = k (q_{i-1} - q_i)

    Derivative d of order r comes from the value of order r - d, by d steps of the second kind. Values and first
    derivatives, which nearly all calls want, share their quotients.
    """
    order = b.shape[1]
    b[0, 0] = 1.0
    for k in range(1, order):
        for d in range(min(k, depth + k - order), 1, -1):
            before = 0.0
            for i in range(k):
                q = b[d - 1, i] / (t[right + i] - t[right - k + i])
                b[d, i] = k * (before - q)
                before = q
            b[d, k] = k * before
        first_derivatives = depth + k > order
        from_left, before = 0.0, 0.0
        for i in range(k):
            q = b[0, i] / (t[right + i] - t[right - k + i])
            b[0, i] = from_left + (t[right + i] - x) * q
            from_left = (x - t[right - k + i]) * q
            if first_derivatives:
                b[1, i] = k * (before - q)
                before = q
        b[0, k] = from_left
        if first_derivatives:
            b[1, k] = k * before


@kernel
def fill_natural(x, first, t, v, b):
    """b[d, i] = derivative d of B-spline first + i < first + r as it is anywhere, outside the domain too; v (2 r,).

    From the indicators of t_l <= x < t_{l+1} by Cox and de Boor, with 0/0 = 0 and l = first + i,

        v_i' = (x - t_l) v_i/(t_{l+k} - t_l) + (t_{l+k+1} - x) v_{i+1}/(t_{l+k+1} - t_{l+1}),

    and in the last d steps v_i' = k (v_i/(t_{l+k} - t_l) - v_{i+1}/(t_{l+k+1} - t_{l+1})).
    """
    order = b.shape[1]
    for d in range(min(order, b.shape[0])):
        for i in range(2 * order - 1):
            v[i] = 1.0 if t[first + i].real <= x.real and x.real < t[first + i + 1].real else 0.0
        for k in range(1, order):
            for i in range(2 * order - 1 - k):
                l = first + i
                span, next_span = t[l + k] - t[l], t[l + k + 1] - t[l + 1]
                q = v[i] / span if span != 0.0 else 0.0
                next_q = v[i + 1] / next_span if next_span != 0.0 else 0.0
                v[i] = (x - t[l]) * q + (t[l + k + 1] - x) * next_q if k < order - d else k * (q - next_q)
        for i in range(order):
            b[d, i] = v[i]


@kernel
def local_basis(first, last, x, knots, outside, start, rows, C, out):
    """start[s, p] and rows[d, s, p, i] = derivative d of B-spline start + i of input p at x[s, p], and sums of values.

    x (N, P), knots (P, K), start (N, P), rows (D+1, N, P, r). Outside the domain, under the policy `outside`: the
    polynomials of the interval next to it; under LINEAR b(e) + (x - e) b'(e) with e the nearer end; under NATURAL the
    first or the last r B-splines as they are. The sums are those of `plain_sums.contract`, in the same call,

        out[s, 0, q] = sum_p sum_i rows[0, s, p, i] C[q, p, start[s, p] + i],    C (Q, P, dim), out (N, 1, Q), Q >= 0.
    """
    depth, order = rows.shape[0], rows.shape[3]
    b, v = np.zeros((max(depth, 2), order), rows.dtype), np.empty(2 * order, rows.dtype)
    n = knots.shape[1] - 2 * order + 1
    for s in range(first, last):
        for p in range(x.shape[1]):
            t, at = knots[p], x[s, p]
            left, right = not at.real >= t[order - 1].real, at.real > t[order - 1 + n].real
            m = find_interval(at, t, order, n)
            end = t[order - 1] if left else t[order - 1 + n]
            if outside == NATURAL and (left or right):
                m = 0 if left else n - 1
                fill_natural(at, m, t, v, b)
            elif outside == LINEAR and (left or right):
                fill_interval(end, m + order, t, b.shape[0], b)
                for i in range(order):
                    b[0, i] += (at - end) * b[1, i]
                    for d in range(2, depth):
                        b[d, i] = 0.0
            else:
                fill_interval(at, m + order, t, depth, b)
            start[s, p] = m
            for d in range(depth):
                for i in range(order):
                    rows[d, s, p, i] = b[d, i] if d < order else 0.0
        for q in range(C.shape[0]):
            total = 0.0
            for p in range(x.shape[1]):
                m = start[s, p]
                for i in range(order):
                    total += rows[0, s, p, i] * C[q, p, m + i]
            out[s, 0, q] = total
