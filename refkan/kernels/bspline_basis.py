r"""The r B-splines that are non-zero at a point, with their derivatives; whole splines, interval by interval.

Positions are array positions: `knots[m + r - 1]` is the left end t_m of interval m, and the B-splines that do not
vanish there are numbers m, ..., m + r - 1. From order k to order k + 1 (Cox-de Boor, and its derivatives) the
quotients q_i = v_i / (t_{m+1+i} - t_{m+1+i-k}) serve twice, v_0..v_{k-1} the values, or derivatives, of order k:

    values:            v'_i = (x - t_{m-k+i}) q_{i-1} + (t_{m+1+i} - x) q_i
    next derivatives:  v'_i = k (q_{i-1} - q_i)

with q_{-1} = q_k = 0. Reciprocal spans come from a table in which the reciprocal of an empty span is 0, which is
the convention 0/0 = 0 of repeated knots.

Three habits make the loops fast. Lengths that decide how short loops unroll come as tuples of that length (`width`,
`depth`), which is how a compiled form knows them. Positions are unsigned: signed ones are tested for counting from the
end; numbers become positions through 32 bits, since many processors have no vectors of conversions to 64. And what
every sample needs is done for a block of samples in a loop of its own, which vectorises.
"""

from __future__ import annotations

import numpy as np

from refkan.kernels.compilation import fused_kernel, kernel

BLOCK = 128
TOGETHER = 8
"""Inputs that are read together: so many numbers of a sample lie in one cache line."""

position = np.uint64


@kernel
def find_intervals(x, breakpoints, guide, scale, halvings, m):
    """m[s]: last non-empty interval that starts at or before x[s]; the first or last one outside the domain.

    The domain is cut into cells, number int((x - a) scale). Rounding keeps the order of points, so that all breakpoints
    in earlier cells lie before x: guide[c] is the last interval that starts there. Those that start in the cell
    itself, fewer than 2^halvings, are told apart by bisection without a branch.
    """
    last = position(guide[guide.shape[0] - 1])
    a, b = breakpoints[0], breakpoints[breakpoints.shape[0] - 1]
    for s in range(x.shape[0]):
        at = x[s].real if x[s].real >= a else a  # so that NaN does not become an index
        at = at if at <= b else b
        m[s] = position(np.int32((at - a) * scale))
    for s in range(x.shape[0]):  # apart, so that the loop above vectorises
        m[s] = guide[m[s]]
    step = position(1 << halvings)
    for _ in range(halvings):
        step >>= position(1)
        for s in range(x.shape[0]):
            middle = min(m[s] + step, last)
            m[s] = middle if breakpoints[middle] <= x[s].real else m[s]


@kernel
def local_basis(
    first, last, x, knots, breakpoints, inverse_spans, guide, scale, halvings, width, depth, start, out
):  # fmt: skip
    """start[s, p] and out[d, s, p, i] = derivative d of B-spline start + i of input p at x[s, p].

    x (N, P), knots (P, K), breakpoints (P, n+1), inverse_spans (P, r, K); width r items, depth D+1 items,
    out (D+1, N, P, r). Outside the domain the polynomials of the interval next to it go on.
    """
    order, top = len(width), len(depth) - 1
    for d in range(order, top + 1):  # derivatives of order >= r vanish inside intervals
        for s in range(first, last):
            for p in range(x.shape[1]):
                for i in range(order):
                    out[d, s, p, i] = 0.0
    points = np.empty(BLOCK, x.dtype)
    m = np.empty(BLOCK, np.uint64)
    for low in range(first, last, BLOCK):
        size = min(BLOCK, last - low)
        for p in range(x.shape[1]):
            for s in range(size):
                points[s] = x[low + s, p]
            find_intervals(points[:size], breakpoints[p], guide[p], scale[p], halvings, m)
            t, inverse = knots[p], inverse_spans[p]
            for s in range(size):
                z, right = points[s], m[s] + position(order)
                start[low + s, p] = m[s]
                v = out[0, low + s, p]
                v[0] = 1.0
                for k in range(1, order):
                    left = right - position(k)
                    # Derivative d of order k + 1 from derivative d - 1 of order k, for those that lead to order r.
                    for d in range(min(k, top + 1 + k - order), 0, -1):
                        carry = 0.0
                        for i in range(k):
                            q = out[d - 1, low + s, p, i] * inverse[k, left + position(i)]
                            out[d, low + s, p, i] = k * (carry - q)
                            carry = q
                        out[d, low + s, p, k] = k * carry
                    carry = 0.0
                    for i in range(k):
                        q = v[i] * inverse[k, left + position(i)]
                        v[i] = carry + (t[right + position(i)] - z) * q
                        carry = (z - t[left + position(i)]) * q
                    v[k] = carry


@kernel
def sort_by_interval(m, run, places, ends):
    """Counting sort of samples s by their intervals m[s], those of m to places[ends[m]], ..., places[ends[m + 1] - 1].

    Each interval gets a multiple of `run` places: the last ones hold B or B + 1, where m has B entries.
    """
    size, n = m.shape[0], ends.shape[0] - 1
    ends[:] = 0
    for s in range(size):
        ends[m[s] + position(1)] += 1
    total = 0
    for j in range(1, n + 1):  # ends[j]: where interval j - 1 starts, and then where it goes on
        count = ends[j]
        ends[j] = total
        total += (count + run - 1) // run * run
    for s in range(size):
        j = m[s] + position(1)
        k = position(ends[j])
        ends[j] += 1
        places[k] = s
    for j in range(1, n + 1):
        k = ends[j]
        while k % run:
            places[k] = size + k % 2
            k += 1
        ends[j] = k


