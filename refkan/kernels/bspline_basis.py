r"""The r B-splines that are non-zero at a point, and their derivatives.

Positions are array positions: `knots[m + r - 1]` is the left end t_m of interval m, and the B-splines that do not
vanish there are numbers m, ..., m + r - 1. Raising the order from k to k + 1 (Cox-de Boor) and differentiating once
share the quotients q_i = v_i / (t_{m+1+i} - t_{m+1+i-k}), v_0..v_{k-1} the values of order k:

    raise:          v'_i = (x - t_{m-k+i}) q_{i-1} + (t_{m+1+i} - x) q_i
    differentiate:  v'_i = k (q_{i-1} - q_i)

with q_{-1} = q_k = 0. Reciprocal spans come from a table in which the reciprocal of an empty span is 0, which is
the convention 0/0 = 0 of repeated knots.
"""

from __future__ import annotations

import numba
import numpy as np

from refkan.kernels.compilation import kernel

LINEAR, POLYNOMIAL, NATURAL = 0, 1, 2
CHUNK = 256


@kernel()
def find_interval(x, breakpoints, guide):  # type: ignore[no-untyped-def]
    """Last interval that starts at or before x, within the non-empty ones: closed at the right end of the domain."""
    n = guide.shape[0] - 1
    a = breakpoints[0]
    b = breakpoints[n]
    if not x > a:  # also NaN, which must not become an index
        return guide[0]
    if x >= b:
        return guide[n]
    # guide[c] is the interval at a + c (b-a)/n. Rounding may put x one cell off, hence the margin of one cell.
    cell = int((x - a) / (b - a) * n)
    low = guide[max(cell - 1, 0)]
    high = guide[min(cell + 2, n)]
    while low < high:
        middle = (low + high + 1) // 2
        if breakpoints[middle] <= x:
            low = middle
        else:
            high = middle - 1
    return low


@kernel()
def raise_order(v, k, m, x, knots, inverse_spans):  # type: ignore[no-untyped-def]
    """Replace the k values of order k in v by the k + 1 values of order k + 1; m is the position of t_m."""
    carry = v[0] * 0.0
    for i in range(k):
        q = v[i] * inverse_spans[k, m + 1 + i - k]
        v[i] = carry + (knots[m + 1 + i] - x) * q
        carry = (x - knots[m + 1 + i - k]) * q
    v[k] = carry


@kernel()
def differentiate(v, k, m, inverse_spans):  # type: ignore[no-untyped-def]
    """Replace k values of order k by the derivatives of the k + 1 B-splines of order k + 1."""
    carry = v[0] * 0.0
    for i in range(k):
        q = k * v[i] * inverse_spans[k, m + 1 + i - k]
        v[i] = carry - q
        carry = q
    v[k] = carry


@kernel()
def fill_derivatives(x, m, knots, inverse_spans, out):  # type: ignore[no-untyped-def]
    """out[d, i]: derivative d of the i-th of the r B-splines on the interval at position m, continued as polynomials."""
    order = out.shape[1]
    top = min(out.shape[0] - 1, order - 1)
    out[top + 1 :, :] = 0.0  # derivatives of order >= r vanish inside intervals
    v = out[0]
    v[0] = 1.0
    for k in range(1, order - top):
        raise_order(v, k, m, x, knots, inverse_spans)
    for d in range(top, 0, -1):
        k = order - d
        row = out[d]
        row[:k] = v[:k]
        for j in range(k, order):
            differentiate(row, j, m, inverse_spans)
        raise_order(v, k, m, x, knots, inverse_spans)


@kernel()
def fill_linear_tail(x, end, m, knots, inverse_spans, tail, out):  # type: ignore[no-untyped-def]
    """Tangent at the end point: b(end) + (x - end) b'(end); `tail` is scratch with at least two rows."""
    fill_derivatives(end, m, knots, inverse_spans, tail)
    for i in range(out.shape[1]):
        out[0, i] = tail[0, i] + (x - end) * tail[1, i]
        if out.shape[0] > 1:
            out[1, i] = tail[1, i]
    out[2:, :] = 0.0


