r"""The r B-splines that are non-zero at a point, and their derivatives.

Positions are array positions: `knots[m + r - 1]` is the left end t_m of interval m, and the B-splines that do not
vanish there are numbers m, ..., m + r - 1. Raising the order from k to k + 1 (Cox-de Boor) and differentiating once
share the quotients q_i = v_i / (t_{m+1+i} - t_{m+1+i-k}), v_0..v_{k-1} the values of order k:

    raise:          v'_i = (x - t_{m-k+i}) q_{i-1} + (t_{m+1+i} - x) q_i
    differentiate:  v'_i = k (q_{i-1} - q_i)

with q_{-1} = q_k = 0. Reciprocal spans come from a table in which the reciprocal of an empty span is 0, which is
the convention 0/0 = 0 of repeated knots. Samples are worked in blocks, sample last, so that the loops over them
vectorise.
"""

from __future__ import annotations

import numpy as np

from refkan.kernels.compilation import kernel

LINEAR, POLYNOMIAL, NATURAL = 0, 1, 2
BLOCK = 128


@kernel
def find_intervals(x, breakpoints, guide, halvings, m):
    """m[s]: last non-empty interval that starts at or before x[s]; the first or last one outside the domain.

    guide[c] is the interval at a + c (b-a)/n. Rounding may put x one cell off, hence the margin of one cell; the
    interval is then among the 2^halvings that start at guide[c-1], and is found without a branch.
    """
    n = guide.shape[0] - 1
    a, b = breakpoints[0], breakpoints[n]
    scale = n / (b - a)
    for s in range(x.shape[0]):
        clipped = min(max(x[s].real, a), b)  # NaN clips to an end: it must not become an index
        cell = min(max(int((clipped - a) * scale), 0), n)
        low = guide[max(cell - 1, 0)]
        width = 1 << halvings
        for _ in range(halvings):
            width >>= 1
            middle = min(low + width, guide[n])
            low = middle if breakpoints[middle] <= clipped else low
        m[s] = low


@kernel
def fill(value, out):
    """out[s] = value. A loop, like all copies here: assigning to slices takes Numba seconds to compile."""
    for s in range(out.shape[0]):
        out[s] = value


@kernel
def copy(row, out):
    """out[s] = row[s]."""
    for s in range(out.shape[0]):
        out[s] = row[s]


@kernel
def gather(table, m, offset, out):
    """out[s] = table[m[s] + offset]."""
    for s in range(m.shape[0]):
        out[s] = table[m[s] + offset]


@kernel
def raise_order(v, k, x, window, span, carry):
    """Replace the k values of order k in v (r, S) by the k + 1 values of order k + 1.

    window[l] holds t_{m+l-r+2}, span[i] holds 1/(t_{m+1+i} - t_{m+1+i-k}).
    """
    middle = window.shape[0] // 2 - 1
    fill(0.0, carry)
    for i in range(k):
        value, left, right, inverse = v[i], window[middle + 1 + i - k], window[middle + 1 + i], span[i]
        for s in range(x.shape[0]):
            q = value[s] * inverse[s]
            value[s] = carry[s] + (right[s] - x[s]) * q
            carry[s] = (x[s] - left[s]) * q
    copy(carry, v[k])


@kernel
def differentiate(v, k, span, carry):
    """Replace k values of order k in v (r, S) by the derivatives of the k + 1 B-splines of order k + 1."""
    fill(0.0, carry)
    for i in range(k):
        value, inverse = v[i], span[i]
        for s in range(carry.shape[0]):
            q = k * value[s] * inverse[s]
            value[s] = carry[s] - q
            carry[s] = q
    copy(carry, v[k])


@kernel
def fill_block(x, m, knots, inverse_spans, window, span, carry, rows):
    """rows[d, i, s]: derivative d of the r B-splines on interval m[s], continued as polynomials.

    Scratch: window (2r-2, S), span (r, r, S), carry (S,).
    """
    top, order = rows.shape[0] - 1, rows.shape[1]
    for l in range(2 * order - 2):
        gather(knots, m, l + 1, window[l])
    for k in range(1, order):
        for i in range(k):
            gather(inverse_spans[k], m, order + i - k, span[k, i])
    top = min(top, order - 1)
    for d in range(top + 1, rows.shape[0]):  # derivatives of order >= r vanish inside intervals
        for i in range(order):
            fill(0.0, rows[d, i])
    v = rows[0]
    fill(1.0, v[0])
    for k in range(1, order - top):
        raise_order(v, k, x, window, span[k], carry)
    for d in range(top, 0, -1):
        k = order - d
        for i in range(k):
            copy(v[i], rows[d, i])
        for j in range(k, order):
            differentiate(rows[d], j, span[j], carry)
        raise_order(v, k, x, window, span[k], carry)