@kernel
def sort_blocks(first, last, x, breakpoints, guide, scale, halvings, size, run, places, ends, strays):
    """places[block, p], ends[block, p]: the order of samples block B + s by interval of x[., p], as `sort_by_interval`.

    The items are blocks of B samples; beyond the last sample, that one again. strays[block, p]: whether one of them is
    outside the domain. x (N, P), ends (blocks, P, n+1).
    """
    n_inputs = x.shape[1]
    z, m = np.empty((TOGETHER, size)), np.empty(size, np.uint64)
    for block in range(first, last):
        origin = block * size
        there = min(size, x.shape[0] - origin)
        for p in range(n_inputs):
            at = p % TOGETHER
            if at == 0:
                for s in range(size):
                    for i in range(min(TOGETHER, n_inputs - p)):
                        z[i, s] = x[origin + min(s, there - 1), p + i]
            find_intervals(z[at], breakpoints[p], guide[p], scale[p], halvings, m)
            sort_by_interval(m, run, places[block, p], ends[block, p])
            a, b = breakpoints[p, 0], breakpoints[p, breakpoints.shape[1] - 1]
            count = 0
            for s in range(size):
                count += not (a <= z[at, s] and z[at, s] <= b)
            strays[block, p] = count > 0


@kernel
def bernstein_coefficients(first, last, knots, inverse_spans, coefficients, out):
    """out[m] = (t_m, t_{m+1}, 1/h, gamma_0, ..., gamma_{r-1}), gamma_k the coefficient of u^k v^(r-1-k).

    u = (x - t_m)/h and v = (t_{m+1} - x)/h, h = t_{m+1} - t_m. gamma_k is binomial(r-1, k) times the polar form at k
    arguments t_{m+1} and r-1-k arguments t_m, by de Boor's algorithm: convex combinations of the coefficients, so that
    nothing cancels that does not cancel in sum_i c_i b_i itself. An empty interval has 1/h = 0.
    """
    order = out.shape[1] - 3
    c = np.empty(order, out.dtype)
    for m in range(first, last):
        start, end = knots[m + order - 1], knots[m + order]
        out[m, 0], out[m, 1] = start, end
        out[m, 2] = 1.0 / (end - start) if end > start else 0.0
        binomial = 1.0
        for k in range(order):
            for i in range(order):
                c[i] = coefficients[m + i]
            for l in range(1, order):
                at = end if l <= k else start
                for i in range(order - 1, l - 1, -1):
                    left, right = knots[m + i], knots[m + i + order - l]
                    c[i] = ((right - at) * c[i - 1] + (at - left) * c[i]) * inverse_spans[order - l, m + i]
            out[m, 3 + k] = binomial * c[order - 1]
            binomial = binomial * (order - 1 - k) / (k + 1)


@kernel
def find_uniform_intervals(x, breakpoints, scale, m):
    """m[s]: the same as `find_intervals` for intervals that are equal but for rounding, `scale` of them to a unit.

    int((x - a) scale - delta), delta above what rounding does to x - a and to breakpoints, is the interval or the one
    before; points outside get the first or the last interval.
    """
    last = position(breakpoints.shape[0] - 2)
    a, b = breakpoints[0], breakpoints[breakpoints.shape[0] - 1]
    delta = 2e-15 * (1.0 + max(abs(a), abs(b), b - a) * scale)
    for s in range(x.shape[0]):
        at = x[s] if x[s] >= a else a  # so that NaN does not become an index
        at = at if at <= b else b
        m[s] = position(np.int32(max((at - a) * scale - delta, 0.0)))
    for s in range(x.shape[0]):
        after = min(m[s] + position(1), last)
        m[s] = after if breakpoints[after] <= x[s] else m[s]


@fused_kernel
def bernstein_values(first, last, x, breakpoints, guide, scale, halvings, width, pieces, out, beyond):
    """out[s] = sum_k gamma_k u^k v^(r-1-k) at x[s] in interval m; pieces as `bernstein_coefficients` leaves them, flat.

    Items are blocks of samples; beyond[block] tells whether one of them is outside the domain, or NaN: its value is
    that of the end piece. `width` has r items. halvings < 0 says that the intervals are equal.
    """
    a, b = breakpoints[0], breakpoints[breakpoints.shape[0] - 1]
    m = np.empty(BLOCK, np.uint64)
    for block in range(first, last):
        low, high = block * BLOCK, min((block + 1) * BLOCK, x.shape[0])
        points, values = x[low:high], out[low:high]
        if halvings < 0:
            find_uniform_intervals(points, breakpoints, scale, m)
        else:
            find_intervals(points, breakpoints, guide, scale, halvings, m)
        strays = 0
        for s in range(high - low):
            strays += not (a <= points[s] and points[s] <= b)
        beyond[block] = strays > 0
        for s in range(high - low):
            piece = m[s] * position(3 + len(width))
            u = (points[s] - pieces[piece]) * pieces[piece + position(2)]
            v = (pieces[piece + position(1)] - points[s]) * pieces[piece + position(2)]
            value, power = pieces[piece + position(3)], 1.0
            for k in range(1, len(width)):
                power *= u
                value = value * v + pieces[piece + position(3 + k)] * power
            values[s] = value