@kernel()
def fill_natural_tail(x, first, knots, inverse_spans, work, out):  # type: ignore[no-untyped-def]
    """Own values outside the domain of the r B-splines whose knots start at positions first, ..., first + r - 1.

    Order 1 is the indicator of [t_l, t_{l+1}); then order by order over a window of 2r - 1 functions, of which each
    step completes one less. Derivative d: differences of the values of order r - d.
    """
    order = out.shape[1]
    size = 2 * order - 1
    for d in range(out.shape[0]):
        if d >= order:
            out[d, :] = 0.0
            continue
        for i in range(size):
            l = first + i
            inside = knots[l].real <= x.real and x.real < knots[l + 1].real
            work[i] = 1.0 if inside else 0.0
        for k in range(1, order):
            for i in range(size - k):
                l = first + i
                q0 = work[i] * inverse_spans[k, l]
                q1 = work[i + 1] * inverse_spans[k, l + 1]
                if k < order - d:
                    work[i] = (x - knots[l]) * q0 + (knots[l + 1 + k] - x) * q1
                else:
                    work[i] = k * (q0 - q1)
        for i in range(order):
            out[d, i] = work[i]


@kernel()
def fill_point(x, knots, breakpoints, inverse_spans, guide, outside, scratch, out):  # type: ignore[no-untyped-def]
    """Fill out[d, i] at one point and return the number of the first B-spline; scratch (max(D + 1, 2), 2r)."""
    order = out.shape[1]
    n = guide.shape[0] - 1
    a, b = knots[order - 1], knots[order - 1 + n]
    m = find_interval(x.real, breakpoints, guide)
    left, right = x.real < breakpoints[0], x.real > breakpoints[n]
    if outside == POLYNOMIAL or not (left or right):
        fill_derivatives(x, m + order - 1, knots, inverse_spans, out)
    elif outside == LINEAR:
        rows = max(out.shape[0], 2)
        fill_linear_tail(x, a if left else b, m + order - 1, knots, inverse_spans, scratch[:rows, :order], out)
    else:
        m = 0 if left else n - 1  # the first or last r functions, whatever empty intervals lie at the end
        fill_natural_tail(x, m, knots, inverse_spans, scratch[0], out)
    return m


@kernel(parallel=True)
def local_basis(x, knots, breakpoints, inverse_spans, guide, outside, start, out):  # type: ignore[no-untyped-def]
    """start[s, p] and out[d, s, p, i] = derivative d of B-spline start + i of input p at x[s, p].

    x (N, P), knots (P, K), breakpoints (P, n+1), inverse_spans (P, r, K), guide (P, n+1), out (D+1, N, P, r).
    """
    n_samples, n_inputs = x.shape
    for chunk in numba.prange((n_samples + CHUNK - 1) // CHUNK):
        scratch = np.empty((out.shape[0] + 1, 2 * out.shape[3]), out.dtype)
        for s in range(chunk * CHUNK, min(n_samples, (chunk + 1) * CHUNK)):
            for p in range(n_inputs):
                start[s, p] = fill_point(
                    x[s, p], knots[p], breakpoints[p], inverse_spans[p], guide[p], outside, scratch, out[:, s, p]
                )


@kernel()
def build_guide(breakpoints, out):  # type: ignore[no-untyped-def]
    """out[p, c]: the non-empty interval that holds a + c (b-a)/n; out[p, n] the last non-empty one."""
    n = breakpoints.shape[1] - 1
    for p in range(breakpoints.shape[0]):
        t = breakpoints[p]
        m = 0
        for c in range(n + 1):
            position = t[0] + (t[n] - t[0]) * (c / n)
            while m + 1 < n and t[m + 1] <= position and t[m + 1] < t[n]:
                m += 1
            out[p, c] = m


@kernel(parallel=True)
def spline_values(x, knots, breakpoints, inverse_spans, guide, outside, derivative, coefficients, out):  # type: ignore[no-untyped-def]
    """out[s] = sum_i coefficients[i] b_i^(derivative)(x[s]) for one knot vector; x (N,), coefficients (dim,)."""
    n_samples = x.shape[0]
    order = inverse_spans.shape[0]
    for chunk in numba.prange((n_samples + CHUNK - 1) // CHUNK):
        scratch = np.empty((derivative + 2, 2 * order), out.dtype)
        rows = np.empty((derivative + 1, order), out.dtype)
        for s in range(chunk * CHUNK, min(n_samples, (chunk + 1) * CHUNK)):
            m = fill_point(x[s], knots, breakpoints, inverse_spans, guide, outside, scratch, rows)
            total = rows[0, 0] * 0.0
            for i in range(order):
                total += rows[derivative, i] * coefficients[m + i]
            out[s] = total