@kernel
def fill_natural_tail(x, first, knots, inverse_spans, work, out):
    """Own values outside the domain of the r B-splines whose knots start at positions first, ..., first + r - 1.

    Order 1 is the indicator of [t_l, t_{l+1}); then order by order over a window of 2r - 1 functions, of which each
    step completes one less. Derivative d: differences of the values of order r - d.
    """
    order = out.shape[1]
    size = 2 * order - 1
    for d in range(out.shape[0]):
        if d >= order:
            fill(0.0, out[d])
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


@kernel
def fill_outside(x, at, s, n, knots, inverse_spans, outside, work, rows):
    """Continue block column s, filled at the end point `at`, to x: the tangent, or the functions' own values."""
    if outside == NATURAL:
        first = 0 if x.real < at.real else n - 1  # the first or last r functions, whatever empty intervals lie there
        fill_natural_tail(x, first, knots, inverse_spans, work, rows[:, :, s])
        return first
    for i in range(rows.shape[1]):
        rows[0, i, s] += (x - at) * rows[1, i, s]
    for d in range(2, rows.shape[0]):
        for i in range(rows.shape[1]):
            rows[d, i, s] = 0.0
    return -1


@kernel
def fill_rows(x, knots, breakpoints, inverse_spans, guide, halvings, outside, derivatives, m, scratch, rows):
    """Fill rows[d, i, s] and the number m[s] of the first function, by the policy outside the domain.

    rows (max(D, 1) + 1, r, S) has room for the slopes that tangents need; scratch (r^2 + 2r, S).
    """
    size, order = x.shape[0], rows.shape[1]
    n = guide.shape[0] - 1
    find_intervals(x, breakpoints, guide, halvings, m)
    at, carry = scratch[0], scratch[1]
    window = scratch[2 : 2 * order]
    span = scratch[2 * order : 2 * order + order * order].reshape(order, order, size)
    beyond = False
    for s in range(size):
        at[s] = x[s]
        if outside != POLYNOMIAL and not (breakpoints[0] <= x[s].real and x[s].real <= breakpoints[n]):
            at[s] = knots[order - 1] if x[s].real < breakpoints[0] else knots[order - 1 + n]
            beyond = True
    # Slopes that only tangents need are computed only where there are tangents.
    used = max(derivatives, 1) if beyond else derivatives
    fill_block(at, m, knots, inverse_spans, window, span, carry, rows[: used + 1])
    if beyond:
        work = np.empty(2 * order, rows.dtype)
        for s in range(size):
            if not (breakpoints[0] <= x[s].real and x[s].real <= breakpoints[n]):
                first = fill_outside(x[s], at[s], s, n, knots, inverse_spans, outside, work, rows)
                m[s] = first if first >= 0 else m[s]


@kernel
def local_basis(first, last, x, knots, breakpoints, inverse_spans, guide, halvings, outside, start, out):
    """start[s, p] and out[d, s, p, i] = derivative d of B-spline start + i of input p at x[s, p].

    x (N, P), knots (P, K), breakpoints (P, n+1), inverse_spans (P, r, K), guide (P, n+1), out (D+1, N, P, r).
    """
    n_inputs = x.shape[1]
    order = out.shape[3]
    for low in range(first, last, BLOCK):
        high = min(low + BLOCK, last)
        size = high - low
        scratch = np.empty((order * order + 2 * order, size), out.dtype)
        rows = np.empty((max(out.shape[0], 2), order, size), out.dtype)
        points = np.empty(size, x.dtype)
        m = np.empty(size, np.int64)
        for p in range(n_inputs):
            for s in range(size):
                points[s] = x[low + s, p]
            fill_rows(
                points, knots[p], breakpoints[p], inverse_spans[p], guide[p], halvings, outside,
                out.shape[0] - 1, m, scratch, rows,
            )  # fmt: skip
            for s in range(size):
                start[low + s, p] = m[s]
            for d in range(out.shape[0]):
                for s in range(size):
                    for i in range(order):
                        out[d, low + s, p, i] = rows[d, i, s]


@kernel
def spline_values(
    first, last, x, knots, breakpoints, inverse_spans, guide, halvings, outside, derivative, coefficients, out
):  # fmt: skip
    """out[s] = sum_i coefficients[i] b_i^(derivative)(x[s]) for one knot vector; x (N,), coefficients (dim,)."""
    order = inverse_spans.shape[0]
    for low in range(first, last, BLOCK):
        high = min(low + BLOCK, last)
        scratch = np.empty((order * order + 2 * order, high - low), out.dtype)
        rows = np.empty((max(derivative + 1, 2), order, high - low), out.dtype)
        m = np.empty(high - low, np.int64)
        fill_rows(
            x[low:high], knots, breakpoints, inverse_spans, guide, halvings, outside, derivative, m, scratch, rows
        )
        total = out[low:high]
        fill(0.0, total)
        for i in range(order):
            for s in range(high - low):
                total[s] += rows[derivative, i, s] * coefficients[m[s] + i]


@kernel
def build_guide(breakpoints, out):
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
