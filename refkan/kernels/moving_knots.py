r"""How a spline moves with its interior breakpoints, interval by interval, in its own B-splines.

On interval m a spline of order r is sum_i c_{m+i} b_{m+i}, i = 0..r-1, in array positions. Its coefficient c_v is the
polar form P of that polynomial at the r - 1 knots A_v = (t_{v+1}, ..., t_{v+r-1}). Where t_j moves and coefficients
stay, P must move against it: differentiating P(A_v) = c_v gives, for the polynomial df/dt_j on interval m,

    df/dt_j = sum_i k_i b_{m+i},    k_i = - (slope of P at A_v without t_j) if t_j is in A_v, v = m + i, else 0,

as if the local coefficients moved by k_i. That slope is the polar form of f'/(r-1), a spline of order r - 1 whose
coefficients are d_v = (c_v - c_{v-1})/(t_{v+r-1} - t_v), at r - 2 knots: by de Boor's algorithm a sum

    k_i = - sum_e weights[m, i, a, e] d_{m+1+e},    e = 0..r-2,    t_j number a of A_v, a = 0..r-2,

of weights that depend on the knots alone. It is the formula with doubled knots, df/dt_j = - sum_i d_i bhat_i, in
another basis; the sums over samples of an interval do not depend on the knot j, so derivatives in all knots cost next
to nothing per sample. Outside the domain the b_i follow the policy.

`knots[m + r - 1]` is t_m; t_j stands at position m + i + a + 1, so that j = m + i + a + 2 - r, and 0 < j < n matter.
"""

from __future__ import annotations

from refkan.kernels.compilation import kernel


@kernel
def motion_weights(first, last, knots, out):
    """out[p, m, i, a, e] as above, 0 unless 0 < j < n; knots (P, K), out (P, n, r, r-1, r-1)."""
    n, order = out.shape[1], out.shape[2]
    for p in range(first, last):
        t = knots[p]
        for m in range(n):
            for i in range(order):
                for a in range(order - 1):
                    w = out[p, m, i, a]
                    w[:] = 0.0
                    if not 0 < m + i + a + 2 - order < n:
                        continue
                    # From the last step of de Boor's algorithm, the result alone, back to the coefficients. The first
                    # steps, whose spans are long, take arguments far from the interval, the last ones the near ones.
                    w[order - 2] = 1.0
                    below, above = min(m + order, m + i + order) - 1, max(m + order, m + i + 1)
                    for h in range(order - 2, 0, -1):
                        if below == m + i + a + 1:
                            below -= 1
                        if above == m + i + a + 1:
                            above += 1
                        near = m + order - 1 - below <= above - (m + order)
                        if below > m + i and (near or above >= m + i + order):
                            u = t[below]
                            below -= 1
                        else:
                            u = t[above]
                            above += 1
                        for e in range(h, order - 1):
                            left, right = t[m + 1 + e], t[m + e + order - h]
                            share = w[e] / (right - left)
                            w[e - 1] += share * (right - u)
                            w[e] = share * (u - left)


@kernel
def pull_back_knots(first, last, weights, slopes, moments, dt):
    """dt[p, j - 1] = - sum weights[p, m, i, a, e] sum_q slopes[p, m + e, q] moments[p, m r + i, q].

    slopes (P, dim-1, Q) the d_v from v = 1 on; moments (P, n r, Q) the cotangents of the local coefficients, the sums
    of b_{m+i} dy over the samples of an interval; dt (P, n-1).
    """
    n, order = weights.shape[1], weights.shape[2]
    for p in range(first, last):
        dt[p, :] = 0.0
        for m in range(n):
            for i in range(order):
                for e in range(order - 1):
                    d, moment = slopes[p, m + e], moments[p, m * order + i]
                    total = 0.0
                    for q in range(d.shape[0]):
                        total += d[q] * moment[q]
                    for a in range(order - 1):
                        j = m + i + a + 2 - order
                        if 0 < j < n:
                            dt[p, j - 1] -= weights[p, m, i, a, e] * total


@kernel
def move_coefficients(first, last, weights, slopes, dC, dt, out):
    """out[p, m r + i, q] = dC[p, m + i, q] + sum_j k_i dt_j: tangents (P, n r, Q) of the local coefficients."""
    n, order = weights.shape[1], weights.shape[2]
    for p in range(first, last):
        for m in range(n):
            for i in range(order):
                row = out[p, m * order + i]
                for q in range(row.shape[0]):
                    row[q] = dC[p, m + i, q]
                for e in range(order - 1):
                    factor = 0.0
                    for a in range(order - 1):
                        j = m + i + a + 2 - order
                        if 0 < j < n:
                            factor += weights[p, m, i, a, e] * dt[p, j - 1]
                    for q in range(row.shape[0]):
                        row[q] -= factor * slopes[p, m + e, q]
