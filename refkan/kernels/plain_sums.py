r"""The plain engine: B-splines, and sums over the functions that matter at a sample, as their formulas say.

For any order, number of derivatives, outputs, channels and jets: lengths are those of the arrays, so that one compiled
form serves all layers. Functions and knots are counted from 0 as they lie in arrays: `t[m + r - 1]` is the left end t_m
of interval m, and the B-splines that do not vanish there are m, ..., m + r - 1.

    u[s, c, q] = sum_p sum_i W[s, c, p, i] C[q, p, stride start[s, p] + i]

and its derivatives in C and in the point z[s, c, p], W being the jets of functions with values and derivatives `rows`
(see `jets_of_functions`). Windows start[s, p] share coefficients at stride 1; at stride r each interval has its own.
Equal to the B-splines of `refkan.truth.bsplines` and the layers of `refkan.truth.layers`; the fast forms are in
`bspline_basis`, `polynomial_layer`, `sorted_layer` and `local_jets`.

Sums of products of two such functions follow, with fast forms in `gauss_newton_sums`; and at the end networks of
splines on few samples, with one call forward and one back for all layers: where sums take microseconds, a sweep
consists mostly of calls.
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


@kernel
def contract(first, last, start, W, C, stride, out):
    """out (N, channels, Q) as above; start (N, P), W (N, channels, P, r), C (Q, P, dim)."""
    for s in range(first, last):
        for c in range(W.shape[1]):
            for q in range(C.shape[0]):
                total = 0.0
                for p in range(W.shape[2]):
                    m = stride * start[s, p]
                    for i in range(W.shape[3]):
                        total += W[s, c, p, i] * C[q, p, m + i]
                out[s, c, q] = total


@kernel
def pull_back(first, last, start, W, dy, stride, dC):
    """dC[q, p, stride start[s, p] + i] = sum_s sum_c W[s, c, p, i] dy[s, c, q]; dy (N, channels, Q), dC (Q, P, dim).

    Items are edges, number q P + p: each sums over the samples in their order.
    """
    for edge in range(first, last):
        q, p = edge // W.shape[2], edge % W.shape[2]
        for k in range(dC.shape[2]):
            dC[q, p, k] = 0.0
        for s in range(W.shape[0]):
            m = stride * start[s, p]
            for c in range(W.shape[1]):
                for i in range(W.shape[3]):
                    dC[q, p, m + i] += W[s, c, p, i] * dy[s, c, q]


@kernel
def pull_back_inputs(first, last, start, rows, z, n_first, C, G, dz):
    """dz[s, o, :, p], the cotangent of the jet (x, u, v) of input p, from cotangents G (N, O, channels, Q) of the sums.

    With e_k = sum_q G[s, o, c, q] sum_i C[q, p, start[s, p] + i] rows[k, s, p, i] for each channel c:

        value of x:                     x gets e_1
        first derivative along u:       x gets e_2 u,  u gets e_1
        second one along u and v:       x gets e_3 u^2 + e_2 v,  u gets 2 e_2 u,  v gets e_1

    rows (D+1, N, P, r), z (N, channels, P), C (Q, P, dim), dz (N, O, channels, P).
    """
    e = np.zeros(4, dz.dtype)
    for s in range(first, last):
        for o in range(G.shape[1]):
            for p in range(z.shape[2]):
                m = start[s, p]
                for c in range(z.shape[1]):
                    highest = 1 if c == 0 else 2 if c <= n_first else 3
                    for k in range(1, highest + 1):
                        e[k] = 0.0
                        for q in range(C.shape[0]):
                            for i in range(rows.shape[3]):
                                e[k] += G[s, o, c, q] * C[q, p, m + i] * rows[k, s, p, i]
                    dz[s, o, c, p] = e[1]
                    if c > n_first:
                        u = z[s, c - n_first, p]
                        dz[s, o, 0, p] += e[3] * u * u + e[2] * z[s, c, p]
                        dz[s, o, c - n_first, p] += 2.0 * e[2] * u
                    elif c > 0:
                        dz[s, o, 0, p] += e[2] * z[s, c, p]


@kernel
def scatter_jacobian(first, last, start, W, G, out):
    """out[s, o, q, p, start[s, p] + i] = sum_c G[s, o, c, q] W[s, c, p, i]: rows of the Jacobian in C, zero before.

    The first channel does not read them: of new memory a page would be mapped twice, to be read and to be written.
    """
    for s in range(first, last):
        for o in range(G.shape[1]):
            for c in range(W.shape[1]):
                for q in range(G.shape[3]):
                    g = G[s, o, c, q]
                    for p in range(W.shape[2]):
                        m = start[s, p]
                        for i in range(W.shape[3]):
                            before = 0.0 if c == 0 else out[s, o, q, p, m + i]
                            out[s, o, q, p, m + i] = before + g * W[s, c, p, i]


@kernel
def accumulate(first, last, numbers, left, right, same, start, rows, start_right, rows_right, T, out):
    """out[n, b, start + i, (start' + j) K + l] += sum_s rows[s, p, i] rows'[s, p', j] T[b, s, l].

    p = left[n], p' = right[n] for the pairs of slots n in `numbers`; start (N, P), rows (N, P, r), T (B, N, K),
    out (pairs, B, dim, dim' K). Items are these pairs times blocks, arguments those of `gauss_newton_sums`. `same`
    leaves out sums j < i of a slot with itself, which are those of (j, i).
    """
    blocks, K = T.shape[0], T.shape[2]
    for item in range(first, last):
        n, b = numbers[item // blocks], item % blocks
        p, p_right = left[n], right[n]
        for s in range(T.shape[1]):
            m, m_right = start[s, p], start_right[s, p_right]
            for i in range(rows.shape[2]):
                for j in range(i if same and p == p_right else 0, rows_right.shape[2]):
                    product = rows[s, p, i] * rows_right[s, p_right, j]
                    for l in range(K):
                        out[n, b, m + i, (m_right + j) * K + l] += product * T[b, s, l]


@kernel
def network_values(layers, knots, maps, theta, depth, start, rows, starts, kept, out):
    """out (N, 1, Q), the values of the last layer; writes `starts` and `kept`, where rows are `depth` many.

    A row of `layers` holds P, Q, dim, r, the policy outside of a layer as `local_basis` takes it, and whether a map
    stands before it. Coefficients (Q, P, dim) lie in theta. Of all layers but the first, knots (P, dim + r) lie in
    `knots`, scale and shift (P,) of the maps before them in `maps`, start (N, P) in `starts`, z (N, P) and rows (depth,
    N, P, r) in `kept`, depth = 2, or 1 where there is no way back. Of the first, start (N, P) and rows (D+1, N, P, r)
    are given.
    """
    N, last = start.shape[0], layers.shape[0] - 1
    none, stride = np.int64(0), np.int64(1)  # as literals they would be other types, for which loops compile again
    at_theta, at_knots, at_maps, at_starts, at_kept = 0, 0, 0, 0, 0
    before = out
    for k in range(last + 1):
        P, Q, dim, r = layers[k, 0], layers[k, 1], layers[k, 2], layers[k, 3]
        y = out if k == last else np.empty((N, 1, Q))
        C = theta[at_theta : at_theta + Q * P * dim].reshape((Q, P, dim))
        at_theta += C.size
        if k == 0:
            contract(none, N, start, rows[0].reshape((N, 1, P, r)), C, stride, y)
        else:
            z = kept[at_kept : at_kept + N * P].reshape((N, 1, P))
            at_kept += z.size
            scale, shift = maps[at_maps : at_maps + P], maps[at_maps + P : at_maps + 2 * P]
            at_maps += 2 * P
            for s in range(N):
                for p in range(P):
                    y_p = before[s, 0, p]
                    z[s, 0, p] = scale[p] * y_p + shift[p] if layers[k, 5] else y_p
            b = kept[at_kept : at_kept + depth * N * P * r].reshape((depth, N, P, r))
            at_kept += b.size
            t = knots[at_knots : at_knots + P * (dim + r)].reshape((P, dim + r))
            at_knots += t.size
            first = starts[at_starts : at_starts + N * P].reshape((N, P))
            at_starts += first.size
            local_basis(none, N, z.reshape((N, P)), t, layers[k, 4], first, b, C, y)
        before = y


@kernel
def pull_back_network(layers, maps, theta, start, rows, starts, kept, dy, dtheta):
    """dtheta of the cotangent dy (N, 1, Q) of the values, from what `network_values` has kept."""
    N, none, stride = start.shape[0], np.int64(0), np.int64(1)
    at_theta, at_maps, at_starts, at_kept = theta.size, maps.size, starts.size, kept.size
    for k in range(layers.shape[0] - 1, -1, -1):
        P, Q, dim, r = layers[k, 0], layers[k, 1], layers[k, 2], layers[k, 3]
        at_theta -= Q * P * dim
        dC = dtheta[at_theta : at_theta + Q * P * dim].reshape((Q, P, dim))
        if k == 0:
            pull_back(none, Q * P, start, rows[0].reshape((N, 1, P, r)), dy, stride, dC)
            break
        C = theta[at_theta : at_theta + Q * P * dim].reshape((Q, P, dim))
        at_starts -= N * P
        first = starts[at_starts : at_starts + N * P].reshape((N, P))
        at_kept -= 2 * N * P * r
        b = kept[at_kept : at_kept + 2 * N * P * r].reshape((2, N, P, r))
        at_kept -= N * P
        z = kept[at_kept : at_kept + N * P].reshape((N, 1, P))
        pull_back(none, Q * P, first, b[0].reshape((N, 1, P, r)), dy, stride, dC)
        dz = np.empty((N, 1, 1, P))
        pull_back_inputs(none, N, first, b, z, none, C, dy.reshape((N, 1, 1, Q)), dz)
        at_maps -= 2 * P
        dy = dz.reshape((N, 1, P))
        if layers[k, 5]:
            for s in range(N):
                for p in range(P):
                    dy[s, 0, p] *= maps[at_maps + p]
