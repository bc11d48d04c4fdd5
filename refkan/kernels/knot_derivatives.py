r"""Derivatives of the local B-splines with respect to the interior breakpoints.

With t_j doubled (t^_l = t_l for l <= j, t_{l-1} after) and bhat the B-splines on the doubled knots,

    db_i/dt_j = bhat_{i+1}/(t_{i+r} - t_{i+1}) - bhat_i/(t_{i+r-1} - t_i),     bhat_i counted for j-r+1 <= i <= j.

On interval m only the 2r - 2 breakpoints t_{m-r+2}, ..., t_{m+r-1} matter. Spans of the doubled knots are spans
of the original ones, so the table of reciprocals serves; a span across the doubled knot alone is empty: 0.
Positions are array positions: `knots[m + r - 1]` is t_m.
"""

from __future__ import annotations

import numpy as np

from refkan.kernels.compilation import kernel

LINEAR = 0


@kernel
def doubled_inverse_span(inverse_spans, k, l, j):
    """1/(t^_{l+k} - t^_l) on the knots with position j doubled."""
    if l + k <= j:
        return inverse_spans[k, l]
    if l > j:
        return inverse_spans[k, l - 1]
    return inverse_spans[k - 1, l]  # row 0 of the table is 0: the empty span


@kernel
def step(v, k, m, x, knots, inverse_spans, j, raising):
    """Raise the order of the k values in v to k + 1, or differentiate them, on the doubled knots."""
    carry = 0.0
    for i in range(k):
        left, right = m + 1 + i - k, m + 1 + i
        q = v[i] * doubled_inverse_span(inverse_spans, k, left, j)
        if raising:
            v[i] = carry + (knots[right if right <= j else right - 1] - x) * q
            carry = (x - knots[left if left <= j else left - 1]) * q
        else:
            v[i] = carry - k * q
            carry = k * q
    v[k] = carry


@kernel
def fill_knot_row(x, at, m, j, knots, inverse_spans, work, out):
    """out[i] = db_{m+i-r+1}/dt_j at x, from value and slope at `at`; m and j positions, work (2, r)."""
    order = out.shape[0]
    hat = m if m < j else m + 1  # interval of x on the doubled knots
    v, slope = work[0], work[1]
    v[0] = 1.0
    for k in range(1, order - 1):
        step(v, k, hat, at, knots, inverse_spans, j, True)
    if order > 1:
        for i in range(order - 1):
            slope[i] = v[i]
        step(slope, order - 1, hat, at, knots, inverse_spans, j, False)
        step(v, order - 1, hat, at, knots, inverse_spans, j, True)
    for i in range(order):
        v[i] += (x - at) * slope[i]
        out[i] = 0.0
    for i in range(order):
        l = hat - order + 1 + i  # position of the first knot of bhat
        if j - order + 1 <= l <= j:
            scaled = v[i] * inverse_spans[order - 1, l]
            own = l - (m - order + 1)
            if 0 <= own < order:
                out[own] -= scaled
            if 0 <= own - 1 < order:
                out[own - 1] += scaled


@kernel
def knot_rows(first, last, x, start, knots, inverse_spans, outside, out):
    """out[s, p, w, i] = db/dt_j of B-spline start + i, for breakpoint j = start - r + 2 + w; 0 unless 0 < j < n.

    x (N, P), start (N, P) the interval of x, out (N, P, 2r-2, r).
    """
    n_inputs = x.shape[1]
    order = out.shape[3]
    n = knots.shape[1] - 2 * order + 1
    work = np.empty((2, order), out.dtype)
    for s in range(first, last):
        for p in range(n_inputs):
            t = knots[p]
            a, b = t[order - 1], t[order - 1 + n]
            at = x[s, p]
            if outside == LINEAR and at.real < a.real:
                at = a
            if outside == LINEAR and at.real > b.real:
                at = b
            for w in range(out.shape[2]):
                j = start[s, p] - order + 2 + w
                if 0 < j < n:
                    fill_knot_row(
                        x[s, p], at, start[s, p] + order - 1, j + order - 1, t, inverse_spans[p], work, out[s, p, w]
                    )
                else:
                    out[s, p, w, :] = 0.0
