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
def fill_functions(x, first, piece, derivative, t, v):
    """v[i] = derivative of B-spline first + i < first + r at x, by Cox and de Boor; v (2 r,), of which r are results.

    Of order 1 the function number `piece` alone is 1, counted from `first`: the polynomials of this knot span, wherever
    x is; none where it is no number from 0 to 2 r - 2. From order k to k + 1, with 0/0 = 0 and l = first + i,

        b_l' = (x - t_l) b_l/(t_{l+k} - t_l) + (t_{l+k+1} - x) b_{l+1}/(t_{l+k+1} - t_{l+1}),

    and in the last steps, as many as there are derivatives,

        b_l' = k (b_l/(t_{l+k} - t_l) - b_{l+1}/(t_{l+k+1} - t_{l+1})).
    """
    order = v.shape[0] // 2
    for i in range(2 * order):
        v[i] = 0.0
    if piece < 0 or piece > 2 * order - 2 or derivative >= order:
        return
    v[piece] = 1.0
    for k in range(1, order):
        for i in range(max(piece - k, 0), min(piece, 2 * order - 2 - k) + 1):
            l = first + i
            span, next_span = t[l + k] - t[l], t[l + k + 1] - t[l + 1]
            q = v[i] / span if span != 0.0 else 0.0
            next_q = v[i + 1] / next_span if next_span != 0.0 else 0.0
            if k < order - derivative:
                v[i] = (x - t[l]) * q + (t[l + k + 1] - x) * next_q
            else:
                v[i] = k * (q - next_q)


@kernel
def local_basis(first, last, x, knots, outside, start, out):
    """start[s, p] and out[d, s, p, i] = derivative d of B-spline start + i of input p at x[s, p].

    x (N, P), knots (P, K), start (N, P), out (D+1, N, P, r). Outside the domain, under the policy `outside`: the
    polynomials of the interval next to it; under LINEAR b(e) + (x - e) b'(e) with e the nearer end; under NATURAL the
    first or the last r B-splines as they are.
    """
    order = out.shape[3]
    v = np.empty(2 * order, out.dtype)
    for s in range(first, last):
        for p in range(x.shape[1]):
            t = knots[p]
            n = t.shape[0] - 2 * order + 1
            a, b = t[order - 1], t[order - 1 + n]
            at, m = x[s, p], find_interval(x[s, p], t, order, n)
            piece = order - 1
            left, right = not at.real >= a.real, at.real > b.real
            if outside == NATURAL and (at.real < a.real or right):
                m = 0 if left else n - 1
                piece = -1
                while piece < 2 * order - 1 and t[m + piece + 1].real <= at.real:
                    piece += 1
            tangent = outside == LINEAR and (left or right)
            end = a if left else b
            reach = at - end
            if tangent:
                at = end
            start[s, p] = m
            for d in range(max(out.shape[0], 2 if tangent else 0)):
                fill_functions(at, m, piece, d, t, v)
                for i in range(order):
                    if d < out.shape[0]:
                        out[d, s, p, i] = 0.0 if tangent and d > 1 else v[i]
                    if tangent and d == 1:
                        out[0, s, p, i] += reach * v[i]
